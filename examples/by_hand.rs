//! One training step of the textbook VAE, forward and backward, with nothing but operations:
//! `cargo run --release --example by_hand`
//!
//! encoder 784 → 400 → [mean; log-variance] of 20 latents, decoder 20 → 400 → 784 logits, relu,
//! Bernoulli likelihood, closed-form KL, Adam. `elbo::vae` is this step for any number of levels and
//! samples; here every line stands by itself, and the backward is the forward's lines reversed.

use elbo::data::{Binarize, Parts, Roles, Source};
use elbo::distribution::batch::{self, DrawBuffers, Gradients};
use elbo::distribution::bernoulli::Bernoulli;
use elbo::distribution::normal::Normal;
use elbo::gradient::Gradient;
use elbo::nn::{Activation, Linear};
use elbo::optim::{Adam, AdamConfig};
use elbo::params::Init;
use elbo::params::Layout;
use elbo::rng::{Address, Purpose};
use ndarray::Array2;

const B: usize = 100; // rows of a batch
const D: usize = 784; // width of the data
const H: usize = 400; // hidden width
const Z: usize = 20; // latent width

fn main() -> elbo::Result<()> {
    let roles =
        Roles { validation: 0.0, test: 0.0, limit: None, binarize: Binarize::Dynamic, seed: 0 };
    let data = Parts::new(Source::open("digits:count=10000")?, roles)?.train;

    // The layers are places in one flat buffer of parameters.
    let mut layout = Layout::default();
    let encoder_hidden = Linear::new(&mut layout.scope("encoder.hidden"), D, H);
    let encoder_head = Linear::new(&mut layout.scope("encoder.head"), H, 2 * Z);
    let decoder_hidden = Linear::new(&mut layout.scope("decoder.hidden"), Z, H);
    let decoder_head = Linear::new(&mut layout.scope("decoder.head"), H, D);
    let mut params: Vec<f32> = layout.init(Init::Uniform, 0);
    let mut d_params = Gradient::zeros(&layout);
    let mut adam = Adam::new(AdamConfig::default(), layout.len());

    let relu = Activation::Relu;
    let posterior = Normal::emitted();
    let likelihood = Bernoulli;

    // All values of a step, and their gradients.
    let matrix = |width| Array2::<f32>::zeros((B, width));
    let (mut x, mut a1, mut h1, mut eta) = (matrix(D), matrix(H), matrix(H), matrix(2 * Z));
    let mut draws = DrawBuffers::new(&posterior, B, Z, 0); // ε
    let (mut z, mut kl) = (matrix(Z), matrix(Z));
    let (mut a2, mut h2, mut logits) = (matrix(H), matrix(H), matrix(D));
    let mut log_px = vec![0f32; B];
    let (mut d_logits, mut d_h2, mut d_z) = (matrix(D), matrix(H), matrix(Z));
    let (mut d_eta, mut d_h1) = (matrix(2 * Z), matrix(H));
    let d_kl = Array2::from_elem((B, Z), 1.0 / B as f32); // ∂loss/∂KL

    for epoch in 0..5 {
        let mut sum = 0.0;
        for rows in data.rows().chunks_exact(B) {
            data.gather(flat(&mut x), rows, Some(epoch))?;
            for (i, row) in rows.iter().enumerate() {
                let address = Address::new(0, Purpose::Train).epoch(epoch).row(*row as u64);
                address.fill_normal(&mut flat(&mut draws.eps)[i * Z..(i + 1) * Z]);
            }

            // Forward.
            encoder_hidden.forward(&mut a1.view_mut(), &x.view(), &params);
            relu.forward(flat(&mut h1), flat(&mut a1));
            encoder_head.forward(&mut eta.view_mut(), &h1.view(), &params);
            batch::rsample(z.view_mut(), &mut draws, &posterior, &eta.view(), &[]); // z = μ + σ ε
            batch::kl(kl.view_mut(), &posterior, &eta.view());
            decoder_hidden.forward(&mut a2.view_mut(), &z.view(), &params);
            relu.forward(flat(&mut h2), flat(&mut a2));
            decoder_head.forward(&mut logits.view_mut(), &h2.view(), &params);
            let d = Gradients { d_eta: d_logits.view_mut(), d_x: None };
            batch::log_prob_gradient(&mut log_px, d, &likelihood, &x.view(), &logits.view(), &[]);
            let loss = (kl.sum() - log_px.iter().sum::<f32>()) / B as f32;

            // Backward: the same lines reversed.
            d_params.clear();
            d_logits.map_inplace(|d| *d *= -1.0 / B as f32); // loss = −1/B Σ log p + …
            decoder_head.backward(
                Some(&mut d_params),
                Some(&mut d_h2.view_mut()),
                &d_logits.view(),
                &h2.view(),
                &params,
            );
            relu.backward(flat(&mut d_h2), flat(&mut a2), flat(&mut h2)); // d_h2 becomes d_a2
            decoder_hidden.backward(
                Some(&mut d_params),
                Some(&mut d_z.view_mut()),
                &d_h2.view(),
                &z.view(),
                &params,
            );
            d_eta.fill(0.0); // η is used twice: both add
            batch::kl_backward(d_eta.view_mut(), &posterior, &d_kl.view(), &eta.view());
            let (d_z, eta) = (&d_z.view(), &eta.view());
            batch::draw_backward(
                d_eta.view_mut(),
                &mut [],
                &mut draws,
                &posterior,
                d_z,
                None, // log q is in the closed-form KL
                eta,
                &[],
            );
            encoder_head.backward(
                Some(&mut d_params),
                Some(&mut d_h1.view_mut()),
                &d_eta.view(),
                &h1.view(),
                &params,
            );
            relu.backward(flat(&mut d_h1), flat(&mut a1), flat(&mut h1)); // d_h1 becomes d_a1
            encoder_hidden.backward(Some(&mut d_params), None, &d_h1.view(), &x.view(), &params);

            adam.update(&mut params, d_params.values(), 1.0, 1e-3, None);
            sum += loss as f64;
        }
        println!("epoch {}: −ELBO {:.2} nats", epoch + 1, sum / (data.rows().len() / B) as f64);
    }
    Ok(())
}

/// A matrix as one slice.
fn flat(a: &mut Array2<f32>) -> &mut [f32] {
    a.as_slice_mut().expect("a fresh array is in standard layout")
}
