//! Planted bugs of transactions and of blocking commands: what is wrong is a message between cores, so the engines are as they are.

use super::plant::{Gardener, Plant};
use base::CoreId;
use engine::Message;
use engine::message::{JobFlags, Lent, Offer, Replied, Share};

/// Mail for a core, each with its sender.
type Letters = Vec<(usize, Message)>;

impl Gardener {
    /// Spoils what the core `at` is about to be delivered.
    pub(super) fn spoil_transactions(&mut self, at: usize, mail: Letters) -> Letters {
        let mut delivered = std::mem::take(&mut self.forged[at]);
        mail.into_iter().for_each(|(from, message)| unpack(from, message, &mut delivered));
        match self.plant() {
            Plant::SwappedLocks => swap_locks(&mut delivered),
            Plant::LocksLast => {
                let is_lock = |(_, message): &(usize, Message)| matches!(message, Message::Lock(_));
                delivered.sort_by_key(is_lock);
            }
            plant => {
                let mut spoilt = Vec::new();
                for (from, message) in delivered {
                    self.spoil_one(plant, from, message, &mut spoilt);
                }
                delivered = spoilt;
            }
        }
        delivered
    }

    fn spoil_one(&mut self, plant: Plant, from: usize, message: Message, out: &mut Letters) {
        match (plant, message) {
            (Plant::EarlyUnlock, Message::Granted(share)) => {
                out.push((from, Message::Granted(self.unlock_early(share))));
            }
            (Plant::SkippedLock, Message::Lock(share)) => self.skip_lock(from, share, out),
            (Plant::DoubledGrant, Message::Granted(share)) => {
                if share.items.is_empty() && share.part == 0 {
                    out.push((from, Message::Granted(empty_copy(&share))));
                }
                out.push((from, Message::Granted(share)));
            }
            (Plant::LostLoan, Message::Granted(mut share)) => {
                share.items.iter_mut().for_each(|item| item.parcel = None);
                out.push((from, Message::Granted(share)));
            }
            (Plant::LostDirt, Message::Granted(mut share)) => {
                share.dirty = false;
                out.push((from, Message::Granted(share)));
            }
            (Plant::LostClaim, Message::Claim(mut offer)) => {
                offer.accepted = false;
                out.push((from, Message::Claim(offer)));
            }
            (Plant::ForeignClaim, Message::Claim(mut offer)) => {
                // A session that does not wait any more takes the element all the same.
                offer.accepted |= offer.ticket.is_some();
                out.push((from, Message::Claim(offer)));
            }
            (Plant::DoubledClaim, Message::Claim(offer)) => {
                let copy = claim_copy(&offer);
                out.push((from, Message::Claim(offer)));
                out.push((from, Message::Claim(copy)));
            }
            (_, Message::Finish(share)) => {
                out.extend(
                    self.spoil_finish(plant, share).map(|share| (from, Message::Finish(share))),
                );
            }
            (plant, message) if self.is_lost(plant, &message) => {}
            (_, message) => out.push((from, message)),
        }
    }

    fn is_lost(&mut self, plant: Plant, message: &Message) -> bool {
        let concerned = matches!(
            (plant, message),
            (Plant::LostLate, Message::Late(_))
                | (Plant::LostOffer, Message::Offer(_))
                | (Plant::LostServed, Message::Served(_))
                | (Plant::LostWithdraw, Message::Withdraw(..))
                | (Plant::LostUnwatch, Message::Unwatch(_))
        );
        concerned && self.one_in(3)
    }

    fn spoil_finish(&mut self, plant: Plant, mut share: Box<Share>) -> Option<Box<Share>> {
        match plant {
            Plant::LostFinish if self.one_in(10) => return None,
            Plant::HalfFinish if self.one_in(4) => share.applies = false,
            Plant::KeptLock if self.one_in(10) => share.ticket = None,
            Plant::LostTouch => share.items.iter_mut().for_each(|item| item.touched = false),
            _ => {}
        }
        Some(share)
    }

    /// The owner is told to unlock as soon as it has granted; what is to be done there comes later, without a lock.
    fn unlock_early(&mut self, mut share: Box<Share>) -> Box<Share> {
        if let Some(ticket) = share.ticket.take() {
            let mut unlock = empty_copy(&share);
            unlock.ticket = Some(ticket);
            self.forged[share.owner.index()].push((share.origin.index(), Message::Finish(unlock)));
        }
        share
    }

    /// An owner that has only to write grants without locking.
    fn skip_lock(&mut self, from: usize, share: Box<Share>, out: &mut Letters) {
        let only_writes = share.read.is_none() && share.items.is_empty() && !share.whole;
        if !only_writes || share.watched {
            return out.push((from, Message::Lock(share)));
        }
        self.forged[share.origin.index()].push((share.owner.index(), Message::Granted(share)));
    }
}

/// A message, or what it is a bundle of.
fn unpack(from: usize, message: Message, out: &mut Letters) {
    match message {
        Message::Bundle(several) => {
            several.into_iter().for_each(|message| unpack(from, message, out));
        }
        message => out.push((from, message)),
    }
}

/// Two transactions come to this owner in another order than to the others.
fn swap_locks(mail: &mut Letters) {
    let is_lock = |(_, message): &(usize, Message)| matches!(message, Message::Lock(_));
    let locks: Vec<usize> = (0..mail.len()).filter(|index| is_lock(&mail[*index])).collect();
    locks.chunks_exact(2).for_each(|pair| mail.swap(pair[0], pair[1]));
}

/// A share of the same transaction at the same owner, with nothing in it.
fn empty_copy(share: &Share) -> Box<Share> {
    Box::new(Share {
        origin: share.origin,
        owner: share.owner,
        gather: share.gather,
        generation: share.generation,
        part: share.part,
        session: share.session,
        place: share.place,
        watched: false,
        dirty: false,
        patient: false,
        busy: None,
        clean_until_ms: i64::MAX,
        ticket: None,
        whole: share.whole,
        db: share.db,
        flags: JobFlags::default(),
        items: Vec::<Lent>::new(),
        changes: 0,
        read: None,
        write: None,
        applies: false,
        silent: true,
        answer: Replied::default(),
    })
}

fn claim_copy(offer: &Offer) -> Box<Offer> {
    Box::new(Offer {
        owner: CoreId(offer.owner.0),
        conn: offer.conn,
        place: offer.place,
        key: offer.key.clone(),
        ticket: None,
        now: offer.now,
        accepted: offer.accepted,
        parcel: None,
        answer: Replied::default(),
    })
}
