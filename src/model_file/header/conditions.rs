//! What the rows of a conditional model are given, as its file says.

use crate::data::{Combination, Condition, Conditions};
use crate::error::Result;
use serde::{Deserialize, Serialize};

/// As [`Conditions`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ConditionsHeader {
    /// The classes, in their order in a condition.
    pub list: Vec<ConditionHeader>,
    /// The combinations of levels that training rows had.
    pub seen: Vec<CombinationHeader>,
}

/// As [`Condition`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[allow(missing_docs)]
pub struct ConditionHeader {
    pub name: String,
    pub levels: Vec<String>,
}

/// As [`Combination`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[allow(missing_docs)]
pub struct CombinationHeader {
    pub places: Vec<u32>,
    pub rows: u64,
}

impl From<&Conditions> for ConditionsHeader {
    fn from(conditions: &Conditions) -> Self {
        let of = |c: &Condition| ConditionHeader { name: c.name.clone(), levels: c.levels.clone() };
        let seen = |c: &Combination| CombinationHeader { places: c.places.clone(), rows: c.rows };
        ConditionsHeader {
            list: conditions.list().iter().map(of).collect(),
            seen: conditions.seen().iter().map(seen).collect(),
        }
    }
}

impl ConditionsHeader {
    /// What the rows are given.
    ///
    /// # Errors
    /// As [`Conditions::new`].
    pub(super) fn conditions(&self) -> Result<Conditions> {
        let of = |c: &ConditionHeader| Condition { name: c.name.clone(), levels: c.levels.clone() };
        let seen = |c: &CombinationHeader| Combination { places: c.places.clone(), rows: c.rows };
        Conditions::new(self.list.iter().map(of).collect(), self.seen.iter().map(seen).collect())
    }
}
