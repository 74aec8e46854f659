//! The dense layer: a linear map, then an activation.
//!
//! ```text
//! Shapes    x [N, in]   a, y [N, out]   W [out, in]   b [out]
//! Forward   a = x Wᵀ + b,   y = f(a)
//! Backward  d_a = d_y · f′(a)      `activation.rs`, elementwise and in place
//!           d_W, d_b, d_x from d_a   `linear.rs`
//! Numerics  a is kept only where f′ needs it; else y stands where a was
//! ```

use super::{Activation, Call, Layer, Linear, Member, Plan, Spec, Trace};
use crate::error::{Error, Result};
use crate::gradient::Gradient;
use crate::params::Scope;
use crate::real::Real;
use crate::rows::{first_rows, flat, flat_mut, head_mut};
use ndarray::{Array2, ArrayView2, ArrayViewMut2};

/// A linear map with an activation behind it.
#[derive(Clone, Copy, Debug)]
pub struct Dense {
    linear: Linear,
    activation: Activation,
    /// Width of a, if it is kept.
    kept: [usize; 1],
}

impl Dense {
    /// Asks for the linear map's `weight` and `bias`.
    pub fn new(
        scope: &mut Scope<'_>,
        inputs: usize,
        outputs: usize,
        activation: Activation,
    ) -> Self {
        Dense { linear: Linear::new(scope, inputs, outputs), activation, kept: [outputs] }
    }
}

impl<T: Real> Layer<T> for Dense {
    fn outputs(&self) -> usize {
        self.linear.outputs()
    }

    fn kept(&self) -> &[usize] {
        if self.activation.keeps_input() { &self.kept } else { &[] }
    }

    fn forward(&self, y: &mut ArrayViewMut2<T>, kept: &mut [Array2<T>], call: &Call<'_, T>) {
        match kept {
            [a] => {
                let n = y.nrows();
                self.linear.forward(&mut head_mut(a, n), &call.x, call.params);
                self.activation.forward(flat_mut(y), first_rows(a, n));
            }
            _ => {
                self.linear.forward(y, &call.x, call.params);
                self.activation.forward_in_place(flat_mut(y));
            }
        }
    }

    fn backward(
        &self,
        d_params: Option<&mut Gradient<T>>,
        d_x: Option<&mut ArrayViewMut2<T>>,
        d_y: &mut ArrayViewMut2<T>,
        trace: Trace<'_, T>,
        call: &Call<'_, T>,
    ) {
        let y = flat(&trace.y);
        let a = trace.kept.first().map_or(y, |a| first_rows(a, trace.y.nrows()));
        self.activation.backward(flat_mut(d_y), a, y);
        self.linear.backward(d_params, d_x, &d_y.view(), &call.x, call.params);
    }

    fn kinks(&self, y: &ArrayView2<T>, _kept: &[Array2<T>], side: &mut dyn FnMut(bool)) {
        if self.activation.has_kink() {
            y.iter().for_each(|&y| side(y > T::zero()));
        }
    }
}

/// `dense=WIDTH:activation=NAME`
struct Settings {
    width: usize,
    activation: Option<Activation>,
}

pub(super) fn member<T: Real>() -> Member<Box<dyn Plan<T>>> {
    Member {
        name: "dense",
        summary: "`dense=WIDTH` units, each of all inputs; `activation=NAME` instead of --activation",
        build: |spec| Ok(Box::new(Settings::from_spec(spec)?)),
        examples: &["dense=3", "dense=2:activation=silu"],
    }
}

impl Settings {
    fn from_spec(spec: &Spec) -> Result<Self> {
        spec.only_value_and(&["activation"])?;
        let width = spec.value().and_then(|w| w.parse().ok()).filter(|w| *w > 0);
        let Some(width) = width else {
            return Err(Error::setting("dense", "write `dense=WIDTH`, a number of at least 1"));
        };
        Ok(Settings { width, activation: spec.get("activation").map(str::parse).transpose()? })
    }
}

impl<T: Real> Plan<T> for Settings {
    fn spec(&self) -> Spec {
        let spec = Spec::new("dense").with_value(self.width);
        self.activation.iter().fold(spec, |spec, a| spec.with("activation", a.name()))
    }

    fn width(&self) -> Option<usize> {
        Some(self.width)
    }

    fn takes_activation(&self) -> bool {
        self.activation.is_none()
    }

    fn place(
        &self,
        scope: &mut Scope<'_>,
        inputs: usize,
        activation: Activation,
    ) -> Box<dyn Layer<T>> {
        Box::new(Dense::new(scope, inputs, self.width, self.activation.unwrap_or(activation)))
    }
}
