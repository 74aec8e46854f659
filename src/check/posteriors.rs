//! What a posterior does besides scoring: draws, log q of a draw, the closed-form KL.

use super::operations::{assert_alike, flat, matrix, own_len, subject};
use super::{Case, Draws, dot};
use crate::distribution::batch::{self, DrawBuffers};
use crate::distribution::{Distribution, Draw, Reparameterized};
use crate::gradcheck::Input;
use ndarray::Array2;
use std::sync::Arc;

/// Width of z in all cases.
const WIDTH: usize = 5;

/// What is checked of every distribution that can be a posterior.
pub(super) fn posterior_cases(
    member: &str,
    build: &dyn Fn() -> Box<dyn Distribution<f64>>,
) -> Vec<Case> {
    let mut cases = Vec::new();
    let p = build();
    let Some(q) = p.as_reparameterized() else { return cases };
    cases.extend([(1, 1), (2, 3)].map(|(b, k)| draw_case(build(), b, k)));
    if q.as_separable().is_some() && p.as_likelihood().is_some() {
        cases.push(log_q_case(build()));
    }
    if q.as_closed_form().is_some() {
        cases.extend([1, 3].map(|b| kl_case(build(), b)));
    }
    cases.into_iter().map(|case| Case { member: member.to_owned(), ..case }).collect()
}

fn posterior(q: &dyn Distribution<f64>) -> &dyn Reparameterized<f64> {
    q.as_reparameterized().expect("chosen for that")
}

/// A case of a distribution that has these inputs.
fn case(name: String, inputs: Vec<Input>, subject: Box<dyn crate::gradcheck::Subject>) -> Case {
    Case { family: "distribution", member: String::new(), name, inputs, subject }
}

/// z = g(η, ε) and log q of it, by η and the posterior's own tensors, with K draws of each row. Where log q
/// can be computed from z too, the two must agree.
fn draw_case(q: Box<dyn Distribution<f64>>, b: usize, k: usize) -> Case {
    let (n, eta_width, o) = (b * k, q.eta_width(WIDTH), own_len(&*q, WIDTH));
    let mut draws = Draws::new(5);
    let mut inputs = vec![Input::new("η", draws.normal(b * eta_width, 0.8))];
    if o > 0 {
        inputs.push(Input::new("own", draws.normal(o, 0.5)));
    }
    let noise = posterior(&*q).noise_width(WIDTH);
    let name = format!("draw from {}, η [{b}, {eta_width}], ε [{n}, {noise}]", q.spec());
    let eps = draws.normal(n * noise, 1.0);
    let (weight, of_log_q) = (draws.normal(n * WIDTH, 1.0), draws.normal(n, 1.0));
    // The draws, their buffers and log q.
    let run = move |q: &dyn Distribution<f64>, i: &[Vec<f64>]| {
        let (mut z, mut log_q) = (Array2::zeros((n, WIDTH)), vec![0.0; n]);
        let (eta, own) = (matrix(&i[0], b), i.get(1).map_or(&[][..], |own| own));
        let mut buffers = DrawBuffers::new(posterior(q), n, WIDTH, o);
        buffers.eps.assign(&matrix(&eps, n));
        batch::rsample(z.view_mut(), &mut buffers, posterior(q), &eta, own);
        batch::log_q(&mut log_q, &buffers, posterior(q), &eta, own);
        if let Some(p) = q.as_likelihood() {
            let mut log_p = vec![0.0; n];
            batch::log_prob(&mut log_p, p, &z.view(), &repeated(&i[0], b, k).view(), own);
            assert_alike(&log_q, &log_p);
        }
        (z, log_q, buffers)
    };
    let (q, run) = (Arc::new(q), Arc::new(run));
    let (p, again) = (q.clone(), run.clone());
    let (w, w_q) = (weight.clone(), of_log_q.clone());
    let value = move |i: &[Vec<f64>], _: &mut Vec<bool>| {
        let (z, log_q, _) = run(&**p, i);
        dot(&w, flat(&z)) + dot(&w_q, &log_q)
    };
    let gradient = move |i: &[Vec<f64>]| {
        let (_, _, mut buffers) = again(&**q, i);
        let (mut d_eta, mut d_own) = (Array2::zeros((b, eta_width)), vec![0.0; o]);
        let (eta, own) = (matrix(&i[0], b), i.get(1).map_or(&[][..], |own| own));
        batch::draw_backward(
            d_eta.view_mut(),
            &mut d_own,
            &mut buffers,
            posterior(&**q),
            &matrix(&weight, n),
            Some(&of_log_q),
            &eta,
            own,
        );
        let mut gradient = vec![flat(&d_eta).to_vec()];
        gradient.extend((o > 0).then_some(d_own));
        gradient
    };
    case(name, inputs, subject(value, gradient))
}

/// Each of B rows K times.
fn repeated(rows: &[f64], b: usize, k: usize) -> Array2<f64> {
    let rows = matrix(rows, b);
    Array2::from_shape_fn((b * k, rows.ncols()), |(n, j)| rows[[n / k, j]])
}

/// log q(z|η) at a draw, by η at fixed z (the direct term) and by z. The value is `log_prob`, so the
/// form that computes from ε is checked against the one that computes from z.
fn log_q_case(q: Box<dyn Distribution<f64>>) -> Case {
    let mut draws = Draws::new(6);
    let (eta, eps) = (draws.normal(q.eta_width(WIDTH), 0.8), draws.normal(WIDTH, 1.0));
    let mut z = vec![0.0; WIDTH];
    let draw = Draw { eta: &eta, own: &[], eps: &eps };
    posterior(&*q).rsample(&mut z, &mut [], draw);
    let name = format!("log q of a draw from {}", q.spec());
    let q = Arc::new(q);
    let p = q.clone();
    let inputs = vec![Input::new("η", eta), Input::new("z", z)];
    let value = move |i: &[Vec<f64>], _: &mut Vec<bool>| {
        p.as_likelihood().expect("chosen for that").log_prob(&i[1], &i[0], &[])
    };
    let gradient = move |i: &[Vec<f64>]| {
        let (mut d_eta, mut d_z) = (vec![0.0; i[0].len()], vec![0.0; WIDTH]);
        let q = posterior(&**q).as_separable().expect("chosen for that");
        q.log_q_gradient(&mut d_eta, &mut d_z, Draw { eta: &i[0], own: &[], eps: &eps });
        vec![d_eta, d_z]
    };
    case(name, inputs, subject(value, gradient))
}

/// The closed-form KL to the standard normal, by η.
fn kl_case(q: Box<dyn Distribution<f64>>, b: usize) -> Case {
    let eta_width = q.eta_width(WIDTH);
    let mut draws = Draws::new(7);
    let inputs = vec![Input::new("η", draws.normal(b * eta_width, 0.8))];
    let weight = draws.normal(b * WIDTH, 1.0);
    let name = format!("KL of {} to N(0, 1), η [{b}, {eta_width}]", q.spec());
    let (w, q) = (weight.clone(), Arc::new(q));
    let p = q.clone();
    let value = move |i: &[Vec<f64>], _: &mut Vec<bool>| {
        let mut kl = Array2::zeros((b, WIDTH));
        let p = posterior(&**p).as_closed_form().expect("chosen for that");
        batch::kl(kl.view_mut(), p, &matrix(&i[0], b));
        dot(&w, flat(&kl))
    };
    let gradient = move |i: &[Vec<f64>]| {
        let q = posterior(&**q).as_closed_form().expect("chosen for that");
        let mut d_eta = Array2::zeros((b, eta_width));
        batch::kl_backward(d_eta.view_mut(), q, &matrix(&weight, b), &matrix(&i[0], b));
        vec![flat(&d_eta).to_vec()]
    };
    case(name, inputs, subject(value, gradient))
}
