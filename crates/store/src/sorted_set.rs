//! Sorted sets: members in the order of their scores, members of equal score in the order of their bytes.
//!
//! Packed, a member is followed by its score: as an integer where the score is one, else as a double, so it is never
//! read from text; both share the length at their end. As in Redis a packed -0 is 0. A change is one walk over the packed bytes, which looks for the member
//! and, on the way, for the place that it will have.
//!
//! What a command asks for is an [`Interval`], of scores or of members; it is walked from where it begins.

use crate::edit::{Editing, Made, Seen};
use crate::object::Object;
use crate::packed::{COUNT_MAX, Form, HEADER, Packed, header, item_of, splice, text_of};
use crate::{Anything, Db, Key, Kind, Look, Store, Str, WrongType};
use base::{Now, Prng};
use compact::packed::{self, Encoded, Item, Splice};
use compact::{RankIter, Ranked, Ranking};
use std::cmp::Ordering;
use std::ops::{Bound, Range};

/// A member with its score.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Scored<'a> {
    /// The member.
    pub member: Str<'a>,
    /// Its score, never NaN.
    pub score: f64,
}

impl<'a> Scored<'a> {
    fn of_ranking((member, score): (&'a [u8], f64)) -> Scored<'a> {
        Scored { member: Str::Bytes(member), score }
    }
}

/// A part of a sorted set without gaps.
pub trait Interval {
    /// Whether a member lies in front of it.
    fn is_before(&self, score: f64, member: Str<'_>) -> bool;

    /// Whether a member lies behind it.
    fn is_behind(&self, score: f64, member: Str<'_>) -> bool;
}

/// Scores from one to another.
#[derive(Clone, Copy, Debug)]
pub struct ScoreRange {
    /// The least.
    pub min: Bound<f64>,
    /// The greatest.
    pub max: Bound<f64>,
}

impl Interval for ScoreRange {
    #[inline]
    fn is_before(&self, score: f64, _: Str<'_>) -> bool {
        match self.min {
            Bound::Included(min) => score < min,
            Bound::Excluded(min) => score <= min,
            Bound::Unbounded => false,
        }
    }

    #[inline]
    fn is_behind(&self, score: f64, _: Str<'_>) -> bool {
        match self.max {
            Bound::Included(max) => score > max,
            Bound::Excluded(max) => score >= max,
            Bound::Unbounded => false,
        }
    }
}

/// One end of a range of members.
#[derive(Clone, Copy, Debug)]
pub enum LexBound<'r> {
    /// In front of every member.
    Lowest,
    /// At this member.
    Included(&'r [u8]),
    /// Just beyond this member.
    Excluded(&'r [u8]),
    /// Behind every member.
    Highest,
}

/// Members from one to another, where all scores are equal; else what is found is in order of score, and some that lie
/// between both ends may be missing.
#[derive(Clone, Copy, Debug)]
pub struct LexRange<'r> {
    /// The first.
    pub min: LexBound<'r>,
    /// The last.
    pub max: LexBound<'r>,
}

impl Interval for LexRange<'_> {
    fn is_before(&self, _: f64, member: Str<'_>) -> bool {
        match self.min {
            LexBound::Lowest => false,
            LexBound::Included(min) => compare(member, min).is_lt(),
            LexBound::Excluded(min) => compare(member, min).is_le(),
            LexBound::Highest => true,
        }
    }

    fn is_behind(&self, _: f64, member: Str<'_>) -> bool {
        match self.max {
            LexBound::Lowest => true,
            LexBound::Included(max) => compare(member, max).is_gt(),
            LexBound::Excluded(max) => compare(member, max).is_ge(),
            LexBound::Highest => false,
        }
    }
}

fn compare(member: Str<'_>, other: &[u8]) -> Ordering {
    member.as_bytes(&mut itoa::Buffer::new()).cmp(other)
}

/// A score as it is packed.
#[inline]
fn packed_score(score: f64) -> Item<'static> {
    let number = score as i64;
    // The cast stops at the ends of the range; i64::MAX itself is no double.
    if number as f64 == score && number != i64::MAX {
        Item::Int(number)
    } else {
        Item::Double(score)
    }
}

#[inline]
fn score_of(item: Item<'_>) -> f64 {
    match item {
        Item::Int(number) => number as f64,
        Item::Double(score) => score,
        Item::Bytes(_) => unreachable!("scores are numbers"),
    }
}

/// A packed member with its score.
#[derive(Clone, Copy)]
struct PackedPair<'a> {
    start: usize,
    member: Item<'a>,
    score_at: usize,
    score: f64,
    end: usize,
}

impl<'a> PackedPair<'a> {
    /// The pair at this position.
    #[inline]
    fn at(items: &'a [u8], start: usize) -> Option<PackedPair<'a>> {
        if start >= items.len() {
            return None;
        }
        let (member, score_at) = packed::bare(items, start);
        let (score, _) = packed::bare(items, score_at);
        let end = packed::behind_pair(items, start, score_at);
        Some(PackedPair { start, member, score_at, score: score_of(score), end })
    }

    /// The pair of a member, and its rank. O(members).
    fn find(items: &'a [u8], member: &[u8]) -> Option<(PackedPair<'a>, usize)> {
        let wanted = Encoded::new(item_of(member));
        let (mut at, mut rank) = (0, 0);
        while at < items.len() {
            if packed::is_at(items, at, &wanted) {
                return PackedPair::at(items, at).map(|pair| (pair, rank));
            }
            at = behind(items, at);
            rank += 1;
        }
        None
    }

    /// The pair that ends at this position.
    #[inline]
    fn before(items: &'a [u8], end: usize) -> Option<PackedPair<'a>> {
        PackedPair::at(items, packed::previous(items, end)?)
    }

    /// How the pair stands to a score and member.
    #[inline]
    fn cmp(&self, score: f64, member: &[u8]) -> Ordering {
        match self.score.partial_cmp(&score) {
            None | Some(Ordering::Equal) => compare(text_of(self.member), member),
            Some(unequal) => unequal,
        }
    }

    fn scored(&self) -> Scored<'a> {
        Scored { member: text_of(self.member), score: self.score }
    }

    fn is_before(&self, interval: &impl Interval) -> bool {
        interval.is_before(self.score, text_of(self.member))
    }

    fn is_behind(&self, interval: &impl Interval) -> bool {
        interval.is_behind(self.score, text_of(self.member))
    }
}

/// The position behind the pair at this position, where there is one.
#[inline]
fn behind(items: &[u8], start: usize) -> usize {
    packed::behind_pair(items, start, packed::behind_bare(items, start))
}

/// The position `count` pairs behind this one, or the end if there are fewer.
fn skip(items: &[u8], mut at: usize, count: usize) -> usize {
    for _ in 0..count {
        if at >= items.len() {
            break;
        }
        at = behind(items, at);
    }
    at
}

/// The position `count` pairs in front of this one, or the start if there are fewer.
fn skip_back(items: &[u8], mut at: usize, count: usize) -> usize {
    for _ in 0..count {
        let Some(before) = packed::previous(items, at) else { break };
        at = before;
    }
    at
}

/// The position of the pair of this rank; the end for `count`, the number of pairs, and more. Walks from the nearer end.
fn nth(items: &[u8], count: usize, rank: usize) -> usize {
    let rank = rank.min(count);
    if rank <= count / 2 {
        skip(items, 0, rank)
    } else {
        skip_back(items, items.len(), count - rank)
    }
}

/// Where a packed interval begins, for one who comes from the front, or ends, for one who comes from the back.
fn packed_edge(items: &[u8], interval: &impl Interval, back: bool) -> Option<usize> {
    let first = PackedPair::at(items, 0)?;
    let last = PackedPair::before(items, items.len())?;
    if first.is_behind(interval) || last.is_before(interval) {
        return None;
    }
    if back {
        let mut pair = last;
        while pair.is_behind(interval) {
            pair = PackedPair::before(items, pair.start)?;
        }
        return Some(pair.end);
    }
    let mut pair = first;
    while pair.is_before(interval) {
        pair = PackedPair::at(items, pair.end)?;
    }
    Some(pair.start)
}

/// A sorted set to be read.
#[derive(Clone, Copy)]
pub struct SortedSet<'a>(Body<'a>);

#[derive(Clone, Copy)]
enum Body<'a> {
    Packed(Packed<'a>),
    Ranking(&'a Ranking),
}

impl<'a> SortedSet<'a> {
    pub(crate) fn of_packed(packed: Packed<'a>) -> SortedSet<'a> {
        SortedSet(Body::Packed(packed))
    }

    pub(crate) fn of_object(object: &'a Object) -> Option<SortedSet<'a>> {
        match object {
            Object::SortedSet(ranking) => Some(SortedSet(Body::Ranking(ranking))),
            _ => None,
        }
    }

    /// Members. O(1).
    #[inline]
    pub fn len(&self) -> usize {
        match self.0 {
            Body::Packed(packed) => packed.count,
            Body::Ranking(ranking) => ranking.len(),
        }
    }

    /// Whether there are no members; never so for a sorted set that is stored.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// A member's score. Expected O(1), O(members) while packed.
    #[inline]
    pub fn score(&self, member: &[u8]) -> Option<f64> {
        match self.0 {
            Body::Packed(packed) => {
                PackedPair::find(packed.items, member).map(|(pair, _)| pair.score)
            }
            Body::Ranking(ranking) => ranking.score(member),
        }
    }

    /// Members in front of this one, and its score. O(log n), O(members) while packed.
    pub fn rank(&self, member: &[u8]) -> Option<(usize, f64)> {
        match self.0 {
            Body::Packed(packed) => {
                PackedPair::find(packed.items, member).map(|(pair, rank)| (rank, pair.score))
            }
            Body::Ranking(ranking) => Some((ranking.rank(member)?, ranking.score(member)?)),
        }
    }

    /// Members from `rank` on, in order. O(log n), O(rank) while packed; O(1) for each.
    pub fn iter_from(&self, rank: usize) -> Members<'a> {
        Members(match self.0 {
            Body::Packed(Packed { items, count, .. }) => {
                Walk::Front { items, at: nth(items, count, rank) }
            }
            Body::Ranking(ranking) => Walk::Ranking(ranking.iter_from(rank)),
        })
    }

    /// Members in front of `rank`, the nearest first. As [`SortedSet::iter_from`].
    pub fn iter_back_from(&self, rank: usize) -> Members<'a> {
        Members(match self.0 {
            Body::Packed(Packed { items, count, .. }) => {
                Walk::Back { items, at: nth(items, count, rank) }
            }
            Body::Ranking(ranking) => Walk::Ranking(ranking.iter_back_from(rank)),
        })
    }

    /// Members of an interval without the first `skip`, from its beginning on, or with `back` from its end
    /// backwards. O(log n), O(members) while packed; O(1) for each.
    pub fn within<I: Interval>(&self, interval: I, back: bool, skip: usize) -> Within<'a, I> {
        let members = match self.0 {
            Body::Packed(Packed { items, .. }) => match packed_edge(items, &interval, back) {
                None => Walk::Front { items: &[], at: 0 },
                Some(at) if back => Walk::Back { items, at }.skip(skip),
                Some(at) => Walk::Front { items, at }.skip(skip),
            },
            Body::Ranking(ranking) => Walk::Ranking(if back {
                let end = rank_behind(ranking, &interval);
                ranking.iter_back_from(end.saturating_sub(skip))
            } else {
                let first = rank_where(ranking, |score, name| interval.is_before(score, name));
                ranking.iter_from(first.saturating_add(skip))
            }),
        };
        Within { members: Members(members), interval, back }
    }

    /// Members of an interval. O(log n), O(members) while packed.
    pub fn count_within(&self, interval: &impl Interval) -> usize {
        match self.0 {
            Body::Packed(Packed { items, .. }) => {
                let Some(at) = packed_edge(items, interval, false) else { return 0 };
                let rest = Members(Walk::Front { items, at });
                rest.take_while(|pair| !interval.is_behind(pair.score, pair.member)).count()
            }
            Body::Ranking(ranking) => ranks_within(ranking, interval).len(),
        }
    }

    /// Visits some members from `cursor` on, 0 first, and gives the cursor to go on from, 0 at the end. A member that
    /// is there all the time is visited. A packed sorted set is visited whole. O(count).
    pub fn scan(&self, cursor: u64, count: usize, mut visit: impl FnMut(Scored<'a>)) -> u64 {
        match self.0 {
            Body::Packed(_) => {
                self.iter_from(0).for_each(visit);
                0
            }
            Body::Ranking(ranking) => crate::walk::scan_buckets(cursor, count, |position, seen| {
                ranking.scan(position, |pair| {
                    *seen += 1;
                    visit(Scored::of_ranking(pair));
                })
            }),
        }
    }

    /// A member drawn uniformly; `None` if there is none. Expected O(1), O(members) while packed.
    pub fn draw(&self, prng: &mut Prng) -> Option<Scored<'a>> {
        match self.0 {
            Body::Packed(packed) => {
                self.iter_from(prng.below(packed.count.max(1) as u64) as usize).next()
            }
            Body::Ranking(ranking) => ranking.random(prng).map(Scored::of_ranking),
        }
    }

    /// Whether it is packed.
    pub fn is_packed(&self) -> bool {
        matches!(self.0, Body::Packed(_))
    }
}

fn rank_where(ranking: &Ranking, mut before: impl FnMut(f64, Str<'_>) -> bool) -> usize {
    ranking.rank_where(|score, member| before(score, Str::Bytes(member)))
}

/// The rank of the first member behind an interval.
fn rank_behind(ranking: &Ranking, interval: &impl Interval) -> usize {
    rank_where(ranking, |score, member| !interval.is_behind(score, member))
}

fn ranks_within(ranking: &Ranking, interval: &impl Interval) -> Range<usize> {
    let first = rank_where(ranking, |score, member| interval.is_before(score, member));
    first..rank_behind(ranking, interval).max(first)
}

/// Members of a sorted set, in one of both directions.
pub struct Members<'a>(Walk<'a>);

enum Walk<'a> {
    Front { items: &'a [u8], at: usize },
    Back { items: &'a [u8], at: usize },
    Ranking(RankIter<'a>),
}

impl Walk<'_> {
    /// Leaves out some packed members.
    fn skip(mut self, count: usize) -> Self {
        match &mut self {
            Walk::Front { items, at } => *at = skip(items, *at, count),
            Walk::Back { items, at } => *at = skip_back(items, *at, count),
            Walk::Ranking(_) => unreachable!("rankings know ranks"),
        }
        self
    }
}

impl<'a> Iterator for Members<'a> {
    type Item = Scored<'a>;

    #[inline]
    fn next(&mut self) -> Option<Scored<'a>> {
        match &mut self.0 {
            Walk::Front { items, at } => {
                let pair = PackedPair::at(items, *at)?;
                *at = pair.end;
                Some(pair.scored())
            }
            Walk::Back { items, at } => {
                let pair = PackedPair::before(items, *at)?;
                *at = pair.start;
                Some(pair.scored())
            }
            Walk::Ranking(iter) => iter.next().map(Scored::of_ranking),
        }
    }
}

/// Members of an interval, in one of both directions.
pub struct Within<'a, I> {
    members: Members<'a>,
    interval: I,
    back: bool,
}

impl<'a, I: Interval> Iterator for Within<'a, I> {
    type Item = Scored<'a>;

    #[inline]
    fn next(&mut self) -> Option<Scored<'a>> {
        let Scored { member, score } = self.members.next()?;
        let beyond = if self.back {
            self.interval.is_before(score, member)
        } else {
            self.interval.is_behind(score, member)
        };
        (!beyond).then_some(Scored { member, score })
    }
}

/// A sorted set that is being changed.
pub struct SortedSetEdit<'e, 'a>(&'e mut Editing<'a>);

/// What the walk for a packed member came to.
enum Sought {
    /// The pair of this member, by its parts, and its score; and the place for the score that was guessed, if it is in
    /// front of the pair.
    Found { start: usize, score_at: usize, end: usize, score: f64, place: Option<usize> },
    /// There is none; where it belongs with the score that was guessed.
    Missing { place: usize },
}

/// Looks for a member, and on the way for its place if it gets the score `guess`.
fn seek(items: &[u8], member: &[u8], wanted: &Encoded<'_>, guess: f64) -> Sought {
    let (mut at, mut place) = (0, None);
    while at < items.len() {
        if packed::is_at(items, at, wanted) {
            let pair = PackedPair::at(items, at).expect("there is one");
            let PackedPair { start, score_at, end, score, .. } = pair;
            return Sought::Found { start, score_at, end, score, place };
        }
        let score_at = packed::behind_bare(items, at);
        // Behind the place, scores need not be read.
        if place.is_none() && is_beyond(items, at, score_at, guess, member) {
            place = Some(at);
        }
        at = packed::behind_pair(items, at, score_at);
    }
    Sought::Missing { place: place.unwrap_or(at) }
}

/// Whether the pair of these positions stands behind a score and member.
#[inline]
fn is_beyond(items: &[u8], at: usize, score_at: usize, score: f64, member: &[u8]) -> bool {
    let own = score_of(packed::bare(items, score_at).0);
    own > score
        || (own == score
            && PackedPair::at(items, at).is_some_and(|pair| pair.cmp(score, member).is_gt()))
}

/// Where a member belongs that leaves `own` for another score: that place, or `own` if it stays between its
/// neighbours. O(members between).
fn new_place(items: &[u8], own: Range<usize>, old: f64, score: f64, member: &[u8]) -> usize {
    let mut place = own.start;
    if score > old {
        let mut at = own.end;
        while let Some(pair) =
            PackedPair::at(items, at).filter(|pair| pair.cmp(score, member).is_lt())
        {
            (at, place) = (pair.end, pair.end);
        }
    } else {
        while let Some(pair) =
            PackedPair::before(items, place).filter(|pair| pair.cmp(score, member).is_gt())
        {
            place = pair.start;
        }
    }
    place
}

impl SortedSetEdit<'_, '_> {
    /// The sorted set as it is; `None` while there is none.
    #[inline]
    pub fn view(&self) -> Option<SortedSet<'_>> {
        match self.0.seen() {
            Seen::Nothing => None,
            Seen::Packed(bytes) => Some(SortedSet::of_packed(Packed::of(bytes))),
            Seen::Object(object) => {
                Some(SortedSet::of_object(object).expect("the type was checked"))
            }
        }
    }

    /// Members. O(1).
    pub fn len(&self) -> usize {
        self.view().map_or(0, |set| set.len())
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn is_ranking(&self) -> bool {
        matches!(self.0.seen(), Seen::Object(_))
    }

    /// Prepares for so many members of at most so many bytes where there is nothing yet: what would outgrow the packed
    /// form is a ranking from the first one on. It can tell -0 from 0, the packed form cannot, as in Redis.
    pub fn admit(&mut self, members: usize, longest: impl FnOnce() -> usize) {
        let shapes = self.0.shapes;
        let few = members <= shapes.sorted_set_entries.min(COUNT_MAX);
        let stays = self.is_ranking() || (few && longest() <= shapes.sorted_set_value);
        if !stays {
            self.unpack();
        }
    }

    /// Turns what there is, or nothing, into a ranking.
    fn unpack(&mut self) {
        let mut ranking = Ranking::new(self.0.hasher.inner());
        if let Some(set) = self.view() {
            let mut buffer = itoa::Buffer::new();
            for Scored { member, score } in set.iter_from(0) {
                ranking.set(member.as_bytes(&mut buffer), score);
            }
        }
        self.0.install(Object::SortedSet(Box::new(ranking)));
    }

    fn with_ranking<R>(&mut self, change: impl FnOnce(&mut Ranking) -> R) -> R {
        self.0.with_object(|object| match object {
            Object::SortedSet(ranking) => change(ranking),
            _ => unreachable!("the type was checked"),
        })
    }

    /// Sets a member's score, which is not NaN.
    pub fn set(&mut self, member: &[u8], score: f64) -> Ranked {
        self.update(member, score, |_| Some(score))
    }

    /// Gives a member the score that `decide` makes of its old one; `None` leaves it as it is. A member that is new
    /// gets `guess` or nothing. No score is NaN. O(log n), O(bytes) while packed.
    pub fn update(
        &mut self,
        member: &[u8],
        guess: f64,
        decide: impl FnOnce(Option<f64>) -> Option<f64>,
    ) -> Ranked {
        let result = if self.is_ranking() {
            self.with_ranking(|ranking| ranking.update(member, decide))
        } else {
            self.update_packed(member, guess, decide)
        };
        self.0.changes += u64::from(result != Ranked::Same);
        result
    }

    fn update_packed(
        &mut self,
        member: &[u8],
        guess: f64,
        decide: impl FnOnce(Option<f64>) -> Option<f64>,
    ) -> Ranked {
        let item = item_of(member);
        let (items, count) =
            self.0.packed().map_or((&[][..], 0), |packed| (packed.items, packed.count));
        match seek(items, member, &Encoded::new(item), guess) {
            Sought::Missing { place } => {
                if decide(None).is_none() {
                    return Ranked::Same;
                }
                let shapes = self.0.shapes;
                let full = count >= shapes.sorted_set_entries.min(COUNT_MAX);
                if full || member.len() > shapes.sorted_set_value {
                    self.unpack();
                    return self.with_ranking(|ranking| ranking.set(member, guess));
                }
                self.insert_packed(place, item, guess, count + 1);
                Ranked::New
            }
            Sought::Found { start, score_at, end, score: old, place } => {
                let Some(score) = decide(Some(old)).filter(|score| *score != old) else {
                    return Ranked::Same;
                };
                let place = match place {
                    Some(place) if score == guess => place,
                    _ => new_place(items, start..end, old, score, member),
                };
                if place == start {
                    let [_, score] = Encoded::pair(item, packed_score(score));
                    self.0.exchange(HEADER + score_at, end - score_at, &score.parts());
                } else {
                    self.0.exchange(HEADER + start, end - start, &[]);
                    let place = if place > start { place - (end - start) } else { place };
                    self.insert_packed(place, item, score, count);
                }
                Ranked::Moved
            }
        }
    }

    /// Puts a pair in its place; there are `count` then.
    fn insert_packed(&mut self, place: usize, member: Item<'_>, score: f64, count: usize) {
        if self.0.packed().is_none() {
            self.0.begin(&header(Form::SortedSet, 0));
        }
        let [member, score] = Encoded::pair(member, packed_score(score));
        let ([a, b], [c, d, e]) = (member.bare(), score.parts());
        splice(self.0, Form::SortedSet, count, place, 0, &[a, b, c, d, e]);
    }

    /// Removes a member, and gives its score. O(log n), O(bytes) while packed.
    pub fn remove(&mut self, member: &[u8]) -> Option<f64> {
        let score = match self.0.seen() {
            Seen::Nothing => None,
            Seen::Packed(bytes) => {
                let packed = Packed::of(bytes);
                let (pair, _) = PackedPair::find(packed.items, member)?;
                let PackedPair { start, score, end, .. } = pair;
                let (count, len) = (packed.count - 1, end - start);
                splice(self.0, Form::SortedSet, count, start, len, &[]);
                Some(score)
            }
            Seen::Object(_) => self.with_ranking(|ranking| ranking.remove(member)),
        }?;
        self.0.changes += 1;
        Some(score)
    }

    /// Removes the members of these ranks, as many as there are, and counts them. O(log n) for each, O(bytes) for all
    /// while packed, O(1) where none is left.
    pub fn remove_ranks(&mut self, ranks: Range<usize>) -> usize {
        let ranks = ranks.start..ranks.end.min(self.len());
        if ranks.is_empty() {
            return 0;
        }
        if self.is_ranking() && ranks.len() == self.len() {
            // The ranking goes as one, in steps.
            self.0.install(Object::Packed(header(Form::SortedSet, 0).to_vec()));
        } else if self.is_ranking() {
            self.with_ranking(|ranking| {
                ranks.clone().for_each(|_| _ = ranking.remove_rank(ranks.start));
            });
        } else {
            let packed = self.0.packed().expect("it is no ranking");
            let Packed { items, count, .. } = packed;
            let start = nth(items, count, ranks.start);
            let len = nth(items, count, ranks.end) - start;
            splice(self.0, Form::SortedSet, count - ranks.len(), start, len, &[]);
        }
        self.0.changes += ranks.len() as u64;
        ranks.len()
    }

    /// Removes the members of an interval, and counts them. As [`SortedSetEdit::remove_ranks`].
    pub fn remove_within(&mut self, interval: &impl Interval) -> usize {
        let Some(SortedSet(body)) = self.view() else { return 0 };
        let Packed { items, count, .. } = match body {
            Body::Packed(packed) => packed,
            Body::Ranking(ranking) => return self.remove_ranks(ranks_within(ranking, interval)),
        };
        let Some(start) = packed_edge(items, interval, false) else { return 0 };
        let (mut end, mut removed) = (start, 0);
        while let Some(pair) = PackedPair::at(items, end).filter(|pair| !pair.is_behind(interval)) {
            (end, removed) = (pair.end, removed + 1);
        }
        if removed > 0 {
            splice(self.0, Form::SortedSet, count - removed, start, end - start, &[]);
        }
        self.0.changes += removed as u64;
        removed
    }
}

impl<'s> Db<'s> {
    /// The sorted set of a key; `None` when the key is absent. Expected O(1).
    #[inline]
    pub fn sorted_set(
        self,
        key: &Key<'_>,
        look: Look,
        now: Now,
    ) -> Result<Option<SortedSet<'s>>, WrongType> {
        self.read(key, Kind::SortedSet, look, now, SortedSet::of_packed, SortedSet::of_object)
    }

    /// Lets `change` edit the sorted set of a key, which is empty where the key is absent. Keeps the time to live; a
    /// sorted set that becomes empty goes.
    pub fn edit_sorted_set<R>(
        &mut self,
        key: &Key<'_>,
        now: Now,
        change: impl FnOnce(&mut SortedSetEdit<'_, '_>) -> R,
    ) -> Result<R, WrongType> {
        self.edit(key, Kind::SortedSet, now, |editing| change(&mut SortedSetEdit(editing)))
    }
}

impl Store {
    /// The sorted set of a key, beside other views of this store. Leaves nothing behind: a command looks each key up
    /// by [`Db::kind_as`] first. Expected O(1).
    pub fn see_sorted_set(
        &self,
        db: u8,
        key: &Key<'_>,
        now: Now,
    ) -> Result<Option<SortedSet<'_>>, WrongType> {
        match self.see(db, key, now) {
            None => Ok(None),
            Some(Anything::SortedSet(set)) => Ok(Some(set)),
            Some(_) => Err(WrongType),
        }
    }

    /// Makes a sorted set that belongs to no key yet.
    pub fn make_sorted_set(&self, now: Now, make: impl FnOnce(&mut SortedSetEdit<'_, '_>)) -> Made {
        self.make(now, |editing| make(&mut SortedSetEdit(editing)))
    }
}
