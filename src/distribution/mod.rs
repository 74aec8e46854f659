//! Conditional distributions p(x|η) whose parameters η a network emits.
//!
//! A likelihood and a posterior are the same thing here, a [`Distribution`], and each can do what its
//! place asks of it. A decoder's distribution *scores* a given value: it is a [`Likelihood`]. An
//! encoder's can be *drawn from differentiably*: it is [`Reparameterized`]. A normal is both.
//!
//! A member says what happens in one row, forward and backward beside each other; [`batch`] runs it
//! over the rows of a batch. To add one: write its file, ending in a `member()` function, and add
//! the file's name to the list below.

pub mod batch;
mod coded;
pub mod diagonal;
mod factorized;
mod facts;
pub mod flow;
pub mod univariate;

pub(crate) use coded::exponentials;
pub use coded::{At, Below, Coded};
pub use factorized::Factorized;
pub use facts::{Domain, Facts, Support};

use crate::error::{Error, Result};
use crate::family::{Member, Spec, family};
use crate::params::Scope;
use crate::real::Real;
use crate::rng::ChaCha8Rng;
use std::ops::Range;

family!(Distribution, "distribution": bernoulli, normal, bounded_normal, full_normal, planar, iaf,
    laplace, logistic, student_t, log_normal, gamma, continuous_bernoulli, poisson, negative_binomial,
    zero_inflated, binomial, beta_binomial, categorical, ordinal, discretized_logistic, mixture, columns,
    masked);

/// Ranges of a part as those of the whole, in which the part begins at `first`.
fn shifted(ranges: Vec<Range<usize>>, first: usize) -> impl Iterator<Item = Range<usize>> {
    ranges.into_iter().map(move |range| range.start + first..range.end + first)
}

/// What is known of the data's columns before training, as the model sees them.
#[derive(Clone, Debug, PartialEq)]
pub struct Moments {
    /// The mean of each column, `[D]`.
    pub mean: Vec<f64>,
    /// The variance of each column, `[D]`.
    pub variance: Vec<f64>,
}

/// A distribution over rows of D values, with parameters η of P values that a network emits.
///
/// Rows everywhere: `x: [D]`, `eta: [P]`, `own: [O]`, the tensors that belong to the distribution
/// itself, side by side in the order in which it asked for them.
/// Log-probabilities are complete, with every constant, in nats.
pub trait Distribution<T: Real>: Send + Sync {
    /// Its name and settings.
    fn spec(&self) -> Spec;

    /// Width P of η for a variable of width `width`.
    fn eta_width(&self, width: usize) -> usize;

    /// Where in η the logarithms of rates stand, by which counts and their means grow in proportion: a row's exposure
    /// multiplies the rates. Nowhere, if it has no rates.
    fn rates(&self, _width: usize) -> Vec<Range<usize>> {
        Vec::new()
    }

    /// Which of η start at 0 whatever is given: the rows of the layer that emits them do.
    fn zero_at_start(&self, _width: usize) -> Range<usize> {
        0..0
    }

    /// Asks for its own tensors, if it has any, for a variable of width `width`.
    fn own(&self, _scope: &mut Scope<'_>, _width: usize) {}

    /// What is to be known of a column of its values.
    fn facts(&self, column: usize) -> Facts;

    /// Whether each of `width` columns can have any real value, as a latent needs.
    fn scores_latents(&self, width: usize) -> bool {
        (0..width).all(|column| self.facts(column).domain.support(-1.5) == Support::Inside)
    }

    /// `mean ← E[x|η]`, `[D]`; where that has no closed form, the draw at ε = 0.
    fn mean(&self, mean: &mut [T], eta: &[T], own: &[T]);

    /// `x ← a draw from p(x|η)`, `[D]`
    fn sample(&self, x: &mut [T], eta: &[T], own: &[T], rng: &mut ChaCha8Rng);

    /// Overwrites the bias of the layer that emits η, and its own tensors, where the data suggest a
    /// better start than theirs.
    fn start(&self, _bias: &mut [T], _own: &mut [T], _data: &Moments) {}

    /// The same object as a likelihood, if it can score any value that it can have.
    fn as_likelihood(&self) -> Option<&dyn Likelihood<T>> {
        None
    }

    /// The same object as a posterior, if it can be drawn from differentiably.
    fn as_reparameterized(&self) -> Option<&dyn Reparameterized<T>> {
        None
    }
}

/// Where the gradient of one row's log-probability goes. Everything in it is overwritten.
pub struct RowGradient<'a, T> {
    /// ∂log p/∂η, `[P]`.
    pub d_eta: &'a mut [T],
    /// ∂log p/∂x, `[D]`, or empty where nobody asks for it, as of values without neighbours.
    pub d_x: &'a mut [T],
}

impl<T> RowGradient<'_, T> {
    /// Nowhere: only the value is asked for.
    pub fn none() -> Self {
        RowGradient { d_eta: &mut [], d_x: &mut [] }
    }
}

/// A distribution that scores given values.
pub trait Likelihood<T: Real>: Distribution<T> {
    /// log p(x|η)
    fn log_prob(&self, x: &[T], eta: &[T], own: &[T]) -> T;

    /// log p(x|η) and, in the same pass, its gradient (a unit gradient: the objective's weight for
    /// the row is multiplied in later, when it is known).
    fn log_prob_gradient(&self, d: RowGradient<'_, T>, x: &[T], eta: &[T], own: &[T]) -> T;

    /// `d_own += weight · ∂log p(x|η)/∂own`
    fn own_backward(&self, _d_own: &mut [T], _weight: T, _x: &[T], _eta: &[T], _own: &[T]) {}

    /// `mode ← the x of the highest log p(x|η)`, `[D]`: the mean, where that is it. A density that rises without end
    /// has it at the edge, within what can be scored; a mixture takes the best of its components' modes.
    fn mode(&self, mode: &mut [T], eta: &[T], own: &[T]) {
        self.mean(mode, eta, own);
    }

    /// Calls `side` with the side of each kink of log p that x is on: a finite difference is valid only while
    /// no answer changes.
    fn kinks(&self, _x: &[T], _eta: &[T], _own: &[T], _side: &mut dyn FnMut(bool)) {}

    /// The same object, if its columns are independent given η and its η are blocks of as many numbers.
    fn as_factorized(&self) -> Option<&dyn Factorized<T>> {
        None
    }

    /// The same object, if its values can be coded.
    fn as_coded(&self) -> Option<&dyn Coded<T>> {
        None
    }

    /// Whether its columns are independent given η, so that each has a log p of its own ([`Self::log_prob_each`]).
    fn is_columnwise(&self) -> bool {
        self.as_factorized().is_some()
    }

    /// `log_p_i ← log p(x_i|η)` of each column, `[D]`, which add up to log p(x|η).
    ///
    /// # Panics
    /// If they are not independent given η ([`Self::is_columnwise`]).
    fn log_prob_each(&self, log_p: &mut [T], x: &[T], eta: &[T], own: &[T]) {
        let columns = self.as_factorized().expect("columns that are independent given η");
        columns.log_probs(log_p, RowGradient::none(), x, eta, own);
    }
}

/// What one draw from a posterior is made of.
#[derive(Clone, Copy)]
pub struct Draw<'a, T> {
    /// The parameters that a network emitted, `[P]`.
    pub eta: &'a [T],
    /// The distribution's own tensors, `[O]`.
    pub own: &'a [T],
    /// ε, `[noise_width]`.
    pub eps: &'a [T],
}

/// A distribution that can be drawn as z = g(η, ε), differentiable in η, with ε from N(0, I).
///
/// The gradient of a function of z and log q reaches η on two ways: *through z*, and through log q's
/// *direct* dependence on η at fixed z. For log q itself both are large where q is narrow, and nearly
/// cancel, so [`Self::backward`] takes them as a whole. An estimator that weighs them apart needs a
/// posterior that can tell them apart ([`Separable`]).
pub trait Reparameterized<T: Real>: Distribution<T> {
    /// Width of ε for z of width `width`.
    fn noise_width(&self, width: usize) -> usize {
        width
    }

    /// Whether the first of η are the mean of z.
    fn emits_its_mean(&self) -> bool {
        false
    }

    /// Width of what a draw keeps of the way from ε to z, for log q and the backward pass.
    fn kept_width(&self, _width: usize) -> usize {
        0
    }

    /// `z ← g(η, ε)`; `z: [Z]`. What is to be kept of the way is written to `kept`.
    fn rsample(&self, z: &mut [T], kept: &mut [T], draw: Draw<'_, T>);

    /// log q(z|η) of the draw z = g(η, ε), computed from ε (nothing is lost to z − μ).
    fn log_q(&self, kept: &[T], draw: Draw<'_, T>) -> T;

    /// `d_eta += (∂z/∂η)ᵀ d_z + d_log_q · d log q(g(η, ε)|η)/dη`: the path through z, and log q's
    /// derivative along the draw, at fixed ε; and the same for `d_own`. `kept` may be used up.
    fn backward(
        &self,
        d_eta: &mut [T],
        d_own: &mut [T],
        kept: &mut [T],
        d_z: &[T],
        d_log_q: T,
        draw: Draw<'_, T>,
    );

    /// The same object, if log q's two ways to η can be told apart.
    fn as_separable(&self) -> Option<&dyn Separable<T>> {
        None
    }

    /// The same object, if its spread and its KL are known in closed form.
    fn as_closed_form(&self) -> Option<&dyn ClosedForm<T>> {
        None
    }
}

/// A posterior whose log q has known derivatives at fixed z and in z.
pub trait Separable<T: Real>: Reparameterized<T> {
    /// Of a draw, `d_eta ← ∂log q/∂η` at fixed z (the direct term) and `d_z ← ∂log q/∂z`.
    fn log_q_gradient(&self, d_eta: &mut [T], d_z: &mut [T], draw: Draw<'_, T>);
}

/// A posterior of which more is known than its draws.
pub trait ClosedForm<T: Real>: Reparameterized<T> {
    /// `std ← the standard deviation of every coordinate of z`, `[Z]`.
    fn std(&self, std: &mut [T], eta: &[T]);

    /// `kl_j ← KL_j`, each of at least 0, that sum to KL(q(z|η) ‖ N(0, I)); `[Z]`. Where the coordinates
    /// are independent, KL_j = KL(q(z_j|η) ‖ N(0, 1)).
    fn kl(&self, kl: &mut [T], eta: &[T]);

    /// `d_eta += Σ_j d_kl_j ∂KL_j/∂η`.
    fn kl_backward(&self, d_eta: &mut [T], d_kl: &[T], eta: &[T]);
}

/// Builds a distribution that must serve as a likelihood.
///
/// # Errors
/// As [`build`], and if it cannot score a given value.
pub fn build_likelihood<T: Real>(spec: &Spec) -> Result<Box<dyn Distribution<T>>> {
    let likelihood = build::<T>(spec)?;
    if likelihood.as_likelihood().is_none() {
        let message = format!("`{spec}` can score nothing but its own draws; use `normal`");
        return Err(Error::setting("likelihood", message));
    }
    Ok(likelihood)
}

/// Builds a distribution that must serve as a posterior.
///
/// # Errors
/// As [`build`], and if it cannot be drawn from differentiably.
pub fn build_posterior<T: Real>(spec: &Spec) -> Result<Box<dyn Distribution<T>>> {
    let posterior = build::<T>(spec)?;
    if posterior.as_reparameterized().is_none() {
        let message = format!("`{spec}` cannot be drawn from differentiably; use `normal`");
        return Err(Error::setting("posterior", message));
    }
    Ok(posterior)
}
