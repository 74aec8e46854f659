//! All buffers of a pass through the chain, allocated once.

use super::rows::{copy_rows, find_live, keep_scaled_rows, scale_rows};
use super::{Score, Vae};
use crate::error::{Error, Result, check_memory};
use crate::nn::MlpBuffers;
use crate::nn::mlp::{first_rows, first_rows_mut};
use crate::objective::{Terms, Weights};
use crate::parallel;
use crate::real::Real;
use ndarray::{Array2, ArrayView2, ArrayViewMut2, s};

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
    pub(super) levels: Vec<LevelBuffers<T>>,
    /// ∂log p(z_L)/∂z_L, `[N, Z_L]`.
    pub(super) d_prior: Array2<T>,
    /// The pieces of log w, and the objective's answer to them.
    pub(super) scores: Scores<T>,
    pub(super) weights: WeightBuffers<T>,
    /// The draws that a decoder's backward pass runs on, at most N.
    pub(super) live: Vec<usize>,
}

/// The buffers of level l (see the names in [`crate::vae`]).
pub(super) struct LevelBuffers<T> {
    pub(super) encoder: MlpBuffers<T>,
    pub(super) decoder: MlpBuffers<T>,
    /// ε and z, `[N, Z]`.
    pub(super) eps: Array2<T>,
    pub(super) z: Array2<T>,
    /// log q(z_l|z_{l−1}) or log p(z_{l−1}|z_l) of every draw, before it is added to its sum. `[B, K]`
    pub(super) log_p: Array2<T>,
    /// Unit gradients of log p(z_{l−1}|z_l): in η `[N, P]`, in z_{l−1} `[N, Z_{l−1}]`, in own `[N, O]`.
    pub(super) d_eta_p: Array2<T>,
    pub(super) d_x_p: Array2<T>,
    pub(super) d_own: Array2<T>,
    /// Unit gradients of log q(z_l|z_{l−1}): direct or total in η `[N, P]`, in z `[N, Z]`.
    pub(super) d_eta_q: Array2<T>,
    pub(super) d_z_q: Array2<T>,
    /// z of the draws that the decoder's backward pass runs on, if not on all. `[N, Z]`
    pub(super) live_z: Array2<T>,
    /// ∂loss/∂z_l `[N, Z]`, ∂loss/∂η of the encoder `[B or N, P]`, ∂loss/∂z_{l−1} through it.
    pub(super) d_z: Array2<T>,
    pub(super) d_eta: Array2<T>,
    pub(super) d_below: Array2<T>,
}

impl<T: Real> LevelBuffers<T> {
    /// Multiplies the unit gradients of log p(z_{l−1}|z_l) in η by the draws' weights `[N]`, and gives how
    /// many draws the decoder's backward pass is to run on. If an eighth or more have no weight and so add
    /// nothing, all that it reads of the others, `live`, moves to the front.
    pub(super) fn weigh_draws(&mut self, live: &mut Vec<usize>, weight: &[T]) -> usize {
        let n = weight.len();
        let d_eta = first_rows_mut(&mut self.d_eta_p, n);
        find_live(live, weight);
        if live.len() * 8 > n * 7 {
            scale_rows(d_eta, weight);
            return n;
        }
        let (decoder, live_z, z) = (&mut self.decoder, &mut self.live_z, &self.z);
        parallel::join(
            || keep_scaled_rows(d_eta, weight, live),
            || {
                decoder.keep(live);
                copy_rows(live_z, z, live);
            },
        );
        live.len()
    }
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
    /// Whether log q weighs the same directly as through z, which is not scaled either: its total
    /// gradient then stands for both ([`Reparameterized::log_q_total_gradient`]). An estimator that drops or
    /// scales one of them needs them apart.
    ///
    /// [`Reparameterized::log_q_total_gradient`]: crate::distribution::Reparameterized::log_q_total_gradient
    pub(super) fn weigh_log_q_as_a_whole(&self, b: usize) -> bool {
        let [direct, log_prior, path] =
            [&self.direct, &self.log_prior, &self.path].map(|weight| first_rows(weight, b));
        path.iter().all(|path| *path == T::one())
            && direct.iter().zip(log_prior).all(|(direct, prior)| *direct == -*prior)
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
        let per_row = vae
            .levels
            .iter()
            .map(|l| l.encoder.elements_per_row() + l.decoder.elements_per_row() + 9 * l.latent);
        let elements = n.saturating_mul(per_row.sum());
        check_memory::<T>(elements, "samples", "lower --samples or --batch-size")?;
        let with_gradient = |rows: usize| if pass == Pass::Gradient { rows } else { 0 };
        let mut levels = Vec::with_capacity(vae.levels.len());
        let (mut below, mut rows_below) = (vae.config.width, rows);
        for (l, level) in vae.levels.iter().enumerate() {
            let zeros = |r: usize, c: usize| Array2::zeros((r, c));
            let (n_d, latent) = (with_gradient(n), level.latent);
            levels.push(LevelBuffers {
                encoder: level.encoder.buffers(rows_below, pass == Pass::Gradient),
                decoder: level.decoder.buffers(n, pass == Pass::Gradient),
                eps: zeros(n, latent),
                z: zeros(n, latent),
                log_p: zeros(rows, samples),
                d_eta_p: zeros(n_d, level.decoder.outputs()),
                d_x_p: zeros(if l > 0 { n_d } else { 0 }, below),
                d_own: zeros(n_d, level.conditional.own_parameters().len()),
                d_eta_q: zeros(n_d, level.encoder.outputs()),
                d_z_q: zeros(n_d, latent),
                live_z: zeros(n_d, latent),
                d_z: zeros(n_d, latent),
                d_eta: zeros(with_gradient(rows_below), level.encoder.outputs()),
                d_below: zeros(if l > 0 { n_d } else { 0 }, below),
            });
            (below, rows_below) = (latent, n);
        }
        let per_draw = || Array2::zeros((rows, samples));
        let per_latent = || Array2::zeros((rows, vae.levels[0].latent));
        Ok(Workspace {
            pass,
            max_rows: rows,
            samples,
            rows: 0,
            levels,
            d_prior: Array2::zeros((with_gradient(n), below)),
            scores: Scores {
                log_px: per_draw(),
                log_prior: per_draw(),
                log_q: per_draw(),
                kl: per_latent(),
                closed_form: false,
            },
            weights: WeightBuffers {
                log_px: per_draw(),
                log_prior: per_draw(),
                direct: per_draw(),
                path: per_draw(),
                kl: per_latent(),
            },
            live: Vec::with_capacity(with_gradient(n)),
        })
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

    /// ‖ε‖² of draw `k` of row `b` of the last pass, over all levels.
    ///
    /// # Panics
    /// If the pass had fewer rows or draws.
    pub fn squared_noise(&self, b: usize, k: usize) -> f64 {
        assert!(b < self.rows && k < self.samples, "no draw {k} of row {b}");
        let n = b * self.samples + k;
        let square = |level: &LevelBuffers<T>| -> f64 {
            level.eps.row(n).iter().map(|e| e.to_f64().powi(2)).sum()
        };
        self.levels.iter().map(square).sum()
    }

    /// The pieces of log w that the last pass left, for its rows.
    pub fn terms(&self, beta: T) -> Terms<'_, T> {
        self.scores.terms(self.rows, beta)
    }
}

/// The first `n` rows.
pub(super) fn head<T>(a: &Array2<T>, n: usize) -> ArrayView2<'_, T> {
    a.slice(s![..n, ..])
}

/// The first `n` rows, to write.
pub(super) fn head_mut<T>(a: &mut Array2<T>, n: usize) -> ArrayViewMut2<'_, T> {
    a.slice_mut(s![..n, ..])
}
