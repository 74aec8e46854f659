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

fn wanted(names: &[&str]) -> Vec<Wanted> {
    names.iter().map(|name| name.parse().unwrap()).collect()
}

#[test]
fn a_condition_is_a_one_hot_of_each_class() {
    let part = whole(&["red", "blue", "red", "green"], &["10", "9", "10", "10"]);
    let conditions = Conditions::of(&part, &wanted(&["label", "size"])).unwrap();
    assert_eq!(conditions.list()[0].scale.levels().unwrap(), ["blue", "green", "red"]);
    assert_eq!(conditions.list()[1].scale.levels().unwrap(), ["9", "10"]);
    assert_eq!(conditions.width(), 5);
    let seen: Vec<_> = conditions.seen().iter().map(|c| (&c.values[..], c.rows)).collect();
    assert_eq!(seen, [(&[0.0, 0.0][..], 1), (&[1.0, 1.0][..], 1), (&[2.0, 1.0][..], 2)]);
    let mut c = [7.0f32; 5];
    conditions.encode(&mut c, &[2.0, 0.0]);
    assert_eq!(c, [0.0, 0.0, 1.0, 1.0, 0.0]);
    assert_eq!(conditions.value(1, "9").unwrap(), 0.0);
    let message = conditions.value(0, "pink").unwrap_err().to_string();
    assert_eq!(
        message,
        "condition: no training row has the label `pink`; they have blue, green, red"
    );
    for names in [&["label", "label"][..], &["shape"], &["size", "label", "size=number"]] {
        assert!(Conditions::of(&part, &wanted(names)).is_err(), "{names:?}");
    }
}

/// What a forged file may say: rows whose number wraps around to none.
#[test]
fn conditions_that_are_none_are_refused() {
    let list = |levels: &[&str]| {
        let levels = levels.iter().map(|l| (*l).to_owned()).collect();
        vec![Condition { name: LABEL.to_owned(), scale: Scale::Classes(levels) }]
    };
    let seen = |rows: &[(u8, u64)]| {
        let of = |&(place, rows)| Combination { values: vec![f64::from(place)], rows };
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
    let conditions = Conditions::of(&train, &wanted(&["label"])).unwrap();
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
    parts.set_conditions(&wanted(&["label"])).unwrap();
    let held_out = [parts.validation.as_ref(), parts.test.as_ref()];
    assert!(held_out.into_iter().flatten().all(|part| part.condition_width() == 2));
    // A class of which only a held-out row is has not been learned.
    let alone = held_out[1].unwrap().rows()[0];
    let mut colours = colours;
    colours[alone] = "c";
    let mut parts = crate::data::Parts::new(source(&colours), roles).unwrap();
    let message = parts.set_conditions(&wanted(&["label"])).unwrap_err().to_string();
    assert!(message.contains(&format!("row {}: no training row has", alone + 1)), "{message}");
}

/// A number is seen in units of its spread, and an exposure, behind all others, by its logarithm.
#[test]
fn numbers_and_an_exposure_stand_beside_classes() {
    let part = whole(&["red", "blue", "red", "blue"], &["1", "3", "1e0", "7"]);
    let exposure = Wanted { name: "size".to_owned(), kind: ConditionKind::Exposure };
    let all = [vec![exposure.clone()], wanted(&["size=number", "label"])].concat();
    let conditions = Conditions::of(&part, &all).unwrap();
    assert_eq!(conditions.names(), ["size", "label"]);
    assert_eq!(conditions.find("size").unwrap(), [0, 2]);
    assert!(conditions.has_exposure() && conditions.width() == 1 + 2 + 1);
    let mut c = [9.0f64; 4];
    conditions.encode(&mut c, &[7.0, 1.0, 6.0]);
    let spread = f64::sqrt((4.0 + 0.0 + 4.0 + 16.0) / 4.0);
    assert_eq!(c, [4.0 / spread, 0.0, 1.0, 2f64.ln()]);
    // The same number written otherwise is the same combination.
    let seen: Vec<_> = conditions.seen().iter().map(|c| (c.values.clone(), c.rows)).collect();
    let of = |v: f64, label: f64, rows: u64| (vec![v, label, v], rows);
    assert_eq!(seen, [of(1.0, 1.0, 2), of(3.0, 0.0, 1), of(7.0, 0.0, 1)]);
    for (text, value) in [("1e3", Some(1000.0)), (" -0 ", Some(0.0)), ("nan", None), ("big", None)]
    {
        assert_eq!(conditions.value(0, text).ok(), value, "{text}");
        assert_eq!(conditions.value(2, text).ok(), value.filter(|v| *v > 0.0), "{text}");
    }

    let refused = |sizes: &[&str; 4], wanted: &[Wanted]| {
        let part = whole(&["a", "b", "a", "b"], sizes);
        Conditions::of(&part, wanted).unwrap_err().to_string()
    };
    let message = refused(&["1", "x", "2", "3"], &wanted(&["size=number"]));
    assert_eq!(message, "condition: row 2: the size `x` is not a finite number");
    let message = refused(&["1", "4", "2", "0"], std::slice::from_ref(&exposure));
    assert_eq!(message, "condition: row 4: the size `0` is not a number above 0");
    let message = refused(&["2", "2", "2", "2.0"], &wanted(&["size=number"]));
    assert_eq!(message, "condition: `size` is 2 in all training rows: leave it out");

    // Of other data, rows without a number are refused.
    let mut other = whole(&["red", "blue", "red", "blue"], &["1", "-2", "?", "1e6"]);
    other.set_conditions(&conditions).unwrap();
    let p = crate::distribution::build::<f32>(&"normal".parse().unwrap()).unwrap();
    let refused = other.screen(&*p).unwrap();
    assert_eq!(refused.iter().map(|r| r.row).collect::<Vec<_>>(), [1, 2]);
    let why = refused[0].why.to_string();
    assert_eq!(why, "condition: row 2: the size `-2` is an exposure, and not above 0");
}

/// With numbers each row is a combination of its own: an even choice is kept.
#[test]
fn of_many_numbers_some_are_kept() {
    let numbers: Vec<String> = (0..5000).map(|i| (f64::from(i) / 7.0).to_string()).collect();
    let colours: Vec<&str> = numbers.iter().map(|_| "red").collect();
    let sizes: Vec<&str> = numbers.iter().map(String::as_str).collect();
    let part = whole(&colours, &sizes);
    let conditions = Conditions::of(&part, &wanted(&["size=number"])).unwrap();
    let kept: Vec<f64> = conditions.seen().iter().map(|c| c.values[0]).collect();
    assert_eq!(kept.len(), MOST_SEEN);
    assert!(kept.windows(2).all(|w| (0.5..=0.8).contains(&(w[1] - w[0]))), "evenly");
    assert_eq!(Conditions::of(&part, &wanted(&["size"])).unwrap().width(), 5000);
}
