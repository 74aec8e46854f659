//! A mixture of normals with full covariance matrices, fitted to rows by expectation–maximisation.
//!
//! ```text
//! Shapes    x [N, D]   weights π [C], means m_c [D], covariances Σ_c = L_c L_cᵀ [D, D]
//! E         r_nc = π_c N(x_n; m_c, Σ_c)/Σ_k π_k N(x_n; m_k, Σ_k)
//! M         N_c = Σ_n r_nc,  π_c = N_c/N,  m_c = Σ_n r_nc x_n/N_c,
//!           Σ_c = Σ_n r_nc (x_n − m_c)(x_n − m_c)ᵀ/N_c + λ I,   λ = 10⁻⁶ of the columns' mean variance
//! Start     means by k-means++ (Arthur & Vassilvitskii 2007), all with the covariance of the whole
//! Source    Dempster, Laird & Rubin 1977; Bishop 2006, section 9.2.2
//! ```
//!
//! Fitted to the latents of the training rows it is where the data are in latent space, which the prior is
//! only on average: samples from it look more like the data (Ghosh et al. 2020, "From variational to deterministic
//! autoencoders", section 4).

use crate::error::{Error, Result};
use crate::math::{LN_2PI, log_sum_exp};
use crate::rng::{Address, ChaCha8Rng, Purpose};
use ndarray::{Array1, Array2, ArrayView1, ArrayView2, Axis};
use rand::RngExt;
use rand_distr::{Distribution as _, StandardNormal};

/// A mixture of normals.
#[derive(Clone, Debug)]
pub struct GaussianMixture {
    components: Vec<Component>,
}

#[derive(Clone, Debug)]
struct Component {
    weight: f64,
    mean: Array1<f64>,
    /// L, lower triangular.
    factor: Array2<f64>,
}

/// No more passes than these, and the rise of the mean log-likelihood that ends them earlier.
const PASSES: usize = 100;
const RISE: f64 = 1e-4;

/// What is added to variances, of the columns' mean variance.
const RIDGE: f64 = 1e-6;

impl GaussianMixture {
    /// Fits `components` normals to rows.
    ///
    /// # Errors
    /// If there are not two rows for each component, or a value is not finite.
    pub fn fit(x: &ArrayView2<f64>, components: usize, seed: u64) -> Result<Self> {
        let refuse = |message: String| Err(Error::setting("components", message));
        if components == 0 || x.nrows() < 2 * components {
            return refuse(format!("{components} cannot be fitted to {} rows", x.nrows()));
        }
        if x.iter().any(|v| !v.is_finite()) {
            return refuse("cannot be fitted to values that are not finite".to_owned());
        }
        let ridge = ridge(x);
        let whole = Component::of(x, &Array1::ones(x.nrows()).view(), ridge);
        let mut rng = Address::new(seed, Purpose::Init).rng();
        let start = |mean: Array1<f64>| Component {
            weight: 1.0 / components as f64,
            mean,
            factor: whole.factor.clone(),
        };
        let means = plus_plus(x, components, &mut rng);
        let mut mixture = GaussianMixture { components: means.into_iter().map(start).collect() };
        let mut before = f64::NEG_INFINITY;
        for _ in 0..PASSES {
            let (shares, log_likelihood) = mixture.shares(x);
            let of = |c: usize| Component::of(x, &shares.column(c), ridge);
            mixture.components = (0..components).map(of).collect();
            if log_likelihood - before < RISE {
                break;
            }
            before = log_likelihood;
        }
        Ok(mixture)
    }

    /// r `[N, C]`, and the mean log-likelihood of a row.
    fn shares(&self, x: &ArrayView2<f64>) -> (Array2<f64>, f64) {
        let mut shares = Array2::zeros((x.nrows(), self.components.len()));
        let mut sum = 0.0;
        for (x, mut shares) in x.rows().into_iter().zip(shares.rows_mut()) {
            for (share, component) in shares.iter_mut().zip(&self.components) {
                *share = component.weight.ln() + component.log_density(&x);
            }
            let log_p = log_sum_exp(shares.as_slice().expect("a row"));
            shares.mapv_inplace(|l| (l - log_p).exp());
            sum += log_p;
        }
        (shares, sum / x.nrows() as f64)
    }

    /// The mean of log p(x) over rows, in nats.
    pub fn mean_log_density(&self, x: &ArrayView2<f64>) -> f64 {
        self.shares(x).1
    }

    /// A draw, whose distance from its component's mean is `temperature` times as large.
    pub fn sample(&self, temperature: f64, rng: &mut ChaCha8Rng) -> Array1<f64> {
        let mut rest = rng.random::<f64>();
        let chosen = self.components.iter().find(|component| {
            rest -= component.weight;
            rest < 0.0
        });
        let component = chosen.unwrap_or_else(|| self.components.last().expect("a component"));
        let eps = Array1::from_shape_simple_fn(component.mean.len(), || {
            let eps: f64 = StandardNormal.sample(rng);
            temperature * eps
        });
        &component.mean + &component.factor.dot(&eps)
    }
}

impl Component {
    /// The normal of rows with these shares.
    fn of(x: &ArrayView2<f64>, shares: &ArrayView1<f64>, ridge: f64) -> Self {
        let count = shares.sum().max(f64::MIN_POSITIVE);
        let mean = shares.dot(x) / count;
        let mut scaled = x - &mean.view().insert_axis(Axis(0));
        for (mut row, share) in scaled.rows_mut().into_iter().zip(shares) {
            row *= share.max(0.0).sqrt();
        }
        let mut covariance = scaled.t().dot(&scaled) / count;
        covariance.diag_mut().iter_mut().for_each(|v| *v += ridge);
        let factor = cholesky(&covariance);
        Component { weight: count / x.nrows() as f64, mean, factor }
    }

    fn log_density(&self, x: &ArrayView1<f64>) -> f64 {
        let (mut eps, mut sum) = (Vec::with_capacity(x.len()), 0.0);
        for j in 0..x.len() {
            let row = self.factor.row(j);
            let known: f64 = eps.iter().zip(row).map(|(eps, l)| eps * l).sum();
            let eps_j = (x[j] - self.mean[j] - known) / row[j];
            sum += LN_2PI + eps_j * eps_j + 2.0 * row[j].ln();
            eps.push(eps_j);
        }
        -0.5 * sum
    }
}

/// What is added to variances.
fn ridge(x: &ArrayView2<f64>) -> f64 {
    let variance = x.var_axis(Axis(0), 0.0).mean().unwrap_or(0.0);
    RIDGE * if variance > 0.0 { variance } else { 1.0 }
}

/// L of a positive-definite matrix, lower triangular.
fn cholesky(a: &Array2<f64>) -> Array2<f64> {
    let n = a.nrows();
    let mut l = Array2::<f64>::zeros((n, n));
    for i in 0..n {
        for j in 0..=i {
            let known: f64 = (0..j).map(|k| l[[i, k]] * l[[j, k]]).sum();
            let rest = a[[i, j]] - known;
            // By rounding alone it may fall to 0.
            l[[i, j]] = if i == j { rest.max(1e-12 * a[[i, i]]).sqrt() } else { rest / l[[j, j]] };
        }
    }
    l
}

/// Rows far from each other: each is drawn with odds as its squared distance from those before.
fn plus_plus(x: &ArrayView2<f64>, count: usize, rng: &mut ChaCha8Rng) -> Vec<Array1<f64>> {
    let mut means: Vec<Array1<f64>> = vec![x.row(rng.random_range(0..x.nrows())).to_owned()];
    let mut nearest = vec![f64::INFINITY; x.nrows()];
    while means.len() < count {
        let last = means.last().expect("one at least");
        for (nearest, x) in nearest.iter_mut().zip(x.rows()) {
            let square = x.iter().zip(last).map(|(a, b)| (a - b) * (a - b)).sum::<f64>();
            *nearest = nearest.min(square);
        }
        let mut rest = rng.random::<f64>() * nearest.iter().sum::<f64>();
        let next = nearest.iter().position(|square| {
            rest -= square;
            rest < 0.0
        });
        means.push(x.row(next.unwrap_or(x.nrows() - 1)).to_owned());
    }
    means
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows_of(mixture: &GaussianMixture, n: usize, seed: u64) -> Array2<f64> {
        let mut rng = Address::new(seed, Purpose::Check).rng();
        let rows: Vec<f64> = (0..n).flat_map(|_| mixture.sample(1.0, &mut rng)).collect();
        Array2::from_shape_vec((n, rows.len() / n), rows).unwrap()
    }

    fn known() -> GaussianMixture {
        let component = |weight, mean: [f64; 2], l: [f64; 3]| Component {
            weight,
            mean: Array1::from(mean.to_vec()),
            factor: ndarray::array![[l[0], 0.0], [l[1], l[2]]],
        };
        GaussianMixture {
            components: vec![
                component(0.7, [0.0, 0.0], [1.0, 0.8, 0.3]),
                component(0.3, [5.0, -2.0], [0.4, 0.0, 0.7]),
            ],
        }
    }

    /// Fitted to draws it finds what made them.
    #[test]
    fn it_finds_the_mixture_that_made_the_rows() {
        let known = known();
        let x = rows_of(&known, 20_000, 1);
        let found = GaussianMixture::fit(&x.view(), 2, 0).unwrap();
        let mut components = found.components.clone();
        components.sort_by(|a, b| b.weight.total_cmp(&a.weight));
        for (found, known) in components.iter().zip(&known.components) {
            assert!((found.weight - known.weight).abs() < 0.015, "{found:?}");
            assert!((&found.mean - &known.mean).iter().all(|d| d.abs() < 0.05), "{found:?}");
            assert!((&found.factor - &known.factor).iter().all(|d| d.abs() < 0.05), "{found:?}");
        }
        let fresh = rows_of(&known, 20_000, 2);
        let lost = known.mean_log_density(&fresh.view()) - found.mean_log_density(&fresh.view());
        assert!((-0.001..0.002).contains(&lost), "{lost}");
    }

    /// More components than the rows have places, a column that is constant, rows that are all alike.
    #[test]
    fn poor_rows_are_survived_or_refused() {
        let few =
            Array2::from_shape_fn((40, 2), |(i, j)| if j == 0 { (i % 3) as f64 } else { 1.0 });
        let mixture = GaussianMixture::fit(&few.view(), 6, 0).unwrap();
        let mut rng = Address::new(0, Purpose::Check).rng();
        assert!((0..100).all(|_| mixture.sample(1.0, &mut rng).iter().all(|v| v.is_finite())));
        let alike = Array2::from_elem((10, 2), 3.0);
        let draw = GaussianMixture::fit(&alike.view(), 2, 0).unwrap().sample(1.0, &mut rng);
        assert!((draw[0] - 3.0).abs() < 0.1, "{draw}");
        assert!(GaussianMixture::fit(&few.view(), 30, 0).is_err());
        let broken = Array2::from_elem((10, 2), f64::NAN);
        assert!(GaussianMixture::fit(&broken.view(), 2, 0).is_err());
    }
}
