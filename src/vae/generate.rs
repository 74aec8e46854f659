//! What a trained model is used for: encode, decode, reconstruct, sample.
//!
//! Everything here is value-only, works row by row without noise from anywhere but the addresses
//! given, and runs in a workspace of K = 1 of either kind. Latents pass through the workspace, so that
//! nothing is allocated.

use super::workspace::{LevelBuffers, head, head_mut};
use super::{Vae, Workspace};
use crate::distribution::{Distribution, batch};
use crate::parallel::{self, Rows, RowsMut};
use crate::real::Real;
use crate::rng::Address;
use ndarray::{ArrayView2, ArrayViewMut2, Zip};

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
    /// Whether the data are drawn from the likelihood too, instead of being its mean.
    pub draw: bool,
}

impl<T: Real> Vae<T> {
    /// Width Z of the topmost latent, the one that [`Self::encode`] gives and [`Self::decode`] takes.
    pub fn latent(&self) -> usize {
        self.levels.last().expect("a model has a level").latent
    }

    /// Latents of all levels together.
    pub fn latents(&self) -> usize {
        self.levels.iter().map(|level| level.latent).sum()
    }

    /// `z ← the posterior mean of the topmost latent`, each level's mean feeding the next.
    /// `z: [B, Z_L]`, `x: [B, D]`.
    ///
    /// # Panics
    /// If the shapes do not fit, or the workspace has fewer rows.
    pub fn encode(
        &self,
        mut z: ArrayViewMut2<T>,
        ws: &mut Workspace<T>,
        x: &ArrayView2<T>,
        params: &[T],
    ) {
        let b = x.nrows();
        assert!(z.dim() == (b, self.latent()), "z is {:?}, not [{b}, {}]", z.dim(), self.latent());
        self.ascend(ws, x, params);
        z.assign(&head(&ws.levels[self.levels.len() - 1].z, b));
    }

    /// `std ← the posterior's standard deviation` of the rows that the workspace encoded last;
    /// `std: [B, Z_L]`. With several levels it is that of q(z_L|z_{L−1}) at the means below.
    ///
    /// # Panics
    /// If `std` has another width, or more rows than the workspace.
    pub fn posterior_std(&self, std: ArrayViewMut2<T>, ws: &Workspace<T>) {
        let (top, b) = (self.levels.len() - 1, std.nrows());
        let (level, eta) = (&self.levels[top], ws.levels[top].encoder.out(b));
        assert!(std.ncols() == level.latent, "std is {} wide, not {}", std.ncols(), level.latent);
        let (eta, q) = (Rows::new(&eta, b), level.posterior());
        parallel::rows(RowsMut::of(std), b, 4 * level.latent, &|first, count, mut std| {
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
        assert!(self.has_closed_form_kl(), "this model has no closed-form KL");
        let level = &self.levels[0];
        assert!(kl.ncols() == level.latent, "kl is {} wide, not {}", kl.ncols(), level.latent);
        let eta = ws.levels[0].encoder.out(kl.nrows());
        batch::kl(kl, level.posterior(), &eta);
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

    /// As [`Self::decode`], with draws from every conditional below the topmost latent. The data are
    /// drawn only if `sampling.draw` says so, and else the likelihood's mean.
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
    pub fn reconstruct(
        &self,
        x: ArrayViewMut2<T>,
        ws: &mut Workspace<T>,
        x_in: &ArrayView2<T>,
        params: &[T],
    ) {
        self.ascend(ws, x_in, params);
        self.descend(x, ws, params, None);
    }

    /// `x ← the likelihood's mean`, or a draw from it, for a latent drawn from the prior and, with
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
        let top = self.levels.len();
        let z = &mut ws.levels[top - 1].z;
        for (i, mut z) in head_mut(z, x.nrows()).rows_mut().into_iter().enumerate() {
            let z = z.as_slice_mut().expect("buffers are in standard layout");
            let mut rng =
                sampling.address.level(top).row(sampling.first.wrapping_add(i as u64)).rng();
            self.prior.sample(z, T::from_f64(sampling.temperature), &mut rng);
        }
        self.descend(x, ws, params, Some(sampling));
    }

    /// Leaves the posterior mean of every latent in the workspace.
    fn ascend(&self, ws: &mut Workspace<T>, x: &ArrayView2<T>, params: &[T]) {
        let b = x.nrows();
        for (l, level) in self.levels.iter().enumerate() {
            let (lower, upper) = ws.levels.split_at_mut(l);
            let buf = &mut upper[0];
            let input = lower.last().map_or(x.view(), |below| head(&below.z, b));
            level.encoder.forward(&mut buf.encoder, &input, params);
            mean(head_mut(&mut buf.z, b), &*level.posterior, &buf.encoder.out(b), &[]);
        }
    }

    /// Puts a topmost latent into the workspace.
    fn place(&self, ws: &mut Workspace<T>, z: &ArrayView2<T>) {
        assert!(z.ncols() == self.latent(), "z is {} wide, not {}", z.ncols(), self.latent());
        head_mut(&mut ws.levels[self.levels.len() - 1].z, z.nrows()).assign(z);
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
        let (b, width) = (x.nrows(), self.config.width);
        assert!(x.ncols() == width, "x is {} wide, not {width}", x.ncols());
        let mut x = Some(x);
        for (l, level) in self.levels.iter().enumerate().rev() {
            let (lower, upper) = ws.levels.split_at_mut(l);
            let (buf, own) = (&mut upper[0], level.own.of(params));
            level.decoder.forward(&mut buf.decoder, &head(&buf.z, b), params);
            let eta = buf.decoder.out(b);
            let p = &*level.conditional;
            match (lower.last_mut(), sampling) {
                (None, sampling) => {
                    let x = x.take().expect("the data are last");
                    match sampling.filter(|s| s.draw) {
                        None => mean(x, p, &eta, own),
                        Some(sampling) => draw(x, p, &eta, own, sampling, l),
                    }
                }
                (Some(below), None) => mean(head_mut(&mut below.z, b), p, &eta, own),
                (Some(below), Some(sampling)) => {
                    // No ε is needed on the way down; its place takes the means.
                    let LevelBuffers { z, eps, .. } = below;
                    draw(head_mut(z, b), p, &eta, own, sampling, l);
                    if sampling.temperature != 1.0 {
                        mean(head_mut(eps, b), p, &eta, own);
                        let t = T::from_f64(sampling.temperature);
                        Zip::from(head_mut(z, b))
                            .and(head(eps, b))
                            .for_each(|z, &m| *z = m + t * (*z - m));
                    }
                }
            }
        }
    }
}

/// `out_i ← a draw from p(·|η_i)` at level l.
fn draw<T: Real>(
    out: ArrayViewMut2<T>,
    p: &dyn Distribution<T>,
    eta: &ArrayView2<T>,
    own: &[T],
    sampling: &Sampling,
    l: usize,
) {
    let (b, width) = out.dim();
    let eta = Rows::new(eta, b);
    parallel::rows(RowsMut::of(out), b, 16 * width, &|first, count, mut out| {
        for i in 0..count {
            let row = sampling.first.wrapping_add((first + i) as u64);
            let mut rng = sampling.address.level(l).row(row).rng();
            p.sample(out.row(i), eta.row(first + i), own, &mut rng);
        }
    });
}

/// `out_i ← E[x|η_i]`
fn mean<T: Real>(out: ArrayViewMut2<T>, p: &dyn Distribution<T>, eta: &ArrayView2<T>, own: &[T]) {
    let (b, width) = out.dim();
    let eta = Rows::new(eta, b);
    parallel::rows(RowsMut::of(out), b, 4 * width, &|first, count, mut out| {
        (0..count).for_each(|i| p.mean(out.row(i), eta.row(first + i), own));
    });
}
