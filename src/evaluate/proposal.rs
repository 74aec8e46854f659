//! Where importance samples come from.
//!
//! A posterior that is too narrow, or lies beside the true one (an outlier's often does), never draws the z
//! that matter: the estimate of log p(x) is then too low and its error bar too short. A proposal that reaches
//! further draws z = g(η, ε), as the posterior does, but part of the ε with a standard deviation above 1.
//!
//! ```text
//! ε ~ Σ_c α_c N(0, c² I),  c = 1, 2, 4 … reach              at every level of the chain together
//! ```
//!
//! z is a one-to-one function of ε, so the densities of z under the mixture and under q have the ratio that
//! those of ε have, whatever the posterior is; with Z latents in all and ρ² = ‖ε‖²
//!
//! ```text
//! r(z) / q(z) = Σ_c α_c c^{−Z} exp( ½ ρ² (1 − c⁻²) )
//! ```
//!
//! The term c = 1 keeps a weight from exceeding 1/α₁ times what it is under q (hence "defensive", Hesterberg
//! 1995): the most that can be lost is a factor α₁ of the effective samples. Samples take the c in turn, and
//! α_c is the share that c really has; the estimate of E[w] stays unbiased (the balance heuristic of Veach &
//! Guibas 1995), and the standard error, which takes the samples as drawn from the mixture, errs on the safe
//! side.

use crate::error::{Error, Result};
use crate::family::Spec;
use std::fmt;
use std::str::FromStr;

/// How far `wide` reaches where nothing is said.
const REACH: f64 = 8.0;

/// The distribution that z is drawn from to estimate log p(x).
#[derive(Clone, Debug, PartialEq)]
pub struct Proposal {
    /// Standard deviations of ε that samples take in turn.
    scales: Vec<f64>,
}

impl Proposal {
    /// The posterior itself.
    pub fn posterior() -> Self {
        Proposal { scales: vec![1.0] }
    }

    /// A mixture of the posterior and of itself 2, 4, … times as wide, up to `reach`.
    ///
    /// # Errors
    /// If `reach` is not a power of two from 2 to 1024.
    pub fn wide(reach: f64) -> Result<Self> {
        let scales: Vec<f64> = (0..=10).map(|i| f64::from(1 << i)).collect();
        match scales.iter().position(|c| *c == reach) {
            Some(last @ 1..) => Ok(Proposal { scales: scales[..=last].to_vec() }),
            _ => {
                let message = format!("{reach} is not a power of two from 2 to 1024");
                Err(Error::setting("wide:reach", message))
            }
        }
    }

    /// What to try where this proposal does not reach far enough: [`Self::wide`] as it is by default in place
    /// of the posterior, else the double reach. Nothing reaches further than 1024.
    pub fn wider(&self) -> Option<Self> {
        let reach = self.scales[self.scales.len() - 1];
        Proposal::wide(if reach > 1.0 { 2.0 * reach } else { REACH }).ok()
    }

    /// The standard deviations of ε that samples take in turn.
    pub(super) fn scales(&self) -> &[f64] {
        &self.scales
    }

    /// The mixture that `samples` samples of `latents` numbers come from.
    pub(super) fn mixture(&self, samples: usize, latents: usize) -> Mixture {
        let count = self.scales.len();
        // Sample s has scale s mod count.
        let share = |c| (samples / count + usize::from(c < samples % count)) as f64;
        let parts = self.scales.iter().enumerate().filter(|(c, _)| share(*c) > 0.0);
        let parts = parts.map(|(c, scale)| {
            let constant = (share(c) / samples as f64).ln() - latents as f64 * scale.ln();
            (constant, 0.5 * (1.0 - scale.powi(-2)))
        });
        Mixture { parts: if count == 1 { Vec::new() } else { parts.collect() } }
    }
}

impl fmt::Display for Proposal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.scales[..] {
            [_] => f.write_str("posterior"),
            [.., reach] => write!(f, "wide:reach={reach}"),
            [] => unreachable!("there is always the posterior"),
        }
    }
}

impl FromStr for Proposal {
    type Err = Error;

    /// `posterior`, `wide` or `wide:reach=R`.
    fn from_str(text: &str) -> Result<Self> {
        let spec: Spec = text.parse()?;
        match spec.name() {
            "posterior" => {
                spec.only(&[])?;
                Ok(Proposal::posterior())
            }
            "wide" => {
                spec.only(&["reach"])?;
                Proposal::wide(spec.number("reach")?.unwrap_or(REACH))
            }
            name => {
                let message =
                    format!("`{name}` is no proposal; known are posterior, wide and wide:reach=R");
                Err(Error::setting("proposal", message))
            }
        }
    }
}

/// How much likelier a draw is under a proposal than under the posterior.
pub(super) struct Mixture {
    /// ln α_c − Z ln c, and what ρ² is multiplied by. Empty for the posterior itself.
    parts: Vec<(f64, f64)>,
}

impl Mixture {
    /// log r(z)/q(z); `squared_noise` gives ρ².
    pub(super) fn log_ratio(&self, squared_noise: impl FnOnce() -> f64) -> f64 {
        if self.parts.is_empty() {
            return 0.0;
        }
        let square = squared_noise();
        let terms = self.parts.iter().map(|(constant, factor)| constant + factor * square);
        let max = terms.clone().fold(f64::NEG_INFINITY, f64::max);
        max + terms.map(|t| (t - max).exp()).sum::<f64>().ln()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_proposal_is_read_as_it_is_written() {
        for text in ["posterior", "wide:reach=2", "wide:reach=64"] {
            assert_eq!(text.parse::<Proposal>().unwrap().to_string(), text);
        }
        assert_eq!("wide".parse::<Proposal>().unwrap(), Proposal::wide(8.0).unwrap());
        for text in ["narrow", "wide:reach=3", "wide:reach=1", "wide:scale=2", "posterior:reach=2"]
        {
            assert!(text.parse::<Proposal>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_wider_proposal_is_found_up_to_the_widest() {
        let wider = |text: &str| {
            text.parse::<Proposal>().unwrap().wider().map(|proposal| proposal.to_string())
        };
        assert_eq!(wider("posterior").unwrap(), "wide:reach=8");
        assert_eq!(wider("wide:reach=2").unwrap(), "wide:reach=4");
        assert_eq!(wider("wide:reach=512").unwrap(), "wide:reach=1024");
        assert_eq!(wider("wide:reach=1024"), None);
    }

    /// By the definition, in one and in three dimensions, for a number of samples that is no multiple of
    /// the number of scales, and for one so small that two of them are never drawn.
    #[test]
    fn the_ratio_is_that_of_the_densities() {
        let log_normal = |square: f64, z: f64, c: f64| {
            -0.5 * z * (std::f64::consts::TAU * c * c).ln() - 0.5 * square / (c * c)
        };
        for (samples, shares) in [(6, [2.0, 2.0, 1.0, 1.0]), (2, [1.0, 1.0, 0.0, 0.0])] {
            for latents in [1, 3] {
                let mixture = Proposal::wide(8.0).unwrap().mixture(samples, latents);
                for square in [0.0, 0.3, 7.0, 2000.0] {
                    let z = latents as f64;
                    let r = [1.0, 2.0, 4.0, 8.0].iter().zip(shares).map(|(c, share)| {
                        let density = log_normal(square, z, *c) - log_normal(square, z, 8.0);
                        share / samples as f64 * density.exp()
                    });
                    let want = r.sum::<f64>().ln() + log_normal(square, z, 8.0)
                        - log_normal(square, z, 1.0);
                    let found = mixture.log_ratio(|| square);
                    assert!((found - want).abs() < 1e-9 * want.abs().max(1.0), "{found} {want}");
                }
            }
        }
    }
}
