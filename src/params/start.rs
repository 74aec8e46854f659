//! How parameters start.
//!
//! Whoever asks for a tensor says what it is for ([`Start`]); how weights and biases are drawn for
//! that is the user's choice for the whole model ([`Init`]).

use crate::error::{Error, Result};
use crate::real::Real;
use crate::rng::Address;
use rand::RngExt;
use rand_distr::{Distribution as _, StandardNormal};

/// What the elements of a tensor start as.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Start {
    /// The weights of a layer, as [`Init`] draws them for so many inputs and outputs.
    Weight {
        /// Units that each output sums over.
        inputs: usize,
        /// Units that each input reaches.
        outputs: usize,
    },
    /// The biases of a layer with so many inputs.
    Bias {
        /// Units that each output sums over.
        inputs: usize,
    },
    /// Draws from N(0, σ²), for this σ.
    Normal(f64),
    /// All the same number.
    Constant(f64),
    /// All the same number, and no weights: whoever asked for them changes them after a step of training, and no
    /// gradient or decay does ([`super::Layout::states`]).
    State(f64),
}

/// How the weights of layers start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Init {
    /// Weights and biases uniform in ±1/√in, as PyTorch's `nn.Linear`.
    Uniform,
    /// Weights uniform in ±√(6/(in + out)), biases 0 (Glorot & Bengio 2010, eq. 16).
    Glorot,
    /// Weights normal with variance 2/in, biases 0: keeps the scale through relu layers (He et al.
    /// 2015, eq. 10).
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

    /// Draws the starting values of a tensor from the stream at `address`.
    pub(super) fn fill<T: Real>(self, values: &mut [T], start: Start, address: Address) {
        let mut rng = address.rng();
        let mut uniform = |values: &mut [T], bound: f64| {
            values.fill_with(|| T::from_f64(bound * (2.0 * rng.random::<f64>() - 1.0)));
        };
        match (start, self) {
            (Start::Weight { inputs, .. } | Start::Bias { inputs }, Init::Uniform) => {
                uniform(values, 1.0 / (inputs as f64).sqrt());
            }
            (Start::Weight { inputs, outputs }, Init::Glorot) => {
                uniform(values, (6.0 / (inputs as f64 + outputs as f64)).sqrt());
            }
            (Start::Weight { inputs, .. }, Init::He) => {
                normal(values, (2.0 / inputs as f64).sqrt(), address);
            }
            (Start::Bias { .. }, Init::Glorot | Init::He) => values.fill(T::zero()),
            (Start::Normal(deviation), _) => normal(values, deviation, address),
            (Start::Constant(value) | Start::State(value), _) => values.fill(T::from_f64(value)),
        }
    }
}

/// Draws from N(0, deviation²).
fn normal<T: Real>(values: &mut [T], deviation: f64, address: Address) {
    let mut rng = address.rng();
    let mut draw = || -> f64 { StandardNormal.sample(&mut rng) };
    values.fill_with(|| T::from_f64(deviation * draw()));
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
