//! The ordinal distribution: one of K levels in an order, such as grades, from cumulative logits.
//!
//! ```text
//! Shapes    x [D], levels 0 … K−1   η = location μ [D]   own = [first threshold c; log-gaps g_1 … g_{K−2}]
//!           [(K−1)·D]: the D of each, one after another
//! Forward   θ_1 = c, θ_{k+1} = θ_k + e^{g_k}, θ_0 = −∞, θ_K = ∞.   P(x ≤ k) = σ(θ_{k+1} − μ):
//!           level k is the bin [θ_k, θ_{k+1}] of a logistic around μ. With a = θ_k − μ, b = θ_{k+1} − μ,
//!           δ = b − a, as in `discretized_logistic.rs`,
//!             log p = −softplus(−b) − softplus(a) + ln(1 − e^{−δ})
//!             at the lowest level −softplus(−b), at the highest −softplus(a)
//! Backward  ∂/∂b = σ(−b), ∂/∂a = −σ(a), of the edges that there are; ∂ ln(1 − e^{−δ})/∂g = δ/(e^δ − 1):
//!             ∂/∂c = ∂/∂a + ∂/∂b = −∂/∂μ          ∂/∂g_j = e^{g_j} ∂/∂c  for the gaps below the bin, j < k
//!             ∂/∂g_k = e^{g_k} σ(−b) + δ/(e^δ − 1), with δ = e^{g_k}, the bin's own
//! Numerics  with L of `math/mean_exp.rs`, ln(1 − e^{−δ}) = g + L(e^g) and δ/(e^δ − 1) = 1 + δ L′(δ)
//! Source    McCullagh 1980, "Regression models for ordinal data"
//! ```
//!
//! Thresholds are shared by all rows: what a latent moves is where a row stands between them.

use super::univariate::likeliest;
use super::{
    At, Below, Coded, Distribution, Domain, Factorized, Facts, Likelihood, Member, Moments,
    RowGradient, Spec,
};
use crate::error::Error;
use crate::math::mean_exp::ln_mean_exp;
use crate::math::{portable, sigmoid, softplus};
use crate::params::{Scope, Start};
use crate::real::Real;
use crate::rng::ChaCha8Rng;
use rand::RngExt;

/// So many levels.
#[derive(Clone, Copy, Debug)]
pub struct Ordinal {
    levels: usize,
}

pub(super) fn member<T: Real>() -> Member<Box<dyn Distribution<T>>> {
    Member {
        name: "ordinal",
        summary: "one of `levels=K` in an order, numbered from 0; the net emits where a row stands, the thresholds \
                  are learned",
        build: |spec| {
            spec.only(&["levels"])?;
            let Some(levels) = spec.whole("levels", 2..=1 << 10)? else {
                let message = "is needed: how many levels there are";
                return Err(Error::setting("ordinal:levels", message));
            };
            Ok(Box::new(Ordinal { levels }))
        },
        examples: &["ordinal:levels=2", "ordinal:levels=3"],
    }
}

/// log p of one value, with its slopes by the edges of its bin.
struct Bin<T> {
    log_p: T,
    /// ∂/∂a + ∂/∂b = −∂/∂μ
    d_both: T,
    /// The gap that is the bin's width, if it has two edges, and ∂/∂g of it.
    own_gap: Option<(usize, T)>,
}

impl Ordinal {
    /// The gaps of column i of n, e^{g_1} … e^{g_{K−2}}.
    fn gaps<T: Real>(self, own: &[T], i: usize, n: usize) -> impl Iterator<Item = T> {
        own.iter().skip(n + i).step_by(n).take(self.levels - 2).map(|g| g.exp())
    }

    /// Column i's thresholds θ_1 … θ_{K−1}.
    fn thresholds<T: Real>(self, own: &[T], i: usize, n: usize) -> impl Iterator<Item = T> {
        let steps = [own[i]].into_iter().chain(self.gaps(own, i, n));
        steps.scan(T::zero(), |sum, step| {
            *sum += step;
            Some(*sum)
        })
    }

    fn bin<T: Real>(self, x: T, mean: T, own: &[T], i: usize, n: usize) -> Bin<T> {
        let (zero, one) = (T::zero(), T::one());
        let level = x.to_f64() as usize;
        let mut edges = self.thresholds(own, i, n).skip(level.saturating_sub(1));
        let below = (level > 0).then(|| edges.next().expect("a threshold") - mean);
        let above = edges.next().map(|edge| edge - mean);
        let d_below = below.map_or(zero, |a| -sigmoid(a));
        let d_above = above.map_or(zero, |b| sigmoid(-b));
        let outside = below.map_or(zero, softplus) + above.map_or(zero, |b| softplus(-b));
        let (mut log_p, mut own_gap) = (-outside, None);
        if let (Some(_), Some(_)) = (below, above) {
            let gap = own[level * n + i];
            let width = gap.exp();
            let (value, slope) = ln_mean_exp(width);
            log_p += gap + value;
            own_gap = Some((level, width * d_above + one + width * slope));
        }
        Bin { log_p, d_both: d_below + d_above, own_gap }
    }
}

impl<T: Real> Distribution<T> for Ordinal {
    fn spec(&self) -> Spec {
        Spec::new("ordinal").with("levels", self.levels)
    }

    fn eta_width(&self, width: usize) -> usize {
        width
    }

    /// Before training all levels are equally likely: θ_k = logit(k/K).
    fn own(&self, scope: &mut Scope<'_>, width: usize) {
        let logit = |k: usize| (k as f64 / (self.levels - k) as f64).ln();
        scope.tensor("threshold", &[width], Start::Constant(logit(1)));
        for k in 1..self.levels - 1 {
            let gap = logit(k + 1) - logit(k);
            scope.tensor(&format!("gap.{k}"), &[width], Start::Constant(gap.ln()));
        }
    }

    fn facts(&self, _column: usize) -> Facts {
        let domain = Domain::Levels(self.levels as u32);
        Facts::of(domain)
    }

    /// E x = Σ_{k ≥ 1} P(x ≥ k) = Σ_k σ(μ − θ_k)
    fn mean(&self, mean: &mut [T], eta: &[T], own: &[T]) {
        let n = mean.len();
        for (i, mean) in mean.iter_mut().enumerate() {
            *mean = self.thresholds(own, i, n).map(|edge| sigmoid(eta[i] - edge)).sum();
        }
    }

    /// The bin that a draw from the logistic falls into.
    fn sample(&self, x: &mut [T], eta: &[T], own: &[T], rng: &mut ChaCha8Rng) {
        let n = x.len();
        for (i, x) in x.iter_mut().enumerate() {
            let u = rng.random::<f64>();
            let t = eta[i].to_f64() + u.ln() - (-u).ln_1p();
            let below = self.thresholds(own, i, n).filter(|edge| edge.to_f64() < t).count();
            *x = T::from_f64(below as f64);
        }
    }

    /// The middle of the thresholds; a mean says nothing of how levels are shared out.
    fn start(&self, bias: &mut [T], _own: &mut [T], _data: &Moments) {
        bias.fill(T::zero());
    }

    fn as_likelihood(&self) -> Option<&dyn Likelihood<T>> {
        Some(self)
    }
}

impl<T: Real> Likelihood<T> for Ordinal {
    fn log_prob(&self, x: &[T], eta: &[T], own: &[T]) -> T {
        let n = x.len();
        // One after another in `f32`, hundreds of values would round the sum so far with each.
        T::from_f64((0..n).map(|i| self.bin(x[i], eta[i], own, i, n).log_p.to_f64()).sum())
    }

    fn log_prob_gradient(&self, d: RowGradient<'_, T>, x: &[T], eta: &[T], own: &[T]) -> T {
        let n = x.len();
        let bins = (0..n).map(|i| self.bin(x[i], eta[i], own, i, n));
        let sum = bins.zip(d.d_eta).fold(0.0, |sum, (bin, d_mean)| {
            *d_mean = -bin.d_both;
            sum + bin.log_p.to_f64()
        });
        T::from_f64(sum)
    }

    fn mode(&self, mode: &mut [T], eta: &[T], own: &[T]) {
        let n = mode.len();
        for (i, mode) in mode.iter_mut().enumerate() {
            let levels = (0..self.levels).map(|level| T::from_f64(level as f64));
            *mode = likeliest(levels, |x| self.bin(x, eta[i], own, i, n).log_p);
        }
    }

    fn own_backward(&self, d_own: &mut [T], weight: T, x: &[T], eta: &[T], own: &[T]) {
        let n = x.len();
        for i in 0..n {
            let Bin { d_both, own_gap, .. } = self.bin(x[i], eta[i], own, i, n);
            d_own[i] += weight * d_both;
            let below = (x[i].to_f64() as usize).saturating_sub(1);
            for (k, gap) in (1..).zip(self.gaps(own, i, n).take(below)) {
                d_own[k * n + i] += weight * gap * d_both;
            }
            if let Some((k, d_gap)) = own_gap {
                d_own[k * n + i] += weight * d_gap;
            }
        }
    }

    fn as_factorized(&self) -> Option<&dyn Factorized<T>> {
        Some(self)
    }

    fn as_coded(&self) -> Option<&dyn Coded<T>> {
        Some(self)
    }
}

impl<T: Real> Factorized<T> for Ordinal {}

impl<T: Real> Coded<T> for Ordinal {
    fn law(&self, At { column, x, eta, own }: At<'_, T>, with: &mut dyn FnMut(&Below<'_>)) {
        let (n, mut edge) = (x.len(), own[column].to_f64());
        let mut thresholds = vec![edge];
        for gap in own.iter().skip(n + column).step_by(n).take(self.levels - 2) {
            edge += portable::exp(gap.to_f64());
            thresholds.push(edge);
        }
        let mean = eta[column].to_f64();
        with(&|level| match level.ceil() {
            k if k <= 0.0 => 0.0,
            k if k < self.levels as f64 => portable::sigmoid(thresholds[k as usize - 1] - mean),
            _ => 1.0,
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Against differences of sigmoids; of two levels it is a coin; far from all thresholds it is finite.
    #[test]
    fn it_is_the_mass_between_its_thresholds() {
        let law = Ordinal { levels: 4 };
        let (mean, own) = (0.3f64, [-0.7f64, 0.2, -1.1]);
        let edges = [-0.7, -0.7 + 0.2f64.exp(), -0.7 + 0.2f64.exp() + (-1.1f64).exp()];
        let below = |k: usize| if k == 3 { 1.0 } else { sigmoid(edges[k] - mean) };
        for k in 0..4 {
            let mass = below(k) - if k > 0 { below(k - 1) } else { 0.0 };
            let log_p = law.log_prob(&[k as f64], &[mean], &own);
            assert!((log_p - mass.ln()).abs() < 1e-13, "{k}: {log_p} {}", mass.ln());
        }
        let coin = Ordinal { levels: 2 };
        assert!((coin.log_prob(&[1.0], &[0.9], &[0.2]) - sigmoid(0.7f64).ln()).abs() < 1e-15);
        let far = law.log_prob(&[2f32], &[1e4], &own.map(|v| v as f32));
        assert!((f64::from(far) + 1e4).abs() < 10.0, "{far}");
    }
}
