//! Estimators of one gradient against each other: in the mean, by their noise, and where nothing is left.

use super::*;

/// The gradient in every encoder parameter, of one row with fresh noise `repeats` times: `[repeats, P]`.
fn gradients(
    model: &Model,
    x: &Array2<f64>,
    objective: &str,
    samples: usize,
    repeats: u32,
) -> Array2<f64> {
    let objective = objective::build(&Spec::new(objective)).unwrap();
    let mut ws = Workspace::new(&model.vae, x.nrows(), samples, Pass::Gradient).unwrap();
    let mut d_params = Gradient::zeros(model.vae.layout());
    let slots = model.vae.layout().slots();
    let encoder: Vec<usize> = slots
        .iter()
        .filter(|slot| slot.name.starts_with("encoder"))
        .flat_map(|slot| slot.range())
        .collect();
    let mut all = Array2::zeros((repeats as usize, encoder.len()));
    let rows = rows_of(x);
    for (repeat, mut row) in (0..).zip(all.rows_mut()) {
        let noise = Noise::new(noise(repeat), &rows);
        d_params.clear();
        let (params, x) = (&model.params, &x.view());
        model.vae.loss_and_gradient(&mut d_params, &mut ws, x, params, noise, &*objective, 1.0);
        let values = d_params.values();
        row.iter_mut().zip(&encoder).for_each(|(to, at)| *to = values[*at]);
    }
    all
}

/// On chains of one and of two levels both estimators of the importance-weighted bound's gradient have one
/// mean, in every encoder parameter.
#[test]
fn dreg_agrees_with_iwae_on_average() {
    for chain in [Chain::generic(), Chain::generic_of_two_levels()] {
        let model = chain.model(Encoder::IMPERFECT);
        let x = chain.draw(1, data(0));
        let of = |objective| gradients(&model, &x, objective, 4, 20_000);
        let (dreg, iwae) = (of("dreg"), of("iwae"));
        let count = dreg.ncols();
        let mut quieter = 0;
        for (dreg, iwae) in dreg.columns().into_iter().zip(iwae.columns()) {
            let difference = Mean::of((&dreg - &iwae).view());
            assert!(difference.error > 0.0 && difference.meets(0.0), "{difference:?} is not 0");
            quieter += usize::from(Mean::of(dreg).error < Mean::of(iwae).error);
        }
        println!("{quieter} of {count} parameters have less noise");
        assert!(2 * quieter > count, "{quieter} of {count}");
    }
}

/// Signal over noise of the encoder's gradient: with 64 times as many samples that of `iwae` falls to about an
/// eighth, and that of `dreg` rises eightfold.
#[test]
fn the_signal_rises_where_iwaes_falls() {
    let chain = Chain::generic();
    let model = chain.model(Encoder::IMPERFECT);
    let x = chain.draw(1, data(3));
    let ratio = |objective| {
        let [few, many] = [4, 256].map(|samples| {
            let gradients = gradients(&model, &x, objective, samples, 4000);
            let of = |g: ArrayView1<f64>| {
                let Mean { value, error } = Mean::of(g);
                value.abs() / (error * (g.len() as f64).sqrt())
            };
            // As a geometric mean over the parameters.
            let logs: Vec<f64> = gradients.columns().into_iter().map(|g| of(g).ln()).collect();
            (logs.iter().sum::<f64>() / logs.len() as f64).exp()
        });
        println!("{objective}: signal over noise {few:.3} with K = 4, {many:.3} with K = 256");
        many / few
    };
    let (dreg, iwae) = (ratio("dreg"), ratio("iwae"));
    assert!((4.0..16.0).contains(&dreg), "√64 = 8, not {dreg}");
    assert!((1.0 / 16.0..0.5).contains(&iwae), "1/√64 = 1/8, not {iwae}");
}

/// At the exact posterior log w does not depend on z: no draw moves the encoder. The plain gradient moves it
/// with every draw.
#[test]
fn an_encoder_that_has_landed_stays() {
    for chain in [Chain::orthogonal(), Chain::orthogonal_of_two_levels()] {
        let model = chain.model(Encoder::EXACT);
        let x = chain.draw(3, data(0));
        let largest = |objective| {
            let gradients = gradients(&model, &x, objective, 2, 20);
            gradients.iter().fold(0.0f64, |largest, g| largest.max(g.abs()))
        };
        let (stl, plain) = (largest("stl"), largest("iwae"));
        println!("the largest gradient is {stl:e} of stl, {plain:e} of iwae");
        assert!(stl < 1e-12 && plain > 0.01, "{stl:e} {plain:e}");
    }
}
