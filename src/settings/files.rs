//! Settings in files: under the keys of a model file, or under their flags' names.

use super::{Plain, Setting, Settings};
use serde::{Serialize, Serializer};
use serde_json::{Map, Value};

/// A way to write settings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Spelling {
    /// As a model file holds them: under their own keys; what is not set is `null`.
    Model,
    /// As `config.toml` and a checkpoint hold them: as flags. What is not set is left out, and a switch
    /// says whether it was given.
    Flags,
}

impl Spelling {
    fn key(self, setting: &Setting) -> &'static str {
        match self {
            Spelling::Model => setting.file,
            Spelling::Flags => setting.name,
        }
    }

    /// A switch that was given turns its default over.
    fn turned(self, value: Option<Plain>, default: Option<&Plain>) -> Option<Plain> {
        match (self, value, default) {
            (Spelling::Flags, Some(Plain::Switch(on)), Some(Plain::Switch(default))) => {
                Some(Plain::Switch(on != *default))
            }
            (_, value, _) => value,
        }
    }
}

/// Settings as entries of a file, in order.
#[derive(Clone, Debug)]
pub struct Entries(Vec<(&'static str, Option<Plain>)>);

impl Serialize for Entries {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(key, value)| (key, value)))
    }
}

/// The entries of all settings of `config`.
pub fn entries<C: Settings>(config: &C, spelling: Spelling) -> Entries {
    let defaults = C::default().list();
    let pairs = config.list().into_iter().zip(defaults);
    let entries = pairs.map(|((setting, value), (_, default))| {
        (spelling.key(setting), spelling.turned(value, default.as_ref()))
    });
    Entries(entries.filter(|(_, value)| spelling == Spelling::Model || value.is_some()).collect())
}

/// Takes the settings out of `map`. What it does not hold has its default.
///
/// # Errors
/// One line, if a value is not of its setting's type.
pub fn take<C: Settings>(map: &mut Map<String, Value>, spelling: Spelling) -> Result<C, String> {
    let mut config = C::default();
    let mut bad = None;
    let outcome = config.set_each(&mut |setting, default| {
        let value = map.remove(spelling.key(setting))?;
        match serde_json::from_value::<Option<Plain>>(value) {
            Ok(value) => Some(spelling.turned(value, default.get().as_ref())),
            Err(e) => {
                bad.get_or_insert(format!("{}: {e}", spelling.key(setting)));
                None
            }
        }
    });
    match (bad, outcome) {
        (Some(message), _) => Err(message),
        (None, outcome) => outcome.map(|()| config).map_err(|e| e.to_string()),
    }
}
