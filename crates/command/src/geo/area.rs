//! Where to look for what lies in a shape: in the cell of its middle and those around it, of a grid that is as fine as it
//! can be for this.

use super::cell::{Bounds, Cell, STEPS_MAX};
use super::shape::{Outline, Shape};

/// Half the length in meters of the map's edge.
const MAP_HALF_METERS: f64 = 20_037_726.37;

/// The cells beside one, by rows to the north and columns to the east, in the order in which they are searched, which is
/// that of replies without another order.
const AROUND: [(i32, i32); 9] =
    [(0, 0), (1, 0), (-1, 0), (0, 1), (0, -1), (1, 1), (1, -1), (-1, 1), (-1, -1)];

/// The cells to search, in order, each once.
pub fn cells(shape: &Shape) -> impl Iterator<Item = Cell> {
    let bounds = shape.bounds();
    let mut steps = steps_for(shape.reach(), shape.center.latitude);
    // The cells around may still not reach as far as the shape does. A coarser grid is enough for what circles and boxes
    // lack; a polygon's points are not all about as far from the middle.
    while steps > 1 && !reaches(Cell::of(shape.center, steps), &bounds) {
        steps -= 1;
        if !matches!(shape.outline, Outline::Polygon(_)) {
            break;
        }
    }
    let center = Cell::of(shape.center, steps);
    let own = center.bounds();
    let is_needed = move |(north, east): (i32, i32)| {
        // On the coarsest grid what is beside a cell on one side is so on the other, too.
        steps < 2
            || !((north < 0 && own.south < bounds.south)
                || (north > 0 && own.north > bounds.north)
                || (east < 0 && own.west < bounds.west)
                || (east > 0 && own.east > bounds.east))
    };
    let mut last = None;
    AROUND.into_iter().filter(move |beside| is_needed(*beside)).filter_map(move |(north, east)| {
        let cell = center.beside(north, east);
        let seen = last == Some(cell);
        if (north, east) != (0, 0) && !seen {
            last = Some(cell);
        }
        (!seen).then_some(cell)
    })
}

/// Bits of both coordinates of cells that are about as large as what is to be searched.
fn steps_for(reach: f64, latitude: f64) -> u32 {
    if reach == 0.0 {
        return STEPS_MAX;
    }
    let (mut meters, mut steps) = (reach, 1i32);
    while meters < MAP_HALF_METERS {
        meters *= 2.0;
        steps += 1;
    }
    steps -= 2;
    // Towards the poles, fewer meters are a degree.
    steps -= i32::from(latitude.abs() > 66.0) + i32::from(latitude.abs() > 80.0);
    steps.clamp(1, STEPS_MAX as i32) as u32
}

/// Whether a cell and those around it cover these degrees.
fn reaches(cell: Cell, bounds: &Bounds) -> bool {
    cell.beside(1, 0).bounds().north >= bounds.north
        && cell.beside(-1, 0).bounds().south <= bounds.south
        && cell.beside(0, 1).bounds().east >= bounds.east
        && cell.beside(0, -1).bounds().west <= bounds.west
}

#[cfg(test)]
mod tests {
    use super::super::cell::{LATITUDE_MAX, Point, point_of, score_of};
    use super::super::shape::middle;
    use super::*;
    use base::Prng;

    #[test]
    fn no_cell_is_searched_twice_on_the_coarsest_grid() {
        let center = Point { longitude: 1.0, latitude: 1.0 };
        let shape = Shape { center, outline: Outline::Circle { radius: 2e7 } };
        assert_eq!(cells(&shape).count(), 4);
    }

    #[test]
    fn whatever_lies_in_a_polygon_lies_in_a_cell_that_is_searched() {
        let mut prng = Prng::new(1);
        let mut inside = 0;
        for round in 0..2000 {
            // From a few meters to half the earth, anywhere.
            let size = 10f64.powi(round % 7 - 4);
            let mut part = |most: f64| (prng.below(2_000_001) as f64 / 1e6 - 1.0) * most;
            let origin = (part(180.0 - size), part(LATITUDE_MAX - size.min(80.0)));
            let mut point = || Point {
                longitude: (origin.0 + part(size)).clamp(-180.0, 180.0),
                latitude: (origin.1 + part(size)).clamp(-LATITUDE_MAX, LATITUDE_MAX),
            };
            let vertices: Vec<Point> = (0..3 + round % 5).map(|_| point()).collect();
            let shape = Shape { center: middle(&vertices), outline: Outline::Polygon(vertices) };
            for _ in 0..20 {
                let place = score_of(point());
                if shape.distance_inside(point_of(place)).is_some() {
                    inside += 1;
                    let found = cells(&shape).filter(|cell| {
                        let (first, end) = cell.scores();
                        (first..end).contains(&place)
                    });
                    assert_eq!(found.count(), 1, "{shape:?} {place}");
                }
            }
        }
        assert!(inside > 4000, "{inside}");
    }

    #[test]
    fn far_sides_are_left_out() {
        let center = Point { longitude: 13.361389, latitude: 38.115556 };
        let shape = Shape { center, outline: Outline::Circle { radius: 1000.0 } };
        assert!(cells(&shape).count() < 9);
    }
}
