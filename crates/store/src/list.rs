//! Lists: elements in the order in which they were put at either end.
//!
//! A list is packed while it fits one node, as `list-max-listpack-size` bounds it; then it is a deque of such
//! nodes ([`Nodes`]). What is read or walked over is the same in both forms: a row of nodes, of which a packed list
//! has one.

mod nodes;
mod view;

pub(crate) use nodes::Nodes;
pub use view::{List, Taken};

use crate::edit::{Editing, Made, Seen};
use crate::object::Object;
use crate::packed::{Form, HEADER, Packed, header, item_of, splice, text_of};
use crate::{Db, Key, Kind, Look, Store, Str, WrongType};
use base::Now;
use compact::packed::{self, Encoded, Item, Splice};
use nodes::{Bound, FRAME, Node, place_at};
use std::ops::Range;
use view::Body;

/// An end of a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// The left one, where the first element is.
    Head,
    /// The right one, where the last element is.
    Tail,
}

/// A list that is being changed.
pub struct ListEdit<'e, 'a>(&'e mut Editing<'a>);

/// The packed form of an element: as an integer where it is the text of one.
#[inline]
fn encoded(element: Str<'_>) -> Encoded<'_> {
    Encoded::new(match element {
        Str::Bytes(bytes) => item_of(bytes),
        Str::Int(number) => Item::Int(number),
    })
}

impl ListEdit<'_, '_> {
    /// The list as it is; `None` while there is none.
    #[inline]
    pub fn view(&self) -> Option<List<'_>> {
        match self.0.seen() {
            Seen::Nothing => None,
            Seen::Packed(bytes) => Some(List::of_bytes(bytes)),
            Seen::Object(Object::List(nodes)) => Some(List(Body::Nodes(nodes))),
            Seen::Object(_) => unreachable!("the type was checked"),
        }
    }

    /// Elements. O(1).
    #[inline]
    pub fn len(&self) -> usize {
        self.view().map_or(0, |list| list.len())
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    #[inline]
    fn bound(&self) -> Bound {
        Bound::of(self.0.shapes.list_size)
    }

    fn nodes<R>(&mut self, change: impl FnOnce(&mut Nodes) -> R) -> R {
        self.0.with_object(|object| match object {
            Object::List(nodes) => change(nodes),
            _ => unreachable!("the type was checked"),
        })
    }

    /// Prepares for `count` more elements with `text` bytes in all: a packed list that would not fit one node with
    /// them becomes a deque of nodes. Pushing does so by itself; Redis does it also where a change does not happen in
    /// the end.
    pub fn admit(&mut self, count: usize, text: usize) {
        let _ = self.room(count, text);
    }

    /// [`ListEdit::admit`]; gives the number of elements and the bytes of the list while it is packed, or nothing.
    #[inline]
    fn room(&mut self, count: usize, text: usize) -> Option<(usize, usize)> {
        let (old, items) = match self.0.seen() {
            Seen::Nothing => (0, 0),
            Seen::Packed(bytes) => (Packed::of(bytes).count, bytes.len() - HEADER),
            Seen::Object(_) => return None,
        };
        if self.bound().allows(FRAME + items + text, old + count) {
            return Some((old, items));
        }
        self.unpack();
        None
    }

    /// Turns the packed list, or nothing, into a deque of nodes.
    #[inline(never)]
    fn unpack(&mut self) {
        let mut nodes = Nodes::default();
        if let Some(packed) = self.0.packed().filter(|packed| packed.count > 0) {
            nodes.put_node(0, Node::new(packed.items.to_vec(), packed.count));
        }
        self.0.install(Object::List(Box::new(nodes)));
    }

    /// Packs the list again if it has become small enough.
    #[inline]
    fn repack(&mut self) {
        if !matches!(self.0.seen(), Seen::Object(_)) {
            return;
        }
        let bound = self.bound();
        if let Some(node) = self.nodes(|nodes| nodes.take_small(bound)) {
            self.pack(&node);
        }
    }

    /// Makes a node the packed list.
    fn pack(&mut self, node: &Node) {
        let mut bytes = Vec::with_capacity(HEADER + node.items.len());
        bytes.extend_from_slice(&header(Form::List, node.count));
        bytes.extend_from_slice(&node.items);
        self.0.install_packed(bytes);
    }

    /// Puts an element at an end, and gives the new length. O(bytes of a node).
    #[inline]
    pub fn push(&mut self, end: End, element: Str<'_>) -> usize {
        self.0.changes += 1;
        let text = element.len();
        let room = self.room(1, text);
        let element = encoded(element);
        let Some((old, items)) = room else {
            let bound = self.bound();
            return self.nodes(|nodes| {
                nodes.push(end, &element, text, bound);
                nodes.len()
            });
        };
        self.splice_end(end, items, old + 1, &element.parts());
        old + 1
    }

    /// Puts packed elements at an end of a packed list of this many bytes, or of nothing.
    #[inline]
    fn splice_end(&mut self, end: End, items: usize, count: usize, parts: &[&[u8]]) {
        if items == 0 && matches!(self.0.seen(), Seen::Nothing) {
            self.0.begin(&header(Form::List, 0));
        }
        let at = if end == End::Head { 0 } else { items };
        splice(self.0, Form::List, count, at, 0, parts);
    }

    /// Puts elements at an end, one after the other, and gives the new length. Amortised O(bytes of a node) for each.
    pub fn push_all<'v>(
        &mut self,
        end: End,
        elements: impl Iterator<Item = Str<'v>> + Clone,
    ) -> usize {
        let (count, text) =
            elements.clone().fold((0, 0), |(n, sum), element| (n + 1, sum + element.len()));
        if count < 2 {
            return match elements.last() {
                Some(element) => self.push(end, element),
                None => self.len(),
            };
        }
        self.0.changes += count as u64;
        let Some((old, items)) = self.room(count, text) else {
            let bound = self.bound();
            return self.nodes(|nodes| {
                elements.for_each(|element| {
                    nodes.push(end, &encoded(element), element.len(), bound);
                });
                nodes.len()
            });
        };
        let run = run_of(end, elements, text);
        self.splice_end(end, items, old + count, &[&run]);
        old + count
    }

    /// Takes the element at an end out and shows it. False if there is none. O(bytes of a node).
    #[inline]
    pub fn pop(&mut self, end: End, show: impl FnOnce(Str<'_>)) -> bool {
        match self.0.seen() {
            Seen::Nothing => return false,
            Seen::Packed(bytes) => {
                let Packed { items, count, .. } = Packed::of(bytes);
                let Some(place) = place_at(items, end) else { return false };
                show(text_of(packed::next(items, place.start).expect("it begins here").0));
                splice(self.0, Form::List, count - 1, place.start, place.len(), &[]);
            }
            Seen::Object(_) if self.is_empty() => return false,
            Seen::Object(_) => {
                let bound = self.bound();
                let small = self.nodes(|nodes| {
                    nodes.pop(end, |item| show(text_of(item)));
                    nodes.take_small(bound)
                });
                if let Some(node) = small {
                    self.pack(&node);
                }
            }
        }
        self.0.changes += 1;
        true
    }

    /// Takes `count` elements, or all, out at an end, to be put elsewhere: that is what counts as a change.
    /// O(bytes taken + nodes).
    pub fn take(&mut self, end: End, count: usize) -> Taken {
        let Some(list) = self.view() else { return Taken::default() };
        let count = count.min(list.len());
        let first = if end == End::Head { 0 } else { list.len() - count };
        let mut items = Vec::new();
        list.each(first, count, |element| encoded(element).append_to(&mut items));
        self.drop_at(end, count);
        self.0.changes -= count as u64;
        Taken { items, count }
    }

    /// Drops `count` elements at an end, or all. O(bytes of a node + nodes).
    pub fn drop_at(&mut self, end: End, count: usize) {
        let len = self.len();
        let count = count.min(len);
        match end {
            End::Head => self.keep(count..len),
            End::Tail => self.keep(0..len - count),
        }
    }

    /// Drops all elements but those of this range, which is within the list. O(bytes of a node + nodes).
    pub fn keep(&mut self, range: Range<usize>) {
        let len = self.len();
        let (before, behind) = (range.start, len - range.end);
        if before + behind == 0 {
            return;
        }
        self.0.changes += (before + behind) as u64;
        match self.0.packed() {
            // What is large is set aside whole.
            None if range.is_empty() => self.0.install_packed(header(Form::List, 0).to_vec()),
            Some(Packed { items, count, .. }) => {
                let (head, tail) = (
                    packed::range_of(items, count, 0, before),
                    packed::range_of(items, count, range.end, behind),
                );
                if behind > 0 {
                    splice(self.0, Form::List, count - behind, tail.start, tail.len(), &[]);
                }
                if before > 0 {
                    splice(self.0, Form::List, range.len(), 0, head.len(), &[]);
                }
            }
            None => self.keep_nodes(range, before, behind),
        }
    }

    fn keep_nodes(&mut self, range: Range<usize>, before: usize, behind: usize) {
        let (bound, large) = (self.bound(), crate::object::LARGE_PARTS);
        let (cut, small) = self.nodes(|nodes| {
            if nodes.parts() > large && nodes.nodes_outside(range.start, range.end) > large {
                return (Some(nodes.take_range(range.start, range.end)), None);
            }
            nodes.drop_at(End::Head, before);
            nodes.drop_at(End::Tail, behind);
            (None, nodes.take_small(bound))
        });
        if let Some(kept) = cut {
            // The rest goes as one large object, by and by.
            self.0.install(Object::List(Box::new(kept)));
            self.repack();
        } else if let Some(node) = small {
            self.pack(&node);
        }
    }

    /// Replaces element `index`. False if there is none. O(bytes of a node + nodes).
    pub fn set(&mut self, index: usize, element: Str<'_>) -> bool {
        if index >= self.len() {
            return false;
        }
        self.0.changes += 1;
        let text = element.len();
        self.admit(1, text);
        let element = encoded(element);
        match self.0.packed() {
            Some(Packed { items, count, .. }) => {
                let range = packed::range_of(items, count, index, 1);
                self.0.exchange(HEADER + range.start, range.len(), &element.parts());
            }
            None => {
                let bound = self.bound();
                self.nodes(|nodes| nodes.set(index, &element, text, bound));
                self.repack();
            }
        }
        true
    }

    /// Puts an element before or behind the first one equal to `pivot`, and gives the new length; `None` if none is
    /// equal. O(elements).
    pub fn insert_at(&mut self, pivot: &[u8], behind: bool, element: Str<'_>) -> Option<usize> {
        let text = element.len();
        self.admit(1, text);
        let mut found = None;
        self.view()?.positions(pivot, End::Head, usize::MAX, |index| {
            found = Some(index);
            false
        });
        let index = found? + usize::from(behind);
        self.0.changes += 1;
        let element = encoded(element);
        match self.0.packed() {
            Some(Packed { items, count, .. }) => {
                let at = packed::nth(items, count, index);
                splice(self.0, Form::List, count + 1, at, 0, &element.parts());
            }
            None => {
                let bound = self.bound();
                self.nodes(|nodes| nodes.insert(index, &element, text, bound));
            }
        }
        Some(self.len())
    }

    /// Removes up to `limit` elements equal to `wanted`, from one end on, and counts them. O(bytes of the list).
    pub fn remove(&mut self, wanted: &[u8], from: End, limit: usize) -> usize {
        let wanted = item_of(wanted);
        let removed = match self.0.packed() {
            Some(Packed { items, count, .. }) => {
                let hits = hits_of(items, wanted, from, limit);
                if let [hit] = &hits[..] {
                    splice(self.0, Form::List, count - 1, hit.start, hit.len(), &[]);
                } else if !hits.is_empty() {
                    let (old, kept) = (items.len(), without(items, &hits));
                    splice(self.0, Form::List, count - hits.len(), 0, old, &[&kept]);
                }
                hits.len()
            }
            None if self.is_empty() => 0,
            None => {
                let bound = self.bound();
                self.nodes(|nodes| {
                    nodes.strike(from, limit, bound, |items, limit| {
                        let hits = hits_of(items, wanted, from, limit);
                        let kept = if hits.is_empty() { Vec::new() } else { without(items, &hits) };
                        (kept, hits.len())
                    })
                })
            }
        };
        if removed > 0 {
            self.repack();
        }
        self.0.changes += removed as u64;
        removed
    }
}

/// Packed elements, in the order in which they lie when each was put at this end.
fn run_of<'v>(end: End, elements: impl Iterator<Item = Str<'v>>, text: usize) -> Vec<u8> {
    let mut run = Vec::with_capacity(text + text / 8 + 16);
    if end == End::Tail {
        elements.for_each(|element| encoded(element).append_to(&mut run));
        return run;
    }
    let elements: Vec<Str<'_>> = elements.collect();
    elements.iter().rev().for_each(|element| encoded(*element).append_to(&mut run));
    run
}

/// Where up to `limit` elements equal to `wanted` lie, in ascending order; those nearest to an end.
fn hits_of(items: &[u8], wanted: Item<'_>, from: End, limit: usize) -> Vec<Range<usize>> {
    let range = |position: usize| position..packed::skip(items, position, 1);
    let is_hit = |&(_, item): &(usize, Item<'_>)| item == wanted;
    match from {
        End::Head => {
            let hits = packed::iter(items).filter(is_hit).take(limit);
            hits.map(|(position, _)| range(position)).collect()
        }
        End::Tail => {
            let hits = packed::iter_back(items).filter(is_hit).take(limit);
            let mut hits: Vec<_> = hits.map(|(position, _)| range(position)).collect();
            hits.reverse();
            hits
        }
    }
}

/// The bytes without these ranges, which are in ascending order.
fn without(items: &[u8], ranges: &[Range<usize>]) -> Vec<u8> {
    let gone: usize = ranges.iter().map(Range::len).sum();
    let mut kept = Vec::with_capacity(items.len() - gone);
    let mut from = 0;
    for range in ranges {
        kept.extend_from_slice(&items[from..range.start]);
        from = range.end;
    }
    kept.extend_from_slice(&items[from..]);
    kept
}

impl<'s> Db<'s> {
    /// The list of a key; `None` when the key is absent. Expected O(1).
    #[inline]
    pub fn list(self, key: &Key<'_>, look: Look, now: Now) -> Result<Option<List<'s>>, WrongType> {
        let packed = |packed| List(Body::Packed(packed));
        self.read(key, Kind::List, look, now, packed, |object| match object {
            Object::List(nodes) => Some(List(Body::Nodes(nodes))),
            _ => None,
        })
    }

    /// Lets `change` edit the list of a key, which is empty where the key is absent. Keeps the time to live; a
    /// list that becomes empty goes.
    #[inline]
    pub fn edit_list<R>(
        &mut self,
        key: &Key<'_>,
        now: Now,
        change: impl FnOnce(&mut ListEdit<'_, '_>) -> R,
    ) -> Result<R, WrongType> {
        self.edit(key, Kind::List, now, |editing| change(&mut ListEdit(editing)))
    }
}

impl Store {
    /// Makes a list that belongs to no key yet.
    pub fn make_list(&self, now: Now, make: impl FnOnce(&mut ListEdit<'_, '_>)) -> Made {
        self.make(now, |editing| make(&mut ListEdit(editing)))
    }
}
