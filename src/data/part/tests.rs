//! Roles, coins, units and what is refused.

use super::super::Values;
use super::*;

fn source(rows: usize) -> Source {
    let values = Values::U8((0..rows * 4).map(|i| (i % 256) as u8).collect());
    Source { train: Dataset::new(values, 4).unwrap(), test: None, notes: Vec::new() }
}

fn roles(binarize: Binarize) -> Roles {
    Roles { validation: 0.2, test: 0.1, limit: None, binarize, seed: 7 }
}

#[test]
fn roles_are_disjoint_and_cover_everything() {
    let parts = Parts::new(source(100), roles(Binarize::None)).unwrap();
    let (validation, test) = (parts.validation.unwrap(), parts.test.unwrap());
    assert_eq!(
        (parts.train.rows().len(), validation.rows().len(), test.rows().len()),
        (72, 18, 10)
    );
    let mut all = [parts.train.rows(), validation.rows(), test.rows()].concat();
    all.sort_unstable();
    assert_eq!(all, (0..100).collect::<Vec<_>>());
}

#[test]
fn coins_are_thrown_once_or_every_time() {
    let throw = |binarize, draw| {
        let part = Parts::new(source(100), roles(binarize)).unwrap().train;
        let mut out = vec![0f32; part.rows().len() * 4];
        part.gather(&mut out, part.rows(), Some(draw)).unwrap();
        assert!(out.iter().all(|x| *x == 0.0 || *x == 1.0));
        out
    };
    assert_eq!(throw(Binarize::Static, 0), throw(Binarize::Static, 1));
    assert_ne!(throw(Binarize::Dynamic, 0), throw(Binarize::Dynamic, 1));
    assert_eq!(throw(Binarize::Dynamic, 1), throw(Binarize::Dynamic, 1));
}

#[test]
fn dynamic_coins_have_the_right_odds() {
    let part =
        Parts::new(source(64), Roles { validation: 0.0, test: 0.0, ..roles(Binarize::Dynamic) })
            .unwrap()
            .train;
    let (draws, mut heads) = (2000, 0.0);
    let mut out = [0f64; 4];
    for draw in 0..draws {
        part.gather(&mut out, &[16], Some(draw)).unwrap(); // pixels 64 … 67 of 255
        heads += out[0];
    }
    let p = 64.0 / 255.0;
    let se = (p * (1.0 - p) / draws as f64).sqrt();
    assert!((heads / draws as f64 - p).abs() < 4.0 * se);
}

#[test]
fn held_out_coins_do_not_depend_on_epoch_or_seed() {
    let throw = |seed, draw| {
        let mut all = source(50);
        all.test = Some(source(50).train);
        let part =
            Parts::new(all, Roles { seed, ..roles(Binarize::Dynamic) }).unwrap().test.unwrap();
        let mut out = vec![0f32; 200];
        part.gather(&mut out, part.rows(), Some(draw)).unwrap();
        out
    };
    assert_eq!(throw(1, 0), throw(2, 5));
}

#[test]
fn other_coins_are_thrown_on_demand() {
    let throw = |binarize, seed: Option<u64>| {
        let mut all = source(50);
        all.test = Some(source(50).train);
        let mut part = Parts::new(all, roles(binarize)).unwrap().test.unwrap();
        seed.map_or(Ok(()), |seed| part.throw_coins(seed))?;
        let mut out = vec![0f32; 200];
        part.gather(&mut out, part.rows(), None).unwrap();
        crate::error::Result::Ok(out)
    };
    let of = |seed| throw(Binarize::Dynamic, seed).unwrap();
    assert_eq!(of(Some(HELD_OUT_SEED)), of(None));
    assert_eq!(of(Some(3)), throw(Binarize::Static, Some(3)).unwrap());
    assert_ne!(of(Some(3)), of(None));
    assert!(throw(Binarize::Threshold, Some(3)).is_err());
}

#[test]
fn values_outside_the_unit_interval_cannot_be_binarised() {
    let values = Values::F32(vec![0.0, 0.5, 1.0, 1.5]);
    let source = Source { train: Dataset::new(values, 2).unwrap(), test: None, notes: Vec::new() };
    let error =
        Parts::new(source, Roles { validation: 0.0, test: 0.0, ..roles(Binarize::Threshold) })
            .err()
            .unwrap();
    assert!(matches!(error, Error::Value { row: 1, column: 1, .. }), "{error}");
}

#[test]
fn what_a_bernoulli_cannot_have_is_found() {
    let bernoulli = crate::distribution::build::<f32>(&"bernoulli".parse().unwrap()).unwrap();
    let support = |values: Vec<f32>| {
        let data = Dataset::new(Values::F32(values), 2).unwrap();
        let source = Source { train: data, test: None, notes: Vec::new() };
        let roles = Roles { validation: 0.0, test: 0.0, ..roles(Binarize::None) };
        Parts::new(source, roles).unwrap().train.support(&*bernoulli)
    };
    assert_eq!(support(vec![0.0, 1.0]).unwrap(), Support::Inside);
    assert!(matches!(support(vec![0.5, 1.0]).unwrap(), Support::CrossEntropy(_)));
    let outside = support(vec![0.0, 1.0, 2.0, 0.0]);
    assert!(matches!(outside, Err(Error::Value { row: 1, column: 0, .. })));
}

#[test]
fn standardised_training_rows_have_mean_0_and_spread_1() {
    let values = (0..300).map(|i| ((i * i) % 17) as f64 * [1.0, 1e6, 1e-6][i % 3] + 5.0).collect();
    let data = Dataset::new(Values::F64(values), 3).unwrap();
    let mut parts =
        Parts::new(Source { train: data, test: None, notes: Vec::new() }, roles(Binarize::None))
            .unwrap();
    parts.standardize().unwrap();
    let part = &parts.train;
    let mut out = vec![0f64; part.rows().len() * 3];
    part.gather(&mut out, part.rows(), None).unwrap();
    for j in 0..3 {
        let column = out.iter().skip(j).step_by(3);
        let n = part.rows().len() as f64;
        let mean = column.clone().sum::<f64>() / n;
        let variance = column.map(|v| (v - mean).powi(2)).sum::<f64>() / n;
        assert!(mean.abs() < 1e-9 && (variance - 1.0).abs() < 1e-9, "{j}: {mean} {variance}");
    }
    assert!(part.moments().unwrap().mean.iter().all(|m| m.abs() < 1e-9));
    assert_eq!(parts.test.unwrap().columns(), parts.train.columns());
    assert!(parts.train.columns().have_units() && !parts.train.data().columns().have_units());
}

#[test]
fn rows_that_a_model_cannot_have_are_found_and_left_out() {
    let data = || {
        let values = Values::F64(vec![0.0, 1.0, 7.0, 1e30, 0.5, -1.0, 1.0, 1.0]);
        let columns = ["a", "b"].map(str::to_owned).to_vec();
        Dataset::new(values, 2).unwrap().with_columns(columns).unwrap()
    };
    let p = |name: &str| crate::distribution::build::<f32>(&name.parse().unwrap()).unwrap();
    let rows = |part: &Part, likelihood| -> Vec<usize> {
        part.screen(&*p(likelihood)).unwrap().iter().map(|refused| refused.row).collect()
    };
    let mut part = Part::whole(data(), Binarize::None).unwrap();
    assert_eq!((rows(&part, "bernoulli"), rows(&part, "normal")), (vec![1, 2], vec![1]));
    let whys = part.screen(&*p("normal")).unwrap();
    assert!(whys[0].why.to_string().starts_with("row 2, column 2 (`b`): the value 1e30 is"));
    // What a column's unit makes small is no trouble.
    part.set_units(&Unit::all(&[0.0; 2], &[1.0, 1e30]).unwrap()).unwrap();
    assert_eq!(rows(&part, "normal"), [0usize; 0]);
    for binarize in [Binarize::Threshold, Binarize::Static] {
        assert!(Part::whole(data(), binarize).is_err());
        let mut part = Part::unscreened(data(), binarize);
        assert_eq!(rows(&part, "bernoulli"), [1, 2]);
        part.retain(|row| row != 1);
        assert_eq!((part.rows(), rows(&part, "bernoulli")), (&[0, 2, 3][..], vec![2]));
    }
}

#[test]
fn binarising_that_leaves_one_value_is_refused() {
    let parts = |values: &[f64], binarize| {
        let data = Dataset::new(Values::F64(values.to_vec()), 2).unwrap();
        let source = Source { train: data, test: None, notes: Vec::new() };
        let roles = Roles { validation: 0.0, test: 0.0, limit: None, binarize, seed: 0 };
        Parts::new(source, roles).map(|_| ())
    };
    use Binarize::{Dynamic, Static, Threshold};
    for (values, binarize, only) in [
        ([0.0, 0.5, 0.25, 0.1], Threshold, 0),
        ([0.6, 0.7, 1.0, 0.9], Threshold, 1),
        ([0.0, 0.0, 0.0, 0.0], Static, 0),
        ([1.0, 1.0, 1.0, 1.0], Dynamic, 1),
    ] {
        let message = parts(&values, binarize).unwrap_err().to_string();
        let expected = format!("every value of the training rows {only}");
        assert!(message.contains(&expected) && message.contains("--binarize none"), "{message}");
        parts(&values, Binarize::None).unwrap();
        // One value of the other kind, in the last row, is enough.
        let other = f64::from(1 - only);
        parts(&[&values[..], &[values[0], other]].concat(), binarize).unwrap();
    }
    parts(&[0.0, 0.0, 0.001, 0.0], Static).unwrap();
    // A row that is only looked at may be all black.
    let black = Dataset::new(Values::F64(vec![0.0; 2]), 2).unwrap();
    Part::whole(black, Threshold).unwrap();
}
