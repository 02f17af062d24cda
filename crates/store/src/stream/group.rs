//! A consumer group: what was delivered to whom and not acknowledged yet.

use super::StreamId;
use std::collections::{BTreeMap, BTreeSet};

/// The consumer of what was released and belongs to nobody.
const NOBODY: u32 = u32::MAX;

/// What an entry that is pending costs, both trees half used.
const PENDING_BYTES: usize = 2 * (2 * size_of::<StreamId>() + size_of::<Delivery>());

/// When and to whom an entry was delivered.
#[derive(Clone, Copy, Debug)]
struct Delivery {
    ms: i64,
    count: i64,
    consumer: u32,
}

/// An entry that was delivered and not acknowledged.
#[derive(Clone, Copy, Debug)]
pub struct Pending<'a> {
    /// Its ID.
    pub id: StreamId,
    /// The name of its consumer; `None` if it was released by XNACK.
    pub consumer: Option<&'a [u8]>,
    /// When it was delivered last, UNIX milliseconds.
    pub delivered_ms: i64,
    /// How often it was delivered.
    pub count: i64,
}

/// The number of a consumer in its group, good until the consumer is deleted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConsumerId(u32);

/// A member of a group.
#[derive(Clone, Debug)]
pub struct Consumer {
    name: Box<[u8]>,
    pending: BTreeSet<StreamId>,
    /// When it was seen last, UNIX milliseconds.
    pub seen_ms: i64,
    /// When it last got an entry; `None` if never.
    pub active_ms: Option<i64>,
}

impl Consumer {
    /// Its name.
    pub fn name(&self) -> &[u8] {
        &self.name
    }

    /// Entries that are pending for it. O(1).
    pub fn pending(&self) -> usize {
        self.pending.len()
    }
}

/// How a claimed entry is marked.
#[derive(Clone, Copy, Debug)]
pub struct Claim {
    /// Only what was delivered at least so long ago.
    pub min_idle_ms: i64,
    /// The present time.
    pub now_ms: i64,
    /// The time that is noted as that of the delivery.
    pub delivered_ms: i64,
    /// The count of deliveries to be noted; else it goes up by one, or stays for `just_id`.
    pub retry_count: Option<i64>,
    /// The client does not want the entry, so this is no delivery.
    pub just_id: bool,
}

/// A consumer group.
#[derive(Clone, Debug)]
pub struct Group {
    /// The last ID that was delivered.
    pub last_id: StreamId,
    /// How many entries of all that were ever added were read; `None` if that is not known.
    pub entries_read: Option<i64>,
    pending: BTreeMap<StreamId, Delivery>,
    names: BTreeMap<Box<[u8]>, u32>,
    consumers: Vec<Option<Consumer>>,
    /// Bytes of all consumers and their names.
    consumer_bytes: usize,
}

impl Group {
    pub(super) fn new(last_id: StreamId, entries_read: Option<i64>) -> Group {
        Group {
            last_id,
            entries_read,
            pending: BTreeMap::new(),
            names: BTreeMap::new(),
            consumers: Vec::new(),
            consumer_bytes: 0,
        }
    }

    /// Bytes that it owns, itself included. O(1).
    pub(super) fn footprint(&self) -> usize {
        size_of::<Group>() + self.pending.len() * PENDING_BYTES + self.consumer_bytes
    }

    /// Entries that are pending for anybody. O(1).
    pub fn pending_len(&self) -> usize {
        self.pending.len()
    }

    /// The first and the last ID that is pending.
    pub fn pending_ends(&self) -> Option<(StreamId, StreamId)> {
        let (first, _) = self.pending.first_key_value()?;
        let (last, _) = self.pending.last_key_value()?;
        Some((*first, *last))
    }

    /// Consumers in the order of their names.
    pub fn consumers(&self) -> impl ExactSizeIterator<Item = (ConsumerId, &Consumer)> {
        self.names.values().map(|number| (ConsumerId(*number), self.consumer(ConsumerId(*number))))
    }

    /// The consumer of this name. O(log consumers).
    pub fn consumer_id(&self, name: &[u8]) -> Option<ConsumerId> {
        self.names.get(name).copied().map(ConsumerId)
    }

    /// A consumer that is there.
    pub fn consumer(&self, id: ConsumerId) -> &Consumer {
        self.consumers[id.0 as usize].as_ref().expect("the consumer was not deleted")
    }

    fn consumer_mut(&mut self, id: ConsumerId) -> &mut Consumer {
        self.consumers[id.0 as usize].as_mut().expect("the consumer was not deleted")
    }

    fn view(&self, id: StreamId, delivery: &Delivery) -> Pending<'_> {
        let owner = self.consumers.get(delivery.consumer as usize).and_then(Option::as_ref);
        Pending {
            id,
            consumer: owner.map(Consumer::name),
            delivered_ms: delivery.ms,
            count: delivery.count,
        }
    }

    /// What is pending from `start` to `end`, both included, in the order of the IDs.
    pub fn pending(&self, start: StreamId, end: StreamId) -> impl Iterator<Item = Pending<'_>> {
        let end = end.max(start);
        self.pending.range(start..=end).map(|(id, delivery)| self.view(*id, delivery))
    }

    /// The same for one consumer.
    pub fn pending_of(
        &self,
        consumer: ConsumerId,
        start: StreamId,
        end: StreamId,
    ) -> impl Iterator<Item = Pending<'_>> {
        let end = end.max(start);
        let ids = self.consumer(consumer).pending.range(start..=end);
        ids.map(|id| self.view(*id, &self.pending[id]))
    }

    /// Whether the entry is pending. O(log pending).
    pub fn has_pending(&self, id: StreamId) -> bool {
        self.pending.contains_key(&id)
    }

    /// The first ID that is pending from `start` on. O(log pending).
    pub fn next_pending(&self, start: StreamId) -> Option<StreamId> {
        self.pending.range(start..).next().map(|(id, _)| *id)
    }

    /// The consumer of this name, which is made if there is none; true if so. O(log consumers).
    pub fn ensure_consumer(&mut self, name: &[u8], now_ms: i64) -> (ConsumerId, bool) {
        if let Some(id) = self.consumer_id(name) {
            return (id, false);
        }
        let consumer = Consumer {
            name: name.into(),
            pending: BTreeSet::new(),
            seen_ms: now_ms,
            active_ms: None,
        };
        // A free place is looked for only where there is one.
        let has_free = self.consumers.len() > self.names.len();
        let free = has_free.then(|| self.consumers.iter().position(Option::is_none)).flatten();
        let number = free.unwrap_or(self.consumers.len());
        match free {
            Some(at) => self.consumers[at] = Some(consumer),
            None => self.consumers.push(Some(consumer)),
        }
        self.names.insert(name.into(), number as u32);
        self.consumer_bytes += consumer_bytes(name);
        (ConsumerId(number as u32), true)
    }

    /// Notes an entry as delivered so often, and when last, to nobody yet; false if it is pending already.
    /// O(log pending).
    pub fn restore_pending(&mut self, id: StreamId, delivered_ms: i64, count: i64) -> bool {
        let delivery = Delivery { ms: delivered_ms, count, consumer: NOBODY };
        let is_new = !self.pending.contains_key(&id);
        if is_new {
            self.pending.insert(id, delivery);
        }
        is_new
    }

    /// Gives what is pending for nobody to a consumer; false if it is not pending for nobody. O(log pending).
    pub fn restore_owner(&mut self, id: StreamId, consumer: ConsumerId) -> bool {
        let Some(delivery) = self.pending.get_mut(&id) else { return false };
        if delivery.consumer != NOBODY {
            return false;
        }
        delivery.consumer = consumer.0;
        self.consumer_mut(consumer).pending.insert(id);
        true
    }

    /// Sets when a consumer was seen and when it last got an entry, UNIX milliseconds.
    pub fn restore_times(&mut self, consumer: ConsumerId, seen_ms: i64, active_ms: Option<i64>) {
        let consumer = self.consumer_mut(consumer);
        (consumer.seen_ms, consumer.active_ms) = (seen_ms, active_ms);
    }

    /// The entry that is pending, if it is. O(log pending).
    pub fn pending_entry(&self, id: StreamId) -> Option<Pending<'_>> {
        self.pending.get(&id).map(|delivery| self.view(id, delivery))
    }

    /// Notes that a consumer asked for something now.
    pub fn saw(&mut self, consumer: ConsumerId, now_ms: i64) {
        self.consumer_mut(consumer).seen_ms = now_ms;
    }

    /// Deletes a consumer with what is pending for it, and tells how much that was. O(pending × log pending).
    pub fn remove_consumer(&mut self, name: &[u8]) -> Option<usize> {
        let number = self.names.remove(name)?;
        let consumer = self.consumers[number as usize].take()?;
        for id in &consumer.pending {
            self.pending.remove(id);
        }
        self.consumer_bytes -= consumer_bytes(name);
        Some(consumer.pending.len())
    }

    /// Takes an entry out of what is pending; false if it is not. O(log pending).
    pub fn acknowledge(&mut self, id: StreamId) -> bool {
        let Some(delivery) = self.pending.remove(&id) else { return false };
        self.disown(id, delivery.consumer);
        true
    }

    fn disown(&mut self, id: StreamId, consumer: u32) {
        if consumer != NOBODY {
            self.consumer_mut(ConsumerId(consumer)).pending.remove(&id);
        }
    }

    /// Notes an entry as delivered to a consumer for the first time, whoever had it before.
    pub(super) fn deliver(&mut self, id: StreamId, consumer: ConsumerId, now_ms: i64) {
        self.note(id, Delivery { ms: now_ms, count: 1, consumer: consumer.0 });
        self.consumer_mut(consumer).active_ms = Some(now_ms);
    }

    fn note(&mut self, id: StreamId, delivery: Delivery) {
        let old = self.pending.insert(id, delivery);
        if let Some(old) = old.filter(|old| old.consumer != delivery.consumer) {
            self.disown(id, old.consumer);
        }
        if delivery.consumer != NOBODY {
            self.consumer_mut(ConsumerId(delivery.consumer)).pending.insert(id);
        }
    }

    /// Notes that a consumer was shown once more what is pending for it.
    pub(super) fn show_again(&mut self, id: StreamId, now_ms: i64) {
        if let Some(delivery) = self.pending.get_mut(&id) {
            delivery.ms = now_ms;
            delivery.count = delivery.count.saturating_add(1);
        }
    }

    /// Gives an entry to a consumer; one that is not pending only if `force` says so. False if it was left where it
    /// is. O(log pending).
    pub fn claim(&mut self, id: StreamId, to: ConsumerId, claim: &Claim, force: bool) -> bool {
        let old = match self.pending.get(&id) {
            Some(old) => *old,
            // As in Redis, what is made here counts as delivered once already.
            None if force => Delivery { ms: claim.now_ms, count: 1, consumer: NOBODY },
            None => return false,
        };
        let idle = claim.now_ms.saturating_sub(old.ms);
        if old.consumer != NOBODY && idle < claim.min_idle_ms {
            return false;
        }
        let count = match claim.retry_count {
            Some(count) => count,
            None if claim.just_id => old.count,
            None => old.count.saturating_add(1),
        };
        self.note(id, Delivery { ms: claim.delivered_ms, count, consumer: to.0 });
        self.consumer_mut(to).active_ms = Some(claim.now_ms);
        true
    }

    /// Takes an entry that is pending from its consumer, so that anybody may claim it at once; one that is not pending
    /// is noted so if `force` says so. `recount` tells the new count of deliveries from the old one. O(log pending).
    pub fn release(
        &mut self,
        id: StreamId,
        force: bool,
        recount: impl FnOnce(Option<i64>) -> i64,
    ) -> bool {
        let old = self.pending.get(&id).map(|delivery| delivery.count);
        if old.is_none() && !force {
            return false;
        }
        self.note(id, Delivery { ms: 0, count: recount(old), consumer: NOBODY });
        true
    }

    /// Frees something; false if there is nothing left.
    pub(super) fn shed_one(&mut self) -> bool {
        if self.pending.pop_first().is_some() {
            return true;
        }
        let Some(last) = self.consumers.last_mut() else { return false };
        let shown = last.as_mut().and_then(|consumer| consumer.pending.pop_first());
        if shown.is_none() {
            self.consumers.pop();
        }
        true
    }

    /// Things to be freed one by one.
    pub(super) fn parts(&self) -> usize {
        2 * self.pending.len() + self.names.len()
    }
}

fn consumer_bytes(name: &[u8]) -> usize {
    2 * name.len() + size_of::<Option<Consumer>>() + 2 * size_of::<(Box<[u8]>, u32)>()
}
