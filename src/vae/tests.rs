//! What the gradient checks in double precision cannot see: how the step fares in single precision.

use super::*;
use crate::family::Spec;
use crate::gradient::Gradient;
use crate::objective::iwae::Iwae;
use crate::objective::{Objective, Terms, Weights};
use crate::rng::{Address, Purpose};
use ndarray::Array2;

/// The gradient on three rows of ones and zeros with four draws each.
fn gradient<T: Real>(vae: &Vae<T>, params: &[f32], objective: &dyn Objective<T>) -> Vec<f64> {
    let number = |value: f32| T::from_f64(value.into());
    let params: Vec<T> = params.iter().copied().map(number).collect();
    let x = Array2::from_shape_fn((3, 6), |(i, j)| number(((i + j) % 2) as f32));
    let noise = Noise::new(Address::new(2, Purpose::Check), &[0, 1, 2]);
    let mut ws = Workspace::new(vae, 3, 4, Pass::Gradient).unwrap();
    let mut d = Gradient::zeros(vae.layout());
    vae.loss_and_gradient(&mut d, &mut ws, &x.view(), &params, noise, objective, T::one());
    d.values().iter().map(|d| d.to_f64()).collect()
}

fn config(latents: &[usize]) -> VaeConfig {
    let level = |&latent: &usize| LevelConfig::dense(&[5], latent);
    VaeConfig { levels: latents.iter().map(level).collect(), ..VaeConfig::new(6, &[], 1) }
}

/// Starting values with the log-variances that the encoders emit near `s`.
fn params_near(vae: &Vae<f32>, s: f32) -> Vec<f32> {
    let mut params = vae.init(Init::Uniform, 1, None);
    for q in &vae.up {
        q.network().head().bias().of_mut(&mut params)[q.width()..].fill(s);
    }
    params
}

/// Where q is narrow, the direct term of log q and its path through z are large and cancel. The largest
/// difference to double precision, in units of the largest derivative; apart, it would be 4·10⁻⁴ at
/// s = −20, and more than 1 at s = −40.
#[test]
fn narrow_posteriors_keep_their_gradient() {
    for latents in [&[3][..], &[3, 2]] {
        let (single, double) =
            (Vae::new(config(latents)).unwrap(), Vae::<f64>::new(config(latents)).unwrap());
        for s in [0.0, -20.0, -40.0] {
            let params = params_near(&single, s);
            let (rough, exact) =
                (gradient(&single, &params, &Iwae), gradient(&double, &params, &Iwae));
            let largest = exact.iter().fold(0.0, |max: f64, d| max.max(d.abs()));
            let error =
                rough.iter().zip(&exact).fold(0.0, |max: f64, (a, b)| max.max((a - b).abs()));
            assert!(error <= 2e-5 * largest, "{latents:?}, s = {s}: {error:e} of {largest:e}");
        }
    }
}

/// An estimator that asks for log q's two ways apart, and weighs them alike.
struct Apart;

impl Objective<f64> for Apart {
    fn takes_log_q_apart(&self) -> bool {
        true
    }
    fn spec(&self) -> Spec {
        Spec::new("apart")
    }
    fn uses_closed_form_kl(&self) -> bool {
        false
    }
    fn held_out(&self) -> Box<dyn Objective<f64>> {
        unreachable!("nothing is judged here")
    }
    fn weigh(&self, weights: Weights<'_, f64>, terms: &Terms<'_, f64>) -> f64 {
        Iwae.weigh(weights, terms)
    }
}

/// Apart or as a whole, log q has one gradient.
#[test]
fn log_q_as_a_whole_is_its_two_terms() {
    for latents in [&[3][..], &[3, 2]] {
        let vae = Vae::<f64>::new(config(latents)).unwrap();
        let params = params_near(&Vae::new(config(latents)).unwrap(), -0.5);
        let (whole, apart) = (gradient(&vae, &params, &Iwae), gradient(&vae, &params, &Apart));
        assert!(whole != apart, "each takes its own way");
        for (a, b) in whole.iter().zip(&apart) {
            assert!((a - b).abs() < 1e-12, "{latents:?}: {a} {b}");
        }
    }
}

/// Gives every second draw no weight, or one that is too small to be seen.
struct EverySecond(f64);

impl Objective<f64> for EverySecond {
    fn spec(&self) -> Spec {
        Spec::new("every-second")
    }
    fn uses_closed_form_kl(&self) -> bool {
        false
    }
    fn held_out(&self) -> Box<dyn Objective<f64>> {
        unreachable!("nothing is judged here")
    }
    fn weigh(&self, mut weights: Weights<'_, f64>, terms: &Terms<'_, f64>) -> f64 {
        weights.path.fill(1.0);
        for ((b, k), weight) in weights.log_px.indexed_iter_mut() {
            *weight = if (b + k) % 2 == 0 { self.0 } else { -0.1 * (b + 2 * k) as f64 };
            weights.log_prior[[b, k]] = terms.beta * *weight;
            weights.direct[[b, k]] = -terms.beta * *weight;
        }
        0.0
    }
}

/// The draws that the decoder's backward pass leaves out are those that add nothing, at every level; if
/// β is 0, as a warm-up starts, no draw of the upper decoder is left.
#[test]
fn draws_without_a_weight_are_left_out_and_nothing_else_is() {
    for hidden in [vec![], vec![5], vec![5, 4]] {
        let level = |latent| LevelConfig::dense(&hidden, latent);
        let config = VaeConfig { levels: vec![level(3), level(2)], ..VaeConfig::new(6, &[], 1) };
        let vae = Vae::<f64>::new(config).unwrap();
        let mut params = vec![0.0; vae.layout().len()];
        Address::new(1, Purpose::Check).fill_normal(&mut params);
        params.iter_mut().for_each(|p| *p *= 0.4);
        let x = Array2::from_shape_fn((3, 6), |(i, j)| ((i + j) % 2) as f64);
        let noise = Noise::new(Address::new(2, Purpose::Check), &[0, 1, 2]);
        for beta in [1.0, 0.0] {
            let gradient = |weight: f64| {
                let mut ws = Workspace::new(&vae, 3, 4, Pass::Gradient).unwrap();
                let mut d = Gradient::zeros(vae.layout());
                let objective = EverySecond(weight);
                vae.loss_and_gradient(&mut d, &mut ws, &x.view(), &params, noise, &objective, beta);
                d.values().to_vec()
            };
            let (without, with) = (gradient(0.0), gradient(1e-200));
            let largest = with.iter().fold(0.0, |max: f64, d| max.max(d.abs()));
            assert!(largest > 0.1);
            for (a, b) in without.iter().zip(&with) {
                assert!((a - b).abs() <= 1e-14 * largest, "β = {beta}: {a} {b}");
            }
        }
    }
}

/// Parts of a batch, each averaged over all of its rows, add up to the whole: gradient and loss.
#[test]
fn parts_of_a_batch_add_up() {
    for (latents, objective) in [(&[3][..], "elbo"), (&[3], "iwae"), (&[3, 2], "iwae")] {
        let vae = Vae::<f64>::new(config(latents)).unwrap();
        let objective = crate::objective::build::<f64>(&objective.parse().unwrap()).unwrap();
        let params = vae.init(Init::Uniform, 1, None);
        let x = Array2::from_shape_fn((5, 6), |(i, j)| ((2 * i + j) % 3 == 0) as u8 as f64);
        let numbers = [4, 9, 2, 7, 1];
        let run = |d: &mut Gradient<f64>, rows: std::ops::Range<usize>| {
            let mut ws = Workspace::new(&vae, rows.len(), 2, Pass::Gradient).unwrap();
            let noise = Noise::new(Address::new(2, Purpose::Check), &numbers[rows.clone()]);
            let batch = Batch::new(x.slice(ndarray::s![rows, ..])).of(5);
            vae.loss_and_gradient(d, &mut ws, batch, &params, noise, &*objective, 0.5).loss
        };
        let [mut whole, mut sum] = [(); 2].map(|()| Gradient::zeros(vae.layout()));
        let losses = [run(&mut whole, 0..5), run(&mut sum, 0..2) + run(&mut sum, 2..5)];
        assert!((losses[0] - losses[1]).abs() < 1e-12, "{losses:?}");
        for (a, b) in whole.values().iter().zip(sum.values()) {
            assert!((a - b).abs() < 1e-14, "{a} {b}");
        }
    }
}

/// A condition c that is the same for all rows is a bias: V c + b, with V the columns of a network's first
/// weight that see it. So a conditional model does all that the plain one with these biases does.
#[test]
fn a_condition_of_all_rows_is_a_bias() {
    let plain = Vae::<f64>::new(config(&[3, 2])).unwrap();
    let conditional = Vae::<f64>::new(VaeConfig { condition: 2, ..config(&[3, 2]) }).unwrap();
    let (params, c) = (conditional.init(Init::Uniform, 1, None), [0.7, -1.3]);
    let mut folded = vec![0.0; plain.layout().len()];
    let slots = plain.layout().slots().iter().zip(conditional.layout().slots());
    for (to, from) in slots.clone().filter(|(to, _)| to.name.ends_with("layers.0.weight")) {
        let (inputs, wide) = (to.shape[1], from.shape[1]);
        let rows = params[from.range()].chunks(wide).zip(folded[to.range()].chunks_mut(inputs));
        rows.for_each(|(from, to)| to.copy_from_slice(&from[..inputs]));
    }
    let bias_of = |weight: &str| weight.replace("weight", "bias");
    for (to, from) in slots.clone().filter(|(to, _)| !to.name.ends_with("layers.0.weight")) {
        folded[to.range()].copy_from_slice(&params[from.range()]);
    }
    for (weight, from) in slots.clone().filter(|(to, _)| to.name.ends_with("layers.0.weight")) {
        let bias = slots.clone().find(|(to, _)| to.name == bias_of(&weight.name)).unwrap().0;
        for (row, b) in params[from.range()].chunks(from.shape[1]).zip(&mut folded[bias.range()]) {
            *b += row[weight.shape[1]] * c[0] + row[weight.shape[1] + 1] * c[1];
        }
    }

    let x = Array2::from_shape_fn((3, 6), |(i, j)| ((i + j) % 2) as f64);
    let c = Array2::from_shape_fn((3, 2), |(_, j)| c[j]);
    let address = Address::new(2, Purpose::Check);
    let sampling = Sampling { address, first: 0, temperature: 0.8, shown: Shown::Draw };
    let all = |vae: &Vae<f64>, params: &[f64], batch: Batch<'_, f64>| {
        let mut ws = Workspace::new(vae, 3, 1, Pass::Value).unwrap();
        if let Some(condition) = &batch.condition {
            ws.set_condition(condition);
        }
        let (mut z, mut rows) = (Array2::zeros((3, 2)), [(); 3].map(|()| Array2::zeros((3, 6))));
        vae.encode(z.view_mut(), &mut ws, &batch.x, params);
        vae.decode(rows[0].view_mut(), &mut ws, &z.view(), params);
        vae.reconstruct(rows[1].view_mut(), &mut ws, &batch.x, params);
        vae.sample(rows[2].view_mut(), &mut ws, params, &sampling);
        let noise = Noise::new(address, &[4, 9, 2]);
        let loss = vae.loss(&mut ws, batch, params, noise, &Iwae, 1.0).loss;
        let rows = rows.iter().flatten().copied().collect::<Vec<_>>();
        z.into_iter().chain(rows).chain([loss]).collect::<Vec<_>>()
    };
    let under = all(&conditional, &params, Batch::new(x.view()).given(c.view()));
    let biased = all(&plain, &folded, Batch::new(x.view()));
    for (i, (a, b)) in under.iter().zip(&biased).enumerate() {
        assert!((a - b).abs() < 1e-13, "{i}: {a} {b}");
    }
    assert!(plain.check_condition(0).is_ok() && conditional.check_condition(2).is_ok());
    assert!(plain.check_condition(2).is_err());
    let refused = conditional.check_condition(0).unwrap_err().to_string();
    assert!(refused.contains("a condition of 2 values"), "{refused}");
}

/// An exposure e of all rows is ln e on the bias of every rate's logarithm, and nothing else: no network sees it. So
/// p(x|z) has e times the mean, in all that a model does.
#[test]
fn an_exposure_multiplies_the_rates() {
    // Where in η the rates' logarithms stand, of 6 columns.
    for (likelihood, rates) in [
        ("poisson", (0..6).collect()),
        ("negative-binomial:dispersion=emitted", (0..6).collect()),
        ("zero-inflated", (0..6).collect()),
        ("masked:of=negative-binomial", (0..6).collect()),
        ("mixture:of=poisson,components=3", (0..18).collect()),
        ("columns:1-2=normal,3-4=poisson,5-=negative-binomial", (4..8).collect()),
    ] {
        let rates: Vec<usize> = rates;
        let likelihood = likelihood.parse().unwrap();
        let plain = VaeConfig { likelihood, ..config(&[3, 2]) };
        let exposed = VaeConfig { exposure: true, ..plain.clone() };
        let [plain, exposed] = [plain, exposed].map(|config| Vae::<f64>::new(config).unwrap());
        assert_eq!(plain.layout().len(), exposed.layout().len());
        let (params, log_e) = (exposed.init(Init::Uniform, 1, None), 1.3);
        let mut biased = params.clone();
        let bias = plain.layout().slots().iter().find(|s| s.name == "decoder.0.head.bias").unwrap();
        let bias = &mut biased[bias.range()];
        rates.into_iter().for_each(|j| bias[j] += log_e);

        let x = Array2::from_shape_fn((3, 6), |(i, j)| ((i + 2 * j) % 4) as f64);
        let c = Array2::from_elem((3, 1), log_e);
        let address = Address::new(2, Purpose::Check);
        let sampling = Sampling { address, first: 0, temperature: 0.8, shown: Shown::Draw };
        let all = |vae: &Vae<f64>, params: &[f64], batch: Batch<'_, f64>| {
            let mut ws = Workspace::new(vae, 3, 2, Pass::Gradient).unwrap();
            if let Some(condition) = &batch.condition {
                ws.set_condition(condition);
            }
            let (mut z, mut rows) =
                (Array2::zeros((3, 2)), [(); 2].map(|()| Array2::zeros((3, 6))));
            vae.encode(z.view_mut(), &mut ws, &batch.x, params);
            vae.reconstruct(rows[0].view_mut(), &mut ws, &batch.x, params);
            vae.sample(rows[1].view_mut(), &mut ws, params, &sampling);
            let (noise, mut gradient) =
                (Noise::new(address, &[4, 9, 2]), Gradient::zeros(vae.layout()));
            let found =
                vae.loss_and_gradient(&mut gradient, &mut ws, batch, params, noise, &Iwae, 1.0);
            let rows = rows.iter().flatten().copied().chain([found.loss]).collect::<Vec<_>>();
            z.into_iter().chain(rows).chain(gradient.values().iter().copied()).collect::<Vec<_>>()
        };
        let under = all(&exposed, &params, Batch::new(x.view()).given(c.view()));
        let with_bias = all(&plain, &biased, Batch::new(x.view()));
        let without = all(&plain, &params, Batch::new(x.view()));
        let near = |a: &f64, b: &f64| (a - b).abs() <= 1e-12 * (1.0 + a.abs());
        for (i, (a, b)) in under.iter().zip(&with_bias).enumerate() {
            assert!(near(a, b), "{:?} {i}: {a} {b}", plain.config().likelihood);
        }
        assert!(under.iter().zip(&without).any(|(a, b)| !near(a, b)));
    }
    let refused = Vae::<f64>::new(VaeConfig { exposure: true, ..config(&[3, 2]) });
    let refused = refused.err().unwrap().to_string();
    assert!(refused.starts_with("exposure: `bernoulli` has no rates"), "{refused}");
}

/// An encoder that sees columns in forms is one that sees raw values with other weights: those of a class are the columns
/// of its one-hot, a spread is a factor and a bias. And nothing but the encoder sees them.
#[test]
fn columns_are_seen_in_their_forms() {
    let likelihood = "columns:1-2=normal,3=(categorical:classes=3),4-=poisson";
    let config = VaeConfig { width: 4, likelihood: likelihood.parse().unwrap(), ..config(&[2]) };
    let formed = Vae::<f64>::new(VaeConfig { forms: true, ..config.clone() }).unwrap();
    let data = Moments { mean: vec![1.0, -2.0, 9.0, 4.0], variance: vec![4.0, 0.25, 9.0, 0.0] };
    let params = formed.init(Init::Uniform, 1, Some(&data));
    let slot = |vae: &Vae<f64>, name: &str| {
        vae.layout().slots().iter().find(|slot| slot.name == name).unwrap().clone()
    };
    let weight = slot(&formed, "encoder.0.layers.0.weight");
    assert_eq!(weight.shape[1], 2 + 3 + 1);
    assert_eq!(formed.layout().states().count(), 2);
    // What is no weight is not counted.
    let x = ndarray::array![[3.0, -2.5, 1.0, 6.0], [1.0, 0.0, 2.0, 0.0]];
    // By hand: the first layer on (x − m)/s and the one-hot, which another model sees as plain data.
    let seen = ndarray::array![[1.0, -1.0, 0.0, 1.0, 0.0, 2.0], [0.0, 4.0, 0.0, 0.0, 1.0, -4.0]];
    let plain =
        Vae::<f64>::new(VaeConfig { width: 6, likelihood: "normal".parse().unwrap(), ..config })
            .unwrap();
    let mut other = plain.init(Init::Uniform, 2, None);
    for to in plain.layout().slots().iter().filter(|slot| slot.name.starts_with("encoder")) {
        other[to.range()].copy_from_slice(&params[slot(&formed, &to.name).range()]);
    }
    let encoded = |vae: &Vae<f64>, x: &Array2<f64>, params: &[f64]| {
        let mut ws = Workspace::new(vae, 2, 1, Pass::Value).unwrap();
        let mut z = Array2::zeros((2, vae.latent()));
        vae.encode(z.view_mut(), &mut ws, &x.view(), params);
        z
    };
    assert_eq!(encoded(&formed, &x, &params), encoded(&plain, &seen, &other));
    let refused =
        VaeConfig { forms: true, prior: "vamp".parse().unwrap(), ..formed.config().clone() };
    let refused = Vae::<f64>::new(refused).err().unwrap().to_string();
    assert!(refused.contains("in which form"), "{refused}");
}

/// Networks that see past the level next to them, and have learned to look away, are those that do not.
#[test]
fn what_is_skipped_to_with_weight_0_is_not_there() {
    let plain = Vae::<f64>::new(config(&[3, 2, 4])).unwrap();
    let params = plain.init(Init::Uniform, 1, None);
    let x = Array2::from_shape_fn((3, plain.width()), |(i, j)| ((i + j) % 2) as f64);
    let address = Address::new(2, Purpose::Check);
    let sampling = Sampling { address, first: 0, temperature: 0.8, shown: Shown::Draw };
    let all = |vae: &Vae<f64>, params: &[f64]| {
        let mut ws = Workspace::new(vae, 3, 2, Pass::Value).unwrap();
        let noise = Noise::new(address, &[4, 9, 2]);
        let loss = vae.loss(&mut ws, &x.view(), params, noise, &Iwae, 1.0).loss;
        let mut ws = Workspace::new(vae, 3, 1, Pass::Value).unwrap();
        let (mut z, mut rows) = (Array2::zeros((3, 4)), [(); 2].map(|()| Array2::zeros(x.dim())));
        vae.encode(z.view_mut(), &mut ws, &x.view(), params);
        vae.reconstruct(rows[0].view_mut(), &mut ws, &x.view(), params);
        vae.sample(rows[1].view_mut(), &mut ws, params, &sampling);
        z.into_iter().chain(rows.into_iter().flatten()).chain([loss]).collect::<Vec<_>>()
    };
    for skip in [Skip::Up, Skip::Down, Skip::Both] {
        let skipping = Vae::<f64>::new(VaeConfig { skip, ..config(&[3, 2, 4]) }).unwrap();
        let more: usize = skipping.layout().parameters() - plain.layout().parameters();
        assert!(more > 0);
        let mut wide = vec![0.0; skipping.layout().len()];
        for (to, from) in skipping.layout().slots().iter().zip(plain.layout().slots()) {
            assert_eq!(to.name, from.name);
            // A row of a wider matrix begins with that of the narrower one, and goes on with zeros.
            let columns = |shape: &[usize]| shape.last().copied().unwrap_or(1);
            let (wide, narrow) = (&mut wide[to.range()], &params[from.range()]);
            let (to, from) = (columns(&to.shape), columns(&from.shape));
            for (to, from) in wide.chunks_mut(to).zip(narrow.chunks(from)) {
                to[..from.len()].copy_from_slice(from);
            }
        }
        for (i, (a, b)) in all(&plain, &params).iter().zip(all(&skipping, &wide)).enumerate() {
            assert!((a - b).abs() < 1e-12, "{skip:?} {i}: {a} {b}");
        }
    }
    assert!(Vae::<f64>::new(VaeConfig { skip: Skip::Up, ..config(&[3]) }).is_err());
    let masked = "masked:of=normal".parse().unwrap();
    let refused = VaeConfig { skip: Skip::Up, likelihood: masked, ..config(&[3, 2]) };
    assert!(Vae::<f64>::new(refused).is_err());
}

/// A model that no machine can hold is refused, and not by an overflow on the way there.
#[test]
fn sizes_that_are_absurd_are_refused() {
    let widest = 1 << 24;
    let posterior = "full-normal".parse().unwrap();
    let config = VaeConfig { posterior, ..VaeConfig::new(widest, &[widest], widest) };
    let refused = Vae::<f64>::new(config).err().unwrap().to_string();
    assert!(refused.contains("memory"), "{refused}");
}

#[test]
fn parts_that_do_not_fit_each_other_are_refused() {
    let part =
        |layout: &mut Layout, side: &str, [inputs, condition]: [usize; 2], spec: &str, width| {
            let p = distribution::build::<f64>(&spec.parse().unwrap()).unwrap();
            let mut scope = layout.scope(side);
            let inputs = Inputs { condition, ..Inputs::of(inputs) };
            Conditional::new(&mut scope, inputs, &[], crate::nn::Activation::Relu, p, width)
                .unwrap()
        };
    let refusal = |up: ([usize; 2], &str), down: ([usize; 2], &str), prior: &str| {
        let mut layout = Layout::default();
        let q = part(&mut layout, "up", up.0, up.1, 2);
        let p = part(&mut layout, "down", down.0, down.1, 3);
        let prior = crate::prior::build(&prior.parse().unwrap()).unwrap();
        Vae::from_parts(layout, vec![q], vec![p], prior).err().map(|e| e.to_string())
    };
    let (q, p) = (([3, 0], "normal"), ([2, 0], "bernoulli"));
    assert_eq!(refusal(q, p, "standard-normal"), None);
    for (q, p, prior, words) in [
        (([4, 0], "normal"), p, "standard-normal", "widths"),
        (q, ([1, 0], "bernoulli"), "standard-normal", "widths"),
        (([3, 1], "normal"), p, "standard-normal", "same condition"),
        (([3, 0], "bernoulli"), p, "standard-normal", "cannot be drawn from"),
        (q, ([2, 0], "planar"), "standard-normal", "cannot score"),
        (([3, 0], "planar"), p, "vamp", "a posterior that can score any latent"),
        (([3, 1], "normal"), ([2, 1], "bernoulli"), "vamp", "no condition"),
    ] {
        let message = refusal(q, p, prior).expect(words);
        assert!(message.contains(words), "{message}");
    }
    let prior = crate::prior::build::<f64>(&"standard-normal".parse().unwrap()).unwrap();
    assert!(Vae::from_parts(Layout::default(), vec![], vec![], prior).is_err());
}
