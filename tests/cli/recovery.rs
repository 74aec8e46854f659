//! Every member, trained by the command line on data whose law is known, finds it: log p of fresh rows comes close to
//! what the generating values score. Likelihoods learn what was drawn from them; all others, a line with normal noise
//! around it, which a model with one latent can be.
//!
//! Members come from the family's own list: a new one is tested by being there.

use crate::lab::Lab;
use elbo::check::{constants, specs};
use elbo::family::Spec;
use elbo::params::Layout;
use elbo::rng::{Address, Purpose};
use elbo::{distribution, nn, objective, prior};
use std::fmt::Write;

#[test]
fn every_likelihood_finds_the_values_that_made_the_data() {
    const WIDTH: usize = 3;
    let members = distribution::members::<f64>();
    for example in members.iter().flat_map(|member| member.examples) {
        let p = distribution::build::<f64>(&example.parse().unwrap()).unwrap();
        let Some(likelihood) = p.as_likelihood() else { continue };
        let mut layout = Layout::default();
        layout.scope("own").group(|scope| p.own(scope, WIDTH));
        let own: usize = layout.slots().iter().map(|slot| slot.len()).sum();
        let scaled = |n, stream| -> Vec<f64> {
            constants(n, stream).into_iter().map(|v: f64| 0.5 * v).collect()
        };
        let (eta, own) = (scaled(p.eta_width(WIDTH), 40), scaled(own, 41));
        let mut rng = Address::new(0, Purpose::Check).rng();
        let lab = Lab::new();
        let mut x = [0.0; WIDTH];
        let mut truth = 0.0;
        for (file, rows) in [("data.csv", 4000), ("fresh.csv", 1000)] {
            let mut csv = "a,b,c\n".to_owned();
            truth = 0.0;
            for _ in 0..rows {
                p.sample(&mut x, &eta, &own, &mut rng);
                writeln!(csv, "{},{},{}", x[0], x[1], x[2]).unwrap();
                truth -= likelihood.log_prob(&x, &eta, &own) / f64::from(rows);
            }
            lab.write(file, csv);
        }
        lab.run(&format!(
            "train --data data.csv --out run --likelihood {example} --standardize no --hidden 8 --latent 1 \
             --epochs 40 --batch-size 100 --lr 5e-3 --test 0 --validation 0 -q"
        ));
        let found = lab.json("evaluate run --data fresh.csv --samples 100 --draws 1");
        let found = found["neg_log_px"].as_f64().unwrap();
        println!("{example}: {truth:.4} by the generating values, {found:.4} found");
        // Both are of the same rows; some of what was learned is the noise of others.
        assert!((found - truth).abs() < 0.05, "{example}: {truth} {found}");
    }
}

/// Three numbers a row, x = w z + σ ε: a normal distribution of the covariance matrix w wᵀ + σ² I.
fn line(lab: &Lab) -> f64 {
    // The posterior has the variance 1/(1 + |w|²/σ²) = 0.3, which all posteriors can have.
    let (w, sigma) = ([1.0, -2.0, 0.5], 1.5f64);
    let square: f64 = w.iter().map(|w| w * w).sum::<f64>() / (sigma * sigma);
    let mut truth = 0.0;
    for (stream, file, rows) in [(50, "data.csv", 4000), (51, "fresh.csv", 1000)] {
        let mut csv = "a,b,c\n".to_owned();
        truth = 0.0;
        for noise in constants::<f64>(4 * rows as usize, stream).chunks_exact(4) {
            let x: [f64; 3] = std::array::from_fn(|i| w[i] * noise[3] + sigma * noise[i]);
            writeln!(csv, "{},{},{}", x[0], x[1], x[2]).unwrap();
            // By the formulas of Sherman and Morrison, and of the determinant of I + u uᵀ.
            let along: f64 = x.iter().zip(w).map(|(x, w)| x * w).sum::<f64>() / (sigma * sigma);
            let length = x.iter().map(|x| x * x).sum::<f64>() / (sigma * sigma);
            let quadratic = length - along * along / (1.0 + square);
            let ln_det = 3.0 * (sigma * sigma).ln() + (1.0 + square).ln();
            truth += 0.5 * (quadratic + ln_det + 3.0 * (2.0 * std::f64::consts::PI).ln())
                / f64::from(rows);
        }
        lab.write(file, csv);
    }
    truth
}

#[test]
fn every_other_member_finds_the_line_that_the_data_lie_along() {
    let lab = Lab::new();
    let truth = line(&lab);
    // Of each member its first example; its settings are the checks' business.
    let flags = |flag: &'static str, mut specs: Vec<Spec>| {
        specs.dedup_by_key(|spec| spec.name().to_owned());
        specs.into_iter().map(move |s| (flag, s))
    };
    let posteriors = specs(&distribution::members::<f32>())
        .into_iter()
        .filter(|spec| distribution::build::<f32>(spec).unwrap().as_reparameterized().is_some());
    let all = flags("--posterior", posteriors.collect())
        .chain(flags("--prior", specs(&prior::members::<f32>())))
        .chain(flags("--network", specs(&nn::members::<f32>())))
        .chain(flags("--objective", specs(&objective::members::<f32>())));
    for (flag, spec) in all {
        // Layers without a width stand behind a dense one; what weighs samples needs some.
        let (value, more) = match flag {
            "--network" => {
                let has_width = nn::build::<f32>(&spec).unwrap().width().is_some();
                let wide = Spec::new(spec.name()).with_value(16);
                let layers = if has_width { wide.to_string() } else { format!("dense=64 {spec}") };
                (layers, "--batch-size 100")
            }
            // Penalties see pairs of a batch's draws.
            "--objective" if spec.name() == "penalized" => {
                (spec.to_string(), "--hidden 16 --samples 2 --batch-size 25")
            }
            "--objective" => (spec.to_string(), "--hidden 16 --samples 6 --batch-size 100"),
            // It counts the rows itself.
            "--prior" if spec.name() == "exemplar" => {
                ("exemplar:neighbours=3".to_owned(), "--hidden 16 --batch-size 100")
            }
            _ => (spec.to_string(), "--hidden 16 --batch-size 100"),
        };
        let settings = "--data data.csv --out run --force --likelihood normal --latent 1 --epochs 30 \
                        --lr 5e-3 --test 0 --validation 0 -q";
        let mut args: Vec<_> = "train".split(' ').chain(settings.split_whitespace()).collect();
        args.extend(more.split_whitespace());
        args.extend([flag, &value]);
        let output = lab.elbo("").args(&args).output().unwrap();
        assert!(
            output.status.success(),
            "{flag} {value}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        let found = lab.json("evaluate run --data fresh.csv --samples 60 --draws 1");
        let found = found["neg_log_px"].as_f64().unwrap();
        println!("{flag} {value}: {truth:.4} by the generating values, {found:.4} found");
        assert!((found - truth).abs() < 0.05, "{flag} {value}: {truth} {found}");
    }
}
