//! Variational autoencoders from scratch: every gradient derived by hand, proved by finite
//! differences, and fast.
//!
//! A variational autoencoder learns the structure of data x through a latent z: an *encoder* emits
//! the posterior q(z|x), a *decoder* emits the likelihood p(x|z), and both are trained to raise the
//! evidence lower bound, log p(x) ≥ E_q\[log p(x|z)\] − KL(q(z|x) ‖ p(z)). The chapters in `docs/`
//! derive all of it; each source file states its own mathematics at the top.
//!
//! ```
//! use elbo::data::{Binarize, Parts, Roles, Source};
//! use elbo::train::{TrainConfig, Trainer};
//! use elbo::vae::VaeConfig;
//!
//! # fn main() -> elbo::Result<()> {
//! let roles = Roles { validation: 0.0, test: 0.0, limit: None, binarize: Binarize::Dynamic, seed: 0 };
//! let data = Parts::new(Source::open("digits:count=500")?, roles)?;
//! let config = TrainConfig { epochs: 2, ..TrainConfig::default() };
//! let mut trainer = Trainer::<f32>::new(VaeConfig::new(784, &[64], 8), config, data)?;
//! trainer.run(&mut ())?;
//! let judged = trainer.test_score()?.expect("digits have a test part");
//! println!("−ELBO {:.1} nats, of which KL {:.1}", judged.loss, judged.kl);
//! # Ok(())
//! # }
//! ```
//!
//! # Finding one's way
//!
//! | to see | read |
//! |---|---|
//! | one training step, forward and backward | [`vae`] |
//! | how an encoder infers and a decoder scores | [`conditional`] |
//! | a layer, a distribution, the KL, with derivations | [`nn`], [`distribution`], [`prior`], [`penalty`], [`objective`] |
//! | how a gradient is proved | [`gradcheck`], [`check`] |
//! | how log p(x) is estimated, and what else is said of a model | [`evaluate`], [`fit`] |
//! | how a program uses a model | [`session`](../elbo/session/index.html), [`model_file`](../elbo/model_file/index.html) |
//! | the loop around the step | [`train`], [`optim`], [`data`] |
//! | every setting, its default and its range | [`train::TrainConfig`], [`settings`] |
//! | what everything stands on | [`params`], [`gemm`], [`rng`], [`math`], [`parallel`], [`simd`] |
//!
//! # Notation
//!
//! `B` batch rows, `K` importance samples of each, `D` data width, `H` hidden width, `Z` latent
//! width, `P` width of a distribution's parameter row. `x` data, `z` latent, `eps` noise, `eta` what a
//! network emits. `d_foo` = ∂loss/∂foo, shaped like `foo`. Log-probabilities are complete (no constant
//! is dropped) and in nats per row. Functions take what they write first, then what they read.
//!
//! # Features
//!
//! | feature | adds |
//! |---|---|
//! | `parallel` | products and row kernels on all cores; results do not depend on how many |
//! | `simd` | products and elementwise kernels for AVX2, AVX-512 and NEON, chosen at run time |
//! | `model-file` | models and checkpoints as `.safetensors` |
//! | `cli` | the command `elbo`, with its readers and pictures |
//!
//! All are on by default. Without them (`default-features = false`) the crate needs `ndarray`,
//! `matrixmultiply`, `rand`, `rand_distr` and what these bring.

mod aligned;
pub mod batch;
pub mod check;
#[cfg(feature = "codec")]
pub mod codec;
pub mod conditional;
pub mod data;
pub mod distribution;
pub mod error;
pub mod evaluate;
pub mod family;
pub mod fit;
pub mod gemm;
pub mod gradcheck;
pub mod gradient;
pub mod math;
#[cfg(feature = "model-file")]
pub mod model_file;
pub mod nn;
pub mod objective;
pub mod optim;
pub mod parallel;
pub mod params;
pub mod penalty;
#[cfg(feature = "cli")]
pub mod plot;
pub mod prior;
pub mod real;
pub mod rng;
mod rows;
#[cfg(feature = "model-file")]
pub mod session;
pub mod settings;
pub mod simd;
#[cfg(feature = "model-file")]
mod tensor_file;
pub mod train;
pub mod vae;
#[cfg(test)]
mod worked;

/// The programs in this chapter are compiled and run with the documentation's tests.
#[cfg(all(doctest, feature = "model-file"))]
#[doc = include_str!("../docs/9-embedding.md")]
pub struct Embedding;

pub use error::{Error, Result};
