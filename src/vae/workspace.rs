//! All buffers of a pass through the chain, allocated once.

use super::above::Above;
use super::penalty::PenaltyBuffers;
use super::pseudo::{DPseudo, Pseudo};
use super::{Score, Vae};
use crate::conditional::{InferBuffers, ScoreBuffers};
use crate::error::{Error, Result, check_memory};
use crate::objective::{Terms, Weights};
use crate::real::Real;
use crate::rows::{head, head_mut};
use ndarray::{Array2, ArrayView2};

/// What a pass is for. Value passes need less memory and time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pass {
    /// Log-probabilities only.
    Value,
    /// Log-probabilities and their gradients.
    Gradient,
}

/// Buffers for up to B rows with K samples each; N = B·K.
///
/// A pass may use fewer rows (the last batch of an epoch, say); all buffers then serve with their
/// first rows.
pub struct Workspace<T> {
    pub(super) pass: Pass,
    pub(super) max_rows: usize,
    pub(super) samples: usize,
    /// Rows of the pass that is in the buffers.
    pub(super) rows: usize,
    /// Of every encoder and every decoder, from the data upwards.
    pub(super) up: Vec<InferBuffers<T>>,
    pub(super) down: Vec<ScoreBuffers<T>>,
    /// log q(z_l|z_{l−1}) or log p(z_{l−1}|z_l) of every draw, before it is added to its sum. `[B, K]` each
    pub(super) log_p: Vec<Array2<T>>,
    /// What each encoder sees of latents, and the gradient in them, of no row where it sees the data alone.
    pub(super) seen: Vec<Above<T>>,
    pub(super) d_seen: Vec<Array2<T>>,
    /// What decoders see of latents above the one next to them.
    pub(super) above: Vec<Above<T>>,
    /// The condition of generating passes, `[B, C]`, in a conditional model.
    pub(super) condition: Option<Array2<T>>,
    /// ∂log p(z_L)/∂z_L, `[N, Z_L]`.
    pub(super) d_prior: Array2<T>,
    /// What the prior works with, and its pseudo-inputs, if it has any.
    pub(super) prior_work: Vec<T>,
    pub(super) pseudo: Option<Pseudo<T>>,
    pub(super) d_pseudo: Option<DPseudo<T>>,
    /// What a penalty works with, once there was one.
    pub(super) penalty: Option<PenaltyBuffers<T>>,
    /// The pieces of log w, and the objective's answer to them.
    pub(super) scores: Scores<T>,
    pub(super) weights: WeightBuffers<T>,
}

/// The buffers behind [`Terms`].
pub(super) struct Scores<T> {
    /// `[B, K]` each.
    pub(super) log_px: Array2<T>,
    pub(super) log_prior: Array2<T>,
    pub(super) log_q: Array2<T>,
    /// `[B, Z]`, and whether the last pass computed it.
    pub(super) kl: Array2<T>,
    pub(super) closed_form: bool,
    /// Whether the objective weighs log q's two ways to η apart.
    pub(super) log_q_apart: bool,
}

impl<T: Real> Scores<T> {
    /// The first `b` rows.
    pub(super) fn terms(&self, b: usize, beta: T) -> Terms<'_, T> {
        Terms {
            log_px: head(&self.log_px, b),
            log_prior: head(&self.log_prior, b),
            log_q: head(&self.log_q, b),
            kl: self.closed_form.then(|| head(&self.kl, b)),
            beta,
        }
    }
}

/// The buffers behind [`Weights`].
pub(super) struct WeightBuffers<T> {
    pub(super) log_px: Array2<T>,
    pub(super) log_prior: Array2<T>,
    pub(super) direct: Array2<T>,
    pub(super) path: Array2<T>,
    pub(super) kl: Array2<T>,
}

impl<T: Real> WeightBuffers<T> {
    /// Multiplies what the objective said of the first `b` rows.
    pub(super) fn scale(&mut self, b: usize, by: T) {
        let Weights { log_px, log_prior, direct, kl, .. } = self.weights(b);
        for mut weight in [log_px, log_prior, direct, kl] {
            weight.mapv_inplace(|w| w * by);
        }
    }

    /// The first `b` rows, to write.
    pub(super) fn weights(&mut self, b: usize) -> Weights<'_, T> {
        Weights {
            log_px: head_mut(&mut self.log_px, b),
            log_prior: head_mut(&mut self.log_prior, b),
            direct: head_mut(&mut self.direct, b),
            path: head_mut(&mut self.path, b),
            kl: head_mut(&mut self.kl, b),
        }
    }
}

impl<T: Real> Workspace<T> {
    /// Buffers for up to `rows` rows of `samples` importance samples each.
    ///
    /// # Errors
    /// If `rows` or `samples` is 0, or the machine has not the memory.
    pub fn new(vae: &Vae<T>, rows: usize, samples: usize, pass: Pass) -> Result<Self> {
        if rows == 0 {
            return Err(Error::setting("batch-size", "must be at least 1"));
        }
        if samples == 0 {
            return Err(Error::setting("samples", "must be at least 1"));
        }
        let n = rows.saturating_mul(samples);
        let per_row = vae.up.iter().zip(&vae.down).enumerate().map(|(l, (q, p))| {
            let above = [vae.seen_by_encoder(l), vae.seen_by_decoder(l)];
            let seen: usize = above.iter().map(|widths| Above::<T>::elements(widths)).sum();
            q.infer_elements() + p.score_elements() + seen
        });
        let top = &vae.up[vae.levels() - 1];
        let prior_work = vae.prior.work(n, top.width(), top.network().outputs());
        let encoder = vae.up[vae.first()].network();
        let of_batch = vae.prior.retrieval().map_or(0, |r| rows.saturating_mul(r.neighbours));
        let pseudo_inputs = vae.prior.pseudo_inputs().saturating_add(of_batch);
        let per_pseudo_input = encoder.elements_per_row() + encoder.outputs() + vae.width();
        let elements = n
            .saturating_mul(per_row.sum())
            .saturating_add(prior_work)
            .saturating_add(pseudo_inputs.saturating_mul(per_pseudo_input));
        check_memory::<T>(elements, "samples", "lower --samples or --batch-size")?;
        let gradients = pass == Pass::Gradient;
        let n_d = if gradients { n } else { 0 };
        let rows_of = |l: usize| if l == vae.first() { rows } else { n };
        let (up, down) = (vae.up.iter().enumerate(), vae.down.iter().enumerate());
        let per_draw = || Array2::zeros((rows, samples));
        let per_latent = || Array2::zeros((rows, vae.up[0].width()));
        Ok(Workspace {
            pass,
            max_rows: rows,
            samples,
            rows: 0,
            log_p: vae.up.iter().map(|_| per_draw()).collect(),
            seen: (0..vae.levels()).map(|l| Above::new(n, 0, l, &vae.seen_by_encoder(l))).collect(),
            d_seen: up
                .clone()
                .map(|(l, q)| Array2::zeros((if l == vae.first() { 0 } else { n_d }, q.inputs())))
                .collect(),
            up: up.map(|(l, q)| q.infer_buffers(rows_of(l), n, gradients)).collect(),
            down: down.map(|(l, p)| p.score_buffers(n, gradients, l > 0)).collect(),
            above: (0..vae.levels())
                .map(|l| Above::new(n, n_d, l, &vae.seen_by_decoder(l)))
                .collect(),
            condition: (vae.condition() > 0).then(|| Array2::zeros((rows, vae.condition()))),
            d_prior: Array2::zeros((n_d, top.width())),
            prior_work: vec![T::zero(); prior_work],
            pseudo: (pseudo_inputs > 0).then(|| Pseudo::new(vae, pseudo_inputs, gradients)),
            d_pseudo: (gradients && pseudo_inputs > 0).then(|| DPseudo {
                d_eta: Array2::zeros((pseudo_inputs, encoder.outputs())),
                d_u: Array2::zeros((vae.prior.pseudo_inputs(), vae.width())),
            }),
            penalty: None,
            scores: Scores {
                log_px: per_draw(),
                log_prior: per_draw(),
                log_q: per_draw(),
                kl: per_latent(),
                closed_form: false,
                log_q_apart: false,
            },
            weights: WeightBuffers {
                log_px: per_draw(),
                log_prior: per_draw(),
                direct: per_draw(),
                path: per_draw(),
                kl: per_latent(),
            },
        })
    }

    /// The condition under which the next rows are encoded, decoded and sampled, `[B, C]`, until another is
    /// given; it starts as zeros.
    ///
    /// # Panics
    /// If the model has no condition or one of another width, or there are more rows than in the workspace.
    pub fn set_condition(&mut self, condition: &ArrayView2<T>) {
        let room = self.condition.as_mut().expect("the model has no condition");
        head_mut(room, condition.nrows()).assign(condition);
    }

    /// The most rows B that a pass may have.
    pub fn max_rows(&self) -> usize {
        self.max_rows
    }

    /// Importance samples K of every row.
    pub fn samples(&self) -> usize {
        self.samples
    }

    /// The ELBO's score of draw `k` of row `b` of the last pass, at β = 1.
    ///
    /// # Panics
    /// If the pass had fewer rows or draws.
    pub fn score_of_draw(&self, b: usize, k: usize) -> Score {
        let terms = self.terms(T::one());
        let reconstruction = -terms.log_px[[b, k]].to_f64();
        let kl = match &terms.kl {
            Some(kl) => kl.row(b).iter().map(|v| v.to_f64()).sum::<f64>(),
            None => terms.log_q[[b, k]].to_f64() - terms.log_prior[[b, k]].to_f64(),
        };
        Score { loss: reconstruction + kl, reconstruction, kl }
    }

    /// log w of draw `k` of row `b` of the last pass, which had no closed-form KL.
    ///
    /// # Panics
    /// If the pass had fewer rows or draws.
    pub fn log_weight(&self, b: usize, k: usize) -> f64 {
        -self.score_of_draw(b, k).loss
    }

    /// log p(z) − log q(z|x) of draw `k` of row `b` of the last pass, over all levels, which had no closed-form KL.
    ///
    /// # Panics
    /// If the pass had fewer rows or draws.
    pub fn log_prior_over_q(&self, b: usize, k: usize) -> f64 {
        -self.score_of_draw(b, k).kl
    }

    /// ‖ε‖² of draw `k` of row `b` of the last pass, over all levels.
    ///
    /// # Panics
    /// If the pass had fewer rows or draws.
    pub fn squared_noise(&self, b: usize, k: usize) -> f64 {
        assert!(b < self.rows && k < self.samples, "no draw {k} of row {b}");
        let n = b * self.samples + k;
        let square = |q: &InferBuffers<T>| -> f64 {
            q.draws.eps.row(n).iter().map(|e| e.to_f64().powi(2)).sum()
        };
        self.up.iter().map(square).sum()
    }

    /// The pieces of log w that the last pass left, for its rows.
    pub fn terms(&self, beta: T) -> Terms<'_, T> {
        self.scores.terms(self.rows, beta)
    }
}
