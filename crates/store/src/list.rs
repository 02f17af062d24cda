//! Lists: elements in the order in which they were put at either end.
//!
//! A list is packed while it fits one node, as `list-max-listpack-size` bounds it; then it is a deque of such
//! nodes ([`Nodes`]). What is read or walked over is the same in both forms: a row of nodes, of which a packed list
//! has one.

mod nodes;

pub(crate) use nodes::Nodes;

use crate::edit::{Editing, Made, Seen};
use crate::object::Object;
use crate::packed::{Form, HEADER, Packed, header, item_of, splice, text_of};
use crate::{Db, Key, Kind, Look, Store, Str, WrongType};
use base::Now;
use compact::packed::{self, Encoded, Item, Splice};
use nodes::{Bound, FRAME, Node};
use std::ops::Range;

/// An end of a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// The left one, where the first element is.
    Head,
    /// The right one, where the last element is.
    Tail,
}

/// A list to be read.
#[derive(Clone, Copy)]
pub struct List<'a>(Body<'a>);

#[derive(Clone, Copy)]
enum Body<'a> {
    Packed(Packed<'a>),
    Nodes(&'a Nodes),
}

impl<'a> List<'a> {
    fn of_bytes(bytes: &'a [u8]) -> List<'a> {
        List(Body::Packed(Packed::of(bytes)))
    }

    /// Elements. O(1).
    #[inline]
    pub fn len(&self) -> usize {
        match self.0 {
            Body::Packed(packed) => packed.count,
            Body::Nodes(nodes) => nodes.len(),
        }
    }

    /// Whether there are none; never so for a list that is stored.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether it is packed.
    pub fn is_packed(&self) -> bool {
        matches!(self.0, Body::Packed(_))
    }

    /// How many nodes there are.
    fn nodes(&self) -> usize {
        match self.0 {
            Body::Packed(_) => 1,
            Body::Nodes(nodes) => nodes.parts(),
        }
    }

    /// The elements of a node, and how many.
    #[inline]
    fn node(&self, at: usize) -> (&'a [u8], usize) {
        match self.0 {
            Body::Packed(packed) => (packed.items, packed.count),
            Body::Nodes(nodes) => (&nodes.node(at).items, nodes.node(at).count),
        }
    }

    /// The node with an element that is there, and the number that the element has in it.
    fn locate(&self, index: usize) -> (usize, usize) {
        match self.0 {
            Body::Packed(_) => (0, index),
            Body::Nodes(nodes) => nodes.locate(index),
        }
    }

    /// Element `index`. O(nodes and elements of a node to the nearer end).
    pub fn get(&self, index: usize) -> Option<Str<'a>> {
        if index >= self.len() {
            return None;
        }
        let (at, number) = self.locate(index);
        let (items, count) = self.node(at);
        let (item, _) = packed::next(items, packed::nth(items, count, number))?;
        Some(text_of(item))
    }

    /// Visits up to `count` elements from number `first` on. O(distance of the first to the nearer end + count).
    #[inline]
    pub fn each(&self, first: usize, count: usize, mut visit: impl FnMut(Str<'a>)) {
        let mut left = count.min(self.len().saturating_sub(first));
        if left == 0 {
            return;
        }
        let (mut at, number) = self.locate(first);
        let (mut items, size) = self.node(at);
        let mut position = packed::nth(items, size, number);
        loop {
            while let Some((item, behind)) = packed::next(items, position) {
                visit(text_of(item));
                (position, left) = (behind, left - 1);
                if left == 0 {
                    return;
                }
            }
            at += 1;
            (items, position) = (self.node(at).0, 0);
        }
    }

    /// Visits up to `count` elements before number `end`, the last of them first. O(distance of the last to the nearer
    /// end + count).
    pub fn each_back(&self, end: usize, count: usize, mut visit: impl FnMut(Str<'a>)) {
        let end = end.min(self.len());
        let mut left = count.min(end);
        if left == 0 {
            return;
        }
        let (mut at, number) = self.locate(end - 1);
        let (mut items, size) = self.node(at);
        let mut position = packed::nth(items, size, number + 1);
        loop {
            while let Some(start) = packed::previous(items, position) {
                let (item, _) = packed::next(items, start).expect("an element begins here");
                visit(text_of(item));
                (position, left) = (start, left - 1);
                if left == 0 {
                    return;
                }
            }
            at -= 1;
            items = self.node(at).0;
            position = items.len();
        }
    }

    /// All elements from the first.
    pub fn iter(&self) -> impl Iterator<Item = Str<'a>> + use<'a> {
        let list = *self;
        let nodes = (0..list.nodes()).map(move |at| list.node(at).0);
        nodes.flat_map(|items| packed::iter(items).map(|(_, item)| text_of(item)))
    }

    /// Visits the indexes of the elements equal to `wanted`, in the order in which they are met from one end on,
    /// until `visit` says false or `most` elements were looked at. O(elements looked at).
    pub fn positions(
        &self,
        wanted: &[u8],
        from: End,
        mut most: usize,
        mut visit: impl FnMut(usize) -> bool,
    ) {
        let (wanted, nodes) = (item_of(wanted), self.nodes());
        let mut met = 0;
        for step in 0..nodes {
            let at = if from == End::Head { step } else { nodes - 1 - step };
            let (items, _) = self.node(at);
            let mut goes_on = |item: Item<'_>| {
                if most == 0 {
                    return false;
                }
                (most, met) = (most - 1, met + 1);
                let index = if from == End::Head { met - 1 } else { self.len() - met };
                item != wanted || visit(index)
            };
            let through = match from {
                End::Head => packed::iter(items).all(|(_, item)| goes_on(item)),
                End::Tail => packed::iter_back(items).all(|(_, item)| goes_on(item)),
            };
            if !through {
                return;
            }
        }
    }
}

/// Elements that were taken out of a list.
#[derive(Debug, Default)]
pub struct Taken {
    items: Vec<u8>,
    count: usize,
}

impl Taken {
    /// How many there are.
    pub fn len(&self) -> usize {
        self.count
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// The elements, as they lay in the list.
    pub fn iter(&self) -> impl Iterator<Item = Str<'_>> + Clone {
        let mut position = 0;
        std::iter::from_fn(move || {
            let (item, behind) = packed::next(&self.items, position)?;
            position = behind;
            Some(text_of(item))
        })
    }

    /// The elements, the last first.
    pub fn iter_back(&self) -> impl Iterator<Item = Str<'_>> + Clone {
        let mut position = self.items.len();
        std::iter::from_fn(move || {
            position = packed::previous(&self.items, position)?;
            packed::next(&self.items, position).map(|(item, _)| text_of(item))
        })
    }
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
    /// the end. True if the list is packed.
    #[inline]
    pub fn admit(&mut self, count: usize, text: usize) -> bool {
        let (items, old) = match self.0.seen() {
            Seen::Nothing => (0, 0),
            Seen::Packed(bytes) => (bytes.len() - HEADER, Packed::of(bytes).count),
            Seen::Object(_) => return false,
        };
        let fits = self.bound().allows(FRAME + items + text, old + count);
        if !fits {
            self.unpack();
        }
        fits
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
            let mut bytes = Vec::with_capacity(HEADER + node.items.len());
            bytes.extend_from_slice(&header(Form::List, node.count));
            bytes.extend_from_slice(&node.items);
            self.0.install_packed(bytes);
        }
    }

    /// Puts an element at an end, and gives the new length. O(bytes of a node).
    #[inline]
    pub fn push(&mut self, end: End, element: Str<'_>) -> usize {
        self.0.changes += 1;
        let text = element.len();
        let packed = self.admit(1, text);
        let element = encoded(element);
        if !packed {
            let bound = self.bound();
            return self.nodes(|nodes| {
                nodes.push(end, &element, text, bound);
                nodes.len()
            });
        }
        self.splice_end(end, 1, &element.parts())
    }

    /// Puts packed elements at an end of a packed list, or of nothing; gives the new length.
    #[inline]
    fn splice_end(&mut self, end: End, more: usize, parts: &[&[u8]]) -> usize {
        if matches!(self.0.seen(), Seen::Nothing) {
            self.0.begin(&header(Form::List, 0));
        }
        let Seen::Packed(bytes) = self.0.seen() else { unreachable!("callers have admitted it") };
        let packed = Packed::of(bytes);
        let at = if end == End::Head { 0 } else { packed.items.len() };
        let count = packed.count + more;
        splice(self.0, Form::List, count, at, 0, parts);
        count
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
        if !self.admit(count, text) {
            let bound = self.bound();
            return self.nodes(|nodes| {
                elements.for_each(|element| {
                    nodes.push(end, &encoded(element), element.len(), bound);
                });
                nodes.len()
            });
        }
        let run = run_of(end, elements, text);
        self.splice_end(end, count, &[&run])
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
                let tail = packed::range_of(items, count, range.end, behind);
                let head = packed::range_of(items, count, 0, before);
                if behind > 0 {
                    splice(self.0, Form::List, count - behind, tail.start, tail.len(), &[]);
                }
                if before > 0 {
                    splice(self.0, Form::List, range.len(), 0, head.len(), &[]);
                }
            }
            None => self.keep_nodes(range),
        }
    }

    fn keep_nodes(&mut self, range: Range<usize>) {
        let (before, behind) = (range.start, self.len() - range.end);
        let large = crate::object::LARGE_PARTS;
        let rest = self.nodes(|nodes| {
            if nodes.parts() > large && nodes.nodes_outside(range.start, range.end) > large {
                return Some(nodes.take_range(range.start, range.end));
            }
            nodes.drop_at(End::Head, before);
            nodes.drop_at(End::Tail, behind);
            None
        });
        if let Some(kept) = rest {
            self.0.install(Object::List(Box::new(kept)));
        }
        self.repack();
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
