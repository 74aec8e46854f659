//! Rows by whole models: every posterior and prior that can be coded, one level and more, in both orders.

use elbo::codec::bins::Bins;
use elbo::codec::book::Book;
use elbo::codec::row::{self, Books, RowCoder};
use elbo::codec::stack::Stack;
use elbo::data::{ColumnKind, Columns};
use elbo::params::Init;
use elbo::rng::{Address, Purpose};
use elbo::vae::{
    Inference, LevelConfig, Noise, Pass, Sampling, Shown, Skip, Vae, VaeConfig, Workspace,
};
use ndarray::Array2;
use rand::RngExt;

const WIDTH: usize = 12;
const ROWS: usize = 600;

fn config(levels: usize) -> VaeConfig {
    let base = VaeConfig::new(WIDTH, &[9], 4);
    let level = |latent| LevelConfig { latent, ..base.levels[0].clone() };
    VaeConfig { levels: [4, 3, 2][..levels].iter().map(|z| level(*z)).collect(), ..base }
}

fn books(vae: &Vae<f32>) -> Books {
    let of = |j| Book::of_domain(vae.likelihood().facts(j).domain).unwrap();
    Books::new(
        (0..WIDTH).map(of).collect(),
        Columns::alike(WIDTH, ColumnKind::Number),
        vec![None; WIDTH],
    )
}

/// Rows that the model draws, as numbers, and −ELBO of each in bits, over many draws.
fn rows_of(
    vae: &Vae<f32>,
    params: &[f32],
    condition: Option<&Array2<f32>>,
) -> (Vec<Vec<Option<u64>>>, f64, f64) {
    let mut x = Array2::zeros((ROWS, WIDTH));
    let mut ws = Workspace::new(vae, ROWS, 1, Pass::Value).unwrap();
    if let Some(condition) = condition {
        ws.set_condition(&condition.view());
    }
    let sampling = Sampling {
        address: Address::new(5, Purpose::Sample),
        first: 0,
        temperature: 1.0,
        shown: Shown::Draw,
    };
    vae.sample(x.view_mut(), &mut ws, params, &sampling);
    let rows =
        x.rows().into_iter().map(|row| row.iter().map(|x| Some(*x as u64)).collect()).collect();
    let draws = 60;
    let mut ws = Workspace::new(vae, ROWS, draws, Pass::Value).unwrap();
    let numbers: Vec<u64> = (0..ROWS as u64).collect();
    let noise = Noise::new(Address::new(1, Purpose::Test), &numbers);
    let batch = elbo::batch::Batch { condition: condition.map(|c| c.view()), ..(&x.view()).into() };
    vae.forward(&mut ws, batch, params, noise, false);
    let (mut sum, mut squares) = (0.0, 0.0);
    for b in 0..ROWS {
        for k in 0..draws {
            let bits = ws.score_of_draw(b, k).loss / std::f64::consts::LN_2;
            (sum, squares) = (sum + bits, squares + bits * bits);
        }
    }
    let mean = sum / (ROWS * draws) as f64;
    let spread = (squares / (ROWS * draws) as f64 - mean * mean).sqrt();
    (rows, mean, spread / (ROWS as f64).sqrt())
}

fn round_trip(config: VaeConfig, what: &str) {
    let vae = Vae::<f32>::new(config).unwrap();
    let params = vae.init(Init::Uniform, 3, None);
    let condition = (vae.condition() > 0).then(|| {
        Array2::from_shape_fn((ROWS, vae.condition()), |(i, j)| (i % 2 == j) as u8 as f32)
    });
    let (rows, bound, error) = rows_of(&vae, &params, condition.as_ref());
    let (books, bins) = (books(&vae), Bins::new(10));
    let mut coder = RowCoder::new(&vae, &params, &books, &bins).unwrap();
    let given = |i: usize| condition.as_ref().map(|c| c.row(i).to_vec());
    // What each costs on bits that have nothing to do with it. (On each other's, rows whose posterior is the prior would take
    // the latents that the last one left, for ever.)
    let mut cost = 0.0;
    for (i, row) in rows.iter().enumerate() {
        given(i).iter().for_each(|c| coder.set_condition(c));
        let mut rng = Address::new(9, Purpose::Check).row(i as u64).rng();
        let words = (0..20).map(|_| rng.random::<u32>() | 1).collect();
        let mut stack = Stack::from_words(words).unwrap();
        let before = stack.bits();
        coder.write(&mut stack, &mut row.clone());
        cost += (stack.bits() - before) / ROWS as f64;
    }
    // Each is one draw from its posterior, and spreads as draws do. Bins are a little coarse.
    println!("{what}: {cost} bits a row, the bound is {bound} ± {error}");
    assert!(
        (cost - bound).abs() < 4.0 * error + 0.002 * bound,
        "{what}: {cost} bits a row, the bound is {bound} ± {error}"
    );
    let mut stack = Stack::primed(40);
    for (i, row) in rows.iter().enumerate() {
        given(i).iter().for_each(|c| coder.set_condition(c));
        coder.write(&mut stack, &mut row.clone());
    }
    let mut coder = RowCoder::new(&vae, &params, &books, &bins).unwrap();
    for (i, row) in rows.iter().enumerate().rev() {
        given(i).iter().for_each(|c| coder.set_condition(c));
        let mut found = vec![Some(0); WIDTH];
        coder.read(&mut stack, &mut found);
        assert_eq!(found, *row, "{what}, row {i}");
    }
    assert!(stack.is_primed(40), "{what}: the stack is not what it was");
}

#[test]
fn rows_come_back_and_cost_their_bound() {
    for posterior in ["normal", "bounded-normal:floor=0.01,cap=2", "full-normal", "logistic"] {
        round_trip(VaeConfig { posterior: posterior.parse().unwrap(), ..config(1) }, posterior);
    }
    for prior in ["mixture:components=5", "vamp:pseudo-inputs=7", "exemplar:count=9,neighbours=3"] {
        round_trip(VaeConfig { prior: prior.parse().unwrap(), ..config(1) }, prior);
        let top_down = Inference::TopDown;
        let two = VaeConfig { prior: prior.parse().unwrap(), inference: top_down, ..config(2) };
        round_trip(two, &format!("{prior}, two levels"));
    }
    for likelihood in [
        "poisson",
        "categorical:classes=3",
        "mixture:of=bernoulli",
        "columns:1-4=bernoulli,5-=(ordinal:levels=4)",
    ] {
        round_trip(VaeConfig { likelihood: likelihood.parse().unwrap(), ..config(1) }, likelihood);
    }
    for levels in [2, 3] {
        for inference in Inference::ALL {
            for skip in Skip::ALL {
                let what = format!("{levels} levels, {}, skip {}", inference.name(), skip.name());
                round_trip(VaeConfig { inference, skip, ..config(levels) }, &what);
            }
        }
    }
    round_trip(VaeConfig { condition: 2, ..config(2) }, "a condition");
    round_trip(
        VaeConfig { conditional: "logistic".parse().unwrap(), ..config(2) },
        "logistic between the levels",
    );
}

/// Values that are missing have no place on the stack.
#[test]
fn missing_values_cost_nothing() {
    let vae = Vae::<f32>::new(VaeConfig {
        likelihood: "masked:of=bernoulli".parse().unwrap(),
        ..config(1)
    })
    .unwrap();
    let params = vae.init(Init::Uniform, 3, None);
    let (books, bins) = (books(&vae), Bins::new(8));
    let mut coder = RowCoder::new(&vae, &params, &books, &bins).unwrap();
    let row = |i: usize| -> Vec<Option<u64>> {
        (0..WIDTH).map(|j| (!(i + j).is_multiple_of(3)).then_some(((i * j) % 2) as u64)).collect()
    };
    let mut stack = Stack::primed(40);
    (0..ROWS).for_each(|i| coder.write(&mut stack, &mut row(i)));
    let with_gaps = stack.len();
    for i in (0..ROWS).rev() {
        let mut found: Vec<Option<u64>> = row(i).iter().map(|k| k.map(|_| 0)).collect();
        coder.read(&mut stack, &mut found);
        assert_eq!(found, row(i));
    }
    assert!(stack.is_primed(40));
    (0..ROWS).for_each(|_| coder.write(&mut stack, &mut [None; WIDTH]));
    assert!(stack.len() < 40 + (with_gaps - 40) / 4, "{} of {with_gaps}", stack.len());
}

#[test]
fn what_cannot_be_coded_is_refused_by_name() {
    for posterior in ["planar", "iaf"] {
        let config = VaeConfig { posterior: posterior.parse().unwrap(), ..config(1) };
        let vae = Vae::<f32>::new(config).unwrap();
        let error = row::check(&vae).unwrap_err().to_string();
        assert!(error.contains(posterior), "{error}");
    }
}
