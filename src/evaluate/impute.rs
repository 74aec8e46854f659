//! What may stand where values are missing: draws from p(x_missing | x_observed).
//!
//! ```text
//! z_s ~ q(z|x_obs),  w_s = p(x_obs|z_s) p(z_s)/q(z_s|x_obs)      s = 1 … S, the weights of log p(x_obs)
//! draw  s with probability w_s/Σ w, then x ~ p(x|z_s), of which the observed columns are not looked at
//! ```
//!
//! As S grows the draws become those of the model's own conditional distribution (sampling importance resampling; Rubin
//! 1987, of these models Mattei & Frellsen 2019). Several draws of a row are independent given its S samples.

use super::{Evaluator, number};
use crate::data::Part;
use crate::error::{Error, Result};
use crate::parallel;
use crate::real::Real;
use crate::rng::Address;
use crate::vae::{Noise, Vae};
use rand::RngExt;

/// Calls `each` with every row of the part, by its number in the data, and `draws` draws of all its columns, `[draws·D]` in their
/// own units; from `samples` importance samples of each row.
///
/// # Errors
/// If a number is 0 or too large, or the data cannot be read any more; and what `each` says.
pub fn completions<T: Real>(
    vae: &Vae<T>,
    params: &[T],
    part: &Part,
    samples: usize,
    draws: usize,
    address: Address,
    each: &mut dyn FnMut(usize, &[f64]) -> Result<()>,
) -> Result<()> {
    if samples == 0 || samples > u32::MAX as usize {
        return Err(Error::setting("samples", "must be from 1 to 2³² − 1"));
    }
    let (mut evaluator, width) = (Evaluator::new(vae, samples)?, vae.width());
    let (mut row_of, mut shown) = (vec![T::zero(); width], vec![0.0; draws * width]);
    for rows in part.rows().chunks(evaluator.ws.max_rows()) {
        let batch = part.batch(&mut evaluator.buffer, rows, None)?;
        let mut numbers = vec![0; rows.len()];
        let noise = Noise::new(address, number(&mut numbers, &batch));
        let ws = &mut evaluator.ws;
        parallel::enter(|| vae.forward(ws, batch, params, noise, false));
        for (b, (row, number)) in rows.iter().zip(&numbers).enumerate() {
            let log_w: Vec<f64> = (0..samples).map(|k| ws.log_weight(b, k)).collect();
            let most = log_w.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            let weights: Vec<f64> = log_w.iter().map(|w| (w - most).exp()).collect();
            let total: f64 = weights.iter().sum();
            // Behind those of the samples.
            let mut rng = address.row(*number).sample(u32::MAX).rng();
            for shown in shown.chunks_exact_mut(width) {
                let mut at = rng.random::<f64>() * total;
                let chosen = weights.iter().position(|w| {
                    at -= w;
                    at < 0.0
                });
                let k = chosen.unwrap_or(samples - 1);
                vae.draw_at(&mut row_of, ws, b * samples + k, params, &mut rng);
                for ((shown, x), column) in shown.iter_mut().zip(&row_of).zip(part.columns().iter())
                {
                    *shown = column.undo(x.to_f64());
                }
            }
            each(*row, &shown)?;
        }
    }
    Ok(())
}
