//! The operations alone: activations, layers, distributions, KL, priors, objectives.
//!
//! Shapes are ragged on purpose: one row, prime widths.

use super::posteriors::posterior_cases;
use super::{Case, Draws, dot};
use crate::distribution::batch::{self, Gradients};
use crate::distribution::{self, Distribution, Support};
use crate::family::{Member, Spec};
use crate::gradcheck::{Input, Subject};
use crate::gradient::Gradient;
use crate::nn::{self, Activation, Call, Linear, Network, Plan, Trace};
use crate::objective::{self, Objective, Terms, Weights};
use crate::params::{Layout, Scope};
use crate::prior::{self, Given, Posteriors, Prior, PriorGradient};
use crate::rng::{Address, Noise, Purpose};
use ndarray::{Array2, ArrayView2};

/// A subject made of two closures.
struct Closures<V, G>(V, G);

impl<V, G> Subject for Closures<V, G>
where
    V: FnMut(&[Vec<f64>], &mut Vec<bool>) -> f64,
    G: FnMut(&[Vec<f64>]) -> Vec<Vec<f64>>,
{
    fn value(&mut self, inputs: &[Vec<f64>], kinks: &mut Vec<bool>) -> f64 {
        (self.0)(inputs, kinks)
    }
    fn gradient(&mut self, inputs: &[Vec<f64>]) -> Vec<Vec<f64>> {
        (self.1)(inputs)
    }
}

/// Boxes a value and its gradient.
pub(super) fn subject(
    value: impl FnMut(&[Vec<f64>], &mut Vec<bool>) -> f64 + 'static,
    gradient: impl FnMut(&[Vec<f64>]) -> Vec<Vec<f64>> + 'static,
) -> Box<dyn Subject> {
    Box::new(Closures(value, gradient))
}

pub(super) fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for activation in Activation::ALL {
        cases.push(activation_case(activation));
    }
    for rows in [1, 3] {
        cases.push(linear_case(rows));
    }
    cases.extend(layer_cases(&nn::members()));
    for layers in ["", "dense=5", "dense=5 dropout=0.4 dense=3"] {
        cases.push(network_case(layers));
    }
    cases.extend(distribution_cases(&distribution::members()));
    cases.extend(prior_cases(&prior::members()));
    cases.extend(objective_cases(&objective::members()));
    cases
}

/// Every example of every member: its file, which is the member's name in Rust's spelling, and what
/// builds it.
fn examples<O>(members: &[Member<O>]) -> impl Iterator<Item = (String, impl Fn() -> O)> {
    members.iter().flat_map(|member| {
        member.examples.iter().map(move |example| {
            let spec: Spec = example.parse().expect("an example is a spec");
            let build = move || (member.build)(&spec).expect("an example can be built");
            (member.name.replace('-', "_"), build)
        })
    })
}

/// What is checked of every distribution, and of every one that can be a posterior.
pub(crate) fn distribution_cases(members: &[Member<Box<dyn Distribution<f64>>>]) -> Vec<Case> {
    let mut cases = Vec::new();
    for (file, build) in examples(members) {
        let shapes = [(1, 1), (2, 3)];
        if build().as_likelihood().is_some() {
            cases.extend(shapes.map(|(b, k)| log_prob_case(file.clone(), build(), b, k)));
        }
        cases.extend(posterior_cases(&file, &build));
    }
    cases
}

/// What is checked of every prior.
fn prior_cases(members: &[Member<Box<dyn Prior<f64>>>]) -> Vec<Case> {
    let mut cases = Vec::new();
    for (file, build) in examples(members) {
        cases.extend([1, 3].map(|n| prior_case(file.clone(), build(), n)));
    }
    cases
}

/// What is checked of every objective, with the closed-form KL and without, as it can.
pub(crate) fn objective_cases(members: &[Member<Box<dyn Objective<f64>>>]) -> Vec<Case> {
    let mut cases = Vec::new();
    for (file, build) in examples(members) {
        let with = build().uses_closed_form_kl().then_some(true);
        let without = (!build().needs_closed_form_kl()).then_some(false);
        for (b, k) in [(1, 1), (3, 1), (1, 3), (2, 5)] {
            let kinds = with.into_iter().chain(without);
            cases.extend(kinds.map(|kl| objective_case(file.clone(), build(), b, k, kl)));
        }
    }
    cases
}

fn activation_case(f: Activation) -> Case {
    let n = 23;
    let mut draws = Draws::new(1);
    let (a, weight) = (draws.normal(n, 2.0), draws.normal(n, 1.0));
    let forward = move |a: &[f64]| {
        let mut h = vec![0.0; n];
        f.forward(&mut h, a);
        h
    };
    let w = weight.clone();
    Case {
        family: "nn",
        member: "activation".to_owned(),
        name: f.name().to_owned(),
        inputs: vec![Input::new("a", a)],
        subject: subject(
            move |inputs, kinks| {
                if f.has_kink() {
                    kinks.extend(inputs[0].iter().map(|a| *a > 0.0));
                }
                dot(&w, &forward(&inputs[0]))
            },
            move |inputs| {
                let (h, mut d) = (forward(&inputs[0]), weight.clone());
                f.backward(&mut d, &inputs[0], &h);
                vec![d]
            },
        ),
    }
}

fn linear_case(rows: usize) -> Case {
    let (inputs, outputs) = (7, 5);
    let mut layout = Layout::default();
    let linear = Linear::new(&mut layout.scope("linear"), inputs, outputs);
    let mut draws = Draws::new(2);
    let (x, params) = (draws.normal(rows * inputs, 1.0), draws.normal(layout.len(), 0.7));
    let weight = draws.normal(rows * outputs, 1.0);
    let w = weight.clone();
    Case {
        family: "nn",
        member: "linear".to_owned(),
        name: format!("x [{rows}, {inputs}], W [{outputs}, {inputs}]"),
        inputs: vec![Input::new("x", x), Input::new("parameters", params)],
        subject: subject(
            move |i, _| {
                let mut y = Array2::zeros((rows, outputs));
                linear.forward(&mut y.view_mut(), &matrix(&i[0], rows), &i[1]);
                dot(&w, flat(&y))
            },
            move |i| {
                let (mut d_x, mut d_params) =
                    (Array2::zeros((rows, inputs)), Gradient::zeros(&layout));
                let (d_y, x) = (matrix(&weight, rows), matrix(&i[0], rows));
                linear.backward(Some(&mut d_params), Some(&mut d_x.view_mut()), &d_y, &x, &i[1]);
                vec![d_x.into_raw_vec_and_offset().0, d_params.values().to_vec()]
            },
        ),
    }
}

/// What is checked of every layer, with each activation that it may have, while training.
pub(crate) fn layer_cases(members: &[Member<Box<dyn Plan<f64>>>]) -> Vec<Case> {
    let mut cases = Vec::new();
    for (file, build) in examples(members) {
        for activation in Activation::ALL {
            cases.push(layer_case(file.clone(), build(), activation));
            // The activation is asked for only if the settings name none.
            if build().width().is_none() || build().spec().get("activation").is_some() {
                break;
            }
        }
    }
    cases
}

fn layer_case(member: String, plan: Box<dyn Plan<f64>>, activation: Activation) -> Case {
    let (rows, inputs) = (3, 7);
    let mut layout = Layout::default();
    let layer = plan.place(&mut layout.scope("layer"), inputs, activation);
    let outputs = layer.outputs();
    let mut draws = Draws::new(3);
    let mut points = vec![Input::new("x", draws.normal(rows * inputs, 1.0))];
    if layout.len() > 0 {
        points.push(Input::new("parameters", draws.normal(layout.len(), 0.7)));
    }
    let weight = draws.normal(rows * outputs, 1.0);
    let name = format!("{}, x [{rows}, {inputs}], {}", plan.spec(), activation.name());
    let (w, layer) = (weight.clone(), std::sync::Arc::new(layer));
    let same = layer.clone();
    let buffers = move |widths: &[usize]| -> Vec<Array2<f64>> {
        widths.iter().map(|width| Array2::zeros((rows, *width))).collect()
    };
    fn call(i: &[Vec<f64>], rows: usize) -> Call<'_, f64> {
        let noise = Noise::new(Address::new(3, Purpose::Check), &[4, 9, 2]).training();
        let params = i.get(1).map_or(&[][..], |params| params);
        Call { x: matrix(&i[0], rows), params, noise: noise.of_layers(0, 1) }
    }
    Case {
        family: "nn",
        member,
        name,
        inputs: points,
        subject: subject(
            move |i, kinks| {
                let (mut y, mut kept) = (Array2::zeros((rows, outputs)), buffers(layer.kept()));
                layer.forward(&mut y.view_mut(), &mut kept, &call(i, rows));
                layer.kinks(&y.view(), &mut |side| kinks.push(side));
                dot(&w, flat(&y))
            },
            move |i| {
                let layer = &same;
                let (mut y, mut kept) = (Array2::zeros((rows, outputs)), buffers(layer.kept()));
                layer.forward(&mut y.view_mut(), &mut kept, &call(i, rows));
                let (mut d_x, mut work) = (Array2::zeros((rows, inputs)), buffers(layer.work()));
                let (mut d_params, mut d_y) =
                    (Gradient::zeros(&layout), matrix(&weight, rows).to_owned());
                let trace = Trace { y: y.view(), kept: &kept, work: &mut work };
                let (d_x_view, d_y) = (&mut d_x.view_mut(), &mut d_y.view_mut());
                layer.backward(Some(&mut d_params), Some(d_x_view), d_y, trace, &call(i, rows));
                let mut gradient = vec![d_x.into_raw_vec_and_offset().0];
                if i.len() > 1 {
                    gradient.push(d_params.values().to_vec());
                }
                gradient
            },
        ),
    }
}

fn network_case(layers: &str) -> Case {
    let (rows, inputs, outputs) = (3, 7, 2);
    let mut layout = Layout::default();
    let specs = nn::network::parse(layers).expect("layers that there are");
    let tanh = Activation::Tanh;
    let network = Network::<f64>::new(&mut layout.scope("network"), inputs, &specs, outputs, tanh);
    let network = std::sync::Arc::new(network.expect("layers that there are"));
    let mut draws = Draws::new(3);
    let (x, params) = (draws.normal(rows * inputs, 1.0), draws.normal(layout.len(), 0.7));
    let weight = draws.normal(rows * outputs, 1.0);
    let (w, same) = (weight.clone(), network.clone());
    let noise = || {
        let noise = Noise::new(Address::new(3, Purpose::Check), &[4, 9, 2]).training();
        noise.of_layers(0, 1)
    };
    Case {
        family: "nn",
        member: "network".to_owned(),
        name: format!("{inputs} → {layers} → {outputs}"),
        inputs: vec![Input::new("x", x), Input::new("parameters", params)],
        subject: subject(
            move |i, kinks| {
                let mut buffers = network.buffers(rows, false);
                network.forward(&mut buffers, &matrix(&i[0], rows), &i[1], noise());
                network.kinks(&buffers, rows, &mut |side| kinks.push(side));
                buffers.out(rows).iter().zip(&w).map(|(y, w)| y * w).sum()
            },
            move |i| {
                let mut buffers = same.buffers(rows, true);
                let (mut d_x, mut d_params) =
                    (Array2::zeros((rows, inputs)), Gradient::zeros(&layout));
                let x = matrix(&i[0], rows);
                same.forward(&mut buffers, &x, &i[1], noise());
                let (d_x_view, d_y) = (&mut d_x.view_mut(), matrix(&weight, rows));
                same.backward(Some(&mut d_params), Some(d_x_view), &d_y, &mut buffers, &x, &i[1]);
                vec![d_x.into_raw_vec_and_offset().0, d_params.values().to_vec()]
            },
        ),
    }
}

/// Domain that `p` accepts: in (0, 1) if it wants them there, else anything.
pub(super) fn values_for(p: &dyn Distribution<f64>, n: usize, draws: &mut Draws) -> Vec<f64> {
    match p.facts(0).domain.support(-1.0) {
        Support::Outside(_) => draws.unit(n),
        _ => draws.normal(n, 1.0),
    }
}

/// How many numbers of its own a distribution has.
pub(super) fn own_len(p: &dyn Distribution<f64>, width: usize) -> usize {
    let mut layout = Layout::default();
    layout.scope("own").group(|scope: &mut Scope<'_>| p.own(scope, width)).len()
}

/// log p(x|η) with x of B rows and η of B·K rows, by η, x and the distribution's own parameters.
fn log_prob_case(member: String, p: Box<dyn Distribution<f64>>, b: usize, k: usize) -> Case {
    // Wider than the sixteen lanes of a sum, and not a multiple of them.
    let (width, n) = (19, b * k);
    let (o, eta_width) = (own_len(&*p, width), p.eta_width(width));
    let mut draws = Draws::new(4);
    let mut inputs = vec![
        Input::new("η", draws.normal(n * eta_width, 0.8)),
        Input::new("x", values_for(&*p, b * width, &mut draws)),
    ];
    if o > 0 {
        inputs.push(Input::new("own", draws.normal(o, 0.5)));
    }
    let name = format!("log p of {}, x [{b}, {width}], η [{n}, {eta_width}]", p.spec());
    let weight = draws.normal(n, 1.0);
    let (w, p) = (weight.clone(), std::sync::Arc::new(p));
    let q = p.clone();
    Case {
        family: "distribution",
        member,
        name,
        inputs,
        subject: subject(
            move |i, _| {
                let mut log_p = vec![0.0; n];
                let own = i.get(2).map_or(&[][..], |own| own);
                let q = q.as_likelihood().expect("chosen for that");
                batch::log_prob(&mut log_p, q, &matrix(&i[1], b), &matrix(&i[0], n), own);
                dot(&w, &log_p)
            },
            move |i| {
                let p = p.as_likelihood().expect("chosen for that");
                let own = i.get(2).map_or(&[][..], |own| own);
                let mut log_p = vec![0.0; n];
                let (mut d_eta, mut d_x) =
                    (Array2::zeros((n, eta_width)), Array2::zeros((n, width)));
                let d = Gradients { d_eta: d_eta.view_mut(), d_x: Some(d_x.view_mut()) };
                let (x, eta) = (matrix(&i[1], b), matrix(&i[0], n));
                batch::log_prob_gradient(&mut log_p, d, p, &x, &eta, own);
                let mut plain = vec![0.0; n];
                batch::log_prob(&mut plain, p, &x, &eta, own);
                assert_alike(&log_p, &plain);
                // The engine multiplies rows by weights and adds up what shared a row of x.
                let weighted = |d: &Array2<f64>| d * &matrix(&weight, n);
                let d_x = weighted(&d_x)
                    .to_shape((b, k, width))
                    .expect("n = b·k")
                    .sum_axis(ndarray::Axis(1));
                let mut gradient = vec![flat(&weighted(&d_eta)).to_vec(), flat(&d_x).to_vec()];
                if o > 0 {
                    let (mut d_own, mut blocks) = (vec![0.0; o], Array2::zeros((batch::BLOCKS, o)));
                    batch::own_backward(&mut d_own, &mut blocks, p, &weight, &x, &eta, own);
                    gradient.push(d_own);
                }
                gradient
            },
        ),
    }
}

/// log p(z) by z, the prior's own tensors, and η of the posteriors at its pseudo-inputs.
fn prior_case(member: String, p: Box<dyn Prior<f64>>, n: usize) -> Case {
    let (width, data) = (5, 3);
    let mut layout = Layout::default();
    let o = layout.scope("prior").group(|scope| p.own(scope, width, data)).len();
    let q = distribution::build::<f64>(&Spec::new("normal")).expect("a member of the list");
    let (c, eta_width) = (p.pseudo_inputs(), q.eta_width(width));
    let mut draws = Draws::new(8);
    let mut inputs = vec![Input::new("z", draws.normal(n * width, 1.0))];
    // Pseudo-inputs reach log p only through the encoder, which is no part of this.
    if c > 0 {
        inputs.push(Input::new("η", draws.normal(c * eta_width, 0.7)));
    } else if o > 0 {
        inputs.push(Input::new("own", draws.normal(o, 0.7)));
    }
    let weight = draws.normal(n, 1.0);
    let name = format!("log p of {}, z [{n}, {width}]", p.spec());
    let work = p.work(n, width, eta_width);
    let run = move |i: &[Vec<f64>]| -> (f64, Vec<Vec<f64>>) {
        let posteriors = (c > 0).then(|| Posteriors {
            q: q.as_likelihood().expect("a normal scores"),
            eta: matrix(&i[1], c),
            own: &[],
        });
        let own = if c == 0 && o > 0 { &i[1][..] } else { &[] };
        let (given, z) = (Given { own, posteriors }, matrix(&i[0], n));
        let (mut log_p, mut work) = (vec![0.0; n], vec![0.0; work]);
        p.log_prob(&mut log_p, &z, given, &mut work);
        let (plain, mut d_z) = (log_p.clone(), Array2::zeros((n, width)));
        p.log_prob_gradient(&mut log_p, d_z.view_mut(), &z, given, &mut work);
        assert_alike(&log_p, &plain);
        let (mut d_own, mut d_eta) = (vec![0.0; own.len()], Array2::zeros((c, eta_width)));
        let d = PriorGradient { d_own: &mut d_own, d_eta: d_eta.view_mut() };
        p.backward(d, &weight, &z, given, &mut work);
        let mut gradient = vec![flat(&(&d_z * &matrix(&weight, n))).to_vec()];
        if i.len() > 1 {
            gradient.push(if c > 0 { flat(&d_eta).to_vec() } else { d_own });
        }
        (dot(&weight, &log_p), gradient)
    };
    let run = std::sync::Arc::new(run);
    let value = run.clone();
    Case {
        family: "prior",
        member,
        name,
        inputs,
        subject: subject(move |i, _| value(i).0, move |i| run(i).1),
    }
}

/// The loss by each piece of log w, and by the closed-form KL where it is used.
fn objective_case(
    member: String,
    objective: Box<dyn Objective<f64>>,
    b: usize,
    k: usize,
    closed_form: bool,
) -> Case {
    let (latent, n) = (5, b * k);
    let mut draws = Draws::new(9);
    let piece = |name: &str, draws: &mut Draws| Input::new(name, draws.normal(n, 1.0));
    let mut inputs = vec![
        piece("log p(x|z)", &mut draws),
        piece("log p(z)", &mut draws),
        piece("log q", &mut draws),
    ];
    if closed_form {
        inputs[1].zero_gradient = true;
        inputs[2].zero_gradient = true;
        inputs.push(Input::new("KL", draws.unit(b * latent)));
    }
    let kind = if closed_form { "closed-form KL" } else { "sampled KL" };
    let name = format!("{}, [B, K] = [{b}, {k}], {kind}", objective.spec());
    let weigh = move |i: &[Vec<f64>], kinks: &mut Vec<bool>| {
        let terms = Terms {
            log_px: matrix(&i[0], b),
            log_prior: matrix(&i[1], b),
            log_q: matrix(&i[2], b),
            kl: closed_form.then(|| matrix(&i[3], b)),
            beta: 0.7,
        };
        let [mut log_px, mut log_prior, mut direct, mut path] =
            [(); 4].map(|_| Array2::zeros((b, k)));
        let mut kl = Array2::zeros((b, latent));
        let weights = Weights {
            log_px: log_px.view_mut(),
            log_prior: log_prior.view_mut(),
            direct: direct.view_mut(),
            path: path.view_mut(),
            kl: kl.view_mut(),
        };
        let loss = objective.weigh(weights, &terms);
        objective.kinks(&terms, &mut |side| kinks.push(side));
        assert!(path.iter().all(|p| *p == 1.0), "a plain gradient goes through z unscaled");
        let mut gradient: Vec<_> =
            [log_px, log_prior, direct].iter().map(|w| flat(w).to_vec()).collect();
        if closed_form {
            gradient.push(flat(&kl).to_vec());
        }
        (loss, gradient)
    };
    let weigh = std::sync::Arc::new(weigh);
    let value = weigh.clone();
    Case {
        family: "objective",
        member,
        name,
        inputs,
        subject: subject(move |i, kinks| value(i, kinks).0, move |i| weigh(i, &mut Vec::new()).1),
    }
}

/// The pass for values and the pass for gradients must find the same value: a constant lost in one
/// of them has no gradient that could show it.
pub(super) fn assert_alike(a: &[f64], b: &[f64]) {
    let alike = a.iter().zip(b).all(|(a, b)| (a - b).abs() <= 1e-12 * (1.0 + a.abs()));
    assert!(alike, "value and gradient passes disagree: {a:?} {b:?}");
}

/// A flat tensor as a matrix of `rows` rows.
pub(super) fn matrix(values: &[f64], rows: usize) -> ArrayView2<'_, f64> {
    ArrayView2::from_shape((rows, values.len() / rows), values).expect("a whole number of rows")
}

/// A matrix as a flat tensor.
pub(super) fn flat(a: &Array2<f64>) -> &[f64] {
    a.as_slice().expect("a fresh array is in standard layout")
}
