//! Places on earth, as members of sorted sets whose scores are places.
//!
//! | file | what |
//! |---|---|
//! | [`points`] | GEOADD GEODIST GEOHASH GEOPOS |
//! | [`search`] | GEORADIUS GEORADIUSBYMEMBER GEORADIUSBYMEMBER_RO GEORADIUS_RO GEOSEARCH GEOSEARCHSTORE |
//! | [`cell`] | places as numbers, and the grid of cells that these make |
//! | [`shape`] | circles, boxes and polygons |
//! | [`area`] | the cells in which to look for what is in a shape |

pub mod area;
pub mod cell;
pub mod points;
pub mod search;
pub mod shape;

use self::cell::{LATITUDE_MAX, Point};
use crate::spec::{Arg, ArgKind, Command};
use crate::{Args, Failure};
use resp::number::parse_f64;
use resp::write::{Protocol, Writer};

/// The family's list.
pub const COMMANDS: &[Command] = &[
    points::GEOADD,
    points::GEODIST,
    points::GEOHASH,
    points::GEOPOS,
    search::GEORADIUS,
    search::GEORADIUSBYMEMBER,
    search::GEORADIUSBYMEMBER_RO,
    search::GEORADIUS_RO,
    search::GEOSEARCH,
    search::GEOSEARCHSTORE,
];

/// The key in COMMAND DOCS.
const KEY: Arg = Arg::key("key", 0);
/// A member in COMMAND DOCS.
const MEMBER: Arg = Arg::string("member");
/// A longitude in COMMAND DOCS.
const LONGITUDE: Arg = Arg::new("longitude", ArgKind::Double);
/// A latitude in COMMAND DOCS.
const LATITUDE: Arg = Arg::new("latitude", ArgKind::Double);
/// A unit in COMMAND DOCS.
const UNIT: Arg = Arg::one_of(
    "unit",
    &[Arg::word("m", "M"), Arg::word("km", "KM"), Arg::word("ft", "FT"), Arg::word("mi", "MI")],
);

/// A word that is no unit.
const NOT_UNIT: Failure = Failure::new("ERR unsupported unit provided. please use M, KM, FT, MI");

/// Meters of the unit that an argument names.
fn unit(args: &Args<'_>, position: usize) -> Result<f64, Failure> {
    const UNITS: [(&str, f64); 4] = [("M", 1.0), ("KM", 1000.0), ("FT", 0.3048), ("MI", 1609.34)];
    let known = UNITS.iter().find(|(name, _)| args.is(position, name));
    known.map(|(_, meters)| *meters).ok_or(NOT_UNIT)
}

/// The point whose longitude and latitude are the two arguments at `position`.
fn point(args: &Args<'_>, position: usize) -> Result<Point, Failure> {
    let number = |at: usize| parse_f64(args.get(at)).ok_or(Failure::NOT_FLOAT);
    let (longitude, latitude) = (number(position)?, number(position + 1)?);
    let is_on_map =
        (-180.0..=180.0).contains(&longitude) && (-LATITUDE_MAX..=LATITUDE_MAX).contains(&latitude);
    if !is_on_map {
        return Err(Failure::text(format!(
            "ERR invalid longitude,latitude pair {longitude:.6},{latitude:.6}"
        )));
    }
    Ok(Point { longitude, latitude })
}

/// Replies with a distance: four decimals, as a string.
fn reply_distance(reply: &mut Writer<'_>, distance: f64) {
    reply.bulk(format!("{distance:.4}").as_bytes());
}

/// Replies with a point: its coordinates with up to 17 decimals.
fn reply_point(reply: &mut Writer<'_>, point: Point) {
    reply.array(2);
    for coordinate in [point.longitude, point.latitude] {
        let text = format!("{coordinate:.17}");
        let text = text.trim_end_matches('0').trim_end_matches('.');
        let text = if text == "-0" { "0" } else { text };
        match reply.protocol() {
            Protocol::Resp2 => reply.bulk(text.as_bytes()),
            Protocol::Resp3 => reply.raw(format!(",{text}\r\n").as_bytes()),
        }
    }
}

/// What the tests over the whole table need to know of this family.
#[cfg(test)]
pub(crate) mod facts {
    /// Each command in a call that takes effect.
    pub const EXAMPLES: &[&str] = &[
        "GEOADD sicily 13.361389 38.115556 Palermo 15.087269 37.502669 Catania",
        "GEODIST sicily Palermo Catania",
        "GEOHASH sicily Palermo",
        "GEOPOS sicily Palermo",
        "GEORADIUS sicily 15 37 200 km STORE near",
        "GEORADIUSBYMEMBER sicily Palermo 200 km STORE near",
        "GEORADIUSBYMEMBER_RO sicily Palermo 200 km",
        "GEORADIUS_RO sicily 15 37 200 km",
        "GEOSEARCH sicily FROMLONLAT 15 37 BYRADIUS 200 km",
        "GEOSEARCHSTORE near sicily FROMLONLAT 15 37 BYRADIUS 200 km",
    ];
}
