//! The standard normal prior.
//!
//! ```text
//! Shapes    z [N, Z]
//! Forward   log p(z) = −½ Σ_j (ln 2π + z_j²)
//! Backward  ∂log p/∂z_j = −z_j
//! Source    Kingma & Welling 2014, section 3
//! ```

use super::{Given, Member, Prior, Spec};
use crate::math::{LN_2PI, map_sum};
use crate::parallel::{self, Rows, RowsMut};
use crate::real::Real;
use crate::rng::ChaCha8Rng;
use ndarray::{ArrayView2, ArrayViewMut2};
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

/// Rough cost of one element, in additions, for the decision to use a second thread.
const COST: usize = 4;

/// log p of one row.
fn log_p<T: Real>(z: &[T]) -> T {
    let ln_2pi = T::from_f64(LN_2PI);
    let sum = map_sum(
        [],
        [z],
        #[inline(always)]
        |[z]| ([], ln_2pi + z * z),
    );
    T::from_f64(-0.5) * sum
}

impl<T: Real> Prior<T> for StandardNormal {
    fn spec(&self) -> Spec {
        Spec::new("standard-normal")
    }

    fn is_standard_normal(&self) -> bool {
        true
    }

    fn log_prob(&self, out: &mut [T], z: &ArrayView2<T>, _: Given<'_, T>, _: &mut [T]) {
        let n = out.len();
        let (cost, z) = (COST * z.ncols(), Rows::new(z, n));
        parallel::rows(RowsMut::new(out, 1), n, cost, &|first, count, mut out| {
            (0..count).for_each(|i| out.row(i)[0] = log_p(z.row(first + i)));
        });
    }

    fn log_prob_gradient(
        &self,
        out: &mut [T],
        mut d_z: ArrayViewMut2<T>,
        z: &ArrayView2<T>,
        given: Given<'_, T>,
        work: &mut [T],
    ) {
        d_z.zip_mut_with(z, |d, &z| *d = -z);
        self.log_prob(out, z, given, work);
    }

    fn sample(&self, z: &mut [T], temperature: T, _: Given<'_, T>, rng: &mut ChaCha8Rng) {
        z.iter_mut().for_each(|z| *z = temperature * T::from_f64(Normal01.sample(rng)));
    }
}
