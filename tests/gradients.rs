//! Every hand-written gradient, by central differences (see `docs/` on how gradients are checked).

use elbo::check::{Case, Lists, SMALL, cases, model, models, run_all};
use elbo::gradcheck::REDRAWN;
use elbo::gradient::Gradient;
use elbo::nn::{Activation, Linear};
use elbo::params::{Init, Layout};
use elbo::rng::{Address, Purpose};
use elbo::vae::{Inference, LevelConfig, Noise, Pass, Skip, Vae, VaeConfig, Workspace};
use ndarray::Array2;
use std::collections::BTreeSet;
use std::path::Path;
use std::time::Instant;

#[test]
fn every_gradient_agrees_with_central_differences() {
    let (mut points, mut redrawn, mut worst, mut failures) = (0, 0, 0.0f64, Vec::new());
    let mut cases = cases();
    let count = cases.len();
    let reports = run_all(&mut cases, || ());
    for (case, report) in cases.iter().zip(reports) {
        points += report.points;
        redrawn += report.redrawn;
        worst = worst.max(report.worst);
        if !report.passed() {
            failures.push(format!("{} {}: {report:?}", case.family, case.name));
        }
    }
    println!(
        "{count} checks, {points} points, {redrawn} redrawn at kinks, the largest error is {worst:.1e}"
    );
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

/// The cover has two levels at most; with three, a decoder sees latents that it must sort out, and a latent is
/// seen from two below.
#[test]
fn levels_are_skipped_in_a_chain_of_three() {
    let (up, down) = (Inference::BottomUp, Inference::TopDown);
    for (inference, skip, prior, objective, samples) in [
        (up, Skip::Up, "standard-normal", "elbo", 1),
        (up, Skip::Down, "standard-normal", "iwae", 3),
        (up, Skip::Both, "standard-normal", "dreg", 2),
        (up, Skip::Both, "mixture", "piwae:groups=2", 3),
        (down, Skip::None, "vamp:pseudo-inputs=3", "iwae", 3),
        (down, Skip::None, "vamp:pseudo-inputs=3,clip=unit", "stl", 2),
        (down, Skip::Down, "standard-normal", "elbo", 2),
        (down, Skip::Down, "vamp:pseudo-inputs=3", "dreg", 2),
        (down, Skip::Down, "exemplar:count=4,neighbours=2", "dreg", 2),
        (down, Skip::Down, "mixture", "piwae:groups=2", 3),
    ] {
        let levels = [(4, 3), (3, 2), (5, 4)];
        let levels = levels.map(|(hidden, latent)| LevelConfig::dense(&[hidden], latent)).to_vec();
        let likelihood = "normal".parse().unwrap();
        let activation = Activation::Tanh;
        let encodes = ["vamp", "exemplar"].iter().any(|name| prior.starts_with(name));
        let condition = if encodes { 0 } else { 2 };
        let prior = prior.parse().unwrap();
        let config = VaeConfig { levels, inference, skip, prior, ..VaeConfig::new(5, &[], 1) };
        let config = VaeConfig { likelihood, activation, condition, ..config };
        let (vae, name) =
            (Vae::new(config).unwrap(), format!("{inference:?} {skip:?} {objective}"));
        let objective = elbo::objective::build(&objective.parse().unwrap()).unwrap();
        let mut case = Case::of(model(name.clone(), vae, objective, 2, samples));
        let report = case.run(None);
        assert!(report.passed(), "{name}: {report:?}");
        for t in
            (0..case.inputs.len()).filter(|t| !case.inputs[*t].zero_gradient).collect::<Vec<_>>()
        {
            assert!(!case.run(Some(t)).passed(), "{name}: a flipped sign passes");
        }
    }
}

/// What an encoder sees in forms keeps its gradients, also where values are missing.
#[test]
fn columns_are_seen_in_forms() {
    for (likelihood, condition, samples) in [
        ("columns:1-2=normal,3=(categorical:classes=3),4-=poisson", 0, 1),
        ("columns:1-3=(masked:of=normal),4-=(masked:of=(categorical:classes=4))", 2, 3),
    ] {
        let config = VaeConfig {
            likelihood: likelihood.parse().unwrap(),
            activation: Activation::Tanh,
            condition,
            forms: true,
            ..VaeConfig::new(5, &[4], 2)
        };
        let vae = Vae::new(config).unwrap();
        let objective = elbo::objective::build(&"iwae".parse().unwrap()).unwrap();
        let mut case = Case::of(model(likelihood.to_owned(), vae, objective, 2, samples));
        let report = case.run(None);
        assert!(report.passed(), "{likelihood}: {report:?}");
    }
}

/// What an exposure multiplies keeps its gradients, beside a condition and in a chain.
#[test]
fn counts_are_in_proportion_to_an_exposure() {
    for (likelihood, condition, latents) in [
        ("poisson", 0, 1),
        ("negative-binomial", 2, 1),
        ("zero-inflated:zeros=learned", 1, 2),
        ("mixture:of=(masked:of=negative-binomial)", 0, 1),
        ("columns:1-3=normal,4-=poisson", 2, 2),
    ] {
        let levels = [(4, 3), (3, 2)].map(|(hidden, latent)| LevelConfig::dense(&[hidden], latent));
        let config = VaeConfig {
            likelihood: likelihood.parse().unwrap(),
            activation: Activation::Tanh,
            levels: levels[..latents].to_vec(),
            condition,
            exposure: true,
            ..VaeConfig::new(5, &[], 1)
        };
        let vae = Vae::new(config).unwrap();
        let objective = elbo::objective::build(&"iwae".parse().unwrap()).unwrap();
        let mut case = Case::of(model(likelihood.to_owned(), vae, objective, 2, 3));
        let report = case.run(None);
        assert!(report.passed(), "{likelihood}: {report:?}");
    }
}

/// Lists as long as they are planned, of members that stand in for those to come: a pairwise cover keeps the
/// number of whole models near the product of the two longest lists, and so the time of `elbo check` below a
/// minute.
#[test]
fn longer_lists_make_few_models() {
    fn lengthen<M: Clone>(members: &mut Vec<M>, len: usize) {
        *members = members.iter().cycle().take(len).cloned().collect();
    }
    let mut lists = Lists::of_all_members(&Activation::ALL);
    // What needs models of one level (a VampPrior, free bits) adds some rows.
    let near = |lists: &Lists, count: usize| {
        // A conditional, or no second level.
        let mut longest = [
            lists.likelihoods.len(),
            1 + lists.conditionals.len(),
            lists.posteriors.len(),
            lists.priors.len(),
            lists.objectives.len(),
            lists.layers.len(),
            lists.activations.len(),
        ];
        longest.sort_by(|a, b| b.cmp(a));
        let product = longest[0] * longest[1];
        (product..=product + product / 2).contains(&count)
    };
    let few = models::<f64>(&lists, &SMALL).len();
    assert!(near(&lists, few), "{few} models");

    lengthen(&mut lists.likelihoods, 60);
    lengthen(&mut lists.conditionals, 20); // those that score any real number
    lengthen(&mut lists.posteriors, 10);
    lengthen(&mut lists.priors, 8);
    lengthen(&mut lists.objectives, 12);
    let start = Instant::now();
    let many = models::<f64>(&lists, &SMALL);
    let (count, listed) = (many.len(), start.elapsed());
    assert!(near(&lists, count), "{count} models of longer lists");

    let step = 10;
    for mut case in many.into_iter().step_by(step).map(Case::of) {
        let report = case.run(None);
        assert!(report.passed(), "{}: {report:?}", case.name);
    }
    let checked = (start.elapsed() - listed) * step as u32;
    println!(
        "{few} models today; {count} of longer lists, {listed:.1?} to list and about {checked:.1?} to check"
    );
}

/// Pairs are left out of the cover only for members of which it is known: what needs the closed-form KL, and
/// what needs one level and a posterior that scores any latent, what takes log q apart, what sees data that may be
/// missing. A new member of that kind is added here.
#[test]
fn what_no_model_can_have_is_known() {
    const CHOOSY: [&str; 18] = [
        "objective elbo:free-bits=0.3",
        "prior vamp:pseudo-inputs=3",
        "prior vamp:pseudo-inputs=2,start=0.5,spread=0.1,clip=unit",
        "prior exemplar:count=4,neighbours=2",
        "objective dreg",
        "objective penalized:penalty=(tc:weight=3)",
        "objective penalized:of=iwae,penalty=(dip:off-diagonal=0.5,on=means)",
        "objective penalized:penalty=(dip:off-diagonal=0.7,on=draws)",
        "objective penalized:of=iwae,penalty=(mmd:weight=4)",
        "objective stl",
        "layer batch-norm",
        "layer batch-norm:momentum=0.5",
        "objective piwae:groups=2",
        "objective piwae:groups=3",
        "conditional normal, bottom-up, skip up",
        "conditional normal, bottom-up, skip both",
        "conditional normal, top-down, skip none",
        "conditional normal, top-down, skip down",
    ];
    let lists = Lists::of_all_members(&Activation::ALL);
    let impossible = lists.cover().impossible;
    for pair in impossible.into_iter().map(|pair| pair.map(|level| lists.name_of(level))) {
        println!("no model has {}", pair.join(" and "));
        assert!(pair.iter().any(|name| CHOOSY.contains(&&**name)), "{pair:?}");
    }
}

/// Every source file of the engine's rooms has a check, so a new member cannot be forgotten.
#[test]
fn no_file_is_unchecked() {
    let checked: BTreeSet<_> = cases().iter().map(|c| (c.family, c.member.to_owned())).collect();
    for family in ["nn", "distribution", "prior", "penalty", "objective"] {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src").join(family);
        for entry in std::fs::read_dir(folder).expect("the room is there") {
            let path = entry.expect("a readable entry").path();
            let stem = path.file_stem().unwrap().to_str().unwrap().to_owned();
            // What joins the members, what several of them have in common, or what has no gradient.
            let none = [
                "mod",
                "batch",
                "coded",
                "diagonal",
                "facts",
                "factorized",
                "flow",
                "univariate",
                "layer",
                "components",
                "in_turn",
                "importance",
            ];
            if !none.contains(&stem.as_str()) {
                assert!(
                    checked.contains(&(family, stem.clone())),
                    "src/{family}/{stem}.rs has no gradient check"
                );
            }
        }
    }
}

/// Parameter gradients accumulate: a second backward pass doubles them (up to the rounding of sums
/// that now start elsewhere). Input gradients are overwritten: they stay.
#[test]
fn backward_twice_doubles_parameter_gradients() {
    let doubled = |once: &[f64], twice: &[f64]| {
        let largest = once.iter().fold(0.0f64, |m, g| m.max(g.abs()));
        once.iter().zip(twice).all(|(a, b)| (2.0 * a - b).abs() <= 1e-13 * largest)
    };

    let mut layout = Layout::default();
    let linear = Linear::new(&mut layout.scope("linear"), 7, 5);
    let number = |i: usize| ((i * 37 + 11) % 19) as f64 / 19.0 - 0.5;
    let params: Vec<f64> = (0..layout.len()).map(number).collect();
    let x = Array2::from_shape_fn((3, 7), |(i, j)| number(7 * i + j));
    let d_y = Array2::from_shape_fn((3, 5), |(i, j)| number(5 * i + j + 3));
    let (mut gradient, mut d_x) = (Gradient::zeros(&layout), Array2::zeros((3, 7)));
    let mut backward = |gradient: &mut Gradient<f64>| {
        let d_x = &mut d_x.view_mut();
        linear.backward(Some(gradient), Some(d_x), &d_y.view(), &x.view(), &params);
        d_x.to_owned()
    };
    let d_x_once = backward(&mut gradient);
    let once = gradient.values().to_vec();
    assert_eq!(backward(&mut gradient), d_x_once);
    assert!(doubled(&once, gradient.values()));

    // A whole model, with every kind of parameter: two levels, a learned variance.
    let mut config = VaeConfig::new(7, &[5], 3);
    config.levels.push(LevelConfig::dense(&[3], 2));
    config.likelihood = "normal:variance=learned".parse().unwrap();
    let vae = Vae::<f64>::new(config).unwrap();
    let objective = elbo::objective::build::<f64>(&"iwae".parse().unwrap()).unwrap();
    let params = vae.init(Init::Uniform, 0, None);
    let mut ws = Workspace::new(&vae, 3, 2, Pass::Gradient).unwrap();
    let noise = Noise::new(Address::new(0, Purpose::Check), &[0, 1, 2]);
    let mut gradient = Gradient::zeros(vae.layout());
    let mut step = |gradient: &mut Gradient<f64>| {
        vae.loss_and_gradient(gradient, &mut ws, &x.view(), &params, noise, &*objective, 1.0);
    };
    step(&mut gradient);
    let once = gradient.values().to_vec();
    step(&mut gradient);
    assert!(doubled(&once, gradient.values()));
}
