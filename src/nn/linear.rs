//! The linear map with a bias: all that a head is, and the start of most layers.
//!
//! ```text
//! Shapes    x [N, in]   W [out, in]   b [out]   y [N, out]
//! Forward   y = x Wᵀ + b,                       y_no = Σ_i x_ni W_oi + b_o
//! Backward  given d_y = ∂loss/∂y, each partial derivative of y_no is read off the sum above:
//!             ∂y_no/∂W_oi = x_ni   ⇒  d_W_oi = Σ_n d_y_no x_ni     d_W = d_yᵀ x
//!             ∂y_no/∂b_o  = 1      ⇒  d_b_o  = Σ_n d_y_no          d_b = column sums of d_y
//!             ∂y_no/∂x_ni = W_oi   ⇒  d_x_ni = Σ_o d_y_no W_oi     d_x = d_y W
//! Numerics  Products sum in the order of `crate::gemm`; column sums run over n in order.
//! Source    Rumelhart, Hinton & Williams 1986. Starting values: [`crate::params::Init`]
//! ```

use crate::gemm::{Accum, matmul};
use crate::gradient::Gradient;
use crate::parallel::{self, RowsMut};
use crate::params::{Scope, Start, Tensor};
use crate::real::Real;
use ndarray::{ArrayView2, ArrayViewMut2};

/// A linear map: the places of its weight and bias in the flat parameter buffer.
#[derive(Clone, Copy, Debug)]
pub struct Linear {
    weight: Tensor,
    bias: Tensor,
}

impl Linear {
    /// Asks for `weight [outputs, inputs]` and `bias [outputs]`.
    pub fn new(scope: &mut Scope<'_>, inputs: usize, outputs: usize) -> Self {
        let weight = Start::Weight { inputs, outputs };
        Linear {
            weight: scope.tensor("weight", &[outputs, inputs], weight),
            bias: scope.tensor("bias", &[outputs], Start::Bias { inputs }),
        }
    }

    /// Width of x.
    pub fn inputs(&self) -> usize {
        self.weight.dim().1
    }

    /// Width of y.
    pub fn outputs(&self) -> usize {
        self.weight.dim().0
    }

    /// Where the weight lies, `[out, in]`.
    pub fn weight(&self) -> Tensor {
        self.weight
    }

    /// Where the bias lies, for whoever knows a better start for it.
    pub fn bias(&self) -> Tensor {
        self.bias
    }

    /// `y ← x Wᵀ + b` with `y: [N, out]`, `x: [N, in]`.
    ///
    /// # Panics
    /// If the shapes do not fit.
    pub fn forward<T: Real>(&self, y: &mut ArrayViewMut2<T>, x: &ArrayView2<T>, params: &[T]) {
        matmul(y, x, &self.weight.matrix(params).t(), Accum::Row(self.bias.of(params)));
    }

    /// `d_W += d_yᵀ x` and `d_b += Σ_n d_y` unless the parameters are left alone, and `d_x ← d_y W`
    /// where it is asked for (the first layer of a network has no use for it).
    ///
    /// # Panics
    /// If the shapes do not fit, or `d_y` is not in standard layout.
    pub fn backward<T: Real>(
        &self,
        d_params: Option<&mut Gradient<T>>,
        d_x: Option<&mut ArrayViewMut2<T>>,
        d_y: &ArrayView2<T>,
        x: &ArrayView2<T>,
        params: &[T],
    ) {
        if let Some(d_params) = d_params {
            d_params.add_product(self.weight, &d_y.t(), x);
            add_column_sums(d_params.tensor(self.bias), d_y);
        }
        if let Some(d_x) = d_x {
            matmul(d_x, d_y, &self.weight.matrix(params), Accum::Replace);
        }
    }
}

/// `sums_o += Σ_n d_no`, each column summed over n in order.
fn add_column_sums<T: Real>(sums: &mut [T], d: &ArrayView2<T>) {
    let (rows, width) = d.dim();
    let d = d.as_slice().expect("d_y is in standard layout");
    parallel::rows(RowsMut::new(sums, 1), width, rows, &|first, count, part| {
        let sums = part.into_slice();
        for row in d.chunks_exact(width) {
            for (sum, &d) in sums.iter_mut().zip(&row[first..first + count]) {
                *sum += d;
            }
        }
    });
}
