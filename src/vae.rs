//! The variational autoencoder: a chain of conditionals, run up to infer and down to generate.
//!
//! ```text
//! z₀ = x
//! up    q(z_l | z_{l−1})   l = 1 … L      encoder_l emits η, from which z_l is drawn with noise ε
//! down  p(z_{l−1} | z_l)   l = L … 1      decoder_l emits η, which scores z_{l−1}
//! top   p(z_L)                            the prior
//! log w = log p(z_L) + Σ_l [ log p(z_{l−1} | z_l) − log q(z_l | z_{l−1}) ]
//! ```
//!
//! With L = 1 this is the textbook VAE, and a step reads
//!
//! ```text
//! encoder → rsample z → decoder → log p(x|z) and its unit gradient → objective: loss and weights
//! → scale by the weights → decoder backward → rsample / KL backward → encoder backward
//! ```
//!
//! [`Vae::forward`] is the first line, [`Vae::backward`] the second. The first encoder runs on B
//! rows; everything after the first draw on N = B·K. In the code level l of the text is `l − 1`.

mod config;
mod generate;
mod rows;
#[cfg(test)]
mod substitute;
#[cfg(test)]
mod tests;
mod workspace;

pub use config::{LevelConfig, VaeConfig};
pub use generate::Sampling;
pub use workspace::{Pass, Workspace};

use crate::distribution::batch::{self, Gradients};
use crate::distribution::{self, Distribution, Moments, Reparameterized};
use crate::error::{Error, Result, check_memory};
use crate::gradient::Gradient;
use crate::nn::mlp::{first_rows, first_rows_mut};
use crate::nn::{Init, Mlp};
use crate::objective::Objective;
use crate::params::{Layout, Vector};
use crate::prior::{self, Prior};
use crate::real::Real;
use crate::rng::{Address, Purpose};
use ndarray::ArrayView2;
use rows::{
    add, add_draws, add_prior_terms, add_weighted_rows, fill_noise, scale_rows, spread_rows,
};
use workspace::{head, head_mut};

/// The networks and distributions of one level.
struct Level<T> {
    latent: usize,
    encoder: Mlp,
    posterior: Box<dyn Distribution<T>>,
    decoder: Mlp,
    conditional: Box<dyn Distribution<T>>,
    /// The conditional's own parameters.
    own: Vector,
}

impl<T: Real> Level<T> {
    fn posterior(&self) -> &dyn Reparameterized<T> {
        self.posterior.as_reparameterized().expect("checked when the model was built")
    }
}

/// The structure of a model. Its numbers are a flat buffer of [`Vae::layout`], kept by whoever
/// trains or uses it.
pub struct Vae<T> {
    config: VaeConfig,
    layout: Layout,
    levels: Vec<Level<T>>,
    prior: Box<dyn Prior<T>>,
}

/// Which noise a pass draws: for row b of the batch that of row `rows[b]` at the address, sample by
/// sample.
#[derive(Clone, Copy, Debug)]
pub struct Noise<'a> {
    address: Address,
    rows: &'a [u64],
    first_sample: usize,
    scales: &'a [f64],
}

impl<'a> Noise<'a> {
    /// Seed, purpose and epoch are the address's; level, row and sample are filled in. `rows: [B]` are
    /// numbers of dataset rows, or [`number_of`] what is judged.
    ///
    /// [`number_of`]: crate::rng::number_of
    pub fn new(address: Address, rows: &'a [u64]) -> Self {
        Noise { address, rows, first_sample: 0, scales: &[1.0] }
    }

    /// The same from another sample on.
    pub fn from_sample(self, first_sample: usize) -> Self {
        Noise { first_sample, ..self }
    }

    /// The same with a standard deviation of `scales[s mod len]` for sample s, at every level. log q stays
    /// that of the posterior itself.
    pub fn scaled(self, scales: &'a [f64]) -> Self {
        Noise { scales, ..self }
    }
}

/// What a pass found, in nats per row of the batch.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[cfg_attr(feature = "model-file", derive(serde::Serialize))]
pub struct Score {
    /// Minus the objective.
    pub loss: f64,
    /// −log p(x|z), averaged over samples.
    pub reconstruction: f64,
    /// KL(q ‖ p), in closed form where the pass computed it, else averaged over samples.
    pub kl: f64,
}

impl Score {
    /// Adds `weight` times another score: the step of an average over batches.
    pub fn add(&mut self, other: &Score, weight: f64) {
        self.loss += weight * other.loss;
        self.reconstruction += weight * other.reconstruction;
        self.kl += weight * other.kl;
    }

    /// This sum as an average over `rows` rows.
    pub fn mean(&self, rows: f64) -> Score {
        Score {
            loss: self.loss / rows,
            reconstruction: self.reconstruction / rows,
            kl: self.kl / rows,
        }
    }

    /// The score in the data's own units, if the model sees the data in others ([`log_volume`]).
    /// Every bound moves as −log p(x|z) does, by a constant.
    ///
    /// [`log_volume`]: crate::data::Columns::log_volume
    pub fn in_units(mut self, log_volume: f64) -> Score {
        self.loss += log_volume;
        self.reconstruction += log_volume;
        self
    }

    /// The first term that is not finite, if any.
    pub fn broken_term(&self) -> Option<&'static str> {
        [("reconstruction", self.reconstruction), ("kl", self.kl), ("loss", self.loss)]
            .into_iter()
            .find_map(|(name, value)| (!value.is_finite()).then_some(name))
    }
}

impl<T: Real> Vae<T> {
    /// Lays out a model.
    ///
    /// # Errors
    /// As [`VaeConfig::check`], and if the machine has not the memory for the parameters.
    pub fn new(config: VaeConfig) -> Result<Self> {
        let vae = Vae::lay_out(config)?;
        check_memory::<T>(vae.layout.len(), "hidden", "make the layers narrower")?;
        Ok(vae)
    }

    /// The same without asking for memory, which a model's file has yet to justify.
    pub(crate) fn lay_out(config: VaeConfig) -> Result<Self> {
        config.check()?;
        let mut layout = Layout::default();
        let mut levels = Vec::with_capacity(config.levels.len());
        let mut below = config.width;
        for (l, level) in config.levels.iter().enumerate() {
            let posterior = distribution::build_posterior::<T>(&config.posterior)?;
            let conditional = distribution::build::<T>(if l == 0 {
                &config.likelihood
            } else {
                &config.conditional
            })?;
            let (name, eta) = (format!("encoder.{l}"), posterior.eta_width(level.latent));
            let encoder =
                Mlp::new(&mut layout, &name, below, &level.hidden, eta, config.activation);
            let (name, eta) = (format!("decoder.{l}"), conditional.eta_width(below));
            let mirrored: Vec<usize> = level.hidden.iter().rev().copied().collect();
            let decoder =
                Mlp::new(&mut layout, &name, level.latent, &mirrored, eta, config.activation);
            let own = layout.scalars(&name, conditional.own_parameters().iter().map(|p| p.name));
            levels.push(Level {
                latent: level.latent,
                encoder,
                posterior,
                decoder,
                conditional,
                own,
            });
            below = level.latent;
        }
        let prior = prior::build(&config.prior)?;
        Ok(Vae { config, layout, levels, prior })
    }

    /// What the model is made of.
    pub fn config(&self) -> &VaeConfig {
        &self.config
    }

    /// Names, shapes and places of the parameters.
    pub fn layout(&self) -> &Layout {
        &self.layout
    }

    /// p(x|z₁)
    pub fn likelihood(&self) -> &dyn Distribution<T> {
        &*self.levels[0].conditional
    }

    /// Fresh parameters. With the moments of the data's columns, the likelihood starts there
    /// ([`Distribution::start_bias`], [`Distribution::start_own`]).
    ///
    /// # Panics
    /// If `data` has another width than the model.
    pub fn init(&self, init: Init, seed: u64, data: Option<&Moments>) -> Vec<T> {
        let mut params = vec![T::zero(); self.layout.len()];
        let address = Address::new(seed, Purpose::Init);
        for (l, level) in self.levels.iter().enumerate() {
            level.encoder.init(&mut params, init, address.level(2 * l));
            level.decoder.init(&mut params, init, address.level(2 * l + 1));
            for (value, own) in
                level.own.of_mut(&mut params).iter_mut().zip(level.conditional.own_parameters())
            {
                *value = T::from_f64(own.start);
            }
        }
        if let Some(data) = data {
            let widths = [data.mean.len(), data.variance.len()];
            assert_eq!(widths, [self.config.width; 2], "the data has another width than the model");
            let level = &self.levels[0];
            level.conditional.start_bias(level.decoder.head().bias().of_mut(&mut params), data);
            level.conditional.start_own(level.own.of_mut(&mut params), data);
        }
        params
    }

    /// Whether the KL between posterior and prior is there in closed form: one level, standard
    /// normal prior. With more levels the prior of each latent is itself a network's output.
    pub fn has_closed_form_kl(&self) -> bool {
        self.levels.len() == 1 && self.prior.is_standard_normal()
    }

    /// Whether `objective` can train this model.
    ///
    /// # Errors
    /// If it needs the closed-form KL and the model has none.
    pub fn check_objective(&self, objective: &dyn Objective<T>) -> Result<()> {
        if objective.needs_closed_form_kl() && !self.has_closed_form_kl() {
            let message =
                "needs the closed-form KL, which only one level with a standard normal prior has";
            return Err(Error::setting(objective.spec().to_string(), message));
        }
        Ok(())
    }

    /// Draws the latents of `x: [B, D]` and computes the pieces of log w (and, in a
    /// [`Pass::Gradient`] workspace, their unit gradients). `closed_form` asks for the closed-form KL
    /// instead of log p(z) and log q.
    ///
    /// # Panics
    /// If `x` has another width than the model, no row or more than the workspace, or not one entry in
    /// `noise.rows` per row; or if `closed_form` is asked of a model without one.
    pub fn forward(
        &self,
        ws: &mut Workspace<T>,
        x: &ArrayView2<T>,
        params: &[T],
        noise: Noise<'_>,
        closed_form: bool,
    ) {
        let (b, n) = (x.nrows(), x.nrows() * ws.samples);
        assert!((1..=ws.max_rows).contains(&b), "{b} rows in a workspace for {}", ws.max_rows);
        assert_eq!(x.ncols(), self.config.width, "x has another width than the model");
        assert_eq!(noise.rows.len(), b, "noise.rows has not one entry per row");
        assert!(!closed_form || self.has_closed_form_kl(), "this model has no closed-form KL");
        (ws.rows, ws.scores.closed_form) = (b, closed_form);

        // Up: infer and draw.
        for (l, level) in self.levels.iter().enumerate() {
            let (lower, upper) = ws.levels.split_at_mut(l);
            let buf = &mut upper[0];
            let input = lower.last().map_or(x.view(), |below| head(&below.z, n));
            level.encoder.forward(&mut buf.encoder, &input, params);
            fill_noise(first_rows_mut(&mut buf.eps, n), level.latent, noise, ws.samples, l);
            let eta = buf.encoder.out(input.nrows());
            batch::rsample(head_mut(&mut buf.z, n), level.posterior(), &eta, &head(&buf.eps, n));
        }
        // Down: score every z_{l−1} under its conditional.
        for (l, level) in self.levels.iter().enumerate().rev() {
            let (lower, upper) = ws.levels.split_at_mut(l);
            let buf = &mut upper[0];
            level.decoder.forward(&mut buf.decoder, &head(&buf.z, n), params);
            let value = lower.last().map_or(x.view(), |below| head(&below.z, n));
            let log_p = if l == 0 { &mut ws.scores.log_px } else { &mut buf.log_p };
            let (log_p, eta, own) =
                (first_rows_mut(log_p, b), buf.decoder.out(n), level.own.of(params));
            match ws.pass {
                Pass::Value => batch::log_prob(log_p, &*level.conditional, &value, &eta, own),
                Pass::Gradient => {
                    let d = Gradients {
                        d_eta: head_mut(&mut buf.d_eta_p, n),
                        d_x: (l > 0).then(|| head_mut(&mut buf.d_x_p, n)),
                        d_own: head_mut(&mut buf.d_own, n),
                    };
                    batch::log_prob_gradient(log_p, d, &*level.conditional, &value, &eta, own);
                }
            }
        }
        if closed_form {
            let (level, buf) = (&self.levels[0], &ws.levels[0]);
            batch::kl(head_mut(&mut ws.scores.kl, b), level.posterior(), &buf.encoder.out(b));
        } else {
            self.forward_kl_terms(ws);
        }
    }

    /// log p(z) and log q of the latents in the workspace, summed over the levels.
    fn forward_kl_terms(&self, ws: &mut Workspace<T>) {
        let (b, n) = (ws.rows, ws.rows * ws.samples);
        let log_prior = first_rows_mut(&mut ws.scores.log_prior, b);
        let top = ws.levels.last().expect("a model has a level");
        match ws.pass {
            Pass::Value => prior::log_prob(log_prior, &*self.prior, &head(&top.z, n)),
            Pass::Gradient => {
                let d_z = head_mut(&mut ws.d_prior, n);
                prior::log_prob_gradient(log_prior, d_z, &*self.prior, &head(&top.z, n));
            }
        }
        ws.levels[1..].iter().for_each(|buf| add(log_prior, first_rows(&buf.log_p, b)));

        ws.scores.log_q.fill(T::zero());
        for (l, level) in self.levels.iter().enumerate() {
            let buf = &mut ws.levels[l];
            let eta = buf.encoder.out(if l == 0 { b } else { n });
            let log_q = first_rows_mut(&mut buf.log_p, b);
            batch::log_q(log_q, level.posterior(), &eta, &head(&buf.eps, n));
            add(first_rows_mut(&mut ws.scores.log_q, b), log_q);
        }
    }

    /// Adds ∂loss/∂parameters to `d_params`, from what the forward pass over `x` and the objective
    /// left in the workspace. The forward's lines, reversed. It uses the workspace up: gradients are
    /// weighed in place, and draws without a weight make room for the others.
    ///
    /// # Panics
    /// If the workspace is for values only, or holds another pass.
    pub fn backward(
        &self,
        d_params: &mut Gradient<T>,
        ws: &mut Workspace<T>,
        x: &ArrayView2<T>,
        params: &[T],
    ) {
        assert!(ws.pass == Pass::Gradient, "a workspace for values has no gradients");
        let (b, n) = (ws.rows, ws.rows * ws.samples);
        let weights = &ws.weights;
        let log_q_as_a_whole = weights.weigh_log_q_as_a_whole(b);

        // From the scores through the decoders into the latents.
        for (l, level) in self.levels.iter().enumerate() {
            let (lower, upper) = ws.levels.split_at_mut(l + 1);
            let buf = &mut lower[l];
            let weight = first_rows(if l == 0 { &weights.log_px } else { &weights.log_prior }, b);
            add_weighted_rows(d_params.vector(level.own), first_rows(&buf.d_own, n), weight);
            let count = buf.weigh_draws(&mut ws.live, weight);
            let z = if count < n { &buf.live_z } else { &buf.z };
            let (d_eta, z) = (head(&buf.d_eta_p, count), head(z, count));
            let mut d_z = head_mut(&mut buf.d_z, count);
            level.decoder.backward(d_params, Some(&mut d_z), &d_eta, &mut buf.decoder, &z, params);
            if count < n {
                spread_rows(first_rows_mut(&mut buf.d_z, n), level.latent, &ws.live);
            }
            if !ws.scores.closed_form {
                // z_l also stands in log p(z_l|z_{l+1}), or in the prior, and in its own log q, whose two
                // ways to η nearly cancel and are taken together if they may.
                let d_above = upper.first().map_or(&ws.d_prior, |above| &above.d_x_p);
                let weight = first_rows(&weights.log_prior, b);
                let d_q = (!log_q_as_a_whole).then(|| {
                    let (eta, eps) = (buf.encoder.out(if l == 0 { b } else { n }), &buf.eps);
                    let (d_eta, d_z) = (head_mut(&mut buf.d_eta_q, n), head_mut(&mut buf.d_z_q, n));
                    batch::log_q_gradient(d_eta, d_z, level.posterior(), &eta, &head(eps, n));
                    first_rows(&buf.d_z_q, n)
                });
                let d_z = first_rows_mut(&mut buf.d_z, n);
                add_prior_terms(d_z, first_rows(d_above, n), d_q, weight);
            }
            scale_rows(first_rows_mut(&mut buf.d_z, n), first_rows(&weights.path, b));
        }
        // From the latents through the draws into the encoders, top down: encoder_l's input is z_{l−1}.
        for (l, level) in self.levels.iter().enumerate().rev() {
            let (lower, upper) = ws.levels.split_at_mut(l);
            let buf = &mut upper[0];
            let input = lower.last().map_or(x.view(), |below| head(&below.z, n));
            let rows = input.nrows();
            let (eta, eps, q) = (buf.encoder.out(rows), head(&buf.eps, n), level.posterior());
            let mut d_eta = head_mut(&mut buf.d_eta, rows);
            d_eta.fill(T::zero());
            batch::rsample_backward(d_eta.view_mut(), q, &head(&buf.d_z, n), &eta, &eps);
            if ws.scores.closed_form {
                batch::kl_backward(d_eta.view_mut(), q, &head(&weights.kl, b), &eta);
            } else {
                if log_q_as_a_whole {
                    batch::log_q_total_gradient(head_mut(&mut buf.d_eta_q, n), q, &eta, &eps);
                }
                scale_rows(first_rows_mut(&mut buf.d_eta_q, n), first_rows(&weights.direct, b));
                add_draws(
                    first_rows_mut(&mut buf.d_eta, rows),
                    first_rows(&buf.d_eta_q, n),
                    eta.ncols(),
                    n / rows,
                );
            }
            let d_eta = head(&buf.d_eta, rows);
            let mut d_below = (l > 0).then(|| head_mut(&mut buf.d_below, n));
            level.encoder.backward(
                d_params,
                d_below.as_mut(),
                &d_eta,
                &mut buf.encoder,
                &input,
                params,
            );
            if let Some(below) = lower.last_mut() {
                add(first_rows_mut(&mut below.d_z, n), first_rows(&buf.d_below, n));
            }
        }
    }

    /// One whole step but the update: the loss on `x`, and its gradient added to `d_params`.
    ///
    /// # Panics
    /// As [`Self::forward`] and [`Self::backward`].
    #[allow(clippy::too_many_arguments)] // the step of the textbook has that many ingredients
    pub fn loss_and_gradient(
        &self,
        d_params: &mut Gradient<T>,
        ws: &mut Workspace<T>,
        x: &ArrayView2<T>,
        params: &[T],
        noise: Noise<'_>,
        objective: &dyn Objective<T>,
        beta: T,
    ) -> Score {
        let score = self.loss(ws, x, params, noise, objective, beta);
        self.backward(d_params, ws, x, params);
        score
    }

    /// The loss on `x`; the objective's weights stay in the workspace for a backward pass.
    ///
    /// # Panics
    /// As [`Self::forward`].
    pub fn loss(
        &self,
        ws: &mut Workspace<T>,
        x: &ArrayView2<T>,
        params: &[T],
        noise: Noise<'_>,
        objective: &dyn Objective<T>,
        beta: T,
    ) -> Score {
        let closed_form = objective.uses_closed_form_kl() && self.has_closed_form_kl();
        self.forward(ws, x, params, noise, closed_form);
        let terms = ws.scores.terms(ws.rows, beta);
        let loss = objective.weigh(ws.weights.weights(ws.rows), &terms);
        let sum = |a: ArrayView2<T>| a.iter().map(|v| v.to_f64()).sum::<f64>();
        let (rows, draws) = (ws.rows as f64, terms.log_px.len() as f64);
        let kl = match terms.kl {
            Some(kl) => sum(kl) / rows,
            None => (sum(terms.log_q) - sum(terms.log_prior)) / draws,
        };
        Score { loss, reconstruction: -sum(terms.log_px) / draws, kl }
    }

    /// Calls `side` with the side of every kink that the last forward pass is on (relu's zero, free
    /// bits): a finite difference is valid only while no answer changes. To be asked before
    /// [`Self::backward`], which moves draws.
    pub fn kinks(
        &self,
        ws: &Workspace<T>,
        objective: &dyn Objective<T>,
        beta: T,
        side: &mut dyn FnMut(bool),
    ) {
        let n = ws.rows * ws.samples;
        for (l, (level, buf)) in self.levels.iter().zip(&ws.levels).enumerate() {
            level.encoder.kinks(&buf.encoder, if l == 0 { ws.rows } else { n }, side);
            level.decoder.kinks(&buf.decoder, n, side);
        }
        objective.kinks(&ws.terms(beta), side);
    }
}
