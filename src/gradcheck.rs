//! Central differences against any hand-written backward.
//!
//! For a value f of some tensors and an analytic gradient g, every coordinate is moved by ±h and by ±h/2:
//!
//! ```text
//! D(h) = ( f(x + h e_i) − f(x − h e_i) ) / 2h = ∂f/∂x_i + h²/6 f‴ + O(h⁴)
//! n = ( 4 D(h/2) − D(h) ) / 3                 = ∂f/∂x_i − h⁴/480 f⁗′ + …           (Richardson 1911)
//! error = (|g_i − n| − 3ε|f|/h) / max( |g_i|, |n|, 0.01 · max_j |g_j| of that tensor )    must be ≤ 10⁻⁶
//! ```
//!
//! The error is relative, so it cannot pass by being small; what is taken off is the rounding of f in n, which shows
//! where a whole tensor's gradient is nearly nothing (10⁻⁸ beside a loss of 30). The third term keeps coordinates whose
//! gradient is by chance near zero from being judged by rounding alone.
//!
//! Why two differences? Each is off by the rounding of f, some 10⁻¹⁶ |f|/h. The loss of a whole model is tens
//! of nats or more, while the largest gradient of one of its tensors may be a hundredth, and a hundredth of
//! that is what errors are judged by: with h = 10⁻⁵, where the truncation of a single difference is best,
//! rounding alone can then come near 10⁻⁶. With the h² term gone h can be a hundred times as large, and the
//! rounding is as much smaller: in `f64` with h = 10⁻³ it is about 3·10⁻¹³ of the value, and the truncation
//! 2·10⁻¹⁵ of the fifth derivative.
//!
//! Where the fifth derivative is large (exponentials of exponentials, over several levels), that is not enough. A
//! coordinate that fails is tried again with h/5, h/25 and h/125: each time the truncation is 625 times as small, the
//! rounding five times as large. A wrong gradient is as wrong there.
//!
//! A difference across a kink (relu at 0, free bits at their threshold) measures neither side's
//! slope. The subject reports on which side of each kink it is; a point whose two ends disagree is
//! drawn anew, and counted.

use crate::rng::ChaCha8Rng;
use rand_distr::{Distribution as _, StandardNormal};

/// Half the distance between the two evaluations of the wider central difference.
pub const STEP: f64 = 1e-3;

/// Half the distance in the tries that follow one that failed: near a singularity a difference has to be narrow.
const NARROWER: [f64; 3] = [STEP / 5.0, STEP / 25.0, STEP / 125.0];

/// The largest accepted error.
pub const TOLERANCE: f64 = 1e-6;

/// The largest accepted share of points redrawn because of a kink, over all checks; a single check
/// may redraw one point more.
pub const REDRAWN: f64 = 0.01;

/// Redraws after which a check gives up: the subject is then not a function of its inputs.
const MOST_REDRAWS: usize = 100;

/// A value with a hand-written gradient.
pub trait Subject {
    /// The value at `inputs`, and the side of every kink it is on.
    fn value(&mut self, inputs: &[Vec<f64>], kinks: &mut Vec<bool>) -> f64;

    /// The gradient at `inputs`, one tensor for each of them.
    fn gradient(&mut self, inputs: &[Vec<f64>]) -> Vec<Vec<f64>>;
}

/// A tensor that the value depends on.
#[derive(Clone, Debug)]
pub struct Input {
    /// Its name in reports.
    pub name: String,
    /// The point at which the gradient is checked.
    pub values: Vec<f64>,
    /// Whether its gradient is zero by design. Any other all-zero gradient fails.
    pub zero_gradient: bool,
}

impl Input {
    /// A tensor with a gradient.
    pub fn new(name: impl Into<String>, values: Vec<f64>) -> Self {
        Input { name: name.into(), values, zero_gradient: false }
    }
}

/// What a check found.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// Coordinates checked.
    pub points: usize,
    /// Of these, drawn anew because of a kink.
    pub redrawn: usize,
    /// The largest error.
    pub worst: f64,
    /// Where it is: tensor and index.
    pub at: String,
    /// Why the check fails although the errors are small, if it does.
    pub complaint: Option<String>,
}

impl Report {
    /// Whether the gradient is right.
    pub fn passed(&self) -> bool {
        self.worst <= TOLERANCE && self.complaint.is_none()
    }
}

/// Checks every coordinate of every input. `flip` negates the analytic gradient of one input, for tests
/// that the check can fail, and checks that input alone, up to the first coordinate that fails: nothing else has
/// changed.
///
/// # Panics
/// If the subject's gradient has fewer tensors than there are inputs.
pub fn check(
    subject: &mut dyn Subject,
    inputs: &[Input],
    flip: Option<usize>,
    rng: &mut ChaCha8Rng,
) -> Report {
    let mut point: Vec<Vec<f64>> = inputs.iter().map(|i| i.values.clone()).collect();
    let mut report = Report::default();
    for (t, input) in inputs.iter().enumerate().filter(|(t, _)| flip.is_none_or(|flip| flip == *t))
    {
        let mut gradient = gradient_of(subject, &point, t, flip);
        if gradient.len() != input.values.len() {
            report.complaint =
                Some(format!("the gradient of {} has {} elements", input.name, gradient.len()));
            return report;
        }
        for i in 0..gradient.len() {
            let (mut numeric, mut error);
            (numeric, error) = loop {
                match slope(subject, &mut point, t, i, STEP) {
                    Some((numeric, size)) => {
                        let rounding = 3.0 * f64::EPSILON * size / STEP;
                        let error = error_of(&gradient, i, numeric, rounding, input);
                        break (numeric, error);
                    }
                    None if report.redrawn == MOST_REDRAWS => {
                        report.complaint =
                            Some(format!("{} lies at a kink wherever it is moved", input.name));
                        return report;
                    }
                    None => {
                        let step: f64 = StandardNormal.sample(rng);
                        point[t][i] += 0.1 * step;
                        gradient = gradient_of(subject, &point, t, flip);
                        report.redrawn += 1;
                    }
                }
            };
            for step in NARROWER {
                // Once is enough to fail.
                if error > TOLERANCE
                    && report.worst <= TOLERANCE
                    && let Some((narrow, _)) = slope(subject, &mut point, t, i, step)
                {
                    let better = error_of(&gradient, i, narrow, 0.0, input);
                    (numeric, error) =
                        if better < error { (narrow, better) } else { (numeric, error) };
                }
            }
            report.points += 1;
            // A NaN must not slip through the comparison.
            let error = if error.is_nan() { f64::INFINITY } else { error };
            if error > report.worst {
                report.worst = error;
                report.at = format!(
                    "{}[{i}]: {:e} by hand, {numeric:e} by differences",
                    input.name, gradient[i]
                );
            }
            if flip.is_some() && report.worst > TOLERANCE {
                return report;
            }
        }
        let is_zero = |gradient: &[f64]| gradient.iter().all(|g| *g == 0.0);
        // A point that was moved off a kink may have moved into a flat place.
        let first = || inputs.iter().map(|i| i.values.clone()).collect::<Vec<_>>();
        if !input.zero_gradient
            && !gradient.is_empty()
            && is_zero(&gradient)
            && is_zero(&gradient_of(subject, &first(), t, flip))
        {
            report.complaint = Some(format!("the gradient of {} is all zero", input.name));
        }
    }
    if report.redrawn as f64 > REDRAWN * report.points as f64 + 1.0 {
        report.complaint =
            Some(format!("{} of {} points lie at a kink", report.redrawn, report.points));
    }
    report
}

/// a − b, but not below 0; a NaN stays.
fn beyond(a: f64, b: f64) -> f64 {
    if a <= b { 0.0 } else { a - b }
}

/// How far a slope is from the gradient's i-th coordinate, beyond what rounding makes of it.
fn error_of(gradient: &[f64], i: usize, numeric: f64, rounding: f64, input: &Input) -> f64 {
    let largest = gradient.iter().fold(0.0f64, |m, g| m.max(g.abs()));
    let scale = gradient[i].abs().max(numeric.abs()).max(0.01 * largest);
    if input.zero_gradient {
        // Zero by design: exactly so in the analytic one, up to rounding in the other.
        if gradient[i] == 0.0 && numeric.abs() < 1e-9 { 0.0 } else { f64::INFINITY }
    } else if scale == 0.0 {
        0.0
    } else {
        beyond((gradient[i] - numeric).abs(), rounding) / scale
    }
}

fn gradient_of(
    subject: &mut dyn Subject,
    point: &[Vec<f64>],
    t: usize,
    flip: Option<usize>,
) -> Vec<f64> {
    let mut gradient = subject.gradient(point).swap_remove(t);
    if flip == Some(t) {
        gradient.iter_mut().for_each(|g| *g = -*g);
    }
    gradient
}

/// The slope by two central differences, and the size of the value; None if their ends lie on different sides of
/// a kink.
fn slope(
    subject: &mut dyn Subject,
    point: &mut [Vec<f64>],
    t: usize,
    i: usize,
    step: f64,
) -> Option<(f64, f64)> {
    let (wide, size, sides) = central_difference(subject, point, t, i, step)?;
    let (narrow, _, inner) = central_difference(subject, point, t, i, 0.5 * step)?;
    (sides == inner).then_some(((4.0 * narrow - wide) / 3.0, size))
}

/// And the size of the value, and the sides of all kinks; None if the ends lie on different ones.
fn central_difference(
    subject: &mut dyn Subject,
    point: &mut [Vec<f64>],
    t: usize,
    i: usize,
    step: f64,
) -> Option<(f64, f64, Vec<bool>)> {
    let (x, [mut above, mut below]) = (point[t][i], [Vec::new(), Vec::new()]);
    let (up, down) = (x + step, x - step);
    point[t][i] = up;
    let high = subject.value(point, &mut above);
    point[t][i] = down;
    let low = subject.value(point, &mut below);
    point[t][i] = x;
    // Divide by the distance that was really gone, after rounding.
    (above == below).then(|| ((high - low) / (up - down), high.abs().max(low.abs()), above))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::{Address, Purpose};

    /// f(x, y) = Σ xᵢ³ + |y|
    struct Cubes {
        slip: f64,
    }

    impl Subject for Cubes {
        fn value(&mut self, inputs: &[Vec<f64>], kinks: &mut Vec<bool>) -> f64 {
            kinks.push(inputs[1][0] > 0.0);
            inputs[0].iter().map(|x| x.powi(3)).sum::<f64>() + inputs[1][0].abs()
        }
        fn gradient(&mut self, inputs: &[Vec<f64>]) -> Vec<Vec<f64>> {
            let d_x = inputs[0].iter().map(|x| 3.0 * x * x + self.slip).collect();
            vec![d_x, vec![inputs[1][0].signum()]]
        }
    }

    fn run(slip: f64, y: f64, flip: Option<usize>) -> Report {
        let inputs = [Input::new("x", vec![0.5, -1.2, 2.0]), Input::new("y", vec![y])];
        check(&mut Cubes { slip }, &inputs, flip, &mut Address::new(0, Purpose::Check).rng())
    }

    #[test]
    fn accepts_right_gradients_and_refuses_wrong_ones() {
        assert!(run(0.0, 0.4, None).passed());
        assert!(!run(1e-4, 0.4, None).passed());
        assert!(!run(0.0, 0.4, Some(0)).passed());
        assert!(!run(0.0, 0.4, Some(1)).passed());
        assert!(!run(f64::NAN, 0.4, None).passed());
    }

    /// f(x) = 10⁵ + Σ sin xᵢ: the slope of which a single difference measures to some 10⁻⁷.
    struct Offset;

    impl Subject for Offset {
        fn value(&mut self, inputs: &[Vec<f64>], _: &mut Vec<bool>) -> f64 {
            1e5 + inputs[0].iter().map(|x| x.sin()).sum::<f64>()
        }
        fn gradient(&mut self, inputs: &[Vec<f64>]) -> Vec<Vec<f64>> {
            vec![inputs[0].iter().map(|x| x.cos()).collect()]
        }
    }

    #[test]
    fn rounding_of_a_large_value_does_not_show() {
        let inputs = [Input::new("x", vec![0.5, -1.2, 0.1, 1.0])];
        let rng = &mut Address::new(0, Purpose::Check).rng();
        let report = check(&mut Offset, &inputs, None, rng);
        assert!(report.passed(), "{report:?}");

        let step_of_one = 1e-5; // where truncation and rounding of a single one are least
        let mut point = vec![inputs[0].values.clone()];
        let error = |i: usize, point: &mut Vec<Vec<f64>>| {
            let one = central_difference(&mut Offset, point, 0, i, step_of_one);
            let (slope, right) = (one.expect("no kink").0, point[0][i].cos());
            (slope - right).abs() / right
        };
        assert!((0..4).any(|i| error(i, &mut point) > 1e-7), "a single one would do");
    }

    #[test]
    fn points_at_a_kink_are_redrawn_and_counted() {
        let report = run(0.0, 1e-7, None);
        assert!(report.redrawn >= 1 && report.passed(), "{report:?}");
    }
}
