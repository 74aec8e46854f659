//! Any likelihood of independent columns, with missing values left out.
//!
//! ```text
//! Shapes    x [D], NaN where a value is missing   η, own as the likelihood's that it wraps
//! Forward   log p(x|η) = Σ_{i seen} log p(x_i|η_i)
//! Backward  that of the columns that are seen, and exactly 0 in η_i and own of the others
//! Source    Nazábal, Olmos, Ghahramani & Valera 2020, "Handling incomplete heterogeneous data using VAEs"
//! ```
//!
//! That is the likelihood of what was seen, where whether a value is missing does not depend on what it would
//! have been: a missing column integrates to 1. Models with such a likelihood show their first encoder 0 for a
//! missing value, and beside the values which of them are missing.

use super::factorized::log_prob_of_row;
use super::mixture::inner;
use super::{
    At, Below, Coded, Distribution, Factorized, Facts, Likelihood, Member, Moments, RowGradient,
    Spec,
};
use crate::error::Result;
use crate::params::Scope;
use crate::real::Real;
use crate::rng::ChaCha8Rng;
use std::ops::Range;

/// `of`, with missing values left out.
pub struct Masked<T> {
    of: Box<dyn Distribution<T>>,
}

pub(super) fn member<T: Real>() -> Member<Box<dyn Distribution<T>>> {
    Member {
        name: "masked",
        summary: "any likelihood of independent columns, `of=NAME` or of=(NAME:KEY=VALUE), with missing values \
                  left out exactly",
        build: |spec| Ok(Box::new(Masked::from_spec(spec)?)),
        examples: &["masked:of=normal", "masked:of=(laplace:scale=learned)"],
    }
}

impl<T: Real> Masked<T> {
    fn from_spec(spec: &Spec) -> Result<Self> {
        spec.only(&["of"])?;
        Ok(Masked { of: inner(spec)? })
    }

    fn factorized(&self) -> &dyn Factorized<T> {
        let of = self.of.as_likelihood().and_then(Likelihood::as_factorized);
        of.expect("checked when it was made")
    }

    /// x with a value that the likelihood can score where one is missing; what comes of it is not used.
    fn filled(&self, x: &[T]) -> Vec<T> {
        let stand_in = |i: usize| T::from_f64(self.of.facts(i).domain.any());
        x.iter().enumerate().map(|(i, x)| if x.is_nan() { stand_in(i) } else { *x }).collect()
    }
}

impl<T: Real> Distribution<T> for Masked<T> {
    fn spec(&self) -> Spec {
        Spec::new("masked").with_spec("of", &self.of.spec())
    }

    fn eta_width(&self, width: usize) -> usize {
        self.of.eta_width(width)
    }

    fn rates(&self, width: usize) -> Vec<Range<usize>> {
        self.of.rates(width)
    }

    fn own(&self, scope: &mut Scope<'_>, width: usize) {
        self.of.own(scope, width);
    }

    fn facts(&self, column: usize) -> Facts {
        Facts { missing: true, ..self.of.facts(column) }
    }

    fn mean(&self, mean: &mut [T], eta: &[T], own: &[T]) {
        self.of.mean(mean, eta, own);
    }

    fn sample(&self, x: &mut [T], eta: &[T], own: &[T], rng: &mut ChaCha8Rng) {
        self.of.sample(x, eta, own, rng);
    }

    fn start(&self, bias: &mut [T], own: &mut [T], data: &Moments) {
        self.of.start(bias, own, data);
    }

    fn as_likelihood(&self) -> Option<&dyn Likelihood<T>> {
        Some(self)
    }
}

impl<T: Real> Likelihood<T> for Masked<T> {
    fn log_prob(&self, x: &[T], eta: &[T], own: &[T]) -> T {
        log_prob_of_row(self, RowGradient::none(), x, eta, own)
    }

    fn log_prob_gradient(&self, d: RowGradient<'_, T>, x: &[T], eta: &[T], own: &[T]) -> T {
        log_prob_of_row(self, d, x, eta, own)
    }

    fn own_backward(&self, d_own: &mut [T], weight: T, x: &[T], eta: &[T], own: &[T]) {
        self.own_backward_each(d_own, &vec![weight; x.len()], x, eta, own);
    }

    fn mode(&self, mode: &mut [T], eta: &[T], own: &[T]) {
        self.factorized().mode(mode, eta, own);
    }

    fn kinks(&self, x: &[T], eta: &[T], own: &[T], side: &mut dyn FnMut(bool)) {
        self.factorized().kinks(&self.filled(x), eta, own, side);
    }

    fn as_factorized(&self) -> Option<&dyn Factorized<T>> {
        Some(self)
    }

    fn as_coded(&self) -> Option<&dyn Coded<T>> {
        Some(self)
    }
}

impl<T: Real> Factorized<T> for Masked<T> {
    fn shares_own(&self) -> bool {
        self.factorized().shares_own()
    }

    fn log_probs(&self, log_p: &mut [T], d: RowGradient<'_, T>, x: &[T], eta: &[T], own: &[T]) {
        let RowGradient { d_eta, d_x } = d;
        let d = RowGradient { d_eta: &mut *d_eta, d_x: &mut *d_x };
        self.factorized().log_probs(log_p, d, &self.filled(x), eta, own);
        for i in (0..x.len()).filter(|i| x[*i].is_nan()) {
            log_p[i] = T::zero();
            d_eta.iter_mut().skip(i).step_by(x.len()).for_each(|d| *d = T::zero());
            d_x.iter_mut().skip(i).take(1).for_each(|d| *d = T::zero());
        }
    }

    fn own_backward_each(&self, d_own: &mut [T], weight: &[T], x: &[T], eta: &[T], own: &[T]) {
        let of_seen = |(x, weight): (&T, &T)| if x.is_nan() { T::zero() } else { *weight };
        let weight: Vec<T> = x.iter().zip(weight).map(of_seen).collect();
        self.factorized().own_backward_each(d_own, &weight, &self.filled(x), eta, own);
    }
}

/// Of a value that is there; who codes asks for no other.
impl<T: Real> Coded<T> for Masked<T> {
    fn law(&self, at: At<'_, T>, with: &mut dyn FnMut(&Below<'_>)) {
        self.factorized()
            .as_coded()
            .expect("what is of columns that are independent is coded")
            .law(at, with);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::distribution::build;

    /// Of the columns that are seen it is the likelihood itself, to the last bit; the others' gradients are 0.
    #[test]
    fn missing_values_are_as_if_there_were_no_such_column() {
        let masked = build::<f64>(&"masked:of=(laplace:scale=learned)".parse().unwrap()).unwrap();
        let of = build::<f64>(&"laplace:scale=learned".parse().unwrap()).unwrap();
        let (masked, of) = (masked.as_likelihood().unwrap(), of.as_likelihood().unwrap());
        let (x, eta, own) = ([0.5, f64::NAN, -1.0], [0.1, 0.2, 0.3], [0.0, -0.4, 0.7]);
        let (mut d_eta, mut d_x) = ([1.0; 3], [1.0; 3]);
        let d = RowGradient { d_eta: &mut d_eta, d_x: &mut d_x };
        let log_p = masked.log_prob_gradient(d, &x, &eta, &own);
        assert_eq!(log_p, masked.log_prob(&x, &eta, &own));
        let (mut seen_eta, mut seen_x) = ([0.0; 2], [0.0; 2]);
        let d = RowGradient { d_eta: &mut seen_eta, d_x: &mut seen_x };
        let (x_seen, eta_seen, own_seen) = ([0.5, -1.0], [0.1, 0.3], [0.0, 0.7]);
        assert_eq!(log_p, of.log_prob_gradient(d, &x_seen, &eta_seen, &own_seen));
        assert_eq!(d_eta, [seen_eta[0], 0.0, seen_eta[1]]);
        assert_eq!(d_x, [seen_x[0], 0.0, seen_x[1]]);
        let (mut d_own, mut d_own_seen) = ([0.0; 3], [0.0; 2]);
        masked.own_backward(&mut d_own, 0.7, &x, &eta, &own);
        of.own_backward(&mut d_own_seen, 0.7, &x_seen, &eta_seen, &own_seen);
        assert_eq!(d_own, [d_own_seen[0], 0.0, d_own_seen[1]]);
    }
}
