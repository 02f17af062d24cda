//! Places: adding them, and what is known of them.

use super::cell::{distance, geohash, point_of, score_of};
use super::{KEY, LATITUDE, LONGITUDE, MEMBER, UNIT, point, reply_distance, reply_point, unit};
use crate::sorted_set::add::{Tally, Terms};
use crate::spec::{Arg, Arity, Command, Flags, Group, KeySpec, Spec};
use crate::{Args, Ctx, Failure};
use store::Look;

/// Adds places to a sorted set.
pub const GEOADD: Command = Command::new(
    Spec {
        name: "GEOADD",
        arity: Arity::at_least(5),
        keys: &[KeySpec::one(1, &["RW", "update"])],
        flags: Flags::WRITE.and(Flags::DENYOOM),
        group: Group::Geo,
        since: "3.2.0",
        complexity: "O(log(N)) for each item added, where N is the number of elements in the sorted set.",
        summary: "Adds places to a sorted set, and counts those that are new.",
        args: &[
            KEY,
            Arg::one_of("condition", &[Arg::word("nx", "NX"), Arg::word("xx", "XX")])
                .optional()
                .since("6.2.0"),
            Arg::word("change", "CH").optional().since("6.2.0"),
            Arg::block("longitude_latitude_member", &[LONGITUDE, LATITUDE, MEMBER]).multiple(),
        ],
        history: &[("6.2.0", "Added the `CH`, `NX` and `XX` options.")],
        ..Spec::NEW
    },
    geoadd,
);

fn geoadd(ctx: &mut Ctx<'_>, args: &Args<'_>) -> Result<(), Failure> {
    let (mut terms, mut first) = (Terms::default(), 2);
    while first < args.len() {
        match () {
            () if args.is(first, "NX") => terms.absent = true,
            () if args.is(first, "XX") => terms.present = true,
            () if args.is(first, "CH") => terms.count_changes = true,
            () => break,
        }
        first += 1;
    }
    if !(args.len() - first).is_multiple_of(3) || (terms.absent && terms.present) {
        return Err(Failure::SYNTAX);
    }
    let places = (first..args.len()).step_by(3);
    let places = places.map(|at| Ok((score_of(point(args, at)?), args.get(at + 2))));
    let places: Vec<(f64, &[u8])> = places.collect::<Result<_, Failure>>()?;
    if places.is_empty() {
        return Err(Failure::SYNTAX);
    }
    let (key, now) = (args.key(1), ctx.now);
    let tally = ctx.keyspace().edit_sorted_set(&key, now, |set| {
        let mut tally = Tally::default();
        places.iter().for_each(|(score, member)| terms.set(set, member, *score, &mut tally));
        tally
    })?;
    ctx.reply.integer(tally.asked(terms));
    Ok(())
}

/// What the commands that read places have in common.
const READING: Spec = Spec {
    keys: &[KeySpec::one(1, &["RO", "access"])],
    flags: Flags::READONLY,
    group: Group::Geo,
    since: "3.2.0",
    ..Spec::NEW
};

/// Returns the distance between two places.
pub const GEODIST: Command = Command::new(
    Spec {
        name: "GEODIST",
        arity: Arity::at_least(4),
        complexity: "O(log(N))",
        summary: "Returns the distance between two places.",
        args: &[KEY, Arg::string("member1"), Arg::string("member2"), UNIT.optional()],
        ..READING
    },
    geodist,
);

fn geodist(ctx: &mut Ctx<'_>, args: &Args<'_>) -> Result<(), Failure> {
    let meters = match args.len() {
        4 => 1.0,
        5 => unit(args, 4)?,
        _ => return Err(Failure::SYNTAX),
    };
    let Ctx { store, reply, db, now, .. } = ctx;
    let set = store.db(*db).sorted_set(&args.key(1), Look::Read, *now)?;
    let place = |position: usize| set?.score(args.get(position)).map(point_of);
    match (place(2), place(3)) {
        (Some(one), Some(other)) => reply_distance(reply, distance(one, other) / meters),
        _ => reply.null(),
    }
    Ok(())
}

/// Returns the geohashes of places.
pub const GEOHASH: Command = Command::new(
    Spec {
        name: "GEOHASH",
        arity: Arity::at_least(2),
        complexity: "O(log(N)) for each member requested, where N is the number of elements in the sorted set.",
        summary: "Returns the geohashes of places.",
        args: &[KEY, MEMBER.multiple().optional()],
        ..READING
    },
    geohash_command,
);

fn geohash_command(ctx: &mut Ctx<'_>, args: &Args<'_>) -> Result<(), Failure> {
    let Ctx { store, reply, db, now, .. } = ctx;
    let set = store.db(*db).sorted_set(&args.key(1), Look::Read, *now)?;
    reply.array(args.len() - 2);
    for member in args.from(2) {
        match set.and_then(|set| set.score(member)) {
            Some(score) => reply.bulk(&geohash(point_of(score))),
            None => reply.null(),
        }
    }
    Ok(())
}

/// Returns the coordinates of places.
pub const GEOPOS: Command = Command::new(
    Spec {
        name: "GEOPOS",
        arity: Arity::at_least(2),
        complexity: "O(N) where N is the number of members requested.",
        summary: "Returns the longitudes and latitudes of places.",
        args: &[KEY, MEMBER.multiple().optional()],
        ..READING
    },
    geopos,
);

fn geopos(ctx: &mut Ctx<'_>, args: &Args<'_>) -> Result<(), Failure> {
    let Ctx { store, reply, db, now, .. } = ctx;
    let set = store.db(*db).sorted_set(&args.key(1), Look::Read, *now)?;
    reply.array(args.len() - 2);
    for member in args.from(2) {
        match set.and_then(|set| set.score(member)) {
            Some(score) => reply_point(reply, point_of(score)),
            None => reply.null_array(),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use crate::check::{check, check3};

    const SICILY: &str = "GEOADD g 13.361389 38.115556 P 15.087269 37.502669 C;";

    #[test]
    fn places_are_added_and_described() {
        check(
            &format!(
                "{SICILY} GEOPOS g P x; GEOHASH g P C x; GEODIST g P C; GEODIST g P C km; GEODIST g P C ft; GEODIST g P C mi; GEODIST g P x; ZSCORE g P"
            ),
            "2; [[13.36138933897018433 38.11555639549629859] nil]; [sqc8b49rny0 sqdtr74hyu0 nil]; 166274.1516; 166.2742; 545518.8700; 103.3182; nil; 3479099956230698",
        );
        check(
            "GEOPOS none a; GEOHASH none a; GEODIST none a b; GEOPOS none; GEOHASH none; SET s v; GEOPOS s; GEOHASH s a; GEODIST s a b; GEOADD s 1 1 a",
            "[nil]; [nil]; nil; []; []; OK; WRONGTYPE; WRONGTYPE; WRONGTYPE; WRONGTYPE",
        );
        check3(
            &format!("{SICILY} GEOPOS g P; GEODIST g P C"),
            "2; [[,13.36138933897018433 ,38.11555639549629859]]; 166274.1516",
        );
    }

    #[test]
    fn geoadd_takes_conditions_of_zadd() {
        check(
            "GEOADD g XX 1 1 a; GEOADD g NX 1 1 a; GEOADD g NX CH 2 2 a 3 3 b; GEOADD g CH XX 2 2 a 3 3 c; ZCARD g",
            "0; 1; 1; 1; 2",
        );
        check(
            "GEOADD g NX XX 1 1 a; GEOADD g 1 1 a 2; GEOADD g GT 1 1 a; GEOADD g NX CH XX; GEOADD g 181 1 a; GEOADD g 1 1 a 1 -86 b; GEOADD g nan 1 a; GEOADD g 1 x a; GEOADD g inf 1 a; EXISTS g",
            "ERR syntax error; ERR syntax error; ERR syntax error; ERR syntax error; ERR invalid longitude,latitude pair 181.000000,1.000000; \
             ERR invalid longitude,latitude pair 1.000000,-86.000000; ERR value is not a valid float; ERR value is not a valid float; \
             ERR invalid longitude,latitude pair inf,1.000000; 0",
        );
    }

    #[test]
    fn units_are_checked_before_keys() {
        check(
            "GEODIST none a b x; GEODIST none a b km x; SET s v; GEODIST s a b x",
            "ERR unsupported unit provided. please use M, KM, FT, MI; ERR syntax error; OK; ERR unsupported unit provided. please use M, KM, FT, MI",
        );
    }
}
