//! Tables in text. The first byte says with which options they are read.
#![no_main]

use elbo::data::ReadOptions;
use elbo_fuzz::contract::{self, Growth};

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    let Some((choice, bytes)) = input.split_first() else { return };
    let text = |text: &str| text.to_owned();
    let options = ReadOptions {
        header: [None, Some(true), Some(false), None][usize::from(choice & 3)],
        label: [None, Some("a"), Some("1"), Some("c")][usize::from(choice >> 2 & 3)].map(text),
        columns: match choice >> 4 & 3 {
            0 | 1 => None,
            2 => Some(["b", "a"].map(text).into()),
            _ => Some(["2", "3"].map(text).into()),
        },
        drop: (choice >> 6 & 1 == 1).then(|| vec![text("2-3")]),
        comment: (choice >> 7 == 1).then(|| text("none")),
        ..ReadOptions::default()
    };
    contract::source("x.csv", bytes, &options, Growth::Csv);
});
