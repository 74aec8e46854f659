//! Top-down inference where its posterior is known: q(z₂|x) q(z₁|z₂, x) of a linear chain of two levels.
//!
//! ```text
//! W₁ has orthogonal columns, W₁ᵀW₁ = diag g, and W₂ = diag w. With s_j = 1/(g_j n₂ⱼ + n₁), in which
//! (W₁ diag n₂ W₁ᵀ + n₁ I)⁻¹ W₁ = W₁ diag s, both posteriors have independent latents (Bishop 2006, eq. 2.117):
//!
//! p(z₂|x)      precisions 1 + w² g s          means w s W₁ᵀ(x − W₁ b₂ − b₁) / precision
//! p(z₁|z₂, x)  precisions g/n₁ + 1/n₂         means (W₁ᵀ(x − b₁)/n₁ + (w z₂ + b₂)/n₂) / precision
//! ```

use super::*;
use elbo::vae::{Inference, Skip};

const STRETCH: [f64; 2] = [1.5, -0.8];

fn chain() -> Chain {
    let mut chain = Chain::orthogonal();
    let w = Array2::from_diag(&Array1::from(STRETCH.to_vec()));
    chain.decoders.push(Decoder::new(w, &[0.3, 0.7]));
    chain
}

/// The chain as a model whose encoders infer from the top down, exactly.
fn model(chain: &Chain, skip: Skip) -> Model {
    let bottom_up = chain.model(Encoder::EXACT);
    let config =
        VaeConfig { inference: Inference::TopDown, skip, ..bottom_up.vae.config().clone() };
    let vae = Vae::new(config).unwrap();
    let mut model = Model { params: vec![0.0; vae.layout().len()], vae };
    let [one, two] = &chain.decoders[..] else { panic!("two levels") };
    let mut lowest = one.w.clone();
    if skip == Skip::Down {
        // z₂ beside z₁, with weight 0.
        lowest = concatenate![Axis(1), lowest, Array2::zeros((WIDTH, 2))];
    }
    model.set_decoder(0, &Decoder { w: lowest, b: one.b.clone(), n: one.n.clone() });
    model.set_decoder(1, two);

    let (w, n1, wt) = (&two.w.diag().to_owned(), one.n[0], one.w.t());
    let g = wt.dot(&one.w).diag().to_owned();
    let s = (&g * &two.n + n1).recip();
    let precision = 1.0 + w * w * &g * &s;
    let scale = (w * &s / &precision).insert_axis(Axis(1));
    let weight = &wt * &scale;
    let bias = -weight.dot(&(one.w.dot(&two.b) + &one.b));
    model.set("encoder.1", Linear::with_log_variances(weight, bias, -precision.ln()));

    let precision = &g / n1 + two.n.recip();
    let of_x = &wt / (n1 * &precision).insert_axis(Axis(1));
    let bias = &two.b / &two.n / &precision - of_x.dot(&one.b);
    let of_z = Array2::from_diag(&(w / &two.n / &precision));
    let weight = concatenate![Axis(1), of_z, of_x];
    model.set("encoder.0", Linear::with_log_variances(weight, bias, -precision.ln()));
    model
}

#[test]
fn with_the_exact_top_down_posterior_every_draw_weighs_log_px() {
    let chain = chain();
    let x = chain.draw(7, data(0));
    for skip in [Skip::None, Skip::Down] {
        let log_w = model(&chain, skip).log_w(&x, 20);
        for (log_w, log_px) in log_w.rows().into_iter().zip(chain.log_px(&x)) {
            for log_w in log_w {
                assert!((log_w - log_px).abs() < 1e-10, "{log_w} is not {log_px}");
            }
        }
    }
}

/// With any encoder the mean weight is p(x).
#[test]
fn any_top_down_encoder_finds_log_px() {
    let chain = chain();
    let mut model = model(&chain, Skip::None);
    let x = chain.draw(4, data(0));
    // Off, and wider than the posterior, so that the weights' variance is finite.
    for slot in model.vae.layout().slots().iter().filter(|s| s.name.starts_with("encoder")) {
        let values = &mut model.params[slot.range()];
        match slot.name.ends_with("bias") {
            true => values[2..].iter_mut().for_each(|log_variance| *log_variance += 1.5f64.ln()),
            false => values.iter_mut().for_each(|w| *w *= 0.9),
        }
    }
    for (found, log_px) in model.estimate(&x, 100_000).iter().zip(chain.log_px(&x)) {
        assert!((1e-4..0.05).contains(&found.standard_error), "{found:?}");
        let off = (found.estimate - log_px).abs();
        assert!(off <= ERRORS * found.standard_error, "{found:?} is not {log_px}");
    }
}

/// What is encoded is the topmost posterior's mean, and a reconstruction goes down through the means.
#[test]
fn encoding_and_reconstruction_are_the_means() {
    let chain = chain();
    let model = model(&chain, Skip::None);
    let x = chain.draw(5, data(1));
    let mut ws = Workspace::new(&model.vae, 5, 1, Pass::Value).unwrap();
    let (mut z, mut back) = (Array2::zeros((5, 2)), Array2::zeros(x.dim()));
    model.vae.encode(z.view_mut(), &mut ws, &x.view(), &model.params);
    model.vae.reconstruct(back.view_mut(), &mut ws, &x.view(), &model.params);
    let [one, two] = &chain.decoders[..] else { panic!("two levels") };
    // E[z₂|x] by the moments of the chain alone.
    let (top, data) = (chain.marginal(2), chain.marginal(0));
    let w = one.w.dot(&two.w);
    let gain = solve(&data.covariance, &w).reversed_axes();
    let want = (&x - &data.mean).dot(&gain.t()) + &top.mean;
    assert!(z.iter().zip(&want).all(|(z, want)| (z - want).abs() < 1e-12));
    let down = (want.dot(&two.w.t()) + &two.b).dot(&one.w.t()) + &one.b;
    assert!(back.iter().zip(&down).all(|(back, down)| (back - down).abs() < 1e-12));
}
