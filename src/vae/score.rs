//! What a pass found, row by row on average.

/// What a pass found, in nats per row of the batch.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[cfg_attr(feature = "model-file", derive(serde::Serialize))]
pub struct Score {
    /// Minus the objective.
    pub loss: f64,
    /// −log p(x|z), averaged over samples.
    pub reconstruction: f64,
    /// KL(q ‖ p), in closed form where the pass computed it, else averaged over samples.
    pub kl: f64,
}

impl Score {
    /// Adds `weight` times another score: the step of an average over batches.
    pub fn add(&mut self, other: &Score, weight: f64) {
        self.loss += weight * other.loss;
        self.reconstruction += weight * other.reconstruction;
        self.kl += weight * other.kl;
    }

    /// This sum as an average over `rows` rows.
    pub fn mean(&self, rows: f64) -> Score {
        Score {
            loss: self.loss / rows,
            reconstruction: self.reconstruction / rows,
            kl: self.kl / rows,
        }
    }

    /// The score in the data's own units, if the model sees the data in others ([`Volume`]).
    /// Every bound moves as −log p(x|z) does, by a constant of the row.
    ///
    /// [`Volume`]: crate::data::Volume
    pub fn in_units(mut self, log_volume: f64) -> Score {
        self.loss += log_volume;
        self.reconstruction += log_volume;
        self
    }

    /// The first term that is not finite, if any.
    pub fn broken_term(&self) -> Option<&'static str> {
        [("reconstruction", self.reconstruction), ("kl", self.kl), ("loss", self.loss)]
            .into_iter()
            .find_map(|(name, value)| (!value.is_finite()).then_some(name))
    }
}
