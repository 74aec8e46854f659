//! A mixture of C distributions of each column, of any likelihood whose columns are independent.
//!
//! ```text
//! Shapes    x [D]   η = [η_1 … η_C, each as the member's own; weights' logits l_1 … l_C [C·D]]
//!           own = those of the C components, one after another
//! Forward   log p(x_i|η) = ln Σ_c π_ci p_c(x_i),   π_ci = e^{l_ci}/Σ_k e^{l_ki}
//!                        = ln Σ_c e^{l_ci + log p_c(x_i)} − ln Σ_c e^{l_ci}
//! Backward  with the responsibilities r_ci = e^{l_ci + log p_c(x_i)}/Σ_k e^{l_ki + log p_k(x_i)}, which are a
//!           softmax, the slope of a log-sum-exp:
//!             ∂/∂l_ci = r_ci − π_ci     ∂/∂η_c = r_ci ∂log p_c(x_i)/∂η_c     ∂/∂x_i = Σ_c r_ci ∂log p_c/∂x_i
//!             its own tensors as η
//! Numerics  each column's terms less their own maximum; sums of C in order
//! Source    Bishop 1994, "Mixture density networks"; of discretised logistics: Salimans et al. 2017
//! ```
//!
//! Each column chooses its component by itself. The components start apart, or they would stay one: see
//! [`Distribution::start`] here.

use super::coded::exponentials;
use super::factorized::log_prob_of_row;
use super::{
    At, Below, Coded, Distribution, Factorized, Facts, Likelihood, Member, Moments, RowGradient,
    Spec, build_likelihood, shifted,
};
use crate::error::{Error, Result};
use crate::math;
use crate::params::Scope;
use crate::real::Real;
use crate::rng::ChaCha8Rng;
use rand::RngExt;
use std::ops::Range;

/// So many components, distributed as `of`.
pub struct Mixture<T> {
    of: Box<dyn Distribution<T>>,
    components: usize,
}

pub(super) fn member<T: Real>() -> Member<Box<dyn Distribution<T>>> {
    Member {
        name: "mixture",
        summary: "each column a mixture of `components=C` (2) of any likelihood of independent columns, `of=NAME`, \
                  or of=(NAME:KEY=VALUE)",
        build: |spec| Ok(Box::new(Mixture::from_spec(spec)?)),
        examples: &[
            "mixture:of=logistic",
            "mixture:of=(discretized-logistic:levels=5,scale=learned),components=3",
        ],
    }
}

/// The ability of a member that is checked to have it.
fn factorized<T: Real>(of: &dyn Distribution<T>) -> &dyn Factorized<T> {
    of.as_likelihood().and_then(Likelihood::as_factorized).expect("checked when it was made")
}

/// The likelihood of independent columns that `spec` says its wrapper is of.
///
/// # Errors
/// If it says none.
pub(super) fn inner<T: Real>(spec: &Spec) -> Result<Box<dyn Distribution<T>>> {
    let setting = format!("{}:of", spec.name());
    let Some(inner) = spec.spec("of")? else {
        return Err(Error::setting(setting, "is needed: which likelihood, by its name"));
    };
    let of = build_likelihood::<T>(&inner)?;
    if of.as_likelihood().and_then(Likelihood::as_factorized).is_none() {
        let message = format!("the columns of `{inner}` are not independent");
        return Err(Error::setting(setting, message));
    }
    Ok(of)
}

impl<T: Real> Mixture<T> {
    fn from_spec(spec: &Spec) -> Result<Self> {
        spec.only(&["of", "components"])?;
        let components = spec.whole("components", 2..=1 << 10)?.unwrap_or(2);
        let of = inner::<T>(spec)?;
        // Nested, components multiply.
        if of.spec().to_string().contains("mixture:") {
            let message = "a mixture of mixtures is a mixture: give it more components";
            return Err(Error::setting("mixture:of", message));
        }
        Ok(Mixture { of, components })
    }

    /// Components and the ranges of their η and their own tensors, for n columns.
    fn parts(&self, n: usize, own: usize) -> impl Iterator<Item = (Range<usize>, Range<usize>)> {
        let (eta, own) = (self.of.eta_width(n), own / self.components);
        (0..self.components).map(move |c| (c * eta..(c + 1) * eta, c * own..(c + 1) * own))
    }

    /// Where the logits begin.
    fn logits(&self, n: usize) -> usize {
        self.components * self.of.eta_width(n)
    }

    /// `log_p ← log p(x_i|η)`. In `r`, `[C·D]`, stands log p_c(x_i), and afterwards r_ci.
    fn join(&self, log_p: &mut [T], r: &mut [T], logits: &[T]) {
        let (n, mut terms) = (log_p.len(), vec![T::zero(); self.components]);
        for (i, log_p) in log_p.iter_mut().enumerate() {
            let at = |c: usize| c * n + i;
            (0..self.components).for_each(|c| terms[c] = logits[at(c)]);
            let prior = math::log_sum_exp(&terms);
            (0..self.components).for_each(|c| terms[c] += r[at(c)]);
            let joint = math::log_sum_exp(&terms);
            (0..self.components).for_each(|c| r[at(c)] = (terms[c] - joint).exp());
            *log_p = joint - prior;
        }
    }

    /// log p_c(x_i) of all components, `[C·D]`, and their gradients where there is room.
    fn score(&self, d_eta: &mut [T], d_x: &mut [T], x: &[T], eta: &[T], own: &[T]) -> Vec<T> {
        let (n, of) = (x.len(), factorized(&*self.of));
        let mut log_p = vec![T::zero(); self.components * n];
        let parts = self.parts(n, own.len()).zip(log_p.chunks_mut(n)).enumerate();
        for (c, ((at_eta, at_own), log_p)) in parts {
            let d_eta = if d_eta.is_empty() { &mut [] } else { &mut d_eta[at_eta.clone()] };
            let d_x = if d_x.is_empty() { &mut [] } else { &mut d_x[c * n..(c + 1) * n] };
            of.log_probs(log_p, RowGradient { d_eta, d_x }, x, &eta[at_eta], &own[at_own]);
        }
        log_p
    }

    /// The π_ci, `[C·D]`.
    fn weights(&self, logits: &[T], n: usize) -> Vec<T> {
        let (mut log_p, mut r) = (vec![T::zero(); n], vec![T::zero(); logits.len()]);
        self.join(&mut log_p, &mut r, logits);
        r
    }
}

impl<T: Real> Distribution<T> for Mixture<T> {
    fn spec(&self) -> Spec {
        Spec::new("mixture").with_spec("of", &self.of.spec()).with("components", self.components)
    }

    fn eta_width(&self, width: usize) -> usize {
        self.components * (self.of.eta_width(width) + width)
    }

    fn rates(&self, width: usize) -> Vec<Range<usize>> {
        let each = self.parts(width, 0).map(|(eta, _)| eta.start);
        each.flat_map(|first| shifted(self.of.rates(width), first)).collect()
    }

    fn own(&self, scope: &mut Scope<'_>, width: usize) {
        for c in 0..self.components {
            self.of.own(&mut scope.at(format_args!("component.{c}")), width);
        }
    }

    fn facts(&self, column: usize) -> Facts {
        self.of.facts(column)
    }

    /// Σ_c π_c E_c\[x\]; of classes the most probable one of the most probable component.
    fn mean(&self, mean: &mut [T], eta: &[T], own: &[T]) {
        let n = mean.len();
        let weights = self.weights(&eta[self.logits(n)..], n);
        let mut of_one = vec![T::zero(); n];
        mean.fill(T::zero());
        for ((at_eta, at_own), weights) in self.parts(n, own.len()).zip(weights.chunks(n)) {
            self.of.mean(&mut of_one, &eta[at_eta], &own[at_own]);
            (0..n).for_each(|i| mean[i] += weights[i] * of_one[i]);
        }
    }

    /// Draws from all components, of which each column takes one.
    fn sample(&self, x: &mut [T], eta: &[T], own: &[T], rng: &mut ChaCha8Rng) {
        let n = x.len();
        let weights = self.weights(&eta[self.logits(n)..], n);
        let mut rest: Vec<f64> = (0..n).map(|_| rng.random()).collect();
        let (mut of_one, last) = (vec![T::zero(); n], self.components - 1);
        let parts = self.parts(n, own.len()).zip(weights.chunks(n)).enumerate();
        for (c, ((at_eta, at_own), weights)) in parts {
            self.of.sample(&mut of_one, &eta[at_eta], &own[at_own], rng);
            for (i, rest) in rest.iter_mut().enumerate().filter(|(_, rest)| **rest >= 0.0) {
                *rest -= weights[i].to_f64();
                if *rest < 0.0 || c == last {
                    (x[i], *rest) = (of_one[i], -1.0);
                }
            }
        }
    }

    /// Component c as if the column had its mean at the c-th of C places, evenly from 1½ standard deviations
    /// below it to 1½ above, and all the same spread.
    fn start(&self, bias: &mut [T], own: &mut [T], data: &Moments) {
        let n = data.mean.len();
        for (c, (at_eta, at_own)) in self.parts(n, own.len()).enumerate() {
            let place = 3.0 * (c as f64 + 0.5) / self.components as f64 - 1.5;
            let shift = |(mean, variance): (&f64, &f64)| mean + place * variance.sqrt();
            let moved = Moments {
                mean: data.mean.iter().zip(&data.variance).map(shift).collect(),
                variance: data.variance.clone(),
            };
            self.of.start(&mut bias[at_eta], &mut own[at_own], &moved);
        }
        bias[self.logits(n)..].fill(T::zero());
    }

    fn as_likelihood(&self) -> Option<&dyn Likelihood<T>> {
        Some(self)
    }
}

impl<T: Real> Likelihood<T> for Mixture<T> {
    fn log_prob(&self, x: &[T], eta: &[T], own: &[T]) -> T {
        log_prob_of_row(self, RowGradient::none(), x, eta, own)
    }

    fn log_prob_gradient(&self, d: RowGradient<'_, T>, x: &[T], eta: &[T], own: &[T]) -> T {
        log_prob_of_row(self, d, x, eta, own)
    }

    fn own_backward(&self, d_own: &mut [T], weight: T, x: &[T], eta: &[T], own: &[T]) {
        self.own_backward_each(d_own, &vec![weight; x.len()], x, eta, own);
    }

    /// Of each column the best of the components' modes, as the mixture scores them.
    fn mode(&self, mode: &mut [T], eta: &[T], own: &[T]) {
        let (n, of) = (mode.len(), factorized(&*self.of));
        let (mut x, mut log_p) = (vec![T::zero(); n], vec![T::zero(); n]);
        let mut best = vec![T::NEG_INFINITY; n];
        for (at_eta, at_own) in self.parts(n, own.len()) {
            of.mode(&mut x, &eta[at_eta], &own[at_own]);
            self.log_probs(&mut log_p, RowGradient::none(), &x, eta, own);
            for i in 0..n {
                if log_p[i] >= best[i] {
                    (mode[i], best[i]) = (x[i], log_p[i]);
                }
            }
        }
    }

    fn kinks(&self, x: &[T], eta: &[T], own: &[T], side: &mut dyn FnMut(bool)) {
        let of = factorized(&*self.of);
        for (at_eta, at_own) in self.parts(x.len(), own.len()) {
            of.kinks(x, &eta[at_eta], &own[at_own], side);
        }
    }

    fn as_factorized(&self) -> Option<&dyn Factorized<T>> {
        Some(self)
    }

    fn as_coded(&self) -> Option<&dyn Coded<T>> {
        Some(self)
    }
}

impl<T: Real> Factorized<T> for Mixture<T> {
    fn shares_own(&self) -> bool {
        factorized(&*self.of).shares_own()
    }

    fn log_probs(&self, log_p: &mut [T], d: RowGradient<'_, T>, x: &[T], eta: &[T], own: &[T]) {
        let n = x.len();
        let logits = &eta[self.logits(n)..];
        let (d_components, d_logits) = match d.d_eta.is_empty() {
            true => (d.d_eta, &mut [][..]),
            false => d.d_eta.split_at_mut(self.logits(n)),
        };
        let room = if d.d_x.is_empty() { 0 } else { self.components * n };
        let mut d_x = vec![T::zero(); room];
        let mut r = self.score(d_components, &mut d_x, x, eta, own);
        self.join(log_p, &mut r, logits);
        if d_logits.is_empty() {
            return;
        }
        let weights = self.weights(logits, n);
        for ((d, r), weight) in d_logits.iter_mut().zip(&r).zip(&weights) {
            *d = *r - *weight;
        }
        // A component that is nothing adds nothing, however steep it is where x lies.
        let weighed = |r: T, d: T| if r == T::zero() { r } else { r * d };
        for (d, r) in d_components.chunks_mut(self.of.eta_width(n)).zip(r.chunks(n)) {
            d.iter_mut().zip(r.iter().cycle()).for_each(|(d, r)| *d = weighed(*r, *d));
        }
        d.d_x.fill(T::zero());
        for (of_one, r) in d_x.chunks(n).zip(r.chunks(n)) {
            (0..n).for_each(|i| d.d_x[i] += weighed(r[i], of_one[i]));
        }
    }

    fn own_backward_each(&self, d_own: &mut [T], weight: &[T], x: &[T], eta: &[T], own: &[T]) {
        if d_own.is_empty() {
            return;
        }
        let (n, of) = (x.len(), factorized(&*self.of));
        let mut r = self.score(&mut [], &mut [], x, eta, own);
        self.join(&mut vec![T::zero(); n], &mut r, &eta[self.logits(n)..]);
        for ((at_eta, at_own), r) in self.parts(n, own.len()).zip(r.chunks_mut(n)) {
            for (r, weight) in r.iter_mut().zip(weight) {
                *r = if *weight == T::zero() { *weight } else { *r * *weight };
            }
            of.own_backward_each(&mut d_own[at_own.clone()], r, x, &eta[at_eta], &own[at_own]);
        }
    }
}

impl<T: Real> Mixture<T> {
    /// Calls `with` with the sum of `so_far` and of the components from the c-th on.
    fn add_laws(
        &self,
        c: usize,
        at: At<'_, T>,
        weights: &[f64],
        so_far: &Below<'_>,
        with: &mut dyn FnMut(&Below<'_>),
    ) {
        let Some((at_eta, at_own)) = self.parts(at.x.len(), at.own.len()).nth(c) else {
            return with(so_far);
        };
        let of = factorized(&*self.of)
            .as_coded()
            .expect("what is of columns that are independent is coded");
        let of_one = At { eta: &at.eta[at_eta], own: &at.own[at_own], ..at };
        of.law(of_one, &mut |law| {
            self.add_laws(c + 1, at, weights, &|edge| so_far(edge) + weights[c] * law(edge), with);
        });
    }
}

impl<T: Real> Coded<T> for Mixture<T> {
    fn law(&self, at: At<'_, T>, with: &mut dyn FnMut(&Below<'_>)) {
        let n = at.x.len();
        let logits = at.eta[self.logits(n) + at.column..].iter().step_by(n).map(|l| l.to_f64());
        let (mut weights, sum) = exponentials(logits);
        weights.iter_mut().for_each(|w| *w /= sum);
        self.add_laws(0, at, &weights, &|_| 0.0, with);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::distribution::build;

    /// Of a component as narrow as numbers go, far from x, the gradient has no end, and its weight is 0.
    #[test]
    fn a_component_that_is_nothing_has_no_gradient() {
        for of in ["normal", "logistic", "laplace", "(discretized-logistic:levels=361)"] {
            let law = build::<f32>(&format!("mixture:of={of}").parse().unwrap()).unwrap();
            let law = law.as_likelihood().unwrap();
            // Mean and scale of both, and their logits.
            let (eta, mut d_eta) = ([0.5f32, -1.0, 0.9, -95.0, 0.0, 0.0], [f32::NAN; 6]);
            let log_p = law.log_prob_gradient(
                RowGradient { d_eta: &mut d_eta, d_x: &mut [] },
                &[0.5],
                &eta,
                &[],
            );
            assert!(log_p.is_finite(), "{of}: {log_p}");
            assert!(d_eta.iter().all(|d| d.is_finite()), "{of}: {d_eta:?}");
            assert_eq!(d_eta[2..4], [0.0; 2], "{of}");
        }
    }

    /// By hand: two normals, and the same as one when both are alike.
    #[test]
    fn it_is_the_weighted_sum() {
        let law: Mixture<f64> = Mixture::from_spec(&"mixture:of=normal".parse().unwrap()).unwrap();
        let normal = build::<f64>(&"normal".parse().unwrap()).unwrap();
        let normal = |x: f64, eta: &[f64]| normal.as_likelihood().unwrap().log_prob(&[x], eta, &[]);
        let (a, b, logits) = ([0.3, -1.0], [2.0, 0.4], [0.5, -0.7]);
        let share = 1.0 / (1.0 + (logits[1] - logits[0]).exp());
        let expected = (share * normal(0.9, &a).exp() + (1.0 - share) * normal(0.9, &b).exp()).ln();
        let eta = [a, b, logits].concat();
        assert!((law.log_prob(&[0.9], &eta, &[]) - expected).abs() < 1e-14);
        let alike = [a, a, logits].concat();
        assert!((law.log_prob(&[0.9], &alike, &[]) - normal(0.9, &a)).abs() < 1e-14);
    }

    /// Of components far from each other the heavier one's, or that of the narrower.
    #[test]
    fn its_mode_is_the_best_component_s() {
        let law: Mixture<f64> = Mixture::from_spec(&"mixture:of=normal".parse().unwrap()).unwrap();
        // Two columns: their means and log-variances by component, then the logits.
        let eta = [[-3.0, 1.0], [0.0, -2.0], [4.0, 9.0], [0.0, 2.0], [0.9, 0.1], [0.2, 0.6]];
        let mut mode = [0.0; 2];
        law.mode(&mut mode, eta.as_flattened(), &[]);
        assert_eq!(mode, [-3.0, 1.0]);
        let turned = [[4.0, 9.0], [0.0, 2.0], [-3.0, 1.0], [0.0, -2.0], [0.2, 0.6], [0.9, 0.1]];
        law.mode(&mut mode, turned.as_flattened(), &[]);
        assert_eq!(mode, [-3.0, 1.0]);
    }

    #[test]
    fn it_must_be_of_something_that_it_can_be_of() {
        for (spec, part) in [
            ("mixture", "needed"),
            ("mixture:of=planar", "score"),
            ("mixture:of=nothing", "unknown"),
            ("mixture:of=normal,components=1", "components"),
            ("mixture:of=(mixture:of=normal)", "more components"),
            ("mixture:of=(masked:of=(mixture:of=normal))", "more components"),
        ] {
            let error = build::<f64>(&spec.parse().unwrap()).err().unwrap().to_string();
            assert!(error.contains(part), "{error}");
        }
    }
}
