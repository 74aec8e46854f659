//! The check: an operation in both precisions, with every instruction set, held to a bound.

use elbo::check::{Entry, Operation, constants, stream};
use elbo::real::Real;
use elbo::rng::{Address, Purpose};
use elbo::simd::{self, Isa};
use std::sync::{Mutex, PoisonError};

/// One operation in both precisions.
pub(crate) struct Pair {
    pub(crate) single: Box<dyn Operation<f32>>,
    double: Box<dyn Operation<f64>>,
    /// The size below which a result owes no relative accuracy.
    pub(crate) unit: f64,
}

/// The operations of two lists that are made alike.
pub(crate) fn pairs(
    single: impl IntoIterator<Item = Entry<f32>>,
    double: impl IntoIterator<Item = Entry<f64>>,
) -> impl Iterator<Item = Pair> {
    single.into_iter().zip(double).map(|(single, double)| {
        assert_eq!(single.operation.name(), double.operation.name());
        let (single, double) = (single.operation, double.operation);
        Pair { single, double, unit: 1.0 }
    })
}

/// The two lists that one expression makes, as pairs.
macro_rules! both {
    ($list:expr) => {
        pairs($list, $list)
    };
}
pub(crate) use both;

/// What an operation gives, by name: its outputs in a pass for values, the same in one for gradients, and
/// the gradient in each input.
type Results<T> = Vec<(String, Vec<T>)>;

fn results<T: Real>(
    operation: &mut dyn Operation<T>,
    inputs: &[Vec<T>],
    weights: &[Vec<T>],
) -> Results<T> {
    let (values, with) = (operation.run(inputs, None), operation.run(inputs, Some(weights)));
    let outputs = values.outputs.into_iter().map(|(name, y)| (name.to_owned(), y));
    let again = with.outputs.into_iter().map(|(name, y)| (format!("{name} with gradient"), y));
    let inputs = operation.inputs().into_iter().zip(with.gradient);
    let gradient = inputs.map(|(input, d)| (format!("d_{}", input.name), d));
    outputs.chain(again).chain(gradient).collect()
}

impl Pair {
    /// The first number that comes out in `f32`.
    pub(crate) fn first(&mut self, inputs: &[Vec<f32>]) -> f64 {
        let _guard = FORCING.lock().unwrap_or_else(PoisonError::into_inner);
        f64::from(self.single.run(inputs, None).outputs[0].1[0])
    }

    /// The largest number of a gradient that comes out in `f64`, with the weights of [`Self::check`].
    pub(crate) fn largest_gradient(&mut self, inputs: &[Vec<f32>]) -> f64 {
        let _guard = FORCING.lock().unwrap_or_else(PoisonError::into_inner);
        let mut inputs = widen(inputs);
        self.double.settle(&mut inputs);
        let (name, outputs) = (self.double.name(), self.double.run(&inputs, None).outputs);
        let weight = |(y, v): &(&str, Vec<f64>)| constants(v.len(), stream(&format!("{name} {y}")));
        let weights: Vec<_> = outputs.iter().map(weight).collect();
        let gradient = self.double.run(&inputs, Some(&weights)).gradient;
        gradient.iter().flatten().fold(0.0, |largest, d| largest.max(d.abs()))
    }

    /// Runs the operation at all levels in both precisions, and holds `f32` to the bound (see `main.rs`).
    pub(crate) fn check(&mut self, inputs: &[Vec<f32>], bound: f64) {
        const EPSILON: f64 = f32::EPSILON as f64;
        // Nothing runs while another test forces an instruction set.
        let _guard = FORCING.lock().unwrap_or_else(PoisonError::into_inner);
        let name = self.single.name();
        let mut inputs = inputs.to_vec();
        self.single.settle(&mut inputs);
        let outputs = self.single.run(&inputs, None).outputs;
        let weight = |(y, v): &(&str, Vec<f32>)| constants(v.len(), stream(&format!("{name} {y}")));
        let weights: Vec<_> = outputs.iter().map(weight).collect();
        let single = with_every_isa(&mut *self.single, &inputs, &weights);
        let (inputs, weights) = (widen(&inputs), widen(&weights));
        let double = with_every_isa(&mut *self.double, &inputs, &weights);
        let condition = condition(&mut *self.double, &inputs, &weights, &double);
        let mut worst = (0.0, String::new());
        for ((single, double), condition) in single.iter().zip(&double).zip(condition) {
            let largest = double.1.iter().fold(0.0f64, |largest, v| largest.max(v.abs()));
            let numbers = single.1.iter().zip(&double.1).zip(condition).enumerate();
            for (i, ((&got, &want), moved)) in numbers {
                if want.abs() > f32::MAX as f64 {
                    continue; // f32 has no such number
                }
                let error = (got as f64 - want).abs();
                let excess =
                    error / (EPSILON * (self.unit + want.abs()) + moved).max(f64::MIN_POSITIVE);
                let place = || {
                    let of = format!("{}[{i}] of up to {largest:.1e}", double.0);
                    format!("{name}, {of}: {got:e}, not {want:e}")
                };
                assert!(excess <= bound, "{}, {excess:.2} > {bound}", place());
                if excess > worst.0 {
                    worst = (excess, place());
                }
            }
        }
        println!("{:.2} {}", worst.0, worst.1);
    }
}

/// ΔF of every result: how far roundings of the inputs and the weights would move it.
fn condition(
    operation: &mut dyn Operation<f64>,
    inputs: &[Vec<f64>],
    weights: &[Vec<f64>],
    base: &Results<f64>,
) -> Vec<Vec<f64>> {
    const DRAWS: usize = 16;
    let mut squares: Vec<Vec<f64>> = base.iter().map(|(_, v)| vec![0.0; v.len()]).collect();
    for draw in 0..DRAWS {
        let rounded = |tensors: &[Vec<f64>], first: usize| -> Vec<Vec<f64>> {
            tensors.iter().enumerate().map(|(i, a)| round(a, first + i, draw)).collect()
        };
        let (inputs, weights) = (rounded(inputs, 0), rounded(weights, inputs.len()));
        let moved = results(operation, &inputs, &weights);
        for ((sums, base), moved) in squares.iter_mut().zip(base).zip(moved) {
            for ((sum, base), moved) in sums.iter_mut().zip(&base.1).zip(moved.1) {
                *sum += (moved - base).powi(2);
            }
        }
    }
    let root_mean = |sums: Vec<f64>| sums.into_iter().map(|s| (s / DRAWS as f64).sqrt()).collect();
    squares.into_iter().map(root_mean).collect()
}

/// Every number moved by a relative ±ε, with signs of tensor `tensor` in draw `draw`.
fn round(a: &[f64], tensor: usize, draw: usize) -> Vec<f64> {
    let mut signs = vec![0.0f64; a.len()];
    let address = Address::new(7, Purpose::Check).level(tensor).sample(draw as u32);
    address.fill_normal(&mut signs);
    a.iter().zip(signs).map(|(a, s)| a * (1.0 + s.signum() * f32::EPSILON as f64)).collect()
}

/// Forcing a level holds for the whole process, and the tests of a file share one.
static FORCING: Mutex<()> = Mutex::new(());

/// What `operation` gives at the portable level, after every other has given the same bits.
fn with_every_isa<T: Real>(
    operation: &mut dyn Operation<T>,
    inputs: &[Vec<T>],
    weights: &[Vec<T>],
) -> Results<T> {
    let mut run = |isa| {
        simd::force(Some(isa));
        results(operation, inputs, weights)
    };
    let portable = run(Isa::Portable);
    let others: Vec<_> = simd::available().into_iter().map(|isa| (isa, run(isa))).collect();
    simd::force(None);
    for (isa, results) in others {
        for ((name, a), (_, b)) in portable.iter().zip(results) {
            // A product may leave terms of 0 out, and of no terms at all it has +0, where the sum of 0 · a has the
            // sign of a: the two zeros are one number.
            let alike = |a: f64, b: f64| a == b || a.to_bits() == b.to_bits();
            let same = a.iter().zip(&b).all(|(a, b)| alike(a.to_f64(), b.to_f64()));
            let operation = operation.name();
            assert!(same, "{operation}, {name}: {isa:?} gives other bits, in {}", T::NAME);
        }
    }
    portable
}

fn widen(inputs: &[Vec<f32>]) -> Vec<Vec<f64>> {
    inputs.iter().map(|a| a.iter().map(|&v| v as f64).collect()).collect()
}
