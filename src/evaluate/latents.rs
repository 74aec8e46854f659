//! What each latent carries of the data.
//!
//! ```text
//! KL_j = mean over rows of KL( q(z_j|x) ‖ p(z_j) )
//! ```
//!
//! is a bound on what z_j tells about x: the mutual information under q is KL_j − KL(q(z_j) ‖ p(z_j)),
//! with q(z_j) the mean of the posteriors. A latent whose KL_j is next to 0 has the same posterior for
//! every row; the decoder has learned not to listen to it (Bowman et al. 2016, section 3.1, of all
//! latents at once; Burda et al. 2016, section 5.2, count active ones).

use super::VALUES;
use crate::batch::BatchBuffer;
use crate::data::Part;
use crate::error::Result;
use crate::parallel;
use crate::real::Real;
use crate::vae::{Pass, Vae, Workspace};
use ndarray::{Array2, s};

/// Rows that go through the encoder at a time, if they have not too many values.
const ROWS: usize = 256;

/// A latent that carries less than this tells nothing, in nats.
pub const IDLE: f64 = 0.01;

/// `[Z]`: the KL of each latent, averaged over `rows` of a part, in nats. `None` where there is no
/// closed form for it ([`Vae::has_closed_form_kl`]), or no row.
///
/// # Errors
/// As [`Part::batch`], and if the machine has not the memory.
pub fn kl_per_latent<T: Real>(
    vae: &Vae<T>,
    params: &[T],
    part: &Part,
    rows: &[usize],
) -> Result<Option<Vec<f64>>> {
    if !vae.has_closed_form_kl() || rows.is_empty() {
        return Ok(None);
    }
    let (width, latent) = (vae.width(), vae.latent());
    let most = ROWS.min(rows.len()).min(VALUES / width).max(1);
    let mut ws = Workspace::new(vae, most, 1, Pass::Value)?;
    let mut buffer = BatchBuffer::new(most, width, vae.condition());
    let mut z = Array2::zeros((most, latent));
    let mut sums = vec![0.0; latent];
    parallel::enter(|| {
        for rows in rows.chunks(most) {
            let batch = part.batch(&mut buffer, rows, None)?;
            let mut z = z.slice_mut(s![..rows.len(), ..]);
            vae.encode(z.view_mut(), &mut ws, batch, params);
            // The means are of no use here; the KLs take their place.
            vae.posterior_kl(z.view_mut(), &ws);
            for kl in z.rows() {
                sums.iter_mut().zip(kl).for_each(|(sum, kl)| *sum += kl.to_f64());
            }
        }
        Ok(Some(sums.iter().map(|sum| sum / rows.len() as f64).collect()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::{Binarize, Dataset, Values};
    use crate::objective;
    use crate::params::Init;
    use crate::rng::{Address, Purpose};
    use crate::vae::{Noise, VaeConfig};
    use ndarray::ArrayView2;

    /// They add up to the KL of the score, and a latent that the encoder is deaf to has none.
    #[test]
    fn the_latents_share_the_kl() {
        let values = (0..600 * 3).map(|i| f64::from(i % 7) / 7.0).collect();
        let data = Dataset::new(Values::F64(values), 3).unwrap();
        let part = Part::whole(data, Binarize::None).unwrap();
        let vae = Vae::<f64>::new(VaeConfig::new(3, &[5], 2)).unwrap();
        let mut params = vae.init(Init::Uniform, 1, None);
        let head = vae.layout().slots().iter();
        for slot in head.filter(|slot| slot.name.starts_with("encoder.0.head")) {
            let rows = slot.shape[0];
            let row = slot.range().len() / rows;
            // Mean and log-variance of the second latent.
            for j in [1, 3] {
                params[slot.range()][j * row..][..row].fill(0.0);
            }
        }
        let kl = kl_per_latent(&vae, &params, &part, part.rows()).unwrap().unwrap();
        assert_eq!(kl[1], 0.0);
        assert!(kl[0] > IDLE, "{kl:?}");

        let mut ws = Workspace::new(&vae, 600, 1, Pass::Value).unwrap();
        let mut x = vec![0.0; 600 * 3];
        part.gather(&mut x, part.rows(), None).unwrap();
        let x = ArrayView2::from_shape((600, 3), &x).unwrap();
        let rows: Vec<u64> = (0..600).collect();
        let noise = Noise::new(Address::new(0, Purpose::Test), &rows);
        let elbo = objective::build::<f64>(&"elbo".parse().unwrap()).unwrap();
        let score = vae.loss(&mut ws, &x, &params, noise, &*elbo, 1.0);
        assert!((kl[0] - score.kl).abs() < 1e-12, "{kl:?} and {score:?}");

        // Two levels have no closed form.
        let mut config = VaeConfig::new(3, &[5], 2);
        config.levels.push(config.levels[0].clone());
        let vae = Vae::<f64>::new(config).unwrap();
        let params = vae.init(Init::Uniform, 1, None);
        assert!(kl_per_latent(&vae, &params, &part, part.rows()).unwrap().is_none());
    }
}
