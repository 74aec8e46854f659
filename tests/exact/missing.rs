//! Filling in: the draws of what is missing have the moments of the conditional distribution.
//!
//! ```text
//! x = w z + N(0, v I), z ~ N(0, 1)        z | x₁ ~ N(w₁ x₁/(w₁² + v), v/(w₁² + v))
//! x₂ | x₁ ~ N(w₂ E[z|x₁], w₂² Var[z|x₁] + v)
//! ```
//!
//! The encoder is off, and importance weights make up for it. Where everything is missing, x ~ p(x), and log p(x_obs) = 0.

use super::*;
use elbo::data::{Binarize, Cells, Dataset, NumberScale, Part, Table, TableColumn, Unit};
use elbo::evaluate::{completions, log_px, rows_where};
use elbo::vae::{Sampling, Shown};

const W: [f64; 2] = [1.3, -0.8];
const V: f64 = 0.2;

fn model() -> Model {
    let likelihood = format!("masked:of=(normal:variance={V})").parse().unwrap();
    let config = VaeConfig { likelihood, ..VaeConfig::new(2, &[], 1) };
    let vae = Vae::new(config).unwrap();
    let mut model = Model { params: vec![0.0; vae.layout().len()], vae };
    let decoder = Linear { weight: array![[W[0]], [W[1]]], bias: array![0.0, 0.0] };
    model.set("decoder.0", decoder);
    // Mean and log-variance of x₁, x₂ and the marks of the missing.
    let weight = array![[0.4, -0.1, 0.1, 0.0], [0.0, 0.0, 0.3, 0.2]];
    model.set("encoder.0", Linear { weight, bias: array![0.1, -0.7] });
    model
}

/// Columns of numbers in any steps, with gaps.
pub(crate) fn table(columns: usize) -> Table {
    let scale = NumberScale {
        least: -9.0,
        most: 9.0,
        step: 0.0,
        decimals: None,
        comma: false,
        atoms: Vec::new(),
        quantiles: None,
        no_others: false,
    };
    let column = |j: usize| TableColumn {
        name: format!("x{j}"),
        cells: Cells::Number(scale.clone()),
        missing: 0.5,
        spelled: String::new(),
    };
    Table { columns: (0..columns).map(column).collect(), missing: None }
}

fn part(values: Vec<f64>) -> Part {
    Part::whole(Dataset::of_table(values, table(2)).unwrap(), Binarize::None).unwrap()
}

#[test]
fn what_is_missing_is_drawn_from_its_conditional_distribution() {
    let (model, x1) = (model(), 1.7);
    let part = part(vec![x1, f64::NAN, f64::NAN, f64::NAN]);
    let of_z = [W[0] * x1 / (W[0] * W[0] + V), V / (W[0] * W[0] + V)];
    let moments = [
        [W[1] * of_z[0], W[1] * W[1] * of_z[1] + V], // of x₂ given x₁
        [0.0, W[1] * W[1] + V],                      // given nothing
    ];
    let address = Address::new(3, Purpose::Check);
    let mut rows = 0;
    completions(&model.vae, &model.params, &part, 4000, 4000, address, &mut |row, drawn| {
        let second: Vec<f64> = drawn.chunks(2).map(|x| x[1]).collect();
        let n = second.len() as f64;
        let mean = second.iter().sum::<f64>() / n;
        let variance = second.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / n;
        let [right, spread] = moments[row];
        // Draws of draws: twice the error of as many independent ones.
        assert!((mean - right).abs() < 8.0 * (spread / n).sqrt(), "{row}: {mean} of {right}");
        assert!((variance / spread - 1.0).abs() < 0.15, "{row}: {variance} of {spread}");
        rows += 1;
        Ok(())
    })
    .unwrap();
    assert_eq!(rows, 2);

    // log p of what is there: of x₁ a normal, of nothing 0, within four errors, in any units.
    let proposal = Proposal::posterior();
    let found = log_px(&model.vae, &model.params, &part, 20_000, &proposal, address, &mut |_| true)
        .unwrap();
    let c = W[0] * W[0] + V;
    let right = [-0.5 * ((std::f64::consts::TAU * c).ln() + x1 * x1 / c), 0.0];
    for (found, right) in found.iter().zip(right) {
        let off = (found.estimate - right).abs();
        assert!(off < 4.0 * found.standard_error, "{} ± {}", found.estimate, found.standard_error);
    }
    let mut scaled = self::part(vec![1000.0 * x1, f64::NAN, f64::NAN, f64::NAN]);
    scaled.set_units(&Unit::all(&[0.0; 2], &[1000.0, 0.01]).unwrap()).unwrap();
    let again =
        log_px(&model.vae, &model.params, &scaled, 20_000, &proposal, address, &mut |_| true)
            .unwrap();
    assert!((again[0].estimate + 1000f64.ln() - found[0].estimate).abs() < 1e-9, "{again:?}");
    assert_eq!(again[1], found[1]);
}

/// Rows with x₁ = 1.7 have x₂ from p(x₂|x₁); rows with x₁ > 1 are of a normal that is cut there.
#[test]
fn rows_are_drawn_under_a_condition() {
    let (model, part) = (model(), part(vec![0.0, 0.0]));
    let address = Address::new(4, Purpose::Check);
    let sampling = Sampling { address, first: 0, temperature: 1.0, shown: Shown::Draw };
    let rows = |fixed: &[f64], fits: &dyn Fn(&[f64]) -> bool, most: usize| {
        let Model { vae, params } = &model;
        rows_where(vae, params, part.columns(), fixed, fits, [4000, most], &sampling).unwrap()
    };
    let moments = |x: &[f64]| {
        let n = x.len() as f64;
        let mean = x.iter().sum::<f64>() / n;
        (mean, x.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / n, n)
    };
    let x1 = 1.7;
    let found = rows(&[x1, f64::NAN], &|_| true, usize::MAX);
    assert!(found.rows.len() == 8000 && found.rows.chunks(2).all(|row| row[0] == x1));
    assert!(
        found.effective >= 16_000.0 && found.effective < found.drawn as f64,
        "{}",
        found.effective
    );
    let (mean, variance, n) = moments(&found.rows.chunks(2).map(|row| row[1]).collect::<Vec<_>>());
    let of_z = [W[0] * x1 / (W[0] * W[0] + V), V / (W[0] * W[0] + V)];
    let (right, spread) = (W[1] * of_z[0], W[1] * W[1] * of_z[1] + V);
    assert!((mean - right).abs() < 5.0 * (spread / n).sqrt(), "{mean} of {right}");
    assert!((variance / spread - 1.0).abs() < 0.1, "{variance} of {spread}");

    let found = rows(&[f64::NAN; 2], &|row| row[0] > 1.0, usize::MAX);
    assert!(found.rows.chunks(2).all(|row| row[0] > 1.0));
    let sd = (W[0] * W[0] + V).sqrt();
    let (alpha, tail) = (1.0 / sd, 0.5 * (1.0 - erf(1.0 / sd / 2f64.sqrt())));
    let right = sd * (-0.5 * alpha * alpha).exp() / std::f64::consts::TAU.sqrt() / tail;
    let (mean, variance, n) = moments(&found.rows.chunks(2).map(|row| row[0]).collect::<Vec<_>>());
    assert!((mean - right).abs() < 5.0 * (variance / n).sqrt(), "{mean} of {right}");
    let share = found.effective / found.drawn as f64;
    assert!((share / tail - 1.0).abs() < 0.05, "{share} of {tail}");

    // So rare that no row is found: nothing comes back, and nothing is made up.
    let found = rows(&[f64::NAN; 2], &|row| row[0] > 100.0, 5000);
    assert!(found.rows.is_empty() && found.effective == 0.0 && found.drawn == 5000);
}

/// erf by its series, for small x.
fn erf(x: f64) -> f64 {
    let mut term = x;
    let mut sum = x;
    for n in 1..60 {
        term *= -x * x / f64::from(n);
        sum += term / f64::from(2 * n + 1);
    }
    sum * 2.0 / std::f64::consts::PI.sqrt()
}
