//! What a network sees of a chain's latents: the one next to it, or that and all above.
//!
//! ```text
//! Shapes    z_l [N, Z_l]   given = [z_l; z_{l+1}; … z_L] [N, Z_l + … + Z_L]
//! Backward  columns of d_given, added to the d_z of the level that they are of
//! ```

use crate::conditional::InferBuffers;
use crate::real::Real;
use crate::rows::{head, head_mut};
use ndarray::{Array2, ArrayView2, ArrayViewMut2, Zip, s};

/// Buffers of one network; without columns where it sees one latent alone, or none.
pub(super) struct Above<T> {
    /// Of the level of the first latent, from 0, on: where each begins.
    first: usize,
    begin: Vec<usize>,
    given: Array2<T>,
    d_given: Array2<T>,
}

impl<T: Real> Above<T> {
    /// For up to `rows` rows, and gradients for up to `rows_d`, of a network that sees latents of these widths
    /// from level `first` on.
    pub(super) fn new(rows: usize, rows_d: usize, first: usize, widths: &[usize]) -> Self {
        let mut begin = vec![0];
        widths.iter().for_each(|width| begin.push(begin[begin.len() - 1] + width));
        let width = if widths.len() > 1 { begin[widths.len()] } else { 0 };
        let zeros = |rows| Array2::zeros((rows, width));
        Above { first, begin, given: zeros(rows), d_given: zeros(rows_d) }
    }

    /// Elements that the buffers of one row have.
    pub(super) fn elements(widths: &[usize]) -> usize {
        if widths.len() > 1 { 2 * widths.iter().sum::<usize>() } else { 0 }
    }

    /// What the network is given of the latents `up`, from the first that it sees on.
    pub(super) fn latents<'a>(
        &'a mut self,
        up: &'a [InferBuffers<T>],
        n: usize,
    ) -> ArrayView2<'a, T> {
        if self.given.ncols() > 0 {
            let mut given = head_mut(&mut self.given, n);
            for (q, from) in up.iter().zip(self.begin.windows(2)) {
                given.slice_mut(s![.., from[0]..from[1]]).assign(&head(&q.z, n));
            }
        }
        self.latents_again(up, n)
    }

    /// The same, as it was given last.
    pub(super) fn latents_again<'a>(
        &'a self,
        up: &'a [InferBuffers<T>],
        n: usize,
    ) -> ArrayView2<'a, T> {
        match self.given.ncols() {
            0 => head(&up[0].z, n),
            _ => head(&self.given, n),
        }
    }

    /// Where the gradient of what the decoder was given goes, and what that was: d_z and z of its own level,
    /// or the buffers.
    pub(super) fn both<'a>(
        &'a mut self,
        d_z: ArrayViewMut2<'a, T>,
        z: ArrayView2<'a, T>,
    ) -> (ArrayViewMut2<'a, T>, ArrayView2<'a, T>) {
        let n = z.nrows();
        match self.given.ncols() {
            0 => (d_z, z),
            _ => (head_mut(&mut self.d_given, n), head(&self.given, n)),
        }
    }

    /// `d_z ← ∂/∂z` of the decoder's own level, unless it is there already.
    pub(super) fn write_first(&self, mut d_z: ArrayViewMut2<T>) {
        if self.given.ncols() > 0 {
            let d_given = head(&self.d_given, d_z.nrows());
            d_z.assign(&d_given.slice(s![.., ..self.begin[1]]));
        }
    }

    /// `d_z += ∂/∂z` of level `l`, above the decoder's own.
    pub(super) fn add_from(&self, l: usize, d_z: ArrayViewMut2<T>) {
        if self.given.ncols() > 0 {
            let (d_given, at) = (head(&self.d_given, d_z.nrows()), l - self.first);
            let columns = d_given.slice_move(s![.., self.begin[at]..self.begin[at + 1]]);
            Zip::from(d_z).and(columns).for_each(|d_z, d| *d_z += *d);
        }
    }
}

/// `d_z += ∂/∂z` of each of the latents `up`, whose columns stand side by side in the first `n` rows of `d_given`.
pub(super) fn add_to_latents<T: Real>(up: &mut [InferBuffers<T>], d_given: &Array2<T>, n: usize) {
    let (d_given, mut from) = (head(d_given, n), 0);
    for q in up {
        let to = from + q.d_z.ncols();
        let columns = d_given.slice(s![.., from..to]);
        Zip::from(head_mut(&mut q.d_z, n)).and(columns).for_each(|d_z, d| *d_z += *d);
        from = to;
    }
}
