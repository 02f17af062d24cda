//! Members in the order of their scores: what a large sorted set is made of.
//!
//! A [`Map`] holds each member with its score, so that a score is found by its member. Beside it stands a B+ tree
//! of (score, member), whose inner nodes know how many members are below each child: a rank is counted
//! on the way down, and every range, whether by rank, score or member, is "find a rank, walk from it". A leaf
//! holds pairs of score and entry address, 16 bytes each; a member is looked at only where scores are
//! equal, so a search reads a few lines. Nodes hold up to 64; a node that fills up at the end of the
//! tree leaves all it has behind, so that what is added in order is packed full.

use crate::entry::{self, Entry};
use crate::hash::KeyHash;
use crate::map::{Map, Pair, Plain, pair};
use base::Prng;
use core::cmp::Ordering;

/// Items of a leaf and children of an inner node at the most.
const NODE_MAX: usize = 64;
/// A node with fewer is merged with its neighbour, if both fit one.
const NODE_MIN: usize = NODE_MAX / 4;

/// What [`Ranking::set`] did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ranked {
    /// The member is new.
    New,
    /// The member has another score than before.
    Moved,
    /// The member had this score already.
    Same,
}

/// One member in the tree.
#[derive(Clone, Copy)]
struct Item {
    score: f64,
    /// The member's entry in the map.
    entry: Entry,
}

impl Item {
    /// The member.
    ///
    /// # Safety
    /// The entry is live, and stays so for the lifetime the caller picks.
    unsafe fn member<'a>(&self) -> &'a [u8] {
        // SAFETY: the caller's promise.
        unsafe { entry::key(self.entry, &entry::shape(self.entry)) }
    }

    /// How the item stands to a score and member. The item's entry is live, as every entry in a tree is: an item
    /// leaves the tree before its entry leaves the map.
    #[inline]
    fn cmp(&self, score: f64, member: &[u8]) -> Ordering {
        // Scores are never NaN, the one thing that has no order; 0 and -0 are equal.
        let by_score = self.score.partial_cmp(&score).unwrap_or(Ordering::Equal);
        // SAFETY: as above; the member is not kept.
        by_score.then_with(|| unsafe { self.member() }.cmp(member))
    }
}

enum Node {
    Leaf(Vec<Item>),
    Inner(Vec<Child>),
}

struct Child {
    /// Items below.
    count: usize,
    /// The first item below.
    first: Item,
    node: Box<Node>,
}

impl Child {
    fn new(node: Node) -> Child {
        Child { count: node.count(), first: node.first(), node: Box::new(node) }
    }
}

impl Node {
    fn leaf() -> Node {
        Node::Leaf(Vec::with_capacity(NODE_MAX))
    }

    fn count(&self) -> usize {
        match self {
            Node::Leaf(items) => items.len(),
            Node::Inner(children) => children.iter().map(|child| child.count).sum(),
        }
    }

    fn width(&self) -> usize {
        match self {
            Node::Leaf(items) => items.len(),
            Node::Inner(children) => children.len(),
        }
    }

    /// The first item; the node is not empty.
    fn first(&self) -> Item {
        match self {
            Node::Leaf(items) => items[0],
            Node::Inner(children) => children[0].first,
        }
    }

    /// Cuts the node in two if it is full: gives what is behind the cut. At the end of the tree everything but the
    /// last stays.
    fn split(&mut self, at_end: bool) -> Option<Child> {
        if self.width() <= NODE_MAX {
            return None;
        }
        let cut = if at_end { NODE_MAX } else { NODE_MAX.div_ceil(2) };
        Some(Child::new(match self {
            Node::Leaf(items) => {
                let mut right = Vec::with_capacity(NODE_MAX + 1);
                right.extend(items.drain(cut..));
                Node::Leaf(right)
            }
            Node::Inner(children) => {
                let mut right = Vec::with_capacity(NODE_MAX + 1);
                right.extend(children.drain(cut..));
                Node::Inner(right)
            }
        }))
    }

    /// Adds an item that is not there. `at_end` says that nothing is behind this node. Gives what must
    /// be put behind this node.
    fn insert(&mut self, item: Item, member: &[u8], at_end: bool) -> Option<Child> {
        let last = match self {
            Node::Leaf(items) => {
                let index = items.partition_point(|other| other.cmp(item.score, member).is_lt());
                items.insert(index, item);
                at_end && index + 1 == items.len()
            }
            Node::Inner(children) => {
                let index = child_of(children, item.score, member);
                let last = at_end && index + 1 == children.len();
                let child = &mut children[index];
                let behind = child.node.insert(item, member, last);
                child.first = child.node.first();
                child.count += 1;
                if let Some(behind) = behind {
                    child.count -= behind.count;
                    children.insert(index + 1, behind);
                }
                last
            }
        };
        self.split(last)
    }

    /// Takes out an item that is there.
    fn remove(&mut self, score: f64, member: &[u8]) {
        match self {
            Node::Leaf(items) => {
                let index = items.partition_point(|other| other.cmp(score, member).is_lt());
                items.remove(index);
            }
            Node::Inner(children) => {
                let index = child_of(children, score, member);
                let child = &mut children[index];
                child.node.remove(score, member);
                child.count -= 1;
                if child.count == 0 {
                    children.remove(index);
                    return;
                }
                child.first = child.node.first();
                if child.node.width() < NODE_MIN {
                    merge(children, index);
                }
            }
        }
    }

    /// Items in front of the first for which `before` is false; `before` is true for a first part of all items
    /// and false for the rest.
    fn rank_where(&self, before: &mut impl FnMut(&Item) -> bool) -> usize {
        match self {
            Node::Leaf(items) => items.partition_point(before),
            Node::Inner(children) => {
                let behind = children.partition_point(|child| before(&child.first));
                let Some(index) = behind.checked_sub(1) else { return 0 };
                let skipped: usize = children[..index].iter().map(|child| child.count).sum();
                skipped + children[index].node.rank_where(before)
            }
        }
    }
}

/// The child that this item belongs to.
fn child_of(children: &[Child], score: f64, member: &[u8]) -> usize {
    let behind = children.partition_point(|child| child.first.cmp(score, member).is_le());
    behind.saturating_sub(1)
}

/// Merges child `index` with a neighbour, if both fit one node.
fn merge(children: &mut Vec<Child>, index: usize) {
    let fits = |left: usize| {
        children
            .get(left + 1)
            .is_some_and(|right| children[left].node.width() + right.node.width() <= NODE_MAX)
    };
    let left = match index.checked_sub(1) {
        _ if fits(index) => index,
        Some(left) if fits(left) => left,
        _ => return,
    };
    let right = children.remove(left + 1);
    let target = &mut children[left];
    target.count += right.count;
    match (&mut *target.node, *right.node) {
        (Node::Leaf(items), Node::Leaf(more)) => items.extend(more),
        (Node::Inner(inner), Node::Inner(more)) => inner.extend(more),
        _ => unreachable!("leaves are all at one depth"),
    }
}

/// A member with its score.
pub type Scored<'a> = (&'a [u8], f64);

/// Members in the order of their scores, members of equal score in the order of their bytes.
pub struct Ranking {
    map: Map,
    root: Node,
}

// SAFETY: the entries that the tree leads to are the map's, which goes with it.
unsafe impl Send for Ranking {}

impl Ranking {
    /// An empty ranking.
    pub fn new(hasher: KeyHash) -> Ranking {
        Ranking { map: Map::new(hasher), root: Node::leaf() }
    }

    /// Members. O(1).
    #[inline]
    pub fn len(&self) -> usize {
        self.map.len()
    }

    /// Whether there are no members. O(1).
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Memory taken, in bytes, the ranking itself included; the tree's is worked out from the number of members, as
    /// if its nodes were three quarters full. O(1).
    pub fn bytes(&self) -> usize {
        let tree = self.len() * size_of::<Item>() * 4 / 3;
        size_of::<Ranking>() - size_of::<Map>() + self.map.bytes() + tree
    }

    /// A member's score. Expected O(1).
    #[inline]
    pub fn score(&self, member: &[u8]) -> Option<f64> {
        self.map.get(member).map(score_of)
    }

    /// Sets a member's score, which is not NaN. O(log n).
    pub fn set(&mut self, member: &[u8], score: f64) -> Ranked {
        self.update(member, |_| Some(score))
    }

    /// Gives a member the score, not NaN, that `decide` makes of its old one; `None` leaves it as it is. O(log n).
    pub fn update(
        &mut self,
        member: &[u8],
        decide: impl FnOnce(Option<f64>) -> Option<f64>,
    ) -> Ranked {
        let found = self.map.find(member);
        // SAFETY: just found.
        let old = found.as_ref().map(|found| score_of(unsafe { pair(found.entry) }));
        let Some(score) = decide(old).filter(|score| old != Some(*score)) else {
            return Ranked::Same;
        };
        assert!(!score.is_nan(), "callers refuse what is not a number");
        let value = Plain::Int(score.to_bits() as i64);
        let (Some(found), Some(old)) = (found, old) else {
            let entry = self.map.insert(member, value, None);
            self.insert(Item { score, entry }, member);
            return Ranked::New;
        };
        let entry = found.entry;
        self.take(old, member);
        // SAFETY: just found, and the tree is not the map. A number is written over a number where it is, so
        // the entry stays.
        unsafe { self.map.overwrite(found, value, None) };
        self.insert(Item { score, entry }, member);
        Ranked::Moved
    }

    /// Removes a member, and gives its score. O(log n).
    pub fn remove(&mut self, member: &[u8]) -> Option<f64> {
        let found = self.map.find(member)?;
        // SAFETY: just found; out of the tree first, because that reads entries.
        unsafe {
            let score = score_of(pair(found.entry));
            self.take(score, member);
            self.map.remove_found(found);
            Some(score)
        }
    }

    /// Removes the member of this rank, and gives its score. O(log n).
    pub fn remove_rank(&mut self, rank: usize) -> Option<f64> {
        let Item { score, entry } = *Walk::new(&self.root, rank).next()?;
        // SAFETY: entries in the tree are live, and this one stays so until its map removes it, which reads the
        // member before.
        unsafe {
            let member = Item { score, entry }.member();
            self.take(score, member);
            let found = self.map.find(member).expect("what is in the tree is in the map");
            self.map.remove_found(found);
        }
        Some(score)
    }

    fn insert(&mut self, item: Item, member: &[u8]) {
        if let Some(behind) = self.root.insert(item, member, true) {
            let front = core::mem::replace(&mut self.root, Node::leaf());
            let mut children = Vec::with_capacity(NODE_MAX + 1);
            children.extend([Child::new(front), behind]);
            self.root = Node::Inner(children);
        }
    }

    /// Takes an item out of the tree.
    fn take(&mut self, score: f64, member: &[u8]) {
        self.root.remove(score, member);
        while let Node::Inner(children) = &mut self.root
            && children.len() <= 1
        {
            self.root = children.pop().map_or_else(Node::leaf, |only| *only.node);
        }
    }

    /// Members in front of this one. O(log n).
    pub fn rank(&self, member: &[u8]) -> Option<usize> {
        let score = self.score(member)?;
        Some(self.root.rank_where(&mut |item| item.cmp(score, member).is_lt()))
    }

    /// Members in front of the first for which `before` is false; `before`, of score and member, must be true for a
    /// first part of all members and false for the rest. O(log n).
    pub fn rank_where(&self, mut before: impl FnMut(f64, &[u8]) -> bool) -> usize {
        // SAFETY: entries in the tree are live; the member is not kept.
        self.root.rank_where(&mut |item| before(item.score, unsafe { item.member() }))
    }

    /// Members from `rank` on, in order. O(log n), O(1) for each.
    pub fn iter_from(&self, rank: usize) -> Iter<'_> {
        Iter { walk: Walk::new(&self.root, rank), back: false }
    }

    /// Members in front of `rank`, the nearest first. O(log n), O(1) for each.
    pub fn iter_back_from(&self, rank: usize) -> Iter<'_> {
        Iter { walk: Walk::new(&self.root, rank), back: true }
    }

    /// The member of this rank. O(log n).
    pub fn nth(&self, rank: usize) -> Option<Scored<'_>> {
        self.iter_from(rank).next()
    }

    /// A member drawn uniformly; `None` if there is none. Expected O(1).
    pub fn random(&self, prng: &mut Prng) -> Option<Scored<'_>> {
        self.map.random(prng).map(scored)
    }

    /// Visits members as [`Map::scan`] does. O(members of a bucket).
    pub fn scan<'a>(&'a self, position: u64, mut visit: impl FnMut(Scored<'a>)) -> Option<u64> {
        self.map.scan(position, |pair| visit(scored(pair)))
    }

    /// Another ranking with the same members and scores. O(n log n).
    pub fn duplicate(&self) -> Ranking {
        let mut copy = Ranking::new(self.map.hasher());
        self.iter_from(0).for_each(|(member, score)| _ = copy.set(member, score));
        copy
    }

    /// Takes out up to `budget` members, whichever, for good: how a large ranking goes in bounded steps. True
    /// while there are more. What is left is no ranking any more, and only this may be done to it.
    pub fn dismantle(&mut self, budget: usize) -> bool {
        // Nodes first: they are few, and must not lead to entries that are gone.
        let nodes = budget.div_ceil(NODE_MIN);
        for _ in 0..nodes {
            if !drop_a_leaf(&mut self.root) {
                return self.map.dismantle(budget);
            }
        }
        true
    }
}

/// Drops one leaf of a tree. False when there is nothing but the root.
fn drop_a_leaf(node: &mut Node) -> bool {
    let Node::Inner(children) = node else { return false };
    let Some(last) = children.last_mut() else { return false };
    if !drop_a_leaf(&mut last.node) {
        children.pop();
    }
    true
}

fn score_of(pair: Pair<'_>) -> f64 {
    match pair.value {
        Plain::Int(bits) => f64::from_bits(bits as u64),
        Plain::Bytes(_) => unreachable!("a ranking's values are scores"),
    }
}

fn scored(pair: Pair<'_>) -> Scored<'_> {
    (pair.key, score_of(pair))
}

/// A place between two items: behind it, and on each level above, what is next.
struct Walk<'a> {
    /// Inner nodes from the root, each with the child that the walk is in.
    above: Vec<(&'a [Child], usize)>,
    leaf: &'a [Item],
    /// The item of the leaf that is behind the place.
    index: usize,
}

impl<'a> Walk<'a> {
    fn new(root: &'a Node, mut rank: usize) -> Walk<'a> {
        let (mut above, mut node) = (Vec::new(), root);
        loop {
            match node {
                Node::Leaf(items) => {
                    return Walk { above, leaf: items, index: rank.min(items.len()) };
                }
                Node::Inner(children) => {
                    let mut index = 0;
                    while index + 1 < children.len() && rank >= children[index].count {
                        rank -= children[index].count;
                        index += 1;
                    }
                    above.push((children, index));
                    node = &children[index].node;
                }
            }
        }
    }

    /// Goes to the leaf after, or before. False at the end.
    fn turn(&mut self, back: bool) -> bool {
        let mut height = 0;
        loop {
            let Some(level) = self.above.len().checked_sub(height + 1) else { return false };
            let (children, index) = &mut self.above[level];
            let next = if back { index.checked_sub(1) } else { Some(*index + 1) };
            if let Some(next) = next.filter(|next| *next < children.len()) {
                *index = next;
                break;
            }
            height += 1;
        }
        self.above.truncate(self.above.len() - height);
        let (children, index) = self.above.last().expect("found above");
        let mut node = &*children[*index].node;
        loop {
            match node {
                Node::Leaf(items) => {
                    self.leaf = items;
                    self.index = if back { items.len() } else { 0 };
                    return true;
                }
                Node::Inner(children) => {
                    let index = if back { children.len() - 1 } else { 0 };
                    self.above.push((children, index));
                    node = &children[index].node;
                }
            }
        }
    }

    fn next(&mut self) -> Option<&'a Item> {
        if self.index == self.leaf.len() && !self.turn(false) {
            return None;
        }
        let item = self.leaf.get(self.index)?;
        self.index += 1;
        Some(item)
    }

    fn next_back(&mut self) -> Option<&'a Item> {
        if self.index == 0 && !self.turn(true) {
            return None;
        }
        self.index = self.index.checked_sub(1)?;
        self.leaf.get(self.index)
    }
}

/// Members with their scores, in one of both directions.
pub struct Iter<'a> {
    walk: Walk<'a>,
    back: bool,
}

impl<'a> Iterator for Iter<'a> {
    type Item = Scored<'a>;

    #[inline]
    fn next(&mut self) -> Option<Scored<'a>> {
        let item = if self.back { self.walk.next_back() } else { self.walk.next() }?;
        // SAFETY: entries in the tree are live, and the ranking is borrowed for 'a.
        Some((unsafe { item.member() }, item.score))
    }
}
