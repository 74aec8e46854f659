//! What an operation is, as the checks see it.

use crate::distribution::{Distribution, Domain, Facts};
use crate::params::Layout;
use crate::real::Real;
use crate::rng::{Address, Purpose};
use ndarray::{Array2, ArrayView2};

/// A differentiable function of some tensors, computed in `T`, with its backward pass.
///
/// One description serves two proofs. The gradient check needs one number, so it weighs the outputs, as
/// some loss would: f = Σ weight · output, whose differences must be the gradient that is given here. The
/// precision test needs the same function in both types, and compares whatever comes out.
pub trait Operation<T: Real>: Send {
    /// What exactly it is: member, settings, shapes.
    fn name(&self) -> String;

    /// The tensors that it is a function of.
    fn inputs(&self) -> Vec<Tensor>;

    /// Moves a point to where the inputs suit each other, if not all points do.
    fn settle(&self, _point: &mut [Vec<T>]) {}

    /// Its outputs at `inputs`; with weights, one tensor for each output, from the pass for gradients, and
    /// with the gradient of Σ weight · output. Where only values are wanted no gradient is computed.
    ///
    /// # Panics
    /// If there are not as many numbers as there are to be.
    fn run(&mut self, inputs: &[Vec<T>], weights: Option<&[Vec<T>]>) -> Outcome<T>;
}

/// An operation and where it stands.
pub struct Entry<T> {
    /// The room of the engine: `nn`, `distribution`, `prior`, `penalty`, `objective` or `model`.
    pub family: &'static str,
    /// The file in that room.
    pub member: String,
    /// The operation itself.
    pub operation: Box<dyn Operation<T>>,
}

impl<T> Entry<T> {
    pub(super) fn new(
        family: &'static str,
        member: &str,
        operation: impl Operation<T> + 'static,
    ) -> Self
    where
        T: Real,
    {
        Entry { family, member: member.to_owned(), operation: Box::new(operation) }
    }
}

/// What one run of an operation gives.
pub struct Outcome<T> {
    /// The outputs, by name.
    pub outputs: Vec<(&'static str, Vec<T>)>,
    /// The side of every kink that it is on: a finite difference is valid only while none changes.
    pub kinks: Vec<bool>,
    /// The gradient in each input; none in a run for values.
    pub gradient: Vec<Vec<T>>,
}

impl<T> Outcome<T> {
    /// Outputs alone.
    pub fn of(outputs: Vec<(&'static str, Vec<T>)>) -> Self {
        Outcome { outputs, kinks: Vec::new(), gradient: Vec::new() }
    }

    /// The same, on these sides of the kinks.
    pub fn at(self, kinks: Vec<bool>) -> Self {
        Outcome { kinks, ..self }
    }

    /// The same, with the gradient.
    pub fn with(self, gradient: Vec<Vec<T>>) -> Self {
        Outcome { gradient, ..self }
    }
}

/// A tensor that an operation is a function of.
#[derive(Clone, Debug)]
pub struct Tensor {
    /// Its name in reports.
    pub name: String,
    /// Number of its elements; none if the member has no use for it.
    pub len: usize,
    /// Which values it takes.
    pub values: Values,
    /// Whether its gradient is zero by design.
    pub zero_gradient: bool,
}

/// Which values a tensor takes.
#[derive(Clone, Debug, PartialEq)]
pub enum Values {
    /// Any; such a size is ordinary.
    Real(f64),
    /// Any that a variance may be the exponential of; such a size is ordinary.
    LogVariance(f64),
    /// Rows of data, whose columns have these values; where some may be missing, some are.
    Of(Vec<Facts>),
    /// Those above 0.
    Positive,
}

impl Tensor {
    pub(super) fn new(name: impl Into<String>, len: usize, values: Values) -> Self {
        Tensor { name: name.into(), len, values, zero_gradient: false }
    }

    /// Ordinary values, the same ones in either type, from a stream that the number names.
    pub fn point<T: Real>(&self, stream: u64) -> Vec<T> {
        let mut values = constants(self.len, stream);
        values.iter_mut().enumerate().for_each(|(i, v)| *v = self.values.ordinary(i, *v));
        values
    }
}

impl Values {
    /// What the columns of `p` can have.
    pub(super) fn of<T: Real>(p: &dyn Distribution<T>, width: usize) -> Self {
        Values::Of((0..width).map(|column| p.facts(column)).collect())
    }

    /// The ordinary i-th value for a draw from N(0, 1).
    fn ordinary<T: Real>(&self, i: usize, draw: T) -> T {
        let v = draw.to_f64();
        let value = match self {
            Values::Real(size) | Values::LogVariance(size) => size * v,
            Values::Positive => sigmoid(v),
            // Another column in each row.
            Values::Of(columns)
                if columns[i % columns.len()].missing && i % (columns.len() + 1) == 1 =>
            {
                f64::NAN
            }
            Values::Of(columns) => ordinary_in(columns[i % columns.len()].domain, v),
        };
        T::from_f64(value as f32 as f64)
    }
}

/// The ordinary value of a domain for a draw from N(0, 1).
fn ordinary_in(domain: Domain, v: f64) -> f64 {
    match domain {
        Domain::Real => v,
        Domain::Positive => (0.5 * v).exp(),
        Domain::Unit | Domain::Bit => sigmoid(v),
        Domain::Count => (2.0 * v).abs().round(),
        Domain::Levels(n) | Domain::Classes(n) => (sigmoid(v) * f64::from(n)).floor(),
        Domain::Grid(n) => (sigmoid(v) * f64::from(n)).floor() / f64::from(n - 1),
    }
}

fn sigmoid(v: f64) -> f64 {
    1.0 / (1.0 + (-v).exp())
}

/// `n` draws from N(0, 1) as single precision has them: the same numbers in either type.
pub fn constants<T: Real>(n: usize, stream: u64) -> Vec<T> {
    let mut values = vec![0f32; n];
    Address::new(0, Purpose::Check).row(stream).fill_normal(&mut values);
    values.into_iter().map(|v| T::from_f64(v as f64)).collect()
}

/// The number of the stream for a name (FNV-1a), so that a longer list moves no point of an older entry.
pub fn stream(name: &str) -> u64 {
    crate::params::number_of(name)
}

/// Parameters as inputs: a tensor for each slot of a layout.
pub(super) struct Slots(pub(super) Layout);

impl Slots {
    /// The tensors, of values of that kind.
    pub(super) fn inputs(&self, values: Values) -> impl Iterator<Item = Tensor> {
        self.0.weights().map(move |slot| Tensor::new(&slot.name, slot.len(), values.clone()))
    }

    /// The buffer that holds these tensors.
    pub(super) fn join<T: Real>(&self, tensors: &[Vec<T>]) -> Vec<T> {
        self.0.spread(&tensors.concat())
    }

    /// The tensors in a buffer, each number multiplied by `weight`.
    pub(super) fn split<T: Real>(&self, buffer: &[T], weight: T) -> Vec<Vec<T>> {
        self.0.weights().map(|slot| scaled(&buffer[slot.range()], weight)).collect()
    }
}

/// `weight · a`
pub(super) fn scaled<T: Real>(a: &[T], weight: T) -> Vec<T> {
    a.iter().map(|&a| weight * a).collect()
}

/// A flat tensor as a matrix of `rows` rows.
pub(super) fn matrix<T: Real>(values: &[T], rows: usize) -> ArrayView2<'_, T> {
    ArrayView2::from_shape((rows, values.len() / rows), values).expect("a whole number of rows")
}

/// A matrix as a flat tensor.
pub(super) fn flat<T: Real>(a: Array2<T>) -> Vec<T> {
    a.into_raw_vec_and_offset().0
}
