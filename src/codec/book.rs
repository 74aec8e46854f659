//! Which whole number stands for which value of a column.
//!
//! ```text
//! k = 0 … n − 1     the value x_k in the column's own unit, u_k as the model sees it, and the edge e_k between u_{k−1} and u_k
//! classes, counts   u_k = k
//! a grid            u_k = k/(n − 1)
//! decimals          x_k = (a + k s)/10^d: a price of two decimals in steps of a cent, and u by the column's unit and map
//! ```
//!
//! A value that is none of these has no number and is kept beside the model.

use crate::data::Column;
use crate::distribution::Domain;

/// The values of a column.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Book {
    /// u = 0 … n − 1, which is x but for a unit.
    Whole {
        /// n
        count: u64,
    },
    /// u = 0, 1/(n − 1) … 1
    Grid {
        /// n
        count: u64,
    },
    /// x = (least + k step)/10^decimals
    Decimals {
        /// a
        least: i64,
        /// s, above 0
        step: i64,
        /// d
        decimals: u8,
        /// n
        count: u64,
    },
}

/// The most values that a column can have.
pub const MOST_VALUES: u64 = 1 << 50;

/// The most decimals.
pub const MOST_DECIMALS: u8 = 15;

/// 10^d
fn power_of_ten(decimals: u8) -> f64 {
    (0..decimals).fold(1.0, |power, _| power * 10.0)
}

impl Book {
    /// That of a likelihood's values, where these are known without seeing data.
    pub fn of_domain(domain: Domain) -> Option<Self> {
        match domain {
            Domain::Bit => Some(Book::Whole { count: 2 }),
            Domain::Levels(n) | Domain::Classes(n) => Some(Book::Whole { count: n.into() }),
            Domain::Count => Some(Book::Whole { count: (1 << 24) + 1 }),
            Domain::Grid(n) => Some(Book::Grid { count: n.into() }),
            Domain::Real | Domain::Positive | Domain::Unit => None,
        }
    }

    /// Whether it is one: what a file says need not be.
    pub fn is_sound(&self) -> bool {
        (1..=MOST_VALUES).contains(&self.count())
            && match self {
                Book::Whole { .. } => true,
                Book::Grid { count } => *count > 1,
                Book::Decimals { least, step, decimals, count } => {
                    let last =
                        (*count as i64 - 1).checked_mul(*step).and_then(|d| d.checked_add(*least));
                    *step > 0 && *decimals <= MOST_DECIMALS && last.is_some()
                }
            }
    }

    /// n
    pub fn count(&self) -> u64 {
        match self {
            Book::Whole { count } | Book::Grid { count } | Book::Decimals { count, .. } => *count,
        }
    }

    /// x_k, in the column's own unit.
    pub fn value(&self, k: u64, column: &Column) -> f64 {
        match self {
            // A quotient of whole numbers below 2⁵³ and of 10^d is rounded once, as a decimal that is read is.
            Book::Decimals { least, step, decimals, .. } => {
                (least + k as i64 * step) as f64 / power_of_ten(*decimals)
            }
            Book::Whole { .. } | Book::Grid { .. } => column.undo(self.inner(k as f64)),
        }
    }

    /// u of a k that may lie between two.
    fn inner(&self, k: f64) -> f64 {
        match self {
            Book::Grid { count } => k / (count - 1) as f64,
            Book::Whole { .. } | Book::Decimals { .. } => k,
        }
    }

    /// u of a k that may lie between two, as the model sees the column.
    fn seen_at(&self, k: f64, column: &Column) -> f64 {
        match self {
            Book::Decimals { least, step, decimals, .. } => {
                let x = (*least as f64 + k * *step as f64) / power_of_ten(*decimals);
                column.apply(column.map.as_ref().map_or(x, |map| map.apply(x)))
            }
            Book::Whole { .. } | Book::Grid { .. } => self.inner(k),
        }
    }

    /// u_k, as the model sees it.
    pub fn seen(&self, k: u64, column: &Column) -> f32 {
        self.seen_at(k as f64, column) as f32
    }

    /// e_k
    pub fn edge(&self, k: u64, column: &Column) -> f64 {
        self.seen_at(k as f64 - 0.5, column)
    }

    /// The k of a value in the column's own unit, if `is_it` finds that x_k is that value.
    pub fn number(&self, x: f64, column: &Column, is_it: impl Fn(f64, f64) -> bool) -> Option<u64> {
        let k = match self {
            Book::Decimals { least, step, decimals, .. } => {
                (x * power_of_ten(*decimals) - *least as f64) / *step as f64
            }
            Book::Whole { .. } => column.apply(x),
            Book::Grid { count } => column.apply(x) * (count - 1) as f64,
        }
        .round();
        let is_near = k >= 0.0 && k < self.count() as f64;
        is_near.then_some(k as u64).filter(|k| is_it(self.value(*k, column), x))
    }
}
