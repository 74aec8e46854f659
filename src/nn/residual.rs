//! The residual dense layer: its input, and what a dense layer of the same width adds to it.
//!
//! ```text
//! Shapes    x, a, h, y [N, in]   W [in, in]   b [in]
//! Forward   a = x Wᵀ + b,   h = f(a),   y = x + h
//! Backward  d_a = d_y · f′(a)                        `activation.rs`
//!           d_W, d_b from d_a                        `linear.rs`
//!           x is used twice, so that its gradients add:   d_x = d_a W + d_y
//! Numerics  h is kept: y − x would have lost what is small beside x
//! Source    He, Zhang, Ren & Sun 2016, "Deep Residual Learning for Image Recognition", eq. 1
//! ```

use super::{Activation, Call, Layer, Linear, Member, Plan, Spec, Trace};
use crate::gradient::Gradient;
use crate::params::Scope;
use crate::real::Real;
use crate::rows::{add, first_rows, first_rows_mut, flat, flat_mut, head, head_mut};
use ndarray::{Array2, ArrayView2, ArrayViewMut2};

/// A dense layer whose output is added to its input.
#[derive(Clone, Copy, Debug)]
pub struct Residual {
    linear: Linear,
    activation: Activation,
    /// Widths of h, and of a, if it is kept.
    kept: [usize; 2],
}

impl<T: Real> Layer<T> for Residual {
    fn outputs(&self) -> usize {
        self.linear.outputs()
    }

    fn kept(&self) -> &[usize] {
        if self.activation.keeps_input() { &self.kept } else { &self.kept[..1] }
    }

    fn work(&self) -> &[usize] {
        &self.kept[..1]
    }

    fn forward(&self, y: &mut ArrayViewMut2<T>, kept: &mut [Array2<T>], call: &Call<'_, T>) {
        let n = y.nrows();
        let (h, a) = kept.split_first_mut().expect("as many as `kept` says");
        self.linear.forward(&mut head_mut(h, n), &call.x, call.params);
        let h = first_rows_mut(h, n);
        if let Some(a) = a.first_mut() {
            first_rows_mut(a, n).copy_from_slice(h);
        }
        self.activation.forward_in_place(h);
        let sums = flat_mut(y).iter_mut().zip(flat(&call.x)).zip(h);
        sums.for_each(|((y, &x), h)| *y = x + *h);
    }

    fn backward(
        &self,
        d_params: Option<&mut Gradient<T>>,
        mut d_x: Option<&mut ArrayViewMut2<T>>,
        d_y: &mut ArrayViewMut2<T>,
        trace: Trace<'_, T>,
        call: &Call<'_, T>,
    ) {
        let n = d_y.nrows();
        let h = first_rows(&trace.kept[0], n);
        let a = trace.kept.get(1).map_or(h, |a| first_rows(a, n));
        let [d_a] = trace.work else { unreachable!("as many as `work` says") };
        first_rows_mut(d_a, n).copy_from_slice(flat_mut(d_y));
        self.activation.backward(first_rows_mut(d_a, n), a, h);
        let d_a = head(d_a, n);
        self.linear.backward(d_params, d_x.as_deref_mut(), &d_a, &call.x, call.params);
        if let Some(d_x) = d_x {
            add(flat_mut(d_x), flat_mut(d_y));
        }
    }

    fn kinks(&self, y: &ArrayView2<T>, kept: &[Array2<T>], side: &mut dyn FnMut(bool)) {
        if self.activation.has_kink() {
            first_rows(&kept[0], y.nrows()).iter().for_each(|&h| side(h > T::zero()));
        }
    }
}

/// `residual:activation=NAME`
struct Settings {
    activation: Option<Activation>,
}

pub(super) fn member<T: Real>() -> Member<Box<dyn Plan<T>>> {
    Member {
        name: "residual",
        summary: "`residual` adds a dense layer of its input's width to its input; `activation=NAME`",
        build: |spec| {
            spec.only(&["activation"])?;
            let activation = spec.get("activation").map(str::parse).transpose()?;
            Ok(Box::new(Settings { activation }))
        },
        examples: &["residual", "residual:activation=silu"],
    }
}

impl<T: Real> Plan<T> for Settings {
    fn spec(&self) -> Spec {
        let spec = Spec::new("residual");
        self.activation.iter().fold(spec, |spec, a| spec.with("activation", a.name()))
    }

    fn width(&self) -> Option<usize> {
        None
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
        let activation = self.activation.unwrap_or(activation);
        let linear = Linear::new(scope, inputs, inputs);
        Box::new(Residual { linear, activation, kept: [inputs; 2] })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::params::Layout;
    use ndarray::array;

    /// With weights of 0 it is the identity, forward and back; with others f(a) is added, and its way back.
    #[test]
    fn what_is_learned_is_added() {
        let mut layout = Layout::default();
        let plan = Settings { activation: Some(Activation::Relu) };
        let layer: Box<dyn Layer<f64>> =
            plan.place(&mut layout.scope("layer"), 2, Activation::Tanh);
        let x = array![[1.0, -2.0]];
        for (weights, y, d_x) in [
            ([0.0; 6], x.clone(), array![[4.0, 3.0]]),
            // a = [1·1 − 2·1 + 3, 5·(−2) + 1] = [2, −9]: only the first is on.
            ([1.0, 1.0, 0.0, 5.0, 3.0, 1.0], array![[3.0, -2.0]], array![[8.0, 7.0]]),
        ] {
            let params = layout.spread(&weights);
            let call = Call { x: x.view(), params: &params, noise: None };
            let (mut out, mut kept) = (Array2::zeros((1, 2)), [Array2::zeros((1, 2))]);
            layer.forward(&mut out.view_mut(), &mut kept, &call);
            assert_eq!(out, y);
            let (mut d, mut d_y) = (Array2::zeros((1, 2)), array![[4.0, 3.0]]);
            let mut work = [Array2::zeros((1, 2))];
            let trace = Trace { y: out.view(), kept: &kept, work: &mut work };
            layer.backward(None, Some(&mut d.view_mut()), &mut d_y.view_mut(), trace, &call);
            assert_eq!(d, d_x);
        }
    }
}
