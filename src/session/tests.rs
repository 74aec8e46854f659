//! Units, passes and refusals; the values themselves are `vae`'s.

use super::*;
use crate::data::{Binarize, Dataset, Values};
use crate::model_file::{Header, ScalerHeader};
use crate::params::Init;
use crate::rng::{Address, Purpose};
use crate::vae::{LevelConfig, Shown, Vae, VaeConfig};

fn model(likelihood: &str) -> Model<f64> {
    let config =
        VaeConfig { likelihood: likelihood.parse().unwrap(), ..VaeConfig::new(3, &[5], 2) };
    let vae = Vae::<f64>::new(config.clone()).unwrap();
    Model {
        params: vae.init(Init::Uniform, 1, None),
        header: Header::new(&config, None),
        vae: vae.into(),
    }
}

fn sampling() -> Sampling {
    let address = Address::new(0, Purpose::Sample);
    Sampling { address, first: 0, temperature: 1.0, shown: Shown::Mean }
}

/// The same model, seeing its columns in other units.
fn scaled() -> Model<f64> {
    let mut model = model("normal");
    let scale = vec![1e6, 0.5, 1e-3];
    model.header.scaler = Some(ScalerHeader { mean: vec![5e6, -1.0, 0.0], scale });
    model
}

#[test]
fn rows_come_and_go_in_their_own_units() {
    let (plain, scaled) = (model("normal"), scaled());
    let (mut p, mut s) = (plain.session(2).unwrap(), scaled.session(2).unwrap());
    let u = [0.5, -2.0, 1.0, 0.0, 3.0, -0.25];
    let unit = |u: &[f64]| -> Vec<f64> {
        let columns = scaled.header.columns().unwrap();
        u.iter().enumerate().map(|(i, u)| columns[i % 3].undo(*u)).collect()
    };
    let (mut zp, mut zs) = ([0.0; 4], [0.0; 4]);
    p.encode(&mut zp, &u).unwrap();
    s.encode(&mut zs, &unit(&u)).unwrap();
    assert!(zp.iter().zip(&zs).all(|(a, b)| (a - b).abs() < 1e-9), "{zp:?} {zs:?}");

    let (mut xp, mut xs) = ([0.0; 6], [0.0; 6]);
    p.reconstruct(&mut xp, &u).unwrap();
    s.reconstruct(&mut xs, &unit(&u)).unwrap();
    assert!(unit(&xp).iter().zip(&xs).all(|(a, b)| (a - b).abs() < 1e-8 * a.abs().max(1.0)));

    // A density of other units differs by the volume of these.
    let mut scores = [[Score::default(); 2]; 2];
    p.score(&mut scores[0], &u).unwrap();
    s.score(&mut scores[1], &unit(&u)).unwrap();
    for (p, s) in scores[0].iter().zip(&scores[1]) {
        let volume = (1e6f64 * 0.5 * 1e-3).ln();
        assert!((s.loss - p.loss - volume).abs() < 1e-8, "{p:?} {s:?}");
    }
}

#[test]
fn the_number_of_passes_does_not_matter() {
    let model = model("normal");
    let x: Vec<f64> = (0..21).map(|i| (i as f64 * 0.7).sin()).collect();
    let run = |rows| {
        let mut session = model.session(rows).unwrap();
        let (mut z, mut std) = (vec![0.0; 14], vec![0.0; 14]);
        session.encode_with_std(&mut z, &mut std, &x).unwrap();
        let (mut new, mut drawn) = (vec![0.0; 21], vec![0.0; 21]);
        session.sample(&mut new, &sampling()).unwrap();
        session
            .decode_draw(&mut drawn, &z, &Sampling { shown: Shown::Draw, ..sampling() })
            .unwrap();
        let mut scores = vec![Score::default(); 7];
        session.score(&mut scores, &x).unwrap();
        let scores = scores.iter().map(|s| s.loss).collect();
        [z, std, new, drawn, scores].concat()
    };
    let whole = run(7);
    for rows in [2, 3, 100] {
        let parts = run(rows);
        assert!(whole.iter().zip(&parts).all(|(a, b)| (a - b).abs() < 1e-12), "{rows}");
    }
}

#[test]
fn equal_rows_have_equal_scores() {
    let model = model("bernoulli");
    let mut session = model.session(3).unwrap();
    let mut scores = [Score::default(); 3];
    session.score(&mut scores, &[1.0, 0.0, 1.0, 1.0, 0.0, 1.0, 1.0, 0.0, 1.0]).unwrap();
    assert_eq!(scores[0], scores[1]);
    let again = scores;
    session.score(&mut scores[..1], &[1.0, 0.0, 1.0]).unwrap();
    assert!((scores[0].loss - again[0].loss).abs() < 1e-12);
}

#[test]
fn temperature_0_is_the_mean_of_the_prior() {
    let model = model("normal");
    let mut session = model.session(4).unwrap();
    let (mut cold, mut centre) = ([0.0; 12], [0.0; 3]);
    session.sample(&mut cold, &Sampling { temperature: 0.0, ..sampling() }).unwrap();
    session.decode(&mut centre, &[0.0, 0.0]).unwrap();
    assert!(cold.iter().enumerate().all(|(i, x)| (x - centre[i % 3]).abs() < 1e-14));
    let (mut one, mut hot) = ([0.0; 12], [0.0; 12]);
    session.sample(&mut one, &sampling()).unwrap();
    session.sample(&mut hot, &Sampling { temperature: 3.0, ..sampling() }).unwrap();
    assert!(one != cold && hot != one);
}

/// With two levels the latents below the top cool down too.
#[test]
fn temperature_reaches_every_level() {
    let mut config =
        VaeConfig { likelihood: "normal".parse().unwrap(), ..VaeConfig::new(3, &[5], 2) };
    config.levels.push(LevelConfig::dense(&[4], 1));
    let vae = Vae::<f64>::new(config.clone()).unwrap();
    let model = Model {
        params: vae.init(Init::Uniform, 2, None),
        header: Header::new(&config, None),
        vae: vae.into(),
    };
    let mut session = model.session(50).unwrap();
    let mut spread = |temperature| {
        let mut x = vec![0.0; 150];
        session.sample(&mut x, &Sampling { temperature, ..sampling() }).unwrap();
        let mean = x.iter().step_by(3).sum::<f64>() / 50.0;
        x.iter().step_by(3).map(|x| (x - mean).powi(2)).sum::<f64>()
    };
    assert!(spread(0.0) < 1e-24);
    assert!(spread(0.0) < spread(0.3) && spread(0.3) < spread(1.0));
    let (mut cold, mut centre) = ([0.0; 3], [0.0; 3]);
    session.sample(&mut cold, &Sampling { temperature: 0.0, ..sampling() }).unwrap();
    session.decode(&mut centre, &[0.0]).unwrap();
    assert!(cold.iter().zip(&centre).all(|(a, b)| (a - b).abs() < 1e-12), "{cold:?} {centre:?}");
}

#[test]
fn draws_scatter_around_the_mean() {
    let model = model("normal:variance=0.25");
    let mut session = model.session(1000).unwrap();
    let z = vec![0.3; 20_000];
    let (mut drawn, mut mean) = (vec![0.0; 30_000], [0.0; 3]);
    session.decode_draw(&mut drawn, &z, &Sampling { shown: Shown::Draw, ..sampling() }).unwrap();
    session.decode(&mut mean, &z[..2]).unwrap();
    for (j, mean) in mean.iter().enumerate() {
        let away: Vec<f64> = drawn.iter().skip(j).step_by(3).map(|x| x - mean).collect();
        let n = away.len() as f64;
        let (first, second) =
            (away.iter().sum::<f64>() / n, away.iter().map(|a| a * a).sum::<f64>() / n);
        assert!(first.abs() < 4.0 * 0.5 / n.sqrt(), "{first}");
        assert!((second - 0.25).abs() < 4.0 * 0.25 * (2.0 / n).sqrt(), "{second}");
    }
}

#[test]
fn what_a_caller_can_do_wrong_is_an_error() {
    let model = model("bernoulli");
    assert!(model.session(0).is_err());
    let mut session = model.session(1).unwrap();
    let mut z = [0.0; 2];
    let error = |r: Result<()>| r.unwrap_err().to_string();
    assert!(error(session.encode(&mut z, &[0.0; 4])).contains("4 values are not whole rows of 3"));
    assert!(error(session.encode(&mut z, &[0.0; 6])).contains("2 values are not 2 rows of 2"));
    assert!(error(session.encode(&mut z, &[0.0, f64::NAN, 0.0])).starts_with("row 1, column 2"));
    let outside = error(session.encode(&mut [0.0; 4], &[0.0, 0.0, 0.0, 0.0, 0.0, 7.0]));
    assert!(outside.starts_with("row 2, column 3: the value 7"), "{outside}");
    assert!(error(session.decode(&mut [0.0; 3], &[f64::INFINITY, 0.0])).contains("finite"));
    assert!(error(session.decode(&mut [0.0; 2], &z)).contains("not 1 rows of 3"));
    let cold = Sampling { temperature: -1.0, ..sampling() };
    assert!(error(session.sample(&mut [0.0; 3], &cold)).contains("at least 0"));
    assert!(error(session.score(&mut [], &[0.0; 3])).contains("scores"));
}

/// Rows of a part come in the units that the model was trained in.
#[test]
fn a_part_in_other_units_is_refused() {
    let (plain, scaled) = (model("normal"), scaled());
    let row = [6e6, -2.0, 1e-3];
    let data = Dataset::new(Values::F64(row.to_vec()), 3).unwrap();
    let mut part = Part::whole(data, Binarize::None).unwrap();
    let encoded = |model: &Model<f64>, part: &Part| {
        let mut z = [0.0; 2];
        model.session(1).unwrap().encode_part(&mut z, &mut [], part, &[0]).map(|()| z)
    };
    encoded(&plain, &part).unwrap();
    let error = encoded(&scaled, &part).unwrap_err().to_string();
    assert!(error.contains("units are not the model's"), "{error}");
    part.set_units(&scaled.header.columns().unwrap().units().unwrap()).unwrap();
    assert!(encoded(&plain, &part).is_err());
    let mut z = [0.0; 2];
    scaled.session(1).unwrap().encode(&mut z, &row).unwrap();
    assert_eq!(encoded(&scaled, &part).unwrap(), z);
}

/// Rows under a condition each, in any number of passes, are as if each was alone and under its own.
#[test]
fn a_conditional_model_does_all_under_what_it_was_told() {
    let config = VaeConfig {
        likelihood: "normal".parse().unwrap(),
        condition: 2,
        ..VaeConfig::new(3, &[5], 2)
    };
    let vae = Vae::<f64>::new(config.clone()).unwrap();
    let params = vae.init(Init::Uniform, 1, None);
    let model = Model { params, header: Header::new(&config, None), vae: vae.into() };
    let x: Vec<f64> = (0..15).map(|i| (i as f64 * 0.7).sin()).collect();
    let c: Vec<f64> =
        (0..5).flat_map(|i| if i % 2 == 0 { [1.0, 0.0] } else { [0.0, 1.0] }).collect();
    let all = |session: &mut Session<'_, f64>, x: &[f64], sampling: &Sampling| {
        let n = x.len() / 3;
        let (mut z, mut rows) = (vec![0.0; 2 * n], [(); 3].map(|()| vec![0.0; 3 * n]));
        session.encode(&mut z, x).unwrap();
        session.decode(&mut rows[0], &z).unwrap();
        session.reconstruct(&mut rows[1], x).unwrap();
        session.sample(&mut rows[2], sampling).unwrap();
        let mut scores = vec![Score::default(); n];
        session.score(&mut scores, x).unwrap();
        let [decoded, again, new] = rows;
        (0..n)
            .map(|i| {
                let three = |rows: &[f64]| rows[3 * i..3 * i + 3].to_vec();
                [
                    z[2 * i..2 * i + 2].to_vec(),
                    three(&decoded),
                    three(&again),
                    three(&new),
                    vec![scores[i].loss],
                ]
                .concat()
            })
            .collect::<Vec<_>>()
    };
    let mut session = model.session(2).unwrap();
    let refused = session.encode(&mut [0.0; 2], &x[..3]).unwrap_err().to_string();
    assert!(refused.contains("a condition of 2 values"), "{refused}");
    assert!(session.set_condition(&[1.0]).is_err());
    assert!(session.set_condition(&[f64::NAN, 0.0]).is_err());
    session.set_condition(&c).unwrap();
    let wrong = session.encode(&mut [0.0; 4], &x[..6]).unwrap_err().to_string();
    assert!(wrong.contains("5 conditions for 2 rows"), "{wrong}");
    let together = all(&mut session, &x, &sampling());
    for i in 0..5 {
        session.set_condition(&c[2 * i..2 * i + 2]).unwrap();
        let alone = all(&mut session, &x[3 * i..3 * i + 3], &from_row(&sampling(), i));
        let apart = alone[0].iter().zip(&together[i]).any(|(a, b)| (a - b).abs() > 1e-12);
        assert!(!apart, "{i}: {alone:?} {:?}", together[i]);
        session.set_condition(&c[2 - 2 * (i % 2)..][..2]).unwrap();
        assert_ne!(all(&mut session, &x[3 * i..3 * i + 3], &sampling())[0][0], alone[0][0]);
    }
    let mut plain = self::model("normal");
    assert!(plain.session(1).unwrap().set_condition(&[1.0]).is_err());
    // A file whose classes are not as many as the model's condition has values is refused.
    plain.header.conditions = Some(crate::model_file::ConditionsHeader {
        list: vec![crate::model_file::ConditionHeader {
            name: "label".to_owned(),
            levels: vec!["a".to_owned()],
            ..Default::default()
        }],
        seen: vec![crate::model_file::CombinationHeader { values: vec![0.0], rows: 1 }],
    });
    assert!(plain.session(1).is_err());
}
