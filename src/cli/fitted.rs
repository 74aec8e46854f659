//! `elbo sample --prior fitted:components=K`: latents from a mixture of normals that is fitted to those of the
//! training rows.

use crate::Common;
use crate::reading::{DataArgs, Unsaid};
use elbo::error::{Error, Result};
use elbo::family::Spec;
use elbo::fit::GaussianMixture;
use elbo::model_file::Model;
use elbo::rng::{Address, Purpose};
use elbo::vae::Sampling;
use ndarray::Array2;
use std::path::Path;

/// Rows whose latents it is fitted to, at most: so many take some seconds.
const ROWS: usize = 5_000;

/// The number of components that `spec` asks for; none if the model's own prior is meant.
///
/// # Errors
/// If it is neither.
pub(crate) fn components(spec: &str) -> Result<Option<usize>> {
    let spec: Spec = spec.parse()?;
    match spec.name() {
        "model" => spec.only(&[]).map(|()| None),
        "fitted" => {
            spec.only(&["components"])?;
            Ok(Some(spec.whole("components", 1..=1000)?.unwrap_or(10)))
        }
        other => {
            let message = format!("`{other}` is unknown; known are model, fitted:components=K");
            Err(Error::setting("--prior", message))
        }
    }
}

/// `count` latents from the mixture, `[count·Z]`.
pub(crate) fn latents(
    path: &Path,
    model: &Model<f32>,
    data: &DataArgs,
    components: usize,
    count: usize,
    sampling: &Sampling,
    common: &Common,
) -> Result<Vec<f32>> {
    let part = data.open(path, model, Unsaid::Training, common)?;
    let (latent, all) = (model.vae.latent(), part.rows().len());
    // Evenly spread over the part, which may be sorted.
    let step = all.div_ceil(ROWS).max(1);
    let rows: Vec<usize> = part.rows().iter().copied().step_by(step).collect();
    let mut z = vec![0f32; rows.len() * latent];
    model.session(rows.len().clamp(1, 512))?.encode_part(&mut z, &mut [], &part, &rows)?;
    let z = z.into_iter().map(f64::from).collect();
    let z = Array2::from_shape_vec((rows.len(), latent), z).expect("a latent for each row");
    let mixture = GaussianMixture::fit(&z.view(), components, sampling.address.seed)?;
    common.remark(Some(&format!(
        "latents from {components} normals fitted to those of {} training rows: log density {:.2} nats a row",
        rows.len(),
        mixture.mean_log_density(&z.view())
    )));
    let mut drawn = Vec::with_capacity(count * latent);
    for row in 0..count as u64 {
        // The streams from which the model's prior would draw.
        let address = Address { purpose: Purpose::Sample, ..sampling.address };
        let rng = &mut address.level(model.vae.levels()).row(sampling.first + row).rng();
        drawn.extend(mixture.sample(sampling.temperature, rng).into_iter().map(|v| v as f32));
    }
    Ok(drawn)
}
