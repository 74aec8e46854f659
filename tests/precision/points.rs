//! The points that operations are compared at: ordinary ones, and those that textbook formulas fail on.

use elbo::check::{Tensor, Values, stream};
use elbo::distribution::Support;

/// eˣ overflows above 88.7 and is 0 below −104, σ rounds to 1 above 17; and nearly or exactly nothing, of
/// either sign.
const EXTREMES: [f32; 16] = [
    1e4, -1e4, 88.0, -88.0, 104.0, -104.0, 88.8, -88.8, 17.5, -17.5, 1.0, -1.0, 1e-30, -1e-30, 0.0,
    -0.0,
];

/// Extreme data, as far as a distribution accepts them.
const VALUES: [f32; 7] = [1e4, -1e4, 1e-30, -0.0, 1.0, 0.0, -1.0];

/// The same for parameters that may be log-variances: σ from 5·10⁻⁵ to 2·10⁴.
const LOG_VARIANCES: [f32; 8] = [20.0, -20.0, 1.0, -1.0, 1e-30, -1e-30, 0.0, -0.0];

/// An ordinary point.
pub(crate) fn ordinary(inputs: &[Tensor]) -> Vec<Vec<f32>> {
    inputs.iter().map(|input| input.point(stream(&input.name))).collect()
}

/// Points with ordinary and extreme tensors in every combination, of which `most` are extreme at most.
pub(crate) fn combinations(inputs: &[Tensor], most: usize) -> Vec<Vec<Vec<f32>>> {
    let mut points = vec![(0, Vec::new())];
    for input in inputs {
        let ordinary = input.point::<f32>(stream(&input.name));
        let extreme = extremes(input);
        points = points
            .into_iter()
            .flat_map(|(count, point): (usize, Vec<Vec<f32>>)| {
                let with = |count, tensor: &Vec<f32>| {
                    (count, point.iter().chain([tensor]).cloned().collect::<Vec<_>>())
                };
                let mut all = vec![with(count, &ordinary)];
                if count < most {
                    all.extend(extreme.iter().map(|tensor| with(count + 1, tensor)));
                }
                all
            })
            .collect();
    }
    points.into_iter().map(|(_, point)| point).collect()
}

/// Extreme values of a tensor, in one order or several.
fn extremes(input: &Tensor) -> Vec<Vec<f32>> {
    let cycle = |values: &[f32], skip: usize| {
        values.iter().copied().cycle().skip(skip).take(input.len).collect::<Vec<_>>()
    };
    match &input.values {
        _ if input.len == 0 => Vec::new(),
        Values::Real(_) => vec![cycle(&EXTREMES, 0)],
        // The first of few is the widest, or the narrowest.
        Values::LogVariance(_) => vec![cycle(&LOG_VARIANCES, 0), cycle(&LOG_VARIANCES, 1)],
        Values::Of(columns) => {
            let extreme = |i: usize| {
                let domain = columns[i % columns.len()].domain;
                let accepted = |v: &f32| !matches!(domain.support(*v as f64), Support::Outside(_));
                let mut accepted = VALUES.into_iter().filter(accepted).cycle().skip(i);
                accepted.next().expect("0 or 1")
            };
            vec![(0..input.len).map(extreme).collect()]
        }
        Values::Positive => vec![cycle(&[1e4, 1e-30, 1.0, 88.8], 0)],
    }
}
