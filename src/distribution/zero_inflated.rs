//! Zero-inflated counts: a zero that always comes with some probability, or else a count that may be 0 too.
//!
//! ```text
//! Shapes    x [D] in 0, 1, 2 …   η = [those of the count's distribution; logit r of an extra zero]
//! Forward   with c(x) = log p of the count:
//!             x > 0: ln σ(−r) + c(x)                     = c(x) − softplus(r)
//!             x = 0: ln [σ(r) + σ(−r) e^{c(0)}]           = max(r, c(0)) + ln(1 + e^{−|r − c(0)|}) − softplus(r)
//!           since σ(r) = eʳ σ(−r)
//! Backward  the share of the count among zeros is w = σ(c(0) − r), and 1 for x > 0:
//!             ∂/∂η = w ∂c/∂η      ∂/∂r = (1 − w) − σ(r)
//! Numerics  the logarithm of a sum by its larger term, whose difference to softplus(r) is written out: where the
//!           extra zero is likelier, ln σ(r) = −softplus(−r). 1 − w as σ(r − c(0))
//! Source    Lambert 1992, "Zero-Inflated Poisson Regression"
//! ```

use super::negative_binomial::NegativeBinomial;
use super::poisson::Poisson;
use super::univariate::{Independent, Parameter, Place, Scored, Univariate, likeliest};
use super::{Below, Distribution, Facts, Member, Spec};
use crate::error::Error;
use crate::math::{portable, sigmoid, softplus};
use crate::real::Real;
use crate::rng::ChaCha8Rng;
use rand::RngExt;

/// Counts as those of `of`, or an extra zero.
#[derive(Clone, Copy, Debug)]
pub struct ZeroInflated<U> {
    of: U,
}

pub(super) fn member<T: Real>() -> Member<Box<dyn Distribution<T>>> {
    Member {
        name: "zero-inflated",
        summary: "counts with more zeros than `of=poisson` or `of=negative-binomial` (the default) has; the net \
                  emits the log-odds of an extra zero besides (or `zeros=learned`)",
        build: |spec| {
            Ok(match spec.get("of") {
                Some("poisson") => {
                    let law = ZeroInflated { of: Poisson };
                    Box::new(Independent::from_spec::<T>(law, &["of"], spec)?)
                }
                None | Some("negative-binomial") => {
                    let law = ZeroInflated { of: NegativeBinomial };
                    Box::new(Independent::from_spec::<T>(law, &["of"], spec)?)
                }
                Some(other) => {
                    let message = format!("`{other}` is neither `poisson` nor `negative-binomial`");
                    return Err(Error::setting("zero-inflated:of", message));
                }
            })
        },
        examples: &["zero-inflated:of=poisson", "zero-inflated:of=negative-binomial,zeros=learned"],
    }
}

/// The extra zero's log-odds, by their probability in a spec.
const ZEROS: Parameter = Parameter {
    name: "zeros",
    place: Place::Emitted,
    eta: Some(|p| portable::ln(p) - portable::ln(1.0 - p)),
};

/// For counts of P parameters, with the extra zero P + 1.
macro_rules! zero_inflated {
    ($p:literal, $all:literal, [$($name:ident $k:literal),*]) => {
        impl<T: Real, U: Univariate<T, $p>> Univariate<T, $all> for ZeroInflated<U> {
            const PARAMETERS: [Parameter; $all] = [$(U::PARAMETERS[$k],)* ZEROS];

            const HAS_RATE: bool = U::HAS_RATE;

            fn spec(&self) -> Spec {
                Spec::new("zero-inflated").with("of", self.of.spec().name())
            }

            fn facts(&self, places: &[Place; $all]) -> Facts {
                self.of.facts(&[$(places[$k]),*])
            }

            #[inline(always)]
            fn score(&self, x: T, [$($name,)* r]: [T; $all]) -> Scored<T, $all> {
                let count = self.of.score(x, [$($name),*]);
                let (log_p, w, rest) = if x == T::zero() {
                    let odds = r - count.log_p;
                    let both = (-odds.abs()).exp().ln_1p_unit();
                    let likelier =
                        if odds < T::zero() { count.log_p - softplus(r) } else { -softplus(-r) };
                    (likelier + both, sigmoid(-odds), sigmoid(odds))
                } else {
                    (count.log_p - softplus(r), T::one(), T::zero())
                };
                let d_eta = [$(w * count.d_eta[$k],)* rest - sigmoid(r)];
                Scored { log_p, d_eta, d_x: T::zero() }
            }

            fn mean(&self, [$($name,)* r]: [T; $all]) -> T {
                sigmoid(-r) * self.of.mean([$($name),*])
            }

            /// Zero, or the likeliest count without its extra zeros.
            fn mode(&self, [$($name,)* r]: [T; $all]) -> T {
                let count = self.of.mode([$($name),*]);
                likeliest([T::zero(), count], |x| self.score(x, [$($name,)* r]).log_p)
            }

            fn law(&self, [$($name,)* r]: [f64; $all], with: &mut dyn FnMut(&Below<'_>)) {
                let [extra, rest] = [r, -r].map(portable::sigmoid);
                self.of.law([$($name),*], &mut |count| {
                    with(&|edge| if edge > 0.0 { extra + rest * count(edge) } else { 0.0 });
                });
            }

            fn draw(&self, [$($name,)* r]: [T; $all], rng: &mut ChaCha8Rng) -> T {
                if rng.random::<f64>() < sigmoid(r.to_f64()) {
                    return T::zero();
                }
                self.of.draw([$($name),*], rng)
            }

            /// One extra zero in ten rows.
            fn start(&self, mean: f64, variance: f64) -> [f64; $all] {
                let [$($name),*] = self.of.start(mean / 0.9, variance);
                [$($name,)* (0.1f64 / 0.9).ln()]
            }
        }
    };
}

zero_inflated!(1, 2, [a 0]);
zero_inflated!(2, 3, [a 0, b 1]);

#[cfg(test)]
mod tests {
    use super::*;

    /// The two ways to a zero, by hand; without extra zeros it is the count's distribution.
    #[test]
    fn zeros_come_in_two_ways() {
        let law = ZeroInflated { of: Poisson };
        let (rate, r) = (1.3f64, -0.4f64);
        let extra = 1.0 / (1.0 + (-r).exp());
        let p = |x: f64| law.score(x, [rate.ln(), r]).log_p.exp();
        assert!((p(0.0) - (extra + (1.0 - extra) * (-rate).exp())).abs() < 1e-14);
        assert!((p(1.0) - (1.0 - extra) * rate * (-rate).exp()).abs() < 1e-14);
        let plain = Poisson.score(0.0f32, [0.3]).log_p;
        assert!((law.score(0.0f32, [0.3, -1e4]).log_p - plain).abs() < 1e-6);
        // An extra zero beside counts that are never 0, in single precision.
        let scored = law.score(0.0f32, [10.0, 2.0]);
        assert!((scored.log_p + softplus(-2.0f32)).abs() < 1e-5, "{scored:?}");
    }
}
