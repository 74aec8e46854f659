//! What is given, which of it is missing, data beside it and the condition side by side, as the network sees them.
//!
//! ```text
//! Forward   input_n = [given_n; m_n; x_b; c_b], row b of the batch being that of row n. Where a value is missing
//!           (NaN) given_ni = 0 and m_ni = 1, elsewhere m_ni = 0; without missing values there is no m. x is for
//!           encoders of a latent that see the data, too
//!           In forms, a column's place is (x − m)/s, or has n places with a 1 in that of its class; all are 0 where
//!           it is missing
//! Backward  d_given_n = the first columns of d_input_n; neither m nor data nor a condition has a gradient
//! ```

use super::{Form, Inputs};
use crate::real::Real;
use crate::rows::{head, head_mut};
use ndarray::{Array2, ArrayView2, ArrayViewMut2, Axis, Zip, s};

/// What a conditional is conditioned on.
#[derive(Clone, Copy)]
pub(crate) struct Input<'a, T> {
    /// `[N, inputs]`
    pub(crate) given: ArrayView2<'a, T>,
    /// `[B, D]`, each row of which serves N/B rows; of an encoder that sees the data beside latents.
    pub(crate) beside: Option<ArrayView2<'a, T>>,
    /// `[B, C]`, likewise, and behind it ln e_b, where rows have an exposure; in a conditional model.
    pub(crate) condition: Option<ArrayView2<'a, T>>,
}

/// Buffers for the network's input and its gradient; without columns where it sees nothing but what is given.
pub(super) struct Joined<T> {
    inputs: Inputs,
    input: Array2<T>,
    d_input: Array2<T>,
}

impl Form {
    /// Writes what is seen of a value to its place, which is 0; a missing one leaves it so.
    fn write<T: Real>(self, place: &mut [T], x: T, [mean, spread]: [T; 2]) {
        match self {
            _ if x.is_nan() => {}
            Form::Spread => place[0] = (x - mean) / spread,
            Form::Classes(n) => {
                // Whoever scores the row refuses what is none of the classes.
                let class = x.to_f64();
                if (0.0..f64::from(n)).contains(&class) {
                    place[class as usize] = T::one();
                }
            }
        }
    }
}

impl<T: Real> Joined<T> {
    /// Buffers for up to `rows` rows, and gradients for up to `rows_d`.
    pub(super) fn new(rows: usize, rows_d: usize, inputs: Inputs) -> Self {
        let width = if inputs.are_joined() { inputs.seen() } else { 0 };
        let zeros = |rows| Array2::zeros((rows, width));
        Joined { inputs, input: zeros(rows), d_input: zeros(rows_d) }
    }

    /// Writes the network's input; `spreads` are mean and spread of each column that has a form, `[2·D]`.
    ///
    /// # Panics
    /// If there is a condition, or data beside what is given, where the model has none, or none where it has.
    pub(super) fn join(&mut self, Input { given, beside, condition }: Input<'_, T>, spreads: &[T]) {
        let Inputs { width, missing, beside: d, condition: c, .. } = self.inputs;
        let columns = |rows: &Option<ArrayView2<T>>| rows.as_ref().map_or(0, |rows| rows.ncols());
        let stand_beside = columns(&condition);
        assert!(
            stand_beside == self.inputs.beside_rows(),
            "the condition is not of the model's width"
        );
        assert!(columns(&beside) == d, "the data beside it are not of the model's width");
        if !self.inputs.are_joined() {
            return;
        }
        let n = given.nrows();
        let mut input = head_mut(&mut self.input, n);
        let formed = self.inputs.formed();
        let (mut values, mut rest) = input.view_mut().split_at(Axis(1), formed);
        if self.inputs.forms.is_empty() {
            values.assign(&given);
        } else {
            let forms = &self.inputs.forms;
            for (given, mut seen) in given.rows().into_iter().zip(values.rows_mut()) {
                let mut seen = seen.as_slice_mut().expect("buffers are in standard layout");
                seen.fill(T::zero());
                for (j, (form, x)) in forms.iter().zip(given).enumerate() {
                    let (place, others) = seen.split_at_mut(form.width());
                    form.write(place, *x, [spreads[j], spreads[width + j]]);
                    seen = others;
                }
            }
        }
        if missing {
            // Where columns have forms, a missing one is seen as 0 already.
            let marks = rest.slice_mut(s![.., ..width]);
            Zip::from(marks).and(&given).for_each(|mark, x| {
                *mark = if x.is_nan() { T::one() } else { T::zero() };
            });
            values.mapv_inplace(|value| if value.is_nan() { T::zero() } else { value });
        }
        let behind = self.inputs.seen() - d - c;
        // Of what stands beside a row, no network sees its exposure.
        for (rows, first, seen) in [(beside, behind, d), (condition, behind + d, c)] {
            let Some(rows) = rows else { continue };
            let per_row = n / rows.nrows();
            let mut room = input.slice_mut(s![.., first..first + seen]);
            for (i, mut row) in room.rows_mut().into_iter().enumerate() {
                row.assign(&rows.slice(s![i / per_row, ..seen]));
            }
        }
    }

    /// What the network sees of this input, as last joined.
    pub(super) fn seen<'a>(&'a self, input: &'a Input<'_, T>) -> ArrayView2<'a, T> {
        match self.input.ncols() {
            0 => input.given.view(),
            _ => head(&self.input, input.given.nrows()),
        }
    }

    /// Lets `backward` write the gradient of what the network saw of this input, and hands on the part that
    /// is of what was given. `live` is what it saw, if not all of it.
    pub(super) fn backward(
        &mut self,
        mut d_given: ArrayViewMut2<T>,
        input: Input<'_, T>,
        live: Option<ArrayView2<T>>,
        backward: impl FnOnce(&mut ArrayViewMut2<T>, &ArrayView2<T>),
    ) {
        let Joined { input: joined, d_input, .. } = self;
        let seen = match (&live, joined.ncols()) {
            (Some(live), _) => live.view(),
            (None, 0) => input.given.view(),
            (None, _) => head(joined, input.given.nrows()),
        };
        if d_input.ncols() == 0 {
            return backward(&mut d_given, &seen);
        }
        let mut d_input = head_mut(d_input, d_given.nrows());
        backward(&mut d_input, &seen);
        let inputs = d_given.ncols();
        d_given.assign(&d_input.slice(s![.., ..inputs]));
    }
}
