//! Families of interchangeable parts: layers, distributions, priors, objectives.
//!
//! A member of a family is one file, and one line in the family's list (the macro `family!`). From that
//! line come its name on the command line, its place in the model file and its gradient checks.
//! How a member is configured is a [`Spec`], written `name:key=value,key=value`, or
//! `name=value:key=value` where one setting goes without saying. A value may be a spec itself, of a member that
//! is made of others: `mixture:of=laplace`, and in parentheses where it has settings,
//! `mixture:of=(laplace:scale=learned),components=3`.

use crate::error::{Error, Result};
use crate::real::Real;
use std::any::{Any, TypeId};
use std::fmt;
use std::ops::RangeInclusive;

/// A member's name and settings, written `name` or `name:key=value,key=value`, with a first value
/// `name=value:…` for members that have one.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Spec {
    name: String,
    value: Option<String>,
    args: Vec<(String, String)>,
}

impl Spec {
    /// A spec without settings.
    pub fn new(name: &str) -> Self {
        Spec { name: name.to_owned(), value: None, args: Vec::new() }
    }

    /// The same spec with this value of the member itself.
    pub fn with_value(self, value: impl fmt::Display) -> Self {
        Spec { value: Some(value.to_string()), ..self }
    }

    /// The same spec with one more setting.
    pub fn with(mut self, key: &str, value: impl fmt::Display) -> Self {
        self.args.push((key.to_owned(), value.to_string()));
        self
    }

    /// The member's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The value of the member itself, if it was given.
    pub fn value(&self) -> Option<&str> {
        self.value.as_deref()
    }

    /// The value of `key`, if it was given.
    pub fn get(&self, key: &str) -> Option<&str> {
        self.args.iter().find(|(k, _)| k == key).map(|(_, v)| v.as_str())
    }

    /// The value of `key` as a number, if it was given.
    ///
    /// # Errors
    /// If it is not a finite number.
    pub fn number(&self, key: &str) -> Result<Option<f64>> {
        let Some(text) = self.get(key) else { return Ok(None) };
        match text.parse::<f64>() {
            Ok(v) if v.is_finite() => Ok(Some(v)),
            _ => Err(Error::setting(
                format!("{}:{key}", self.name),
                format!("`{text}` is not a finite number"),
            )),
        }
    }

    /// The value of `key` as a whole number of that range, if it was given.
    ///
    /// # Errors
    /// If it is none.
    pub fn whole(&self, key: &str, range: RangeInclusive<usize>) -> Result<Option<usize>> {
        let Some(text) = self.get(key) else { return Ok(None) };
        match text.parse() {
            Ok(value) if range.contains(&value) => Ok(Some(value)),
            _ => {
                let (least, most) = range.into_inner();
                let message = format!("`{text}` is not a whole number from {least} to {most}");
                Err(Error::setting(format!("{}:{key}", self.name), message))
            }
        }
    }

    /// The settings, in the order in which they were given.
    pub fn settings(&self) -> impl Iterator<Item = (&str, &str)> {
        self.args.iter().map(|(key, value)| (&**key, &**value))
    }

    /// The value of `key` as a spec, if it was given.
    ///
    /// # Errors
    /// If it is none.
    pub fn spec(&self, key: &str) -> Result<Option<Spec>> {
        self.get(key).map(str::parse).transpose()
    }

    /// The same spec with one more setting, which is a spec.
    pub fn with_spec(self, key: &str, spec: &Spec) -> Self {
        let text = spec.to_string();
        self.with(key, if text.contains([':', '=']) { format!("({text})") } else { text })
    }

    /// Refuses settings that are not among `keys`, and a value of the member itself.
    ///
    /// # Errors
    /// Names the first unknown key and the known ones.
    pub fn only(&self, keys: &[&str]) -> Result<()> {
        match &self.value {
            Some(value) => {
                let message = format!("`{}` takes no value, but is given `{value}`", self.name);
                Err(Error::setting(&self.name, message))
            }
            None => self.only_value_and(keys),
        }
    }

    /// Refuses settings that are not among `keys`.
    ///
    /// # Errors
    /// Names the first unknown key and the known ones.
    pub fn only_value_and(&self, keys: &[&str]) -> Result<()> {
        match self.args.iter().find(|(k, _)| !keys.contains(&k.as_str())) {
            None => Ok(()),
            Some((k, _)) if keys.is_empty() => Err(Error::setting(
                format!("{}:{k}", self.name),
                format!("`{}` has no settings", self.name),
            )),
            Some((k, _)) => {
                let message = format!("unknown setting; `{}` knows {}", self.name, keys.join(", "));
                Err(Error::setting(format!("{}:{k}", self.name), message))
            }
        }
    }
}

impl std::str::FromStr for Spec {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let text = inside(text.trim());
        let (name, rest) = text.split_once(':').unwrap_or((text, ""));
        let (name, value) = match name.split_once('=') {
            Some((name, value)) => (name, Some(value.trim().to_owned())),
            None => (name, None),
        };
        let mut spec = Spec { value, ..Spec::new(name.trim()) };
        if spec.name.is_empty() {
            return Err(Error::setting(
                format!("`{text}`"),
                "a name is missing; write `name` or `name:key=value`",
            ));
        }
        if depths(rest).any(|depth| depth > DEEPEST) {
            // What builds a member builds those in it: a file of somebody else must not decide how deep.
            let message = format!("a spec in a spec may be {DEEPEST} deep");
            return Err(Error::setting(format!("`{}…`", head(text)), message));
        }
        if depths(rest).any(|depth| depth < 0) || depths(rest).last().is_some_and(|depth| depth > 0)
        {
            let message = "parentheses do not match";
            return Err(Error::setting(format!("`{text}`"), message));
        }
        for pair in pieces(rest).filter(|p| !p.trim().is_empty()) {
            let Some((key, value)) = pair.split_once('=') else {
                return Err(Error::setting(
                    format!("`{text}`"),
                    format!("`{pair}` is not of the form key=value"),
                ));
            };
            if !value.trim_start().starts_with('(') && value.contains(':') {
                return Err(Error::setting(
                    format!("`{}`", key.trim()),
                    format!("`{}` has settings: put it in parentheses", head(value)),
                ));
            }
            if spec.get(key.trim()).is_some() {
                return Err(Error::setting(
                    format!("`{text}`"),
                    format!("`{}` is given twice", key.trim()),
                ));
            }
            spec.args.push((key.trim().to_owned(), value.trim().to_owned()));
        }
        Ok(spec)
    }
}

/// How deep parentheses may stand in each other.
const DEEPEST: i32 = 8;

/// As much of a text as a message has room for.
fn head(text: &str) -> String {
    text.chars().take(40).collect()
}

/// What is in the parentheses around all of `text`, if there are any.
fn inside(text: &str) -> &str {
    let Some(rest) = text.strip_prefix('(').and_then(|rest| rest.strip_suffix(')')) else {
        return text;
    };
    if depths(rest).all(|depth| depth >= 0) { rest } else { text }
}

/// How many parentheses are open behind each character.
fn depths(text: &str) -> impl Iterator<Item = i32> {
    text.chars().scan(0, |depth, c| {
        *depth += i32::from(c == '(') - i32::from(c == ')');
        Some(*depth)
    })
}

/// What stands between the commas that are in no parentheses.
fn pieces(text: &str) -> impl Iterator<Item = &str> {
    let mut depths = depths(text);
    text.split(move |c| depths.next() == Some(0) && c == ',')
}

impl fmt::Display for Spec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)?;
        if let Some(value) = &self.value {
            write!(f, "={value}")?;
        }
        for (i, (key, value)) in self.args.iter().enumerate() {
            write!(f, "{}{key}={value}", if i == 0 { ':' } else { ',' })?;
        }
        Ok(())
    }
}

/// What a family knows of one of its members.
pub struct Member<O> {
    /// Its name in specs.
    pub name: &'static str,
    /// One line for the help: what it is, with its settings.
    pub summary: &'static str,
    /// Makes it from its settings.
    pub build: fn(&Spec) -> Result<O>,
    /// Specs that together reach every branch of its code; each is gradient-checked.
    pub examples: &'static [&'static str],
}

/// Builds the member that `spec` names.
///
/// # Errors
/// If there is none of that name (the message lists them), or its settings are refused.
pub fn build<O>(family: &str, members: &[Member<O>], spec: &Spec) -> Result<O> {
    match members.iter().find(|m| m.name == spec.name) {
        Some(member) => (member.build)(spec),
        None => {
            let names: Vec<_> = members.iter().map(|m| m.name).collect();
            Err(Error::setting(
                family,
                format!("`{}` is unknown; known are {}", spec.name, names.join(", ")),
            ))
        }
    }
}

/// The one of two lists that is for T. Neither list is generic, so that their members are compiled once, in this
/// crate, and not again in every program that uses one.
///
/// # Panics
/// If `T` is neither `f32` nor `f64`.
pub(crate) fn of_type<T: Real, F32: 'static, F64: 'static, List: 'static>(
    single: fn() -> F32,
    double: fn() -> F64,
) -> List {
    let is_single = TypeId::of::<T>() == TypeId::of::<f32>();
    let list: Box<dyn Any> = if is_single { Box::new(single()) } else { Box::new(double()) };
    *list.downcast().expect("models compute in f32 or in f64")
}

/// A family's list: `family!(Trait, "what a member is called": file, file, …)` declares the files
/// as modules and collects their `member()` functions.
macro_rules! family {
    ($object:ident, $what:literal: $($file:ident),* $(,)?) => {
        $(pub mod $file;)*

        #[doc = concat!("Every ", $what, " there is.")]
        pub fn members<T: $crate::real::Real>() -> Vec<$crate::family::Member<Box<dyn $object<T>>>> {
            type List<T> = Vec<$crate::family::Member<Box<dyn $object<T>>>>;
            #[inline(never)]
            fn single() -> List<f32> {
                vec![$($file::member()),*]
            }
            #[inline(never)]
            fn double() -> List<f64> {
                vec![$($file::member()),*]
            }
            $crate::family::of_type::<T, _, _, _>(single, double)
        }

        #[doc = concat!("Makes the ", $what, " that `spec` names.")]
        ///
        /// # Errors
        /// If the name or one of its settings is unknown or out of range.
        pub fn build<T: $crate::real::Real>(spec: &$crate::family::Spec) -> $crate::error::Result<Box<dyn $object<T>>> {
            $crate::family::build($what, &members(), spec)
        }
    };
}
pub(crate) use family;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn specs_survive_a_round_trip() {
        for text in [
            "normal",
            "normal:variance=1",
            "a:b=1,c=x",
            "a=3",
            "a=3:b=1",
            "a:b=(c:d=(e:f=1,g=2),h=3),i=4",
        ] {
            assert_eq!(text.parse::<Spec>().unwrap().to_string(), text);
        }
        assert_eq!(
            " normal : variance = 2 ".parse::<Spec>().unwrap().to_string(),
            "normal:variance=2"
        );
    }

    #[test]
    fn bad_specs_say_what_is_wrong() {
        for (text, part) in [
            ("", "name is missing"),
            ("a:b", "key=value"),
            ("a:b=1,b=2", "twice"),
            ("a:b=(c", "match"),
            ("a:b=c:d=1", "parentheses"),
        ] {
            let message = text.parse::<Spec>().unwrap_err().to_string();
            assert!(message.contains(part), "{message}");
        }
        let deep = |depth: usize| format!("a:b={}c{}", "(a:b=".repeat(depth), ")".repeat(depth));
        let parse = |depth: usize| deep(depth).parse::<Spec>();
        assert!(parse(8).is_ok());
        assert!(parse(100_000).unwrap_err().to_string().contains("8 deep"));
        let spec: Spec = "normal:varience=1".parse().unwrap();
        assert!(spec.only(&["variance"]).unwrap_err().to_string().contains("knows variance"));
        let spec: Spec = "normal:variance=nan".parse().unwrap();
        assert!(spec.number("variance").is_err());
    }
}
