//! The dense (fully connected) layer.
//!
//! ```text
//! Shapes    x [N, in]   W [out, in]   b [out]   y [N, out]
//! Forward   y = x Wᵀ + b,                       y_no = Σ_i x_ni W_oi + b_o
//! Backward  given d_y = ∂loss/∂y, each partial derivative of y_no is read off the sum above:
//!             ∂y_no/∂W_oi = x_ni   ⇒  d_W_oi = Σ_n d_y_no x_ni     d_W = d_yᵀ x
//!             ∂y_no/∂b_o  = 1      ⇒  d_b_o  = Σ_n d_y_no          d_b = column sums of d_y
//!             ∂y_no/∂x_ni = W_oi   ⇒  d_x_ni = Σ_o d_y_no W_oi     d_x = d_y W
//! Numerics  Products sum in the order of `crate::gemm`; column sums run over n in order.
//! Source    Rumelhart, Hinton & Williams 1986. Starting values: PyTorch's `nn.Linear`; Glorot &
//!           Bengio 2010, eq. 16; He et al. 2015, eq. 10.
//! ```

use crate::error::{Error, Result};
use crate::gemm::{Accum, matmul};
use crate::gradient::Gradient;
use crate::parallel::{self, RowsMut};
use crate::params::{Layout, Matrix, Vector};
use crate::real::Real;
use crate::rng::Address;
use ndarray::{ArrayView2, ArrayViewMut2};
use rand::RngExt;
use rand_distr::{Distribution as _, StandardNormal};

/// How the weights of a dense layer start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Init {
    /// Weights and biases uniform in ±1/√in, as PyTorch's `nn.Linear`.
    Uniform,
    /// Weights uniform in ±√(6/(in + out)), biases 0.
    Glorot,
    /// Weights normal with variance 2/in, biases 0: keeps the scale through relu layers.
    He,
}

impl Init {
    /// Every initialisation there is.
    pub const ALL: [Init; 3] = [Init::Uniform, Init::Glorot, Init::He];

    /// Its name on the command line and in the model file.
    pub fn name(self) -> &'static str {
        match self {
            Init::Uniform => "uniform",
            Init::Glorot => "glorot",
            Init::He => "he",
        }
    }
}

impl std::str::FromStr for Init {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        Init::ALL.into_iter().find(|i| i.name() == text).ok_or_else(|| {
            let names = Init::ALL.map(Init::name).join(", ");
            Error::setting("init", format!("`{text}` is unknown; known are {names}"))
        })
    }
}

/// A dense layer: the places of its weight and bias in the flat parameter buffer.
#[derive(Clone, Copy, Debug)]
pub struct Dense {
    weight: Matrix,
    bias: Vector,
}

impl Dense {
    /// Adds `{name}.weight [outputs, inputs]` and `{name}.bias [outputs]` to `layout`.
    pub fn new(layout: &mut Layout, name: &str, inputs: usize, outputs: usize) -> Self {
        Dense {
            weight: layout.matrix(format!("{name}.weight"), outputs, inputs),
            bias: layout.vector(format!("{name}.bias"), outputs),
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

    /// Where the bias lies, for whoever knows a better start for it.
    pub fn bias(&self) -> Vector {
        self.bias
    }

    /// Draws the starting values from the stream at `address`.
    pub fn init<T: Real>(&self, params: &mut [T], init: Init, address: Address) {
        let mut rng = address.rng();
        let (inputs, outputs) = (self.inputs() as f64, self.outputs() as f64);
        let mut uniform = |bound: f64| T::from_f64(bound * (2.0 * rng.random::<f64>() - 1.0));
        match init {
            Init::Uniform => {
                let bound = 1.0 / inputs.sqrt();
                self.weight.of_mut(params).map_inplace(|w| *w = uniform(bound));
                self.bias.of_mut(params).iter_mut().for_each(|b| *b = uniform(bound));
            }
            Init::Glorot => {
                let bound = (6.0 / (inputs + outputs)).sqrt();
                self.weight.of_mut(params).map_inplace(|w| *w = uniform(bound));
                self.bias.of_mut(params).fill(T::zero());
            }
            Init::He => {
                let deviation = (2.0 / inputs).sqrt();
                let mut normal = || -> f64 { StandardNormal.sample(&mut rng) };
                self.weight.of_mut(params).map_inplace(|w| *w = T::from_f64(deviation * normal()));
                self.bias.of_mut(params).fill(T::zero());
            }
        }
    }

    /// `y ← x Wᵀ + b` with `y: [N, out]`, `x: [N, in]`.
    ///
    /// # Panics
    /// If the shapes do not fit.
    pub fn forward<T: Real>(&self, y: &mut ArrayViewMut2<T>, x: &ArrayView2<T>, params: &[T]) {
        matmul(y, x, &self.weight.of(params).t(), Accum::Row(self.bias.of(params)));
    }

    /// `d_W += d_yᵀ x`, `d_b += Σ_n d_y`, and `d_x ← d_y W` where it is asked for (the first layer
    /// of a network has no use for it).
    ///
    /// # Panics
    /// If the shapes do not fit, or `d_y` is not in standard layout.
    pub fn backward<T: Real>(
        &self,
        d_params: &mut Gradient<T>,
        d_x: Option<&mut ArrayViewMut2<T>>,
        d_y: &ArrayView2<T>,
        x: &ArrayView2<T>,
        params: &[T],
    ) {
        d_params.add_product(self.weight, &d_y.t(), x);
        add_column_sums(d_params.vector(self.bias), d_y);
        if let Some(d_x) = d_x {
            matmul(d_x, d_y, &self.weight.of(params), Accum::Replace);
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
