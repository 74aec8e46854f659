//! The variational autoencoder: a chain of conditionals, run up to infer and down to generate.
//!
//! ```text
//! z₀ = x
//! up    q(z_l | z_{l−1})   l = 1 … L      encoder_l emits η, from which z_l is drawn with noise ε; or top-down
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

mod above;
mod chain;
#[cfg(feature = "codec")]
mod code;
mod config;
mod generate;
mod loss;
mod penalty;
mod pseudo;
mod score;
mod surrogate;
#[cfg(test)]
mod tests;
mod workspace;

pub use crate::rng::Noise;
pub use chain::{Inference, Skip};
pub use config::{LevelConfig, VaeConfig};
pub use generate::{Sampling, Shown};
pub use score::Score;
pub use workspace::{Pass, Workspace};

use crate::batch::{Batch, Exemplars};
use crate::conditional::{Conditional, Flow, Form, Input, Inputs, LogQ};
use crate::distribution::{self, ClosedForm, Domain, Likelihood, Moments};
use crate::error::{Error, Result, check_memory};
use crate::gradient::Gradient;
use crate::nn::network;
use crate::params::{Init, Layout, Tensor};
use crate::prior::{self, Prior};
use crate::real::Real;
use crate::rows::{add, add_prior_terms, first_rows, first_rows_mut, head, head_mut, scale_rows};
use above::add_to_latents;

/// The structure of a model. Its numbers are a flat buffer of [`Vae::layout`], kept by whoever
/// trains or uses it.
pub struct Vae<T> {
    layout: Layout,
    /// q(z_l|…), the encoders, from the data upwards, and in which order they infer.
    up: Vec<Conditional<T>>,
    /// p(z_{l−1}|z_l), the decoders, from the data upwards.
    down: Vec<Conditional<T>>,
    prior: Box<dyn Prior<T>>,
    inference: Inference,
    /// The prior's own tensors.
    own: Tensor,
    /// What it was built from, if it was not built from parts.
    config: Option<VaeConfig>,
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
        Vae::lay_out_in(Layout::default(), config)
    }

    /// The same in a layout that is still empty.
    fn lay_out_in(mut layout: Layout, config: VaeConfig) -> Result<Self> {
        config.check()?;
        let (mut up, mut down) = (Vec::new(), Vec::new());
        let latents: Vec<usize> = config.levels.iter().map(|level| level.latent).collect();
        let of_data = distribution::build_likelihood::<T>(&config.likelihood)?;
        let missing = (0..config.width).any(|column| of_data.facts(column).missing);
        let form = |column| match of_data.facts(column).domain {
            Domain::Classes(n) => Form::Classes(n),
            _ => Form::Spread,
        };
        let forms = (0..if config.forms { config.width } else { 0 }).map(form).collect();
        let mut data_inputs = Some(Inputs { forms, missing, ..Inputs::of(config.width) });
        let mut below = config.width;
        for (l, LevelConfig { layers, latent }) in config.levels.iter().enumerate() {
            let posterior = distribution::build_posterior(&config.posterior)?;
            let likelihood = if l == 0 { &config.likelihood } else { &config.conditional };
            let likelihood = distribution::build_likelihood(likelihood)?;
            let f = config.activation;
            let mut scope = layout.scope(format_args!("encoder.{l}"));
            let seen = &latents[config.inference.seen(l, latents.len())];
            let inputs = if seen.is_empty() {
                data_inputs.take().expect("one encoder sees the data alone")
            } else {
                let is_beside = config.skip.is_up() || config.inference == Inference::TopDown;
                let beside = if is_beside { config.width } else { 0 };
                Inputs { beside, ..Inputs::of(seen.iter().sum()) }
            };
            let inputs =
                Inputs { condition: config.condition, exposure: config.exposure, ..inputs };
            up.push(Conditional::new(&mut scope, inputs, layers, f, posterior, *latent)?);
            let mut scope = layout.scope(format_args!("decoder.{l}"));
            let layers = network::mirrored(layers)?;
            let width = if config.skip.is_down() { latents[l..].iter().sum() } else { *latent };
            let inputs = Inputs::of(width);
            let inputs =
                Inputs { condition: config.condition, exposure: config.exposure, ..inputs };
            down.push(Conditional::new(&mut scope, inputs, &layers, f, likelihood, below)?);
            below = *latent;
        }
        let prior = prior::build(&config.prior)?;
        Ok(Vae { config: Some(config), ..Vae::from_parts(layout, up, down, prior)? })
    }

    /// A model of parts that a program made, which need not be in any list: encoders and decoders, from
    /// the data upwards, that asked `layout` for their parameters. The prior asks for its own here.
    ///
    /// # Errors
    /// If there is no level, the widths do not fit each other, a decoder cannot score, an encoder cannot
    /// be drawn from, or the prior needs a model of another kind.
    pub fn from_parts(
        mut layout: Layout,
        up: Vec<Conditional<T>>,
        down: Vec<Conditional<T>>,
        prior: Box<dyn Prior<T>>,
    ) -> Result<Self> {
        let refuse = |message: &str| Err(Error::setting("model", message));
        if up.is_empty() || up.len() != down.len() {
            return refuse("needs as many encoders as decoders, and at least one");
        }
        // The first networks that can skip a level say whether all do, the lowest encoder in which order they infer.
        let inference = if up[0].beside() > 0 { Inference::TopDown } else { Inference::BottomUp };
        let skips_down = down[0].inputs() != up[0].width();
        let skips_up = up.iter().any(|q| q.beside() > 0);
        let data = down[0].width();
        let widths: Vec<usize> = up.iter().map(|q| q.width()).collect();
        for (l, (q, p)) in up.iter().zip(&down).enumerate() {
            let seen = &widths[inference.seen(l, widths.len())];
            let inputs = if seen.is_empty() { data } else { seen.iter().sum() };
            let scored = if l == 0 { data } else { widths[l - 1] };
            let above: usize = if skips_down { &widths[l..] } else { &widths[l..=l] }.iter().sum();
            if [q.inputs(), p.width(), p.inputs()] != [inputs, scored, above] {
                return refuse("the widths of an encoder and its decoder do not fit each other");
            }
            let beside = if skips_up && !seen.is_empty() { data } else { 0 };
            if [q.beside(), p.beside()] != [beside, 0] {
                return refuse(
                    "either all encoders of latents see the data beside these, or none does",
                );
            }
            if skips_up && q.sees_missing() {
                return refuse("an encoder of latents cannot see data with missing values");
            }
            let beside = |c: &Conditional<T>| (c.condition(), c.is_exposed());
            if [beside(q), beside(p)] != [beside(&up[0]); 2] {
                return refuse("all networks see the same condition, or none does");
            }
            if q.distribution().as_reparameterized().is_none() {
                return refuse("an encoder's distribution cannot be drawn from differentiably");
            }
            let likelihood = p.distribution().as_likelihood();
            if likelihood.is_none_or(|d| l > 0 && !d.scores_latents(p.width())) {
                return refuse("a decoder's distribution cannot score what is below it");
            }
        }
        if up[0].is_exposed() && !down[0].has_rates() {
            return refuse("no exposure multiplies a likelihood without rates");
        }
        let spec = prior.spec();
        let retrieves = prior.retrieval().is_some();
        if prior.pseudo_inputs() > 0 || retrieves {
            let refuse =
                |message: &str| Err(Error::setting("prior", format!("`{spec}` {message}")));
            let top = &up[up.len() - 1];
            if !inference.seen(up.len() - 1, up.len()).is_empty() {
                return refuse(
                    "needs a topmost latent that is inferred from the data alone: one level, or top-down inference",
                );
            }
            let (q, drawn) = (top.distribution(), top.posterior());
            if !retrieves && q.as_likelihood().is_none() {
                return refuse("needs a posterior that can score any latent, such as `normal`");
            }
            if retrieves && !drawn.emits_its_mean() {
                return refuse("needs a posterior whose mean is emitted, such as `normal`");
            }
            if top.sees_forms() {
                return refuse("cannot say in which form its pseudo-inputs are seen");
            }
            if top.sees_missing() {
                return refuse("cannot say which values of its pseudo-inputs are missing");
            }
            if top.condition() > 0 {
                return refuse("has no condition to encode its pseudo-inputs under");
            }
        }
        let latent = widths[widths.len() - 1];
        let own = layout.scope("prior").group(|scope| prior.own(scope, latent, data));
        Ok(Vae { layout, up, down, prior, inference, own, config: None })
    }

    /// What the model is made of.
    ///
    /// # Panics
    /// If it was built from parts ([`Self::from_parts`]), which have no description.
    pub fn config(&self) -> &VaeConfig {
        self.config.as_ref().expect("a model of parts has no description")
    }

    /// Names, shapes and places of the parameters.
    pub fn layout(&self) -> &Layout {
        &self.layout
    }

    /// Width D of the data.
    pub fn width(&self) -> usize {
        self.down[0].width()
    }

    /// How many values stand beside each row: the C of the condition that all networks see, and behind them the
    /// logarithm of the row's exposure, where there is one; 0 without either.
    pub fn condition(&self) -> usize {
        self.up[0].condition()
    }

    /// Refuses conditions of another width than the model's.
    pub(crate) fn check_condition(&self, width: usize) -> Result<()> {
        let message = match self.condition() {
            wanted if wanted == width => return Ok(()),
            0 => "the model has no use for a condition".to_owned(),
            wanted => {
                let found = if width == 0 { "none".to_owned() } else { format!("one of {width}") };
                format!(
                    "the model wants a condition of {wanted} values beside each row, and there is {found}"
                )
            }
        };
        Err(Error::setting("condition", message))
    }

    /// The level whose encoder sees the data alone.
    pub(crate) fn first(&self) -> usize {
        self.inference.order(self.levels()).next().expect("a model has a level")
    }

    /// Rows that the encoder at level `l` runs on: B, or N.
    fn rows_of_encoder(&self, l: usize, b: usize, n: usize) -> usize {
        if l == self.first() { b } else { n }
    }

    /// Widths of the latents that the encoder at level `l` sees; none, where it sees the data alone.
    pub(crate) fn seen_by_encoder(&self, l: usize) -> Vec<usize> {
        let seen = &self.up[self.inference.seen(l, self.levels())];
        seen.iter().map(|q| q.width()).collect()
    }

    /// Widths of the latents that the decoder at level `l` sees: the one next to it, or all above.
    pub(crate) fn seen_by_decoder(&self, l: usize) -> Vec<usize> {
        let is_next_alone = self.down[l].inputs() == self.up[l].width();
        let seen = if is_next_alone { &self.up[l..=l] } else { &self.up[l..] };
        seen.iter().map(|q| q.width()).collect()
    }

    /// Levels L of the chain.
    pub fn levels(&self) -> usize {
        self.up.len()
    }

    /// p(x|z₁)
    pub fn likelihood(&self) -> &dyn Likelihood<T> {
        self.down[0].likelihood()
    }

    /// Fresh parameters. With the moments of the data's columns, the likelihood and the prior start
    /// there, if they know how ([`distribution::Distribution::start`], [`Prior::start`]).
    ///
    /// # Panics
    /// If `data` has another width than the model.
    pub fn init(&self, init: Init, seed: u64, data: Option<&Moments>) -> Vec<T> {
        let mut params = self.layout.init(init, seed);
        if let Some(data) = data {
            let widths = [data.mean.len(), data.variance.len()];
            assert_eq!(widths, [self.width(); 2], "the data has another width than the model");
            self.down[0].start(&mut params, data);
            self.up[self.first()].start_forms(&mut params, data);
            self.prior.start(self.own.of_mut(&mut params), data);
        }
        params
    }

    /// The posterior's closed forms, if the KL to the prior is one of them: one level, standard normal
    /// prior, a posterior that knows it. With more levels the prior of each latent is itself a network's
    /// output.
    pub(crate) fn closed_form(&self) -> Option<&dyn ClosedForm<T>> {
        let [q] = &self.up[..] else { return None };
        q.closed_form().filter(|_| self.prior.is_standard_normal())
    }

    /// Whether the KL between posterior and prior is there in closed form.
    pub fn has_closed_form_kl(&self) -> bool {
        self.closed_form().is_some()
    }

    /// Draws the latents of `batch.x: [B, D]` and computes the pieces of log w (and, in a
    /// [`Pass::Gradient`] workspace, their unit gradients). `closed_form` asks for the closed-form KL
    /// instead of log p(z) and log q.
    ///
    /// # Panics
    /// If the batch is of other widths than the model, has no row or more than the workspace, or not one entry
    /// in `noise.rows` per row; or if `closed_form` is asked of a model without one.
    pub fn forward<'a>(
        &self,
        ws: &mut Workspace<T>,
        batch: impl Into<Batch<'a, T>>,
        params: &[T],
        noise: Noise<'_>,
        closed_form: bool,
    ) {
        let Batch { x, condition, exemplars, .. } = batch.into();
        let (b, k) = (x.nrows(), ws.samples);
        let n = b * k;
        assert!((1..=ws.max_rows).contains(&b), "{b} rows in a workspace for {}", ws.max_rows);
        assert_eq!(x.ncols(), self.width(), "x has another width than the model");
        assert_eq!(noise.rows(), b, "noise.rows has not one entry per row");
        (ws.rows, ws.scores.closed_form) = (b, closed_form);
        ws.up[0].penalty.clear();

        // Up: infer and draw. The first encoder runs on B rows.
        for l in self.inference.order(self.levels()) {
            let (q, (here, seen)) = (&self.up[l], self.inference.of(&mut ws.up, l));
            let (given, k_given) = match seen.is_empty() {
                true => (x.view(), 1),
                false => (ws.seen[l].latents(seen, n), k),
            };
            let of_layers = noise.of_layers(2 * l, k_given);
            let input = q.beside_data(given, x, condition);
            q.infer(here, input, params, noise.draws(l, k), of_layers);
        }
        // Down: score every z_{l−1} under its conditional.
        for (l, p) in self.down.iter().enumerate().rev() {
            let below = l.checked_sub(1).map(|l| head(&ws.up[l].z, n));
            let z = ws.above[l].latents(&ws.up[l..], n);
            let log_p = if l == 0 { &mut ws.scores.log_px } else { &mut ws.log_p[l] };
            let (log_p, value) = (first_rows_mut(log_p, b), below.unwrap_or(x.view()));
            let of_layers = noise.of_layers(2 * l + 1, k);
            let input = Input { given: z, beside: None, condition };
            p.score(log_p, &mut ws.down[l], &value, input, params, of_layers);
        }
        match closed_form {
            true => {
                let q = self.closed_form().expect("this model has no closed-form KL");
                let eta = ws.up[0].emitted.out(b);
                distribution::batch::kl(head_mut(&mut ws.scores.kl, b), q, &eta);
            }
            false => self.forward_kl_terms(ws, &exemplars, params),
        }
    }

    /// log p(z) and log q of the latents in the workspace, summed over the levels.
    fn forward_kl_terms(
        &self,
        ws: &mut Workspace<T>,
        exemplars: &Option<Exemplars<'_, T>>,
        params: &[T],
    ) {
        let (b, n) = (ws.rows, ws.rows * ws.samples);
        self.run_pseudo_inputs(ws, exemplars, params);
        let given = self.given(&ws.pseudo, exemplars, params);
        let log_prior = first_rows_mut(&mut ws.scores.log_prior, b);
        let z = head(&ws.up[self.levels() - 1].z, n);
        match ws.pass {
            Pass::Value => self.prior.log_prob(log_prior, &z, given, &mut ws.prior_work),
            Pass::Gradient => {
                let (d_z, work) = (head_mut(&mut ws.d_prior, n), &mut ws.prior_work);
                self.prior.log_prob_gradient(log_prior, d_z, &z, given, work);
            }
        }
        ws.log_p[1..].iter().for_each(|log_p| add(log_prior, first_rows(log_p, b)));

        let sum = first_rows_mut(&mut ws.scores.log_q, b);
        sum.fill(T::zero());
        for (l, q) in self.up.iter().enumerate() {
            let rows = self.rows_of_encoder(l, b, n);
            let log_q = first_rows_mut(&mut ws.log_p[l], b);
            q.log_q(log_q, &ws.up[l], rows, params);
            add(sum, log_q);
        }
    }

    /// After a step of training whose passes are in the workspace, takes what the layers kept of its batch into the
    /// tensors that are no weights ([`Layout::states`]): a batch normalisation's averages.
    pub fn fold(&self, params: &mut [T], ws: &Workspace<T>) {
        self.up.iter().zip(&ws.up).for_each(|(q, buffers)| q.fold(params, &buffers.emitted));
        self.down.iter().zip(&ws.down).for_each(|(p, buffers)| p.fold(params, &buffers.emitted));
    }

    /// Adds ∂loss/∂parameters to `d_params`, from what the forward pass over `x` and the objective
    /// left in the workspace. The forward's lines, reversed. It uses the workspace up: gradients are
    /// weighed in place, and draws without a weight make room for the others.
    ///
    /// # Panics
    /// If the workspace is for values only, or holds another pass.
    pub fn backward<'a>(
        &self,
        d_params: &mut Gradient<T>,
        ws: &mut Workspace<T>,
        batch: impl Into<Batch<'a, T>>,
        params: &[T],
    ) {
        let Batch { x, condition, exemplars, .. } = batch.into();
        assert!(ws.pass == Pass::Gradient, "a workspace for values has no gradients");
        let (b, n) = (ws.rows, ws.rows * ws.samples);
        let (closed_form, apart) = (ws.scores.closed_form, ws.scores.log_q_apart);
        let weights = &ws.weights;
        let [of_x, of_prior, path] = [&weights.log_px, &weights.log_prior, &weights.path]
            .map(|weight| first_rows(weight, b));

        // From the scores through the decoders into the latents.
        for (l, p) in self.down.iter().enumerate() {
            let rows = self.rows_of_encoder(l, b, n);
            let (below, here) = ws.up.split_at_mut(l);
            let (value, q) = (below.last().map_or(x.view(), |q| head(&q.z, n)), &mut here[0]);
            let weight = if l == 0 { of_x } else { of_prior };
            let (lower, above) = ws.above.split_at_mut(l);
            let (mut d_z, z) = (head_mut(&mut q.d_z, n), head(&q.z, n));
            let (d_given, z) = above[0].both(d_z.view_mut(), z);
            let input = Input { given: z, beside: None, condition };
            p.score_backward(d_params, d_given, &mut ws.down[l], weight, &value, input, params);
            // z_l, which this decoder saw first, and those below it behind the latents between.
            above[0].write_first(d_z.view_mut());
            lower.iter().for_each(|lower| lower.add_from(l, d_z.view_mut()));
            if !closed_form {
                // z_l also stands in log p(z_l|z_{l+1}), or in the prior, and in its own log q, whose two
                // ways to η nearly cancel and are taken together if they may.
                let d_above = ws.down.get(l + 1).map_or(&ws.d_prior, |above| &above.d_value);
                let (d_q, d_z) = match apart {
                    true => {
                        let (d_q, d_z) = self.up[l].take_log_q_apart(q, rows, n, params);
                        (Some(d_q), d_z)
                    }
                    false => (None, &mut q.d_z),
                };
                let d_z = first_rows_mut(d_z, n);
                add_prior_terms(d_z, first_rows(d_above, n), d_q, of_prior);
            }
            if apart {
                scale_rows(first_rows_mut(&mut q.d_z, n), path);
            }
        }
        if !closed_form {
            self.prior_backward(d_params, ws, &exemplars, params);
        }
        self.penalty_backward(ws);
        let weights = &ws.weights;
        let (direct, kl) = (first_rows(&weights.direct, b), head(&weights.kl, b));
        let [of_prior, path] =
            [&weights.log_prior, &weights.path].map(|weight| first_rows(weight, b));
        // From the latents through the draws into the encoders, against the order in which they were drawn.
        for l in self.inference.order(self.levels()).rev() {
            let (q, (here, seen)) = (&self.up[l], self.inference.of(&mut ws.up, l));
            let log_q = match (closed_form, apart) {
                (true, _) => LogQ::ClosedForm(kl),
                (false, true) => LogQ::Apart(direct, Flow { of_prior, path }),
                (false, false) => LogQ::Whole(direct),
            };
            if seen.is_empty() {
                let input = Input { given: x, beside: None, condition };
                q.infer_backward(d_params, None, here, log_q, n, input, params);
                continue;
            }
            let (d_seen, given) = (&mut ws.d_seen[l], ws.seen[l].latents_again(seen, n));
            let (d, input) = (head_mut(d_seen, n), q.beside_data(given, x, condition));
            q.infer_backward(d_params, Some(d), here, log_q, n, input, params);
            add_to_latents(seen, d_seen, n);
        }
    }
}
