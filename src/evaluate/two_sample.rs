//! A two-sample test by a classifier: can it tell generated rows from held-out ones?
//!
//! ```text
//! AUC = P( s(generated) > s(held out) ),   s the classifier's logit, on rows that it was not trained on
//! ```
//!
//! ½ where it cannot, 1 where it always can (Lopez-Paz & Oquab 2017; the area under the curve is the
//! Mann–Whitney statistic). The classifier is a network with one hidden layer, trained on half of the rows of either
//! kind and judged on the other half. What it does not find another one might: the figure is a lower bound on how
//! far apart the two are.

use crate::family::Spec;
use crate::gradient::Gradient;
use crate::math::sigmoid;
use crate::nn::{Activation, Network};
use crate::optim::{Adam, AdamConfig};
use crate::params::{Init, Layout};
use crate::rng::{Address, Purpose};
use ndarray::{Array2, ArrayView2, Axis, concatenate, s};
use rand::seq::SliceRandom;

/// Passes over the rows, and rows of a step.
const EPOCHS: usize = 30;
const BATCH: usize = 100;

/// An area under the curve.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Auc {
    /// From 0 to 1.
    pub value: f64,
    /// Of the rows that it was judged on (Hanley & McNeil 1982, eq. 1).
    pub standard_error: f64,
}

/// How well a classifier tells the rows of the two apart; `[N, D]` and `[M, D]`, of four rows each at least.
///
/// # Panics
/// If the widths differ, or there are fewer rows.
pub fn two_sample_auc(generated: &ArrayView2<f32>, held_out: &ArrayView2<f32>, seed: u64) -> Auc {
    assert!(generated.nrows() >= 4 && held_out.nrows() >= 4, "four rows of either kind");
    let (mean, spread) = units(held_out);
    let in_units = |rows: ArrayView2<f32>| (&rows - &mean) / &spread;
    let halves = |rows: &ArrayView2<f32>| {
        let (first, second) = rows.view().split_at(Axis(0), rows.nrows() / 2);
        [in_units(first), in_units(second)]
    };
    let ([of_g, judge_g], [of_h, judge_h]) = (halves(generated), halves(held_out));
    let x = concatenate(Axis(0), &[of_g.view(), of_h.view()]).expect("of one width");
    let labels: Vec<f32> =
        (0..x.nrows()).map(|i| if i < of_g.nrows() { 1.0 } else { 0.0 }).collect();
    let mut classifier = Classifier::new(x.ncols(), seed);
    classifier.train(&x, &labels, seed);
    auc(&classifier.logits(&judge_g), &classifier.logits(&judge_h))
}

/// How well a classifier that learned these labels, 0 or 1, of the rows `x` tells those of other rows.
///
/// # Panics
/// If the widths differ, or there are not as many labels as rows.
pub(super) fn auc_of_labels(
    x: &ArrayView2<f32>,
    labels: &[f32],
    others: &ArrayView2<f32>,
    of_others: &[f32],
    seed: u64,
) -> Auc {
    let (mean, spread) = units(x);
    let in_units = |rows: &ArrayView2<f32>| (rows - &mean) / &spread;
    let mut classifier = Classifier::new(x.ncols(), seed);
    classifier.train(&in_units(x), labels, seed);
    let logits = classifier.logits(&in_units(others));
    let of = |label: f32| {
        let pairs = logits.iter().zip(of_others).filter(|(_, l)| **l == label);
        pairs.map(|(logit, _)| *logit).collect::<Vec<_>>()
    };
    auc(&of(1.0), &of(0.0))
}

/// The mean of each column, and its spread, 1 where it has none.
fn units(rows: &ArrayView2<f32>) -> (Array2<f32>, Array2<f32>) {
    let mean = rows.mean_axis(Axis(0)).expect("rows").insert_axis(Axis(0));
    let spread = rows.std_axis(Axis(0), 0.0).insert_axis(Axis(0));
    (mean, spread.mapv(|s| if s > 0.0 { s } else { 1.0 }))
}

/// P(a > b) over all pairs, with ties counted half.
fn auc(generated: &[f32], held_out: &[f32]) -> Auc {
    let mut all: Vec<(f32, bool)> = generated.iter().map(|s| (*s, true)).collect();
    all.extend(held_out.iter().map(|s| (*s, false)));
    all.sort_by(|a, b| a.0.total_cmp(&b.0));
    let (n, m) = (generated.len() as f64, held_out.len() as f64);
    let (mut below, mut wins) = (0.0, 0.0);
    for ties in all.chunk_by(|a, b| a.0 == b.0) {
        let of_generated = ties.iter().filter(|(_, generated)| *generated).count() as f64;
        let of_held_out = ties.len() as f64 - of_generated;
        wins += of_generated * (below + 0.5 * of_held_out);
        below += of_held_out;
    }
    let a = wins / (n * m);
    let (q1, q2) = (a / (2.0 - a), 2.0 * a * a / (1.0 + a));
    let variance = (a * (1.0 - a) + (n - 1.0) * (q1 - a * a) + (m - 1.0) * (q2 - a * a)) / (n * m);
    Auc { value: a, standard_error: variance.max(0.0).sqrt() }
}

struct Classifier {
    network: Network<f32>,
    layout: Layout,
    params: Vec<f32>,
}

impl Classifier {
    fn new(inputs: usize, seed: u64) -> Self {
        let mut layout = Layout::default();
        let layers = [Spec::new("dense").with_value(64)];
        let scope = &mut layout.scope("classifier");
        let network = Network::new(scope, inputs, &layers, 1, Activation::Relu)
            .expect("there are dense layers");
        let params = layout.init(Init::Uniform, seed);
        Classifier { network, layout, params }
    }

    /// Minimises the mean of ln(1 + e^{−(2y − 1) l}), whose slope in the logit l is σ(l) − y.
    fn train(&mut self, x: &Array2<f32>, labels: &[f32], seed: u64) {
        let config = AdamConfig { weight_decay: 1e-2, ..AdamConfig::default() };
        let mut adam = Adam::new(config, self.params.len());
        let mut gradient = Gradient::zeros(&self.layout);
        let mut buffers = self.network.buffers(BATCH, true);
        let mut order: Vec<usize> = (0..labels.len()).collect();
        let mut rng = Address::new(seed, Purpose::Shuffle).rng();
        for _ in 0..EPOCHS {
            order.shuffle(&mut rng);
            for rows in order.chunks(BATCH) {
                let x = x.select(Axis(0), rows);
                self.network.forward(&mut buffers, &x.view(), &self.params, None);
                let mut d = buffers.out(rows.len()).to_owned();
                for (d, row) in d.iter_mut().zip(rows) {
                    *d = (sigmoid(*d) - labels[*row]) / rows.len() as f32;
                }
                gradient.clear();
                let (d, x) = (d.view(), x.view());
                let into = Some(&mut gradient);
                self.network.backward(into, None, &d, &mut buffers, &x, &self.params);
                adam.update(&mut self.params, gradient.values(), 1.0, 1e-3, None);
            }
        }
    }

    fn logits(&self, x: &Array2<f32>) -> Vec<f32> {
        let mut buffers = self.network.buffers(BATCH, false);
        let mut logits = Vec::with_capacity(x.nrows());
        for first in (0..x.nrows()).step_by(BATCH) {
            let rows = x.slice(s![first..x.nrows().min(first + BATCH), ..]);
            self.network.forward(&mut buffers, &rows, &self.params, None);
            logits.extend(buffers.out(rows.nrows()).iter());
        }
        logits
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn normals(rows: usize, scale: f32, stream: u64) -> Array2<f32> {
        let mut x = vec![0.0; rows * 3];
        Address::new(0, Purpose::Check).row(stream).fill_normal(&mut x);
        Array2::from_shape_vec((rows, 3), x.into_iter().map(|v: f32| scale * v).collect()).unwrap()
    }

    #[test]
    fn the_area_is_the_share_of_pairs() {
        let found = auc(&[1.0, 3.0, 2.0], &[0.0, 2.0]);
        assert!((found.value - 4.5 / 6.0).abs() < 1e-12, "{found:?}");
    }

    /// The same distribution is not told apart; one twice as wide is, though no straight line does it.
    #[test]
    fn alike_is_a_half_and_wider_is_found() {
        let held_out = normals(2000, 1.0, 1);
        let alike = two_sample_auc(&normals(2000, 1.0, 2).view(), &held_out.view(), 0);
        assert!((alike.value - 0.5).abs() < 4.0 * alike.standard_error, "{alike:?}");
        assert!((0.01..0.03).contains(&alike.standard_error), "{alike:?}");
        let wider = two_sample_auc(&normals(2000, 2.0, 2).view(), &held_out.view(), 0);
        assert!(wider.value > 0.75, "{wider:?}");
    }
}
