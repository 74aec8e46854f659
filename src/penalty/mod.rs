//! What couples the rows of a batch: penalties on the latents of all rows together, added to a bound.
//!
//! A bound is a sum over rows. That latents be independent of each other, or be as the prior on the whole, is
//! said of the aggregate q(z) = mean over rows of q(z|x), which a penalty sees through the batch: the draws z,
//! and what the encoder emitted. It answers with its value and with ∂/∂ both; the engine takes these back
//! through the encoder with the bound's own. The objective `penalized` adds one to another objective.
//!
//! To add one: write its file, ending in a `member()` function, and add its name to the list below.

use crate::distribution::Distribution;
use crate::error::{Error, Result};
use crate::family::{Member, Spec, family};
use crate::real::Real;
use ndarray::{ArrayView2, ArrayViewMut2};

family!(Penalty, "penalty": tc, dip, mmd);

/// The latents of a batch of B rows, with N = B·K draws.
#[derive(Clone, Copy)]
pub struct Latents<'a, T> {
    /// The draws, `[N, Z]`.
    pub z: ArrayView2<'a, T>,
    /// The posterior.
    pub q: &'a dyn Distribution<T>,
    /// What the encoder emitted, `[B, P]`.
    pub eta: ArrayView2<'a, T>,
    /// The posterior's own tensors.
    pub own: &'a [T],
    /// Draws from N(0, I), `[N, Z]`, for who needs some ([`Penalty::needs_prior_draws`]); else without rows.
    pub prior: ArrayView2<'a, T>,
}

/// Where a penalty's gradient goes. Everything in it is added to.
pub struct LatentGradient<'a, T> {
    /// `[N, Z]`
    pub d_z: ArrayViewMut2<'a, T>,
    /// `[B, P]`
    pub d_eta: ArrayViewMut2<'a, T>,
}

/// What a penalty is a function of.
#[derive(Clone, Copy, Debug)]
pub struct Inputs {
    /// z
    pub z: bool,
    /// η
    pub eta: bool,
}

/// A penalty on the latents of all rows of a batch.
pub trait Penalty<T: Real>: Send + Sync {
    /// Its name and settings.
    fn spec(&self) -> Spec;

    /// Whether it compares the draws with some of N(0, I), which the prior must then be.
    fn needs_prior_draws(&self) -> bool {
        false
    }

    /// Why it cannot be laid on latents of this posterior, if it cannot.
    fn refuses(&self, _q: &dyn Distribution<T>) -> Option<&'static str> {
        None
    }

    /// Whether it depends on the draws, and whether on what the encoder emitted beside them.
    fn depends_on(&self) -> Inputs;

    /// Its value, weight included, in nats beside the bound's.
    fn value(&self, given: &Latents<'_, T>) -> f64;

    /// The same, with its gradient.
    fn gradient(&self, d: LatentGradient<'_, T>, given: &Latents<'_, T>) -> f64;
}

/// The weight that `spec` gives, 1 unless it does.
///
/// # Errors
/// If it is not a number of at least 0.
fn weight(spec: &Spec, key: &str, default: f64) -> Result<f64> {
    match spec.number(key)? {
        None => Ok(default),
        Some(weight) if weight >= 0.0 => Ok(weight),
        Some(_) => {
            let message = "must be a number of at least 0";
            Err(Error::setting(format!("{}:{key}", spec.name()), message))
        }
    }
}
