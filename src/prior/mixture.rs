//! A mixture of normals with learned parts.
//!
//! ```text
//! Shapes    z [N, Z]   own = [logits l [C]; components [C, 2Z]], a component's row [μ; s]
//! Forward   log p(z) = log Σ_c softmax(l)_c N(z; μ_c, e^{s_c})
//! Backward  `components.rs`, with the normal's of `distribution/normal.rs`
//! Source    Dilokthanakul et al. 2016, arXiv:1611.02648, as a prior without labels; Tomczak & Welling
//!           2018, section 3 ("MoG")
//! ```
//!
//! Means and log-variances start as draws from N(0, ¼): equal components would stay equal.

use super::components::{self, Components};
use super::{Given, Member, Prior, PriorGradient, Sequential, Spec};
use crate::distribution::{self, Distribution};
use crate::params::{Scope, Start};
use crate::real::Real;
use crate::rng::ChaCha8Rng;
use ndarray::{ArrayView2, ArrayViewMut2};

/// A mixture of normals with diagonal covariances.
pub struct Mixture<T> {
    components: usize,
    /// Their distribution.
    normal: Box<dyn Distribution<T>>,
}

/// The spread of what components start as.
const START: f64 = 0.5;

pub(super) fn member<T: Real>() -> Member<Box<dyn Prior<T>>> {
    Member {
        name: "mixture",
        summary: "a mixture of `components=C` (10) normals, which are learned",
        build: |spec| {
            spec.only(&["components"])?;
            let components = spec.whole("components", 1..=MOST)?.unwrap_or(10);
            let normal = distribution::build_likelihood(&Spec::new("normal"))?;
            Ok(Box::new(Mixture { components, normal }))
        },
        examples: &["mixture:components=3"],
    }
}

/// No prior has more components: far beyond any use.
pub(super) const MOST: usize = 1_000_000;

impl<T: Real> Mixture<T> {
    fn components<'a>(&'a self, own: &'a [T]) -> Components<'a, T> {
        let (logits, eta) = own.split_at(self.components);
        let shape = (self.components, eta.len() / self.components);
        let eta = ArrayView2::from_shape(shape, eta).expect("as it was asked for");
        let p = self.normal.as_likelihood().expect("it was built as one");
        Components { p, eta, own: &[], logits: Some(logits) }
    }
}

impl<T: Real> Prior<T> for Mixture<T> {
    fn spec(&self) -> Spec {
        Spec::new("mixture").with("components", self.components)
    }

    fn own(&self, scope: &mut Scope<'_>, latent: usize, _data: usize) {
        scope.tensor("logits", &[self.components], Start::Constant(0.0));
        scope.tensor("components", &[self.components, 2 * latent], Start::Normal(START));
    }

    fn work(&self, rows: usize, latent: usize, _eta: usize) -> usize {
        components::work(rows, latent, self.components, 2 * latent)
    }

    fn log_prob(&self, log_p: &mut [T], z: &ArrayView2<T>, given: Given<'_, T>, work: &mut [T]) {
        let r = &mut work[..log_p.len() * self.components];
        self.components(given.own).log_prob(log_p, r, z);
    }

    fn log_prob_gradient(
        &self,
        log_p: &mut [T],
        d_z: ArrayViewMut2<T>,
        z: &ArrayView2<T>,
        given: Given<'_, T>,
        work: &mut [T],
    ) {
        self.components(given.own).log_prob_gradient(log_p, d_z, z, work);
    }

    fn backward(
        &self,
        d: PriorGradient<'_, T>,
        weight: &[T],
        z: &ArrayView2<T>,
        given: Given<'_, T>,
        work: &mut [T],
    ) {
        let components = self.components(given.own);
        let (d_logits, d_eta) = d.d_own.split_at_mut(self.components);
        let d_eta = ArrayViewMut2::from_shape(components.eta.dim(), d_eta).expect("as own");
        components.backward(d_eta, d_logits, weight, z, work);
    }

    fn in_turn<'a>(
        &'a self,
        latent: usize,
        given: Given<'a, T>,
    ) -> Option<Box<dyn Sequential + 'a>> {
        self.components(given.own).in_turn(latent)
    }

    fn sample(&self, z: &mut [T], temperature: T, given: Given<'_, T>, rng: &mut ChaCha8Rng) {
        self.components(given.own).sample(z, temperature, rng);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::math::LN_2PI;
    use crate::rng::{Address, Purpose};
    use ndarray::array;

    /// Shares ¼ and ¾; components at −2 and 1, with the spreads ½ and 2.
    const OWN: [f64; 6] =
        [0.0, 1.0986122886681098, -2.0, -1.3862943611198906, 1.0, 1.3862943611198906];

    fn density(z: f64) -> f64 {
        let normal =
            |mean: f64, std: f64| (-0.5 * (LN_2PI + ((z - mean) / std).powi(2))).exp() / std;
        0.25 * normal(-2.0, 0.5) + 0.75 * normal(1.0, 2.0)
    }

    fn mixture() -> (Box<dyn Prior<f64>>, Given<'static, f64>) {
        let prior = crate::prior::build(&"mixture:components=2".parse().unwrap()).unwrap();
        (prior, Given { own: &OWN, posteriors: None, own_places: None })
    }

    /// Constants and all: differences would not see them.
    #[test]
    fn log_p_is_that_of_the_mixture() {
        let (prior, given) = mixture();
        let z = array![[-2.3], [0.0], [0.9], [40.0]];
        let (mut log_p, mut work) = ([0.0; 4], vec![0.0; prior.work(4, 1, 2)]);
        prior.log_prob(&mut log_p, &z.view(), given, &mut work);
        for (z, log_p) in z.iter().zip(log_p) {
            assert!((log_p - density(*z).ln()).abs() < 1e-12, "{z}: {log_p}");
        }
    }

    /// Draws have the mixture's mean ¼ and variance; colder ones lie nearer to their own component.
    #[test]
    fn draws_are_from_the_mixture() {
        let ((prior, given), n) = (mixture(), 40_000);
        let moments = |temperature: f64| {
            let mut sums = [0.0; 2];
            for i in 0..n {
                let mut z = [0.0];
                let mut rng = Address::new(3, Purpose::Check).row(i).rng();
                prior.sample(&mut z, temperature, given, &mut rng);
                sums = [sums[0] + z[0], sums[1] + z[0] * z[0]];
            }
            let mean = sums[0] / n as f64;
            [mean, sums[1] / n as f64 - mean * mean]
        };
        // Between the components (¼·¾·3²) and within them (¼·½² + ¾·2²).
        let (between, within) = (27.0 / 16.0, 0.0625 + 3.0);
        for temperature in [1.0, 0.5] {
            let variance = between + within * temperature * temperature;
            let [mean, found] = moments(temperature);
            let error = (variance / n as f64).sqrt();
            assert!((mean - 0.25).abs() < 4.0 * error, "{temperature}: {mean}");
            // Kurtosis 3 is above what these have.
            assert!((found / variance - 1.0).abs() < 4.0 * (2.0 / n as f64).sqrt(), "{found}");
        }
    }
}
