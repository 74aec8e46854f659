//! What a trained model is used for: encode, decode, reconstruct, sample.
//!
//! Everything here is value-only, works row by row without noise from anywhere but the addresses
//! given, and runs in a workspace of K = 1 of either kind.

use super::workspace::{head, head_mut};
use super::{Vae, Workspace};
use crate::distribution::Distribution;
use crate::parallel::{self, Rows, RowsMut};
use crate::real::Real;
use crate::rng::Address;
use ndarray::{ArrayView2, ArrayViewMut2};

impl<T: Real> Vae<T> {
    /// Width Z of the topmost latent, the one that [`Self::encode`] gives and [`Self::decode`] takes.
    pub fn latent(&self) -> usize {
        self.levels.last().expect("a model has a level").latent
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
        for (l, level) in self.levels.iter().enumerate() {
            let (lower, upper) = ws.levels.split_at_mut(l);
            let buf = &mut upper[0];
            let input = lower.last().map_or(x.view(), |below| head(&below.z, b));
            level.encoder.forward(&mut buf.encoder, &input, params);
            mean(head_mut(&mut buf.z, b), &*level.posterior, &buf.encoder.out(b), &[]);
        }
        z.assign(&head(&ws.levels[self.levels.len() - 1].z, b));
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
        self.descend(x, ws, z, params, None);
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
        let b = x_in.nrows();
        let mut z = ndarray::Array2::zeros((b, self.latent()));
        self.encode(z.view_mut(), ws, x_in, params);
        self.decode(x, ws, &z.view(), params);
    }

    /// `x ← the likelihood's mean` for a latent drawn from the prior and, with several levels, draws
    /// from every conditional above the data. Row i draws from the stream at `address.row(first + i)`.
    /// `x: [B, D]`
    ///
    /// # Panics
    /// If the shapes do not fit, `x` is not in standard layout, or the workspace has fewer rows.
    pub fn sample(
        &self,
        x: ArrayViewMut2<T>,
        ws: &mut Workspace<T>,
        params: &[T],
        address: Address,
        first: u64,
    ) {
        let (b, top) = (x.nrows(), self.levels.len());
        let mut z = ndarray::Array2::zeros((b, self.latent()));
        for (i, mut z) in z.rows_mut().into_iter().enumerate() {
            let z = z.as_slice_mut().expect("a fresh array is in standard layout");
            self.prior.sample(z, &mut address.level(top).row(first + i as u64).rng());
        }
        self.descend(x, ws, &z.view(), params, Some((address, first)));
    }

    /// From the topmost latent down to the data: means, or draws between the levels if `draw` says
    /// with which noise; always the mean at the bottom.
    fn descend(
        &self,
        x: ArrayViewMut2<T>,
        ws: &mut Workspace<T>,
        z: &ArrayView2<T>,
        params: &[T],
        draw: Option<(Address, u64)>,
    ) {
        let b = z.nrows();
        assert!(
            x.dim() == (b, self.config.width),
            "x is {:?}, not [{b}, {}]",
            x.dim(),
            self.config.width
        );
        assert!(z.ncols() == self.latent(), "z is {} wide, not {}", z.ncols(), self.latent());
        for (l, level) in self.levels.iter().enumerate().rev() {
            let (lower, upper) = ws.levels.split_at_mut(l);
            let (buf, own) = (&mut upper[0], level.own.of(params));
            let input = if l + 1 == self.levels.len() { z.view() } else { head(&buf.z, b) };
            level.decoder.forward(&mut buf.decoder, &input, params);
            let eta = buf.decoder.out(b);
            let Some(below) = lower.last_mut() else {
                return mean(x, &*level.conditional, &eta, own);
            };
            let mut z = head_mut(&mut below.z, b);
            match draw {
                None => mean(z, &*level.conditional, &eta, own),
                Some((address, first)) => {
                    for (i, (mut z, eta)) in z.rows_mut().into_iter().zip(eta.rows()).enumerate() {
                        let z = z.as_slice_mut().expect("buffers are in standard layout");
                        let eta = eta.as_slice().expect("buffers are in standard layout");
                        let mut rng = address.level(l).row(first + i as u64).rng();
                        level.conditional.sample(z, eta, own, &mut rng);
                    }
                }
            }
        }
    }
}

/// `out_i ← E[x|η_i]`
fn mean<T: Real>(out: ArrayViewMut2<T>, p: &dyn Distribution<T>, eta: &ArrayView2<T>, own: &[T]) {
    let (b, width) = out.dim();
    let eta = Rows::new(eta, b);
    parallel::rows(RowsMut::of(out), b, 4 * width, &|first, count, mut out| {
        (0..count).for_each(|i| p.mean(out.row(i), eta.row(first + i), own));
    });
}
