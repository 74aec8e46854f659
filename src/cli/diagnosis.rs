//! What is off, in plain words, a line each. At the end of a run: latents that carry nothing, a loss that was still
//! falling, fewer rows than parameters; where it failed, what may help. After an evaluation: latents that lie where
//! the prior does not, a bound that is loose, samples that a classifier tells from the data.

use crate::metrics::Epoch;
use crate::run::Run;
use crate::terminal::thousands;
use elbo::data::Parts;
use elbo::error::Result;
use elbo::evaluate::{Auc, IDLE, Information, kl_per_latent};
use elbo::vae::Vae;
use serde_json::{Value, json};

/// Rows that are enough to tell what a latent carries.
const ROWS: usize = 10_000;

/// What as many epochs again must bring, at the pace of the last ones, to be worth a word; nats per row.
const WORTH: f64 = 0.2;

/// From these on an evaluation's finding is worth a word: nats of the rate that tell nothing, nats between bound and
/// log p(x), and how often generated rows are told from others.
const MISSED: f64 = 0.5;
const LOOSE: f64 = 1.0;
const TOLD_APART: f64 = 0.7;

/// What was found.
pub(crate) struct Diagnosis {
    /// Latents that carry nothing, of how many. Unknown where the KL has no closed form.
    idle: Option<(usize, usize)>,
    /// How much the loss fell over the last epochs, if it was still falling, and over how many.
    falling: Option<(f64, usize)>,
    /// Whether the loss is that of validation rows.
    validated: bool,
    rows: usize,
    parameters: usize,
}

impl Diagnosis {
    /// Looks at the weights to keep, over test rows, else validation rows, else training rows; and at the
    /// epochs, of which there are none to judge where patience has.
    pub(crate) fn of(
        vae: &Vae<f32>,
        params: &[f32],
        parts: &Parts,
        epochs: &[Epoch],
    ) -> Result<Self> {
        let part = parts.test.as_ref().or(parts.validation.as_ref()).unwrap_or(&parts.train);
        let rows = &part.rows()[..part.rows().len().min(ROWS)];
        let kl = kl_per_latent(vae, params, part, rows)?;
        let losses: Vec<_> = epochs.iter().map(|epoch| epoch.loss).collect();
        Ok(Diagnosis {
            idle: kl.map(|kl| (kl.iter().filter(|kl| **kl < IDLE).count(), kl.len())),
            falling: falling(&losses),
            validated: parts.validation.is_some(),
            rows: parts.train.rows().len(),
            parameters: vae.layout().parameters(),
        })
    }

    /// A line for each thing that should be known.
    pub(crate) fn remarks(&self) -> Vec<String> {
        let mut lines = Vec::new();
        if let Some((idle, all)) = self.idle.filter(|(idle, _)| *idle > 0) {
            lines.push(idle_latents(idle, all));
        }
        if let Some((fall, epochs)) = self.falling {
            let which = if self.validated { "validation" } else { "training" };
            let when = match epochs {
                1 => "in the last epoch".to_owned(),
                _ => format!("in the last {epochs} epochs"),
            };
            lines.push(format!(
                "the {which} loss was still falling, by {fall:.2} nats {when}: more --epochs would be \
                 better"
            ));
        }
        if self.rows < self.parameters {
            let watch = match self.validated {
                true => "",
                false => {
                    "; --validation 0.1 keeps the weights that are best on rows it did not see"
                }
            };
            lines.push(format!(
                "the {} training rows are fewer than the {} parameters{watch}",
                thousands(self.rows),
                thousands(self.parameters)
            ));
        }
        lines
    }

    /// The same as data.
    pub(crate) fn to_json(&self) -> Value {
        json!({
            "latents": self.idle.map(|(_, all)| all),
            "idle_latents": self.idle.map(|(idle, _)| idle),
            "still_falling": self.falling.is_some(),
            "training_rows": self.rows,
            "parameters": self.parameters,
        })
    }
}

fn idle_latents(idle: usize, all: usize) -> String {
    format!(
        "{idle} of {all} latents carry nothing (a KL below {IDLE} nats): a smaller --latent would lose nothing, a \
         smaller --beta may give them something"
    )
}

/// What an evaluation found, of which [`Self::remarks`] says what is off.
pub(crate) struct Found {
    /// The rate, of all levels.
    pub(crate) kl: f64,
    /// What the latents tell of the rows, where they are of one level.
    pub(crate) information: Option<Information>,
    /// Latents that carry nothing, of how many.
    pub(crate) idle: Option<(usize, usize)>,
    /// How well generated rows are told from these.
    pub(crate) auc: Option<Auc>,
    /// From the bound to log p(x), where that is known well enough.
    pub(crate) gap: Option<f64>,
}

impl Found {
    /// A line for each thing that is off, with what may help. What could as well be chance is not said.
    pub(crate) fn remarks(&self) -> Vec<String> {
        let mut lines = Vec::new();
        // The most that so many rows can tell says nothing of the rest.
        let told = self.information.filter(|i| i.nats < 0.9 * i.ceiling);
        if let Some(Information { nats, .. }) = told {
            let missed = self.kl - nats;
            if missed > 0.25 * self.kl && missed > MISSED {
                lines.push(format!(
                    "of the KL only {nats:.2} nats tell rows apart; the other {missed:.2} are how far the latents \
                     of all rows lie from the prior, whose samples then are like none of them: elbo sample --prior \
                     fitted:components=20, or train with --prior vamp"
                ));
            }
        }
        if let Some((idle, all)) = self.idle.filter(|(idle, _)| *idle > 0) {
            lines.push(idle_latents(idle, all));
        }
        if let Some(gap) = self.gap.filter(|gap| *gap > LOOSE) {
            lines.push(format!(
                "the bound lies {gap:.2} nats below log p(x): the posterior cannot have the shape that it should; \
                 --posterior full-normal or iaf:steps=2, or --objective iwae --samples 16, come closer"
            ));
        }
        if let Some(Auc { value, standard_error }) = self.auc
            && value - 2.0 * standard_error > TOLD_APART
        {
            lines.push(format!(
                "of a generated row and one of these a classifier knows which is which {:.0} times in 100 (50 is \
                 chance): train longer or wider, or try another --likelihood or --prior",
                100.0 * value
            ));
        }
        lines
    }
}

/// By how much a loss fell from the last quarter of the epochs but one to the last quarter, and the
/// epochs of a quarter: if that is worth something and more than twice its standard error, as the
/// scatter within the quarters shows it. A steady fall is far above that; epochs that only scatter, or
/// end with a rise, are not. Of few epochs, which show no scatter, each must be below the one before.
fn falling(losses: &[f64]) -> Option<(f64, usize)> {
    let quarter = losses.len() / 4;
    let (fall, sure) = match (quarter, losses) {
        (2.., _) => {
            let last = &losses[losses.len() - quarter..];
            let before = &losses[losses.len() - 2 * quarter..losses.len() - quarter];
            let (last_mean, last_error) = mean(last);
            let (mean, error) = mean(before);
            let fall = mean - last_mean;
            (fall, fall > 2.0 * last_error.hypot(error) && last[quarter - 1] <= last_mean)
        }
        (_, [.., before, last]) => (before - last, losses.is_sorted_by(|a, b| a > b)),
        _ => return None,
    };
    let span = quarter.max(1);
    (sure && fall * losses.len() as f64 > WORTH * span as f64).then_some((fall, span))
}

/// The mean of some numbers, and its standard error.
fn mean(numbers: &[f64]) -> (f64, f64) {
    let n = numbers.len() as f64;
    let mean = numbers.iter().sum::<f64>() / n;
    let squares = numbers.iter().map(|x| (x - mean).powi(2)).sum::<f64>();
    (mean, (squares / (n - 1.0) / n).sqrt())
}

/// What may keep a loss finite from step `step` on, of all that this run does not do already. `units`:
/// whether its columns could be standardised and are not.
pub(crate) fn remedies(run: &Run, step: u64, units: bool) -> String {
    let mut remedies = vec![match units {
        true => "show columns in units of their spread (--standardize yes)".to_owned(),
        false => "look for extreme values in the data".to_owned(),
    }];
    // Nothing has moved before the first step.
    if step > 1 {
        if run.train.clip.is_none() {
            remedies.push("clip the gradient (--clip 10)".to_owned());
        }
        let lr = run.train.learning_rate;
        remedies.push(format!("lower the learning rate (--lr, now {lr})"));
        let decay = lr * run.train.adam.weight_decay;
        if decay >= 1.0 {
            let what = "a step takes the weights to the other side of 0";
            remedies.push(format!("lower --weight-decay (times --lr it is {decay}: {what})"));
        }
    }
    remedies.reverse(); // the likeliest first
    remedies.join(", or ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_off_is_said_and_nothing_else() {
        let fine = || Found {
            kl: 4.0,
            information: Some(Information { nats: 3.7, ceiling: 7.0 }),
            idle: Some((0, 3)),
            auc: Some(Auc { value: 0.6, standard_error: 0.01 }),
            gap: Some(0.3),
        };
        let said = |found: Found| found.remarks().join("\n");
        assert_eq!(said(fine()), "");
        // Little information; so much that the rows could tell no more; none known.
        let with = |nats, ceiling| {
            said(Found { information: Some(Information { nats, ceiling }), ..fine() })
        };
        assert!(with(1.5, 7.0).contains("the other 2.50 are"), "{}", with(1.5, 7.0));
        assert_eq!(with(1.5, 1.6), "");
        assert_eq!(said(Found { information: None, ..fine() }), "");
        assert!(said(Found { idle: Some((2, 3)), ..fine() }).starts_with("2 of 3 latents"));
        assert!(said(Found { gap: Some(2.5), ..fine() }).contains("2.50 nats below"));
        let auc = |value, standard_error| {
            said(Found { auc: Some(Auc { value, standard_error }), ..fine() })
        };
        assert!(auc(0.93, 0.01).contains("93 times in 100"));
        assert_eq!(auc(0.93, 0.2), "");
    }

    #[test]
    fn a_fall_is_told_from_scatter() {
        // A loss that comes down as 1/epoch does, with some scatter.
        let scatter = |i: usize| ((i * 7919) % 13) as f64 / 13.0 - 0.5;
        let curve = |scale: f64, noise: f64| -> Vec<f64> {
            (1..=40).map(|i| 100.0 + scale / i as f64 + noise * scatter(i)).collect()
        };
        let (fall, epochs) = falling(&curve(100.0, 0.1)).expect("it falls");
        assert!((0.5..1.5).contains(&fall) && epochs == 10, "{fall} over {epochs}");
        assert_eq!(falling(&curve(0.0, 1.0)), None);
        assert_eq!(falling(&curve(-100.0, 0.1)), None);
        // By less than anybody would train for.
        assert_eq!(falling(&curve(1.0, 0.0)), None);
        assert_eq!(falling(&[9.0, 7.0, 5.0, 3.0]), Some((2.0, 1)));
        assert_eq!(falling(&[9.0, 7.0, 8.0, 3.0]), None);
        assert_eq!(falling(&[9.0]), None);
    }
}
