//! The gated dense layer: a linear map, each output of which passes a gate of its own.
//!
//! ```text
//! Shapes    x [N, in]   a, g, s, r, y [N, out]   W, V [out, in]   b, c [out]
//! Forward   a = x Wᵀ + b,   g = x Vᵀ + c,   s = σ(g),   y = a · s
//! Backward  with r = 1 − s = σ(−g): y_i depends on a_i with the factor s_i, and on g_i with the factor
//!           a_i σ′(g_i) = a_i s_i r_i = y_i r_i:   d_a = d_y · s,   d_g = d_y · y · r
//!           d_W, d_b from d_a, d_V, d_c from d_g   `linear.rs`
//!           x is used twice, so that its gradients add:   d_x = d_a W + d_g V
//! Numerics  a is not kept, since y has it. r is, as σ(−g): of an open gate 1 − s cancels, and y is large.
//! Source    Dauphin, Fan, Auli & Grangier 2017, equation 1; in a VAE: Tomczak & Welling 2018
//! ```

use super::{Activation, Call, Layer, Linear, Member, Plan, Spec, Trace};
use crate::error::{Error, Result};
use crate::gradient::Gradient;
use crate::params::Scope;
use crate::real::Real;
use crate::rows::{add, first_rows, first_rows_mut, flat, flat_mut, head, head_mut};
use ndarray::{Array2, ArrayViewMut2};

/// A linear map, and another one that says how much of each output passes.
#[derive(Clone, Copy, Debug)]
pub struct Gated {
    linear: Linear,
    gate: Linear,
    /// Widths of s and r.
    kept: [usize; 2],
    /// Widths of d_g, and of d_g V.
    work: [usize; 2],
}

impl<T: Real> Layer<T> for Gated {
    fn outputs(&self) -> usize {
        self.linear.outputs()
    }

    fn kept(&self) -> &[usize] {
        &self.kept
    }

    fn work(&self) -> &[usize] {
        &self.work
    }

    fn forward(&self, y: &mut ArrayViewMut2<T>, kept: &mut [Array2<T>], call: &Call<'_, T>) {
        let n = y.nrows();
        let [s, r] = kept else { unreachable!("as many as `kept` says") };
        self.linear.forward(y, &call.x, call.params);
        self.gate.forward(&mut head_mut(s, n), &call.x, call.params);
        let (s, r) = (first_rows_mut(s, n), first_rows_mut(r, n));
        r.iter_mut().zip(&*s).for_each(|(r, g)| *r = -*g);
        Activation::Sigmoid.forward_in_place(r);
        Activation::Sigmoid.forward_in_place(s);
        flat_mut(y).iter_mut().zip(s).for_each(|(y, s)| *y *= *s);
    }

    fn backward(
        &self,
        mut d_params: Option<&mut Gradient<T>>,
        mut d_x: Option<&mut ArrayViewMut2<T>>,
        d_y: &mut ArrayViewMut2<T>,
        trace: Trace<'_, T>,
        call: &Call<'_, T>,
    ) {
        let (n, x, params) = (d_y.nrows(), &call.x, call.params);
        let [s, r] = [0, 1].map(|i| first_rows(&trace.kept[i], n));
        let [d_g, d_g_v] = trace.work else { unreachable!("as many as `work` says") };
        let d = first_rows_mut(d_g, n).iter_mut().zip(flat_mut(d_y));
        for ((((d_g, d_y), &y), &s), &r) in d.zip(flat(&trace.y)).zip(s).zip(r) {
            *d_g = *d_y * y * r;
            *d_y *= s; // d_a from here on
        }
        self.linear.backward(d_params.as_deref_mut(), d_x.as_deref_mut(), &d_y.view(), x, params);
        let mut d_g_v = head_mut(d_g_v, n);
        let asked = d_x.is_some().then_some(&mut d_g_v);
        self.gate.backward(d_params, asked, &head(d_g, n), x, params);
        if let Some(d_x) = d_x {
            add(flat_mut(d_x), flat_mut(&mut d_g_v));
        }
    }
}

/// `gated=WIDTH`
struct Settings {
    width: usize,
}

pub(super) fn member<T: Real>() -> Member<Box<dyn Plan<T>>> {
    Member {
        name: "gated",
        summary: "`gated=WIDTH` linear units, each times a sigmoid gate of its own; no --activation",
        build: |spec| Ok(Box::new(Settings::from_spec(spec)?)),
        examples: &["gated=3"],
    }
}

impl Settings {
    fn from_spec(spec: &Spec) -> Result<Self> {
        spec.only_value_and(&[])?;
        match spec.value().and_then(|width| width.parse().ok()) {
            Some(width) if width > 0 => Ok(Settings { width }),
            _ => Err(Error::setting("gated", "write `gated=WIDTH`, a number of at least 1")),
        }
    }
}

impl<T: Real> Plan<T> for Settings {
    fn spec(&self) -> Spec {
        Spec::new("gated").with_value(self.width)
    }

    fn width(&self) -> Option<usize> {
        Some(self.width)
    }

    fn place(&self, scope: &mut Scope<'_>, inputs: usize, _: Activation) -> Box<dyn Layer<T>> {
        let linear = Linear::new(scope, inputs, self.width);
        let gate = Linear::new(&mut scope.at("gate"), inputs, self.width);
        Box::new(Gated { linear, gate, kept: [self.width; 2], work: [self.width, inputs] })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::params::Layout;
    use crate::rng::{Address, Noise, Purpose};
    use ndarray::array;

    /// By hand, training or not: one gate is open to three quarters, one to a half.
    #[test]
    fn gates_pass_their_share_forward_and_back() {
        let mut layout = Layout::default();
        let layer: Box<dyn Layer<f64>> =
            Settings { width: 2 }.place(&mut layout.scope("layer"), 2, Activation::Relu);
        let names = ["weight", "bias", "gate.weight", "gate.bias"].map(|n| format!("layer.{n}"));
        assert!(layout.slots().iter().map(|slot| &slot.name).eq(&names));
        let ln_3 = 3f64.ln();
        let params =
            layout.spread(&[1.0, -1.0, 2.0, 0.5, 0.0, -1.0, ln_3, 0.0, 0.0, 0.0, 0.0, 0.0]);
        let x = array![[1.0, 2.0]];
        let close = |a: &Array2<f64>, b: Array2<f64>| (a - &b).iter().all(|d| d.abs() < 1e-14);

        let noise = Noise::new(Address::new(1, Purpose::Train), &[0]);
        for noise in [noise, noise.training()] {
            let call = Call { x: x.view(), params: &params, noise: noise.of_layers(0, 1) };
            let mut y = Array2::zeros((1, 2));
            let mut kept = [y.clone(), y.clone()];
            layer.forward(&mut y.view_mut(), &mut kept, &call);
            assert!(close(&kept[0], array![[0.75, 0.5]]) && close(&kept[1], array![[0.25, 0.5]]));
            assert!(close(&y, array![[-0.75, 1.0]]));

            let (mut d_x, mut d_y) = (Array2::zeros((1, 2)), array![[4.0, 2.0]]);
            let mut work = [Array2::zeros((1, 2)), Array2::zeros((1, 2))];
            let trace = Trace { y: y.view(), kept: &kept, work: &mut work };
            layer.backward(None, Some(&mut d_x.view_mut()), &mut d_y.view_mut(), trace, &call);
            assert!(close(&d_y, array![[3.0, 1.0]]) && close(&work[0], array![[-0.75, 1.0]]));
            assert!(close(&d_x, array![[5.0 - 0.75 * ln_3, -2.5]]));
        }
    }

    #[test]
    fn widths_that_are_none_are_refused() {
        for spec in ["gated", "gated=0", "gated=-1", "gated=x", "gated=3:activation=tanh"] {
            assert!(Settings::from_spec(&spec.parse().unwrap()).is_err(), "{spec}");
        }
    }
}
