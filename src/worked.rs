//! The files that CONTRIBUTING.md shows, held to everything that a member's own list would hold
//! them to.
//!
//! `src/worked/` mirrors `src/`: each file there is what a contributor would put into the folder of
//! that name, to the letter. Its `use super::…` finds here what it would find there, and the list
//! that it stands in is made by the same macro. (The reader's list is a child of `data`, whose parts
//! only readers see.)

#[allow(unreachable_pub)] // in its real place it is public
mod distribution {
    use crate::distribution::{
        ClosedForm, Distribution, Domain, Draw, Facts, Likelihood, Reparameterized, RowGradient,
        Separable,
    };
    use crate::family::{Member, Spec, family};

    family!(Distribution, "distribution": logistic);
}

#[allow(unreachable_pub)]
mod objective {
    use crate::family::{Member, Spec, family};
    use crate::objective::{Objective, Terms, Weights};

    family!(Objective, "objective": renyi);
}

use crate::check::{self, Case, distribution_cases, objective_cases};
use crate::conditional::Conditional;
use crate::distribution::{Distribution, Draw, RowGradient};
use crate::gradient::Gradient;
use crate::nn::{Activation, network};
use crate::objective::{Objective, Terms, Weights};
use crate::optim::{Adam, AdamConfig};
use crate::params::{Init, Layout};
use crate::rng::{Address, Purpose};
use crate::vae::{Noise, Pass, Vae, Workspace};
use ndarray::Array2;

const PAGE: &str = include_str!("../CONTRIBUTING.md");

/// Every Rust block of the page is one of these files, and every file is there.
#[test]
fn the_page_shows_the_files_as_they_are() {
    let files = [
        include_str!("worked/distribution/logistic.rs"),
        include_str!("worked/objective/renyi.rs"),
        include_str!("worked/data/pgm.rs"),
    ];
    let blocks: Vec<_> = PAGE.split("\n```rust\n").skip(1).collect();
    assert_eq!(blocks.len(), files.len());
    for (block, file) in blocks.iter().zip(files) {
        let (shown, _) = block.split_once("\n```\n").expect("a block ends");
        for (line, (shown, written)) in shown.lines().zip(file.lines()).enumerate() {
            assert_eq!(shown, written, "line {} of a file that the page shows", line + 1);
        }
        assert_eq!(shown.len() + 1, file.len(), "the page shows a part of a file");
    }
}

/// The setting that the page shows is one that stands in the list.
#[test]
fn the_page_shows_a_setting_as_it_stands() {
    let (_, rest) = PAGE.split_once("\n```rs\n").expect("the page shows a setting");
    let (block, _) = rest.split_once("\n```\n").expect("a block ends");
    let block: String = block.lines().map(|line| format!("        {line}\n")).collect();
    assert!(include_str!("train/config.rs").contains(&block), "no such setting:\n{block}");
}

/// The page's commands are those of `.ci/run`, but for those in its loops.
#[test]
fn the_page_names_the_commands_of_the_ci() {
    let Ok(run) = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/.ci/run")) else {
        return; // a packaged crate has none
    };
    let start = "<!-- the commands of .ci/run -->\n\n```sh\n";
    let block = PAGE.split(start).nth(1).expect("the page has that block");
    let named: Vec<_> = block.lines().take_while(|line| *line != "```").collect();
    let is_command = |line: &&str| {
        let starts = ["cargo ", "git ", "RUSTDOCFLAGS="];
        starts.iter().any(|start| line.starts_with(start)) && !line.contains('$')
    };
    let run: Vec<_> = run.lines().map(str::trim).filter(is_command).collect();
    assert_eq!(named, run);
}

fn logistic() -> Box<dyn Distribution<f64>> {
    distribution::build(&"logistic".parse().unwrap()).unwrap()
}

fn renyi(alpha: f64) -> Box<dyn Objective<f64>> {
    objective::build(&format!("renyi:alpha={alpha}").parse().unwrap()).unwrap()
}

/// A model with the worked distribution wherever there is one.
fn model(levels: usize) -> Vae<f64> {
    let (mut layout, mut below) = (Layout::default(), 5);
    let (mut up, mut down) = (Vec::new(), Vec::new());
    for (l, (hidden, latent)) in [(7, 3), (5, 2)][..levels].iter().enumerate() {
        let mut part = |side: &str, inputs, width| {
            let mut scope = layout.scope(format_args!("{side}.{l}"));
            let layers = network::dense(&[*hidden]);
            Conditional::new(&mut scope, [inputs, 0], &layers, Activation::Silu, logistic(), width)
                .unwrap()
        };
        up.push(part("encoder", below, *latent));
        down.push(part("decoder", *latent, below));
        below = *latent;
    }
    let prior = crate::prior::build(&"standard-normal".parse().unwrap()).unwrap();
    Vae::from_parts(layout, up, down, prior).unwrap()
}

/// The checks that the lists make: of each operation, and of whole models.
fn cases() -> Vec<Case> {
    let mut cases = distribution_cases(&distribution::members());
    cases.extend(objective_cases(&objective::members()));
    for (levels, samples) in [(1, 1), (1, 3), (2, 1), (2, 3)] {
        let elbo = crate::objective::build(&"elbo".parse().unwrap()).unwrap();
        for objective in [elbo, renyi(0.3)] {
            let name = format!("{}, L = {levels}, K = {samples}", objective.spec());
            let entry = check::model(name, model(levels), objective, 2, samples);
            cases.push(Case::of(entry));
        }
    }
    cases
}

#[test]
fn every_gradient_agrees_with_central_differences() {
    for mut case in cases() {
        let report = case.run(None);
        assert!(report.passed(), "{} {}: {report:?}", case.family, case.name);
    }
}

#[test]
fn a_flipped_sign_is_always_caught() {
    for mut case in cases() {
        for t in 0..case.inputs.len() {
            assert!(case.inputs[t].zero_gradient || !case.run(Some(t)).passed(), "{}", case.name);
        }
    }
}

#[test]
fn specs_and_settings_are_as_promised() {
    assert_eq!(logistic().spec().to_string(), "logistic");
    assert_eq!(renyi(0.3).spec().to_string(), "renyi:alpha=0.3");
    let refused = |spec: &str| match spec.starts_with("logistic") {
        true => distribution::build::<f64>(&spec.parse().unwrap()).err().unwrap().to_string(),
        false => objective::build::<f64>(&spec.parse().unwrap()).err().unwrap().to_string(),
    };
    for (spec, part) in [
        ("logistic:scale=1", "has no settings"),
        ("renyi:alpha=1", "at least 0 and below 1"),
        ("renyi:alpha=-0.1", "at least 0 and below 1"),
        ("renyi:order=0.5", "knows alpha"),
    ] {
        assert!(refused(spec).contains(part), "{spec}: {}", refused(spec));
    }
}

/// The density, its variance and its KL as integrals, by the trapezoidal rule; and the variance of
/// draws, over ε and from a generator, which only the right t(ε) gives.
#[test]
fn the_distribution_is_the_logistic() {
    let (p, h) = (logistic(), 1e-3);
    let density = p.as_likelihood().unwrap();
    let q = p.as_reparameterized().unwrap();
    let known = q.as_closed_form().unwrap();
    let sum =
        |f: &dyn Fn(f64) -> f64| -> f64 { (-60_000..60_000).map(|i| f(i as f64 * h) * h).sum() };
    let log_normal = |z: f64| -0.5 * (crate::math::LN_2PI + z * z);
    for eta in [[0.0, 0.0], [0.4, -0.8], [-0.7, 0.3]] {
        let log_p = |x: f64| density.log_prob(&[x], &eta, &[]);
        assert!((sum(&|x| log_p(x).exp()) - 1.0).abs() < 1e-10);

        let (mut std, mut kl) = ([0.0], [0.0]);
        known.std(&mut std, &eta);
        known.kl(&mut kl, &eta);
        let variance = sum(&|x| (x - eta[0]).powi(2) * log_p(x).exp());
        assert!((variance - std[0] * std[0]).abs() < 1e-8, "{variance} {std:?}");
        let integral = sum(&|x| log_p(x).exp() * (log_p(x) - log_normal(x)));
        assert!((kl[0] - integral).abs() < 1e-8, "{kl:?} {integral}");

        let drawn = |eps: f64| {
            let mut z = [0.0];
            q.rsample(&mut z, &mut [], Draw { eta: &eta, own: &[], eps: &[eps] });
            z[0]
        };
        let drawn = sum(&|eps| match eps.abs() < 30.0 {
            true => (drawn(eps) - eta[0]).powi(2) * log_normal(eps).exp(),
            false => 0.0,
        });
        assert!((drawn - variance).abs() < 1e-8, "{drawn} {variance}");
    }
    let (n, eta) = (20_000, [0.4, -0.8]);
    let mut x = vec![0.0; n];
    let wide: Vec<f64> = eta.iter().flat_map(|v| vec![*v; n]).collect();
    p.sample(&mut x, &wide, &[], &mut Address::new(0, Purpose::Check).rng());
    let variance = x.iter().map(|x| (x - eta[0]).powi(2)).sum::<f64>() / n as f64;
    // The fourth moment is 4.2 σ⁴, so the error of this mean is σ² √(3.2/n).
    assert!((variance / eta[1].exp() - 1.0).abs() < 4.0 * (3.2 / n as f64).sqrt(), "{variance}");

    let mut d_eta = [0f32; 2];
    let d = RowGradient { d_eta: &mut d_eta, d_x: &mut [] };
    let single = distribution::build::<f32>(&"logistic".parse().unwrap()).unwrap();
    let log_p = single.as_likelihood().unwrap().log_prob_gradient(d, &[1e30], &[0.0, 0.0], &[]);
    assert!(log_p.is_finite() && d_eta[1].is_finite() && d_eta[0] > 1.8, "{log_p} {d_eta:?}");
}

/// Order 0 is the importance-weighted bound; towards order 1 the loss rises to that of the ELBO.
#[test]
fn the_bound_lies_between_its_two_ends() {
    let log_px = ndarray::arr2(&[[-3.0, -1.0, -2.5], [-7.0, -7.5, -4.0]]);
    let zeros = || Array2::<f64>::zeros((2, 3));
    let (log_prior, log_q, [mut a, mut b, mut c, mut d]) =
        (zeros(), zeros(), [(); 4].map(|()| zeros()));
    let mut kl = Array2::zeros((2, 0));
    let mut loss = |objective: &dyn Objective<f64>| {
        let terms = Terms {
            log_px: log_px.view(),
            log_prior: log_prior.view(),
            log_q: log_q.view(),
            kl: None,
            beta: 1.0,
        };
        let weights = Weights {
            log_px: a.view_mut(),
            log_prior: b.view_mut(),
            direct: c.view_mut(),
            path: d.view_mut(),
            kl: kl.view_mut(),
        };
        objective.weigh(weights, &terms)
    };
    let listed = |name: &str| crate::objective::build::<f64>(&name.parse().unwrap()).unwrap();
    let (iwae, elbo) = (loss(&*listed("iwae")), loss(&*listed("elbo")));
    let between = [0.0, 0.3, 0.9, 1.0 - 1e-9].map(|alpha| loss(&*renyi(alpha)));
    assert!((between[0] - iwae).abs() < 1e-14 && (between[3] - elbo).abs() < 1e-6, "{between:?}");
    assert!(between.is_sorted(), "{between:?}");
}

/// A few steps on correlated rows bring the bound up.
#[test]
fn a_model_of_worked_members_learns() {
    let (vae, objective, samples) = (model(1), renyi(0.5), 3);
    let x = Array2::from_shape_fn((16, 5), |(i, j)| (i as f64 * 0.4).sin() * (1.0 + j as f64));
    let mut params = vae.init(Init::Uniform, 0, None);
    let mut adam = Adam::new(AdamConfig::default(), params.len());
    let mut ws = Workspace::new(&vae, 16, samples, Pass::Gradient).unwrap();
    let rows: Vec<u64> = (0..16).collect();
    let mut d_params = Gradient::zeros(vae.layout());
    let losses: Vec<f64> = (0..300)
        .map(|step| {
            let address = Address::new(0, Purpose::Train).epoch(step);
            let noise = Noise::new(address, &rows);
            d_params.clear();
            let score = vae.loss_and_gradient(
                &mut d_params,
                &mut ws,
                &x.view(),
                &params,
                noise,
                &*objective,
                1.0,
            );
            adam.update(&mut params, d_params.values(), 1.0, 1e-2, None);
            score.loss
        })
        .collect();
    let mean = |losses: &[f64]| losses.iter().sum::<f64>() / losses.len() as f64;
    let (before, after) = (mean(&losses[..10]), mean(&losses[290..]));
    assert!(after < before - 2.0, "{before} {after}");
}
