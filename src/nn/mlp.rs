//! A multilayer perceptron: dense layers with an activation between them, and a linear head.
//!
//! ```text
//! Shapes    x [N, in]   a_i, h_i [N, hidden_i]   out [N, P]
//! Forward   h_0 = x;   a_i = h_{i−1} W_iᵀ + b_i,  h_i = f(a_i)   i = 1 … n;   out = h_n Wᵀ + b
//! Backward  the same lines in reverse: the head, then for i = n … 1 the activation and layer i
//! ```
//!
//! In the model file the layers are `{name}.layers.{i}` and `{name}.head`.

use super::activation::Activation;
use super::dense::{Dense, Init};
use crate::gradient::Gradient;
use crate::params::Layout;
use crate::real::Real;
use crate::rng::Address;
use ndarray::{Array2, ArrayView2, ArrayViewMut2, s};

/// The layers of the network; its numbers are in the flat parameter buffer.
#[derive(Clone, Debug)]
pub struct Mlp {
    layers: Vec<Dense>,
    activation: Activation,
    head: Dense,
}

/// What a forward pass leaves behind for the backward one, for up to a fixed number of rows.
#[derive(Clone, Debug)]
pub struct MlpBuffers<T> {
    /// Pre-activations a_i, where the activation's backward needs them.
    pre: Vec<Array2<T>>,
    /// Activations h_i, which else stand where the a_i were.
    post: Vec<Array2<T>>,
    /// d_h_i, turned into d_a_i in place.
    d_post: Vec<Array2<T>>,
    /// The network's output.
    out: Array2<T>,
}

impl<T: Real> MlpBuffers<T> {
    /// The output of the last forward pass over `rows` rows, `[rows, P]`.
    pub fn out(&self, rows: usize) -> ArrayView2<'_, T> {
        self.out.slice(s![..rows, ..])
    }

    /// Moves the rows `kept`, in ascending order, of all that a backward pass reads to the front.
    pub(crate) fn keep(&mut self, kept: &[usize]) {
        self.pre.iter_mut().chain(&mut self.post).for_each(|a| keep_rows(a, kept));
    }
}

impl Mlp {
    /// Adds the network's slots to `layout`: `inputs → hidden[0] → … → outputs`. No hidden layer at
    /// all is a linear map.
    pub fn new(
        layout: &mut Layout,
        name: &str,
        inputs: usize,
        hidden: &[usize],
        outputs: usize,
        activation: Activation,
    ) -> Self {
        let mut width = inputs;
        let mut layers = Vec::with_capacity(hidden.len());
        for (i, &next) in hidden.iter().enumerate() {
            layers.push(Dense::new(layout, &format!("{name}.layers.{i}"), width, next));
            width = next;
        }
        Mlp {
            layers,
            activation,
            head: Dense::new(layout, &format!("{name}.head"), width, outputs),
        }
    }

    /// Width of the output.
    pub fn outputs(&self) -> usize {
        self.head.outputs()
    }

    /// The linear layer at the end.
    pub fn head(&self) -> &Dense {
        &self.head
    }

    /// Draws all starting values; layer i from row i of `address`.
    pub fn init<T: Real>(&self, params: &mut [T], init: Init, address: Address) {
        for (i, layer) in self.layers.iter().chain([&self.head]).enumerate() {
            layer.init(params, init, address.row(i as u64));
        }
    }

    /// Elements that the buffers of one row have, gradients and the caller's own of η included.
    pub(crate) fn elements_per_row(&self) -> usize {
        let per_unit = if self.activation.keeps_input() { 3 } else { 2 };
        per_unit * self.layers.iter().map(Dense::outputs).sum::<usize>() + 3 * self.outputs()
    }

    /// Buffers for up to `rows` rows. Without `gradients` there is room for forward passes only.
    pub fn buffers<T: Real>(&self, rows: usize, gradients: bool) -> MlpBuffers<T> {
        let like_layers = |rows| -> Vec<Array2<T>> {
            self.layers.iter().map(|l| Array2::zeros((rows, l.outputs()))).collect()
        };
        MlpBuffers {
            pre: like_layers(if self.activation.keeps_input() { rows } else { 0 }),
            post: like_layers(rows),
            d_post: like_layers(if gradients { rows } else { 0 }),
            out: Array2::zeros((rows, self.outputs())),
        }
    }

    /// Runs the network on `x: [N, in]`; the output is `buffers.out(N)`.
    ///
    /// # Panics
    /// If `x` has another width than the first layer, or more rows than the buffers.
    pub fn forward<T: Real>(&self, buffers: &mut MlpBuffers<T>, x: &ArrayView2<T>, params: &[T]) {
        let n = x.nrows();
        let MlpBuffers { pre, post, out, .. } = buffers;
        for (i, layer) in self.layers.iter().enumerate() {
            let (before, after) = post.split_at_mut(i);
            let x = before.last().map_or(x.view(), |h| h.slice(s![..n, ..]));
            let h = &mut after[0];
            if self.activation.keeps_input() {
                layer.forward(&mut pre[i].slice_mut(s![..n, ..]), &x, params);
                self.activation.forward(first_rows_mut(h, n), first_rows(&pre[i], n));
            } else {
                layer.forward(&mut h.slice_mut(s![..n, ..]), &x, params);
                self.activation.forward_in_place(first_rows_mut(h, n));
            }
        }
        let x = post.last().map_or(x.view(), |h| h.slice(s![..n, ..]));
        self.head.forward(&mut out.slice_mut(s![..n, ..]), &x, params);
    }

    /// Given `d_out: [N, P]` and the buffers of the forward pass on `x`: adds to `d_params`, and
    /// writes `d_x: [N, in]` where it is asked for.
    ///
    /// # Panics
    /// If shapes differ from the forward pass, or the buffers have no room for gradients.
    pub fn backward<T: Real>(
        &self,
        d_params: &mut Gradient<T>,
        mut d_x: Option<&mut ArrayViewMut2<T>>,
        d_out: &ArrayView2<T>,
        buffers: &mut MlpBuffers<T>,
        x: &ArrayView2<T>,
        params: &[T],
    ) {
        let n = x.nrows();
        let MlpBuffers { pre, post, d_post, .. } = buffers;
        let Some(last) = self.layers.len().checked_sub(1) else {
            return self.head.backward(d_params, d_x, d_out, x, params);
        };
        let d_h = &mut d_post[last].slice_mut(s![..n, ..]);
        self.head.backward(d_params, Some(d_h), d_out, &post[last].slice(s![..n, ..]), params);
        for i in (0..=last).rev() {
            let (before, after) = d_post.split_at_mut(i);
            let h = first_rows(&post[i], n);
            let a = if self.activation.keeps_input() { first_rows(&pre[i], n) } else { h };
            self.activation.backward(first_rows_mut(&mut after[0], n), a, h);
            let d_a = after[0].slice(s![..n, ..]);
            match before.last_mut() {
                Some(d_h) => {
                    let h = post[i - 1].slice(s![..n, ..]);
                    self.layers[i].backward(
                        d_params,
                        Some(&mut d_h.slice_mut(s![..n, ..])),
                        &d_a,
                        &h,
                        params,
                    );
                }
                None => self.layers[i].backward(d_params, d_x.take(), &d_a, x, params),
            }
        }
    }

    /// Calls `side` with the side of 0 of every unit in the last forward pass over `n` rows if the
    /// activation has a kink there: a finite difference is valid only while none changes.
    pub fn kinks<T: Real>(&self, buffers: &MlpBuffers<T>, n: usize, side: &mut dyn FnMut(bool)) {
        if self.activation.has_kink() {
            for h in &buffers.post {
                h.slice(s![..n, ..]).iter().for_each(|&h| side(h > T::zero()));
            }
        }
    }
}

/// Moves the rows `kept`, in ascending order, to the front.
pub(crate) fn keep_rows<T: Real>(a: &mut Array2<T>, kept: &[usize]) {
    let (rows, width) = a.dim();
    if rows > 0 {
        let a = a.as_slice_mut().expect("buffers are in standard layout");
        for (to, &from) in kept.iter().enumerate().filter(|(to, from)| to < from) {
            a.copy_within(from * width..(from + 1) * width, to * width);
        }
    }
}

/// The first `n` rows of a buffer as one slice.
pub(crate) fn first_rows<T: Real>(a: &Array2<T>, n: usize) -> &[T] {
    let width = a.ncols();
    &a.as_slice().expect("buffers are in standard layout")[..n * width]
}

/// The first `n` rows of a buffer as one slice, to write.
pub(crate) fn first_rows_mut<T: Real>(a: &mut Array2<T>, n: usize) -> &mut [T] {
    let width = a.ncols();
    &mut a.as_slice_mut().expect("buffers are in standard layout")[..n * width]
}
