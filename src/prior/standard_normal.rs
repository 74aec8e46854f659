//! The standard normal prior.
//!
//! ```text
//! Shapes    z [Z]
//! Forward   log p(z) = −½ Σ_j (ln 2π + z_j²)
//! Backward  ∂log p/∂z_j = −z_j
//! Source    Kingma & Welling 2014, section 3
//! ```

use super::{Member, Prior, Spec};
use crate::math::{LN_2PI, map_sum};
use crate::real::Real;
use crate::rng::ChaCha8Rng;
use rand_distr::{Distribution as _, StandardNormal as Normal01};

/// N(0, I)
#[derive(Clone, Copy, Debug)]
pub struct StandardNormal;

pub(super) fn member<T: Real>() -> Member<Box<dyn Prior<T>>> {
    Member {
        name: "standard-normal",
        summary: "independent latents from N(0, 1)",
        build: |spec| {
            spec.only(&[])?;
            Ok(Box::new(StandardNormal))
        },
        examples: &["standard-normal"],
    }
}

impl<T: Real> Prior<T> for StandardNormal {
    fn spec(&self) -> Spec {
        Spec::new("standard-normal")
    }

    fn is_standard_normal(&self) -> bool {
        true
    }

    fn log_prob(&self, z: &[T]) -> T {
        let ln_2pi = T::from_f64(LN_2PI);
        let sum = map_sum(
            [],
            [z],
            #[inline(always)]
            |[z]| ([], ln_2pi + z * z),
        );
        T::from_f64(-0.5) * sum
    }

    fn log_prob_gradient(&self, d_z: &mut [T], z: &[T]) -> T {
        d_z.iter_mut().zip(z).for_each(|(d, &z)| *d = -z);
        self.log_prob(z)
    }

    fn sample(&self, z: &mut [T], temperature: T, rng: &mut ChaCha8Rng) {
        z.iter_mut().for_each(|z| *z = temperature * T::from_f64(Normal01.sample(rng)));
    }
}
