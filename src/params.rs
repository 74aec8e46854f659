//! All parameters of a model in one flat buffer, with named slots.
//!
//! Gradients, Adam's moments and weight averages are buffers of the same [`Layout`], so
//! the optimiser is one loop over flat memory and an all-reduce would be one call. Nobody who has parameters
//! owns numbers: who needs a tensor asks a [`Scope`] for it, with its name, its shape and how it starts
//! said once, and keeps the [`Tensor`], a place in *some* buffer of that layout.
//!
//! Names and shapes are PyTorch's (`encoder.0.layers.0.weight [out, in]`), so a model file reads
//! elsewhere without translation.

mod start;

pub use start::{Init, Start};

use crate::aligned::LINE;
use crate::real::Real;
use crate::rng::{Address, Purpose};
use ndarray::{ArrayView2, ArrayViewMut2, ShapeBuilder};
use std::fmt::Display;
use std::ops::Range;

/// One named tensor of a [`Layout`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Slot {
    /// Name in the model file.
    pub name: String,
    /// Shape, row-major.
    pub shape: Vec<usize>,
    /// Index of its first element in the flat buffer.
    pub offset: usize,
}

impl Slot {
    /// Number of elements.
    pub fn len(&self) -> usize {
        elements(&self.shape)
    }

    /// Whether the slot has no elements.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Where its elements lie in the flat buffer.
    pub fn range(&self) -> Range<usize> {
        self.offset..self.offset.saturating_add(self.len())
    }
}

/// The elements of a tensor of this shape.
fn elements(shape: &[usize]) -> usize {
    // Saturating: a forged header must end in a comparison that fails, not in an overflow.
    shape.iter().fold(1usize, |n, side| n.saturating_mul(*side))
}

/// The names, shapes and places of all parameters of a model, and how they start.
#[derive(Clone, Debug, Default)]
pub struct Layout {
    slots: Vec<Slot>,
    /// How each slot starts.
    starts: Vec<Start>,
    /// What starts at 0 instead: elements of a tensor.
    zeros: Vec<(Tensor, Range<usize>)>,
    len: usize,
    /// Whether weights lie turned.
    turned: bool,
}

impl Layout {
    /// One in which the weights of linear maps lie turned, `[in, out]`, in the same places: a single row is multiplied
    /// with them at several times the speed, and nothing is trained.
    #[cfg(feature = "codec")]
    pub(crate) fn turned() -> Self {
        Layout { turned: true, ..Layout::default() }
    }

    /// A buffer of this layout as one of its [turned](Self::turned) sister.
    #[cfg(feature = "codec")]
    pub(crate) fn turn<T: Real>(&self, params: &[T]) -> Vec<T> {
        let mut turned = params.to_vec();
        let weights = self.slots.iter().zip(&self.starts);
        for (slot, _) in weights.filter(|(_, start)| matches!(start, Start::Weight { .. })) {
            let (rows, cols) = (slot.shape[0], slot.len() / slot.shape[0]);
            let (from, to) = (&params[slot.range()], &mut turned[slot.range()]);
            for (j, column) in to.chunks_exact_mut(rows).enumerate() {
                column.iter_mut().enumerate().for_each(|(i, w)| *w = from[i * cols + j]);
            }
        }
        turned
    }

    /// Where tensors are asked for whose names begin with `path.`
    pub fn scope(&mut self, path: impl Display) -> Scope<'_> {
        Scope { layout: self, path: path.to_string(), side_by_side: false }
    }

    /// Moves the end to the next line of the cache, if the buffer starts with one.
    fn align(&mut self) {
        // In f32; twice as far in f64. What cannot be added is caught by whoever allocates.
        let line = LINE / size_of::<f32>();
        self.len = self.len.checked_next_multiple_of(line).unwrap_or(usize::MAX);
    }

    /// The slots, in the order of the buffer.
    pub fn slots(&self) -> &[Slot] {
        &self.slots
    }

    /// The tensors that are weights: those that a gradient is of.
    pub fn weights(&self) -> impl Iterator<Item = &Slot> {
        let all = self.slots.iter().zip(&self.starts);
        all.filter(|(_, start)| !matches!(start, Start::State(_))).map(|(slot, _)| slot)
    }

    /// The tensors that are no weights ([`Start::State`]), and what they start as.
    pub fn states(&self) -> impl Iterator<Item = (&Slot, f64)> {
        self.slots.iter().zip(&self.starts).filter_map(|(slot, start)| match start {
            Start::State(value) => Some((slot, *value)),
            _ => None,
        })
    }

    /// `states ← the numbers in params that are no weights`
    pub(crate) fn keep_states<T: Real>(&self, states: &mut Vec<T>, params: &[T]) {
        states.clear();
        self.states().for_each(|(slot, _)| states.extend_from_slice(&params[slot.range()]));
    }

    /// Writes them back where they were.
    pub(crate) fn put_states<T: Real>(&self, params: &mut [T], states: &[T]) {
        let mut rest = states;
        for (slot, _) in self.states() {
            let (values, behind) = rest.split_at(slot.len());
            params[slot.range()].copy_from_slice(values);
            rest = behind;
        }
    }

    /// Number of elements of a buffer of this layout: of the parameters, and of the gaps before tensors, all
    /// of which but those in a group start with a line of the cache if the buffer does.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Number of parameters, without what is no weight ([`Self::states`]).
    pub fn parameters(&self) -> usize {
        self.weights().fold(0, |sum, slot| sum.saturating_add(slot.len()))
    }

    /// Fresh parameters. A tensor's numbers depend on the seed, its name and its own start alone, so
    /// that a model with one tensor more starts like the one without.
    pub fn init<T: Real>(&self, init: Init, seed: u64) -> Vec<T> {
        let mut params = vec![T::zero(); self.len];
        for (slot, start) in self.slots.iter().zip(&self.starts) {
            let address = Address::new(seed, Purpose::Init).row(number_of(&slot.name));
            init.fill(&mut params[slot.range()], *start, address);
        }
        for (tensor, elements) in &self.zeros {
            tensor.of_mut(&mut params)[elements.clone()].fill(T::zero());
        }
        params
    }

    /// A buffer of this layout, from parameters that lie close together, tensor behind tensor; what is no weight is
    /// as at the start.
    ///
    /// # Panics
    /// If there are not as many.
    pub fn spread<T: Real>(&self, parameters: &[T]) -> Vec<T> {
        assert_eq!(parameters.len(), self.parameters(), "another number of parameters");
        let (mut buffer, mut rest) = (vec![T::zero(); self.len], parameters);
        for slot in self.weights() {
            let (values, behind) = rest.split_at(slot.len());
            buffer[slot.range()].copy_from_slice(values);
            rest = behind;
        }
        self.states().for_each(|(slot, value)| buffer[slot.range()].fill(T::from_f64(value)));
        buffer
    }

    /// Whether there are no parameters.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }
}

/// The number of a name (FNV-1a), to address its stream with.
pub(crate) fn number_of(name: &str) -> u64 {
    name.bytes().fold(0xcbf2_9ce4_8422_2325, |number, byte| {
        (number ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}

/// A part of a layout in which tensors are asked for by name.
#[derive(Debug)]
pub struct Scope<'a> {
    layout: &'a mut Layout,
    path: String,
    side_by_side: bool,
}

impl Scope<'_> {
    /// The scope `name` in this one.
    pub fn at(&mut self, name: impl Display) -> Scope<'_> {
        let path = format!("{}.{name}", self.path);
        Scope { layout: &mut *self.layout, path, side_by_side: self.side_by_side }
    }

    /// These elements of a tensor that was asked for start at 0.
    ///
    /// # Panics
    /// [`Layout::init`] does, if it has not as many.
    pub fn start_at_zero(&mut self, tensor: Tensor, elements: Range<usize>) {
        self.layout.zeros.push((tensor, elements));
    }

    /// A tensor of this shape, which starts like that.
    pub fn tensor(&mut self, name: &str, shape: &[usize], start: Start) -> Tensor {
        if !self.side_by_side {
            self.layout.align();
        }
        let (offset, name) = (self.layout.len, format!("{}.{name}", self.path));
        let slot = Slot { name, shape: shape.to_vec(), offset };
        self.layout.len = slot.range().end; // saturated, if the sizes are absurd
        self.layout.slots.push(slot);
        self.layout.starts.push(start);
        let cols = shape.last().copied().unwrap_or(1);
        let turned = self.layout.turned && matches!(start, Start::Weight { .. });
        Tensor { offset, rows: elements(&shape[..shape.len().saturating_sub(1)]), cols, turned }
    }

    /// The tensors that `ask` asks for, side by side and handed around as one slice.
    pub fn group(&mut self, ask: impl FnOnce(&mut Scope<'_>)) -> Tensor {
        self.layout.align();
        let offset = self.layout.len;
        let path = std::mem::take(&mut self.path);
        let mut inner = Scope { layout: &mut *self.layout, path, side_by_side: true };
        ask(&mut inner);
        self.path = inner.path;
        Tensor { offset, rows: 1, cols: self.layout.len - offset, turned: false }
    }
}

/// The place of a tensor in a flat buffer: a matrix `[rows, cols]`, or a vector `[cols]`. Of a tensor with
/// more sides than two the last one are the columns, and all others the rows.
#[derive(Clone, Copy, Debug)]
pub struct Tensor {
    offset: usize,
    rows: usize,
    cols: usize,
    /// Whether it lies column by column.
    turned: bool,
}

impl Tensor {
    /// `(rows, cols)`
    pub fn dim(&self) -> (usize, usize) {
        (self.rows, self.cols)
    }

    /// Number of elements.
    pub fn len(&self) -> usize {
        self.rows.saturating_mul(self.cols)
    }

    /// Whether it has no elements.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Where its elements lie in the flat buffer.
    pub(crate) fn range(&self) -> Range<usize> {
        self.offset..self.offset + self.len()
    }

    /// Its elements in `buffer`, row by row.
    ///
    /// # Panics
    /// If `buffer` is shorter than the layout.
    pub fn of<'a, T: Real>(&self, buffer: &'a [T]) -> &'a [T] {
        &buffer[self.range()]
    }

    /// Its elements in `buffer`, to write.
    ///
    /// # Panics
    /// If `buffer` is shorter than the layout.
    pub fn of_mut<'a, T: Real>(&self, buffer: &'a mut [T]) -> &'a mut [T] {
        &mut buffer[self.range()]
    }

    /// The matrix in `buffer`.
    ///
    /// # Panics
    /// If `buffer` is shorter than the layout.
    pub fn matrix<'a, T: Real>(&self, buffer: &'a [T]) -> ArrayView2<'a, T> {
        let shape = self.dim().set_f(self.turned);
        ArrayView2::from_shape(shape, self.of(buffer)).expect("as many elements as it says")
    }

    /// The matrix in `buffer`, to write.
    ///
    /// # Panics
    /// If `buffer` is shorter than the layout.
    pub fn matrix_mut<'a, T: Real>(&self, buffer: &'a mut [T]) -> ArrayViewMut2<'a, T> {
        let shape = self.dim().set_f(self.turned);
        ArrayViewMut2::from_shape(shape, self.of_mut(buffer)).expect("as many elements as it says")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ZERO: Start = Start::Constant(0.0);

    /// Weights and biases start with a line; a group lies side by side; only parameters are counted.
    #[test]
    fn tensors_start_with_a_line() {
        let mut layout = Layout::default();
        let mut scope = layout.scope("net");
        scope.tensor("weight", &[3, 7], ZERO);
        scope.tensor("bias", &[3], ZERO);
        let group = scope.group(|scope| {
            scope.tensor("a", &[1], ZERO);
            scope.at("own").tensor("b", &[1], ZERO);
        });
        let cube = scope.at("last").tensor("cube", &[5, 2, 3], ZERO);
        assert_eq!(cube.dim(), (10, 3));
        assert_eq!(layout.parameters(), 21 + 3 + 2 + 30);
        for slot in layout.slots().iter().filter(|slot| slot.name != "net.own.b") {
            assert!((slot.offset * size_of::<f32>()).is_multiple_of(LINE), "{slot:?}");
        }
        assert_eq!(layout.slots()[4].name, "net.last.cube");
        let parameters: Vec<f32> = (1..=56).map(|i| i as f32).collect();
        let buffer = layout.spread(&parameters);
        assert_eq!(group.of(&buffer), [25.0, 26.0]);
        let values: Vec<f32> = buffer.into_iter().filter(|v| *v != 0.0).collect();
        assert_eq!(values, parameters);
    }

    /// Sizes that no machine holds are told by the length, not by an overflow.
    #[test]
    fn absurd_sizes_saturate() {
        let mut layout = Layout::default();
        layout.scope("net").tensor("large", &[usize::MAX, 2], ZERO);
        layout.scope("net").tensor("behind", &[3], ZERO);
        assert_eq!((layout.len(), layout.parameters()), (usize::MAX, usize::MAX));
    }

    /// What a tensor starts as has the promised spread, and does not depend on the other tensors.
    #[test]
    fn starts_are_what_they_say() {
        let (inputs, outputs) = (50, 40);
        let ask = |layout: &mut Layout| {
            let mut scope = layout.scope("net");
            let weight = Start::Weight { inputs, outputs };
            let weight = scope.tensor("weight", &[outputs, inputs], weight);
            let bias = scope.tensor("bias", &[outputs], Start::Bias { inputs });
            let normal = scope.tensor("normal", &[2000], Start::Normal(0.1));
            (weight, bias, normal, scope.tensor("three", &[3], Start::Constant(3.0)))
        };
        let (mut alone, mut behind) = (Layout::default(), Layout::default());
        behind.scope("other").tensor("weight", &[7], Start::Normal(1.0));
        let (weight, bias, normal, three) = ask(&mut alone);
        let moved = ask(&mut behind).0;
        let spread = |values: &[f64]| {
            (values.iter().map(|v| v * v).sum::<f64>() / values.len() as f64).sqrt()
        };
        for (init, deviation, largest) in [
            (Init::Uniform, (1.0 / 150f64).sqrt(), (1.0 / 50f64).sqrt()),
            (Init::Glorot, (2.0 / 90f64).sqrt(), (6.0 / 90f64).sqrt()),
            (Init::He, (2.0 / 50f64).sqrt(), f64::INFINITY),
        ] {
            let params = alone.init::<f64>(init, 3);
            let drawn = weight.of(&params);
            // The error of a spread of 2,000 draws is 1.6 % at most.
            assert!((spread(drawn) / deviation - 1.0).abs() < 0.06, "{init:?}");
            assert!(drawn.iter().all(|w| w.abs() <= largest));
            let biases = bias.of(&params);
            assert_eq!(init == Init::Uniform, biases.iter().any(|b| *b != 0.0));
            assert!((spread(normal.of(&params)) / 0.1 - 1.0).abs() < 0.06);
            assert_eq!(three.of(&params), [3.0; 3]);
            assert_eq!(drawn, moved.of(&behind.init::<f64>(init, 3)));
            assert_ne!(drawn, weight.of(&alone.init::<f64>(init, 4)));
        }
    }
}
