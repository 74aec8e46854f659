//! `elbo score`: which rows are odd, and which columns make them so.

use crate::failures::{USAGE, assert_refused};
use crate::kinds::{people, text};
use crate::lab::Lab;
use crate::tables::{csv, wine};

/// Ordinary people, and one from Rome who paid a fee: only people from Bonn do.
fn with_an_odd_one(reversed: bool) -> String {
    let people = people();
    let mut lines: Vec<&str> = people.lines().take(61).skip(1).collect();
    lines.insert(20, "9999,Rome,30,9.50,2023-01-15,IT");
    if reversed {
        lines.reverse();
    }
    format!("{}\n{}\n", people.lines().next().expect("a header"), lines.join("\n"))
}

#[test]
fn the_odd_row_is_found_and_its_columns_are_blamed() {
    let lab = Lab::new();
    lab.write("people.csv", people());
    lab.write("new.csv", with_an_odd_one(false));
    lab.write("back.csv", with_an_odd_one(true));
    lab.run("train --data people.csv --epochs 60 --test 0.2 --mask-rate 0.3 --out run");
    let found = lab.json("score run --data new.csv --contamination 0.02 -o scores.csv");
    let oddest = &found["oddest"][0];
    assert_eq!((&found["rows"], &oddest["row"]), (&61.into(), &21.into()), "{found}");
    assert_eq!(oddest["odder_than"], 1.0);
    assert_eq!(found["held_out"], 600);
    let above = |row: usize, name: &str| {
        found["oddest"][row]["columns"][name]["above_usual"].as_f64().unwrap_or(0.0)
    };
    for (name, blamed) in [("town", true), ("fee", true), ("age", false), ("day", false)] {
        assert!((above(0, name) > 3.0) == blamed, "{name}: {found}");
    }
    let odd = found["odd"].as_u64().unwrap();
    assert!((1..8).contains(&odd), "one, and a fiftieth of the others: {found}");

    // A line for each row; a row's score is its own, wherever it stands.
    lab.run("score run --data back.csv --contamination 0.02 --blame 0 -o back-scores.csv");
    let (header, rows) = csv(&lab.text("scores.csv"));
    let (short, mut back) = csv(&lab.text("back-scores.csv"));
    let own =
        ["row", "neg_log_px", "neg_log_px_se", "effective_samples", "k_hat", "odder_than", "odd"];
    assert_eq!(header[..7], own);
    assert_eq!(
        header[7..].join("; "),
        "above usual: town; above usual: age; above usual: fee; above usual: day"
    );
    assert_eq!(short, own);
    back.reverse();
    assert_eq!(rows.len(), 61);
    for (row, back) in rows.iter().zip(&back) {
        assert_eq!(row[1..7], back[1..7]);
    }
    let marked = rows.iter().filter(|row| row[6] == "1").count();
    assert_eq!(marked as u64, odd);
    assert_eq!(rows.iter().filter(|row| !row[7].is_empty()).count(), 10);

    let said = text(&lab, "score run --data new.csv --blame 1");
    let line = said.lines().last().unwrap();
    assert!(line.starts_with("21 ") && line.contains("town ") && line.contains("fee "), "{said}");
    assert!(said.lines().all(|line| line.chars().count() <= 100), "{said}");
    // Of no data named, the held-out rows.
    assert_eq!(lab.json("score run --samples 16 --blame 0")["rows"], 600);
}

#[test]
fn who_cannot_be_ranked_or_blamed_is_told_so() {
    let lab = Lab::new();
    lab.write("wine.csv", wine([1.0; 3]));
    lab.run("train --data wine.csv --label class --epochs 1 --test 0 --validation 0 --out run");
    let scored = lab.run("score run --data wine.csv --samples 16");
    let said = String::from_utf8_lossy(&scored.stderr);
    assert!(said.contains("the training held no rows out: ranks are among rows"), "{said}");
    let said = String::from_utf8_lossy(&scored.stdout);
    assert!(said.contains("the oddest") && !said.contains("because of"), "{said}");
    std::fs::rename(lab.path("wine.csv"), lab.path("new.csv")).unwrap();
    let scored = lab.run("score run --data new.csv --samples 16");
    let said = String::from_utf8_lossy(&scored.stderr);
    assert!(said.contains("ranks are among these rows themselves"), "{said}");
    assert_refused(
        &lab,
        &[
            ("score run --data new.csv --blame 3 -q", USAGE, "knows no missing cells"),
            ("score run --data new.csv --samples 0", USAGE, "--samples"),
            ("score run --data new.csv --contamination 1", USAGE, "--contamination"),
            ("score run --data new.csv -o scores.png", USAGE, "--output"),
        ],
    );
}
