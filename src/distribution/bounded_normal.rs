//! The normal distribution whose emitted variance stays between a floor and a cap: the likelihood of
//! tables, and a posterior that can neither collapse to a point nor run away.
//!
//! ```text
//! Shapes    x [D]   η = [mean μ; u] [2D]   bounds 0 < F < C of the variance
//! Forward   s = ln F + Λ σ(u),  Λ = ln C − ln F         the log-variance, in (ln F, ln C); σ the sigmoid
//!           log p(x|η) = −½ Σ_i [ ln 2π + s_i + t_i² ],  t = (x − μ) e^{−s/2}
//! Backward  ∂log p/∂μ = t e^{−s/2}   ∂log p/∂s = ½ (t² − 1)   ∂log p/∂x = −t e^{−s/2}   as in `normal.rs`
//!           ∂s/∂u = Λ σ (1 − σ), since σ′ = σ (1 − σ), so
//!             ∂log p/∂u_i = ½ (t_i² − 1) Λ σ(u_i) (1 − σ(u_i))
//! Numerics  with e = e^{−|u|}: σ (1 − σ) = e/(1 + e)², which keeps its relative accuracy where 1 − σ
//!           has none left, and s = ln F σ(−u) + ln C σ(u), which keeps its own near either bound. Whatever u
//!           is, e^{−s/2} ≤ 1/√F: nothing overflows that F allows.
//! ```
//!
//! Why bounds? An emitted variance has no reason to stop, in either direction.
//!
//! *Below*, a column whose value z tells exactly (a constant, a copy, nearly always 0) gains ½ nat
//! for each unit that s falls, for ever, and drowns all others. With a floor it gains at most
//! ½ ln(1/F), and a residual r costs at most r²/2F.
//!
//! *Above*, a cell that lies r away pulls its own s up to ln r², where it costs ½ (ln r² + 1) instead
//! of ½ r²: 3 nats for r = 13 where a spread of 1 says 84. So an outlier among the training rows is
//! explained by noise of its own and looks like any other row. In a column that is standardised,
//! noise wider than the whole column (s > 0) explains nothing else: C = 1 forbids it.

use super::diagonal::Diagonal;
use super::{
    At, Below, Coded, Distribution, Domain, Factorized, Facts, Likelihood, Member, Moments,
    Reparameterized, RowGradient, Spec,
};
use crate::error::{Error, Result};
use crate::math::{LN_2PI, map_sum, normal, portable, softplus_sigmoid_parts};
use crate::real::Real;
use crate::rng::ChaCha8Rng;
use rand_distr::{Distribution as _, StandardNormal};

/// A normal distribution with diagonal covariance, its variances between two bounds.
#[derive(Clone, Copy, Debug)]
pub struct BoundedNormal {
    floor: f64,
    cap: f64,
}

pub(super) fn member<T: Real>() -> Member<Box<dyn Distribution<T>>> {
    Member {
        name: "bounded-normal",
        summary: "real values in standardised columns, and a posterior; as `normal`, but an emitted variance stays between \
                  `floor=F` (0.01) and `cap=C` (1), so that no column runs away and no outlier hides",
        build: |spec| Ok(Box::new(BoundedNormal::from_spec(spec)?)),
        examples: &["bounded-normal", "bounded-normal:floor=0.25,cap=9"],
    }
}

/// u where the output starts: 88 % of the way from the floor to the cap.
const START: f64 = 2.0;

impl BoundedNormal {
    /// A normal distribution whose variances stay between these bounds.
    ///
    /// # Errors
    /// Unless 1e-30 ≤ `floor` < `cap` ≤ 1e30: beyond, single precision has no room for a density.
    pub fn new(floor: f64, cap: f64) -> Result<Self> {
        if 1e-30 <= floor && floor < cap && cap <= 1e30 {
            return Ok(BoundedNormal { floor, cap });
        }
        let message = format!(
            "variances from floor={floor} to cap={cap} are none: 1e-30 ≤ floor < cap ≤ 1e30 must hold"
        );
        Err(Error::setting("bounded-normal", message))
    }

    fn from_spec(spec: &Spec) -> Result<Self> {
        spec.only(&["floor", "cap"])?;
        let (floor, cap) = (spec.number("floor")?, spec.number("cap")?);
        BoundedNormal::new(floor.unwrap_or(0.01), cap.unwrap_or(1.0))
    }
}

/// As a posterior, ∂s/∂u is never 0: a variance at a bound can come back, as from a hard clamp it cannot.
impl Diagonal for BoundedNormal {
    #[inline(always)]
    fn range<T: Real>(&self) -> [T; 2] {
        [self.floor.ln(), self.cap.ln()].map(T::from_f64)
    }

    #[inline(always)]
    fn log_variance<T: Real>([least, most]: [T; 2], u: T) -> (T, T) {
        let (e, above) = softplus_sigmoid_parts(u);
        let c = T::one() + e;
        let below = if u < T::zero() { T::one() } else { e } / c; // σ(−u)
        (least * below + most * above, (most - least) * e / (c * c))
    }
}

impl<T: Real> Distribution<T> for BoundedNormal {
    fn spec(&self) -> Spec {
        Spec::new("bounded-normal").with("floor", self.floor).with("cap", self.cap)
    }

    fn eta_width(&self, width: usize) -> usize {
        2 * width
    }

    fn mean(&self, mean: &mut [T], eta: &[T], _own: &[T]) {
        mean.copy_from_slice(&eta[..mean.len()]);
    }

    fn sample(&self, x: &mut [T], eta: &[T], _own: &[T], rng: &mut ChaCha8Rng) {
        let (mean, u) = eta.split_at(x.len());
        for ((x, &mean), &u) in x.iter_mut().zip(mean).zip(u) {
            let eps: f64 = StandardNormal.sample(rng);
            let (s, _) = Self::log_variance(self.range(), u);
            *x = mean + (T::from_f64(0.5) * s).exp() * T::from_f64(eps);
        }
    }

    fn facts(&self, _column: usize) -> Facts {
        Facts { location_scale: true, learns_spread: false, ..Facts::of(Domain::Real) }
    }

    /// The mean starts at the data's mean, and the spread near the cap: nothing is known yet.
    fn start(&self, bias: &mut [T], _own: &mut [T], data: &Moments) {
        let (mean, u) = bias.split_at_mut(data.mean.len());
        mean.iter_mut().zip(&data.mean).for_each(|(b, &mean)| *b = T::from_f64(mean));
        u.fill(T::from_f64(START));
    }

    fn as_likelihood(&self) -> Option<&dyn Likelihood<T>> {
        Some(self)
    }

    fn as_reparameterized(&self) -> Option<&dyn Reparameterized<T>> {
        Some(self)
    }
}

impl<T: Real> Likelihood<T> for BoundedNormal {
    fn log_prob(&self, x: &[T], eta: &[T], _own: &[T]) -> T {
        let (mean, u) = eta.split_at(x.len());
        let (half, ln_2pi, range) = (T::from_f64(0.5), T::from_f64(LN_2PI), self.range());
        let sum = map_sum(
            [],
            [x, mean, u],
            #[inline(always)]
            |[x, mean, u]| {
                let (s, _) = Self::log_variance(range, u);
                let t = (x - mean) * (-half * s).exp();
                ([], ln_2pi + s + t * t)
            },
        );
        -half * sum
    }

    fn log_prob_gradient(&self, d: RowGradient<'_, T>, x: &[T], eta: &[T], _own: &[T]) -> T {
        let (mean, u) = eta.split_at(x.len());
        let (d_mean, d_u) = d.d_eta.split_at_mut(x.len());
        let (half, one, range) = (T::from_f64(0.5), T::one(), self.range());
        let ln_2pi = T::from_f64(LN_2PI);
        let sum = map_sum(
            [&mut *d_mean, d_u],
            [x, mean, u],
            #[inline(always)]
            |[x, mean, u]| {
                let (s, slope) = Self::log_variance(range, u);
                let scale = (-half * s).exp();
                let t = (x - mean) * scale;
                ([t * scale, half * (t * t - one) * slope], ln_2pi + s + t * t)
            },
        );
        d.d_x.iter_mut().zip(d_mean).for_each(|(d_x, d_mean)| *d_x = -*d_mean);
        -half * sum
    }

    fn as_factorized(&self) -> Option<&dyn Factorized<T>> {
        Some(self)
    }

    fn as_coded(&self) -> Option<&dyn Coded<T>> {
        Some(self)
    }
}

impl<T: Real> Factorized<T> for BoundedNormal {}

impl<T: Real> Coded<T> for BoundedNormal {
    fn law(&self, At { column, x, eta, .. }: At<'_, T>, with: &mut dyn FnMut(&Below<'_>)) {
        let (mean, u) = (eta[column].to_f64(), eta[x.len() + column].to_f64());
        let [least, most] = [self.floor, self.cap].map(portable::ln);
        let s = least * portable::sigmoid(-u) + most * portable::sigmoid(u);
        let rate = portable::exp(-0.5 * s);
        with(&|edge| normal::cdf((edge - mean) * rate));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::distribution::normal::Normal;
    use crate::distribution::{ClosedForm, Draw};
    use crate::rng::{Address, Purpose};

    fn bounded() -> BoundedNormal {
        BoundedNormal::new(0.01, 1.0).unwrap()
    }

    /// In both halves of the sigmoid, and where it has come to its ends.
    #[test]
    fn density_integrates_to_one() {
        let h = 1e-3;
        for u in [-50.0, -1.3, 0.4, 50.0f64] {
            let p = |i: i32| bounded().log_prob(&[i as f64 * h], &[0.4, u], &[]).exp();
            let total: f64 = (-10_000..10_000).map(|i| p(i) * h).sum();
            assert!((total - 1.0).abs() < 1e-10, "u = {u}: {total}");
        }
    }

    /// Its log-density is that of a normal with the same variance, constants and all.
    #[test]
    fn it_is_a_normal_of_that_variance() {
        let (variance, u) = (0.1f64, 0.0); // halfway between the bounds' logarithms
        let expected = -0.5 * (LN_2PI + variance.ln() + 0.7f64.powi(2) / variance);
        assert!((bounded().log_prob(&[1.1], &[0.4, u], &[]) - expected).abs() < 1e-14);
    }

    /// Whatever a network emits: value and gradient are finite, the variance keeps its bounds, and
    /// draws lie within some spreads of the mean.
    #[test]
    fn no_emitted_number_breaks_it() {
        let mut rng = Address::new(0, Purpose::Check).rng();
        for u in [f32::MIN, -1e4, -88.8, 0.0, 88.8, 1e4, f32::MAX] {
            let (s, slope) = BoundedNormal::log_variance(bounded().range::<f32>(), u);
            assert!(
                (0.01f32.ln() - 1e-6..=1e-6).contains(&s) && (0.0..2.0).contains(&slope),
                "{u}"
            );
            let (mut d_eta, mut d_x) = ([0f32; 2], [0f32; 1]);
            let d = RowGradient { d_eta: &mut d_eta, d_x: &mut d_x };
            let log_p = bounded().log_prob_gradient(d, &[1e6], &[0.0, u], &[]);
            assert!(log_p.is_finite() && d_eta[0].is_finite() && d_eta[1].is_finite(), "{u}");
            for _ in 0..1000 {
                let mut x = [0f32];
                bounded().sample(&mut x, &[0.5, u], &[], &mut rng);
                assert!((x[0] - 0.5).abs() < 6.0, "{u}: {x:?}");
            }
        }
    }

    #[test]
    fn bounds_that_are_none_are_refused() {
        for spec in ["floor=0", "floor=1", "floor=2,cap=1", "cap=1e31", "floor=1e-31", "cap=nan"] {
            let spec: Spec = format!("bounded-normal:{spec}").parse().unwrap();
            assert!(BoundedNormal::from_spec(&spec).is_err(), "{spec}");
        }
    }

    /// It is the normal of that log-variance, and stays within the bounds whatever is emitted.
    #[test]
    fn it_is_the_normal_of_its_log_variance() {
        let q = BoundedNormal::new(0.0025, 7.4).unwrap();
        let eta = [0.3, -1.0, 2.0, -0.7, 1.5, 60.0];
        let s = [3, 4, 5].map(|i| BoundedNormal::log_variance(q.range::<f64>(), eta[i]).0);
        let of_normal = [eta[0], eta[1], eta[2], s[0], s[1], s[2]];
        let eps = [0.4, -1.2, 0.9];
        let draw = |eta| Draw { eta, own: &[], eps: &eps };
        let (mut a, mut b) = ([0.0; 3], [0.0; 3]);
        q.rsample(&mut a, &mut [], draw(&eta));
        Normal::emitted().rsample(&mut b, &mut [], draw(&of_normal));
        assert_eq!(a, b);
        assert_eq!(q.log_q(&[], draw(&eta)), Normal::emitted().log_q(&[], draw(&of_normal)));
        q.kl(&mut a, &eta);
        Normal::emitted().kl(&mut b, &of_normal);
        assert_eq!(a, b);
        for u in [-1e30, -50.0, 0.0, 50.0, 1e30] {
            let mut std = [0.0f32];
            q.std(&mut std, &[0.0, u]);
            let variance = f64::from(std[0]).powi(2);
            assert!((0.0025 * 0.999..=7.4 * 1.001).contains(&variance), "{u}: {variance}");
        }
    }
}
