//! The distribution of the topmost latent, p(z_L).
//!
//! To add one: write its file, ending in a `member()` function, and add its name to the list below.

mod components;
mod in_turn;

use crate::distribution::{Below, Distribution, Moments};
use crate::family::{Member, Spec, family};
use crate::params::Scope;
use crate::real::Real;
use crate::rng::ChaCha8Rng;
use ndarray::{ArrayView2, ArrayViewMut2};

family!(Prior, "prior": standard_normal, mixture, vamp, exemplar);

/// What a prior is a function of, besides z.
#[derive(Clone, Copy)]
pub struct Given<'a, T> {
    /// Its own tensors, side by side in the order in which it asked for them, `[O]`.
    pub own: &'a [T],
    /// The posterior at its pseudo-inputs, if it has any ([`Prior::pseudo_inputs`]), or at the training rows that it
    /// retrieved ([`Prior::retrieval`]).
    pub posteriors: Option<Posteriors<'a, T>>,
    /// While training, which of the retrieved rows a row of the batch is itself; of one that is none of them, a
    /// number beyond. `[B]`
    pub own_places: Option<&'a [u32]>,
}

/// Which training rows a prior wants to see while training: the nearest neighbours of each row of the batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retrieval {
    /// Training rows in all; the means of their posteriors are the first of its own numbers, `[E, Z]`.
    pub count: usize,
    /// Neighbours of each.
    pub neighbours: usize,
}

/// Posteriors q(z|u_c), one for each pseudo-input u_c.
#[derive(Clone, Copy)]
pub struct Posteriors<'a, T> {
    /// The posterior's distribution.
    pub q: &'a dyn Distribution<T>,
    /// What the encoder emits at the pseudo-inputs, `[C, P]`.
    pub eta: ArrayView2<'a, T>,
    /// The posterior's own tensors.
    pub own: &'a [T],
}

/// A prior's law of one latent after another, for a codec: each given the bins that those before it lie in.
pub trait Sequential {
    /// Calls `with` with F(e) = P(z_j < e) of the next latent, the same bits on every machine
    /// ([`crate::distribution::Coded`]).
    fn law(&self, with: &mut dyn FnMut(&Below<'_>));

    /// That latent was found to be `z`, which stands for all from `low` to `high`.
    fn found(&mut self, z: f64, low: f64, high: f64);
}

/// Where the gradient of Σ_n weight_n log p(z_n) goes. Everything in it is added to.
pub struct PriorGradient<'a, T> {
    /// In the prior's own tensors, `[O]`.
    pub d_own: &'a mut [T],
    /// In η of the posteriors at its pseudo-inputs, `[C, P]`.
    pub d_eta: ArrayViewMut2<'a, T>,
}

/// A distribution over rows `z: [Z]`.
///
/// Batches everywhere: `z: [N, Z]`, `log_p: [N]`, in nats. What log p leaves for the backward pass of the
/// same rows stands in `work`, which has [`Prior::work`] elements.
pub trait Prior<T: Real>: Send + Sync {
    /// Its name and settings.
    fn spec(&self) -> Spec;

    /// Whether it is N(0, I), for which posteriors may know their KL in closed form.
    fn is_standard_normal(&self) -> bool {
        false
    }

    /// Asks for its own tensors, if it has any, for latents of width `latent` of a model of data of
    /// width `data`.
    fn own(&self, _scope: &mut Scope<'_>, _latent: usize, _data: usize) {}

    /// How many pseudo-inputs u it has: rows of data, `[C, D]`, the first of its own numbers. The model
    /// encodes them, hands the posteriors to the prior, and takes back what the prior says of them.
    fn pseudo_inputs(&self) -> usize {
        0
    }

    /// Whether these are kept within [0, 1]: the encoder sees max(0, min(u, 1)).
    fn clips_pseudo_inputs(&self) -> bool {
        false
    }

    /// Which training rows it retrieves, if it does.
    fn retrieval(&self) -> Option<Retrieval> {
        None
    }

    /// Overwrites its own tensors where the data suggest a better start than theirs.
    fn start(&self, _own: &mut [T], _data: &Moments) {}

    /// Elements that it needs to work on `rows` rows of width `latent`, whose posterior has an η of `eta`.
    fn work(&self, _rows: usize, _latent: usize, _eta: usize) -> usize {
        0
    }

    /// `log_p_n ← log p(z_n)`
    ///
    /// # Panics
    /// If the shapes do not fit, or `z` is not in standard layout.
    fn log_prob(&self, log_p: &mut [T], z: &ArrayView2<T>, given: Given<'_, T>, work: &mut [T]);

    /// As [`Self::log_prob`], with `d_z ← ∂log p/∂z`, `[N, Z]`.
    ///
    /// # Panics
    /// As [`Self::log_prob`].
    fn log_prob_gradient(
        &self,
        log_p: &mut [T],
        d_z: ArrayViewMut2<T>,
        z: &ArrayView2<T>,
        given: Given<'_, T>,
        work: &mut [T],
    );

    /// Adds the gradient of Σ_n weight_n log p(z_n) in everything but z, from what
    /// [`Self::log_prob_gradient`] left in `work`. Rows of weight 0 are left out.
    fn backward(
        &self,
        _d: PriorGradient<'_, T>,
        _weight: &[T],
        _z: &ArrayView2<T>,
        _given: Given<'_, T>,
        _work: &mut [T],
    ) {
    }

    /// Its law of one latent of `latent` after another, if that can be coded.
    fn in_turn<'a>(
        &'a self,
        _latent: usize,
        _given: Given<'a, T>,
    ) -> Option<Box<dyn Sequential + 'a>> {
        None
    }

    /// `z ← a draw` whose distance from the prior's mean, or that of the component it is from, is
    /// `temperature` times as large as the prior would have it; 1 is the prior itself. `z: [Z]`
    fn sample(&self, z: &mut [T], temperature: T, given: Given<'_, T>, rng: &mut ChaCha8Rng);
}
