//! Every hand-written gradient, by central differences (see `docs/` on how gradients are checked).

use elbo::check::cases;
use elbo::gradcheck::REDRAWN;
use std::collections::BTreeSet;
use std::path::Path;

#[test]
fn every_gradient_agrees_with_central_differences() {
    let (mut points, mut redrawn, mut failures) = (0, 0, Vec::new());
    for mut case in cases() {
        let report = case.run(None);
        points += report.points;
        redrawn += report.redrawn;
        if !report.passed() {
            failures.push(format!("{} {}: {report:?}", case.family, case.name));
        }
    }
    println!("{points} points, {redrawn} redrawn at kinks");
    assert!(failures.is_empty(), "{}", failures.join("\n"));
    assert!(
        redrawn as f64 <= REDRAWN * points as f64,
        "{redrawn} of {points} points lie at a kink"
    );
}

/// A check that cannot fail proves nothing: each gradient, negated, must be caught.
#[test]
fn a_flipped_sign_is_always_caught() {
    for mut case in cases() {
        for t in 0..case.inputs.len() {
            if !case.inputs[t].zero_gradient {
                let report = case.run(Some(t));
                assert!(
                    !report.passed(),
                    "{}: a flipped {} passes",
                    case.name,
                    case.inputs[t].name
                );
            }
        }
    }
}

/// Every source file of the engine's rooms has a check, so a new member cannot be forgotten.
#[test]
fn no_file_is_unchecked() {
    let checked: BTreeSet<_> = cases().iter().map(|c| (c.family, c.member.to_owned())).collect();
    for family in ["nn", "distribution", "prior", "objective"] {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src").join(family);
        for entry in std::fs::read_dir(folder).expect("the room is there") {
            let path = entry.expect("a readable entry").path();
            let stem = path.file_stem().unwrap().to_str().unwrap().to_owned();
            if stem != "mod" && stem != "batch" {
                assert!(
                    checked.contains(&(family, stem.clone())),
                    "src/{family}/{stem}.rs has no gradient check"
                );
            }
        }
    }
}
