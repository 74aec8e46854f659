//! The operations of networks: activations, the linear map, layers, networks.

use super::examples;
use super::operation::{Entry, Operation, Outcome, Slots, Tensor, Values, flat, matrix};
use crate::family::Member;
use crate::gradient::Gradient;
use crate::nn::layer::kept_buffers;
use crate::nn::{Activation, Call, Layer, Linear, Network, NetworkBuffers, Plan, Trace, network};
use crate::params::Layout;
use crate::real::Real;
use crate::rng::{Address, Draws, Noise, Purpose};
use ndarray::Array2;

/// What a dense layer's parameters are drawn with.
const WEIGHTS: Values = Values::Real(0.7);

/// f of `n` numbers.
pub fn activation<T: Real>(f: Activation, n: usize) -> Entry<T> {
    Entry::new("nn", "activation", Elementwise { f, n })
}

/// The linear map of `rows` rows from `inputs` to `outputs` numbers.
pub fn linear<T: Real>(rows: usize, inputs: usize, outputs: usize) -> Entry<T> {
    let mut layout = Layout::default();
    let linear = Linear::new(&mut layout.scope("linear"), inputs, outputs);
    Entry::new("nn", "linear", LinearMap { linear, slots: Slots(layout), rows })
}

/// Every layer, on `rows` rows of `inputs` numbers, while training: with each of these activations where
/// it takes one.
pub fn layers<T: Real>(
    members: &[Member<Box<dyn Plan<T>>>],
    activations: &[Activation],
    rows: usize,
    inputs: usize,
) -> Vec<Entry<T>> {
    let mut entries = Vec::new();
    for (file, _, plan) in examples(members) {
        let takes = plan.takes_activation();
        let count = if takes { activations.len() } else { 1 };
        for f in &activations[..count] {
            let mut layout = Layout::default();
            let layer = plan.place(&mut layout.scope("layer"), inputs, *f);
            let name = match takes {
                true => format!("{}, {}", plan.spec(), f.name()),
                false => plan.spec().to_string(),
            };
            let name = format!("{name}, x [{rows}, {inputs}]");
            entries.push(Entry::new(
                "nn",
                &file,
                OneLayer { name, layer, slots: Slots(layout), rows, inputs },
            ));
        }
    }
    entries
}

/// `inputs → layers → outputs` on `rows` rows, while training.
///
/// # Panics
/// If there are no such layers.
pub fn network<T: Real>(layers: &str, rows: usize, inputs: usize, outputs: usize) -> Entry<T> {
    let mut layout = Layout::default();
    let specs = network::parse(layers).expect("layers that there are");
    let tanh = Activation::Tanh;
    let network = Network::new(&mut layout.scope("network"), inputs, &specs, outputs, tanh);
    let network = network.expect("layers that there are");
    let name = [&inputs.to_string(), layers, &outputs.to_string()];
    let name = name.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(" → ");
    let buffers = network.buffers(rows, true);
    Entry::new("nn", "network", Layers { name, network, buffers, slots: Slots(layout), rows })
}

/// h = f(a)
struct Elementwise {
    f: Activation,
    n: usize,
}

impl<T: Real> Operation<T> for Elementwise {
    fn name(&self) -> String {
        self.f.name().to_owned()
    }

    fn inputs(&self) -> Vec<Tensor> {
        vec![Tensor::new("a", self.n, Values::Real(2.0))]
    }

    fn run(&mut self, inputs: &[Vec<T>], weights: Option<&[Vec<T>]>) -> Outcome<T> {
        let a = &inputs[0];
        let mut h = vec![T::zero(); self.n];
        self.f.forward(&mut h, a);
        let gradient = weights.map(|weights| {
            let mut d = weights[0].clone();
            self.f.backward(&mut d, a, &h);
            vec![d]
        });
        let sides = a.iter().map(|&a| a > T::zero()).filter(|_| self.f.has_kink());
        Outcome::of(vec![("h", h)]).at(sides.collect()).with(gradient.unwrap_or_default())
    }
}

/// y = x Wᵀ + b
struct LinearMap {
    linear: Linear,
    slots: Slots,
    rows: usize,
}

impl<T: Real> Operation<T> for LinearMap {
    fn name(&self) -> String {
        let (inputs, outputs) = (self.linear.inputs(), self.linear.outputs());
        format!("x [{}, {inputs}], W [{outputs}, {inputs}]", self.rows)
    }

    fn inputs(&self) -> Vec<Tensor> {
        let x = Tensor::new("x", self.rows * self.linear.inputs(), Values::Real(1.0));
        [x].into_iter().chain(self.slots.inputs(WEIGHTS)).collect()
    }

    fn run(&mut self, inputs: &[Vec<T>], weights: Option<&[Vec<T>]>) -> Outcome<T> {
        let (x, params) = (matrix(&inputs[0], self.rows), self.slots.join(&inputs[1..]));
        let mut y = Array2::zeros((self.rows, self.linear.outputs()));
        self.linear.forward(&mut y.view_mut(), &x, &params);
        let gradient = weights.map(|weights| {
            let (mut d_x, mut d_params) = (Array2::zeros(x.dim()), Gradient::zeros(&self.slots.0));
            let (d_x_view, d_y) = (&mut d_x.view_mut(), matrix(&weights[0], self.rows));
            self.linear.backward(Some(&mut d_params), Some(d_x_view), &d_y, &x, &params);
            in_x_and_parameters(d_x, d_params, &self.slots)
        });
        Outcome::of(vec![("y", flat(y))]).with(gradient.unwrap_or_default())
    }
}

fn in_x_and_parameters<T: Real>(
    d_x: Array2<T>,
    mut d_params: Gradient<T>,
    slots: &Slots,
) -> Vec<Vec<T>> {
    [flat(d_x)].into_iter().chain(slots.split(d_params.values(), T::one())).collect()
}

/// One layer.
struct OneLayer<T> {
    name: String,
    layer: Box<dyn Layer<T>>,
    slots: Slots,
    rows: usize,
    inputs: usize,
}

/// The noise of layers, for `rows` rows.
fn noise(rows: usize) -> Option<Draws<'static>> {
    const ROWS: [u64; 8] = [4, 9, 2, 7, 1, 3, 8, 5];
    Noise::new(Address::new(3, Purpose::Check), &ROWS[..rows]).training().of_layers(0, 1)
}

impl<T: Real> Operation<T> for OneLayer<T> {
    fn name(&self) -> String {
        self.name.clone()
    }

    fn inputs(&self) -> Vec<Tensor> {
        let x = Tensor::new("x", self.rows * self.inputs, Values::Real(1.0));
        [x].into_iter().chain(self.slots.inputs(WEIGHTS)).collect()
    }

    fn run(&mut self, inputs: &[Vec<T>], weights: Option<&[Vec<T>]>) -> Outcome<T> {
        let buffers = |widths: &[usize]| -> Vec<Array2<T>> {
            widths.iter().map(|width| Array2::zeros((self.rows, *width))).collect()
        };
        let (x, params) = (matrix(&inputs[0], self.rows), self.slots.join(&inputs[1..]));
        let call = Call { x, params: &params, noise: noise(self.rows) };
        let mut y = Array2::zeros((self.rows, self.layer.outputs()));
        let (mut kept, mut kinks) = (kept_buffers(&*self.layer, self.rows), Vec::new());
        self.layer.forward(&mut y.view_mut(), &mut kept, &call);
        self.layer.kinks(&y.view(), &kept, &mut |side| kinks.push(side));
        let gradient = weights.map(|weights| {
            let (mut d_x, mut d_params) = (Array2::zeros(x.dim()), Gradient::zeros(&self.slots.0));
            let mut d_y = matrix(&weights[0], self.rows).to_owned();
            let mut work = buffers(self.layer.work());
            let trace = Trace { y: y.view(), kept: &kept, work: &mut work };
            let (d_x_view, d_y) = (&mut d_x.view_mut(), &mut d_y.view_mut());
            self.layer.backward(Some(&mut d_params), Some(d_x_view), d_y, trace, &call);
            in_x_and_parameters(d_x, d_params, &self.slots)
        });
        Outcome::of(vec![("y", flat(y))]).at(kinks).with(gradient.unwrap_or_default())
    }
}

/// Layers in a row and a head.
struct Layers<T> {
    name: String,
    network: Network<T>,
    buffers: NetworkBuffers<T>,
    slots: Slots,
    rows: usize,
}

impl<T: Real> Operation<T> for Layers<T> {
    fn name(&self) -> String {
        self.name.clone()
    }

    fn inputs(&self) -> Vec<Tensor> {
        let x = Tensor::new("x", self.rows * self.network.inputs(), Values::Real(1.0));
        [x].into_iter().chain(self.slots.inputs(WEIGHTS)).collect()
    }

    fn run(&mut self, inputs: &[Vec<T>], weights: Option<&[Vec<T>]>) -> Outcome<T> {
        let Layers { network, buffers, slots, rows, .. } = self;
        let (x, params) = (matrix(&inputs[0], *rows), slots.join(&inputs[1..]));
        let mut kinks = Vec::new();
        network.forward(buffers, &x, &params, noise(*rows));
        network.kinks(buffers, *rows, &mut |side| kinks.push(side));
        let y = flat(buffers.out(*rows).to_owned());
        let gradient = weights.map(|weights| {
            let (mut d_x, mut d_params) = (Array2::zeros(x.dim()), Gradient::zeros(&slots.0));
            let (d_x_view, d_y) = (&mut d_x.view_mut(), matrix(&weights[0], *rows));
            network.backward(Some(&mut d_params), Some(d_x_view), &d_y, buffers, &x, &params);
            in_x_and_parameters(d_x, d_params, slots)
        });
        Outcome::of(vec![("y", y)]).at(kinks).with(gradient.unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nn::members;

    /// What nobody asks for is left out, and changes nothing else; what is asked for twice is added twice.
    #[test]
    fn layers_give_what_is_asked_for() {
        let (rows, inputs) = (3, 7);
        for (_, spec, plan) in examples(&members::<f64>()) {
            let mut layout = Layout::default();
            let layer = plan.place(&mut layout.scope("layer"), inputs, Activation::Silu);
            let slots = Slots(layout);
            let point = |tensor: Tensor| tensor.point::<f64>(super::super::stream(&tensor.name));
            let x = point(Tensor::new("x", rows * inputs, Values::Real(1.0)));
            let params = slots.join(&slots.inputs(WEIGHTS).map(point).collect::<Vec<_>>());
            let call = Call { x: matrix(&x, rows), params: &params, noise: noise(rows) };
            let buffers = |widths: &[usize]| -> Vec<Array2<f64>> {
                widths.iter().map(|width| Array2::zeros((rows, *width))).collect()
            };
            let (mut y, mut kept) =
                (Array2::zeros((rows, layer.outputs())), kept_buffers(&*layer, rows));
            layer.forward(&mut y.view_mut(), &mut kept, &call);
            let backward = |d_params: Option<&mut Gradient<f64>>, d_x: Option<&mut Array2<f64>>| {
                let (mut d_y, mut work) = (y.mapv(|y| 0.3 - y), buffers(layer.work()));
                let trace = Trace { y: y.view(), kept: &kept, work: &mut work };
                let mut d_x = d_x.map(|d_x| d_x.view_mut());
                layer.backward(d_params, d_x.as_mut(), &mut d_y.view_mut(), trace, &call);
            };
            let [mut both, mut alone] = [(); 2].map(|()| Gradient::zeros(&slots.0));
            let [mut d_x, mut d_x_alone] = [(); 2].map(|()| Array2::zeros((rows, inputs)));
            backward(Some(&mut both), Some(&mut d_x));
            backward(Some(&mut alone), None);
            backward(None, Some(&mut d_x_alone));
            assert_eq!((both.values(), d_x), (alone.values(), d_x_alone), "{spec}");
            let once = both.values().to_vec();
            backward(Some(&mut both), None);
            for (once, twice) in once.iter().zip(both.values()) {
                assert!((2.0 * once - twice).abs() < 1e-13, "{spec}: {once} {twice}");
            }
        }
    }
}
