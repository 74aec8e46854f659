//! The binomial distribution: how many of n coins fall 1.
//!
//! ```text
//! Shapes    x [D]: successes y in 0 … n, or their share y/n (`of=shares`)   η = logits l [D]
//! Forward   p = σ(l).   log p(x|η) = Σ_i ln C(n, y_i) + y_i l_i − n softplus(l_i)
//! Backward  ∂/∂l_i = y_i − n σ(l_i)
//! Numerics  in f64; softplus form, as in `bernoulli.rs`, which is n = 1
//! Source    McCullagh & Nelder 1989, Generalized Linear Models, chapter 4
//! ```

use super::coded::Sums;
use super::univariate::{Independent, Parameter, Place, Scored, Univariate};
use super::{Below, Distribution, Domain, Facts, Member, Spec};
use crate::error::{Error, Result};
use crate::math::gamma::ln_gamma;
use crate::math::{portable, sigmoid, softplus};
use crate::real::Real;
use crate::rng::ChaCha8Rng;
use rand_distr::Distribution as _;

/// How often coins are thrown, and how their successes are written.
#[derive(Clone, Copy, Debug)]
pub struct Trials {
    /// n
    pub count: u32,
    /// Whether values are shares y/n, as bytes of images are, and not y.
    pub shares: bool,
}

/// Coins of one value.
#[derive(Clone, Copy, Debug)]
pub struct Binomial {
    trials: Trials,
}

pub(super) fn member<T: Real>() -> Member<Box<dyn Distribution<T>>> {
    Member {
        name: "binomial",
        summary: "successes among `n=N` coins; the net emits log-odds; `of=shares` for values k/N, as images \
                  have them with N = 255",
        build: |spec| {
            let binomial = Binomial { trials: Trials::from_spec(spec)? };
            Ok(Box::new(Independent::from_spec::<T>(binomial, &Trials::SETTINGS, spec)?))
        },
        examples: &["binomial:n=6", "binomial:n=4,of=shares"],
    }
}

impl Trials {
    /// What it reads of a spec.
    pub(super) const SETTINGS: [&'static str; 2] = ["n", "of"];

    pub(super) fn from_spec(spec: &Spec) -> Result<Self> {
        let Some(count) = spec.whole("n", 1..=(1 << 20))? else {
            let message = "is needed: how many coins a value is of";
            return Err(Error::setting(format!("{}:n", spec.name()), message));
        };
        let shares = match spec.get("of") {
            None | Some("counts") => false,
            Some("shares") => true,
            Some(other) => {
                let message = format!("`{other}` is neither `counts` nor `shares`");
                return Err(Error::setting(format!("{}:of", spec.name()), message));
            }
        };
        Ok(Trials { count: count as u32, shares })
    }

    pub(super) fn spec(self, name: &str) -> Spec {
        let spec = Spec::new(name).with("n", self.count);
        if self.shares { spec.with("of", "shares") } else { spec }
    }

    pub(super) fn domain(self) -> Domain {
        if self.shares { Domain::Grid(self.count + 1) } else { Domain::Levels(self.count + 1) }
    }

    pub(super) fn n(self) -> f64 {
        f64::from(self.count)
    }

    /// y of a value.
    #[inline(always)]
    pub(super) fn successes<T: Real>(self, x: T) -> f64 {
        if self.shares { (x.to_f64() * self.n()).round() } else { x.to_f64() }
    }

    /// An edge between two values, as one between two y.
    pub(super) fn edge(self, edge: f64) -> f64 {
        if self.shares { edge * self.n() } else { edge }
    }

    /// The value for so many successes, whole or not.
    pub(super) fn value<T: Real>(self, y: f64) -> T {
        T::from_f64(if self.shares { y / self.n() } else { y })
    }

    /// The mean of a column, as a share away from 0 and 1.
    pub(super) fn share(self, mean: f64) -> f64 {
        (if self.shares { mean } else { mean / self.n() }).clamp(1e-3, 1.0 - 1e-3)
    }

    /// ln C(n, y)
    #[inline(always)]
    pub(super) fn ln_choices(self, y: f64) -> f64 {
        ln_gamma(self.n() + 1.0) - ln_gamma(y + 1.0) - ln_gamma(self.n() - y + 1.0)
    }
}

impl<T: Real> Univariate<T, 1> for Binomial {
    const PARAMETERS: [Parameter; 1] = [Parameter::emitted("logit")];

    fn spec(&self) -> Spec {
        self.trials.spec("binomial")
    }

    fn facts(&self, _places: &[Place; 1]) -> Facts {
        Facts::of(self.trials.domain())
    }

    #[inline(always)]
    fn score(&self, x: T, [l]: [T; 1]) -> Scored<T, 1> {
        let (y, n, l) = (self.trials.successes(x), self.trials.n(), l.to_f64());
        // y l − n softplus(l), without the difference of large numbers.
        let log_p = -y * softplus(-l) - (n - y) * softplus(l) + self.trials.ln_choices(y);
        Scored {
            log_p: T::from_f64(log_p),
            d_eta: [T::from_f64(y - n * sigmoid(l))],
            d_x: T::zero(),
        }
    }

    fn mean(&self, [l]: [T; 1]) -> T {
        self.trials.value(self.trials.n() * sigmoid(l.to_f64()))
    }

    /// ⌊(n + 1) p⌋
    fn mode(&self, [l]: [T; 1]) -> T {
        let n = self.trials.n();
        self.trials.value(((n + 1.0) * sigmoid(l.to_f64())).floor().min(n))
    }

    /// p(y + 1)/p(y) = (n − y)/(y + 1) · eˡ
    fn law(&self, [l]: [f64; 1], with: &mut dyn FnMut(&Below<'_>)) {
        let (n, odds) = (self.trials.n(), portable::exp(l));
        let likeliest = (n + 1.0) * portable::sigmoid(l);
        let sums = Sums::of_ratios(likeliest, n, true, |y| (n - y) / (y + 1.0) * odds);
        with(&|edge| sums.below(self.trials.edge(edge)));
    }

    fn draw(&self, [l]: [T; 1], rng: &mut ChaCha8Rng) -> T {
        let p = sigmoid(l.to_f64());
        let law = rand_distr::Binomial::new(u64::from(self.trials.count), p);
        self.trials.value(law.expect("a probability").sample(rng) as f64)
    }

    fn start(&self, mean: f64, _variance: f64) -> [f64; 1] {
        let p = self.trials.share(mean);
        [(p / (1.0 - p)).ln()]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two of three coins; the same as a share; one coin is a Bernoulli.
    #[test]
    fn probabilities_are_known() {
        let of = |count, shares| Binomial { trials: Trials { count, shares } };
        let (l, p) = (0.4f64, 1.0 / (1.0 + (-0.4f64).exp()));
        let two = (3.0 * p * p * (1.0 - p)).ln();
        assert!((of(3, false).score(2.0, [l]).log_p - two).abs() < 1e-14);
        assert!((of(3, true).score(2.0 / 3.0, [l]).log_p - two).abs() < 1e-14);
        assert!((of(1, false).score(0.0, [l]).log_p - (1.0 - p).ln()).abs() < 1e-14);
        // Certain coins in single precision: finite.
        let scored = of(255, true).score(1.0f32, [-1e4]);
        assert!((scored.log_p + 255e4).abs() < 1.0 && scored.d_eta[0] == 255.0, "{scored:?}");
    }

    #[test]
    fn settings_that_are_none_are_refused() {
        for spec in ["binomial", "binomial:n=0", "binomial:n=2.5", "binomial:n=3,of=parts"] {
            let spec: Spec = spec.parse().unwrap();
            assert!(Trials::from_spec(&spec).is_err(), "{spec}");
        }
    }
}
