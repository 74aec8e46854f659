//! Handwritten-looking digits, drawn from nothing but random numbers.
//!
//! A handwritten digit takes a plan, a hand and a pen, and so it is drawn here:
//!
//! 1. **Plan.** The digit's *skeleton*, the path of the middle of the pen, is
//!    picked from a small table (a seven with or without a bar, an open or a
//!    closed four, ...). Each skeleton is a blend of two writings of the same
//!    strokes in the unit square, and smooth curves run through its knots.
//! 2. **Hand.** A random hand bends the paper gently, then slants, stretches and
//!    turns it, and decides how large the digit is and where it stands.
//! 3. **Pen.** A random pen, whose pressure changes along each stroke, leaves its
//!    ink: how dark a pixel is depends on its distance to the skeleton, and fades
//!    over about a pixel at the edge of a stroke, which is antialiasing.
//!
//! As in MNIST, ink is white (255) on black paper (0), and the digit fills about
//! 20x20 of the 28x28 pixels and never touches the border.
//!
//! The traits of a hand are spread *evenly* over wide ranges, not around a norm.
//! So the digits of a class vary much, but mainly in a few directions: a linear
//! classifier finds the classes hard to tell apart, as those of real handwriting,
//! while a digit's nearest neighbours nearly always share its label.
//!
//! All arithmetic is `+ - * /` and square roots of `f32`, which every platform
//! rounds alike: a digit is the same, bit for bit, wherever it is drawn.

mod skeletons;

use std::iter;
use std::ops::{Add, Mul, Range, Sub};

use rand::{Rng, RngExt};

use super::reader::{Location, Reader, Source};
use super::{Dataset, ImageShape, Labels, Values};
use crate::error::{Error, Result};
use crate::family::Spec;
use crate::rng::{Address, Purpose};
use skeletons::{Knot, MANNERS, Manner};

/// Side of an image in pixels.
pub const SIDE: usize = 28;

/// Width in pixels of the border that always stays blank.
const MARGIN: f32 = 2.0;

/// The blend of two writings: 0 is the first, 1 the second, and it may go a
/// little beyond either.
const BLEND: Range<f32> = -0.15..1.15;

/// Standard deviation of a knot's own displacement, in digit heights.
const KNOT_JITTER: f32 = 0.012;

/// Chance that a hand in a hurry rounds the corners off.
const HURRY: f64 = 0.25;

/// Straight pieces that make up the curve between two knots.
const PIECES: usize = 6;

/// Standard deviation of the bending of the paper, in digit heights.
const BEND: f32 = 0.035;

/// How far the top of a digit leans to the right of its bottom, in digit heights.
const SLANT: Range<f32> = -0.25..0.55;

/// By what the width is multiplied.
const STRETCH: Range<f32> = 0.7..1.25;

/// Tangent of half the angle by which a digit is turned.
const TURN: Range<f32> = -0.12..0.12;

/// The longer side of the skeleton, in pixels.
const SIZE: Range<f32> = 14.5..20.0;

/// How far a digit lies from the centre, to the right as well as down, in pixels.
const SHIFT: Range<f32> = -2.3..2.3;

/// Half the width of the pen, in pixels.
const RADIUS: Range<f32> = 1.0..1.65;

/// Standard deviation of the pressure, relative to its mean.
const PRESSURE: f32 = 0.12;

/// Width in pixels over which the edge of a stroke fades from full ink to none.
const EDGE: f32 = 1.5;

/// Training items unless the spec says otherwise; one fifth as many are the test part.
const COUNT: usize = 20_000;

pub(super) fn reader() -> Reader {
    Reader {
        name: "digits",
        summary: "embedded drawings of digits, with a test part and labels; `digits:count=N,seed=S`",
        options: &[],
        recognises: |location| matches!(location, Location::Embedded(spec) if spec.name() == "digits"),
        read: |location, _| {
            let Location::Embedded(spec) = location else { unreachable!("it was recognised") };
            read(&spec)
        },
    }
}

/// Item i is a pure function of (seed, i); the test items follow the training items.
fn read(spec: &Spec) -> Result<Source> {
    spec.only(&["count", "seed"])?;
    let whole = |key: &str, default: f64, smallest: f64, largest: f64| match spec
        .number(key)?
        .unwrap_or(default)
    {
        v if v.fract() == 0.0 && (smallest..=largest).contains(&v) => Ok(v),
        _ => {
            let message = format!("must be a whole number from {smallest} to {largest}");
            Err(Error::setting(format!("digits:{key}"), message))
        }
    };
    let count = whole("count", COUNT as f64, 5.0, 1e6)? as usize;
    let seed = whole("seed", 0.0, 0.0, 9e15)? as u64;
    let items = |range: Range<usize>| {
        let mut pixels = vec![0; range.len() * SIDE * SIDE];
        let mut labels = Vec::with_capacity(range.len());
        for (image, i) in pixels.chunks_exact_mut(SIDE * SIDE).zip(range) {
            let mut rng = Address::new(seed, Purpose::Digits).row(i as u64).rng();
            let label = rng.random_range(0..10u8);
            draw(image, label, &mut rng);
            labels.push(label);
        }
        let image = ImageShape { height: SIDE, width: SIDE, channels: 1 };
        Dataset::new(Values::U8(pixels), SIDE * SIDE)?
            .with_image(image)?
            .with_labels(Labels::from_bytes(&labels))
    };
    let (train, test) = (items(0..count)?, items(count..count + count / 5)?);
    Ok(Source { train, test: Some(test), notes: Vec::new() })
}

/// Draws a random handwritten `label` (0 to 9) into `image`, which has
/// [`SIDE`]x[`SIDE`] pixels in row-major order: 0 is paper, 255 full ink.
///
/// The picture depends on `label` and on what `rng` yields, and on nothing else.
///
/// # Panics
///
/// If `label` is above 9 or `image` is of another size.
pub fn draw(image: &mut [u8], label: u8, rng: &mut impl Rng) {
    assert_eq!(image.len(), SIDE * SIDE, "a digit has {SIDE}x{SIDE} pixels");
    let manners = MANNERS[usize::from(label)];
    // Indices are drawn as u32, since the width of usize differs by platform.
    let manner = manners[rng.random_range(0..manners.len() as u32) as usize];

    let hand = Hand::random(rng);
    let pen = Pen::random(rng);
    let write = |knots: &Vec<Point>| curve(knots).map(|p| hand.deform(p)).collect();
    let mut strokes: Vec<Vec<Point>> = plan(manner, rng).iter().map(write).collect();
    hand.place(&mut strokes, pen.reach());

    let mut canvas = Canvas::blank();
    for stroke in &strokes {
        pen.trace(stroke, &mut canvas, rng);
    }
    canvas.develop(image);
}

/// A place: in digit heights while a digit is planned, in pixels once it is
/// placed; x points right and y down.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Point {
    x: f32,
    y: f32,
}

impl Point {
    fn new(x: f32, y: f32) -> Self {
        Self { x, y }
    }

    /// A point about the origin, `sd` being the standard deviation of each coordinate.
    fn random(sd: f32, rng: &mut impl Rng) -> Self {
        Self::new(bell(0.0, sd, rng), bell(0.0, sd, rng))
    }

    fn dot(self, other: Self) -> f32 {
        self.x * other.x + self.y * other.y
    }
}

impl Add for Point {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self::new(self.x + other.x, self.y + other.y)
    }
}

impl Sub for Point {
    type Output = Self;

    fn sub(self, other: Self) -> Self {
        Self::new(self.x - other.x, self.y - other.y)
    }
}

impl Mul<f32> for Point {
    type Output = Self;

    fn mul(self, factor: f32) -> Self {
        Self::new(self.x * factor, self.y * factor)
    }
}

/// A random number of a given mean and standard deviation, from a bell curve.
///
/// It is a sum of four uniform numbers: nearly normal, but without logarithms, which
/// platforms round differently, and without outliers, which nobody could read.
fn bell(mean: f32, sd: f32, rng: &mut impl Rng) -> f32 {
    let sum: f32 = (0..4).map(|_| rng.random::<f32>() - 0.5).sum();
    // Each term has variance 1/12.
    mean + sd * sum * 3.0_f32.sqrt()
}

/// The weights of the beginning, the middle and the end of a quadratic Bézier
/// curve at `t` between 0 and 1.
fn quadratic(t: f32) -> [f32; 3] {
    let s = 1.0 - t;
    [s * s, 2.0 * s * t, t * t]
}

/// Decides on the knots of every stroke: a blend of the two writings in which
/// width and height are blended apart, with each knot displaced a little.
fn plan(manner: Manner, rng: &mut impl Rng) -> Vec<Vec<Point>> {
    let (across, down) = (rng.random_range(BLEND), rng.random_range(BLEND));
    let hurried = rng.random_bool(HURRY);
    let mix = |a: i8, b: i8, t: f32| (f32::from(a) * (1.0 - t) + f32::from(b) * t) / 100.0;

    let mut plan_stroke = |knots: &[Knot]| {
        let mut points = Vec::with_capacity(knots.len());
        // A corner is a run of two equal knots, which have to move as one.
        for run in knots.chunk_by(|a, b| a == b) {
            let [x, y, x2, y2] = run[0];
            let knot = Point::new(mix(x, x2, across), mix(y, y2, down));
            let repeats = if hurried { 1 } else { run.len() };
            points.extend(iter::repeat_n(knot + Point::random(KNOT_JITTER, rng), repeats));
        }
        points
    };
    manner.iter().map(|knots| plan_stroke(knots)).collect()
}

/// The points of a smooth curve (a Catmull-Rom spline) through `knots`, which
/// turns a corner where a knot is repeated.
fn curve(knots: &[Point]) -> impl Iterator<Item = Point> {
    let smooth_parts = knots.chunk_by(|a, b| a != b);
    smooth_parts.flat_map(|part| {
        let knot = |i: usize| part[i.min(part.len() - 1)];
        let arcs = (1..part.len()).flat_map(move |i| {
            let (before, from, to, after) =
                (knot(i.saturating_sub(2)), knot(i - 1), knot(i), knot(i + 1));
            let (leave, arrive) = ((to - before) * 0.5, (after - from) * 0.5);
            (0..PIECES).map(move |k| {
                let t = k as f32 / PIECES as f32;
                let s = 1.0 - t;
                // Hermite's cubic: from `from` towards `leave`, to `to` along `arrive`.
                from * (s * s * (1.0 + 2.0 * t))
                    + leave * (t * s * s)
                    + to * (t * t * (1.0 + 2.0 * s))
                    - arrive * (t * t * s)
            })
        });
        arcs.chain(part.last().copied())
    })
}

/// How a hand bends, leans, stretches, turns and places what it writes.
struct Hand {
    /// Displacements of a 3x3 grid of points that lies over the unit square.
    bend: [[Point; 3]; 3],
    /// The images of the unit vectors under slant, stretch and turn.
    axes: [Point; 2],
    /// The longer side of the skeleton, in pixels.
    size: f32,
    /// From the centre of the image to that of the skeleton, in pixels.
    shift: Point,
}

impl Hand {
    fn random(rng: &mut impl Rng) -> Self {
        let bend = [(); 3].map(|()| [(); 3].map(|()| Point::random(BEND, rng)));
        let slant = rng.random_range(SLANT);
        let stretch = rng.random_range(STRETCH);
        // The rational parametrization of the circle makes do without sine and cosine.
        let t = rng.random_range(TURN);
        let (cos, sin) = ((1.0 - t * t) / (1.0 + t * t), 2.0 * t / (1.0 + t * t));
        let turn = |x: f32, y: f32| Point::new(cos * x - sin * y, sin * x + cos * y);
        let axes = [turn(stretch, 0.0), turn(-slant, 1.0)];
        let size = rng.random_range(SIZE);
        let shift = Point::new(rng.random_range(SHIFT), rng.random_range(SHIFT));
        Self { bend, axes, size, shift }
    }

    /// Where a point of the unit square comes to lie, up to size and place.
    fn deform(&self, p: Point) -> Point {
        // The displacements form a Bézier surface, which varies smoothly.
        let mut bent = p;
        for (row, v) in self.bend.iter().zip(quadratic(p.y)) {
            for (&displacement, u) in row.iter().zip(quadratic(p.x)) {
                bent = bent + displacement * (u * v);
            }
        }
        self.axes[0] * bent.x + self.axes[1] * bent.y
    }

    /// Scales and moves the strokes to their place in the image, where a pen that
    /// reaches `reach` pixels to either side stays clear of the margin.
    fn place(&self, strokes: &mut [Vec<Point>], reach: f32) {
        let (low, high) = bounds(strokes.iter().flatten());
        let extent = high - low;
        let room = SIDE as f32 - 2.0 * (MARGIN + reach);
        let scale = self.size.min(room) / extent.x.max(extent.y);

        // Rounding may leave the longer side a trifle too long: hence the `max`.
        let within = |shift: f32, extent: f32| {
            let slack = (0.5 * (room - extent * scale)).max(0.0);
            shift.clamp(-slack, slack)
        };
        let shift = Point::new(within(self.shift.x, extent.x), within(self.shift.y, extent.y));
        let middle = (low + high) * 0.5;
        let target = Point::new(SIDE as f32, SIDE as f32) * 0.5 + shift;
        for p in strokes.iter_mut().flatten() {
            *p = (*p - middle) * scale + target;
        }
    }
}

/// The corners of the smallest box around `points`.
fn bounds<'a>(points: impl Iterator<Item = &'a Point>) -> (Point, Point) {
    let (low, high) = (f32::INFINITY, f32::NEG_INFINITY);
    points.fold((Point::new(low, low), Point::new(high, high)), |(low, high), p| {
        (Point::new(low.x.min(p.x), low.y.min(p.y)), Point::new(high.x.max(p.x), high.y.max(p.y)))
    })
}

/// A pen, which leaves more ink the harder it is pressed.
struct Pen {
    /// Half the width of a stroke of ordinary pressure, in pixels.
    radius: f32,
}

impl Pen {
    fn random(rng: &mut impl Rng) -> Self {
        Self { radius: rng.random_range(RADIUS) }
    }

    /// How far from its path the pen can leave ink, in pixels.
    fn reach(&self) -> f32 {
        // The bell curve ends at 2 sqrt(3) standard deviations.
        self.radius * (1.0 + PRESSURE * 12.0_f32.sqrt()) + 0.5 * EDGE
    }

    /// Inks a stroke, along which the pressure follows a quadratic curve.
    fn trace(&self, stroke: &[Point], canvas: &mut Canvas, rng: &mut impl Rng) {
        let [begin, middle, end] = [(); 3].map(|()| self.radius * bell(1.0, PRESSURE, rng));
        let last = (stroke.len() - 1) as f32;
        for (i, piece) in stroke.windows(2).enumerate() {
            let [u, v, w] = quadratic(i as f32 / last);
            canvas.ink(piece[0], piece[1], u * begin + v * middle + w * end);
        }
    }
}

/// How dark each pixel is, from 0 to 1.
struct Canvas([f32; SIDE * SIDE]);

impl Canvas {
    fn blank() -> Self {
        Self([0.0; SIDE * SIDE])
    }

    /// Inks what lies within `radius` of the line from `a` to `b`.
    fn ink(&mut self, a: Point, b: Point, radius: f32) {
        let along = b - a;
        // A piece of no length is a dot; the floor merely averts 0 / 0.
        let length2 = along.dot(along).max(f32::MIN_POSITIVE);
        let reach = radius + 0.5 * EDGE;
        for y in pixels(a.y, b.y, reach) {
            for x in pixels(a.x, b.x, reach) {
                let from_a = Point::new(x as f32 + 0.5, y as f32 + 0.5) - a;
                let nearest = (from_a.dot(along) / length2).clamp(0.0, 1.0);
                let away = from_a - along * nearest;
                let distance = away.dot(away).sqrt();
                let darkness = ((reach - distance) / EDGE).clamp(0.0, 1.0);
                // The darkest, not the sum: going over ink again leaves no blot.
                let pixel = &mut self.0[y * SIDE + x];
                *pixel = pixel.max(darkness);
            }
        }
    }

    /// Rounds the darkness of each pixel to one of 256 levels.
    fn develop(&self, image: &mut [u8]) {
        for (pixel, darkness) in image.iter_mut().zip(self.0) {
            *pixel = (255.0 * darkness).round() as u8;
        }
    }
}

/// The columns (or rows) of pixels within `reach` of the span from `a` to `b`.
fn pixels(a: f32, b: f32, reach: f32) -> Range<usize> {
    // The conversion to an integer saturates at 0, the first pixel.
    let first = (a.min(b) - reach) as usize;
    let end = (a.max(b) + reach).ceil() as usize;
    first..end.min(SIDE)
}

#[cfg(test)]
mod tests {
    use rand::{SeedableRng, rngs::ChaCha8Rng};

    use super::super::testing::all;
    use super::*;

    /// `count` images of the digits 0, 1, ..., 9, 0, 1, ...
    fn images(count: u64) -> Vec<[u8; SIDE * SIDE]> {
        let image = |i: u64| {
            let mut image = [0; SIDE * SIDE];
            draw(&mut image, (i % 10) as u8, &mut ChaCha8Rng::seed_from_u64(i));
            image
        };
        (0..count).map(image).collect()
    }

    #[test]
    fn items_are_pure_functions_of_seed_and_index() {
        let pixels = |name: &str| match Source::open(name).unwrap() {
            Source { train, test: Some(test), .. } => (all::<f32>(&train), test.rows()),
            _ => panic!("digits have a test part"),
        };
        let (few, more, other) = (
            pixels("digits:count=10"),
            pixels("digits:count=20"),
            pixels("digits:count=10,seed=1"),
        );
        assert_eq!(few.0[..], more.0[..10 * SIDE * SIDE]);
        assert_ne!(few.0, other.0);
        assert_eq!(few.1, 2);
    }

    #[test]
    fn the_margin_is_blank() {
        let ring = |i: usize| i < MARGIN as usize || i >= SIDE - MARGIN as usize;
        for image in images(2000) {
            for (i, &ink) in image.iter().enumerate() {
                assert!(ink == 0 || !(ring(i / SIDE) || ring(i % SIDE)));
            }
        }
    }

    #[test]
    fn drawing_is_deterministic_and_covers_what_was_there() {
        let draw_over = |paper: u8| {
            let mut image = [paper; SIDE * SIDE];
            draw(&mut image, 8, &mut ChaCha8Rng::seed_from_u64(5));
            image
        };
        assert_eq!(draw_over(0), draw_over(255));
    }

    #[test]
    fn no_two_images_are_equal() {
        let mut images = images(2000);
        images.sort_unstable();
        images.dedup();
        assert_eq!(images.len(), 2000);
    }

    #[test]
    fn ink_is_spread_as_in_mnist() {
        let images = images(2000);
        let pixels = images.as_flattened();
        let share =
            |of: fn(u8) -> f64| pixels.iter().map(|&p| of(p)).sum::<f64>() / pixels.len() as f64;
        let mean = share(|p| f64::from(p) / 255.0);
        assert!((0.10..0.16).contains(&mean), "the mean intensity is {mean}");
        let blank = share(|p| f64::from(u8::from(p == 0)));
        assert!(blank > 0.7, "the share of blank pixels is {blank}");
        let full = share(|p| f64::from(u8::from(p == 255)));
        assert!(full > 0.03, "the share of fully inked pixels is {full}");
        assert!(images.iter().all(|image| image.contains(&255)));
    }

    #[test]
    fn curves_pass_through_their_knots_and_turn_at_corners() {
        let [a, b, c] = [(0.0, 0.0), (1.0, 0.0), (1.0, 1.0)].map(|(x, y)| Point::new(x, y));
        let smooth: Vec<_> = curve(&[a, b, c]).collect();
        assert_eq!([smooth[0], smooth[PIECES], smooth[2 * PIECES]], [a, b, c]);
        // With a corner at b, both parts are straight.
        let straight = |p: &Point| p.y.abs() < 1e-6 || (p.x - 1.0).abs() < 1e-6;
        assert!(curve(&[a, b, b, c]).all(|p| straight(&p)));
        assert!(!smooth.iter().all(straight));
    }
}
