//! What the rows of a conditional model are given, as its file says.

use crate::data::{Combination, Condition, Conditions, Numbers, Scale};
use crate::error::{Error, Result};
use serde::{Deserialize, Serialize};

/// As [`Conditions`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ConditionsHeader {
    /// The conditions, in their order beside a row.
    pub list: Vec<ConditionHeader>,
    /// The combinations of values that training rows had.
    pub seen: Vec<CombinationHeader>,
}

/// As [`Condition`]: of levels, or a number, or an exposure.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[allow(missing_docs)]
pub struct ConditionHeader {
    pub name: String,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub levels: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub number: Option<NumbersHeader>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exposure: Option<NumbersHeader>,
}

/// As [`Numbers`].
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[allow(missing_docs)]
pub struct NumbersHeader {
    pub mean: f64,
    pub spread: f64,
    pub least: f64,
    pub most: f64,
}

/// As [`Combination`]; before there were numbers, the values were called places.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[allow(missing_docs)]
pub struct CombinationHeader {
    #[serde(alias = "places")]
    pub values: Vec<f64>,
    pub rows: u64,
}

impl From<&Conditions> for ConditionsHeader {
    fn from(conditions: &Conditions) -> Self {
        let numbers = |n: Numbers| {
            Some(NumbersHeader { mean: n.mean, spread: n.spread, least: n.least, most: n.most })
        };
        let of = |Condition { name, scale }: &Condition| {
            let named = ConditionHeader { name: name.clone(), ..ConditionHeader::default() };
            match scale {
                Scale::Classes(levels) => ConditionHeader { levels: levels.clone(), ..named },
                Scale::Number(n) => ConditionHeader { number: numbers(*n), ..named },
                Scale::Exposure(n) => ConditionHeader { exposure: numbers(*n), ..named },
            }
        };
        let seen = |c: &Combination| CombinationHeader { values: c.values.clone(), rows: c.rows };
        ConditionsHeader {
            list: conditions.list().iter().map(of).collect(),
            seen: conditions.seen().iter().map(seen).collect(),
        }
    }
}

impl ConditionHeader {
    /// The condition.
    ///
    /// # Errors
    /// If it is of several kinds.
    fn condition(&self) -> Result<Condition> {
        let numbers = |n: &NumbersHeader| {
            let NumbersHeader { mean, spread, least, most } = *n;
            Numbers { mean, spread, least, most }
        };
        let scale = match (&self.number, &self.exposure) {
            (None, None) => Scale::Classes(self.levels.clone()),
            (Some(n), None) if self.levels.is_empty() => Scale::Number(numbers(n)),
            (None, Some(n)) if self.levels.is_empty() => Scale::Exposure(numbers(n)),
            _ => {
                let message = format!("`{}` is of two kinds", self.name);
                return Err(Error::setting("condition", message));
            }
        };
        Ok(Condition { name: self.name.clone(), scale })
    }
}

impl ConditionsHeader {
    /// What the rows are given.
    ///
    /// # Errors
    /// As [`Conditions::new`].
    pub(super) fn conditions(&self) -> Result<Conditions> {
        let list = self.list.iter().map(ConditionHeader::condition).collect::<Result<_>>()?;
        let seen = |c: &CombinationHeader| Combination { values: c.values.clone(), rows: c.rows };
        Conditions::new(list, self.seen.iter().map(seen).collect())
    }
}
