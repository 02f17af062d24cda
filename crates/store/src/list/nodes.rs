//! The large form of a list: a deque of packed nodes.
//!
//! Each node knows how many elements it holds, so both ends are at hand and the middle is found by walking
//! over nodes. `list-max-listpack-size` bounds a node; an element larger than that stands in one alone. What is
//! given up at an end goes node by node. Neighbours that would fit into one node become one when something is
//! removed or put in between them, so that no pattern of use leaves a list of crumbs; but two nodes
//! never become one that way: a list turns back into its packed form where Redis does.

use super::End;
use compact::packed::{self, Encoded, Item, Splice};
use compact::round_large;
use std::collections::VecDeque;
use std::ops::Range;

/// Bytes that Redis counts for the frame of a node: what its thresholds mean.
pub(super) const FRAME: usize = 7;
/// Bytes that Redis allows for the lengths of an element that is put into a node.
const ROOM: usize = 8;
/// The most bytes of a node that is bounded by its number of elements.
const SAFE_BYTES: usize = 8192;
/// Elements beyond which `list-max-listpack-size` is not heard.
const COUNT_MAX: i64 = 0x7fff;
/// Capacity that is not worth giving back.
const SLACK: usize = 64;

/// How large a node, and a packed list, may be.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bound {
    bytes: usize,
    count: usize,
    /// The bound is the number of elements; else it is the bytes.
    by_count: bool,
}

impl Bound {
    /// The bound that a `list-max-listpack-size` names.
    pub(crate) fn of(size: i64) -> Bound {
        match size {
            0.. => {
                let count = size.clamp(1, COUNT_MAX) as usize;
                Bound { bytes: SAFE_BYTES, count, by_count: true }
            }
            _ => {
                let bytes = 4096 << (-size.max(-5) - 1);
                Bound { bytes, count: crate::packed::COUNT_MAX, by_count: false }
            }
        }
    }

    /// Whether so many bytes, the frame included, and elements are within it.
    #[inline]
    pub(super) fn allows(&self, bytes: usize, count: usize) -> bool {
        bytes <= self.bytes && count <= self.count
    }

    /// Whether a single node is so small that its list should be packed again: half the bound, so that a list
    /// near it does not change to and fro.
    fn allows_half(&self, node: &Node) -> bool {
        let (bytes, count) =
            if self.by_count { (self.bytes, self.count / 2) } else { (self.bytes / 2, self.count) };
        FRAME + node.items.len() <= bytes && node.count <= count
    }
}

/// Packed elements and their number.
#[derive(Clone, Debug, Default)]
pub(crate) struct Node {
    pub(super) items: Vec<u8>,
    pub(super) count: usize,
}

impl Node {
    pub(super) fn new(items: Vec<u8>, count: usize) -> Node {
        Node { items, count }
    }

    /// Whether an element of so many bytes of text may be put into it.
    fn has_room(&self, text: usize, bound: Bound) -> bool {
        bound.allows(FRAME + ROOM + self.items.len() + text, self.count + 1)
    }

    /// Replaces `remove` bytes at `at`, which are `gone` elements, by an element. Grows to twice the size, but
    /// not beyond the bound.
    fn put(&mut self, at: usize, remove: usize, gone: usize, element: &Encoded<'_>, bound: Bound) {
        let new = self.items.len() - remove + element.len();
        if new > self.items.capacity() {
            let room = round_large((2 * new).min(bound.bytes).max(new));
            self.items.reserve_exact(room - self.items.len());
        }
        self.items.exchange(at, remove, &element.parts());
        self.count += 1 - gone;
    }

    /// Takes out the bytes from `at` on, which are `gone` elements.
    fn cut(&mut self, at: usize, remove: usize, gone: usize) {
        self.items.exchange(at, remove, &[]);
        self.count -= gone;
        give_back(&mut self.items);
    }

    /// Makes the elements from number `index` on a node of their own.
    fn split_off(&mut self, index: usize) -> Node {
        let at = packed::nth(&self.items, self.count, index);
        let right = Node::new(self.items[at..].to_vec(), self.count - index);
        self.cut(at, self.items.len() - at, right.count);
        right
    }
}

/// Gives back capacity of which less than a quarter is used.
pub(super) fn give_back(bytes: &mut Vec<u8>) {
    if bytes.capacity() > SLACK && bytes.len() < bytes.capacity() / 4 {
        bytes.shrink_to(round_large(2 * bytes.len()));
    }
}

/// The nodes of a large list. None is empty.
#[derive(Debug, Default)]
pub(crate) struct Nodes {
    nodes: VecDeque<Node>,
    len: usize,
    /// Capacity of all nodes.
    bytes: usize,
}

impl Nodes {
    /// Elements. O(1).
    #[inline]
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// Nodes, each of which is an allocation. O(1).
    pub(crate) fn parts(&self) -> usize {
        self.nodes.len()
    }

    /// Bytes that it owns, itself included. O(1).
    pub(crate) fn footprint(&self) -> usize {
        size_of::<Nodes>() + self.nodes.capacity() * size_of::<Node>() + self.bytes
    }

    #[inline]
    pub(super) fn node(&self, at: usize) -> &Node {
        &self.nodes[at]
    }

    /// Frees up to `budget` nodes; true while there are more.
    pub(crate) fn dismantle(&mut self, budget: usize) -> bool {
        for _ in 0..budget {
            if self.take_node(End::Tail).is_none() {
                return false;
            }
        }
        !self.nodes.is_empty()
    }

    fn take_node(&mut self, end: End) -> Option<Node> {
        let node = match end {
            End::Head => self.nodes.pop_front()?,
            End::Tail => self.nodes.pop_back()?,
        };
        self.len -= node.count;
        self.bytes -= node.items.capacity();
        Some(node)
    }

    /// Puts a node at this place.
    pub(super) fn put_node(&mut self, at: usize, node: Node) {
        self.len += node.count;
        self.bytes += node.items.capacity();
        self.nodes.insert(at, node);
    }

    /// Lets `change` change a node, and counts.
    fn change<R>(&mut self, at: usize, change: impl FnOnce(&mut Node) -> R) -> R {
        let node = &mut self.nodes[at];
        let (count, bytes) = (node.count, node.items.capacity());
        let result = change(node);
        self.len = self.len - count + node.count;
        self.bytes = self.bytes - bytes + node.items.capacity();
        result
    }

    /// The node with element `index`, which is there, and the number that the element has in it. O(nodes to
    /// the nearer end).
    pub(super) fn locate(&self, index: usize) -> (usize, usize) {
        debug_assert!(index < self.len, "callers have compared with the length");
        if index <= self.len / 2 {
            let mut rest = index;
            for (at, node) in self.nodes.iter().enumerate() {
                if rest < node.count {
                    return (at, rest);
                }
                rest -= node.count;
            }
        }
        let mut start = self.len;
        for (at, node) in self.nodes.iter().enumerate().rev() {
            start -= node.count;
            if start <= index {
                return (at, index - start);
            }
        }
        unreachable!("the nodes have `len` elements")
    }

    /// Adds an element with a text of so many bytes at an end. O(bytes of a node).
    pub(super) fn push(&mut self, end: End, element: &Encoded<'_>, text: usize, bound: Bound) {
        let last = self.nodes.len().wrapping_sub(1);
        let (at, new_at) = match end {
            End::Head => (0, 0),
            End::Tail => (last, self.nodes.len()),
        };
        if self.nodes.get(at).is_some_and(|node| node.has_room(text, bound)) {
            self.change(at, |node| {
                let position = if end == End::Head { 0 } else { node.items.len() };
                node.put(position, 0, 0, element, bound);
            });
        } else {
            self.put_node(new_at, alone(element));
        }
    }

    /// Takes the element at an end out, of which there is one, and shows it. O(bytes of a node).
    #[inline]
    pub(super) fn pop(&mut self, end: End, show: impl FnOnce(Item<'_>)) {
        let at = if end == End::Head { 0 } else { self.nodes.len() - 1 };
        let node = &self.nodes[at];
        let place = place_at(&node.items, end).expect("no node is empty");
        let (item, _) = packed::next(&node.items, place.start).expect("an element begins here");
        show(item);
        if node.count == 1 {
            self.take_node(end);
        } else {
            self.change(at, |node| node.cut(place.start, place.len(), 1));
        }
    }

    /// Drops `count` elements at an end, or all. O(nodes dropped + bytes of a node).
    pub(super) fn drop_at(&mut self, end: End, mut count: usize) {
        while count > 0 {
            let at = if end == End::Head { 0 } else { self.nodes.len().wrapping_sub(1) };
            let Some(node) = self.nodes.get(at) else { return };
            if node.count <= count {
                count -= node.count;
                self.take_node(end);
                continue;
            }
            let first = if end == End::Head { 0 } else { node.count - count };
            let range = packed::range_of(&node.items, node.count, first, count);
            return self.change(at, |node| node.cut(range.start, range.len(), count));
        }
    }

    /// Moves what is left when all but the elements from `first` to before `end` are dropped into nodes of its own; the
    /// rest stays here, to be freed by and by. O(nodes kept + bytes of two nodes).
    pub(super) fn take_range(&mut self, first: usize, end: usize) -> Nodes {
        debug_assert!(first < end && end <= self.len, "something is kept");
        let ((left, before), (right, last)) = (self.locate(first), self.locate(end - 1));
        let mut kept = Nodes { nodes: self.nodes.drain(left..=right).collect(), len: 0, bytes: 0 };
        kept.len = kept.nodes.iter().map(|node| node.count).sum();
        kept.bytes = kept.nodes.iter().map(|node| node.items.capacity()).sum();
        self.len -= kept.len;
        self.bytes -= kept.bytes;
        let behind = kept.nodes[right - left].count - 1 - last;
        kept.drop_at(End::Head, before);
        kept.drop_at(End::Tail, behind);
        kept
    }

    /// Nodes that lie whole outside of the elements from `first` to before `end`. O(nodes).
    pub(super) fn nodes_outside(&self, first: usize, end: usize) -> usize {
        let ((left, _), (right, _)) = (self.locate(first), self.locate(end - 1));
        self.nodes.len() - (right - left + 1)
    }

    /// Replaces element `index`, which is there. O(nodes + bytes of a node).
    pub(super) fn set(&mut self, index: usize, element: &Encoded<'_>, text: usize, bound: Bound) {
        let (at, number) = self.locate(index);
        let node = &self.nodes[at];
        let range = packed::range_of(&node.items, node.count, number, 1);
        let bytes = FRAME + node.items.len() - range.len() + element.len();
        if node.count == 1 || bound.allows(bytes, node.count) {
            self.change(at, |node| node.put(range.start, range.len(), 1, element, bound));
        } else {
            self.change(at, |node| node.cut(range.start, range.len(), 1));
            self.put_between(at, number, element, text, bound);
        }
        self.merge_around(at, bound);
    }

    /// Puts an element before number `index`, or at the end for the length. O(nodes + bytes of a node).
    pub(super) fn insert(
        &mut self,
        index: usize,
        element: &Encoded<'_>,
        text: usize,
        bound: Bound,
    ) {
        if index == 0 || index == self.len {
            let end = if index == 0 { End::Head } else { End::Tail };
            return self.push(end, element, text, bound);
        }
        let (at, number) = self.locate(index);
        self.put_between(at, number, element, text, bound);
        self.merge_around(at, bound);
    }

    /// Puts an element before number `number` of a node: into that node, or one beside it, or between the halves
    /// of that node.
    fn put_between(
        &mut self,
        at: usize,
        number: usize,
        element: &Encoded<'_>,
        text: usize,
        bound: Bound,
    ) {
        let node = &self.nodes[at];
        let has_room =
            |at: usize| self.nodes.get(at).is_some_and(|node| node.has_room(text, bound));
        if has_room(at) {
            let position = packed::nth(&node.items, node.count, number);
            return self.change(at, |node| node.put(position, 0, 0, element, bound));
        }
        let (first, behind) = (number == 0, number == node.count);
        if first && at > 0 && has_room(at - 1) {
            return self.change(at - 1, |node| {
                let end = node.items.len();
                node.put(end, 0, 0, element, bound);
            });
        }
        if behind && has_room(at + 1) {
            return self.change(at + 1, |node| node.put(0, 0, 0, element, bound));
        }
        if first || behind {
            return self.put_node(at + usize::from(behind), alone(element));
        }
        let right = self.change(at, |node| node.split_off(number));
        self.put_node(at + 1, right);
        if self.nodes[at].has_room(text, bound) {
            self.change(at, |node| {
                let end = node.items.len();
                node.put(end, 0, 0, element, bound);
            });
        } else if self.nodes[at + 1].has_room(text, bound) {
            self.change(at + 1, |node| node.put(0, 0, 0, element, bound));
        } else {
            self.put_node(at + 1, alone(element));
        }
    }

    /// Merges the two nodes at `at`, if there are more and both fit into one.
    fn merge(&mut self, at: usize, bound: Bound) -> bool {
        if self.nodes.len() <= 2 || at + 1 >= self.nodes.len() {
            return false;
        }
        let (left, right) = (&self.nodes[at], &self.nodes[at + 1]);
        let bytes = FRAME + left.items.len() + right.items.len();
        if !bound.allows(bytes, left.count + right.count) {
            return false;
        }
        let right = self.nodes.remove(at + 1).expect("there is a next one");
        self.len -= right.count;
        self.bytes -= right.items.capacity();
        self.change(at, |node| {
            let end = node.items.len();
            node.items.exchange(end, 0, &[&right.items]);
            node.count += right.count;
        });
        true
    }

    fn merge_around(&mut self, at: usize, bound: Bound) {
        self.merge(at + 1, bound);
        self.merge(at, bound);
        if at > 0 {
            self.merge(at - 1, bound);
        }
    }

    /// Removes up to `limit` elements for which `strike` says so, from one end on, and counts them. `strike` is given
    /// the elements of a node, and how many may go; it gives what stays and how many go. O(elements).
    pub(super) fn strike(
        &mut self,
        from: End,
        limit: usize,
        bound: Bound,
        strike: impl Fn(&[u8], usize) -> (Vec<u8>, usize),
    ) -> usize {
        let (mut removed, mut touched, nodes) = (0, (usize::MAX, 0), self.nodes.len());
        for step in 0..nodes {
            let at = if from == End::Head { step } else { nodes - 1 - step };
            let (kept, gone) = strike(&self.nodes[at].items, limit - removed);
            if gone > 0 {
                self.change(at, |node| *node = Node::new(kept, node.count - gone));
                touched = (at.min(touched.0), at.max(touched.1));
                removed += gone;
            }
            if removed == limit {
                break;
            }
        }
        if removed > 0 {
            self.tidy(touched.0, touched.1, bound);
        }
        removed
    }

    /// Drops the empty ones of these nodes and merges the others. O(nodes).
    fn tidy(&mut self, first: usize, last: usize, bound: Bound) {
        if first == last && self.nodes[first].count > 0 {
            return self.merge_around(first, bound);
        }
        let empty: usize =
            self.nodes.iter().filter(|node| node.count == 0).map(|n| n.items.capacity()).sum();
        self.bytes -= empty;
        self.nodes.retain(|node| node.count > 0);
        let old = std::mem::take(&mut self.nodes);
        let mut left = old.len();
        for node in old {
            left -= 1;
            let fits = |last: &Node| {
                bound.allows(FRAME + last.items.len() + node.items.len(), last.count + node.count)
            };
            match self.nodes.len().checked_sub(1) {
                Some(at) if at + left >= 1 && fits(&self.nodes[at]) => {
                    self.bytes -= node.items.capacity();
                    self.change(at, |last| {
                        let end = last.items.len();
                        last.items.exchange(end, 0, &[&node.items]);
                    });
                    self.nodes[at].count += node.count;
                }
                _ => self.nodes.push_back(node),
            }
        }
    }

    /// The single node of a list that should be packed again, taken out.
    pub(super) fn take_small(&mut self, bound: Bound) -> Option<Node> {
        let is_small = self.nodes.len() == 1 && bound.allows_half(&self.nodes[0]);
        if is_small { self.take_node(End::Head) } else { None }
    }
}

impl Clone for Nodes {
    /// The copy has no more capacity than it needs.
    fn clone(&self) -> Nodes {
        let nodes = self.nodes.clone();
        let bytes = nodes.iter().map(|node| node.items.capacity()).sum();
        Nodes { nodes, len: self.len, bytes }
    }
}

/// Where the element at an end of packed ones lies.
#[inline]
pub(super) fn place_at(items: &[u8], end: End) -> Option<Range<usize>> {
    match end {
        End::Head => packed::next(items, 0).map(|(_, behind)| 0..behind),
        End::Tail => packed::previous(items, items.len()).map(|start| start..items.len()),
    }
}

fn alone(element: &Encoded<'_>) -> Node {
    let mut items = Vec::with_capacity(round_large(element.len()));
    element.append_to(&mut items);
    Node::new(items, 1)
}
