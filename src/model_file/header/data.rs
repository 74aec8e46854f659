//! What a model file says of the data that the model was trained on.

use crate::data::{Bytes, Dataset};
use crate::error::Result;
use serde::{Deserialize, Serialize};

/// The data and the roles of its rows.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DataHeader {
    /// The name of embedded data; files have none here.
    pub embedded: Option<String>,
    /// Rows that were offered for training, before roles and limit.
    pub rows: usize,
    /// [`crate::data::Dataset::fingerprint`] of these, in hexadecimal.
    pub fingerprint: String,
    /// As [`crate::data::Roles`].
    pub validation: f64,
    /// As [`crate::data::Roles`].
    pub test: f64,
    /// As [`crate::data::Roles`].
    pub limit: Option<usize>,
    /// As [`crate::data::Roles`].
    pub binarize: String,
    /// The column that held labels, if there was one.
    #[serde(default)]
    pub label: Option<String>,
    /// How the data was read, if it was a table in text.
    #[serde(default)]
    pub table: Option<TableHeader>,
    /// What bytes stood for: the name of a [`Bytes`], or `none` if the values were numbers.
    #[serde(default = "levels")]
    pub bytes: String,
}

/// As [`crate::data::TableLayout`]; with whether the first line held names, and if not the columns' numbers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[allow(missing_docs)]
pub struct TableHeader {
    pub header: bool,
    pub comment: Option<char>,
    pub columns: Option<Vec<usize>>,
}

impl TableHeader {
    /// How these data were read, if they were a table in text.
    pub(super) fn of(data: &Dataset) -> Option<Self> {
        let comment = data.table()?.comment.map(char::from);
        let columns = data.columns().numbers();
        Some(TableHeader { header: columns.is_none(), comment, columns })
    }
}

/// What bytes stood for before the header said so.
fn levels() -> String {
    Bytes::Levels.name().to_owned()
}

/// The bytes of data whose values were numbers.
pub(super) const NO_BYTES: &str = "none";

impl DataHeader {
    /// What bytes stood for, unless the values were numbers.
    ///
    /// # Errors
    /// If the name is unknown.
    pub fn bytes(&self) -> Result<Option<Bytes>> {
        match self.bytes.as_str() {
            NO_BYTES => Ok(None),
            name => name.parse().map(Some),
        }
    }
}
