//! Input that has a place: receives straight into a buffer that the owner hands over.
//!
//! A long argument that comes through the provided buffers is copied out of them, and takes all of them.
//! So the owner may hand over the memory in which it wants the next bytes. The multishot receive is
//! cancelled; what it still brings is copied to the destination first, so that no byte is out of order.
//! Then single receives go into the destination until it is full, and the multishot receive is
//! started again. The owner hears of each piece, as a client that sends slowly is not an idle one.
//!
//! The kernel writes behind the buffer's bytes from `arm_fill` until the operation has completed; until
//! then nobody here touches the buffer, and it belongs to the slot, which outlives its operations.

use crate::conn::{Filling, Phase};
use crate::event::{Closed, Happening, Turn};
use crate::reactor::Reactor;
use crate::token::{Kind, Token};
use base::ConnId;
use io_uring::opcode;
use io_uring::types::Fd;

/// The most bytes of one receive: as many as a multishot receive delivers in a turn, so that nobody is
/// kept from the core for longer by a long argument than by a flood of short ones.
const FILL_BYTES_MAX: usize = 256 * 1024;

impl Reactor {
    /// Puts the next bytes of a connection behind those in `buffer`, until there are `target`; then
    /// [`crate::Event::Filled`] gives it back. The next bytes are those of which no event has told yet. When
    /// the connection ends before, or is closed, the buffer is dropped. One at a time.
    pub fn fill(&mut self, id: ConnId, mut buffer: Vec<u8>, target: usize) {
        let Some(conn) = self.conns.get_mut(id) else { return };
        if conn.phase != Phase::Open {
            return;
        }
        assert!(conn.filling.is_none(), "one destination at a time");
        assert!(buffer.len() < target, "a destination has room");
        buffer.reserve_exact(target - buffer.len());
        conn.filling = Some(Box::new(Filling { buffer, target, armed: false }));
        self.stop_receive(id);
        self.arm(id.index);
    }

    /// Starts one receive into the destination.
    pub(crate) fn arm_fill(&mut self, index: u32) {
        let conn = self.conns.at(index);
        let id = ConnId { index, generation: conn.generation };
        let Some(filling) = &mut conn.filling else { return };
        filling.armed = true;
        conn.operations += 1;
        let missing = filling.target - filling.buffer.len();
        let space = filling.buffer.spare_capacity_mut();
        let most = missing.min(space.len()).min(FILL_BYTES_MAX) as u32;
        let receive = opcode::Recv::new(Fd(conn.fd), space.as_mut_ptr().cast(), most).build();
        // SAFETY: at most `space.len()` bytes, allocated behind those of `filling.buffer`, which is
        // neither touched nor freed while `filling.armed`: `operations` keeps the slot, a moved `Box` or
        // `Vec` leaves its heap memory where it is, and `Drop` leaks what does not complete.
        unsafe { self.ring.push(receive.user_data(Token::of(Kind::Fill, id).0)) };
    }

    /// A receive into the destination has completed.
    pub(crate) fn on_filled(&mut self, id: ConnId, result: i32, turn: &mut Turn) {
        let conn = self.conns.at(id.index);
        conn.operations -= 1;
        let filling = conn.filling.as_mut().expect("a destination outlives its receives");
        filling.armed = false;
        if result > 0 {
            let length = filling.buffer.len() + result as usize;
            assert!(length <= filling.target, "the kernel stays within the bytes it was given");
            // SAFETY: `target` bytes are reserved, and the kernel has written the ones behind the old
            // length.
            unsafe { filling.buffer.set_len(length) };
        }
        if conn.phase != Phase::Open {
            conn.filling = None;
        } else if result > 0 {
            self.counters.receives += 1;
            self.counters.received_bytes += result as u64;
            self.tell_filled(id, result as usize, turn);
        }
        match -result {
            0 => self.on_input_over(id, Closed::ByPeer, turn),
            libc::ECANCELED | libc::EINTR | libc::EAGAIN | i32::MIN..0 => {}
            error => self.on_input_over(id, Closed::Broken(error), turn),
        }
        self.arm(id.index);
        self.settle(id.index);
    }

    /// Copies bytes of a multishot receive that still was under way to the destination, as far as it has
    /// room. Gives how many it took.
    #[cold]
    pub(crate) fn put_into_filling(
        &mut self,
        id: ConnId,
        start: usize,
        length: usize,
        turn: &mut Turn,
    ) -> usize {
        let Some(filling) = &mut self.conns.at(id.index).filling else { return 0 };
        let taken = length.min(filling.target - filling.buffer.len());
        // SAFETY: the kernel has just reported these bytes as filled, and their buffer goes back at the end
        // of the turn at the earliest.
        let bytes = unsafe { self.buffers.region().bytes(start, taken) };
        filling.buffer.extend_from_slice(bytes);
        self.tell_filled(id, taken, turn);
        taken
    }

    /// Tells of new bytes in the destination, and gives it back if it is full.
    fn tell_filled(&mut self, id: ConnId, bytes: usize, turn: &mut Turn) {
        let conn = self.conns.at(id.index);
        match conn.filling.take_if(|filling| filling.buffer.len() == filling.target) {
            None => turn.happenings.push(Happening::Filling { conn: id, bytes }),
            Some(full) => {
                let number = turn.filled.len();
                turn.filled.push(full.buffer);
                turn.happenings.push(Happening::Filled { conn: id, number });
            }
        }
    }

    /// The owner is not interested in input any more: lets go of the destination, at once or when the
    /// kernel has.
    pub(crate) fn drop_filling(&mut self, id: ConnId) {
        let conn = self.conns.at(id.index);
        match &conn.filling {
            Some(filling) if filling.armed => self.stop_receive(id),
            Some(_) => conn.filling = None,
            None => {}
        }
    }
}
