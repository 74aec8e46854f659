//! What concerns the latents of all rows: information, samples that are told apart, penalties, a fitted prior.

use crate::lab::{Lab, PLAIN};

/// Whether the line of the table that begins so contains that.
fn says(table: &str, begins: &str, contains: &str) -> bool {
    table.lines().any(|line| line.trim_start().starts_with(begins) && line.contains(contains))
}

#[test]
fn evaluate_says_what_latents_carry_and_whether_samples_are_told_apart() {
    let lab = Lab::new();
    lab.run(&format!("train {PLAIN} --epochs 2 --binarize static --out run"));
    let judged = lab.json("evaluate run --samples 50 --two-sample");
    let number = |key: &str| judged[key].as_f64().unwrap_or_else(|| panic!("{key}: {judged}"));
    let [information, ceiling] = ["mutual_information", "mutual_information_ceiling"].map(number);
    assert!((ceiling - number("rows").ln()).abs() < 1e-12 && information <= ceiling + 1e-6);
    assert!(information > 0.0 && information < number("kl") + 1.0, "{judged}");
    assert!((number("gap") - (number("neg_elbo") - number("neg_log_px"))).abs() < 1e-9);
    let kl = judged["kl_per_latent"].as_array().expect("a list");
    let sum: f64 = kl.iter().map(|kl| kl.as_f64().unwrap()).sum();
    assert!(kl.len() == 4 && (sum - number("kl")).abs() < 1e-3, "{judged}");
    // Two epochs make samples that anybody tells from digits.
    assert!(number("two_sample_auc") > 0.6 && number("two_sample_auc") <= 1.0, "{judged}");
    let table =
        String::from_utf8(lab.run("evaluate run --samples 50 --two-sample").stdout).unwrap();
    assert!(says(&table, "two samples", "AUC"), "{table}");
    assert!(says(&table, "active latents", "of 4"), "{table}");
    assert!(says(&table, "of it information", "about the rows"), "{table}");
}

/// Samples of a fitted prior are others than the model's own, the same for a seed, and others for another.
#[test]
fn a_fitted_prior_is_where_the_training_rows_are() {
    let lab = Lab::new();
    lab.run(&format!("train {PLAIN} --epochs 3 --beta 0.05 --out run"));
    let fitted = "sample run -n 5 --prior fitted:components=3";
    let said = lab.run(&format!("{fitted} -o a.csv")).stderr;
    let said = String::from_utf8(said).unwrap();
    assert!(said.contains("3 normals fitted to those of 500 training rows"), "{said}");
    lab.run(&format!("{fitted} -o b.csv"));
    lab.run(&format!("{fitted} --seed 1 -o c.csv"));
    lab.run("sample run -n 5 -o d.csv");
    assert_eq!(lab.text("a.csv"), lab.text("b.csv"));
    assert_ne!(lab.text("a.csv"), lab.text("c.csv"));
    assert_ne!(lab.text("a.csv"), lab.text("d.csv"));
    for (prior, part) in [("nothing", "unknown"), ("fitted:components=0", "whole number")] {
        let output = lab.elbo(&format!("sample run --prior {prior} -o x.csv")).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success() && said.contains(part), "{said}");
    }
}

/// Each penalty trains, resumes to the same bits, and is refused where it has no meaning.
#[test]
fn penalties_train_and_are_refused_by_name() {
    let lab = Lab::new();
    for (i, penalty) in ["tc", "dip", "mmd"].into_iter().enumerate() {
        let objective = format!("penalized:penalty={penalty}");
        lab.run(&format!("train {PLAIN} --epochs 1 --objective {objective} --out run{i}"));
        assert_eq!(lab.epochs(&format!("run{i}")), 1);
        let trained_on = lab.run(&format!("evaluate run{i}")).stdout;
        assert!(String::from_utf8(trained_on).unwrap().contains("trained on"));
    }
    for (flags, part) in [
        ("--objective penalized:penalty=tc --posterior planar", "independent given x"),
        ("--objective penalized:penalty=mmd --prior vamp", "standard normal"),
        ("--objective penalized:penalty=dip --hidden 5/4 --latent 3/2", "one level"),
    ] {
        let args = format!("train --data digits:count=100 --epochs 1 {flags} --out refused");
        let output = lab.elbo(&args).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success() && said.contains(part), "{flags}: {said}");
    }
}
