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
    /// Whether NaN stands for a value that is missing, and is left out.
    pub missing: bool,
}

impl Facts {
    /// What is to be known of most: these values, and nothing else.
    pub const fn of(domain: Domain) -> Self {
        Facts { domain, location_scale: false, learns_spread: false, missing: false }
    }
}

/// A set of values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Domain {
    /// Any real number; log p is a density.
    Real,
    /// Any number above 0; log p is a density.
    Positive,
    /// Any number from 0 to 1; log p is a density.
    Unit,
    /// 0 or 1. Grey values between them are accepted for training, because every introduction to VAEs
    /// trains on them, but have no probability.
    Bit,
    /// 0, 1, 2 and so on.
    Count,
    /// 0, 1 … n − 1, for an n of at least 2.
    Levels(u32),
    /// One of n classes without an order, numbered from 0, for an n of at least 2.
    Classes(u32),
    /// n equal steps from 0 to 1, for an n of at least 2: k/(n − 1) for k = 0, 1 … n − 1.
    Grid(u32),
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
        matches!(self, Domain::Real | Domain::Positive | Domain::Unit)
    }

    /// Whether values can be latents, of which log p has a gradient in x, or near ones: that of a coin is linear
    /// in x. Nobody asks for it of other values, which are data.
    pub fn is_smooth(self) -> bool {
        matches!(self, Domain::Real | Domain::Bit)
    }

    /// One of them, to stand where there is none.
    pub(crate) fn any(self) -> f64 {
        match self {
            Domain::Positive => 1.0,
            Domain::Unit => 0.5,
            _ => 0.0,
        }
    }

    /// Whether this value is among them.
    pub fn support(self, value: f64) -> Support {
        let whole = |value: f64| value >= 0.0 && value.fract() == 0.0;
        let inside = match self {
            Domain::Real => value.is_finite(),
            Domain::Positive => value.is_finite() && value > 0.0,
            Domain::Unit => (0.0..=1.0).contains(&value),
            Domain::Bit => value == 0.0 || value == 1.0,
            Domain::Count => whole(value) && value <= MOST,
            Domain::Levels(n) | Domain::Classes(n) => whole(value) && value < f64::from(n),
            Domain::Grid(n) => {
                let step = value * f64::from(n - 1);
                (0.0..=1.0).contains(&value) && (step - step.round()).abs() <= OFF_GRID
            }
        };
        match self {
            _ if inside => Support::Inside,
            Domain::Bit if (0.0..=1.0).contains(&value) => Support::CrossEntropy(
                "a Bernoulli gives grey values no probability; binarise the data for a likelihood",
            ),
            Domain::Real => {
                Support::Outside("finite values are needed; remove or fill in NaN and infinities")
            }
            Domain::Positive => Support::Outside(
                "values above 0 are needed; shift the column, or use --likelihood normal",
            ),
            Domain::Unit => Support::Outside(
                "values from 0 to 1 are needed; rescale the data or use --likelihood normal",
            ),
            Domain::Bit => Support::Outside(
                "a Bernoulli needs values from 0 to 1; rescale the data or use --likelihood normal",
            ),
            Domain::Count => Support::Outside(
                "counts (0, 1, 2 and so on) are needed; use --likelihood normal for other numbers",
            ),
            Domain::Levels(_) | Domain::Classes(_) => Support::Outside(
                "whole numbers from 0 are needed, below the number of values that the likelihood was given",
            ),
            Domain::Grid(_) => Support::Outside(
                "values on the likelihood's grid from 0 to 1 are needed; tell it how many levels the data have",
            ),
        }
    }
}

/// The largest count: single precision has all whole numbers up to it.
pub(crate) const MOST: f64 = (1 << 24) as f64;

/// How far from a step of its grid a value may lie, in steps: single precision rounds a value of 16 bits by less.
const OFF_GRID: f64 = 0.01;
