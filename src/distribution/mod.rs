//! Conditional distributions p(x|η) whose parameters η a network emits.
//!
//! A likelihood and a posterior are the same thing here. A decoder's distribution *scores* a given
//! value: [`Distribution::log_prob`] and its gradient. An encoder's distribution can also be *drawn
//! from differentiably*: it is [`Reparameterized`] as well.
//!
//! A member says what happens in one row, forward and backward beside each other; [`batch`] runs it
//! over the rows of a batch. To add one: write its file, ending in a `member()` function, and add
//! the file's name to the list below.

pub mod batch;

use crate::error::Result;
use crate::family::{Member, Spec, family};
use crate::real::Real;
use crate::rng::ChaCha8Rng;

family!(Distribution, "distribution": bernoulli, normal, bounded_normal);

/// Whether a distribution can produce a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Support {
    /// It can: log p is a log-probability or a log-density.
    Inside,
    /// It cannot, but the formula still gives a usable training signal, a cross-entropy. Figures that
    /// need a likelihood are then absent, for the reason given.
    CrossEntropy(&'static str),
    /// It cannot, and training on it would be a mistake; the text says what is accepted.
    Outside(&'static str),
}

/// A parameter that belongs to the distribution itself, not to the network in front of it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct OwnParameter {
    /// The last part of its name in the model file.
    pub name: &'static str,
    /// Its starting value.
    pub start: f64,
}

/// What is known of the data's columns before training, as the model sees them.
#[derive(Clone, Debug, PartialEq)]
pub struct Moments {
    /// The mean of each column, `[D]`.
    pub mean: Vec<f64>,
    /// The variance of each column, `[D]`.
    pub variance: Vec<f64>,
}

/// Where the gradient of one row's log-probability goes. Everything in it is overwritten.
pub struct RowGradient<'a, T> {
    /// ∂log p/∂η, `[P]`.
    pub d_eta: &'a mut [T],
    /// ∂log p/∂x, `[D]`, or empty where nobody asks for it.
    pub d_x: &'a mut [T],
    /// ∂log p/∂own, `[O]`.
    pub d_own: &'a mut [T],
}

/// A distribution over rows of D values, with parameters η of P values that a network emits.
///
/// Rows everywhere: `x: [D]`, `eta: [P]`, `own: [O]` (the distribution's own parameters).
/// Log-probabilities are complete, with every constant, in nats.
pub trait Distribution<T: Real>: Send + Sync {
    /// Its name and settings.
    fn spec(&self) -> Spec;

    /// Width P of η for a variable of width `width`.
    fn eta_width(&self, width: usize) -> usize;

    /// Its own parameters, if it has any.
    fn own_parameters(&self) -> &'static [OwnParameter] {
        &[]
    }

    /// log p(x|η)
    fn log_prob(&self, x: &[T], eta: &[T], own: &[T]) -> T;

    /// log p(x|η) and, in the same pass, its gradient (a unit gradient: the objective's weight for
    /// the row is multiplied in later, when it is known).
    fn log_prob_gradient(&self, d: RowGradient<'_, T>, x: &[T], eta: &[T], own: &[T]) -> T;

    /// `mean ← E[x|η]`, `[D]`
    fn mean(&self, mean: &mut [T], eta: &[T], own: &[T]);

    /// `x ← a draw from p(x|η)`, `[D]`
    fn sample(&self, x: &mut [T], eta: &[T], own: &[T], rng: &mut ChaCha8Rng);

    /// Whether one coordinate of x can have this value.
    fn support(&self, value: f64) -> Support;

    /// Whether log p is a density with respect to length, so that bits per dimension are
    /// differential (they depend on the data's units and can be negative).
    fn is_density(&self) -> bool;

    /// Whether it is still itself when a column is shifted and stretched, so that columns may be
    /// standardised before it sees them. (A variance that is fixed or shared is then one of standardised
    /// columns.)
    fn is_location_scale(&self) -> bool {
        false
    }

    /// Whether it learns how far a column spreads, without a bound. The density of a column that is
    /// constant then grows without bound too.
    fn learns_spread(&self) -> bool {
        false
    }

    /// A good start for the bias of the layer that emits η. Does nothing unless there is one.
    fn start_bias(&self, _bias: &mut [T], _data: &Moments) {}

    /// A better start for its own parameters than [`OwnParameter::start`]. Does nothing unless there
    /// is one.
    fn start_own(&self, _own: &mut [T], _data: &Moments) {}

    /// The same object as a posterior, if it can be drawn from differentiably.
    fn as_reparameterized(&self) -> Option<&dyn Reparameterized<T>> {
        None
    }
}

/// A distribution that can be drawn as z = g(η, ε), differentiable in η, with ε from N(0, I).
///
/// The gradient of a function of z and log q reaches η on two ways, kept apart because estimators
/// treat them differently: *through z* ([`Self::rsample_backward`]), and through log q's *direct*
/// dependence on η at fixed z (`d_eta` of [`Self::log_q_gradient`]). For log q itself both are large where q
/// is narrow, and nearly cancel: whoever wants their sum takes [`Self::log_q_total_gradient`].
pub trait Reparameterized<T: Real>: Distribution<T> {
    /// `z ← g(η, ε)`; `z: [Z]`, `eps: [Z]`
    fn rsample(&self, z: &mut [T], eta: &[T], eps: &[T]);

    /// `d_eta += (∂z/∂η)ᵀ d_z`, the path through z.
    fn rsample_backward(&self, d_eta: &mut [T], d_z: &[T], eta: &[T], eps: &[T]);

    /// `std ← the standard deviation of every coordinate of z`, `[Z]`.
    fn std(&self, std: &mut [T], eta: &[T]);

    /// log q(z|η) of the draw z = g(η, ε), computed from ε (nothing is lost to z − μ).
    fn log_q(&self, eta: &[T], eps: &[T]) -> T;

    /// Of that draw, `d_eta ← ∂log q/∂η` at fixed z (the direct term) and `d_z ← ∂log q/∂z`.
    fn log_q_gradient(&self, d_eta: &mut [T], d_z: &mut [T], eta: &[T], eps: &[T]);

    /// `d_eta ← d log q(g(η, ε)|η)/dη`, the derivative of [`Self::log_q`] at fixed ε: the direct term and
    /// the path through z in one, without what cancels between them.
    fn log_q_total_gradient(&self, d_eta: &mut [T], eta: &[T], eps: &[T]);

    /// `kl_j ← KL(q(z_j|η) ‖ N(0, 1))` in closed form, `[Z]`.
    fn kl(&self, kl: &mut [T], eta: &[T]);

    /// `d_eta += Σ_j d_kl_j ∂KL_j/∂η`.
    fn kl_backward(&self, d_eta: &mut [T], d_kl: &[T], eta: &[T]);
}

/// Builds a distribution that must serve as a posterior.
///
/// # Errors
/// As [`build`], and if it cannot be drawn from differentiably.
pub fn build_posterior<T: Real>(spec: &Spec) -> Result<Box<dyn Distribution<T>>> {
    let posterior = build::<T>(spec)?;
    if !posterior.own_parameters().is_empty() {
        let message =
            format!("`{spec}` has parameters of its own, which only a likelihood may have");
        return Err(crate::error::Error::setting("posterior", message));
    }
    if posterior.as_reparameterized().is_none() {
        let message = format!("`{spec}` cannot be drawn from differentiably; use `normal`");
        return Err(crate::error::Error::setting("posterior", message));
    }
    Ok(posterior)
}
