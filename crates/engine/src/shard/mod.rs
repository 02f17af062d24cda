//! What an owner holds: its keyspace, the gates before each command, its share of the memory,
//! and the work done between turns. Nothing here names a connection.

pub mod execute;
pub mod feed;
pub mod housekeeping;
pub mod lease;

use base::settings::{self, Settings};
use lease::Account;
use store::{Eviction, Policy, Store};

/// The slots of one core.
pub struct Shard {
    /// All databases.
    pub store: Store,
    /// Where commands run on what other cores have lent; made when first needed.
    pub(super) guest: Option<Box<Store>>,
    /// Keys there that were written to.
    pub guest_touched: feed::WriteOrder,
    /// Keys of it that are as they were, but not to those who wait for them.
    pub guest_stirred: Vec<feed::DbKey>,
    /// Which keys somebody cares for, and what has happened to them.
    pub feed: feed::Feed,
    /// What the last command would wait for, if it would.
    pub wait: Option<Box<command::Wait>>,
    /// This core's share of `maxmemory`.
    pub account: Account,
    /// What the configuration says about memory, read once a change.
    pub memory: MemoryPolicy,
    /// When the next step of the expiry cycle is due; monotonic microseconds.
    pub next_expire_us: u64,
    /// DEBUG SET-ACTIVE-EXPIRE.
    pub active_expire: bool,
    /// Entries of flushed tables wait to be freed.
    pub garbage: bool,
    /// The core is over its share and the last step found something to evict.
    pub evicting: bool,
    /// Work done in this turn, in units of a small request.
    pub work: u32,
    /// `hz` and `active-expire-effort`.
    pub cadence: (u64, u32),
}

/// The configuration of memory, in the form the gates want.
#[derive(Debug, Clone, Copy, Default)]
pub struct MemoryPolicy {
    /// Whether there is a `maxmemory` at all.
    pub limited: bool,
    /// What goes, and how it is sampled.
    pub eviction: Eviction,
}

impl Shard {
    /// A shard over an empty store.
    pub fn new(store: Store, account: Account) -> Shard {
        Shard {
            store,
            guest: None,
            guest_touched: feed::WriteOrder::default(),
            guest_stirred: Vec::new(),
            feed: feed::Feed::default(),
            wait: None,
            account,
            memory: MemoryPolicy::default(),
            next_expire_us: 0,
            active_expire: true,
            garbage: false,
            evicting: false,
            work: 0,
            cadence: (10, 1),
        }
    }

    /// Takes over what a changed configuration means for the shard.
    pub fn configure(&mut self, settings: &Settings) {
        let policy = settings.choice(settings::MAXMEMORY_POLICY);
        self.memory = MemoryPolicy {
            limited: settings.int(settings::MAXMEMORY) > 0,
            eviction: Eviction {
                policy: Policy::parse(policy).unwrap_or_default(),
                samples: settings.int(settings::MAXMEMORY_SAMPLES) as u32,
                lfu_log_factor: settings.int(settings::LFU_LOG_FACTOR) as u32,
                lfu_decay_minutes: settings.int(settings::LFU_DECAY_TIME) as u32,
            },
        };
        self.store.set_eviction(self.memory.eviction);
        self.store.set_shapes(command::shapes::shapes(settings));
        self.cadence = (
            settings.int(settings::HZ).max(1) as u64,
            settings.int(settings::ACTIVE_EXPIRE_EFFORT) as u32,
        );
        self.account.can_evict = self.memory.eviction.policy != Policy::NoEviction;
        self.account.configure(settings.int(settings::MAXMEMORY).max(0) as u64);
    }
}
