//! Which settings somebody chose, so that what fits the data does not overrule them.

use clap::parser::ValueSource;
use std::collections::BTreeSet;

/// The settings that somebody chose, by a flag or in a file; the others are defaults.
#[derive(Clone, Debug, Default)]
pub(crate) struct Chosen(BTreeSet<String>);

impl Chosen {
    /// Those on the command line.
    pub(crate) fn of(matches: &clap::ArgMatches) -> Self {
        let ids = matches.ids().map(clap::Id::as_str);
        let given = ids.filter(|id| matches.value_source(id) == Some(ValueSource::CommandLine));
        Chosen(given.map(|id| id.replace('_', "-")).collect())
    }

    /// These and others.
    pub(crate) fn and(mut self, others: Chosen) -> Self {
        self.0.extend(others.0);
        self
    }

    /// The setting `key` too.
    pub(crate) fn add(&mut self, key: String) {
        self.0.insert(key);
    }

    /// Whether the setting `key` is among them.
    pub(crate) fn has(&self, key: &str) -> bool {
        self.0.contains(key)
    }
}
