//! What is near: places in a circle, a box or a polygon.
//!
//! All these commands are one; they differ in what their arguments say, and in what is done with what is found.

use super::area::cells;
use super::cell::{Point, place_of, point_of};
use super::shape::{Outline, Shape, middle};
use super::{KEY, LATITUDE, LONGITUDE, MEMBER, UNIT, point, reply_distance, reply_point, unit};
use crate::spec::{Arg, ArgKind, Arity, Begin, Command, Fanout, Find, Flags, Group, KeySpec, Spec};
use crate::string::reply_text;
use crate::{Args, Ctx, Failure};
use resp::number::parse_f64;
use resp::write::Writer;
use std::ops::Bound;
use store::{Look, Made, ScoreRange, Scored, SortedSet, Str};

/// Points of a polygon at the most: each place that may lie in it is held against all of them.
const VERTICES_MAX: usize = 10_000;

/// In which order places are wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Order {
    Nearest,
    Farthest,
}

/// What a command's name says.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    /// GEORADIUS: a point, a radius and options; `stores` if it may store.
    Radius { stores: bool },
    /// GEORADIUSBYMEMBER: a member instead of the point.
    RadiusByMember { stores: bool },
    /// GEOSEARCH: all is said by options.
    Search,
    /// GEOSEARCHSTORE: as GEOSEARCH, to be stored.
    SearchStore,
}

/// What a command was told.
#[derive(Default)]
struct Asked {
    center: Option<Point>,
    /// A member was named that is the middle; its key is absent if there is no `center`.
    from_member: bool,
    outline: Option<Outline>,
    /// Meters of the unit of distances.
    meters: f64,
    with_distance: bool,
    with_hash: bool,
    with_point: bool,
    /// How many at the most; 0 for all.
    count: usize,
    any: bool,
    order: Option<Order>,
    /// Position of the key to store under.
    destination: Option<usize>,
    store_distances: bool,
}

/// A place that was found.
struct Hit<'a> {
    member: Str<'a>,
    score: f64,
    point: Point,
    /// From the middle, in meters.
    distance: f64,
}

const NOT_PLACED: Failure = Failure::new("ERR could not decode requested zset member");
const NOT_RADIUS: Failure = Failure::new("ERR need numeric radius");
const NEGATIVE_RADIUS: Failure = Failure::new("ERR radius cannot be negative");
const NOT_WIDTH: Failure = Failure::new("ERR need numeric width");
const NOT_HEIGHT: Failure = Failure::new("ERR need numeric height");
const NEGATIVE_BOX: Failure = Failure::new("ERR height or width cannot be negative");
const NOT_COUNT: Failure = Failure::new("ERR COUNT must be > 0");
const ANY_WITHOUT_COUNT: Failure = Failure::new("ERR the ANY argument requires COUNT argument");
const FEW_VERTICES: Failure = Failure::new("ERR GEOSEARCH BYPOLYGON must have at least 3 vertices");
const MANY_VERTICES: Failure = Failure::new("ERR GEOSEARCH BYPOLYGON has too many vertices");
const RADIUS_STORES_BARE: Failure = Failure::new(
    "ERR STORE option in GEORADIUS is not compatible with WITHDIST, WITHHASH and WITHCOORD options",
);
const SEARCH_STORES_BARE: Failure = Failure::new(
    "ERR GEOSEARCHSTORE is not compatible with WITHDIST, WITHHASH and WITHCOORD options",
);

/// The place of a member.
fn place(set: SortedSet<'_>, member: &[u8]) -> Result<Point, Failure> {
    set.score(member).map(point_of).ok_or(NOT_PLACED)
}

impl Asked {
    fn parse(args: &Args<'_>, form: Form, set: Option<SortedSet<'_>>) -> Result<Asked, Failure> {
        let mut asked = Asked { meters: 1.0, ..Asked::default() };
        let mut at = asked.read_head(args, form, set)?;
        while at < args.len() {
            at = match asked.read_common(args, at)? {
                Some(next) => next,
                None => match form {
                    Form::Search | Form::SearchStore => asked.read_search(args, at, form, set)?,
                    Form::Radius { stores } | Form::RadiusByMember { stores } => {
                        asked.read_store(args, at, stores)?
                    }
                },
            };
        }
        asked.judge(args, form)?;
        Ok(asked)
    }

    /// Reads what stands at fixed positions; gives the position of the first option.
    fn read_head(
        &mut self,
        args: &Args<'_>,
        form: Form,
        set: Option<SortedSet<'_>>,
    ) -> Result<usize, Failure> {
        match form {
            Form::Radius { .. } => {
                self.center = Some(point(args, 2)?);
                self.read_radius(args, 4)?;
                Ok(6)
            }
            Form::RadiusByMember { .. } => {
                self.from_member = true;
                if let Some(set) = set {
                    self.center = Some(place(set, args.get(2))?);
                    self.read_radius(args, 3)?;
                }
                Ok(5)
            }
            Form::Search => Ok(2),
            Form::SearchStore => {
                self.destination = Some(1);
                Ok(3)
            }
        }
    }

    fn read_radius(&mut self, args: &Args<'_>, at: usize) -> Result<(), Failure> {
        let radius = parse_f64(args.get(at)).ok_or(NOT_RADIUS)?;
        if radius < 0.0 {
            return Err(NEGATIVE_RADIUS);
        }
        self.meters = unit(args, at + 1)?;
        self.outline = Some(Outline::Circle { radius: radius * self.meters });
        Ok(())
    }

    fn read_box(&mut self, args: &Args<'_>, at: usize) -> Result<(), Failure> {
        let width = parse_f64(args.get(at)).ok_or(NOT_WIDTH)?;
        let height = parse_f64(args.get(at + 1)).ok_or(NOT_HEIGHT)?;
        if width < 0.0 || height < 0.0 {
            return Err(NEGATIVE_BOX);
        }
        let meters = unit(args, at + 2)?;
        self.meters = meters;
        self.outline = Some(Outline::Box { width: width * meters, height: height * meters });
        Ok(())
    }

    /// Reads a polygon, whose number of points is at `at`; gives the position behind it.
    fn read_polygon(&mut self, args: &Args<'_>, at: usize) -> Result<usize, Failure> {
        let count = args.integer(at).ok_or(Failure::NOT_INTEGER)?;
        let count = usize::try_from(count).ok().filter(|count| *count >= 3).ok_or(FEW_VERTICES)?;
        if count > (args.len() - at - 1) / 2 {
            return Err(Failure::SYNTAX);
        }
        if count > VERTICES_MAX {
            return Err(MANY_VERTICES);
        }
        let end = at + 1 + 2 * count;
        let vertices = (at + 1..end).step_by(2).map(|at| point(args, at));
        let vertices: Vec<Point> = vertices.collect::<Result<_, Failure>>()?;
        self.meters = 1.0;
        self.center = Some(middle(&vertices));
        self.outline = Some(Outline::Polygon(vertices));
        Ok(end)
    }

    /// Reads an option that all commands have; gives the position behind it.
    fn read_common(&mut self, args: &Args<'_>, at: usize) -> Result<Option<usize>, Failure> {
        match () {
            () if args.is(at, "WITHDIST") => self.with_distance = true,
            () if args.is(at, "WITHHASH") => self.with_hash = true,
            () if args.is(at, "WITHCOORD") => self.with_point = true,
            () if args.is(at, "ANY") => self.any = true,
            () if args.is(at, "ASC") => self.order = Some(Order::Nearest),
            () if args.is(at, "DESC") => self.order = Some(Order::Farthest),
            () if args.is(at, "COUNT") && at + 1 < args.len() => {
                let count = args.integer(at + 1).ok_or(Failure::NOT_INTEGER)?;
                let count = usize::try_from(count).ok().filter(|count| *count > 0);
                self.count = count.ok_or(NOT_COUNT)?;
                return Ok(Some(at + 2));
            }
            () => return Ok(None),
        }
        Ok(Some(at + 1))
    }

    /// Reads STORE or STOREDIST of the older commands.
    fn read_store(&mut self, args: &Args<'_>, at: usize, stores: bool) -> Result<usize, Failure> {
        let distances = args.is(at, "STOREDIST");
        if !stores || at + 1 >= args.len() || !(distances || args.is(at, "STORE")) {
            return Err(Failure::SYNTAX);
        }
        self.destination = Some(at + 1);
        self.store_distances = distances;
        Ok(at + 2)
    }

    /// Reads an option of GEOSEARCH.
    fn read_search(
        &mut self,
        args: &Args<'_>,
        at: usize,
        form: Form,
        set: Option<SortedSet<'_>>,
    ) -> Result<usize, Failure> {
        let left = args.len() - at - 1;
        let polygon = matches!(self.outline, Some(Outline::Polygon(_)));
        let from_point = self.center.is_some() && !self.from_member;
        if left >= 1 && args.is(at, "FROMMEMBER") && !from_point {
            self.from_member = true;
            // An absent key has an empty reply, once all else is in order.
            self.center = set.map(|set| place(set, args.get(at + 1))).transpose()?;
            return Ok(at + 2);
        }
        if left >= 2 && args.is(at, "FROMLONLAT") && !self.from_member && !polygon {
            self.center = Some(point(args, at + 1)?);
            return Ok(at + 3);
        }
        let round = matches!(self.outline, Some(Outline::Circle { .. }));
        let square = matches!(self.outline, Some(Outline::Box { .. }));
        if left >= 2 && args.is(at, "BYRADIUS") && !square && !polygon {
            self.read_radius(args, at + 1)?;
            return Ok(at + 3);
        }
        if left >= 3 && args.is(at, "BYBOX") && !round && !polygon {
            self.read_box(args, at + 1)?;
            return Ok(at + 4);
        }
        let bare = self.outline.is_none() && !from_point && !self.from_member;
        if left >= 1 && args.is(at, "BYPOLYGON") && bare {
            return self.read_polygon(args, at + 1);
        }
        if form == Form::SearchStore && args.is(at, "STOREDIST") {
            self.store_distances = true;
            return Ok(at + 1);
        }
        Err(Failure::SYNTAX)
    }

    /// Refuses what does not fit together.
    fn judge(&mut self, args: &Args<'_>, form: Form) -> Result<(), Failure> {
        let searches = matches!(form, Form::Search | Form::SearchStore);
        if self.destination.is_some() && (self.with_distance || self.with_hash || self.with_point) {
            return Err(if searches { SEARCH_STORES_BARE } else { RADIUS_STORES_BARE });
        }
        if searches {
            let choice = |what: &str| {
                let before = format!("ERR exactly one of {what} can be specified for ");
                Err(Failure::quoting(&before, args.get(0), ""))
            };
            if !self.from_member && self.center.is_none() {
                return choice("FROMMEMBER or FROMLONLAT");
            }
            if self.outline.is_none() {
                return choice("BYRADIUS and BYBOX");
            }
        }
        if self.any && self.count == 0 {
            return Err(ANY_WITHOUT_COUNT);
        }
        // So many, and not just any: the nearest.
        if self.count > 0 && !self.any && self.order.is_none() {
            self.order = Some(Order::Nearest);
        }
        Ok(())
    }

    /// Finds what was asked for, in its order.
    fn find<'s>(&self, set: SortedSet<'s>) -> Vec<Hit<'s>> {
        let (Some(center), Some(outline)) = (self.center, self.outline.clone()) else {
            return Vec::new();
        };
        let shape = Shape { center, outline };
        let enough = if self.any { self.count } else { usize::MAX };
        let mut hits = Vec::new();
        for cell in cells(&shape) {
            let (first, end) = cell.scores();
            let range = ScoreRange { min: Bound::Included(first), max: Bound::Excluded(end) };
            for Scored { member, score } in set.within(range, false, 0) {
                if hits.len() >= enough {
                    break;
                }
                let point = point_of(score);
                if let Some(distance) = shape.distance_inside(point) {
                    hits.push(Hit { member, score, point, distance });
                }
            }
        }
        let order = |a: &Hit<'_>, b: &Hit<'_>| a.distance.total_cmp(&b.distance);
        match self.order {
            None => {}
            Some(Order::Nearest) => hits.sort_by(order),
            Some(Order::Farthest) => hits.sort_by(|a, b| order(b, a)),
        }
        if self.count > 0 {
            hits.truncate(self.count);
        }
        hits
    }

    fn reply(&self, reply: &mut Writer<'_>, hit: &Hit<'_>) {
        let options = [self.with_distance, self.with_hash, self.with_point];
        let options = options.iter().filter(|option| **option).count();
        if options > 0 {
            reply.array(1 + options);
        }
        reply_text(reply, hit.member);
        if self.with_distance {
            reply_distance(reply, hit.distance / self.meters);
        }
        if self.with_hash {
            reply.integer(place_of(hit.score) as i64);
        }
        if self.with_point {
            reply_point(reply, hit.point);
        }
    }
}

fn search(ctx: &mut Ctx<'_>, args: &Args<'_>, form: Form) -> Result<(), Failure> {
    let (now, db) = (ctx.now, ctx.db);
    let key = args.key(if form == Form::SearchStore { 2 } else { 1 });
    ctx.keyspace().kind_as(&key, Look::Read, now);
    let set = ctx.store.see_sorted_set(db, &key, now)?;
    let asked = Asked::parse(args, form, set)?;
    let hits = set.map_or_else(Vec::new, |set| asked.find(set));
    let Some(destination) = asked.destination else {
        ctx.reply.array(hits.len());
        hits.iter().for_each(|hit| asked.reply(&mut ctx.reply, hit));
        return Ok(());
    };
    let mut made = Made::default();
    if !hits.is_empty() {
        made = ctx.store.make_sorted_set(now, |set| {
            let mut buffer = itoa::Buffer::new();
            for hit in &hits {
                let distance = hit.distance / asked.meters;
                let score = if asked.store_distances { distance } else { hit.score };
                set.set(hit.member.as_bytes(&mut buffer), score);
            }
        });
    }
    let len = hits.len();
    let mut keyspace = ctx.keyspace();
    keyspace.put_made(&args.key(destination), made, now);
    keyspace.count_changes((len as u64).saturating_sub(1));
    ctx.reply.integer(len as i64);
    Ok(())
}

/// ASC or DESC in COMMAND DOCS.
const ORDER: Arg =
    Arg::one_of("order", &[Arg::word("asc", "ASC"), Arg::word("desc", "DESC")]).optional();
/// COUNT in COMMAND DOCS.
const COUNT: Arg = Arg::block(
    "count",
    &[Arg::integer("count").token("COUNT"), Arg::word("any", "ANY").optional()],
)
.optional();
/// COUNT of the older commands in COMMAND DOCS, where ANY is newer.
const COUNT_SINCE: Arg = Arg::block(
    "count",
    &[Arg::integer("count").token("COUNT"), Arg::word("any", "ANY").optional().since("6.2.0")],
)
.optional();
/// WITHCOORD in COMMAND DOCS.
const WITH_COORD: Arg = Arg::word("withcoord", "WITHCOORD").optional();
/// WITHDIST in COMMAND DOCS.
const WITH_DIST: Arg = Arg::word("withdist", "WITHDIST").optional();
/// WITHHASH in COMMAND DOCS.
const WITH_HASH: Arg = Arg::word("withhash", "WITHHASH").optional();
/// A radius in COMMAND DOCS.
const RADIUS: Arg = Arg::new("radius", ArgKind::Double);
/// STORE in COMMAND DOCS.
const STORE: Arg = Arg::key("key", 1).token("STORE").optional();
/// STOREDIST in COMMAND DOCS.
const STORE_DIST: Arg = Arg::key("key", 2).token("STOREDIST").optional();

/// What the older commands cost.
const RADIUS_COMPLEXITY: &str = "O(N+log(M)) where N is the number of elements inside the bounding box of the circular area delimited by center and radius and M is the number of items inside the index.";
/// What the newer commands cost.
const SEARCH_COMPLEXITY: &str = "O(N+log(M)) where N is the number of elements in the grid-aligned bounding box area around the shape provided as the filter and M is the number of items inside the shape";

/// The key behind a word, where results are stored.
const fn stored_behind(word: &'static str, from: i16) -> KeySpec {
    KeySpec {
        flags: &["OW", "update"],
        begin: Begin::Keyword(word, from),
        find: Find::Range { last: 0, step: 1, limit: 0 },
        notes: "",
    }
}

/// The key that is searched.
const SEARCHED: KeySpec = KeySpec::one(1, &["RO", "access"]);

/// When units came in upper case.
const UPPER_CASE: (&str, &str) = ("7.0.0", "Added support for uppercase unit names.");
/// When polygons came.
const POLYGONS: (&str, &str) = ("9.0.0", "Added the `BYPOLYGON` option.");

/// Returns or stores places within a radius of a point.
pub const GEORADIUS: Command = Command::new(
    Spec {
        name: "GEORADIUS",
        arity: Arity::at_least(6),
        keys: &[SEARCHED, stored_behind("STORE", 6), stored_behind("STOREDIST", 6)],
        flags: Flags::WRITE.and(Flags::DENYOOM).and(Flags::MOVABLEKEYS),
        fanout: Fanout::Loan,
        group: Group::Geo,
        since: "3.2.0",
        complexity: RADIUS_COMPLEXITY,
        summary: "Returns places within a radius of a point, or stores them.",
        args: &[
            KEY,
            LONGITUDE,
            LATITUDE,
            RADIUS,
            UNIT,
            WITH_COORD,
            WITH_DIST,
            WITH_HASH,
            COUNT_SINCE,
            ORDER,
            STORE,
            STORE_DIST,
        ],
        history: &[("6.2.0", "Added the `ANY` option for `COUNT`."), UPPER_CASE],
        deprecated: Some((
            "6.2.0",
            "`GEOSEARCH` and `GEOSEARCHSTORE` with the `BYRADIUS` argument",
        )),
        ..Spec::NEW
    },
    georadius,
);

fn georadius(ctx: &mut Ctx<'_>, args: &Args<'_>) -> Result<(), Failure> {
    search(ctx, args, Form::Radius { stores: true })
}

/// Returns places within a radius of a point.
pub const GEORADIUS_RO: Command = Command::new(
    Spec {
        name: "GEORADIUS_RO",
        arity: Arity::at_least(6),
        keys: &[SEARCHED],
        flags: Flags::READONLY,
        group: Group::Geo,
        since: "3.2.10",
        complexity: RADIUS_COMPLEXITY,
        summary: "Returns places within a radius of a point.",
        args: &[
            KEY,
            LONGITUDE,
            LATITUDE,
            RADIUS,
            UNIT,
            WITH_COORD,
            WITH_DIST,
            WITH_HASH,
            COUNT_SINCE,
            ORDER,
        ],
        history: &[("6.2.0", "Added the `ANY` option for `COUNT`.")],
        deprecated: Some(("6.2.0", "`GEOSEARCH` with the `BYRADIUS` argument")),
        ..Spec::NEW
    },
    georadius_ro,
);

fn georadius_ro(ctx: &mut Ctx<'_>, args: &Args<'_>) -> Result<(), Failure> {
    search(ctx, args, Form::Radius { stores: false })
}

/// Returns or stores places within a radius of another.
pub const GEORADIUSBYMEMBER: Command = Command::new(
    Spec {
        name: "GEORADIUSBYMEMBER",
        arity: Arity::at_least(5),
        keys: &[SEARCHED, stored_behind("STORE", 5), stored_behind("STOREDIST", 5)],
        flags: Flags::WRITE.and(Flags::DENYOOM).and(Flags::MOVABLEKEYS),
        fanout: Fanout::Loan,
        group: Group::Geo,
        since: "3.2.0",
        complexity: RADIUS_COMPLEXITY,
        summary: "Returns places within a radius of another, or stores them.",
        args: &[
            KEY, MEMBER, RADIUS, UNIT, WITH_COORD, WITH_DIST, WITH_HASH, COUNT, ORDER, STORE,
            STORE_DIST,
        ],
        history: &[UPPER_CASE],
        deprecated: Some((
            "6.2.0",
            "`GEOSEARCH` and `GEOSEARCHSTORE` with the `BYRADIUS` and `FROMMEMBER` arguments",
        )),
        ..Spec::NEW
    },
    georadiusbymember,
);

fn georadiusbymember(ctx: &mut Ctx<'_>, args: &Args<'_>) -> Result<(), Failure> {
    search(ctx, args, Form::RadiusByMember { stores: true })
}

/// Returns places within a radius of another.
pub const GEORADIUSBYMEMBER_RO: Command = Command::new(
    Spec {
        name: "GEORADIUSBYMEMBER_RO",
        arity: Arity::at_least(5),
        keys: &[SEARCHED],
        flags: Flags::READONLY,
        group: Group::Geo,
        since: "3.2.10",
        complexity: RADIUS_COMPLEXITY,
        summary: "Returns places within a radius of another.",
        args: &[KEY, MEMBER, RADIUS, UNIT, WITH_COORD, WITH_DIST, WITH_HASH, COUNT, ORDER],
        deprecated: Some(("6.2.0", "`GEOSEARCH` with the `BYRADIUS` and `FROMMEMBER` arguments")),
        ..Spec::NEW
    },
    georadiusbymember_ro,
);

fn georadiusbymember_ro(ctx: &mut Ctx<'_>, args: &Args<'_>) -> Result<(), Failure> {
    search(ctx, args, Form::RadiusByMember { stores: false })
}

/// The middle of a search in COMMAND DOCS; a polygon has one of its own.
const FROM: Arg = Arg::one_of(
    "from",
    &[
        Arg::string("member").token("FROMMEMBER"),
        Arg::block("longitude_latitude", &[LONGITUDE, LATITUDE]).token("FROMLONLAT"),
    ],
);
/// The outline of a search in COMMAND DOCS.
const BY: Arg = Arg::one_of(
    "by",
    &[
        Arg::block("circle", &[RADIUS.token("BYRADIUS"), UNIT]),
        Arg::block(
            "box",
            &[
                Arg::new("width", ArgKind::Double).token("BYBOX"),
                Arg::new("height", ArgKind::Double),
                UNIT,
            ],
        ),
        Arg::block(
            "polygon",
            &[
                Arg::integer("num-vertices").token("BYPOLYGON"),
                Arg::block("vertex", &[LONGITUDE, LATITUDE]).multiple(),
            ],
        )
        .since("9.0.0"),
    ],
);

/// Returns places in a circle, a box or a polygon.
pub const GEOSEARCH: Command = Command::new(
    Spec {
        name: "GEOSEARCH",
        arity: Arity::at_least(7),
        keys: &[SEARCHED],
        flags: Flags::READONLY,
        group: Group::Geo,
        since: "6.2.0",
        complexity: SEARCH_COMPLEXITY,
        summary: "Returns places in a circle, a box or a polygon.",
        args: &[KEY, FROM, BY, ORDER, COUNT, WITH_COORD, WITH_DIST, WITH_HASH],
        history: &[UPPER_CASE, POLYGONS],
        ..Spec::NEW
    },
    geosearch,
);

fn geosearch(ctx: &mut Ctx<'_>, args: &Args<'_>) -> Result<(), Failure> {
    search(ctx, args, Form::Search)
}

/// Stores places in a circle, a box or a polygon under another key.
pub const GEOSEARCHSTORE: Command = Command::new(
    Spec {
        name: "GEOSEARCHSTORE",
        arity: Arity::at_least(8),
        keys: &[KeySpec::one(1, &["OW", "update"]), KeySpec::one(2, &["RO", "access"])],
        flags: Flags::WRITE.and(Flags::DENYOOM),
        fanout: Fanout::Loan,
        group: Group::Geo,
        since: "6.2.0",
        complexity: SEARCH_COMPLEXITY,
        summary: "Stores places in a circle, a box or a polygon under another key.",
        args: &[
            Arg::key("destination", 0),
            Arg::key("source", 1),
            FROM,
            BY,
            ORDER,
            COUNT,
            Arg::word("storedist", "STOREDIST").optional(),
        ],
        history: &[UPPER_CASE, POLYGONS],
        ..Spec::NEW
    },
    geosearchstore,
);

fn geosearchstore(ctx: &mut Ctx<'_>, args: &Args<'_>) -> Result<(), Failure> {
    search(ctx, args, Form::SearchStore)
}

#[cfg(test)]
mod tests {
    use crate::check::{check, check3};

    const SICILY: &str = "GEOADD g 13.361389 38.115556 P 15.087269 37.502669 C 12.758489 38.788135 e1 17.241510 38.788135 e2;";

    fn check_in_sicily(script: &str, replies: &str) {
        for entries in ["128", "0"] {
            check(
                &format!("@set zset-max-listpack-entries {entries}; {SICILY} {script}"),
                &format!("4; {replies}"),
            );
        }
    }

    #[test]
    fn circles_and_boxes_are_searched() {
        check_in_sicily(
            "GEOSEARCH g FROMLONLAT 15 37 BYRADIUS 200 km ASC; GEOSEARCH g FROMLONLAT 15 37 BYBOX 400 400 km ASC WITHCOORD WITHDIST; GEORADIUS g 15 37 200 km WITHDIST DESC; GEORADIUSBYMEMBER g P 170 KM; GEORADIUS_RO g 15 37 100 mi; GEORADIUSBYMEMBER_RO g P 0 m WITHHASH",
            "[C P]; [[C 56.4413 [15.08726745843887329 37.50266842333162032]] [P 190.4424 [13.36138933897018433 38.11555639549629859]] [e2 279.7403 [17.24151045083999634 38.78813451624225195]] [e1 279.7405 [12.7584877610206604 38.78813451624225195]]]; [[P 190.4424] [C 56.4413]]; [P e1 C]; [C]; [[P 3479099956230698]]",
        );
        check3(
            &format!("{SICILY} GEOSEARCH g FROMMEMBER P BYRADIUS 1 m WITHDIST WITHHASH WITHCOORD"),
            "4; [[P 0.0000 3479099956230698 [,13.36138933897018433 ,38.11555639549629859]]]",
        );
    }

    #[test]
    fn counts_limit_the_nearest_or_any() {
        check_in_sicily(
            "GEOSEARCH g FROMLONLAT 15 37 BYRADIUS 500 km COUNT 2; GEOSEARCH g FROMLONLAT 15 37 BYRADIUS 500 km COUNT 1 DESC; GEOSEARCH g FROMLONLAT 15 37 BYRADIUS 500 km COUNT 9 ANY ASC; GEOSEARCH g FROMLONLAT 15 37 BYRADIUS 500 km ANY",
            "[C P]; [e1]; [C P e2 e1]; ERR the ANY argument requires COUNT argument",
        );
    }

    #[test]
    fn results_are_stored_as_places_or_distances() {
        check_in_sicily(
            "GEOSEARCHSTORE d g FROMMEMBER P BYRADIUS 170 km; ZRANGE d 0 -1 WITHSCORES; GEOSEARCHSTORE d g FROMMEMBER P BYRADIUS 170 km STOREDIST COUNT 1; ZRANGE d 0 -1 WITHSCORES; \
             GEORADIUS g 15 37 200 km STOREDIST d; ZRANGE d 0 -1; GEORADIUSBYMEMBER g P 0 m STORE d; ZRANGE d 0 -1; GEORADIUS g 1 1 1 m STORE d; EXISTS d",
            "3; [P 3479099956230698 e1 3479273021651468 C 3479447370796909]; 1; [P 0]; 2; [C P]; 1; [P]; 0; 0",
        );
        check(
            "SET d v; GEOSEARCHSTORE d none FROMMEMBER x BYRADIUS 1 m; EXISTS d; SET s v; GEOSEARCHSTORE d s FROMMEMBER x BYRADIUS 1 m",
            "OK; 0; 0; OK; WRONGTYPE",
        );
    }

    #[test]
    fn polygons_have_a_middle_of_their_own() {
        check_in_sicily(
            "GEOSEARCH g BYPOLYGON 4 13 38 14 38 14 39 13 39; GEOSEARCH g BYPOLYGON 4 12 37 16 37 16 39 12 39 ASC; GEOSEARCH g BYPOLYGON 3 13.361389 37 20 38 13.3614 39 WITHDIST; GEOSEARCHSTORE d g BYPOLYGON 3 12 38 14 38 13 39; ZCARD d",
            "[P]; [P C e1]; [[C 69958.0167]]; 1; 1",
        );
        check(
            "GEOSEARCH g BYPOLYGON 2 1 1 2 2; GEOSEARCH g BYPOLYGON x 1 1 2 2; GEOSEARCH g BYPOLYGON 9 1 1 2 2; GEOSEARCH g BYPOLYGON 3 1 1 2 2 300 1; GEOSEARCH g FROMLONLAT 1 1 BYPOLYGON 3 1 1 2 2 3 3; GEOSEARCH g BYPOLYGON 3 1 1 2 2 3 3 FROMMEMBER a; GEOSEARCH g BYPOLYGON 3 1 1 2 2 3 3 BYRADIUS 1 m; GEOSEARCH g BYPOLYGON 3 1 1 2 2 3 3",
            "ERR GEOSEARCH BYPOLYGON must have at least 3 vertices; ERR value is not an integer or out of range; ERR syntax error; ERR invalid longitude,latitude pair 300.000000,1.000000; ERR syntax error; ERR syntax error; ERR syntax error; []",
        );
    }

    #[test]
    fn contradictions_are_refused_also_without_a_key() {
        check(
            "GeoSearch none ASC ASC ASC ASC ASC; GEOSEARCH none FROMMEMBER x ASC ASC ASC; GEOSEARCH none FROMMEMBER a FROMLONLAT 1 1 BYRADIUS 1 m; GEOSEARCH none FROMMEMBER a BYRADIUS 1 m BYBOX 1 1 m; \
             GEOSEARCH none FROMMEMBER a BYRADIUS 1 m STOREDIST; GEOSEARCHSTORE d none FROMMEMBER a BYRADIUS 1 m WITHDIST; GEORADIUS none 1 1 1 m STORE d WITHHASH; GEORADIUS_RO none 1 1 1 m STORE d; GEORADIUSBYMEMBER none a x x",
            "ERR exactly one of FROMMEMBER or FROMLONLAT can be specified for GeoSearch; ERR exactly one of BYRADIUS and BYBOX can be specified for GEOSEARCH; ERR syntax error; ERR syntax error; \
             ERR syntax error; ERR GEOSEARCHSTORE is not compatible with WITHDIST, WITHHASH and WITHCOORD options; \
             ERR STORE option in GEORADIUS is not compatible with WITHDIST, WITHHASH and WITHCOORD options; ERR syntax error; []",
        );
        check_in_sicily(
            "GEOSEARCH g FROMMEMBER x BYRADIUS 1 m; GEORADIUSBYMEMBER g x 1 m; GEOSEARCH g FROMMEMBER P BYRADIUS -1 m; GEOSEARCH g FROMMEMBER P BYRADIUS x m; GEOSEARCH g FROMMEMBER P BYRADIUS 1 y; \
             GEOSEARCH g FROMMEMBER P BYBOX x 1 m; GEOSEARCH g FROMMEMBER P BYBOX 1 x m; GEOSEARCH g FROMMEMBER P BYBOX 1 -1 m; GEOSEARCH g FROMMEMBER P BYRADIUS 1 m COUNT 0; GEOSEARCH g FROMMEMBER P BYRADIUS 1 m COUNT x",
            "ERR could not decode requested zset member; ERR could not decode requested zset member; ERR radius cannot be negative; ERR need numeric radius; \
             ERR unsupported unit provided. please use M, KM, FT, MI; ERR need numeric width; ERR need numeric height; ERR height or width cannot be negative; \
             ERR COUNT must be > 0; ERR value is not an integer or out of range",
        );
    }

    #[test]
    fn a_search_may_span_the_earth() {
        check_in_sicily(
            "GEOSEARCH g FROMLONLAT 0 0 BYRADIUS 30000 km ASC; GEOSEARCH g FROMLONLAT 180 85 BYBOX 50000 50000 km ASC; GEOSEARCH g FROMLONLAT 15 37 BYRADIUS inf m COUNT 1",
            "[C P e1 e2]; [e2 e1 P C]; [C]",
        );
    }
}
