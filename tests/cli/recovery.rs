//! Every likelihood, trained by the command line on data that were drawn from it, finds its way back: the
//! bound on held-out rows comes close to what the generating values score.
//!
//! Members come from the family's own list: a new one is tested by being there.

use crate::lab::Lab;
use elbo::check::constants;
use elbo::distribution;
use elbo::params::Layout;
use elbo::rng::{Address, Purpose};
use std::fmt::Write;

#[test]
fn every_likelihood_finds_the_values_that_made_the_data() {
    const ROWS: usize = 4000;
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
        for file in ["data.csv", "fresh.csv"] {
            let mut csv = "a,b,c\n".to_owned();
            truth = 0.0;
            for _ in 0..ROWS {
                p.sample(&mut x, &eta, &own, &mut rng);
                writeln!(csv, "{},{},{}", x[0], x[1], x[2]).unwrap();
                truth -= likelihood.log_prob(&x, &eta, &own) / ROWS as f64;
            }
            lab.write(file, csv);
        }
        lab.run(&format!(
            "train --data data.csv --out run --likelihood {example} --standardize no --hidden 8 --latent 1 \
             --epochs 40 --batch-size 100 --lr 5e-3 --test 0 --validation 0 -q"
        ));
        let found = lab.json("evaluate run --data fresh.csv --samples 100");
        let found = found["neg_log_px"].as_f64().unwrap();
        println!("{example}: {truth:.4} by the generating values, {found:.4} found");
        // Both are of the same rows; some of what was learned is the noise of others.
        assert!((found - truth).abs() < 0.05, "{example}: {truth} {found}");
    }
}
