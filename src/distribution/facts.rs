//! What is to be known of a distribution's values before any is seen.

/// What a distribution says of one coordinate of its value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Facts {
    /// The values that it can have.
    pub domain: Domain,
    /// Whether the distribution is still itself when the column is shifted and stretched, so that columns
    /// may be standardised before it sees them. (A variance that is fixed or shared is then one of
    /// standardised columns.)
    pub location_scale: bool,
    /// Whether it learns how far the column spreads, without a bound. The density of a column that is
    /// constant then grows without bound too.
    pub learns_spread: bool,
}

/// A set of values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Domain {
    /// Any real number; log p is a density.
    Real,
    /// 0 or 1. Grey values between them are accepted for training, because every introduction to VAEs
    /// trains on them, but have no probability.
    Bit,
}

/// Whether a distribution can produce a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Support {
    /// It can: log p is a log-probability or a log-density.
    Inside,
    /// It cannot, but the formula still gives a usable training signal, a cross-entropy. Figures that
    /// need a likelihood are then absent, for the reason given.
    CrossEntropy(&'static str),
    /// It cannot, and training on it would be a mistake; the text says what is accepted.
    Outside(&'static str),
}

impl Domain {
    /// Whether log p is a density with respect to length, so that bits per dimension are differential
    /// (they depend on the data's units and can be negative).
    pub fn is_dense(self) -> bool {
        match self {
            Domain::Real => true,
            Domain::Bit => false,
        }
    }

    /// Whether this value is among them.
    pub fn support(self, value: f64) -> Support {
        match self {
            Domain::Real if value.is_finite() => Support::Inside,
            Domain::Real => {
                Support::Outside("finite values are needed; remove or fill in NaN and infinities")
            }
            Domain::Bit if value == 0.0 || value == 1.0 => Support::Inside,
            Domain::Bit if (0.0..=1.0).contains(&value) => Support::CrossEntropy(
                "a Bernoulli gives grey values no probability; binarise the data for a likelihood",
            ),
            Domain::Bit => Support::Outside(
                "a Bernoulli needs values from 0 to 1; rescale the data or use --likelihood normal",
            ),
        }
    }
}
