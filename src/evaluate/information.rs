//! How much the latents tell of the data, and of that how much the prior pays for.
//!
//! ```text
//! rate = E_x KL(q(z|x) ‖ p(z)) = I(x; z) + KL(q(z) ‖ p(z)),     q(z) = mean of q(z|x) over the data
//! I(x; z) ≈ (1/N) Σ_n [ log q(z_n|x_n) − log (1/N) Σ_m q(z_n|x_m) ],   z_n a draw from q(z|x_n)
//! ```
//!
//! (Hoffman & Johnson 2016, eq. 8; the rate–distortion view: Alemi et al. 2018.) N rows tell each other apart
//! by at most ln N nats: an estimate near that ceiling says that I is at least as large. The rest of the rate,
//! KL(q(z) ‖ p(z)), is what samples from the prior miss: places where data have no latents, or latents have no prior.

use super::VALUES;
use crate::batch::BatchBuffer;
use crate::data::Part;
use crate::distribution::batch;
use crate::error::Result;
use crate::math;
use crate::parallel;
use crate::real::Real;
use crate::rng::Address;
use crate::vae::{Noise, Pass, Vae, Workspace};
use ndarray::{Array2, s};

/// Rows whose posteriors are compared with each other: their squares are counted.
const ROWS: usize = 2000;

/// Rows that go through the model at a time, if they have not too many values.
const AT_A_TIME: usize = 256;

/// What the lowest latents, which see the data, tell of them.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Information {
    /// The estimate of I(x; z_1), in nats.
    pub nats: f64,
    /// ln N, the most that it can find.
    pub ceiling: f64,
}

/// The mutual information of the data and the latents that are inferred from them alone (the lowest or, top-down, the
/// topmost), over the first rows of `part`; `None` where the
/// posterior cannot score any latent, or there are not two rows.
///
/// # Errors
/// As [`Part::batch`], and if the machine has not the memory.
pub fn mutual_information<T: Real>(
    vae: &Vae<T>,
    params: &[T],
    part: &Part,
    noise: Address,
) -> Result<Option<Information>> {
    let rows = &part.rows()[..part.rows().len().min(ROWS)];
    let n = rows.len();
    let Some(q) = vae.first_posterior().filter(|_| n > 1) else { return Ok(None) };
    let most = AT_A_TIME.min(n).min(VALUES / vae.width()).max(1);
    let mut ws = Workspace::new(vae, most, 1, Pass::Value)?;
    let mut buffer = BatchBuffer::new(most, vae.width(), vae.condition());
    let own = vae.first_own(params);
    parallel::enter(|| {
        let (mut z, mut eta) = (Array2::zeros((0, 0)), Array2::zeros((0, 0)));
        for (chunk, rows) in rows.chunks(most).enumerate() {
            let (first, count) = (chunk * most, rows.len());
            let batch = part.batch(&mut buffer, rows, None)?;
            let numbers: Vec<u64> = (first..first + count).map(|row| row as u64).collect();
            let noise = Noise::new(noise, &numbers);
            let (drawn, emitted) = vae.infer_first(&mut ws, batch, params, noise);
            if chunk == 0 {
                z = Array2::zeros((n, drawn.ncols()));
                eta = Array2::zeros((n, emitted.ncols()));
            }
            z.slice_mut(s![first..first + count, ..]).assign(&drawn);
            eta.slice_mut(s![first..first + count, ..]).assign(&emitted);
        }
        let (mut log_q, mut sum, ln_n) = (vec![T::zero(); n], 0.0, (n as f64).ln());
        for i in 0..n {
            let one = z.slice(s![i..=i, ..]);
            batch::log_prob(&mut log_q, q, &one, &eta.view(), own);
            sum += log_q[i].to_f64() - (math::log_sum_exp(&log_q).to_f64() - ln_n);
        }
        Ok(Some(Information { nats: sum / n as f64, ceiling: ln_n }))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::{Binarize, Dataset, Values};
    use crate::params::Init;
    use crate::rng::Purpose;
    use crate::vae::VaeConfig;

    fn part(rows: usize) -> Part {
        let values = (0..rows * 3).map(|i| f64::from((i * 7 % 11) as u32) / 11.0).collect();
        Part::whole(Dataset::new(Values::F64(values), 3).unwrap(), Binarize::None).unwrap()
    }

    /// An encoder that is deaf tells nothing, one whose posteriors lie far apart tells all that N rows can.
    #[test]
    fn a_deaf_encoder_tells_nothing_and_a_sharp_one_all() {
        let vae = Vae::<f64>::new(VaeConfig::new(3, &[], 2)).unwrap();
        let mut params = vae.init(Init::Uniform, 1, None);
        let noise = Address::new(0, Purpose::Check);
        let mut with = |weight: f64, log_variance: f64| {
            for slot in vae.layout().slots().iter().filter(|s| s.name.starts_with("encoder")) {
                let values = &mut params[slot.range()];
                let half = values.len() / 2;
                let of_weight = if slot.name.ends_with("weight") { weight } else { 0.0 };
                values[..half].iter_mut().enumerate().for_each(|(i, v)| {
                    *v = of_weight * f64::from(i as u32 + 1);
                });
                let of_bias = if slot.name.ends_with("bias") { log_variance } else { 0.0 };
                values[half..].fill(of_bias);
            }
            mutual_information(&vae, &params, &part(11), noise).unwrap().unwrap()
        };
        let deaf = with(0.0, 0.0);
        assert!(deaf.nats.abs() < 1e-12, "{deaf:?}");
        let sharp = with(100.0, -10.0);
        assert!((sharp.nats - sharp.ceiling).abs() < 1e-9, "{sharp:?}");
        assert_eq!(sharp.ceiling, 11f64.ln());
    }
}
