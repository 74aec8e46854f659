//! What a trained model is used for: encode, decode, reconstruct, sample.
//!
//! Everything here is value-only, works row by row without noise from anywhere but the addresses
//! given, and runs in a workspace of K = 1 of either kind. A conditional model does it under the condition
//! that came with the rows, or else stands in the workspace ([`Workspace::set_condition`]). Latents pass through
//! the workspace, so that nothing is allocated.

use super::{Noise, Vae, Workspace};
use crate::batch::Batch;
use crate::conditional::{InferBuffers, Input};
use crate::distribution::{Likelihood, batch};
use crate::error::{Error, Result};
use crate::parallel::{self, Rows, RowsMut};
use crate::real::Real;
use crate::rng::{Address, ChaCha8Rng};
use crate::rows::{head, head_mut};
use ndarray::{Array2, ArrayView2, ArrayViewMut2, Zip};

/// What is taken of the likelihood for a row of data.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Shown {
    /// Its mean ([`crate::distribution::Distribution::mean`]).
    #[default]
    Mean,
    /// The likeliest value of each column ([`Likelihood::mode`]).
    Mode,
    /// A draw, with the noise of the data.
    Draw,
}

/// How rows are drawn.
#[derive(Clone, Copy, Debug)]
pub struct Sampling {
    /// Row i draws from the streams at `address.row(first + i)`.
    pub address: Address,
    /// The number of the first row.
    pub first: u64,
    /// The spread of every latent, relative to the model's own: 1 is the model's, 0 its mean. The noise
    /// of the data themselves is always the likelihood's.
    pub temperature: f64,
    /// What is taken of the likelihood.
    pub shown: Shown,
}

impl<T: Real> Vae<T> {
    /// Width Z of the topmost latent, the one that [`Self::encode`] gives and [`Self::decode`] takes.
    pub fn latent(&self) -> usize {
        self.up[self.levels() - 1].width()
    }

    /// Latents of all levels together.
    pub fn latents(&self) -> usize {
        self.up.iter().map(|q| q.width()).sum()
    }

    /// `z ← the posterior mean of the topmost latent`, each level's mean feeding those inferred after it.
    /// `z: [B, Z_L]`, `x: [B, D]`.
    ///
    /// # Panics
    /// If the shapes do not fit, or the workspace has fewer rows.
    pub fn encode<'a>(
        &self,
        mut z: ArrayViewMut2<T>,
        ws: &mut Workspace<T>,
        x: impl Into<Batch<'a, T>>,
        params: &[T],
    ) {
        let batch = x.into();
        let b = batch.x.nrows();
        assert!(z.dim() == (b, self.latent()), "z is {:?}, not [{b}, {}]", z.dim(), self.latent());
        self.ascend(ws, batch, params);
        z.assign(&head(&ws.up[self.levels() - 1].z, b));
    }

    /// Whether the spread of the topmost latent's posterior is known ([`Self::posterior_std`]).
    pub fn has_posterior_std(&self) -> bool {
        self.up[self.levels() - 1].closed_form().is_some()
    }

    /// `std ← the posterior's standard deviation` of the rows that the workspace encoded last;
    /// `std: [B, Z_L]`. With several levels, inferred bottom-up, it is that of q(z_L|z_{L−1}) at the means below.
    ///
    /// # Panics
    /// If it is not known ([`Self::has_posterior_std`]), or `std` has another width, or more rows than the
    /// workspace.
    pub fn posterior_std(&self, std: ArrayViewMut2<T>, ws: &Workspace<T>) {
        let (top, b) = (self.levels() - 1, std.nrows());
        let q = self.up[top].closed_form().expect("the posterior's spread is not known");
        let (eta, width) = (ws.up[top].emitted.out(b), self.up[top].width());
        assert!(std.ncols() == width, "std is {} wide, not {width}", std.ncols());
        let eta = Rows::new(&eta, b);
        parallel::rows(RowsMut::of(std), b, 4 * width, &|first, count, mut std| {
            (0..count).for_each(|i| q.std(std.row(i), eta.row(first + i)));
        });
    }

    /// `kl ← KL(q(z_j|x) ‖ p(z_j))` of each latent of the rows that the workspace encoded last, in
    /// nats; `kl: [B, Z]`.
    ///
    /// # Panics
    /// If the model has no closed-form KL ([`Self::has_closed_form_kl`]), or `kl` has another width or
    /// more rows than the workspace.
    pub fn posterior_kl(&self, kl: ArrayViewMut2<T>, ws: &Workspace<T>) {
        let q = self.closed_form().expect("this model has no closed-form KL");
        assert!(kl.ncols() == self.latent(), "kl is {} wide, not {}", kl.ncols(), self.latent());
        let eta = ws.up[0].emitted.out(kl.nrows());
        batch::kl(kl, q, &eta);
    }

    /// The posterior that sees the data alone, q(z_1|x) or, top-down, q(z_L|x), if it can score any latent.
    pub(crate) fn first_posterior(&self) -> Option<&dyn Likelihood<T>> {
        self.up[self.first()].distribution().as_likelihood()
    }

    /// Its own tensors in `params`.
    pub(crate) fn first_own<'a>(&self, params: &'a [T]) -> &'a [T] {
        self.up[self.first()].own(params)
    }

    /// A draw of its latents for each row, and what their encoder emitted: `[B, Z]`, `[B, P]`.
    ///
    /// # Panics
    /// As [`Self::encode`], or if there is not one entry in `noise.rows` per row.
    pub(crate) fn infer_first<'a>(
        &self,
        ws: &'a mut Workspace<T>,
        batch: Batch<'_, T>,
        params: &[T],
        noise: Noise<'_>,
    ) -> (ArrayView2<'a, T>, ArrayView2<'a, T>) {
        let Batch { x, condition, .. } = batch;
        let (b, first) = (x.nrows(), self.first());
        let (q, input) = (&mut ws.up[first], Input { given: x, beside: None, condition });
        self.up[first].infer(q, input, params, noise.draws(first, 1), None);
        (head(&q.z, b), q.emitted.out(b))
    }

    /// `x ← the likelihood's mean`, each level's mean feeding the one below. `x: [B, D]`, `z: [B, Z_L]`.
    ///
    /// # Panics
    /// If the shapes do not fit, `x` is not in standard layout, or the workspace has fewer rows.
    pub fn decode(
        &self,
        x: ArrayViewMut2<T>,
        ws: &mut Workspace<T>,
        z: &ArrayView2<T>,
        params: &[T],
    ) {
        self.place(ws, z);
        self.descend(x, ws, params, None);
    }

    /// As [`Self::decode`], with draws from every conditional below the topmost latent. Of the
    /// likelihood is taken what `sampling.shown` says.
    ///
    /// # Panics
    /// As [`Self::decode`].
    pub fn decode_draw(
        &self,
        x: ArrayViewMut2<T>,
        ws: &mut Workspace<T>,
        z: &ArrayView2<T>,
        params: &[T],
        sampling: &Sampling,
    ) {
        self.place(ws, z);
        self.descend(x, ws, params, Some(sampling));
    }

    /// `x ← the likelihood's mean` at the posterior mean of `x_in`; both `[B, D]`.
    ///
    /// # Panics
    /// As [`Self::encode`] and [`Self::decode`].
    pub fn reconstruct<'a>(
        &self,
        x: ArrayViewMut2<T>,
        ws: &mut Workspace<T>,
        x_in: impl Into<Batch<'a, T>>,
        params: &[T],
    ) {
        self.ascend(ws, x_in.into(), params);
        self.descend(x, ws, params, None);
    }

    /// `x ← a draw from p(x|z)` at draw `n` of the last pass forward, b·K + k of its B rows and K draws of each; `x: [D]`.
    ///
    /// # Panics
    /// If `x` has another width, or the pass had fewer draws.
    pub(crate) fn draw_at(
        &self,
        x: &mut [T],
        ws: &Workspace<T>,
        n: usize,
        params: &[T],
        rng: &mut ChaCha8Rng,
    ) {
        assert!(x.len() == self.width() && n < ws.rows * ws.samples, "no draw {n}");
        let p = &self.down[0];
        let eta = ws.down[0].emitted.out(ws.rows * ws.samples);
        let eta = eta.row(n).to_slice().expect("rows in standard layout");
        p.distribution().sample(x, eta, p.own(params), rng);
    }

    /// Refuses models that cannot say which column makes a row odd: their networks see which values are missing, the
    /// likelihood scores each column for itself, and the posterior scores any latent.
    ///
    /// # Errors
    /// Says what of it the model has not.
    pub fn can_blame(&self) -> Result<()> {
        let refuse = |message: &str| Err(Error::setting("model", message));
        if !self.up[self.first()].sees_missing() || !self.likelihood().is_columnwise() {
            return refuse(
                "no column can be blamed by a model that knows no missing cells: train one with masked:of=…, or on a table \
                 of several kinds",
            );
        }
        match self.first_posterior() {
            Some(_) => Ok(()),
            None => refuse("no column can be blamed by a posterior that scores its own draws only"),
        }
    }

    /// `log_p_i ← log p(x_i|z)` of each value at the latents of row `b` that the workspace generated last; `log_p: [D]`, `x: [D]`.
    ///
    /// # Panics
    /// As [`Self::log_probs_of_draws`].
    pub(crate) fn log_prob_each_at(
        &self,
        log_p: &mut [T],
        ws: &Workspace<T>,
        b: usize,
        x: &[T],
        params: &[T],
    ) {
        let eta = ws.down[0].emitted.out(b + 1);
        let eta = eta.row(b).to_slice().expect("rows in standard layout");
        self.likelihood().log_prob_each(log_p, x, eta, self.down[0].own(params));
    }

    /// `log_p_ni ← log p(x_i|z_n)` of each value at each draw of the last pass forward, b·K + k of its rows; `log_p: [N, D]`,
    /// `x: [N or fewer, D]`, each row of which serves as many draws.
    ///
    /// # Panics
    /// If the columns are not independent given z ([`Likelihood::is_columnwise`]), or the shapes do not fit.
    pub(crate) fn log_probs_of_draws(
        &self,
        log_p: ArrayViewMut2<T>,
        ws: &Workspace<T>,
        x: &ArrayView2<T>,
        params: &[T],
    ) {
        let eta = ws.down[0].emitted.out(ws.rows * ws.samples);
        batch::log_prob_each(log_p, self.likelihood(), x, &eta, self.down[0].own(params));
    }

    /// log q(z|other) − log q(z|own) of draw (row, k) of the last pass forward, at the level that sees the data: how much likelier
    /// it is given another row of the pass than given its own.
    ///
    /// # Panics
    /// If the posterior cannot score any latent, or there is no such draw or row.
    pub(crate) fn log_q_ratio(
        &self,
        ws: &Workspace<T>,
        (row, k): (usize, usize),
        other: usize,
        params: &[T],
    ) -> f64 {
        let (q, own) =
            (self.first_posterior().expect("a posterior that scores"), self.first_own(params));
        let InferBuffers { z, emitted, .. } = &ws.up[self.first()];
        let (z, eta) = (z.row(row * ws.samples + k), emitted.out(ws.rows));
        let z = z.to_slice().expect("buffers are in standard layout");
        let [of_other, of_own] = [other, row].map(|row| {
            let eta = eta.row(row);
            q.log_prob(z, eta.to_slice().expect("buffers are in standard layout"), own).to_f64()
        });
        of_other - of_own
    }

    /// `x ← the likelihood's mean, mode or a draw from it`, for a latent drawn from the prior and, with
    /// several levels, draws from every conditional above the data; `x: [B, D]`.
    ///
    /// # Panics
    /// If the shapes do not fit, `x` is not in standard layout, or the workspace has fewer rows.
    pub fn sample(
        &self,
        x: ArrayViewMut2<T>,
        ws: &mut Workspace<T>,
        params: &[T],
        sampling: &Sampling,
    ) {
        let top = self.levels();
        self.run_pseudo_inputs(ws, &None, params);
        let given = self.given(&ws.pseudo, &None, params);
        let z = &mut ws.up[top - 1].z;
        for (i, mut z) in head_mut(z, x.nrows()).rows_mut().into_iter().enumerate() {
            let z = z.as_slice_mut().expect("buffers are in standard layout");
            let mut rng =
                sampling.address.level(top).row(sampling.first.wrapping_add(i as u64)).rng();
            self.prior.sample(z, T::from_f64(sampling.temperature), given, &mut rng);
        }
        self.descend(x, ws, params, Some(sampling));
    }

    /// Leaves the posterior mean of every latent in the workspace.
    fn ascend(&self, ws: &mut Workspace<T>, batch: Batch<'_, T>, params: &[T]) {
        let (x, b) = (batch.x, batch.x.nrows());
        if let Some(condition) = &batch.condition {
            ws.set_condition(condition);
        }
        let condition = ws.condition.as_ref().map(|c| head(c, b));
        for l in self.inference.order(self.levels()) {
            let (q, (here, seen)) = (&self.up[l], self.inference.of(&mut ws.up, l));
            let InferBuffers { emitted, z, .. } = here;
            let given = if seen.is_empty() { x } else { ws.seen[l].latents(seen, b) };
            q.mean(head_mut(z, b), emitted, q.beside_data(given, x, condition), params);
        }
    }

    /// Puts a topmost latent into the workspace.
    fn place(&self, ws: &mut Workspace<T>, z: &ArrayView2<T>) {
        assert!(z.ncols() == self.latent(), "z is {} wide, not {}", z.ncols(), self.latent());
        head_mut(&mut ws.up[self.levels() - 1].z, z.nrows()).assign(z);
    }

    /// From the topmost latent in the workspace down to the data: means, or draws if `sampling` says
    /// with which noise.
    fn descend(
        &self,
        x: ArrayViewMut2<T>,
        ws: &mut Workspace<T>,
        params: &[T],
        sampling: Option<&Sampling>,
    ) {
        let (b, width) = (x.nrows(), self.width());
        assert!(x.ncols() == width, "x is {} wide, not {width}", x.ncols());
        let condition = ws.condition.as_ref().map(|c| head(c, b));
        let mut x = Some(x);
        for (l, p) in self.down.iter().enumerate().rev() {
            let (below, here) = ws.up.split_at_mut(l);
            let given = ws.above[l].latents(here, b);
            let input = Input { given, beside: None, condition };
            let buffers = &mut ws.down[l].emitted;
            // No ε is needed on the way down; its place takes the means, if it is as wide.
            let (mut value, eps) = match below.last_mut() {
                Some(InferBuffers { z, draws, .. }) => (head_mut(z, b), Some(&mut draws.eps)),
                None => (x.take().expect("the data are last"), None),
            };
            let shown = match (l, sampling) {
                (_, None) => Shown::Mean,
                (0, Some(sampling)) => sampling.shown,
                (_, Some(_)) => Shown::Draw,
            };
            let Some(sampling) = sampling.filter(|_| shown == Shown::Draw) else {
                match shown {
                    Shown::Mode => p.mode(value, buffers, input, params),
                    _ => p.mean(value, buffers, input, params),
                }
                continue;
            };
            let address = |i| sampling.address.level(l).row(sampling.first.wrapping_add(i as u64));
            p.draw(value.view_mut(), buffers, input, params, &address);
            if l > 0 && sampling.temperature != 1.0 {
                let mut room;
                let mut mean = match eps {
                    Some(eps) if eps.ncols() == p.width() => head_mut(eps, b),
                    _ => {
                        room = Array2::zeros(value.dim());
                        room.view_mut()
                    }
                };
                p.mean_again(mean.view_mut(), buffers, params);
                let t = T::from_f64(sampling.temperature);
                Zip::from(value).and(mean).for_each(|z, m| *z = *m + t * (*z - *m));
            }
        }
    }
}
