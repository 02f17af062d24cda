//! Lists as they are read.

use super::{End, Nodes};
use crate::Str;
use crate::packed::{Packed, item_of, text_of};
use compact::packed::{self, Item};

/// A list to be read.
#[derive(Clone, Copy)]
pub struct List<'a>(pub(super) Body<'a>);

#[derive(Clone, Copy)]
pub(super) enum Body<'a> {
    Packed(Packed<'a>),
    Nodes(&'a Nodes),
}

impl<'a> List<'a> {
    pub(super) fn of_bytes(bytes: &'a [u8]) -> List<'a> {
        List(Body::Packed(Packed::of(bytes)))
    }

    pub(crate) fn of_packed(packed: Packed<'a>) -> List<'a> {
        List(Body::Packed(packed))
    }

    pub(crate) fn of_nodes(nodes: &'a Nodes) -> List<'a> {
        List(Body::Nodes(nodes))
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
    pub(super) items: Vec<u8>,
    pub(super) count: usize,
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
