//! The beta-binomial distribution: how many of n coins fall 1, whose odds differ from throw to throw.
//!
//! ```text
//! Shapes    x [D]: successes y in 0 … n, or their share y/n   η = [logit mean m; log concentration c] [≤ 2D]
//! Forward   κ = eᶜ, α = κ σ(m), β = κ σ(−m).   Binomial counts whose p has a beta distribution B(α, β):
//!             log p = ln C(n, y) + ln B(y + α, n − y + β) − ln B(α, β)
//!                   = ln C(n, y) + L(α, y) + L(β, n − y) − L(κ, n),   L(a, y) = ln Γ(a + y) − ln Γ(a)
//! Backward  with ∂L/∂a = ψ(a + y) − ψ(a) = D(a, y):
//!             ∂/∂α = D(α, y) − D(κ, n)      ∂/∂β = D(β, n − y) − D(κ, n)
//!             ∂/∂m = (∂/∂α − ∂/∂β) κ σ(m) σ(−m)      ∂/∂c = α ∂/∂α + β ∂/∂β
//! Numerics  L and D by `math/gamma.rs`, in f64: in f32 the sums of ln Γ err by 3·10⁻³ nats at α = 3·10³ and by
//!           1.4 at 10⁶
//! Source    Skellam 1948, "A Probability Distribution Derived from the Binomial Distribution"
//! ```
//!
//! As κ grows it is a binomial; as κ falls to 0 all coins of a value fall alike.

use super::binomial::Trials;
use super::coded::Sums;
use super::univariate::{Independent, Parameter, Place, Scored, Univariate, likeliest};
use super::{Below, Distribution, Facts, Member, Spec};
use crate::math::gamma::rise;
use crate::math::{portable, sigmoid};
use crate::real::Real;
use crate::rng::ChaCha8Rng;
use rand_distr::Distribution as _;

/// Coins of one value, with a mean and a concentration.
#[derive(Clone, Copy, Debug)]
pub struct BetaBinomial {
    trials: Trials,
}

pub(super) fn member<T: Real>() -> Member<Box<dyn Distribution<T>>> {
    Member {
        name: "beta-binomial",
        summary: "successes among `n=N` coins whose odds vary; the net emits the mean's log-odds and the log \
                  concentration (or `concentration=learned`, `=C`); `of=shares` for values k/N",
        build: |spec| {
            let law = BetaBinomial { trials: Trials::from_spec(spec)? };
            Ok(Box::new(Independent::from_spec::<T>(law, &Trials::SETTINGS, spec)?))
        },
        examples: &["beta-binomial:n=6", "beta-binomial:n=4,of=shares,concentration=learned"],
    }
}

impl<T: Real> Univariate<T, 2> for BetaBinomial {
    const PARAMETERS: [Parameter; 2] =
        [Parameter::emitted("mean"), Parameter::positive("concentration")];

    fn spec(&self) -> Spec {
        self.trials.spec("beta-binomial")
    }

    fn facts(&self, _places: &[Place; 2]) -> Facts {
        Facts::of(self.trials.domain())
    }

    #[inline(always)]
    fn score(&self, x: T, eta: [T; 2]) -> Scored<T, 2> {
        let [m, c] = eta.map(T::to_f64);
        let (y, n, kappa) = (self.trials.successes(x), self.trials.n(), c.exp());
        // Not below what there is: α = 0 has no ln Γ.
        let [alpha, beta] = [m, -m].map(|m| (kappa * sigmoid(m)).max(f64::MIN_POSITIVE));
        let [(l_a, d_a), (l_b, d_b), (l_k, d_k)] = [(alpha, y), (beta, n - y), (kappa, n)].map(
            #[inline(always)]
            |(a, y)| rise(a, y),
        );
        let slope = kappa * sigmoid(m) * sigmoid(-m);
        Scored {
            log_p: T::from_f64(self.trials.ln_choices(y) + l_a + l_b - l_k),
            d_eta: [(d_a - d_b) * slope, alpha * (d_a - d_k) + beta * (d_b - d_k)].map(T::from_f64),
            d_x: T::zero(),
        }
    }

    fn mean(&self, [m, _]: [T; 2]) -> T {
        self.trials.value(self.trials.n() * sigmoid(m.to_f64()))
    }

    /// p(y + 1) ≥ p(y) is linear in y: up to y = (n α − β − n + 1)/(κ − 2), here divided by κ, it rises, if κ is above
    /// 2; else the middle lies lower than the ends.
    fn mode(&self, eta: [T; 2]) -> T {
        let [m, c] = eta.map(T::to_f64);
        let (n, rarity) = (self.trials.n(), (-c).exp());
        let last = (n * sigmoid(m) - sigmoid(-m) - (n - 1.0) * rarity) / (1.0 - 2.0 * rarity);
        let top = if rarity < 0.5 { (last.floor() + 1.0).clamp(0.0, n) } else { 0.0 };
        let values = [top, 0.0, n].map(|y| self.trials.value(y));
        likeliest(values, |x| self.score(x, eta).log_p)
    }

    /// p(y + 1)/p(y) = (n − y)/(y + 1) · (y + α)/(n − y − 1 + β), from the peak, if it has one between the ends.
    fn law(&self, [m, c]: [f64; 2], with: &mut dyn FnMut(&Below<'_>)) {
        let (n, kappa) = (self.trials.n(), portable::exp(c).min(1e100));
        let [alpha, beta] = [m, -m].map(|m| (kappa * portable::sigmoid(m)).max(1e-100));
        let (likeliest, one_peak) = match (alpha >= 1.0, beta >= 1.0) {
            (true, true) => (n * (alpha - 0.5) / (alpha + beta - 1.0), true),
            (true, false) => (n, true),
            (false, true) => (0.0, true),
            (false, false) => (0.0, false),
        };
        let ratio = |y: f64| (n - y) / (y + 1.0) * ((y + alpha) / (n - y - 1.0 + beta));
        let sums = Sums::of_ratios(likeliest, n, one_peak, ratio);
        with(&|edge| sums.below(self.trials.edge(edge)));
    }

    fn draw(&self, eta: [T; 2], rng: &mut ChaCha8Rng) -> T {
        let [m, c] = eta.map(T::to_f64);
        let [alpha, beta] = [m, -m].map(|m| (c.exp() * sigmoid(m)).max(f64::MIN_POSITIVE));
        let p = rand_distr::Beta::new(alpha, beta).map_or(sigmoid(m), |law| law.sample(rng));
        // Two draws that are both 0 have no share.
        let p = if p.is_nan() { sigmoid(m) } else { p };
        let law = rand_distr::Binomial::new(u64::from(self.trials.count), p);
        self.trials.value(law.expect("a probability").sample(rng) as f64)
    }

    fn start(&self, mean: f64, _variance: f64) -> [f64; 2] {
        let p = self.trials.share(mean);
        [(p / (1.0 - p)).ln(), 2f64.ln()]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Of all counts, by trying each: in the middle, at an end, and where κ is below 2.
    #[test]
    fn its_mode_is_the_best_of_all() {
        let law = BetaBinomial { trials: Trials { count: 20, shares: false } };
        for (m, c) in [(0.1, 4.0), (-1.3, 3.0), (2.0, 2.5), (5.0, 3.0), (0.3, 0.2), (0.2, 30.0)] {
            let score = |y: f64| law.score(y, [m, c]).log_p;
            let best = (0..=20).map(f64::from).max_by(|a, b| score(*a).total_cmp(&score(*b)));
            let mode: f64 = law.mode([m, c]);
            assert!(score(mode) >= score(best.unwrap()), "{m} {c}: {mode}, not {best:?}");
        }
    }

    /// α = β = 1 is uniform; and at α = 3·10³ and 10⁶ single precision has the digits of double, near a binomial.
    #[test]
    fn its_ends_are_known() {
        let law = |count| BetaBinomial { trials: Trials { count, shares: false } };
        for y in 0..=5 {
            let log_p = law(5).score(f64::from(y), [0.0, 2f64.ln()]).log_p;
            assert!((log_p + 6f64.ln()).abs() < 1e-13, "{y}: {log_p}");
        }
        for (alpha, off) in [(3e3f32, 20.0), (1e6, 0.1)] {
            for y in [0.0f32, 100.0, 128.0, 255.0] {
                let eta = [0.0, (2.0 * alpha).ln()];
                let single = law(255).score(y, eta);
                let double = law(255).score(f64::from(y), eta.map(f64::from));
                let error = (f64::from(single.log_p) - double.log_p).abs();
                assert!(error < 1e-5 * double.log_p.abs().max(1.0), "{alpha} {y}: {error}");
                let trials = Trials { count: 255, shares: false };
                let binomial = trials.ln_choices(f64::from(y)) - 255.0 * 2f64.ln();
                assert!((double.log_p - binomial).abs() < off, "{alpha} {y}");
            }
        }
    }
}
