//! The slab: where the entries and the tables of one core live.
//!
//! Objects of one size class share *spans* of 64 KiB; 64 spans make a *chunk* of 4 MiB, aligned
//! to its size, whose first span is given up for the headers of the others. So the header of an
//! object is found from its address alone, spans have no waste at their front, and of the span
//! given up only one page is ever touched. Classes are 8 bytes apart up to 1 KiB, 64 bytes up to
//! 4 KiB; what is larger goes to the global allocator, rounded to eighths of a power of two as
//! most allocators do, so that what we count is what is taken.
//!
//! Freed objects are chained through their first two bytes. A class allocates from its current
//! span until that is full and then from the fullest span that has room: sparse spans are left
//! alone, so that they run empty. An empty span serves any class: a few are kept, the others go
//! back to the system. Nothing here decides by an address: equal calls leave equal spans.
//!
//! Why not the global allocator: it needs 8 to 16 bytes more an entry than an 88-byte class does,
//! and it could not tell how much of what it holds is really in use.

#[cfg(not(feature = "plain-alloc"))]
use crate::region::Region;
use core::alloc::Layout;
use core::ptr::NonNull;

const SPAN: usize = 64 << 10;
const CHUNK: usize = 4 << 20;
const SPANS_PER_CHUNK: usize = CHUNK / SPAN;
const FINE_MAX: usize = 1024;
/// The largest object that has a class.
pub(crate) const OBJECT_MAX: usize = 4096;
const FINE_CLASSES: usize = FINE_MAX / 8;
const CLASSES: usize = FINE_CLASSES + (OBJECT_MAX - FINE_MAX) / 64;
/// Empty spans that stay resident for the next class that needs one, while little is idle.
const SPARE_SPANS_MAX: usize = 4;
/// Little is idle while it is under this share of what is live.
const SPARE_SHARE: usize = 96;
/// Spans being emptied at a time: 256 MiB, which one walk over all tables is worth.
const LEAVING_SPANS_MAX: usize = 4096;
/// Spans with room are kept apart by how full they are, in this many steps.
const BINS: usize = 8;
/// No freed object.
const NONE: u16 = u16::MAX;
/// The page of a chunk that its span headers touch.
const CHUNK_HEADER: usize = SPANS_PER_CHUNK * size_of::<Span>();

/// Where a span stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum State {
    /// Holds nothing and belongs to no class.
    Empty,
    /// Its class allocates from it.
    Current,
    /// Has no room.
    Full,
    /// Has room; in the bin of this fullness.
    Binned(u8),
    /// Has room but is being emptied.
    Leaving,
}

/// The header of a span.
#[repr(C, align(64))]
struct Span {
    next: *mut Span,
    prev: *mut Span,
    /// Offset in units of 8 bytes of the first freed object, or [`NONE`].
    free: u16,
    /// Offset in units of 8 bytes behind the last object ever handed out.
    fresh: u16,
    used: u16,
    /// Offset in units of 8 bytes behind which no page is resident: it was so far in use when the span
    /// was last empty. Below `fresh` it means nothing.
    stale: u16,
    class: u8,
    state: State,
}

impl Span {
    /// Resident bytes that were handed out before the span was last empty, but not since.
    fn stale_bytes(&self) -> usize {
        usize::from(self.stale.saturating_sub(self.fresh)) * 8
    }
}

/// The spans of one size.
#[derive(Clone, Copy)]
struct Class {
    current: *mut Span,
    bins: [*mut Span; BINS],
    /// Bytes of freed objects within its spans.
    free_bytes: usize,
}

/// What the slab holds, in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct SlabUsage {
    /// In objects handed out, at the size of their class.
    pub(crate) live: usize,
    /// Resident space inside spans that is not in use, spare spans and span headers.
    pub(crate) idle: usize,
}

/// An allocator of one core. Gives no memory back by itself but through [`Slab::free`].
pub(crate) struct Slab {
    classes: Vec<Class>,
    #[cfg(not(feature = "plain-alloc"))]
    chunks: Vec<Region>,
    /// Spans of the last chunk that were used at least once.
    chunk_spans: usize,
    /// Empty spans whose pages are resident.
    spare: Vec<*mut Span>,
    /// Empty spans whose pages were given back.
    discarded: Vec<*mut Span>,
    live: usize,
    /// Bytes of freed objects.
    freed: usize,
    /// Bytes of spans in use that have not been handed out since the span was empty, but before.
    stale: usize,
    /// Spans chosen to be emptied.
    leaving: Vec<*mut Span>,
}

/// The class of a size up to [`OBJECT_MAX`].
#[inline]
fn class_of(bytes: usize) -> usize {
    debug_assert!((1..=OBJECT_MAX).contains(&bytes));
    if bytes <= FINE_MAX { (bytes - 1) / 8 } else { FINE_CLASSES + (bytes - FINE_MAX - 1) / 64 }
}

/// The object size of a class.
#[inline]
fn size_of_class(class: usize) -> usize {
    if class < FINE_CLASSES { (class + 1) * 8 } else { FINE_MAX + (class - FINE_CLASSES + 1) * 64 }
}

/// What an object of this many bytes really takes.
#[inline]
pub(crate) fn taken(bytes: usize) -> usize {
    if bytes <= FINE_MAX {
        bytes.next_multiple_of(8)
    } else if bytes <= OBJECT_MAX {
        bytes.next_multiple_of(64)
    } else {
        round_large(bytes)
    }
}

/// A size beyond the classes, rounded up to an eighth of a power of two. Containers that grow
/// outside the slab should ask for these sizes, so that their capacity is what they take.
#[inline]
pub fn round_large(bytes: usize) -> usize {
    let step = (bytes.next_power_of_two() / 16).max(8);
    bytes.next_multiple_of(step)
}

fn large_layout(bytes: usize) -> Layout {
    Layout::from_size_align(round_large(bytes), 8).expect("sizes are far below isize::MAX")
}

impl Slab {
    pub(crate) fn new() -> Slab {
        let class = Class {
            current: core::ptr::null_mut(),
            bins: [core::ptr::null_mut(); BINS],
            free_bytes: 0,
        };
        Slab {
            classes: vec![class; CLASSES],
            #[cfg(not(feature = "plain-alloc"))]
            chunks: Vec::new(),
            chunk_spans: SPANS_PER_CHUNK,
            spare: Vec::new(),
            discarded: Vec::new(),
            live: 0,
            freed: 0,
            stale: 0,
            leaving: Vec::new(),
        }
    }

    /// Bytes in use and idle. O(1).
    #[inline]
    pub(crate) fn usage(&self) -> SlabUsage {
        #[cfg(not(feature = "plain-alloc"))]
        let headers = self.chunks.len() * CHUNK_HEADER;
        #[cfg(feature = "plain-alloc")]
        let headers = 0;
        SlabUsage {
            live: self.live,
            idle: self.freed + self.stale + self.spare.len() * SPAN + headers,
        }
    }

    fn alloc_large(&mut self, bytes: usize) -> NonNull<u8> {
        let layout = large_layout(bytes);
        self.live += layout.size();
        // SAFETY: the layout is larger than OBJECT_MAX, so not of size zero.
        let object = NonNull::new(unsafe { std::alloc::alloc(layout) });
        object.unwrap_or_else(|| std::alloc::handle_alloc_error(layout))
    }

    /// # Safety
    /// As [`Slab::free`], for an object larger than [`OBJECT_MAX`].
    unsafe fn free_large(&mut self, object: NonNull<u8>, bytes: usize) {
        let layout = large_layout(bytes);
        self.live -= layout.size();
        // SAFETY: `alloc_large` made it with the same layout (the caller's promise).
        unsafe { std::alloc::dealloc(object.as_ptr(), layout) };
    }
}

#[cfg(feature = "plain-alloc")]
impl Slab {
    fn layout(bytes: usize) -> Layout {
        let size = size_of_class(class_of(bytes));
        let align = if size.is_multiple_of(64) { 64 } else { 8 };
        Layout::from_size_align(size, align).expect("small")
    }

    pub(crate) fn alloc(&mut self, bytes: usize) -> NonNull<u8> {
        if bytes > OBJECT_MAX {
            return self.alloc_large(bytes);
        }
        let layout = Slab::layout(bytes);
        self.live += layout.size();
        // SAFETY: classes are not of size zero.
        NonNull::new(unsafe { std::alloc::alloc(layout) }).expect("test runs have memory")
    }

    /// # Safety
    /// `object` came from [`Slab::alloc`] of this slab for a size of the same class, and nobody
    /// uses it any more.
    pub(crate) unsafe fn free(&mut self, object: NonNull<u8>, bytes: usize) {
        if bytes > OBJECT_MAX {
            // SAFETY: the caller's promise.
            return unsafe { self.free_large(object, bytes) };
        }
        let layout = Slab::layout(bytes);
        self.live -= layout.size();
        // SAFETY: the caller's promise.
        unsafe { std::alloc::dealloc(object.as_ptr(), layout) };
    }

    /// # Safety
    /// None is needed here.
    pub(crate) unsafe fn is_leaving(&self, object: NonNull<u8>) -> bool {
        // An arbitrary third of all objects, so that the models move objects all the time.
        (object.addr().get() / 64).is_multiple_of(3)
    }

    pub(crate) fn choose_leaving(&mut self, _wanted: usize) -> usize {
        usize::MAX
    }

    pub(crate) fn end_leaving(&mut self) -> usize {
        0
    }
}

#[cfg(not(feature = "plain-alloc"))]
impl Slab {
    /// An object of `bytes` (at least 1), aligned to 8 bytes and, when its class is a multiple of
    /// 64, to 64. What it holds is arbitrary. O(1), but for a system call once in many spans.
    #[inline]
    pub(crate) fn alloc(&mut self, bytes: usize) -> NonNull<u8> {
        if bytes > OBJECT_MAX {
            return self.alloc_large(bytes);
        }
        let class = class_of(bytes);
        let size = size_of_class(class);
        loop {
            let span = self.classes[class].current;
            if !span.is_null() {
                // SAFETY: `current` is a live span header of this slab.
                if let Some(object) = unsafe { self.take_from(span, class, size) } {
                    return object;
                }
                // SAFETY: as above.
                unsafe { (*span).state = State::Full };
                self.classes[class].current = core::ptr::null_mut();
            }
            self.refill(class);
        }
    }

    /// Takes an object from this span if it has room.
    ///
    /// # Safety
    /// `span` is a header of this slab and its span belongs to `class`, whose size is `size`.
    #[inline]
    unsafe fn take_from(
        &mut self,
        span: *mut Span,
        class: usize,
        size: usize,
    ) -> Option<NonNull<u8>> {
        // SAFETY: the header is live (the caller's promise), and `&mut self` is the only way to it.
        let head = unsafe { &mut *span };
        let base = base_of(span);
        let object = if head.free != NONE {
            let object = base.wrapping_add(usize::from(head.free) * 8);
            // SAFETY: a freed object of this span; its first two bytes are the chain's link.
            head.free = unsafe { object.cast::<u16>().read() };
            self.freed -= size;
            self.classes[class].free_bytes -= size;
            object
        } else {
            let offset = usize::from(head.fresh) * 8;
            if offset + size > SPAN {
                return None;
            }
            let before = head.stale_bytes();
            head.fresh += (size / 8) as u16;
            self.stale -= before - head.stale_bytes();
            base.wrapping_add(offset)
        };
        head.used += 1;
        self.live += size;
        NonNull::new(object)
    }

    /// Whether memory that is kept for later use is worth its place.
    fn is_little_idle(&self) -> bool {
        self.usage().idle <= (self.live / SPARE_SHARE).max(SPARE_SPANS_MAX * SPAN)
    }

    /// Makes a span with room the current one: the fullest that there is, else an empty one.
    #[cold]
    fn refill(&mut self, class: usize) {
        let fullest = self.classes[class].bins.iter().rev().find(|head| !head.is_null());
        let span = match fullest {
            Some(&span) => {
                // SAFETY: spans in bins are live headers of this slab.
                unsafe { self.unlink(span) };
                span
            }
            None => self.empty_span(),
        };
        // SAFETY: a live header; the span was in a bin of this class or empty.
        let head = unsafe { &mut *span };
        head.class = class as u8;
        head.state = State::Current;
        self.classes[class].current = span;
    }

    /// A span that belongs to no class: one kept, one given back before, or a fresh one.
    fn empty_span(&mut self) -> *mut Span {
        // A spare span is resident as a whole, though its new class may need but a little of it.
        let spare = if self.is_little_idle() { self.spare.pop() } else { None };
        // SAFETY: spare spans are live headers of this slab.
        let stale = spare.map_or(0, |span| unsafe { (*span).fresh.max((*span).stale) });
        let reused = spare.or_else(|| self.discarded.pop());
        let span = reused.unwrap_or_else(|| {
            if self.chunk_spans == SPANS_PER_CHUNK {
                self.chunks.push(Region::map(CHUNK, CHUNK));
                self.chunk_spans = 1; // The first holds the headers.
            }
            let chunk = self.chunks.last().expect("just pushed").base().as_ptr().cast::<Span>();
            self.chunk_spans += 1;
            chunk.wrapping_add(self.chunk_spans - 1)
        });
        let fresh = Span {
            next: core::ptr::null_mut(),
            prev: core::ptr::null_mut(),
            free: NONE,
            fresh: 0,
            used: 0,
            stale,
            class: 0,
            state: State::Empty,
        };
        self.stale += fresh.stale_bytes();
        // SAFETY: the header lies in the first span of a chunk of ours, and the span is empty.
        unsafe { span.write(fresh) };
        span
    }

    /// Gives an object back. O(1), but for a system call once in many spans.
    ///
    /// # Safety
    /// `object` came from [`Slab::alloc`] of this slab for a size of the same class, and nobody
    /// uses it any more.
    #[inline]
    pub(crate) unsafe fn free(&mut self, object: NonNull<u8>, bytes: usize) {
        if bytes > OBJECT_MAX {
            // SAFETY: the caller's promise.
            return unsafe { self.free_large(object, bytes) };
        }
        let class = class_of(bytes);
        let size = size_of_class(class);
        let span = span_of(object);
        // SAFETY: the object is of this slab (the caller's promise), so this is its live header.
        let head = unsafe { &mut *span };
        debug_assert_eq!(
            usize::from(head.class),
            class,
            "freed with the size it was allocated with"
        );
        // SAFETY: the object is ours again, at least 8 bytes long and aligned to 8.
        unsafe { object.cast::<u16>().write(head.free) };
        head.free = ((object.addr().get() % SPAN) / 8) as u16;
        head.used -= 1;
        self.live -= size;
        self.freed += size;
        self.classes[class].free_bytes += size;
        let (state, used) = (head.state, head.used);
        if state != State::Current {
            // SAFETY: a live header of this slab that is not current.
            unsafe { self.after_free(span, state, used, size) };
        }
    }

    /// Moves a span to the bin of its fullness, or out of its class when it is empty.
    ///
    /// # Safety
    /// `span` is a live header of this slab with this state and use, and not current.
    unsafe fn after_free(&mut self, span: *mut Span, state: State, used: u16, size: usize) {
        let capacity = SPAN / size;
        let bin = State::Binned((usize::from(used) * BINS / capacity) as u8);
        if used != 0 && (state == bin || state == State::Leaving) {
            return;
        }
        // SAFETY: the caller's promise; `unlink` is for spans in a bin, `link` for those in none.
        unsafe {
            if matches!(state, State::Binned(_)) {
                self.unlink(span);
            }
            if used == 0 { self.release(span) } else { self.link(span, bin) }
        }
    }

    /// Puts a span into a bin of its class.
    ///
    /// # Safety
    /// `span` is a live header of this slab that is in no bin.
    unsafe fn link(&mut self, span: *mut Span, bin: State) {
        let State::Binned(index) = bin else { unreachable!("only bins are linked") };
        // SAFETY: the caller's promise; the old first of the bin is a live header too.
        unsafe {
            let first = &mut self.classes[usize::from((*span).class)].bins[usize::from(index)];
            (*span).state = bin;
            (*span).prev = core::ptr::null_mut();
            (*span).next = *first;
            if !first.is_null() {
                (**first).prev = span;
            }
            *first = span;
        }
    }

    /// Takes a span out of its bin.
    ///
    /// # Safety
    /// `span` is a live header of this slab that is in a bin.
    unsafe fn unlink(&mut self, span: *mut Span) {
        // SAFETY: the caller's promise; neighbours in a bin are live headers.
        unsafe {
            let State::Binned(index) = (*span).state else {
                unreachable!("only binned spans are unlinked")
            };
            let (next, prev) = ((*span).next, (*span).prev);
            if prev.is_null() {
                self.classes[usize::from((*span).class)].bins[usize::from(index)] = next;
            } else {
                (*prev).next = next;
            }
            if !next.is_null() {
                (*next).prev = prev;
            }
        }
    }

    /// Takes an empty span out of its class: kept while there are few, else given back.
    ///
    /// # Safety
    /// `span` is a live header of this slab, in no bin, not current, with no object in use.
    unsafe fn release(&mut self, span: *mut Span) {
        // SAFETY: the caller's promise.
        let head = unsafe { &mut *span };
        let freed = usize::from(head.fresh) * 8;
        self.freed -= freed;
        self.classes[usize::from(head.class)].free_bytes -= freed;
        head.state = State::Empty;
        self.stale -= head.stale_bytes();
        if self.spare.len() < SPARE_SPANS_MAX && self.is_little_idle() {
            self.spare.push(span);
            return;
        }
        let base = NonNull::new(base_of(span)).expect("a span is not at address zero");
        // SAFETY: the span is empty, and lies within a chunk of ours.
        unsafe { Region::discard(base, SPAN) };
        self.discarded.push(span);
    }

    /// Whether the object lies in a span that is being emptied.
    ///
    /// # Safety
    /// `object` is a live object of this slab that has a class.
    #[inline]
    pub(crate) unsafe fn is_leaving(&self, object: NonNull<u8>) -> bool {
        // SAFETY: the caller's promise.
        unsafe { (*span_of(object)).state == State::Leaving }
    }

    /// Chooses spans to be emptied, the emptiest first, for `wanted` bytes or as many as the room in the
    /// others of their class can take. Gives their bytes. The owner of the objects then moves those for
    /// which [`Slab::is_leaving`] holds. Nothing is allocated from a span that was chosen, so no more than
    /// what is wanted should be.
    pub(crate) fn choose_leaving(&mut self, wanted: usize) -> usize {
        let most = wanted.div_ceil(SPAN).min(LEAVING_SPANS_MAX);
        let mut room: Vec<usize> = self.classes.iter().map(|class| class.free_bytes).collect();
        for (bin, class) in (0..BINS).flat_map(|bin| (0..CLASSES).map(move |class| (bin, class))) {
            let size = size_of_class(class);
            let mut span = self.classes[class].bins[bin];
            while !span.is_null() && self.leaving.len() < most {
                // SAFETY: spans in bins are live headers of this slab; the next one is read
                // before this one leaves the bin.
                unsafe {
                    let next = (*span).next;
                    let used = usize::from((*span).used) * size;
                    let free = usize::from((*span).fresh) * 8 - used;
                    if room[class] < used + free + SPAN / 8 {
                        break;
                    }
                    room[class] -= used + free;
                    self.unlink(span);
                    (*span).state = State::Leaving;
                    self.leaving.push(span);
                    span = next;
                }
            }
        }
        self.leaving.len() * SPAN
    }

    /// Ends what [`Slab::choose_leaving`] began: spans that could not be emptied serve again. Gives
    /// the bytes of those that were emptied.
    pub(crate) fn end_leaving(&mut self) -> usize {
        let mut emptied = 0;
        while let Some(span) = self.leaving.pop() {
            // SAFETY: headers are never unmapped while the slab lives. A span that was emptied may
            // have a new state already and is then left alone.
            unsafe {
                if (*span).state != State::Leaving {
                    emptied += SPAN;
                    continue;
                }
                let capacity = SPAN / size_of_class(usize::from((*span).class));
                let bin = usize::from((*span).used) * BINS / capacity;
                self.link(span, State::Binned(bin.min(BINS - 1) as u8));
            }
        }
        emptied
    }
}

/// The header of the span that an object lies in.
#[cfg(not(feature = "plain-alloc"))]
#[inline]
fn span_of(object: NonNull<u8>) -> *mut Span {
    let address = object.addr().get();
    let chunk = object.as_ptr().wrapping_sub(address % CHUNK);
    chunk.cast::<Span>().wrapping_add(address % CHUNK / SPAN)
}

/// The first byte of the span of a header.
#[cfg(not(feature = "plain-alloc"))]
#[inline]
fn base_of(span: *mut Span) -> *mut u8 {
    let offset = span.addr() % CHUNK;
    span.cast::<u8>().wrapping_sub(offset).wrapping_add(offset / size_of::<Span>() * SPAN)
}

#[cfg(test)]
mod tests {
    use super::*;
    use base::Prng;

    /// Fills an object with a byte that its successor cannot have by chance.
    fn paint(object: NonNull<u8>, bytes: usize, color: u8) {
        // SAFETY: the object is ours and has that many bytes.
        unsafe { object.as_ptr().write_bytes(color, bytes) };
    }

    fn is_painted(object: NonNull<u8>, bytes: usize, color: u8) -> bool {
        // SAFETY: as above, and it was painted.
        unsafe {
            core::slice::from_raw_parts(object.as_ptr(), bytes).iter().all(|byte| *byte == color)
        }
    }

    #[test]
    fn classes_waste_little_and_keep_their_order() {
        for bytes in 1..=OBJECT_MAX {
            let size = size_of_class(class_of(bytes));
            assert!(
                size >= bytes
                    && size == taken(bytes)
                    && size - bytes < if bytes <= FINE_MAX { 8 } else { 64 }
            );
        }
        for bytes in [5000, 65_536, 65_537, 1 << 20, (1 << 20) + 1] {
            assert!(round_large(bytes) >= bytes && round_large(bytes) <= bytes + bytes / 8);
        }
    }

    #[test]
    fn objects_do_not_overlap_whatever_is_freed_in_between() {
        let mut slab = Slab::new();
        let mut prng = Prng::new(5);
        let mut held: Vec<(NonNull<u8>, usize, u8)> = Vec::new();
        for step in 0..60_000u32 {
            let grow = prng.below(100) < if step / 10_000 % 2 == 0 { 70 } else { 30 };
            if grow || held.is_empty() {
                let most = [40, 200, 1100, 5000][prng.below(4) as usize];
                let bytes = 1 + prng.below(most) as usize;
                let object = slab.alloc(bytes);
                assert!(object.addr().get().is_multiple_of(
                    if taken(bytes).is_multiple_of(64) && bytes <= OBJECT_MAX { 64 } else { 8 }
                ));
                paint(object, bytes, step as u8);
                held.push((object, bytes, step as u8));
            } else {
                let (object, bytes, color) =
                    held.swap_remove(prng.below(held.len() as u64) as usize);
                assert!(is_painted(object, bytes, color));
                // SAFETY: allocated above with this size and forgotten now.
                unsafe { slab.free(object, bytes) };
            }
            let live: usize = if step % 1000 == 0 {
                held.iter().map(|(_, bytes, _)| taken(*bytes)).sum()
            } else {
                slab.usage().live
            };
            assert_eq!(slab.usage().live, live);
        }
        for (object, bytes, color) in held {
            assert!(is_painted(object, bytes, color));
            // SAFETY: as above.
            unsafe { slab.free(object, bytes) };
        }
        assert_eq!((slab.usage().live, slab.freed), (0, slab.freed));
    }

    #[cfg(not(feature = "plain-alloc"))]
    #[test]
    fn spans_that_run_empty_go_back_and_serve_other_sizes() {
        let mut slab = Slab::new();
        let objects: Vec<_> = (0..100_000).map(|_| slab.alloc(88)).collect();
        // SAFETY: allocated above with this size.
        objects.into_iter().for_each(|object| unsafe { slab.free(object, 88) });
        let chunks = slab.chunks.len();
        assert!(slab.usage().idle <= (SPARE_SPANS_MAX + 1) * SPAN + chunks * CHUNK_HEADER);
        let others: Vec<_> = (0..100_000).map(|_| slab.alloc(80)).collect();
        assert_eq!(slab.chunks.len(), chunks);
        // SAFETY: as above.
        others.into_iter().for_each(|object| unsafe { slab.free(object, 80) });
    }

    #[cfg(not(feature = "plain-alloc"))]
    #[test]
    fn the_unused_part_of_a_reused_span_counts_as_idle_while_it_is_resident() {
        let mut slab = Slab::new();
        let objects: Vec<_> = (0..2 * SPAN / 88).map(|_| slab.alloc(88)).collect();
        // SAFETY: allocated above with this size.
        objects.into_iter().for_each(|object| unsafe { slab.free(object, 88) });
        let idle = slab.usage().idle;
        assert!(!slab.spare.is_empty());
        let other = slab.alloc(80);
        // Gone are the object, and the span's end that no object of 88 bytes had reached.
        assert_eq!(idle - slab.usage().idle, 80 + SPAN % 88);
        // SAFETY: as above.
        unsafe { slab.free(other, 80) };
        let rest: Vec<_> = (0..SPAN / 80).map(|_| slab.alloc(80)).collect();
        assert_eq!(slab.stale, 0, "what is handed out is not idle");
        // SAFETY: as above.
        rest.into_iter().for_each(|object| unsafe { slab.free(object, 80) });
        assert_eq!(slab.usage().live, 0);
    }

    #[cfg(not(feature = "plain-alloc"))]
    #[test]
    fn the_fullest_span_is_filled_first() {
        let mut slab = Slab::new();
        let per_span = SPAN / 64;
        let objects: Vec<_> = (0..per_span * 4).map(|_| slab.alloc(64)).collect();
        let spans: Vec<_> = objects.iter().map(|object| span_of(*object)).collect();
        // The first span keeps a tenth of its objects, the second nine tenths.
        for (index, object) in objects.iter().enumerate().take(per_span * 2) {
            let goes = if index < per_span { index % 10 != 0 } else { index % 10 == 0 };
            if goes {
                // SAFETY: allocated above with this size.
                unsafe { slab.free(*object, 64) };
            }
        }
        // The fourth, just filled, is still the current one; the next with room is the second.
        assert_eq!(span_of(slab.alloc(64)), spans[per_span]);
    }
}
