//! How the rows of a source are divided, and how their values are binarised.

use crate::error::{Error, Result};

/// How grey values in [0, 1] become 0 or 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Binarize {
    /// They stay grey.
    None,
    /// 1 above one half.
    Threshold,
    /// A coin with the value as its odds, thrown once.
    Static,
    /// The same for validation and test rows; a fresh coin each time a training row is drawn
    /// (Burda et al. 2016).
    Dynamic,
}

impl Binarize {
    /// Every way there is.
    pub const ALL: [Binarize; 4] =
        [Binarize::None, Binarize::Threshold, Binarize::Static, Binarize::Dynamic];

    /// Its name on the command line and in the model file.
    pub fn name(self) -> &'static str {
        match self {
            Binarize::None => "none",
            Binarize::Threshold => "threshold",
            Binarize::Static => "static",
            Binarize::Dynamic => "dynamic",
        }
    }
}

impl std::str::FromStr for Binarize {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        Binarize::ALL.into_iter().find(|b| b.name() == text).ok_or_else(|| {
            let names = Binarize::ALL.map(Binarize::name).join(", ");
            Error::setting("binarize", format!("`{text}` is unknown; known are {names}"))
        })
    }
}

/// How the rows of a [`Source`](crate::data::Source) are divided.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Roles {
    /// Share of the training rows that is set aside for validation, in [0, 1).
    pub validation: f64,
    /// Share of the rows that becomes the test part where the data has none of its own, in [0, 1).
    pub test: f64,
    /// At most so many training rows are used, the first ones.
    pub limit: Option<usize>,
    /// How values are binarised.
    pub binarize: Binarize,
    /// Seed of the division and of the training rows' coins.
    pub seed: u64,
}

impl Roles {
    /// Checks the ranges.
    ///
    /// # Errors
    /// Names the setting that is out of range.
    pub fn check(&self) -> Result<()> {
        for (name, share) in [("validation", self.validation), ("test", self.test)] {
            if !(0.0..1.0).contains(&share) {
                return Err(Error::setting(
                    name,
                    format!("a fraction of {share} is not in [0, 1)"),
                ));
            }
        }
        match self.limit {
            Some(0) => Err(Error::setting("limit", "must be at least 1 row")),
            _ => Ok(()),
        }
    }
}
