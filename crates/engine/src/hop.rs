//! The way of jobs to other cores and of their outcomes back.
//!
//! All jobs of a turn for one destination go in one batch; the outcomes come back in the same
//! box, whose buffers are then used again: a hop allocates nothing once they have grown, but for long replies.

use crate::engine::Engine;
use crate::message::{Address, Batch, Job, JobFlags, Message, Outcome};
use crate::session::plan::Planned;
use crate::shard::execute::{Call, Verdict};
use crate::table::Home;
use crate::tx::script::{self, Attempt, Scope};
use base::{ConnId, CoreId, Slot};
use command::{Args, Flags, Wait};
use resp::chain::{Chain, Reply, Sink, finish};
use resp::parse::Span;
use store::Hint;

/// What a job takes from its request.
#[derive(Debug, Clone, Copy)]
pub struct Order {
    /// Where the outcome belongs.
    pub address: Address,
    /// The command.
    pub command: u16,
    /// The database.
    pub db: u8,
    /// What the client brings.
    pub flags: JobFlags,
    /// The hash that planning has cost.
    pub planned: Planned,
}

impl Engine {
    /// Puts a job into this turn's batch for `core`. O(bytes of the arguments).
    #[inline]
    pub(crate) fn send_job<'a>(
        &mut self,
        core: CoreId,
        order: Order,
        args: impl ExactSizeIterator<Item = &'a [u8]>,
    ) {
        self.core.counters.hops += 1;
        let batch = self.outbox.open(core);
        let before = batch.bytes.len();
        let count = args.len() as u32;
        for arg in args {
            batch.spans.push(Span { start: batch.bytes.len() as u32, len: arg.len() as u32 });
            batch.bytes.extend_from_slice(arg);
        }
        batch.jobs.push(Job {
            address: order.address,
            command: order.command,
            db: order.db,
            flags: order.flags,
            args: count,
            key: order.planned.key,
            slot: order.planned.slot,
            hash: order.planned.hash,
        });
        let bytes = batch.bytes.len() - before;
        self.outbox.charge(core, bytes);
    }

    /// Executes another core's jobs, all of them, and sends the batch back.
    pub(crate) fn on_jobs(&mut self, from: CoreId, mut batch: Box<Batch>) {
        if let Some(busy) = self.core.busy {
            return self.refuse_jobs(from, batch, busy);
        }
        let Batch { jobs, spans, bytes, outcomes, replies, chains, waits, strays, .. } =
            &mut *batch;
        let before = self.shard.work;
        self.shard.work += jobs.len() as u32;
        self.look_ahead(jobs);
        let mut first = 0;
        for job in jobs.iter() {
            if job.key != 0 {
                self.jobs_ahead.next(&self.shard.store);
            }
            let spans = &spans[first..first + job.args as usize];
            first += job.args as usize;
            let args = Args::new(bytes, spans, self.core.hasher);
            let args =
                if job.key == 0 { args } else { args.with_hashed(job.key, job.slot, job.hash) };
            if !self.locks.is_idle()
                && let Some(wanted) = self.must_park_job(from, job, &args)
            {
                self.park(from, *job, &args, wanted);
                if from == self.core.id {
                    // Its outcome may come before this batch is back.
                    self.on_parked(job.address);
                }
                outcomes.push(Outcome::PARKED);
                continue;
            }
            let (start, mut chain) = (replies.len(), Chain::default());
            let conn = job.address.session();
            let sink = Sink::behind(replies, &mut chain);
            let verdict = self.execute_job(from, conn, job, &args, sink);
            if let Some(strayed) = self.strays.take() {
                strays.push(strayed);
                outcomes.push(Outcome { parked: false, strays: true, ..Outcome::PARKED });
                replies.truncate(start);
                continue;
            }
            let wait = self.take_wait(from, job);
            self.heed();
            if let Some(wait) = wait {
                waits.push(wait);
                outcomes.push(Outcome { parked: false, waits: true, ..Outcome::PARKED });
                replies.truncate(start);
                continue;
            }
            let in_pieces = !chain.is_empty();
            if in_pieces {
                finish(replies, start, &mut chain);
                chains.push(chain);
            }
            outcomes.push(Outcome {
                len: (replies.len() - start) as u32,
                in_pieces,
                parked: false,
                strays: false,
                waits: false,
                failed: verdict.failed,
                rejected: verdict.rejected,
                ticks: verdict.ticks,
                weight: verdict.weight as u32,
            });
        }
        self.jobs_ahead.finish();
        self.core.counters.jobs_served += jobs.len() as u64;
        self.shares.add_others(self.shard.work - before);
        self.outbox.post(from, Message::Outcomes(batch));
    }

    /// Has the entries of jobs that are about to be executed prefetched.
    fn look_ahead(&mut self, jobs: &[Job]) {
        let distance = self.core.prefetch_ahead;
        if distance > 0 && jobs.len() > 1 {
            for job in jobs.iter().filter(|job| job.key != 0) {
                let hint = Hint { db: job.db, slot: job.slot, hash: job.hash };
                self.jobs_ahead.push(&self.shard.store, hint);
            }
            self.jobs_ahead.start(&self.shard.store, distance);
        }
    }

    /// Executes a job of a session of some core, whose keys are free.
    pub(crate) fn execute_job(
        &mut self,
        from: CoreId,
        conn: ConnId,
        job: &Job,
        args: &Args<'_>,
        reply: Sink<'_>,
    ) -> Verdict {
        let entry = self.core.table.entry(job.command);
        let spec = entry.spec;
        let Home::Data(run) = entry.home else {
            return self.execute_queue((from, conn), job.flags, args, reply);
        };
        if spec.flags.has(Flags::SCRIPT) {
            let order = script::Order { id: job.command, db: job.db, flags: job.flags };
            return match self.run_script(order, &mut Scope::Own, args, reply) {
                Attempt::Ended(verdict) => verdict,
                Attempt::Strays(keys, all) => {
                    self.strays = Some((keys, all));
                    Verdict::default()
                }
            };
        }
        let call = Call { spec, run, db: job.db, flags: job.flags };
        let verdict = self.shard.execute(&mut self.core, call, args, reply);
        if spec.flags.has(Flags::WATCHES) {
            self.watch((from, conn), job.command, job.db, args);
        }
        verdict
    }

    /// Puts the outcomes of a batch of ours where they belong.
    pub(crate) fn on_outcomes(&mut self, from: CoreId, mut batch: Box<Batch>) {
        let mut chains = std::mem::take(&mut batch.chains).into_iter();
        let mut waits = std::mem::take(&mut batch.waits).into_iter();
        let mut strays = std::mem::take(&mut batch.strays).into_iter();
        let (mut at, mut first) = (0usize, 0usize);
        for (job, outcome) in batch.jobs.iter().zip(&batch.outcomes) {
            let reply = match outcome.in_pieces {
                false => Reply::Whole(&batch.replies[at..at + outcome.len as usize]),
                true => Reply::Pieces(chains.next().expect("each outcome in pieces has its chain")),
            };
            let bytes = reply.len();
            let args = Args::new(
                &batch.bytes,
                &batch.spans[first..first + job.args as usize],
                self.core.hasher,
            );
            at += outcome.len as usize;
            first += job.args as usize;
            let verdict = Verdict {
                failed: outcome.failed,
                rejected: outcome.rejected,
                slow: outcome.ticks >= self.core.slow_ticks
                    || args.extent().max(bytes) as u64 >= self.core.large_bytes,
                ticks: outcome.ticks,
                weight: u64::from(outcome.weight),
            };
            if from == self.core.id
                && let Some(session) = self.sessions.get(job.address.session())
            {
                session.mailed_home -= 1;
            }
            match outcome.parked {
                true if from == self.core.id => {}
                true => self.on_parked(job.address),
                false if outcome.strays => {
                    let strays = strays.next().expect("each script that strays says where");
                    self.on_strays(job, &args, strays);
                }
                false if outcome.waits => {
                    let wait = waits.next().expect("each job that waits says for what");
                    self.on_waits(job, &wait);
                }
                false => self.settle_outcome(job, &args, verdict, reply),
            }
        }
        self.outbox.returned(from, batch);
    }

    /// Puts the outcome of a job where it belongs.
    pub(crate) fn settle_outcome(
        &mut self,
        job: &Job,
        args: &Args<'_>,
        verdict: Verdict,
        reply: Reply<'_>,
    ) {
        let (whole, bytes) = (reply.whole(), reply.len());
        let conn = job.address.session();
        let spec = self.core.table.entry(job.command).spec;
        let holds = Flags::WATCHES.0 | Flags::SCRIPT.0;
        let held_up = spec.flags.0 & holds != 0
            || spec.blocks.is_some()
            || (job.command == self.core.exec && job.flags.watched);
        match job.address {
            Address::Session(conn, place) => {
                let told = (whole, bytes);
                self.note_at(conn, Some(place), job.command, verdict, args, told);
                self.fill_place(conn, place, reply);
            }
            Address::Gather { gather, generation, part } => {
                self.gathers.charge(gather, generation, verdict.ticks);
                self.fill_part(gather, generation, part, reply);
            }
            Address::Nobody(conn) => {
                self.note_at(conn, None, job.command, verdict, args, (whole, bytes));
            }
        }
        if held_up {
            self.go_on(conn);
        }
        if spec.flags.has(Flags::WATCHES) {
            let route = self.core.route;
            let owners = args.from(1).map(|key| route.owner(Slot::of_key(key)));
            self.after_watch(conn, owners);
        }
    }

    /// What a job that was just executed waits for, if it does: its waiters are left at its keys.
    #[inline]
    pub(crate) fn take_wait(&mut self, from: CoreId, job: &Job) -> Option<Box<Wait>> {
        let wait = self.shard.wait.take()?;
        let Address::Session(conn, place) = job.address else { return None };
        self.add_waiters((from, conn), place, job.command, job.db, job.flags, &wait);
        Some(wait)
    }

    /// A job of a session of this core has found nothing and waits.
    pub(crate) fn on_waits(&mut self, job: &Job, wait: &Wait) {
        let Address::Session(conn, place) = job.address else { return };
        self.core.account(job.command, 0, 1);
        self.block(conn, place, job.command, wait);
    }
}

#[cfg(test)]
mod tests {
    use crate::check::{Client, World};
    use base::{CoreId, RouteTable, Slot};

    /// A key of one of so many cores.
    fn key_of(core: u16, cores: usize) -> String {
        let route = RouteTable::new(cores);
        let owned = |key: &String| route.owner(Slot::of_key(key.as_bytes())) == CoreId(core);
        (0..).map(|number: u32| format!("key:{number}")).find(owned).expect("a share of all")
    }

    /// Clients of the first core, which has learned that their replies are small.
    fn clients(world: &mut World, count: usize, key: &str) -> Vec<Client> {
        let client = |_| {
            let client = world.open(0);
            world.feed(client, format!("GET {key}\r\n").repeat(200).as_bytes());
            client
        };
        (0..count).map(client).collect()
    }

    #[test]
    fn what_one_core_has_another_execute_at_once_is_bounded_and_the_rest_waits_in_order() {
        let mut world = World::new(2);
        let key = key_of(1, 2);
        let clients = clients(&mut world, 20, &key);
        let before = world.core(0).counters.hops;
        let request = format!("INCR {key}\r\n");
        for client in &clients {
            world.feed_quietly(*client, request.repeat(1000).as_bytes());
        }
        assert_eq!(
            world.core(0).counters.hops - before,
            1024,
            "half of what a turn of the owner may take"
        );
        assert!(world.is_congested(0));
        world.settle();
        let mut found = Vec::new();
        for client in clients {
            let text = String::from_utf8(world.take(client)).expect("numbers");
            let numbers: Vec<u32> =
                text.lines().map(|line| line[1..].parse().expect("a number")).collect();
            assert!(numbers.is_sorted() && numbers.len() == 1000, "in the order sent");
            found.extend(numbers);
        }
        found.sort_unstable();
        assert_eq!(found, (1..=20_000).collect::<Vec<u32>>(), "each once");
    }

    #[test]
    fn a_client_beside_floods_to_the_same_owner_waits_for_few_trips() {
        let mut world = World::new(2);
        let key = key_of(1, 2);
        let floods = clients(&mut world, 40, &key);
        let small = world.open(0);
        let request = format!("GET {key}\r\n");
        for flood in &floods {
            world.feed_quietly(*flood, request.repeat(4000).as_bytes());
        }
        for asked in 0..5 {
            world.feed_quietly(small, request.as_bytes());
            let mut rounds = 0;
            while world.take(small).is_empty() {
                assert!(world.round(), "it is answered");
                rounds += 1;
            }
            assert!(rounds <= 12, "request {asked} took {rounds} rounds");
        }
        assert!(world.is_congested(0), "the floods are not over");
    }

    #[test]
    fn a_request_in_parts_finds_its_way_beside_floods_of_single_ones() {
        let mut world = World::new(3);
        let keys = [key_of(1, 3), key_of(2, 3)];
        let small = world.open(0);
        for key in &keys {
            for flood in clients(&mut world, 40, key) {
                world.feed_quietly(flood, format!("GET {key}\r\n").repeat(2000).as_bytes());
            }
        }
        assert!(world.is_congested(0));
        world.feed_quietly(small, format!("MGET {}\r\n", keys.join(" ")).as_bytes());
        let mut rounds = 0;
        while world.take(small).is_empty() {
            assert!(world.round(), "it is answered");
            rounds += 1;
        }
        assert!(rounds <= 4, "{rounds} rounds");
        assert!(world.is_congested(0), "the floods are not over");
    }
}
