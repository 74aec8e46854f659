//! Layer normalisation: every row is shifted and scaled to mean 0 and variance 1, and each of its values
//! then by numbers that are learned.
//!
//! ```text
//! Shapes    x, u, y [N, in]   r [N, 1]   g, b [in]
//! Forward   m = 1/in Σ_i x_i,   v = 1/in Σ_i (x_i − m)²,   r = 1/√(v + δ)      of each row, δ = 10⁻⁵
//!           u_i = (x_i − m) r,   y_i = g_i u_i + b_i
//! Backward  d_b = Σ_n d_y,   d_g = Σ_n d_y u,   d_u = g d_y. With ∂m/∂x_j = 1/in, ∂r/∂x_j = −r² u_j/in (the
//!           x_i − m sum to 0, so that v moves with x_j alone), a row has
//!             d_x_j = Σ_i d_u_i ∂u_i/∂x_j = r [ d_u_j − 1/in Σ_i d_u_i − u_j 1/in Σ_i d_u_i u_i ]
//! Numerics  v is the mean square of what is left of x after m, not E x² − m², which cancels. u and r are kept
//! Source    Ba, Kiros & Hinton 2016, "Layer Normalization", eqs. 3 and 4
//! ```
//!
//! Rows stay independent of each other, while training too; in `batch_norm.rs` they do not.

use super::{Activation, Call, Layer, Member, Plan, Spec, Trace};
use crate::gradient::Gradient;
use crate::math::{dot, map_sum};
use crate::params::{Scope, Start, Tensor};
use crate::real::Real;
use crate::rows::{first_rows, first_rows_mut, flat, flat_mut};
use ndarray::{Array2, ArrayViewMut2};

/// δ, for rows without any spread.
const DELTA: f64 = 1e-5;

/// Rows of mean 0 and variance 1, times a scale, plus a bias.
#[derive(Clone, Copy, Debug)]
pub struct LayerNorm {
    scale: Tensor,
    bias: Tensor,
    /// Widths of u and of r.
    kept: [usize; 2],
}

impl<T: Real> Layer<T> for LayerNorm {
    fn outputs(&self) -> usize {
        self.kept[0]
    }

    fn kept(&self) -> &[usize] {
        &self.kept
    }

    fn forward(&self, y: &mut ArrayViewMut2<T>, kept: &mut [Array2<T>], call: &Call<'_, T>) {
        let (n, width) = y.dim();
        let [u, r] = kept else { unreachable!("as many as `kept` says") };
        let (u, r) = (first_rows_mut(u, n), first_rows_mut(r, n));
        let (g, b) = (self.scale.of(call.params), self.bias.of(call.params));
        let per_value = T::from_f64(1.0 / width as f64);
        let rows = flat(&call.x).chunks_exact(width).zip(flat_mut(y).chunks_exact_mut(width));
        for (((x, y), u), r) in rows.zip(u.chunks_exact_mut(width)).zip(r) {
            let mean = per_value
                * map_sum(
                    [],
                    [x],
                    #[inline(always)]
                    |[x]| ([], x),
                );
            let squares = map_sum(
                [&mut *u],
                [x],
                #[inline(always)]
                |[x]| ([x - mean], (x - mean) * (x - mean)),
            );
            *r = T::one() / (squares * per_value + T::from_f64(DELTA)).sqrt();
            for (((u, y), &g), &b) in u.iter_mut().zip(y).zip(g).zip(b) {
                *u *= *r;
                *y = g * *u + b;
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
        let (n, width) = d_y.dim();
        let [u, r] = [0, 1].map(|i| first_rows(&trace.kept[i], n));
        let d_y = flat_mut(d_y);
        if let Some(d_params) = d_params {
            for (d_y, u) in d_y.chunks_exact(width).zip(u.chunks_exact(width)) {
                let terms = d_params.tensor(self.scale).iter_mut().zip(d_y).zip(u);
                terms.for_each(|((d_g, &d_y), &u)| *d_g += d_y * u);
                let terms = d_params.tensor(self.bias).iter_mut().zip(d_y);
                terms.for_each(|(d_b, &d_y)| *d_b += d_y);
            }
        }
        let Some(d_x) = d_x else { return };
        let (g, per_value) = (self.scale.of(call.params), T::from_f64(1.0 / width as f64));
        let rows = flat_mut(d_x).chunks_exact_mut(width).zip(d_y.chunks_exact_mut(width));
        for (((d_x, d_u), u), &r) in rows.zip(u.chunks_exact(width)).zip(r) {
            d_u.iter_mut().zip(g).for_each(|(d_u, &g)| *d_u *= g); // was d_y
            let mean = per_value
                * map_sum(
                    [],
                    [&*d_u],
                    #[inline(always)]
                    |[d_u]| ([], d_u),
                );
            let along = per_value * dot(d_u, u);
            for ((d_x, &d_u), &u) in d_x.iter_mut().zip(&*d_u).zip(u) {
                *d_x = r * (d_u - mean - u * along);
            }
        }
    }
}

/// `layer-norm`
struct Settings;

pub(super) fn member<T: Real>() -> Member<Box<dyn Plan<T>>> {
    Member {
        name: "layer-norm",
        summary: "`layer-norm` brings each row to mean 0 and variance 1, then scales and shifts its values",
        build: |spec| {
            spec.only(&[])?;
            Ok(Box::new(Settings))
        },
        examples: &["layer-norm"],
    }
}

impl<T: Real> Plan<T> for Settings {
    fn spec(&self) -> Spec {
        Spec::new("layer-norm")
    }

    fn width(&self) -> Option<usize> {
        None
    }

    fn place(&self, scope: &mut Scope<'_>, inputs: usize, _: Activation) -> Box<dyn Layer<T>> {
        let scale = scope.tensor("weight", &[inputs], Start::Constant(1.0));
        let bias = scope.tensor("bias", &[inputs], Start::Constant(0.0));
        Box::new(LayerNorm { scale, bias, kept: [inputs, 1] })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::params::{Init, Layout};

    /// Fresh, it gives mean 0 and variance 1, of rows that are large and close together too; a row without
    /// spread gives the bias.
    #[test]
    fn rows_have_mean_0_and_variance_1() {
        let mut layout = Layout::default();
        let layer: Box<dyn Layer<f32>> =
            Settings.place(&mut layout.scope("layer"), 20, Activation::Tanh);
        let params: Vec<f32> = layout.init(Init::Uniform, 0);
        let x = Array2::from_shape_fn((3, 20), |(i, j)| match i {
            0 => (j * 7 % 20) as f32,
            1 => 1e4 + (j * 7 % 20) as f32,
            _ => 3.0,
        });
        let (mut y, mut kept) =
            (Array2::zeros((3, 20)), [Array2::zeros((3, 20)), Array2::zeros((3, 1))]);
        let call = Call { x: x.view(), params: &params, noise: None };
        layer.forward(&mut y.view_mut(), &mut kept, &call);
        for row in [y.row(0), y.row(1)] {
            let mean = row.sum() / 20.0;
            let variance = row.iter().map(|y| (y - mean).powi(2)).sum::<f32>() / 20.0;
            assert!(mean.abs() < 1e-5 && (variance - 1.0).abs() < 1e-4, "{mean} {variance}");
        }
        assert!(y.row(2).iter().all(|y| *y == 0.0));
    }
}
