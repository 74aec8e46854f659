//! Files that once went wrong, where there are such: `ELBO_CASES` names their folder. Skipped without.
#![cfg(feature = "cli")]

use elbo::data::{Part, ReadOptions, Source};
use elbo::evaluate::{Proposal, Summary, log_px};
use elbo::model_file::Model;
use std::path::PathBuf;

/// A model of that folder, and rows to judge by it.
fn case(folder: &str, data: &str) -> Option<(Model<f32>, Part)> {
    let Some(cases) = std::env::var_os("ELBO_CASES").map(PathBuf::from) else {
        eprintln!("skipped: ELBO_CASES names no folder");
        return None;
    };
    let folder = cases.join(folder);
    let model = Model::<f32>::open(folder.join("model.safetensors")).unwrap();
    let expected = Some(model.header.expected());
    let options = ReadOptions { expected, ..ReadOptions::default() };
    let data = folder.join(data);
    let source = Source::open_with(data.to_str().expect("UTF-8"), &options).unwrap();
    let mut part = Part::whole(source.train, elbo::data::Binarize::None).unwrap();
    if let Some(units) = model.header.columns().unwrap().units() {
        part.set_units(&units).unwrap();
    }
    Some((model, part))
}

/// One outlier: its posterior lies five to six standard deviations of q away. By quadrature over the two
/// latents −log p(x) is 6400.42.
#[test]
fn an_outlier_has_an_error_bar_only_where_it_is_reached() {
    let Some((model, part)) = case("is_error_bar", "row62.npy") else { return };
    let estimate = |proposal: &Proposal| {
        let noise = model.header.noise();
        let Model { vae, params, .. } = &model;
        let found = log_px(vae, params, &part, 50_000, proposal, noise, &mut |_| true);
        Summary::of(&found.unwrap())
    };
    let narrow = estimate(&Proposal::posterior());
    assert!(narrow.error.is_err() && narrow.effective[1] < 1000.0, "{narrow:?}");
    let wide = estimate(&"wide".parse().unwrap());
    assert!((wide.neg_log_px - 6400.4).abs() < 0.5, "{wide:?}");
    let (_, [low, high]) = wide.error.expect("the proposal reaches it");
    assert!((low..=high).contains(&6400.418), "{wide:?}");
}

/// The same rows in three orders, and one of them alone.
#[test]
fn a_score_does_not_depend_on_the_position() {
    let scores = |data: &str| -> Option<Vec<f64>> {
        let (model, part) = case("score_position", data)?;
        let Model { vae, params, .. } = &model;
        let mut evaluator = elbo::evaluate::Evaluator::for_scores(vae, 7, 20).unwrap();
        let scores = evaluator.score_rows(vae, params, &part, 20, model.header.noise()).unwrap();
        Some(scores.iter().map(|s| s.score.loss).collect())
    };
    let Some(ten) = scores("ten.csv") else { return };
    let mut reversed = scores("rev.csv").expect("as above");
    reversed.reverse();
    assert_eq!(ten, reversed);
    let one = scores("one.csv").expect("as above");
    assert!(ten.contains(&one[0]), "{one:?} {ten:?}");
    let sorted = |data: &str| {
        let mut scores = scores(data).expect("as above");
        scores.sort_by(f64::total_cmp);
        scores
    };
    assert_eq!(sorted("t.csv"), sorted("shuf.csv"));
}
