//! `maxmemory`, leased to the cores in slices.
//!
//! One core, the banker, holds what is not given out. A core that comes near the end of its
//! slices asks for one more before it needs it; when the banker has none it calls unused ones
//! back from everybody. So a core may fill the whole memory when the others are empty, and
//! nobody evicts, or refuses a write, before the whole is exhausted (to within a slice a core).
//!
//! Once it is exhausted, unused slices are found by chance only, and a core that evicts could be left
//! with nothing by one that does not. So a core that wants more and has less than its fair share, or
//! has nothing to evict, gets slices that are in use from those with more than theirs (in the
//! second case, from everybody), who then evict.
//! The rejected way, a fixed share for each core, evicts early as soon as keys are skewed.

use base::CoreId;

/// The core that holds what is not given out.
pub const BANKER: CoreId = CoreId(0);

/// The smallest slice in bytes.
const SLICE_MIN: u64 = 64 * 1024;

/// Slices that a core's fair share is cut into.
const SLICES_PER_SHARE: u64 = 32;

/// A core that was told that memory is exhausted asks again after so long, in microseconds.
const RETRY_US: u64 = 5_000;

/// When and where the change was asked for that a settlement belongs to. Of two the later counts, on
/// every core, in whatever order they arrive.
pub type Round = (i64, u16);

/// What cores and banker say to each other, and under which `maxmemory`. After a change of the
/// limit, and after a settlement, all begin anew: what was said under another one counts for nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lease {
    /// The limit that the sender knew, in bytes.
    pub limit: u64,
    /// The settlement that its bytes were counted from.
    pub round: Round,
    /// What it says.
    pub word: Word,
}

/// What is said about slices.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Word {
    /// To the banker: one slice more, please.
    Want {
        /// The sender is over its share and has nothing to evict.
        stuck: bool,
    },
    /// From the banker: here is so much; 0 says that memory is exhausted.
    Grant(u64),
    /// From the banker: give back what you do not use.
    Recall {
        /// A slice at least, even if it is used, provided that you can evict.
        firm: bool,
    },
    /// To the banker: so much comes back, maybe nothing.
    Return(u64),
}

/// One core's share, and at the banker the rest.
#[derive(Debug)]
pub struct Account {
    core: CoreId,
    cores: u64,
    limit: u64,
    /// What this core may use.
    granted: u64,
    /// Memory of this core's clients, in bytes.
    pub outside_bytes: u64,
    /// Memory of batches for other cores and of receive buffers beyond those of the start, in bytes.
    pub plumbing_bytes: u64,
    /// What it used when last told.
    used: u64,
    retry_at_us: u64,
    exhausted: bool,
    /// A new limit is known and not yet what all cores use: nobody is over, nothing is said.
    settling: bool,
    /// The last settlement.
    round: Round,
    /// At the banker: not given out. Negative after `maxmemory` was lowered.
    pool: i64,
    /// Whether the last attempt to evict found something; without eviction, never.
    pub can_evict: bool,
    /// At the banker: who waits for a slice and whether it is stuck, how many answers to a recall are
    /// due, and what each core was granted.
    waiting: Vec<(CoreId, bool)>,
    recalls_due: usize,
    given: Vec<u64>,
}

impl Account {
    /// The account of a core when nothing is limited.
    pub fn new(core: CoreId, cores: usize) -> Account {
        Account {
            core,
            cores: cores as u64,
            limit: 0,
            granted: 0,
            outside_bytes: 0,
            plumbing_bytes: 0,
            used: 0,
            retry_at_us: 0,
            exhausted: false,
            settling: false,
            round: Round::default(),
            pool: 0,
            can_evict: false,
            waiting: Vec::new(),
            recalls_due: 0,
            given: vec![0; cores],
        }
    }

    /// A new `maxmemory`; 0 is no limit. Every core is told the same, so each can work out what
    /// all were granted at first; slices granted under an old limit are forgotten.
    pub fn configure(&mut self, limit: u64) {
        if limit == self.limit {
            return;
        }
        self.limit = limit;
        self.granted = limit / self.cores / 2;
        self.pool = (limit - self.granted * self.cores) as i64;
        self.exhausted = false;
        self.settling = false;
        self.retry_at_us = 0;
        self.waiting.clear();
        self.recalls_due = 0;
        self.given.fill(self.granted);
    }

    /// After [`Account::configure`] at run time: the share waits for what all cores use, which
    /// [`Account::settle`] brings. `limit` and `round` are those of the change; a later one may have
    /// come before it. Gives what this core uses.
    pub fn begin_settling(&mut self, limit: u64, round: Round) -> u64 {
        if limit > 0 && limit == self.limit && round >= self.round {
            self.settling = true;
        }
        self.used
    }

    /// Cuts the limit by what each core uses, so that all know at once whether it is exceeded. Every
    /// core works out the same. O(cores).
    ///
    /// Without it a core over its first half share would take slice after slice before it hears
    /// that there is no more, and accept writes meanwhile.
    pub fn settle(&mut self, limit: u64, round: Round, used: &[u64]) {
        if limit != self.limit || round < self.round {
            return;
        }
        self.round = round;
        self.waiting.clear();
        self.recalls_due = 0;
        let total: u64 = used.iter().sum();
        let share = |bytes: u64| match total.checked_sub(limit) {
            Some(_) => (u128::from(bytes) * u128::from(limit) / u128::from(total)) as u64,
            None => bytes + (limit - total) / self.cores / 2,
        };
        let given: Vec<u64> = used.iter().map(|bytes| share(*bytes)).collect();
        self.settling = false;
        self.exhausted = total >= limit;
        self.granted = given[self.core.index()];
        self.pool = if self.exhausted { 0 } else { (limit - given.iter().sum::<u64>()) as i64 };
        self.given = given;
    }

    fn say(&self, word: Word) -> Lease {
        Lease { limit: self.limit, round: self.round, word }
    }

    fn slice(&self) -> u64 {
        (self.limit / self.cores / SLICES_PER_SHARE).max(SLICE_MIN).min(self.limit)
    }

    /// Whether the core uses more than it may. Always false without a limit.
    #[inline]
    pub fn over(&self) -> bool {
        self.limit > 0 && self.used > self.granted && !self.settling
    }

    /// Whether nothing is to be had: the core is over its share and the banker has nothing.
    pub fn exhausted(&self) -> bool {
        self.over() && (self.exhausted || self.used > self.limit)
    }

    /// How many bytes are over the share.
    pub fn excess(&self) -> u64 {
        if self.over() { self.used - self.granted } else { 0 }
    }

    /// Whether the core is over its share by more than a slice: what it evicts does not keep up.
    pub fn is_far_over(&self) -> bool {
        self.excess() > self.slice()
    }

    /// What the core may use.
    pub fn granted(&self) -> u64 {
        self.granted
    }

    /// `maxmemory` as last told; 0 is no limit.
    pub fn limit(&self) -> u64 {
        self.limit
    }

    /// Notes what the core uses; cheap, called whenever it may have changed.
    #[inline]
    pub fn set_used(&mut self, used: u64) {
        self.used = used;
        if used <= self.granted {
            self.exhausted = false;
        }
    }

    /// Asks for a slice when the core comes near its end, and again after a while: a question that met
    /// another limit at the banker is not answered.
    pub fn poll(&mut self, now_us: u64, send: &mut impl FnMut(CoreId, Lease)) {
        let near = self.limit > 0 && self.used + self.slice() / 2 > self.granted;
        if !near || self.settling || now_us < self.retry_at_us {
            return;
        }
        self.retry_at_us = now_us + RETRY_US;
        let want = self.say(Word::Want { stuck: self.over() && !self.can_evict });
        if self.core == BANKER {
            self.on_message(self.core, want, send);
        } else {
            send(BANKER, want);
        }
    }

    /// Takes in what another core (or this one, as its own banker) said.
    pub fn on_message(
        &mut self,
        from: CoreId,
        message: Lease,
        send: &mut impl FnMut(CoreId, Lease),
    ) {
        let Lease { limit, round, word } = message;
        if (limit, round) != (self.limit, self.round) || self.settling {
            // The banker counts on an answer to each recall.
            if matches!(word, Word::Recall { .. }) {
                send(BANKER, Lease { word: Word::Return(0), ..message });
            }
            return;
        }
        match word {
            Word::Want { stuck } => {
                if !self.waiting.iter().any(|(core, _)| *core == from) {
                    self.waiting.push((from, stuck));
                }
                self.serve(send);
            }
            Word::Grant(bytes) => self.on_grant(bytes),
            Word::Recall { firm } => {
                let back = self.give_back(firm);
                send(BANKER, self.say(Word::Return(back)));
            }
            Word::Return(bytes) => {
                self.pool += bytes as i64;
                let given = &mut self.given[from.index()];
                *given = given.saturating_sub(bytes);
                self.recalls_due = self.recalls_due.saturating_sub(1);
                if self.recalls_due == 0 {
                    self.answer_all(send);
                }
            }
        }
    }

    fn on_grant(&mut self, bytes: u64) {
        self.granted += bytes;
        // Less than a slice is the last there was.
        self.exhausted = bytes < self.slice();
        if bytes > 0 {
            self.retry_at_us = 0;
        }
    }

    /// What this core can do without: all but what it uses and one slice. If it must (`firm`) and can
    /// evict, a slice at the least.
    fn give_back(&mut self, firm: bool) -> u64 {
        let unused = self.granted.saturating_sub(self.used + self.slice());
        let least = if firm && self.can_evict { self.slice().min(self.granted) } else { 0 };
        let back = unused.max(least);
        self.granted -= back;
        back
    }

    /// At the banker: whether a core has to give slices to those that wait, used or not.
    fn must_give(&self, core: CoreId) -> bool {
        let (fair, slice) = (self.limit / self.cores, self.slice());
        self.waiting.iter().any(|&(waits, stuck)| {
            let poor = self.given[waits.index()] + slice <= fair;
            waits != core && (stuck || poor && self.given[core.index()] > fair)
        })
    }

    /// At the banker: answers from the pool, or calls unused slices back first.
    fn serve(&mut self, send: &mut impl FnMut(CoreId, Lease)) {
        if self.recalls_due > 0 {
            return;
        }
        if self.pool >= self.slice() as i64 || self.cores == 1 {
            return self.answer_all(send);
        }
        let back = self.give_back(self.must_give(self.core));
        self.pool += back as i64;
        let given = &mut self.given[self.core.index()];
        *given = given.saturating_sub(back);
        self.recalls_due = self.cores as usize - 1;
        for core in (0..self.cores as u16).map(CoreId).filter(|core| *core != self.core) {
            send(core, self.say(Word::Recall { firm: self.must_give(core) }));
        }
    }

    fn answer_all(&mut self, send: &mut impl FnMut(CoreId, Lease)) {
        for (core, _) in std::mem::take(&mut self.waiting) {
            let bytes = (self.slice() as i64).min(self.pool.max(0));
            self.pool -= bytes;
            self.given[core.index()] += bytes as u64;
            if core == self.core {
                self.on_grant(bytes as u64);
            } else {
                send(core, self.say(Word::Grant(bytes as u64)));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Delivers everything that is said until silence.
    fn settle(accounts: &mut [Account], mut said: Vec<(CoreId, CoreId, Lease)>) {
        while let Some((from, to, message)) = said.pop() {
            accounts[to.index()]
                .on_message(from, message, &mut |next, lease| said.push((to, next, lease)));
        }
    }

    fn poll(accounts: &mut [Account], core: usize, now_us: u64) {
        let mut said = Vec::new();
        let from = CoreId(core as u16);
        accounts[core].poll(now_us, &mut |to, lease| said.push((from, to, lease)));
        settle(accounts, said);
    }

    fn accounts(cores: usize, limit: u64) -> Vec<Account> {
        let make = |core| {
            let mut account = Account::new(CoreId(core as u16), cores);
            account.configure(limit);
            account
        };
        (0..cores).map(make).collect()
    }

    #[test]
    fn one_core_may_use_nearly_everything_when_the_others_are_empty() {
        let limit = 64 << 20;
        let mut all = accounts(4, limit);
        for step in 0..2000u64 {
            let used = all[2].granted();
            all[2].set_used(used);
            poll(&mut all, 2, step * RETRY_US);
        }
        assert!(all[2].granted() > limit * 9 / 10, "{}", all[2].granted());
        let used = all[2].granted() + 1;
        all[2].set_used(used);
        poll(&mut all, 2, u64::MAX / 2);
        assert!(all[2].exhausted());
    }

    #[test]
    fn grants_never_exceed_the_limit_whatever_the_cores_do() {
        let limit = 10 << 20;
        let mut all = accounts(3, limit);
        let mut prng = base::Prng::new(1);
        for step in 0..5000u64 {
            let core = prng.below(3) as usize;
            let used = prng.below(limit);
            all[core].set_used(used);
            poll(&mut all, core, step * RETRY_US);
            let given: u64 = all.iter().map(Account::granted).sum();
            assert!(given <= limit, "{given}");
            assert_eq!(given as i64 + all[0].pool, limit as i64);
        }
    }

    /// Two cores that write as much as they are let, one after the other; what is over is evicted if the
    /// core can.
    fn compete(all: &mut [Account], from_step: u64) {
        for step in from_step..from_step + 4000 {
            for core in 0..all.len() {
                let used = all[core].granted() + 1;
                all[core].set_used(used);
                poll(all, core, step * RETRY_US);
                if all[core].can_evict {
                    let used = all[core].used.min(all[core].granted());
                    all[core].set_used(used);
                }
            }
        }
    }

    #[test]
    fn a_core_that_came_late_gets_its_fair_share_of_an_exhausted_memory() {
        let limit = 64 << 20;
        let mut all = accounts(2, limit);
        all.iter_mut().for_each(|account| account.can_evict = true);
        for step in 0..2000u64 {
            let used = all[0].granted();
            all[0].set_used(used);
            poll(&mut all, 0, step * RETRY_US);
        }
        assert!(all[1].granted() < limit / 8, "{}", all[1].granted());
        compete(&mut all, 2000);
        let fair = limit / 2;
        let slice = all[0].slice();
        for account in &all {
            assert!(account.granted().abs_diff(fair) <= 2 * slice, "{}", account.granted());
        }
    }

    #[test]
    fn a_core_with_nothing_to_evict_is_helped_by_those_that_can() {
        let mut all = accounts(2, 64 << 20);
        all[0].can_evict = true;
        compete(&mut all, 0);
        assert!(all[1].granted() > 60 << 20, "{}", all[1].granted());
    }

    #[test]
    fn where_nobody_evicts_nobody_loses_what_it_uses() {
        let mut all = accounts(2, 64 << 20);
        compete(&mut all, 0);
        let held = all[0].granted();
        let used = all[0].granted();
        all[0].set_used(used);
        poll(&mut all, 1, u64::MAX / 2);
        assert_eq!(all[0].granted(), held);
        assert!(all[1].exhausted());
    }

    #[test]
    fn a_limit_below_what_is_used_is_exhausted_on_every_core_at_once() {
        let used = [10 << 20, 2 << 20, 0];
        let settled = |limit: u64| {
            let mut all = accounts(3, 64 << 20);
            for (account, own) in all.iter_mut().zip(used) {
                account.set_used(own);
                account.configure(limit);
                assert_eq!(account.begin_settling(limit, (1, 0)), own);
                assert!(!account.over(), "not before it is known what all use");
                account.settle(limit + 1, (1, 0), &[0; 3]);
                account.settle(limit, (1, 0), &used);
                account.set_used(own);
            }
            let given: u64 = all.iter().map(Account::granted).sum();
            assert!(given <= limit);
            all
        };
        let all = settled(11 << 20);
        assert!(all[0].exhausted() && all[1].exhausted());
        assert!(all.iter().all(|account| account.granted() <= account.used));
        let all = settled(13 << 20);
        assert!(all.iter().all(|account| !account.over() && account.granted() > account.used));
    }

    #[test]
    fn what_was_granted_under_another_limit_counts_for_nothing() {
        let mut all = accounts(2, 64 << 20);
        let old = Lease { limit: 64 << 20, round: Round::default(), word: Word::Grant(1 << 20) };
        all.iter_mut().for_each(|account| account.configure(1 << 20));
        let mut said = Vec::new();
        all[1].on_message(BANKER, old, &mut |to, lease| said.push((to, lease)));
        assert!(all.iter().map(Account::granted).sum::<u64>() <= 1 << 20);
        let recall = Lease { word: Word::Recall { firm: false }, ..old };
        all[1].on_message(BANKER, recall, &mut |to, lease| said.push((to, lease)));
        assert_eq!(said, [(BANKER, Lease { word: Word::Return(0), ..old })]);
    }

    #[test]
    fn a_grant_from_before_a_settlement_of_the_same_limit_counts_for_nothing() {
        let limit = 64 << 20;
        let mut all = accounts(2, limit);
        let used = all[1].granted();
        all[1].set_used(used);
        let mut said = Vec::new();
        all[1].poll(0, &mut |to, lease| said.push((to, lease)));
        let (_, want) = said.pop().expect("it wants a slice");
        all[0].on_message(CoreId(1), want, &mut |to, lease| said.push((to, lease)));
        let (_, grant) = said.pop().expect("the banker grants it");
        for account in &mut all {
            account.begin_settling(limit, (5, 1));
            account.settle(limit, (5, 1), &[0, used]);
        }
        all[1].on_message(BANKER, grant, &mut |_, _| ());
        let given: u64 = all.iter().map(Account::granted).sum();
        assert_eq!(given as i64 + all[0].pool, limit as i64);
    }

    #[test]
    fn of_two_settlements_the_later_counts_in_either_order() {
        let limit = 64 << 20;
        let (early, late) = ([10 << 20, 0], [0, 30 << 20]);
        let mut all = accounts(2, limit);
        for (account, order) in all.iter_mut().zip([[0, 1], [1, 0]]) {
            account.begin_settling(limit, (1, 0));
            account.begin_settling(limit, (2, 1));
            for which in order {
                let (round, used) = [((1, 0), &early), ((2, 1), &late)][which];
                account.settle(limit, round, used);
            }
            assert!(!account.settling);
        }
        let given: Vec<u64> = all.iter().map(Account::granted).collect();
        assert!(given[1] >= 30 << 20, "{given:?}");
        assert_eq!(given.iter().sum::<u64>() as i64 + all[0].pool, limit as i64);
    }

    #[test]
    fn without_a_limit_nothing_is_over() {
        let mut all = accounts(1, 0);
        all[0].set_used(u64::MAX / 2);
        assert!(!all[0].over());
        assert_eq!(all[0].excess(), 0);
    }
}
