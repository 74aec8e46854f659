//! What rows are given: classes that every network of a conditional model sees beside its input.
//!
//! ```text
//! c = [one-hot of the first class | one-hot of the second | …]   [C],  C = the levels of all together
//! ```
//!
//! The levels are those of the training rows. A row of another level has no place among these, and is
//! refused: what a network makes of an input that it has never seen is nobody's guess.

use super::{Dataset, Labels, Part};
use crate::error::{Error, Result};
use crate::real::Real;
use std::collections::BTreeMap;

/// What the labels of data are called among its conditions.
pub const LABEL: &str = "label";

/// One of the classes that a row has, such as its label.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Condition {
    /// The column's name, or [`LABEL`].
    pub name: String,
    /// The classes that there are.
    pub levels: Vec<String>,
}

/// A combination of levels that training rows had.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Combination {
    /// The level's place of each condition.
    pub places: Vec<u32>,
    /// How many of the training rows had it.
    pub rows: u64,
}

/// What the rows of a model's data are given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Conditions {
    list: Vec<Condition>,
    seen: Vec<Combination>,
}

impl Conditions {
    /// These conditions, of which training rows had these combinations.
    ///
    /// # Errors
    /// If there is no condition, or one without levels, or a combination of others or of no rows, or more rows than
    /// can be counted.
    pub fn new(list: Vec<Condition>, seen: Vec<Combination>) -> Result<Self> {
        let odd = |message: &str| Err(Error::setting("condition", message));
        if list.is_empty() || list.iter().any(|condition| condition.levels.is_empty()) {
            return odd("there is one without levels, or none");
        }
        let fits = |combination: &Combination| {
            let of = combination.places.iter().zip(&list);
            combination.places.len() == list.len()
                && of.clone().all(|(place, condition)| (*place as usize) < condition.levels.len())
                && combination.rows > 0
        };
        if seen.is_empty() || !seen.iter().all(fits) {
            return odd("a combination of levels is not of these");
        }
        if seen.iter().try_fold(0u64, |sum, c| sum.checked_add(c.rows)).is_none() {
            return odd("the combinations have more rows than can be counted");
        }
        Ok(Conditions { list, seen })
    }

    /// The classes of these names that the rows of `part` have: columns of classes, or [`LABEL`].
    ///
    /// # Errors
    /// If the data have no such classes, or a name is there twice.
    pub fn of(part: &Part, names: &[String]) -> Result<Self> {
        let classes = names.iter().map(|name| classes(part.data(), name));
        let classes = classes.collect::<Result<Vec<_>>>()?;
        if let Some(twice) = (1..names.len()).find(|i| names[..*i].contains(&names[*i])) {
            return Err(Error::setting("condition", format!("`{}` is there twice", names[twice])));
        }
        let mut combinations = BTreeMap::<Vec<usize>, u64>::new();
        for &row in part.rows() {
            *combinations.entry(classes.iter().map(|c| c.index(row)).collect()).or_default() += 1;
        }
        // Of the data's classes those that these rows have, in the same order.
        let mut list = Vec::new();
        let mut places = Vec::new();
        for (k, (name, classes)) in names.iter().zip(&classes).enumerate() {
            let mut place = vec![None; classes.names().len()];
            combinations.keys().for_each(|key| place[key[k]] = Some(0));
            let (mut levels, mut next) = (Vec::new(), 0u32);
            for (place, level) in place.iter_mut().zip(classes.names()) {
                if let Some(place) = place {
                    (*place, next) = (next, next + 1);
                    levels.push(level.clone());
                }
            }
            list.push(Condition { name: name.clone(), levels });
            places.push(place);
        }
        let seen = combinations.into_iter().map(|(key, rows)| {
            let of = key.iter().zip(&places).map(|(at, place)| place[*at].unwrap_or_default());
            Combination { places: of.collect(), rows }
        });
        Conditions::new(list, seen.collect())
    }

    /// The conditions, in their order in c.
    pub fn list(&self) -> &[Condition] {
        &self.list
    }

    /// The combinations that training rows had, in order.
    pub fn seen(&self) -> &[Combination] {
        &self.seen
    }

    /// Width C of a condition.
    pub fn width(&self) -> usize {
        self.list.iter().map(|condition| condition.levels.len()).sum()
    }

    /// The place of the condition `name`.
    ///
    /// # Errors
    /// If there is none.
    pub fn find(&self, name: &str) -> Result<usize> {
        self.list.iter().position(|condition| condition.name == name).ok_or_else(|| {
            let names = self.list.iter().map(|c| c.name.as_str()).collect::<Vec<_>>().join(", ");
            Error::setting("condition", format!("the model is not given `{name}`, but {names}"))
        })
    }

    /// The place of a level of condition `k`.
    ///
    /// # Errors
    /// If the training rows had no such level.
    ///
    /// # Panics
    /// If there is no such condition.
    pub fn level(&self, k: usize, level: &str) -> Result<u32> {
        let Condition { name, levels } = &self.list[k];
        match levels.iter().position(|known| known == level) {
            Some(place) => Ok(place as u32),
            None => Err(Error::setting(
                "condition",
                format!("no training row has the {name} `{level}`; they have {}", listed(levels)),
            )),
        }
    }

    /// `c ← the one-hots of these levels`, `[C]`.
    ///
    /// # Panics
    /// If `c` has another width, or there is no such level.
    pub fn one_hot<T: Real>(&self, c: &mut [T], places: &[u32]) {
        assert!(c.len() == self.width() && places.len() == self.list.len(), "one level for each");
        c.fill(T::zero());
        let mut first = 0;
        for (condition, place) in self.list.iter().zip(places) {
            c[first + *place as usize] = T::one();
            first += condition.levels.len();
        }
    }
}

/// The first levels, for a message.
fn listed(levels: &[String]) -> String {
    const MOST: usize = 12;
    let first = levels.iter().take(MOST).map(String::as_str).collect::<Vec<_>>().join(", ");
    if levels.len() > MOST { format!("{first}, … ({})", levels.len()) } else { first }
}

/// The classes of data that are called `name`.
fn classes<'a>(data: &'a Dataset, name: &str) -> Result<&'a Labels> {
    let found = if name == LABEL { data.labels() } else { data.classes(name) };
    found.ok_or_else(|| {
        let message = match name {
            LABEL => {
                "the data have no labels: name the column or array that holds them with --label"
                    .to_owned()
            }
            _ => format!("the data have no column `{name}` of classes"),
        };
        Error::setting("condition", message)
    })
}

/// The level that no condition has.
const UNSEEN: u32 = u32::MAX;

/// The conditions of all rows of a dataset.
#[derive(Debug)]
pub(super) struct Given {
    pub(super) conditions: Conditions,
    /// The level's place of each row and condition, or [`UNSEEN`].
    places: Vec<u32>,
}

impl Given {
    /// # Errors
    /// If the data have not the classes.
    pub(super) fn new(data: &Dataset, conditions: &Conditions) -> Result<Self> {
        let k = conditions.list.len();
        let mut places = vec![UNSEEN; data.rows() * k];
        for (at, condition) in conditions.list.iter().enumerate() {
            let classes = classes(data, &condition.name)?;
            let known: BTreeMap<&str, u32> =
                condition.levels.iter().map(String::as_str).zip(0..).collect();
            let of: Vec<u32> = classes
                .names()
                .iter()
                .map(|name| known.get(name.as_str()).copied().unwrap_or(UNSEEN))
                .collect();
            for (row, place) in places[at..].iter_mut().step_by(k).enumerate() {
                *place = of[classes.index(row)];
            }
        }
        Ok(Given { conditions: conditions.clone(), places })
    }

    /// The levels of a row.
    pub(super) fn places(&self, row: usize) -> &[u32] {
        let k = self.conditions.list.len();
        &self.places[row * k..(row + 1) * k]
    }

    /// Why a row has no condition, if the training rows did not have its level.
    pub(super) fn refusal(&self, data: &Dataset, row: usize) -> Option<Error> {
        let k = self.places(row).iter().position(|place| *place == UNSEEN)?;
        let name = &self.conditions.list[k].name;
        let level = classes(data, name).ok()?.name(row);
        match self.conditions.level(k, level).err()? {
            Error::Setting { name, message } => {
                Some(Error::setting(name, format!("row {}: {message}", row + 1)))
            }
            other => Some(other),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::{Binarize, Roles, Source, Values};

    fn data(colours: &[&str], sizes: &[&str]) -> Dataset {
        let values = (0..colours.len()).map(|i| i as f64).collect();
        Dataset::new(Values::F64(values), 1)
            .unwrap()
            .with_labels(Labels::new(colours.iter()))
            .unwrap()
            .with_classes(vec![Labels::new(sizes.iter()).of_column("size".to_owned())])
            .unwrap()
    }

    fn whole(colours: &[&str], sizes: &[&str]) -> Part {
        Part::whole(data(colours, sizes), Binarize::None).unwrap()
    }

    #[test]
    fn a_condition_is_a_one_hot_of_each_class() {
        let part = whole(&["red", "blue", "red", "green"], &["10", "9", "10", "10"]);
        let names = ["label", "size"].map(str::to_owned);
        let conditions = Conditions::of(&part, &names).unwrap();
        assert_eq!(conditions.list()[0].levels, ["blue", "green", "red"]);
        assert_eq!(conditions.list()[1].levels, ["9", "10"]);
        assert_eq!(conditions.width(), 5);
        let seen: Vec<_> = conditions.seen().iter().map(|c| (&c.places[..], c.rows)).collect();
        assert_eq!(seen, [(&[0, 0][..], 1), (&[1, 1][..], 1), (&[2, 1][..], 2)]);
        let mut c = [7.0f32; 5];
        conditions.one_hot(&mut c, &[2, 0]);
        assert_eq!(c, [0.0, 0.0, 1.0, 1.0, 0.0]);
        assert_eq!(conditions.level(1, "9").unwrap(), 0);
        let message = conditions.level(0, "pink").unwrap_err().to_string();
        assert_eq!(
            message,
            "condition: no training row has the label `pink`; they have blue, green, red"
        );
        for names in [&["label", "label"][..], &["shape"]] {
            let names: Vec<_> = names.iter().map(|n| (*n).to_owned()).collect();
            assert!(Conditions::of(&part, &names).is_err(), "{names:?}");
        }
    }

    /// What a forged file may say: rows whose number wraps around to none.
    #[test]
    fn conditions_that_are_none_are_refused() {
        let list = |levels: &[&str]| {
            let levels = levels.iter().map(|l| (*l).to_owned()).collect();
            vec![Condition { name: LABEL.to_owned(), levels }]
        };
        let seen = |rows: &[(u32, u64)]| {
            let of = |&(place, rows)| Combination { places: vec![place], rows };
            rows.iter().map(of).collect::<Vec<_>>()
        };
        assert!(Conditions::new(list(&["a", "b"]), seen(&[(0, 1), (1, u64::MAX - 1)])).is_ok());
        for (levels, rows) in [
            (&["a", "b"][..], &[(0, 1 << 63), (1, 1 << 63)][..]),
            (&["a", "b"], &[(2, 1)]),
            (&["a"], &[(0, 0)]),
            (&["a"], &[]),
            (&[], &[]),
        ] {
            assert!(Conditions::new(list(levels), seen(rows)).is_err(), "{levels:?} {rows:?}");
        }
        assert!(Conditions::new(Vec::new(), Vec::new()).is_err());
    }

    /// Levels are those of the training rows: of other data, rows of others are refused and named.
    #[test]
    fn rows_of_levels_that_nobody_learned_are_refused() {
        let train = whole(&["red", "blue"], &["9", "9"]);
        let conditions = Conditions::of(&train, &["label".to_owned()]).unwrap();
        let mut other = whole(&["blue", "pink", "red"], &["9", "9", "9"]);
        assert_eq!(other.condition_width(), 0);
        other.set_conditions(&conditions).unwrap();
        assert_eq!(other.condition_width(), 2);
        let p = crate::distribution::build::<f32>(&"normal".parse().unwrap()).unwrap();
        let refused = other.screen(&*p).unwrap();
        assert_eq!(refused.iter().map(|r| r.row).collect::<Vec<_>>(), [1]);
        assert!(refused[0].why.to_string().starts_with("condition: row 2: no training row"));
        assert!(other.support(&*p).is_err());
        other.retain(|row| row != 1);
        assert!(other.support(&*p).is_ok() && other.screen(&*p).unwrap().is_empty());
    }

    #[test]
    fn all_parts_are_given_what_the_training_rows_are() {
        let colours = ["a", "b", "a", "b", "a", "b", "a", "b", "a", "b"];
        let roles =
            Roles { validation: 0.2, test: 0.2, limit: None, binarize: Binarize::None, seed: 0 };
        let source = |colours: &[&str]| Source {
            train: data(colours, &["9"; 10]),
            test: None,
            notes: Vec::new(),
        };
        let mut parts = crate::data::Parts::new(source(&colours), roles).unwrap();
        parts.set_conditions(&["label".to_owned()]).unwrap();
        let held_out = [parts.validation.as_ref(), parts.test.as_ref()];
        assert!(held_out.into_iter().flatten().all(|part| part.condition_width() == 2));
        // A class of which only a held-out row is has not been learned.
        let alone = held_out[1].unwrap().rows()[0];
        let mut colours = colours;
        colours[alone] = "c";
        let mut parts = crate::data::Parts::new(source(&colours), roles).unwrap();
        let message = parts.set_conditions(&["label".to_owned()]).unwrap_err().to_string();
        assert!(message.contains(&format!("row {}: no training row has", alone + 1)), "{message}");
    }
}
