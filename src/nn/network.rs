//! A network: layers in a row, and a linear head.
//!
//! ```text
//! Shapes    x [N, in]   y_i [N, out_i]   out [N, P]
//! Forward   y_0 = x;   y_i = layer_i(y_{i−1})   i = 1 … n;   out = y_n Wᵀ + b
//! Backward  the same lines in reverse: the head, then layer_i for i = n … 1
//! ```
//!
//! In the model file the layers are `{path}.layers.{i}` and `{path}.head`.

use super::layer::kept_buffers;
use super::{Activation, Call, Layer, Linear, Trace, build};
use crate::error::{Error, Result};
use crate::family::Spec;
use crate::gradient::Gradient;
use crate::params::Scope;
use crate::real::Real;
use crate::rng::Draws;
use crate::rows::{head, head_mut, keep_rows};
use ndarray::{Array2, ArrayView2, ArrayViewMut2};

/// The layers of a network; its numbers are in the flat parameter buffer.
pub struct Network<T> {
    inputs: usize,
    layers: Vec<Box<dyn Layer<T>>>,
    head: Linear,
}

/// What a forward pass leaves behind for the backward one, for up to a fixed number of rows.
#[derive(Clone, Debug)]
pub struct NetworkBuffers<T> {
    layers: Vec<LayerBuffers<T>>,
    /// The network's output.
    out: Array2<T>,
}

#[derive(Clone, Debug)]
struct LayerBuffers<T> {
    y: Array2<T>,
    kept: Vec<Array2<T>>,
    /// ∂loss/∂y, which a layer may use up.
    d_y: Array2<T>,
    work: Vec<Array2<T>>,
}

impl<T: Real> NetworkBuffers<T> {
    /// The output of the last forward pass over `rows` rows, `[rows, P]`.
    pub fn out(&self, rows: usize) -> ArrayView2<'_, T> {
        head(&self.out, rows)
    }

    /// The same, to be changed.
    pub(crate) fn out_mut(&mut self, rows: usize) -> ArrayViewMut2<'_, T> {
        head_mut(&mut self.out, rows)
    }

    /// Moves the rows `live`, in ascending order, of all that a backward pass reads to the front.
    pub(crate) fn keep(&mut self, live: &[usize]) {
        let layers = self.layers.iter_mut();
        layers.flat_map(|l| l.kept.iter_mut().chain([&mut l.y])).for_each(|a| keep_rows(a, live));
    }
}

impl<T: Real> Network<T> {
    /// The network that `layers` describe: `inputs → … → outputs`, with this activation where they name
    /// no other. No layer at all is a linear map.
    ///
    /// # Errors
    /// If there is no such layer, or one of its settings is refused.
    pub fn new(
        scope: &mut Scope<'_>,
        inputs: usize,
        layers: &[Spec],
        outputs: usize,
        activation: Activation,
    ) -> Result<Self> {
        let mut width = inputs;
        let mut place = |(i, spec): (usize, &Spec)| -> Result<_> {
            let at = &mut scope.at(format_args!("layers.{i}"));
            let layer = build::<T>(spec)?.place(at, width, activation);
            width = layer.outputs();
            Ok(layer)
        };
        let layers = layers.iter().enumerate().map(&mut place).collect::<Result<_>>()?;
        Ok(Network { inputs, layers, head: Linear::new(&mut scope.at("head"), width, outputs) })
    }

    /// Width of the input.
    pub fn inputs(&self) -> usize {
        self.inputs
    }

    /// Width of the output.
    pub fn outputs(&self) -> usize {
        self.head.outputs()
    }

    /// The linear map at the end.
    pub fn head(&self) -> &Linear {
        &self.head
    }

    /// Whether a row's output depends on other rows while training, so that none may be left out of a backward
    /// pass ([`Layer::kept_of_batch`]).
    pub(crate) fn couples_rows(&self) -> bool {
        self.layers.iter().any(|layer| !layer.kept_of_batch().is_empty())
    }

    /// After a step of training, lets each layer take what it kept of the batch into its state ([`Layer::fold`]).
    pub(crate) fn fold(&self, params: &mut [T], buffers: &NetworkBuffers<T>) {
        let layers = self.layers.iter().zip(&buffers.layers);
        layers.for_each(|(layer, buffers)| layer.fold(params, &buffers.kept));
    }

    /// Elements that the buffers of one row have.
    pub(crate) fn elements_per_row(&self) -> usize {
        let widths = |l: &dyn Layer<T>| -> usize {
            2 * l.outputs() + l.kept().iter().chain(l.work()).sum::<usize>()
        };
        self.layers.iter().map(|l| widths(&**l)).sum::<usize>() + self.outputs()
    }

    /// Buffers for up to `rows` rows. Without `gradients` there is room for forward passes only.
    pub fn buffers(&self, rows: usize, gradients: bool) -> NetworkBuffers<T> {
        let for_gradients = if gradients { rows } else { 0 };
        let zeros = |rows: usize, widths: &[usize]| -> Vec<Array2<T>> {
            widths.iter().map(|width| Array2::zeros((rows, *width))).collect()
        };
        let layer = |layer: &dyn Layer<T>| LayerBuffers {
            y: Array2::zeros((rows, layer.outputs())),
            kept: kept_buffers(layer, rows),
            d_y: Array2::zeros((for_gradients, layer.outputs())),
            work: zeros(for_gradients, layer.work()),
        };
        NetworkBuffers {
            layers: self.layers.iter().map(|l| layer(&**l)).collect(),
            out: Array2::zeros((rows, self.outputs())),
        }
    }

    /// Runs the network on `x: [N, in]`, with the noise of training or for inference; the output is
    /// `buffers.out(N)`.
    ///
    /// # Panics
    /// If `x` has another width than the first layer, or more rows than the buffers.
    pub fn forward(
        &self,
        buffers: &mut NetworkBuffers<T>,
        x: &ArrayView2<T>,
        params: &[T],
        noise: Option<Draws<'_>>,
    ) {
        let n = x.nrows();
        for (i, layer) in self.layers.iter().enumerate() {
            let (below, here) = buffers.layers.split_at_mut(i);
            let x = below.last().map_or(x.view(), |below| head(&below.y, n));
            let call = Call { x, params, noise: noise.map(|noise| noise.layer(i)) };
            layer.forward(&mut head_mut(&mut here[0].y, n), &mut here[0].kept, &call);
        }
        let x = buffers.layers.last().map_or(x.view(), |last| head(&last.y, n));
        self.head.forward(&mut head_mut(&mut buffers.out, n), &x, params);
    }

    /// Given `d_out: [N, P]` and the buffers of the forward pass on `x`: adds to `d_params`, unless the
    /// parameters are left alone, and writes `d_x: [N, in]` where it is asked for. An estimator that
    /// gives the parameters another gradient than the input runs it twice.
    ///
    /// # Panics
    /// If shapes differ from the forward pass, or the buffers have no room for gradients.
    pub fn backward(
        &self,
        mut d_params: Option<&mut Gradient<T>>,
        mut d_x: Option<&mut ArrayViewMut2<T>>,
        d_out: &ArrayView2<T>,
        buffers: &mut NetworkBuffers<T>,
        x: &ArrayView2<T>,
        params: &[T],
    ) {
        let n = x.nrows();
        match buffers.layers.last_mut() {
            None => return self.head.backward(d_params, d_x, d_out, x, params),
            Some(LayerBuffers { y, d_y, .. }) => {
                let (d_y, d_params) = (&mut head_mut(d_y, n), d_params.as_deref_mut());
                self.head.backward(d_params, Some(d_y), d_out, &head(y, n), params);
            }
        }
        for (i, layer) in self.layers.iter().enumerate().rev() {
            let (below, here) = buffers.layers.split_at_mut(i);
            let LayerBuffers { y, kept, d_y, work } = &mut here[0];
            // The lowest layer passes on to whoever asked.
            let (x, mut d_x) = match below.last_mut() {
                Some(below) => (head(&below.y, n), Some(head_mut(&mut below.d_y, n))),
                None => (x.view(), d_x.as_mut().map(|d_x| d_x.view_mut())),
            };
            let (d_x, d_params) = (d_x.as_mut(), d_params.as_deref_mut());
            let trace = Trace { y: head(y, n), kept, work };
            let call = Call { x, params, noise: None };
            layer.backward(d_params, d_x, &mut head_mut(d_y, n), trace, &call);
        }
    }

    /// Calls `side` with the side of every kink that the last forward pass over `n` rows is on: a
    /// finite difference is valid only while none changes.
    pub fn kinks(&self, buffers: &NetworkBuffers<T>, n: usize, side: &mut dyn FnMut(bool)) {
        for (layer, buffers) in self.layers.iter().zip(&buffers.layers) {
            layer.kinks(&head(&buffers.y, n), &buffers.kept, side);
        }
    }
}

/// The layers of plain dense ones of these widths.
pub fn dense(hidden: &[usize]) -> Vec<Spec> {
    hidden.iter().map(|width| Spec::new("dense").with_value(width)).collect()
}

/// The layers that `text` lists, apart by blanks: `dense=300 dropout=0.2`.
///
/// # Errors
/// If there is no such layer, or one of its settings is refused.
pub fn parse(text: &str) -> Result<Vec<Spec>> {
    let specs = text.split_whitespace().map(|item| {
        let spec: Spec = item.parse()?;
        build::<f32>(&spec).map(|plan| plan.spec())
    });
    specs.collect::<Result<_>>().map_err(|e| match e {
        Error::Setting { name, message } if name != "network" => {
            Error::setting("network", format!("{name}: {message}"))
        }
        e => e,
    })
}

/// The decoder's layers for an encoder's: in reverse, each layer with what belongs to it behind it
/// ([`super::Plan::width`]).
///
/// # Errors
/// If there is no such layer, or one of its settings is refused.
pub fn mirrored(layers: &[Spec]) -> Result<Vec<Spec>> {
    let mut blocks: Vec<Vec<Spec>> = Vec::new();
    for spec in layers {
        match blocks.last_mut() {
            Some(block) if build::<f32>(spec)?.width().is_none() => block.push(spec.clone()),
            _ => blocks.push(vec![spec.clone()]),
        }
    }
    Ok(blocks.into_iter().rev().flatten().collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decoders_mirror_encoders_block_by_block() {
        let mirror = |text: &str| {
            let layers = mirrored(&parse(text).unwrap()).unwrap();
            layers.iter().map(Spec::to_string).collect::<Vec<_>>().join(" ")
        };
        assert_eq!(mirror("dense=400 dense=200"), "dense=200 dense=400");
        assert_eq!(mirror("dense=400 dropout=0.2 dense=9"), "dense=9 dense=400 dropout=0.2");
        assert_eq!(mirror(""), "");
    }

    #[test]
    fn networks_that_are_none_are_refused() {
        for (text, part) in [
            ("dence=3", "known are dense, dropout"),
            ("dense", "dense=WIDTH"),
            ("dense=0", "at least 1"),
            ("dense=3:activation=rel", "known are relu"),
            ("dropout=1", "below 1"),
        ] {
            let message = parse(text).unwrap_err().to_string();
            assert!(message.contains(part), "{text}: {message}");
        }
    }
}
