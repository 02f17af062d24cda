//! Places as numbers.
//!
//! A place is two numbers of 26 bits, how far north and how far east it lies on the map, whose bits alternate in one
//! number of 52: so the score of a sorted set can hold it exactly, and what is near has mostly a near score (G. M. Morton,
//! "A computer oriented geodetic data base", IBM 1966). The first bits of both are a cell of a coarser grid, all of whose
//! places are one interval of scores.

/// The radius of the earth in meters that Redis reckons with.
const EARTH_METERS: f64 = 6_372_797.560856;

/// The farthest from the equator that there are places: where the map of Mercator is a square.
pub const LATITUDE_MAX: f64 = 85.05112878;
/// The farthest from the meridian.
pub const LONGITUDE_MAX: f64 = 180.0;

/// Bits of each coordinate of a place.
pub const STEPS_MAX: u32 = 26;

/// A point on earth, in degrees.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Point {
    /// East of the meridian.
    pub longitude: f64,
    /// North of the equator.
    pub latitude: f64,
}

/// Degrees as radians.
fn radians(degrees: f64) -> f64 {
    degrees * (std::f64::consts::PI / 180.0)
}

/// Radians as degrees.
fn degrees(radians: f64) -> f64 {
    radians / (std::f64::consts::PI / 180.0)
}

/// Meters between two latitudes.
pub fn latitude_distance(one: f64, other: f64) -> f64 {
    EARTH_METERS * (radians(other) - radians(one)).abs()
}

/// Degrees of latitude that this many meters are.
pub fn latitude_degrees(meters: f64) -> f64 {
    degrees(meters / EARTH_METERS)
}

/// Degrees of longitude that this many meters are at a latitude.
pub fn longitude_degrees(meters: f64, latitude: f64) -> f64 {
    degrees(meters / EARTH_METERS / radians(latitude).cos())
}

/// Meters between two points, by the haversine formula.
pub fn distance(one: Point, other: Point) -> f64 {
    let (from, to) = (radians(one.latitude), radians(other.latitude));
    let east = ((radians(other.longitude) - radians(one.longitude)) / 2.0).sin();
    let north = ((to - from) / 2.0).sin();
    let chord = north * north + from.cos() * to.cos() * east * east;
    2.0 * EARTH_METERS * chord.sqrt().asin()
}

/// Degrees from south to north and from west to east.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// The southern edge.
    pub south: f64,
    /// The northern edge.
    pub north: f64,
    /// The western edge.
    pub west: f64,
    /// The eastern edge.
    pub east: f64,
}

/// A cell of the grid that has `2^steps` rows and as many columns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cell {
    row: u32,
    column: u32,
    steps: u32,
}

impl Cell {
    /// The cell that a point lies in, on a map whose northern edge is `latitude_max`. A point on the northern or eastern
    /// edge lies in the row or column behind the last.
    fn on_map(point: Point, steps: u32, latitude_max: f64) -> Cell {
        let scale = (1u64 << steps) as f64;
        let north = (point.latitude + latitude_max) / (2.0 * latitude_max);
        let east = (point.longitude + LONGITUDE_MAX) / (2.0 * LONGITUDE_MAX);
        Cell { row: (north * scale) as u32, column: (east * scale) as u32, steps }
    }

    /// The cell that a point lies in.
    pub fn of(point: Point, steps: u32) -> Cell {
        Cell::on_map(point, steps, LATITUDE_MAX)
    }

    /// Row and column with alternating bits, the column's above the row's.
    fn bits(self) -> u64 {
        spread(self.row) | spread(self.column) << 1
    }

    /// The cell so many rows to the north and columns to the east; behind each edge of the map is the opposite. A row
    /// behind the last stays what it is where the way is only to the east or west, and a column likewise.
    pub fn beside(self, north: i32, east: i32) -> Cell {
        let last = (1u64 << self.steps) as u32 - 1;
        let step = |from: u32, by: i32| match by {
            0 => from,
            _ => from.wrapping_add_signed(by) & last,
        };
        Cell { row: step(self.row, north), column: step(self.column, east), ..self }
    }

    /// The degrees that the cell covers.
    pub fn bounds(self) -> Bounds {
        let scale = (1u64 << self.steps) as f64;
        let north = |row: f64| -LATITUDE_MAX + row / scale * (2.0 * LATITUDE_MAX);
        let east = |column: f64| -LONGITUDE_MAX + column / scale * (2.0 * LONGITUDE_MAX);
        let (row, column) = (f64::from(self.row), f64::from(self.column));
        Bounds {
            south: north(row),
            north: north(row + 1.0),
            west: east(column),
            east: east(column + 1.0),
        }
    }

    /// The scores of the places in the cell: from the first to below the second.
    pub fn scores(self) -> (f64, f64) {
        let shift = 2 * (STEPS_MAX - self.steps);
        ((self.bits() << shift) as f64, ((self.bits() + 1) << shift) as f64)
    }
}

/// Puts a zero in front of each bit.
fn spread(bits: u32) -> u64 {
    let mut bits = u64::from(bits);
    for (shift, mask) in [
        (16, 0x0000_ffff_0000_ffff),
        (8, 0x00ff_00ff_00ff_00ff),
        (4, 0x0f0f_0f0f_0f0f_0f0f),
        (2, 0x3333_3333_3333_3333),
        (1, 0x5555_5555_5555_5555),
    ] {
        bits = (bits | bits << shift) & mask;
    }
    bits
}

/// Takes every other bit.
fn gather(bits: u64) -> u32 {
    let mut bits = bits & 0x5555_5555_5555_5555;
    for (shift, mask) in [
        (1, 0x3333_3333_3333_3333),
        (2, 0x0f0f_0f0f_0f0f_0f0f),
        (4, 0x00ff_00ff_00ff_00ff),
        (8, 0x0000_ffff_0000_ffff),
        (16, 0x0000_0000_ffff_ffff),
    ] {
        bits = (bits | bits >> shift) & mask;
    }
    bits as u32
}

/// The score of a point.
pub fn score_of(point: Point) -> f64 {
    Cell::of(point, STEPS_MAX).bits() as f64
}

/// The number that a score is as a place. Any score is one: what is beyond 64 bits is as an x86 processor makes it, on
/// which Redis was measured.
pub fn place_of(score: f64) -> u64 {
    const WRAPS: f64 = 18_446_744_073_709_551_616.0;
    if score < 0.0 {
        score as i64 as u64
    } else if score >= WRAPS {
        0
    } else {
        score as u64
    }
}

/// The point that a score stands for: the middle of its cell.
pub fn point_of(score: f64) -> Point {
    let place = place_of(score);
    let bounds = Cell { row: gather(place), column: gather(place >> 1), steps: STEPS_MAX }.bounds();
    let middle = |from: f64, to: f64, most: f64| ((from + to) / 2.0).clamp(-most, most);
    Point {
        longitude: middle(bounds.west, bounds.east, LONGITUDE_MAX),
        latitude: middle(bounds.south, bounds.north, LATITUDE_MAX),
    }
}

/// The digits of geohashes.
const DIGITS: &[u8; 32] = b"0123456789bcdefghjkmnpqrstuvwxyz";

/// The geohash of a point (<https://en.wikipedia.org/wiki/Geohash>): eleven digits, the last of which is always 0, because
/// 52 bits are ten.
pub fn geohash(point: Point) -> [u8; 11] {
    let bits = Cell::on_map(point, STEPS_MAX, 90.0).bits();
    std::array::from_fn(|index| match index {
        10 => DIGITS[0],
        _ => DIGITS[(bits >> (52 - 5 * (index + 1)) & 31) as usize],
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bits_alternate_and_come_apart_again() {
        for (row, column) in [(0, 0), (1, 0), (0, 1), (0xffff_ffff, 0), (0x1234_5678, 0x9abc_def0)]
        {
            let bits = spread(row) | spread(column) << 1;
            assert_eq!((gather(bits), gather(bits >> 1)), (row, column));
        }
        assert_eq!(spread(0b101) | spread(0b011) << 1, 0b01_10_11);
    }

    #[test]
    fn a_point_comes_back_from_its_score_within_its_cell() {
        for (longitude, latitude) in [(0.0, 0.0), (13.361389, 38.115556), (-179.99, -85.05)] {
            let point = Point { longitude, latitude };
            let back = point_of(score_of(point));
            assert!(distance(point, back) < 1.0, "{point:?} {back:?}");
            assert_eq!(score_of(back), score_of(point));
        }
    }

    #[test]
    fn neighbours_are_found_beyond_the_edges_of_the_map() {
        let cell = Cell { row: 0, column: 3, steps: 2 };
        assert_eq!(cell.beside(-1, 1), Cell { row: 3, column: 0, steps: 2 });
        assert_eq!(cell.beside(1, -1), Cell { row: 1, column: 2, steps: 2 });
    }

    #[test]
    fn any_score_is_a_place() {
        for score in [-1.0, f64::INFINITY, f64::NEG_INFINITY, 1e19, 1e300, -1e300, 0.5] {
            let point = point_of(score);
            assert!(point.longitude.abs() <= 180.0 && point.latitude.abs() <= LATITUDE_MAX);
        }
    }
}
