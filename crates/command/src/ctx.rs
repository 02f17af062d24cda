//! What a command works on.

use crate::Wait;
use base::{Now, Settings};
use resp::write::Writer;
use store::{Db, Store};

/// One command's world: the databases of one core, the time of the turn, and the reply.
pub struct Ctx<'a> {
    /// All databases of this core.
    pub store: &'a mut Store,
    /// The database that the client has selected.
    pub db: u8,
    /// The time of the turn.
    pub now: Now,
    /// The configuration.
    pub settings: &'a Settings,
    /// Where the reply goes.
    pub reply: Writer<'a>,
    /// A script has called it: what has no order of its own is given in one all the same.
    pub scripted: bool,
    /// What the client is to wait for, when the command found nothing and can wait. `None` when a command begins.
    pub wait: Option<Box<Wait>>,
}

impl Ctx<'_> {
    /// The selected database.
    #[inline]
    pub fn keyspace(&mut self) -> Db<'_> {
        self.store.db(self.db)
    }
}
