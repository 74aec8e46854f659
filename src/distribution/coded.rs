//! Distribution functions, which are what a codec needs of a likelihood or a posterior.
//!
//! ```text
//! Below   F(e) = P(x_i < e | η, x_1 … x_{i−1}), of column i, for an e between two values that it can have
//!         so that a bin [e, e′] has the probability F(e′) − F(e), of masses and of densities alike
//! ```
//!
//! Whoever writes and whoever reads an archive must find the same numbers, so these are computed from η and the own tensors
//! by [`crate::math::portable`]'s functions alone, in an order that is written here: the same bits on every machine. No
//! formula of a log-probability is used, because those are the platform's.

use crate::math::portable::{exp, ln};
use crate::real::Real;

/// F
pub type Below<'a> = dyn Fn(f64) -> f64 + 'a;

/// A column of a row.
#[derive(Clone, Copy)]
pub struct At<'a, T> {
    /// Which, from 0.
    pub column: usize,
    /// The row, `[D]`, of which the values before that column are known.
    pub x: &'a [T],
    /// `[P]`
    pub eta: &'a [T],
    /// `[O]`
    pub own: &'a [T],
}

/// A distribution whose values can be coded, one column after another.
pub trait Coded<T: Real> {
    /// Calls `with` with F of a column. It rises, but for roundings of some 10⁻¹⁴, and may be NaN where η is nothing.
    fn law(&self, at: At<'_, T>, with: &mut dyn FnMut(&Below<'_>));
}

/// e^l of some numbers less their largest, and the sum: a softmax's parts.
pub(crate) fn exponentials(logits: impl Iterator<Item = f64> + Clone) -> (Vec<f64>, f64) {
    let largest = logits.clone().fold(f64::NEG_INFINITY, |m, l| if l > m { l } else { m });
    let parts: Vec<f64> = logits.map(|l| exp(l - largest)).collect();
    let sum = parts.iter().sum();
    (parts, sum)
}

/// F of whole numbers, by adding up.
pub(super) struct Sums {
    /// The first number whose probability counts.
    first: f64,
    /// Probabilities of all numbers below the first, the second, …
    below: Vec<f64>,
    /// Of the numbers behind the last, and what each of them is of the one before.
    rest: f64,
    ratio: f64,
}

/// Probabilities that are added up at most in either direction; behind them a tail is taken to be geometric.
const MOST_TERMS: usize = 1 << 16;

impl Sums {
    /// Of 0, 1, … with these weights.
    pub(super) fn of_weights(weights: &[f64]) -> Self {
        let total: f64 = weights.iter().sum();
        Sums {
            first: 0.0,
            below: prefix_sums(weights.iter().copied(), total),
            rest: 0.0,
            ratio: 0.0,
        }
    }

    /// Of 0 … `most`, where p(k + 1) = `ratio(k)` p(k), from the likeliest on. Only of a law with one peak are the
    /// numbers left out that are below 2⁻⁷⁰ of it.
    pub(super) fn of_ratios(
        likeliest: f64,
        most: f64,
        one_peak: bool,
        ratio: impl Fn(f64) -> f64,
    ) -> Self {
        const LEAST: f64 = 8.5e-22;
        let start = if likeliest > 0.0 { likeliest.floor().min(most) } else { 0.0 };
        let counts = |weight: f64| weight > LEAST || !(one_peak || weight.is_nan());
        let (mut down, mut up) = (Vec::new(), vec![1.0]);
        let (mut k, mut weight) = (start, 1.0);
        while k > 0.0 && down.len() < MOST_TERMS {
            weight /= ratio(k - 1.0);
            if !counts(weight) {
                break;
            }
            k -= 1.0;
            down.push(weight);
        }
        let first = k;
        (k, weight) = (start, 1.0);
        while k < most && up.len() < MOST_TERMS {
            weight *= ratio(k);
            if !counts(weight) {
                break;
            }
            k += 1.0;
            up.push(weight);
        }
        let next = if up.len() == MOST_TERMS { ratio(k) } else { 0.0 };
        let ratio = if next > 0.0 && next < 1.0 { next } else { 0.0 };
        let rest = weight * ratio / (1.0 - ratio);
        let weights = down.iter().rev().chain(&up).copied();
        let total = weights.clone().sum::<f64>() + rest;
        Sums { first, below: prefix_sums(weights, total), rest: rest / total, ratio }
    }

    /// F(e)
    pub(super) fn below(&self, edge: f64) -> f64 {
        let place = edge.ceil() - self.first;
        let last = self.below.len() - 1;
        if place <= 0.0 {
            0.0
        } else if place <= last as f64 {
            self.below[place as usize]
        } else if self.ratio > 0.0 {
            1.0 - self.rest * exp((place - last as f64) * ln(self.ratio))
        } else {
            1.0
        }
    }
}

/// 0, w_0, w_0 + w_1, … over the total.
fn prefix_sums(weights: impl Iterator<Item = f64>, total: f64) -> Vec<f64> {
    let mut sum = 0.0;
    let sums = weights.map(|weight| {
        sum += weight;
        sum / total
    });
    [0.0].into_iter().chain(sums).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::{constants, specs, stream};
    use crate::distribution::{Distribution, Domain, build, members};
    use crate::params::Layout;
    use crate::rng::{Address, Purpose};

    const N: usize = 4;

    /// F of each column of a row.
    fn each(
        law: &dyn Distribution<f64>,
        x: &[f64],
        eta: &[f64],
        own: &[f64],
        mut with: impl FnMut(usize, &Below<'_>),
    ) {
        let coded = law.as_likelihood().unwrap().as_coded().expect("every likelihood is coded");
        for column in 0..x.len() {
            coded.law(At { column, x, eta, own }, &mut |below| with(column, below));
        }
    }

    fn own_of(law: &dyn Distribution<f64>) -> Vec<f64> {
        let mut layout = Layout::default();
        layout.scope("own").group(|scope| law.own(scope, N));
        layout.slots().iter().flat_map(|s| constants(s.len(), stream(&s.name))).collect()
    }

    /// Of every likelihood of the list: steps of F are its probabilities, slopes its density, all as its log p has them, at
    /// draws from it; at the ends it is 0 and 1, and between it rises.
    #[test]
    fn they_are_the_laws_that_log_p_is_of() {
        let mut count = 0;
        for spec in specs(&members::<f64>()) {
            let law = build::<f64>(&spec).unwrap();
            let Some(likelihood) = law.as_likelihood() else { continue };
            count += 1;
            let own = own_of(&*law);
            for seed in 0..40 {
                let eta = constants::<f64>(law.eta_width(N), 7 * seed + 1);
                let mut x = [0.0; N];
                let mut rng = Address::new(seed, Purpose::Check).rng();
                law.sample(&mut x, &eta, &own, &mut rng);
                // log p of all columns up to each: what a column adds is its own, however they depend on each other.
                let mut log_p = 0.0;
                each(&*law, &x, &eta, &own, |i, below| {
                    let step = match law.facts(i).domain {
                        Domain::Grid(n) => 1.0 / f64::from(n - 1),
                        Domain::Positive => 2e-5 * x[i],
                        d if d.is_dense() => 2e-5 * x[i].abs().max(0.05),
                        _ => 1.0,
                    };
                    let ends = [x[i] - 0.5 * step, x[i] + 0.5 * step];
                    let top = match law.facts(i).domain {
                        Domain::Bit | Domain::Grid(_) => 1.0,
                        Domain::Levels(n) | Domain::Classes(n) => f64::from(n - 1),
                        _ => f64::INFINITY,
                    };
                    // The ends are open: all that lies beyond is theirs.
                    let low =
                        if ends[0] < 0.0 && top < f64::INFINITY { 0.0 } else { below(ends[0]) };
                    let high = if ends[1] > top { 1.0 } else { below(ends[1]) };
                    let is_dense = law.facts(i).domain.is_dense();
                    log_p += (high - low).ln() - if is_dense { step.ln() } else { 0.0 };
                    let mut before = 0.0;
                    for k in -20..=20 {
                        let share = below(x[i] + (f64::from(k) - 0.5) * step.max(0.05));
                        assert!((-1e-13..=1.0 + 1e-13).contains(&share), "{spec}: {share}");
                        assert!(share >= before - 1e-13, "{spec}: {share} after {before}");
                        before = share;
                    }
                });
                let want = likelihood.log_prob(&x, &eta, &own);
                let dense = (0..N).any(|i| law.facts(i).domain.is_dense());
                let allowed = if dense { 2e-6 } else { 1e-9 } * (1.0 + want.abs());
                assert!(
                    (log_p - want).abs() < allowed,
                    "{spec}, {seed}: {log_p} {want} {x:?} {eta:?}"
                );
            }
        }
        assert!(count > 30, "{count}");
    }

    /// Whatever a network emits, F is there, and ends.
    #[test]
    fn hostile_parameters_have_an_answer() {
        for spec in specs(&members::<f64>()) {
            let law = build::<f64>(&spec).unwrap();
            if law.as_likelihood().is_none() {
                continue;
            }
            let own = own_of(&*law);
            for value in
                [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 3e38, -3e38, 700.0, -700.0, 80.0]
            {
                let eta = vec![value; law.eta_width(N)];
                let own =
                    own.iter().map(|o| if value.is_nan() { value } else { *o }).collect::<Vec<_>>();
                each(&*law, &[0.0; N], &eta, &own, |_, below| {
                    for edge in [-1e300, -3.5, 0.5, 1e-3, 0.25, 7.5, 1e6 + 0.5, 16_777_216.5] {
                        let share = below(edge);
                        assert!(
                            share.is_nan() || (-1e-6..=1.0 + 1e-6).contains(&share),
                            "{spec} {value}: {share}"
                        );
                    }
                });
            }
        }
    }
}
