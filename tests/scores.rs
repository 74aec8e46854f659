//! A row's score depends on the row: not on its place, not on its neighbours, not on the file.

use elbo::data::{Binarize, Dataset, Part, Parts, Roles, Source, Values};
use elbo::evaluate::{DRAWS, Evaluator, RowScore};
use elbo::rng::{Address, Purpose};
use elbo::train::{TrainConfig, Trainer};
use elbo::vae::{LevelConfig, Vae, VaeConfig};
use proptest::prelude::*;
use rand::seq::SliceRandom;

const WIDTH: usize = 6;

/// Correlated rows: two numbers seen through six columns, with noise.
fn table(rows: usize) -> Vec<f32> {
    let address = Address::new(4, Purpose::Check);
    let row = |i: usize| {
        let mut noise = [0f32; WIDTH + 2];
        address.row(i as u64).fill_normal(&mut noise);
        let [a, b, rest @ ..] = noise;
        std::array::from_fn::<f32, WIDTH, _>(|j| {
            let angle = j as f32;
            (a * angle.cos() + b * a * angle.sin()) + 0.2 * rest[j]
        })
    };
    (0..rows).flat_map(row).collect()
}

fn part(values: Vec<f32>, binarize: Binarize) -> Part {
    Part::whole(Dataset::new(Values::F32(values), WIDTH).unwrap(), binarize).unwrap()
}

fn model(likelihood: &str, levels: &[usize]) -> (Vae<f32>, Vec<f32>) {
    let level = |&latent: &usize| LevelConfig::dense(&[17, 9], latent);
    let config = VaeConfig {
        levels: levels.iter().map(level).collect(),
        likelihood: likelihood.parse().unwrap(),
        ..VaeConfig::new(WIDTH, &[], 1)
    };
    let vae = Vae::new(config).unwrap();
    let params = vae.init(elbo::params::Init::Uniform, 3, None);
    (vae, params)
}

fn scores(model: &(Vae<f32>, Vec<f32>), part: &Part, at_a_time: usize) -> Vec<RowScore> {
    let mut evaluator = Evaluator::for_scores(&model.0, at_a_time, 5).unwrap();
    let address = Address::new(0, Purpose::Test);
    evaluator.score_rows(&model.0, &model.1, part, 5, address).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    /// Shuffled, alone, in any batch: the same bits, of numbers and of binarised rows.
    #[test]
    fn a_row_scores_the_same_wherever_it_stands(
        order in Just((0..23).collect::<Vec<usize>>()).prop_shuffle(),
        kept in 1..=23usize,
        at_a_time in 1..=23usize,
        kind in 0..3usize,
    ) {
        let (likelihood, levels, binarize) = [
            ("normal", &[2][..], Binarize::None),
            ("normal", &[3, 2], Binarize::None),
            ("bernoulli", &[2], Binarize::Static),
        ][kind];
        let mut values = table(23);
        if binarize != Binarize::None {
            values.iter_mut().for_each(|v| *v = v.abs().fract());
        }
        let model = model(likelihood, levels);
        let before = scores(&model, &part(values.clone(), binarize), 23);
        let row = |i: usize| &values[i * WIDTH..(i + 1) * WIDTH];
        let shuffled = order[..kept].iter().flat_map(|&i| row(i)).copied().collect();
        let after = scores(&model, &part(shuffled, binarize), at_a_time);
        for (&i, after) in order.iter().zip(&after) {
            prop_assert_eq!(&before[i], after, "row {} at another place", i);
        }
    }
}

/// Two evaluations with different noise rank the rows of a table alike.
#[test]
fn the_default_number_of_draws_ranks_rows_reliably() {
    let source = Source {
        train: Dataset::new(Values::F32(table(600)), WIDTH).unwrap(),
        test: None,
        notes: Vec::new(),
    };
    let roles =
        Roles { validation: 0.0, test: 0.0, limit: None, binarize: Binarize::None, seed: 0 };
    let mut parts = Parts::new(source, roles).unwrap();
    parts.standardize().unwrap();
    let config =
        VaeConfig { likelihood: "normal".parse().unwrap(), ..VaeConfig::new(WIDTH, &[32], 2) };
    let training = TrainConfig { epochs: 60, batch_size: 32, ..TrainConfig::default() };
    let mut trainer = Trainer::<f32>::new(config, training, parts).unwrap();
    trainer.run(&mut ()).unwrap();

    let params = trainer.weights().0.to_vec();
    let (vae, part) = (trainer.vae(), &trainer.parts().train);
    let ranks = |draws: usize, seed: u64| {
        let mut evaluator = Evaluator::for_scores(vae, 600, draws).unwrap();
        let address = Address::new(seed, Purpose::Test);
        let scores = evaluator.score_rows(vae, &params, part, draws, address).unwrap();
        let mut order: Vec<usize> = (0..scores.len()).collect();
        order.sort_by(|a, b| scores[*a].score.loss.total_cmp(&scores[*b].score.loss));
        let mut ranks = vec![0.0; order.len()];
        order.iter().enumerate().for_each(|(rank, row)| ranks[*row] = rank as f64);
        ranks
    };
    let agreement = |draws| spearman(&ranks(draws, 1), &ranks(draws, 2));
    let (one, many) = (agreement(1), agreement(DRAWS));
    println!("Spearman's ρ: {one:.3} with one draw, {many:.4} with {DRAWS}");
    assert!(many >= 0.99 && one < 0.9, "{one} {many}");
}

/// 1 − 6 Σ d² / (n³ − n), for ranks without ties.
fn spearman(a: &[f64], b: &[f64]) -> f64 {
    let n = a.len() as f64;
    1.0 - 6.0 * a.iter().zip(b).map(|(a, b)| (a - b).powi(2)).sum::<f64>() / (n.powi(3) - n)
}

/// The coins of a binarised row are its own too.
#[test]
fn coins_thrown_once_depend_on_the_row() {
    let values: Vec<f32> = table(50).iter().map(|v| v.abs().fract()).collect();
    let bits = |values: Vec<f32>| {
        let part = part(values, Binarize::Dynamic);
        let mut out = vec![0f32; part.rows().len() * WIDTH];
        part.gather(&mut out, part.rows(), None).unwrap();
        out
    };
    let rows = |values: &[f32]| values.chunks(WIDTH).map(<[f32]>::to_vec).collect::<Vec<_>>();
    let mut shuffled: Vec<usize> = (0..50).collect();
    shuffled.shuffle(&mut Address::new(1, Purpose::Check).rng());
    let before = rows(&bits(values.clone()));
    let moved = shuffled.iter().flat_map(|&i| rows(&values)[i].clone()).collect();
    for (row, &i) in rows(&bits(moved)).iter().zip(&shuffled) {
        assert_eq!(row, &before[i]);
    }
}
