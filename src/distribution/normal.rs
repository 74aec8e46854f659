//! The normal distribution with diagonal covariance: a likelihood, a conditional between latents,
//! and the textbook's posterior.
//!
//! ```text
//! Shapes    x, z, ε [D]   η = [mean μ; log-variance s] [2D], or η = μ [D] where the variance is
//!           fixed (`variance=V`), one learned number (`variance=learned`) or one of each column
//!           (`variance=columns`)
//! Forward   σ² = eˢ.   log p(x|η) = −½ Σ_i [ ln 2π + s_i + (x_i − μ_i)²/σ_i² ]
//! Backward  with t = (x − μ)/σ, so that ∂t/∂μ = −1/σ and ∂t/∂s = −½ t:
//!             ∂/∂μ_i = t_i/σ_i                ∂/∂s_i = ½ (t_i² − 1)
//!             ∂/∂x_i = −t_i/σ_i               a shared s: the sum of the ∂/∂s_i
//!
//! Draw      z = μ + σ ε, ε ~ N(0, I)                                     (reparameterisation)
//! Backward  ∂z_i/∂μ_i = 1                     ∂z_i/∂s_i = ½ σ_i ε_i      since σ = e^{s/2}
//! log q     of that draw: (z − μ)/σ = ε, so log q = −½ Σ_i [ ln 2π + s_i + ε_i² ], and the partial
//!           derivatives above become ∂/∂μ = ε/σ, ∂/∂s = ½ (ε² − 1), ∂/∂z = −ε/σ
//! Total     along the draw, at fixed ε, log q has no μ and s with the factor −½: (0, −½). Which is the
//!           direct term and the path, (ε/σ − ε/σ, ½ (ε² − 1) − ε/σ · ½ σ ε)
//!
//! KL        KL(N(μ, σ²) ‖ N(0, 1)) = E_q[log q − log p]
//!             = −½ (ln 2π + s + 1) + ½ (ln 2π + μ² + σ²)   since E ε² = 1, E z² = μ² + σ²
//!             = ½ (μ² + σ² − 1 − s)                        per latent; summed over them, never averaged
//! Backward  ∂/∂μ = μ                          ∂/∂s = ½ (σ² − 1)
//! Numerics  1/σ = e^{−s/2} is squared after it has met x − μ: e^{−s} alone overflows twice as early.
//!           σ² − 1 − s cancels near s = 0, where the KL is tiny anyway: absolute error ≤ 2 ulp of 1.
//!           The two ε/σ of log q are 10⁴ at s = −20: what else reaches μ through z, added to one of them,
//!           keeps three digits in f32. So the total is taken wherever an objective weighs both alike
//! Source    Kingma & Welling 2014, section 2.4 and appendix B
//! ```

use super::diagonal::Diagonal;
use super::{
    At, Below, Coded, Distribution, Domain, Factorized, Facts, Likelihood, Member, Moments,
    Reparameterized, RowGradient, Spec,
};
use crate::error::{Error, Result};
use crate::math::{LN_2PI, map_sum, normal, portable};
use crate::params::{Scope, Start};
use crate::real::Real;
use crate::rng::ChaCha8Rng;
use rand_distr::{Distribution as _, StandardNormal};

/// Where the variance comes from.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Variance {
    /// The network emits a log-variance for every coordinate.
    Network,
    /// The same fixed number for every coordinate.
    Fixed(f64),
    /// One number for every coordinate, learned with the weights; starts at the data's own.
    Learned,
    /// One number of each coordinate, learned with the weights; starts at its column's own.
    Columns,
}

/// The least variance that a learned one starts at: data without any spread have none to start from.
const LEAST_START: f64 = 1e-6;

/// A normal distribution with diagonal covariance.
#[derive(Clone, Copy, Debug)]
pub struct Normal {
    variance: Variance,
}

pub(super) fn member<T: Real>() -> Member<Box<dyn Distribution<T>>> {
    Member {
        name: "normal",
        summary: "real values; the net emits mean and log-variance, or `variance=V` fixes it (in units of \
                  the spread where columns are standardised), `variance=learned` learns one number, `variance=columns` one a column",
        build: |spec| Ok(Box::new(Normal::from_spec(spec)?)),
        examples: &[
            "normal",
            "normal:variance=0.7",
            "normal:variance=learned",
            "normal:variance=columns",
        ],
    }
}

impl Normal {
    /// The one whose network emits mean and log-variance.
    pub const fn emitted() -> Self {
        Normal { variance: Variance::Network }
    }

    /// A normal distribution whose variance comes from there.
    pub fn new(variance: Variance) -> Self {
        Normal { variance }
    }

    fn from_spec(spec: &Spec) -> Result<Self> {
        spec.only(&["variance"])?;
        let variance = match spec.get("variance") {
            None => Variance::Network,
            Some("learned") => Variance::Learned,
            Some("columns") => Variance::Columns,
            Some(_) => match spec.number("variance")? {
                // Beyond these, single precision has no room left for a density.
                Some(v) if (1e-30..=1e30).contains(&v) => Variance::Fixed(v),
                _ => {
                    let message = "must be between 1e-30 and 1e30, `learned` or `columns`";
                    return Err(Error::setting("normal:variance", message));
                }
            },
        };
        Ok(Normal { variance })
    }

    /// Where the log-variances of n coordinates stand.
    #[inline(always)]
    fn log_variances<'a, T: Real>(&self, n: usize, eta: &'a [T], own: &'a [T]) -> S<'a, T> {
        match self.variance {
            Variance::Network => S::Each(&eta[n..]),
            Variance::Columns => S::Each(own),
            Variance::Fixed(v) => S::Shared(T::from_f64(portable::ln(v))),
            Variance::Learned => S::Shared(own[0]),
        }
    }
}

/// The log-variances of a row.
enum S<'a, T> {
    Shared(T),
    Each(&'a [T]),
}

impl<T: Real> Distribution<T> for Normal {
    fn spec(&self) -> Spec {
        match self.variance {
            Variance::Network => Spec::new("normal"),
            Variance::Fixed(v) => Spec::new("normal").with("variance", v),
            Variance::Learned => Spec::new("normal").with("variance", "learned"),
            Variance::Columns => Spec::new("normal").with("variance", "columns"),
        }
    }

    fn eta_width(&self, width: usize) -> usize {
        if self.variance == Variance::Network { 2 * width } else { width }
    }

    fn own(&self, scope: &mut Scope<'_>, width: usize) {
        let count = match self.variance {
            Variance::Network | Variance::Fixed(_) => return,
            Variance::Learned => 1,
            Variance::Columns => width,
        };
        scope.tensor("log_variance", &[count], Start::Constant(0.0));
    }

    fn facts(&self, _column: usize) -> Facts {
        // One number for all columns cannot follow a single constant one.
        let learns_spread = matches!(self.variance, Variance::Network | Variance::Columns);
        Facts { location_scale: true, learns_spread, ..Facts::of(Domain::Real) }
    }

    fn mean(&self, mean: &mut [T], eta: &[T], _own: &[T]) {
        let n = mean.len();
        mean.copy_from_slice(&eta[..n]);
    }

    fn sample(&self, x: &mut [T], eta: &[T], own: &[T], rng: &mut ChaCha8Rng) {
        let n = x.len();
        let log_variances = self.log_variances(n, eta, own);
        for i in 0..n {
            let s = match log_variances {
                S::Shared(s) => s,
                S::Each(s) => s[i],
            };
            let eps: f64 = StandardNormal.sample(rng);
            x[i] = eta[i] + (T::from_f64(0.5) * s).exp() * T::from_f64(eps);
        }
    }

    /// The mean starts at the data's mean, and a learned variance at the residual's while the output is
    /// the data's mean: its column's, or the mean of all columns' variances. (Further up, the reconstruction would count
    /// for so little beside the KL that the latents are given up before the variance has come down.)
    fn start(&self, bias: &mut [T], own: &mut [T], data: &Moments) {
        bias.iter_mut().zip(&data.mean).for_each(|(b, &mean)| *b = T::from_f64(mean));
        let start = |v: f64| T::from_f64(v.clamp(LEAST_START, 1.0 / LEAST_START).ln());
        match self.variance {
            Variance::Columns => {
                own.iter_mut().zip(&data.variance).for_each(|(s, v)| *s = start(*v))
            }
            _ => own.fill(start(data.variance.iter().sum::<f64>() / data.variance.len() as f64)),
        }
    }

    fn as_likelihood(&self) -> Option<&dyn Likelihood<T>> {
        Some(self)
    }

    fn as_reparameterized(&self) -> Option<&dyn Reparameterized<T>> {
        (self.variance == Variance::Network).then_some(self as _)
    }
}

/// As a posterior.
impl Diagonal for Normal {
    fn range<T: Real>(&self) -> [T; 2] {
        [T::zero(); 2] // there are no bounds
    }

    #[inline(always)]
    fn log_variance<T: Real>(_range: [T; 2], s: T) -> (T, T) {
        (s, T::one())
    }
}

impl<T: Real> Likelihood<T> for Normal {
    fn log_prob(&self, x: &[T], eta: &[T], own: &[T]) -> T {
        let n = x.len();
        let (half, ln_2pi) = (T::from_f64(0.5), T::from_f64(LN_2PI));
        let sum = match self.log_variances(n, eta, own) {
            S::Shared(s) => {
                let scale = (-half * s).exp();
                let squares = map_sum(
                    [],
                    [x, eta],
                    #[inline(always)]
                    |[x, mean]| {
                        let t = (x - mean) * scale;
                        ([], t * t)
                    },
                );
                squares + T::from_f64(n as f64) * (ln_2pi + s)
            }
            S::Each(s) => map_sum(
                [],
                [x, &eta[..n], s],
                #[inline(always)]
                |[x, mean, s]| {
                    let t = (x - mean) * (-half * s).exp();
                    ([], ln_2pi + s + t * t)
                },
            ),
        };
        -half * sum
    }

    fn log_prob_gradient(&self, d: RowGradient<'_, T>, x: &[T], eta: &[T], own: &[T]) -> T {
        let n = x.len();
        let (half, ln_2pi, one) = (T::from_f64(0.5), T::from_f64(LN_2PI), T::one());
        let (d_mean, d_s) = d.d_eta.split_at_mut(n);
        let sum = match self.log_variances(n, eta, own) {
            S::Shared(s) => {
                let (scale, width) = ((-half * s).exp(), T::from_f64(n as f64));
                let squares = map_sum(
                    [&mut *d_mean],
                    [x, eta],
                    #[inline(always)]
                    |[x, mean]| {
                        let t = (x - mean) * scale;
                        ([t * scale], t * t)
                    },
                );
                squares + width * (ln_2pi + s)
            }
            S::Each(s) if d_s.is_empty() => map_sum(
                [&mut *d_mean],
                [x, eta, s],
                #[inline(always)]
                |[x, mean, s]| {
                    let scale = (-half * s).exp();
                    let t = (x - mean) * scale;
                    ([t * scale], ln_2pi + s + t * t)
                },
            ),
            S::Each(s) => map_sum(
                [&mut *d_mean, d_s],
                [x, &eta[..n], s],
                #[inline(always)]
                |[x, mean, s]| {
                    let scale = (-half * s).exp();
                    let t = (x - mean) * scale;
                    ([t * scale, half * (t * t - one)], ln_2pi + s + t * t)
                },
            ),
        };
        d.d_x.iter_mut().zip(d_mean).for_each(|(d_x, u)| *d_x = -*u);
        -half * sum
    }

    /// A shared s has the gradient ½ Σ (t² − 1), one of a column its own term.
    fn own_backward(&self, d_own: &mut [T], weight: T, x: &[T], eta: &[T], own: &[T]) {
        let (half, one) = (T::from_f64(0.5), T::one());
        if self.variance == Variance::Columns {
            for i in 0..x.len() {
                let t = (x[i] - eta[i]) * (-half * own[i]).exp();
                d_own[i] += weight * half * (t * t - one);
            }
            return;
        }
        let scale = (-half * own[0]).exp();
        let sum = map_sum(
            [],
            [x, eta],
            #[inline(always)]
            |[x, mean]| {
                let t = (x - mean) * scale;
                ([], t * t)
            },
        );
        d_own[0] += weight * half * (sum - T::from_f64(x.len() as f64));
    }

    fn as_factorized(&self) -> Option<&dyn Factorized<T>> {
        Some(self)
    }

    fn as_coded(&self) -> Option<&dyn Coded<T>> {
        Some(self)
    }
}

impl<T: Real> Factorized<T> for Normal {
    fn shares_own(&self) -> bool {
        self.variance == Variance::Learned
    }
}

impl<T: Real> Coded<T> for Normal {
    fn law(&self, At { column, x, eta, own }: At<'_, T>, with: &mut dyn FnMut(&Below<'_>)) {
        let s = match self.log_variances(x.len(), eta, own) {
            S::Shared(s) => s,
            S::Each(s) => s[column],
        };
        let (mean, rate) = (eta[column].to_f64(), portable::exp(-0.5 * s.to_f64()));
        with(&|edge| normal::cdf((edge - mean) * rate));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::distribution::{ClosedForm, Draw};

    const NORMAL: Normal = Normal { variance: Variance::Network };

    #[test]
    fn density_integrates_to_one() {
        let eta = [0.4f64, -0.8];
        let h = 1e-3;
        let total: f64 =
            (-20_000..20_000).map(|i| NORMAL.log_prob(&[i as f64 * h], &eta, &[]).exp() * h).sum();
        assert!((total - 1.0).abs() < 1e-10, "{total}");
    }

    /// A draw with ε = 1 lies one standard deviation above the mean.
    #[test]
    fn std_is_the_distance_of_a_unit_of_noise() {
        let eta = [0.4f64, -1.0, -0.8, 2.5];
        let (mut mean, mut above, mut std) = ([0.0; 2], [0.0; 2], [0.0; 2]);
        let draw = |eps| Draw { eta: &eta, own: &[], eps };
        NORMAL.rsample(&mut mean, &mut [], draw(&[0.0; 2]));
        NORMAL.rsample(&mut above, &mut [], draw(&[1.0; 2]));
        NORMAL.std(&mut std, &eta);
        assert!((0..2).all(|j| (above[j] - mean[j] - std[j]).abs() < 1e-14), "{std:?}");
    }

    #[test]
    fn log_q_of_a_draw_is_its_log_prob() {
        let (eta, eps) = ([0.4f64, -1.0, -0.8, 0.5], [0.3, -2.0]);
        let mut z = [0.0; 2];
        let draw = Draw { eta: &eta, own: &[], eps: &eps };
        NORMAL.rsample(&mut z, &mut [], draw);
        assert!((NORMAL.log_q(&[], draw) - NORMAL.log_prob(&z, &eta, &[])).abs() < 1e-14);
    }

    /// With μ at the data's mean, no other shared variance has a higher log p.
    #[test]
    fn a_learned_variance_starts_at_the_datas() {
        let (p, rows) = (Normal::new(Variance::Learned), [[0.1f64, 3.0], [0.4, 1.0], [0.7, 2.0]]);
        let data = Moments { mean: vec![0.4, 2.0], variance: vec![0.06, 2.0 / 3.0] };
        let mut own = [0.0];
        Distribution::start(&p, &mut [], &mut own, &data);
        let log_p = |s: f64| rows.iter().map(|x| p.log_prob(x, &data.mean, &[s])).sum::<f64>();
        assert!(log_p(own[0]) > log_p(own[0] + 1e-3) && log_p(own[0]) > log_p(own[0] - 1e-3));
        Distribution::start(
            &p,
            &mut [],
            &mut own,
            &Moments { mean: vec![0.0], variance: vec![0.0] },
        );
        assert!(own[0].is_finite(), "of a constant");
    }

    /// Each column has a variance of its own, and the others' values do not move it.
    #[test]
    fn variances_of_columns_are_their_own() {
        let p = Normal::new(Variance::Columns);
        let (x, eta, own) = ([0.5f64, -1.0, 3.0], [0.0, 0.5, 2.0], [0.3, -0.8, 1.1]);
        let each: f64 = (0..3).map(|i| NORMAL.log_prob(&[x[i]], &[eta[i], own[i]], &[])).sum();
        assert!((p.log_prob(&x, &eta, &own) - each).abs() < 1e-14);
        let data = Moments { mean: vec![1.0, 2.0], variance: vec![4.0, 0.25] };
        let (mut bias, mut start) = ([0.0f64; 2], [0.0f64; 2]);
        Distribution::start(&p, &mut bias, &mut start, &data);
        assert_eq!((bias, start), ([1.0, 2.0], [4f64.ln(), 0.25f64.ln()]));
    }

    /// The closed form against the integral of q (log q − log p).
    #[test]
    fn kl_is_the_integral() {
        for eta in [[0.0f64, 0.0], [1.3, -0.7], [-0.4, 1.1]] {
            let h = 1e-3;
            let integral: f64 = (-30_000..30_000)
                .map(|i| {
                    let z = [i as f64 * h];
                    let log_q = NORMAL.log_prob(&z, &eta, &[]);
                    log_q.exp() * (log_q - NORMAL.log_prob(&z, &[0.0, 0.0], &[])) * h
                })
                .sum();
            let mut kl = [0.0];
            NORMAL.kl(&mut kl, &eta);
            assert!((kl[0] - integral).abs() < 1e-10, "{eta:?}: {kl:?} {integral}");
        }
    }
}
