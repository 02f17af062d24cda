//! What a search looks for: what lies in a circle, a box or a polygon.

use super::cell::{
    Bounds, Point, distance, latitude_degrees, latitude_distance, longitude_degrees,
};

/// A shape on earth.
#[derive(Clone, Debug)]
pub struct Shape {
    /// Its middle, from where distances count.
    pub center: Point,
    /// Its outline.
    pub outline: Outline,
}

/// The outline of a shape; lengths are in meters.
#[derive(Clone, Debug)]
pub enum Outline {
    /// All that is near enough.
    Circle {
        /// Meters from the middle to the edge.
        radius: f64,
    },
    /// From west to east and from south to north.
    Box {
        /// Meters from west to east.
        width: f64,
        /// Meters from south to north.
        height: f64,
    },
    /// What lies between these points, each joined to the next by a straight line on the map.
    Polygon(Vec<Point>),
}

/// The middle of a polygon: the mean of its points, of which there is one at the least.
pub fn middle(vertices: &[Point]) -> Point {
    let sum = |part: fn(&Point) -> f64| vertices.iter().map(part).sum::<f64>();
    let count = vertices.len() as f64;
    Point {
        longitude: sum(|vertex| vertex.longitude) / count,
        latitude: sum(|vertex| vertex.latitude) / count,
    }
}

impl Shape {
    /// Meters from the middle to the farthest point.
    pub fn reach(&self) -> f64 {
        match &self.outline {
            Outline::Circle { radius } => *radius,
            Outline::Box { width, height } => {
                ((width / 2.0) * (width / 2.0) + (height / 2.0) * (height / 2.0)).sqrt()
            }
            Outline::Polygon(vertices) => {
                let meters = vertices.iter().map(|vertex| distance(self.center, *vertex));
                meters.fold(0.0, f64::max)
            }
        }
    }

    /// The degrees that the shape spans; they may be beyond the map.
    pub fn bounds(&self) -> Bounds {
        let (half_width, half_height) = match &self.outline {
            Outline::Circle { radius } => (*radius, *radius),
            Outline::Box { width, height } => (width / 2.0, height / 2.0),
            Outline::Polygon(vertices) => return bounds_of(vertices),
        };
        let Point { longitude, latitude } = self.center;
        let north = latitude_degrees(half_height);
        // The edge nearer to the pole spans more degrees.
        let polar = if latitude < 0.0 { latitude - north } else { latitude + north };
        let east = longitude_degrees(half_width, polar);
        Bounds {
            south: latitude - north,
            north: latitude + north,
            west: longitude - east,
            east: longitude + east,
        }
    }

    /// Meters from the middle to a point that lies in the shape; `None` if it does not.
    pub fn distance_inside(&self, point: Point) -> Option<f64> {
        let Point { longitude, latitude } = self.center;
        let inside = match &self.outline {
            Outline::Circle { radius } => {
                let meters = distance(self.center, point);
                return (meters <= *radius).then_some(meters);
            }
            Outline::Box { width, height } => {
                let level = Point { longitude, latitude: point.latitude };
                latitude_distance(point.latitude, latitude) <= height / 2.0
                    && distance(point, level) <= width / 2.0
            }
            Outline::Polygon(vertices) => is_within(vertices, point),
        };
        inside.then(|| distance(self.center, point))
    }
}

fn bounds_of(vertices: &[Point]) -> Bounds {
    let nothing = Bounds {
        south: f64::INFINITY,
        north: f64::NEG_INFINITY,
        west: f64::INFINITY,
        east: f64::NEG_INFINITY,
    };
    vertices.iter().fold(nothing, |bounds, vertex| Bounds {
        south: bounds.south.min(vertex.latitude),
        north: bounds.north.max(vertex.latitude),
        west: bounds.west.min(vertex.longitude),
        east: bounds.east.max(vertex.longitude),
    })
}

/// Whether a line from the point to the east crosses the outline an odd number of times.
fn is_within(vertices: &[Point], point: Point) -> bool {
    let Some(mut from) = vertices.last().copied() else { return false };
    let mut inside = false;
    for to in vertices.iter().copied() {
        if (from.latitude > point.latitude) != (to.latitude > point.latitude) {
            let share = (point.latitude - from.latitude) / (to.latitude - from.latitude);
            inside ^= point.longitude < from.longitude + share * (to.longitude - from.longitude);
        }
        from = to;
    }
    inside
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(longitude: f64, latitude: f64) -> Point {
        Point { longitude, latitude }
    }

    #[test]
    fn a_polygon_may_have_dents() {
        let arrow = [at(0.0, 0.0), at(10.0, 0.0), at(5.0, 3.0), at(10.0, 10.0), at(0.0, 10.0)];
        assert!(is_within(&arrow, at(1.0, 5.0)));
        assert!(is_within(&arrow, at(9.0, 9.9)));
        assert!(!is_within(&arrow, at(9.0, 3.0)));
        assert!(!is_within(&arrow, at(11.0, 5.0)));
        assert!(!is_within(&arrow, at(-1.0, 0.0)));
    }

    #[test]
    fn the_edge_nearer_to_the_pole_is_the_wider_one_in_degrees() {
        for latitude in [60.0, -60.0] {
            let outline = Outline::Circle { radius: 100_000.0 };
            let bounds = Shape { center: at(0.0, latitude), outline }.bounds();
            assert!(bounds.east > 1.83 && bounds.east < 1.9, "{bounds:?}");
            assert_eq!(bounds.west, -bounds.east);
        }
    }
}
