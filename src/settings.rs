//! Settings, each said once.
//!
//! `settings!` declares a struct whose fields are settings, a block each:
//!
//! ```text
//! /// Scale gradients down to this global norm.       its help (the first paragraph) and its documentation
//! clip: Option<f64> {                                 its type
//!     flag: "clip" "NORM", OPTIMISATION,              its flag, what the flag's value is called, and its
//!     file: "clip",                                     place in the help; its key in model files
//!     default: None,
//!     range: ABOVE_ZERO,
//!     takes: ["0.5"], refuses: ["0", "-1"],           what the tests try
//! }
//! ```
//!
//! A field `adam: AdamConfig { .. }` is another such struct, whose settings are then also this one's. From
//! the blocks come the struct, its `Default` and `check`, and [`Settings`], the way through all of them; and
//! from that the flags of `elbo train`, the keys of `config.toml` and of checkpoints (which are the flags'
//! names), those of the model file, and one test for all.
//!
//! A file that does not know a setting was written before there was one: it means the default.

use crate::error::{Error, Result, shown};
use crate::family::Spec;
use std::fmt;

#[cfg(feature = "model-file")]
pub mod files;
#[cfg(feature = "cli")]
#[doc(hidden)]
pub mod flags;

/// What is known of a setting besides its value.
#[derive(Clone, Copy, Debug)]
pub struct Setting {
    /// Its name in errors, its flag without the dashes, its key in `config.toml`.
    pub name: &'static str,
    /// What its flag's value is called; nothing for a switch, which turns the default over.
    pub value: &'static str,
    /// The part of the help in which it stands.
    pub heading: &'static str,
    /// Its key in model files.
    pub file: &'static str,
    /// Its documentation.
    pub doc: &'static str,
    /// What it may be.
    pub range: Range,
    /// Values that it takes, as a flag would have them.
    pub takes: &'static [&'static str],
    /// Values that it refuses.
    pub refuses: &'static [&'static str],
}

impl Setting {
    /// The first paragraph of its documentation, on one line.
    pub fn help(&self) -> String {
        let lines = self.doc.lines().map(str::trim).take_while(|line| !line.is_empty());
        lines.collect::<Vec<_>>().join(" ").trim_end_matches('.').to_owned()
    }

    /// Refuses a value that is out of range.
    fn check(&self, value: &dyn Value) -> Result<()> {
        let number = match value.get() {
            Some(Plain::Whole(n)) => n as f64,
            Some(Plain::Real(x)) => x,
            _ => return Ok(()),
        };
        match (self.range.holds)(number) {
            true => Ok(()),
            false => Err(Error::setting(
                self.name,
                format!("{} is not {}", shown(number), self.range.words),
            )),
        }
    }
}

/// The parts of the help.
pub mod heading {
    /// What is learned with.
    pub const MODEL: &str = "Model";
    /// What is maximised.
    pub const OBJECTIVE: &str = "Objective";
    /// How it is maximised.
    pub const OPTIMISATION: &str = "Optimisation";
}

/// What numbers a setting takes.
#[derive(Clone, Copy, Debug)]
pub struct Range {
    /// In words that follow "is not".
    pub words: &'static str,
    /// Whether a number is one of them; not a number never is.
    pub holds: fn(f64) -> bool,
}

/// For what is no number, or any.
pub const ANY: Range = Range { words: "anything", holds: |_| true };
/// At least 1.
pub const AT_LEAST_ONE: Range = Range { words: "at least 1", holds: |n| n >= 1.0 };
/// Above 0 and finite.
pub const ABOVE_ZERO: Range =
    Range { words: "a number above 0", holds: |x| x > 0.0 && x.is_finite() };
/// At least 0 and finite.
pub const NOT_NEGATIVE: Range =
    Range { words: "a number of at least 0", holds: |x| x >= 0.0 && x.is_finite() };

/// A setting's value as flags and files hold it.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "model-file", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(
    feature = "model-file",
    serde(untagged, expecting = "invalid type: expected a number, text, true or false")
)]
pub enum Plain {
    /// A switch.
    Switch(bool),
    /// A count.
    Whole(u64),
    /// A number.
    Real(f64),
    /// A name or a spec.
    Text(String),
}

impl fmt::Display for Plain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Plain::Switch(on) => on.fmt(f),
            Plain::Whole(n) => n.fmt(f),
            Plain::Real(x) => x.fmt(f),
            Plain::Text(text) => text.fmt(f),
        }
    }
}

/// Makes a [`Plain`] of what a flag was given.
pub type Reader = fn(&str) -> std::result::Result<Plain, String>;

/// A type that settings may have.
pub trait Value {
    /// As flags and files hold it; nothing if it is not set.
    fn get(&self) -> Option<Plain>;

    /// Sets it.
    ///
    /// # Errors
    /// If `plain` is of another type or no value of this one; the range is [`Settings::check`]'s.
    fn set(&mut self, plain: Option<Plain>) -> Result<()>;

    /// How a flag's text becomes a [`Plain`] of this type.
    fn reader(&self) -> Reader;
}

/// An error without a name: whoever knows which setting it is gives it one.
fn wrong<V>(message: impl Into<String>) -> Result<V> {
    Err(Error::setting("", message))
}

macro_rules! whole {
    ($($N:ident)*) => {$(
        impl Value for $N {
            fn get(&self) -> Option<Plain> {
                Some(Plain::Whole(*self as u64))
            }

            fn set(&mut self, plain: Option<Plain>) -> Result<()> {
                let value = match plain {
                    Some(Plain::Whole(n)) => $N::try_from(n).ok(),
                    _ => None,
                };
                let Some(n) = value else {
                    return wrong(concat!("invalid type: expected ", stringify!($N)));
                };
                *self = n;
                Ok(())
            }

            fn reader(&self) -> Reader {
                |text| match text.parse::<u64>() {
                    Ok(n) if n > $N::MAX as u64 => Err(format!("{n} is not in 0..={}", $N::MAX)),
                    Ok(n) => Ok(Plain::Whole(n)),
                    Err(e) => Err(e.to_string()),
                }
            }
        }
    )*};
}
whole!(u32 u64 usize);

/// The number that a flag was given. NaN and infinity are refused: no setting takes them, and neither JSON
/// nor a later comparison would.
///
/// # Errors
/// If it is no finite number.
pub fn finite(text: &str) -> std::result::Result<f64, String> {
    text.parse().ok().filter(|x: &f64| x.is_finite()).ok_or("not a finite number".to_owned())
}

impl Value for f64 {
    fn get(&self) -> Option<Plain> {
        Some(Plain::Real(*self))
    }

    fn set(&mut self, plain: Option<Plain>) -> Result<()> {
        *self = match plain {
            Some(Plain::Real(x)) => x,
            Some(Plain::Whole(n)) => n as f64,
            _ => return wrong("invalid type: expected f64"),
        };
        Ok(())
    }

    fn reader(&self) -> Reader {
        |text| finite(text).map(Plain::Real)
    }
}

impl Value for bool {
    fn get(&self) -> Option<Plain> {
        Some(Plain::Switch(*self))
    }

    fn set(&mut self, plain: Option<Plain>) -> Result<()> {
        let Some(Plain::Switch(on)) = plain else {
            return wrong("invalid type: expected true or false");
        };
        *self = on;
        Ok(())
    }

    fn reader(&self) -> Reader {
        |text| text.parse().map(Plain::Switch).map_err(|_| "neither true nor false".to_owned())
    }
}

impl<V: Value + Default> Value for Option<V> {
    fn get(&self) -> Option<Plain> {
        self.as_ref().and_then(V::get)
    }

    fn set(&mut self, plain: Option<Plain>) -> Result<()> {
        *self = None;
        if plain.is_some() {
            self.insert(V::default()).set(plain)?;
        }
        Ok(())
    }

    fn reader(&self) -> Reader {
        V::default().reader()
    }
}

/// Makes a type a [`Value`] that is written as text: `text_value!(Spec, |spec| spec.to_string())` of one
/// that can be parsed.
macro_rules! text_value {
    ($V:ty, $text:expr) => {
        impl $crate::settings::Value for $V {
            fn get(&self) -> Option<$crate::settings::Plain> {
                let text: fn(&$V) -> String = $text;
                Some($crate::settings::Plain::Text(text(self)))
            }

            fn set(&mut self, plain: Option<$crate::settings::Plain>) -> $crate::error::Result<()> {
                let Some($crate::settings::Plain::Text(text)) = plain else {
                    return Err($crate::error::Error::setting("", "invalid type: expected text"));
                };
                *self = text.parse()?;
                Ok(())
            }

            fn reader(&self) -> $crate::settings::Reader {
                |text| Ok($crate::settings::Plain::Text(text.to_owned()))
            }
        }
    };
}
pub(crate) use text_value;

text_value!(Spec, Spec::to_string);

/// What is done with each setting.
pub type Each<'a> = dyn FnMut(&'static Setting, &mut dyn Value) + 'a;

/// What a setting is to be, if it is to be changed.
pub type NewValue<'a> = dyn FnMut(&'static Setting, &dyn Value) -> Option<Option<Plain>> + 'a;

/// A struct of settings: made by `settings!`.
pub trait Settings: Clone + Default {
    /// Calls `each` with every setting and its value, in order.
    fn each(&mut self, each: &mut Each<'_>);

    /// Every setting with its value.
    fn list(&self) -> Vec<(&'static Setting, Option<Plain>)> {
        let mut list = Vec::new();
        self.clone().each(&mut |setting, value| list.push((setting, value.get())));
        list
    }

    /// Sets some values: `value` says what a setting is to be, or nothing if it is to stay.
    ///
    /// # Errors
    /// As [`Value::set`], with the setting's name.
    fn set_each(&mut self, value: &mut NewValue<'_>) -> Result<()> {
        let mut outcome = Ok(());
        self.each(&mut |setting, place| {
            if let (Ok(()), Some(plain)) = (&outcome, value(setting, place)) {
                outcome = place.set(plain).map_err(|error| match error {
                    Error::Setting { name, message } if name.is_empty() => {
                        Error::setting(setting.name, message)
                    }
                    other => other,
                });
            }
        });
        outcome
    }

    /// Checks every range.
    ///
    /// # Errors
    /// Names the first setting that is out of range, and what it takes.
    fn check(&self) -> Result<()> {
        let mut outcome = Ok(());
        self.clone().each(&mut |setting, value| {
            if outcome.is_ok() {
                outcome = setting.check(value);
            }
        });
        outcome
    }
}

/// Declares a struct of settings; see the head of this file.
macro_rules! settings {
    (
        $(#[derive($($derive:ident),+)])?
        $(#[doc = $about:literal])+
        pub struct $Config:ident {
            $($(#[doc = $doc:literal])+ $field:ident: $Type:ty { $($block:tt)+ })+
        }
    ) => {
        $(#[doc = $about])+
        #[derive(Clone, Debug, PartialEq $($(, $derive)+)?)]
        pub struct $Config {
            $($(#[doc = $doc])+ pub $field: $Type,)+
        }

        impl Default for $Config {
            fn default() -> Self {
                $Config { $($field: $crate::settings::settings!(@default $($block)+),)+ }
            }
        }

        impl $Config {
            /// Checks every range.
            ///
            /// # Errors
            /// Names the first setting that is out of range, and what it takes.
            pub fn check(&self) -> $crate::error::Result<()> {
                $crate::settings::Settings::check(self)
            }
        }

        impl $crate::settings::Settings for $Config {
            fn each(&mut self, each: &mut $crate::settings::Each<'_>) {
                $($crate::settings::settings!(
                    @each each, &mut self.$field, concat!($($doc, "\n"),+), $($block)+
                );)+
            }
        }

        #[cfg(feature = "cli")]
        $crate::settings::flags::arguments!($Config);
    };

    (@default ..) => { Default::default() };
    (@default
        flag: $name:literal $value:literal, $heading:expr, file: $file:literal,
        default: $default:expr, $($rest:tt)+
    ) => { $default };

    (@each $each:expr, $place:expr, $doc:expr, ..) => {
        $crate::settings::Settings::each($place, $each)
    };
    (@each $each:expr, $place:expr, $doc:expr,
        flag: $name:literal $value:literal, $heading:expr, file: $file:literal,
        default: $default:expr, range: $range:expr,
        takes: $takes:expr, refuses: $refuses:expr $(,)?
    ) => {
        $each(
            const {
                &$crate::settings::Setting {
                    name: $name,
                    value: $value,
                    heading: $heading,
                    file: $file,
                    doc: $doc,
                    range: $range,
                    takes: &$takes,
                    refuses: &$refuses,
                }
            },
            $place,
        )
    };
}
pub(crate) use settings;
