//! Blame: log p(x_j | x_rest) of a model in which it is known, with a cell that its row speaks against.
//!
//! ```text
//! x = w z + N(0, v I), z ~ N(0, 1)        z | x_S ~ N(s Σ_S w_i x_i / v, s),  1/s = 1 + Σ_S w_i²/v
//! x_j | x_rest ~ N(w_j E[z|x_rest], w_j² s + v)
//! ```
//!
//! With two levels z₁|z₂ ~ N(0.6 z₂, 0.64), so that z₁ is what z was and all values are the same.

use super::missing::table;
use super::*;
use elbo::data::{Binarize, Dataset, Part, Unit};
use elbo::evaluate::{ColumnScore, log_px_of_columns};
use elbo::vae::LevelConfig;

const W: [f64; 3] = [1.3, -0.8, 1.0];
/// Noise of a standard deviation of 0.1.
const V: f64 = 0.01;
const SAMPLES: usize = 4000;

fn model(levels: usize) -> Model {
    let likelihood = format!("masked:of=(normal:variance={V})").parse().unwrap();
    let one = LevelConfig { layers: Vec::new(), latent: 1 };
    let config =
        VaeConfig { likelihood, levels: vec![one; levels], ..VaeConfig::new(W.len(), &[], 1) };
    let vae = Vae::new(config).unwrap();
    let mut model = Model { params: vec![0.0; vae.layout().len()], vae };
    let weight = Array2::from_shape_vec((3, 1), W.to_vec()).unwrap();
    model.set("decoder.0", Linear { weight, bias: array![0.0, 0.0, 0.0] });
    // E[z|x] of a whole row, and a spread three times as wide as the posterior's: right for no row with a gap.
    let precision: f64 = 1.0 + W.iter().map(|w| w * w / V).sum::<f64>();
    let mut weight = Array2::zeros((2, 6));
    weight.row_mut(0).iter_mut().zip(W).for_each(|(to, w)| *to = w / V / precision);
    model.set("encoder.0", Linear { weight, bias: array![0.0, (9.0 / precision).ln()] });
    if levels == 2 {
        model.set(
            "decoder.1",
            Linear { weight: array![[0.6], [0.0]], bias: array![0.0, 0.64f64.ln()] },
        );
        model.set(
            "encoder.1",
            Linear { weight: array![[0.6], [0.0]], bias: array![0.0, 0.64f64.ln()] },
        );
    }
    model
}

/// log p(x_j | the others that are there), and how many standard deviations x_j is off.
fn right(x: &[f64], j: usize) -> (f64, f64) {
    let others = || W.iter().zip(x).enumerate().filter(|(i, (_, x))| *i != j && !x.is_nan());
    let s = 1.0 / (1.0 + others().map(|(_, (w, _))| w * w / V).sum::<f64>());
    let mean = W[j] * s * others().map(|(_, (w, x))| w * x / V).sum::<f64>();
    let variance = W[j] * W[j] * s + V;
    let off = (x[j] - mean).powi(2) / variance;
    (-0.5 * ((std::f64::consts::TAU * variance).ln() + off), off.sqrt())
}

fn scores(model: &Model, part: &Part) -> Vec<Vec<ColumnScore>> {
    let (mut found, address) = (Vec::new(), Address::new(5, Purpose::Check));
    log_px_of_columns(&model.vae, &model.params, part, SAMPLES, address, &mut |_, scores| {
        found.push(scores.to_vec());
        true
    })
    .unwrap();
    found
}

/// Rows as the model made them but for one cell, each in turn, which is 0.3 off: three standard deviations of the noise.
#[test]
fn a_cell_has_the_probability_that_its_row_gives_it() {
    for levels in [1, 2] {
        let model = model(levels);
        let mut values = Vec::new();
        for odd in 0..W.len() {
            let mut x: Vec<f64> = W.iter().map(|w| w * 0.4).collect();
            x[odd] += 0.3;
            values.extend(x);
        }
        values.extend([0.52, f64::NAN, 0.45]);
        let part =
            Part::whole(Dataset::of_table(values.clone(), table(3)).unwrap(), Binarize::None);
        let part = part.unwrap();
        let found = scores(&model, &part);
        assert_eq!(found.len(), 4);
        for (row, (scores, x)) in found.iter().zip(values.chunks(3)).enumerate() {
            for (j, score) in scores.iter().enumerate() {
                if x[j].is_nan() {
                    assert!(score.log_p.is_nan() && !score.is_sound());
                    continue;
                }
                let (right, off) = right(x, j);
                assert!(score.is_sound(), "{levels} {row} {j}: {score:?}");
                assert!(score.standard_error < 0.1, "{score:?}");
                let error = (score.log_p - right).abs();
                assert!(error < 4.0 * score.standard_error, "{row} {j}: {right} {score:?}");
                assert!(row == 3 || j != row || off > 2.0, "{off}");
            }
            // Who is odd is blamed: none is less likely given the others.
            let least = (0..3).filter(|j| !x[*j].is_nan());
            let least = least.min_by(|a, b| scores[*a].log_p.total_cmp(&scores[*b].log_p));
            assert!(row == 3 || least == Some(row), "{row}: {scores:?}");
        }
    }
}

/// In other units a density is another; the same row scores the same beside any others.
#[test]
fn blame_is_in_the_units_of_the_data_and_of_its_row_alone() {
    let model = model(1);
    let x = [0.52, -0.3, 0.45];
    let scales = [2.0, 0.5, 10.0];
    let units = Unit::all(&[0.0; 3], &scales).unwrap();
    let in_units: Vec<f64> = x.iter().zip(scales).map(|(x, s)| x * s).collect();
    let of = |values: Vec<f64>| {
        Part::whole(Dataset::of_table(values, table(3)).unwrap(), Binarize::None).unwrap()
    };
    let own = scores(&model, &of(x.to_vec()));
    let mut scaled = of(in_units.clone());
    scaled.set_units(&units).unwrap();
    let scaled = scores(&model, &scaled);
    for j in 0..3 {
        let moved = own[0][j].log_p - scales[j].ln();
        assert!((scaled[0][j].log_p - moved).abs() < 1e-9, "{own:?} {scaled:?}");
    }
    let others = [0.1, 0.2, 0.3].into_iter().chain(x).chain([1.0, 0.0, f64::NAN]).collect();
    assert_eq!(scores(&model, &of(others))[1], own[0]);
}

/// Models that cannot say it are refused by what they lack.
#[test]
fn who_cannot_blame_is_told_why() {
    let part = Part::whole(Dataset::of_table(vec![0.5; 3], table(3)).unwrap(), Binarize::None);
    let part = part.unwrap();
    for (likelihood, posterior, lacks) in [
        ("normal", "normal", "knows no missing cells"),
        ("masked:of=normal", "iaf", "its own draws only"),
    ] {
        let (likelihood, posterior) = (likelihood.parse().unwrap(), posterior.parse().unwrap());
        let config = VaeConfig { likelihood, posterior, ..VaeConfig::new(3, &[], 2) };
        let vae = Vae::<f64>::new(config).unwrap();
        let params = vae.init(Init::Uniform, 0, None);
        let address = Address::new(0, Purpose::Check);
        let refused = log_px_of_columns(&vae, &params, &part, 4, address, &mut |_, _| true);
        let message = refused.unwrap_err().to_string();
        assert!(message.contains(lacks), "{message}");
    }
}
