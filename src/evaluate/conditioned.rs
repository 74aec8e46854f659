//! Rows of which something is given: draws from p(x | x_A = a, x ∈ B).
//!
//! ```text
//! z_s ~ p(z), x_s ~ p(x|z_s),   w_s = p(x_A = a | z_s) · 1[x_s ∈ B]      s = 1 … S, and x_A ← a in row s
//! n of the S rows by their keys  ln(−ln u_s) − ln w_s, u_s ~ U(0, 1):    the n smallest
//! ```
//!
//! That draws n rows without replacement with probabilities ∝ w (Efraimidis & Spirakis 2006), so that no row comes twice;
//! as S grows they become draws of the conditional distribution (sampling importance resampling, Rubin 1987; without
//! replacement: Gelman et al. 2013, section 10.4). S grows until the effective sample size (Σw)²/Σw² is
//! [`ENOUGH`]·n, or S has come to what the caller allows.

use super::weights::WeightSums;
use super::{AT_A_TIME, VALUES};
use crate::data::Columns;
use crate::error::{Error, Result};
use crate::parallel;
use crate::real::Real;
use crate::vae::{Pass, Sampling, Shown, Vae, Workspace};
use ndarray::Array2;
use rand::RngExt;

/// Effective rows that each row is chosen from.
const ENOUGH: f64 = 4.0;

/// Rows that were drawn under a condition.
#[derive(Clone, Debug, PartialEq)]
pub struct Conditioned {
    /// Fewer than asked for, if no more of those that were drawn had a weight; `[n·D]` in the data's own units.
    pub rows: Vec<f64>,
    /// How many were drawn, S.
    pub drawn: usize,
    /// The effective sample size among them.
    pub effective: f64,
}

/// Draws `count` rows in which the values of `fixed: [D]` that are no NaN have these values (in the data's own units), and that
/// `fits: [D]` says yes to; from at most `most` draws of the model, with noise and temperature of `sampling`.
///
/// # Errors
/// If the model has a condition, the columns are not independent given z and some are fixed, or the machine has not the
/// memory.
///
/// # Panics
/// If `fixed` has another width than the model.
pub fn rows_where<T: Real>(
    vae: &Vae<T>,
    params: &[T],
    columns: &Columns,
    fixed: &[f64],
    fits: &dyn Fn(&[f64]) -> bool,
    [count, most]: [usize; 2],
    sampling: &Sampling,
) -> Result<Conditioned> {
    let width = vae.width();
    assert_eq!(fixed.len(), width, "what is fixed has another width than the model");
    let refuse = |message: &str| Err(Error::setting("where", message));
    if vae.condition() > 0 {
        return refuse("the model is given columns: choose these with --set");
    }
    let places: Vec<usize> = (0..width).filter(|j| !fixed[*j].is_nan()).collect();
    if !places.is_empty() && !vae.likelihood().is_columnwise() {
        return refuse("no cell is fixed under a likelihood whose columns hang together given z");
    }
    // What is not fixed is scored with the others, and not looked at.
    let any = |j: usize| vae.likelihood().facts(j).domain.any();
    let seen = fixed.iter().zip(columns.iter()).enumerate();
    let seen = seen.map(|(j, (v, c))| if v.is_nan() { any(j) } else { c.apply(*v) });
    let seen: Vec<T> = seen.map(T::from_f64).collect();
    let at_a_time = AT_A_TIME.min(VALUES / width).max(1);
    let mut ws = Workspace::new(vae, at_a_time, 1, Pass::Value)?;
    let mut x = Array2::zeros((at_a_time, width));
    let mut each = vec![T::zero(); width];
    let mut sums = WeightSums::new(1);
    let mut kept: Vec<(f64, Vec<f64>)> = Vec::new();
    let (mut drawn, mut effective) = (0, 0.0);
    while drawn < most && effective < ENOUGH * count as f64 {
        let first = sampling.first.wrapping_add(drawn as u64);
        let sampling = Sampling { first, shown: Shown::Draw, ..*sampling };
        parallel::enter(|| vae.sample(x.view_mut(), &mut ws, params, &sampling));
        for (b, x) in x.rows().into_iter().enumerate() {
            let mut row: Vec<f64> =
                x.iter().zip(columns.iter()).map(|(u, c)| c.undo(u.to_f64())).collect();
            places.iter().for_each(|j| row[*j] = fixed[*j]);
            let mut log_w = if fits(&row) { 0.0 } else { f64::NEG_INFINITY };
            if log_w == 0.0 && !places.is_empty() {
                vae.log_prob_each_at(&mut each, &ws, b, &seen, params);
                log_w += places.iter().map(|j| each[*j].to_f64()).sum::<f64>();
            }
            sums.add(log_w);
            if log_w > f64::NEG_INFINITY {
                // Behind the samples of the row's noise.
                let number = first.wrapping_add(b as u64);
                let u: f64 = sampling.address.row(number).sample(u32::MAX).rng().random();
                kept.push(((-(u.max(f64::MIN_POSITIVE)).ln()).ln() - log_w, row));
            }
        }
        keep_least(&mut kept, count);
        drawn += at_a_time;
        effective = if kept.is_empty() { 0.0 } else { sums.clone().estimate().effective };
    }
    let rows = kept.into_iter().flat_map(|(_, row)| row).collect();
    Ok(Conditioned { rows, drawn, effective })
}

/// The rows of the smallest keys, in the order in which they were drawn.
fn keep_least(rows: &mut Vec<(f64, Vec<f64>)>, count: usize) {
    if rows.len() > count {
        let mut keys: Vec<f64> = rows.iter().map(|(key, _)| *key).collect();
        let (_, most, _) = keys.select_nth_unstable_by(count - 1, f64::total_cmp);
        let most = *most;
        rows.retain(|(key, _)| *key <= most);
        rows.truncate(count);
    }
}
