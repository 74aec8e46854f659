//! What a posterior does besides scoring: draws, log q of a draw, the closed-form KL.

use super::operations::{assert_alike, flat, matrix, subject};
use super::{Case, Draws, dot};
use crate::distribution::{Distribution, batch};
use crate::gradcheck::Input;
use ndarray::Array2;

/// z = g(η, ε) by η, with K draws of each row.
pub(super) fn rsample_case(
    member: String,
    q: Box<dyn Distribution<f64>>,
    b: usize,
    k: usize,
) -> Case {
    let (width, n) = (5, b * k);
    let eta_width = q.eta_width(width);
    let mut draws = Draws::new(5);
    let inputs = vec![Input::new("η", draws.normal(b * eta_width, 0.8))];
    let (eps, weight) = (draws.normal(n * width, 1.0), draws.normal(n * width, 1.0));
    let name = format!("draw from {}, η [{b}, {eta_width}], ε [{n}, {width}]", q.spec());
    let (w, e, q) = (weight.clone(), eps.clone(), std::sync::Arc::new(q));
    let p = q.clone();
    Case {
        family: "distribution",
        member,
        name,
        inputs,
        subject: subject(
            move |i, _| {
                let q = p.as_reparameterized().expect("chosen for that");
                let mut z = Array2::zeros((n, width));
                batch::rsample(z.view_mut(), q, &matrix(&i[0], b), &matrix(&e, n));
                dot(&w, flat(&z))
            },
            move |i| {
                let q = q.as_reparameterized().expect("chosen for that");
                let mut d_eta = Array2::zeros((b, eta_width));
                let (d_z, eta, eps) = (matrix(&weight, n), matrix(&i[0], b), matrix(&eps, n));
                batch::rsample_backward(d_eta.view_mut(), q, &d_z, &eta, &eps);
                vec![flat(&d_eta).to_vec()]
            },
        ),
    }
}

/// log q(z|η) at a draw, by η at fixed z (the direct term) and by z. The value is `log_prob`, so the
/// form that computes from ε is checked against the one that computes from z.
pub(super) fn log_q_case(member: String, q: Box<dyn Distribution<f64>>) -> Case {
    let width = 5;
    let mut draws = Draws::new(6);
    let (eta, eps) = (draws.normal(q.eta_width(width), 0.8), draws.normal(width, 1.0));
    let mut z = vec![0.0; width];
    q.as_reparameterized().expect("chosen for that").rsample(&mut z, &eta, &eps);
    let name = format!("log q of a draw from {}", q.spec());
    let q = std::sync::Arc::new(q);
    let p = q.clone();
    Case {
        family: "distribution",
        member,
        name,
        inputs: vec![Input::new("η", eta), Input::new("z", z)],
        subject: subject(
            move |i, _| p.log_prob(&i[1], &i[0], &[]),
            move |i| {
                let (mut d_eta, mut d_z) = (vec![0.0; i[0].len()], vec![0.0; width]);
                let q = q.as_reparameterized().expect("chosen for that");
                q.log_q_gradient(&mut d_eta, &mut d_z, &i[0], &eps);
                assert_alike(&[q.log_q(&i[0], &eps)], &[q.log_prob(&i[1], &i[0], &[])]);
                vec![d_eta, d_z]
            },
        ),
    }
}

/// log q along a draw, by η at fixed ε.
pub(super) fn log_q_total_case(member: String, q: Box<dyn Distribution<f64>>) -> Case {
    let width = 5;
    let mut draws = Draws::new(6);
    let (eta, eps) = (draws.normal(q.eta_width(width), 0.8), draws.normal(width, 1.0));
    let name = format!("log q along a draw from {}", q.spec());
    let q = std::sync::Arc::new(q);
    let (p, e) = (q.clone(), eps.clone());
    Case {
        family: "distribution",
        member,
        name,
        inputs: vec![Input::new("η", eta)],
        subject: subject(
            move |i, _| p.as_reparameterized().expect("chosen for that").log_q(&i[0], &e),
            move |i| {
                let mut d_eta = vec![0.0; i[0].len()];
                let q = q.as_reparameterized().expect("chosen for that");
                q.log_q_total_gradient(&mut d_eta, &i[0], &eps);
                vec![d_eta]
            },
        ),
    }
}

/// The closed-form KL to the standard normal, by η.
pub(super) fn kl_case(member: String, q: Box<dyn Distribution<f64>>, b: usize) -> Case {
    let width = 5;
    let eta_width = q.eta_width(width);
    let mut draws = Draws::new(7);
    let inputs = vec![Input::new("η", draws.normal(b * eta_width, 0.8))];
    let weight = draws.normal(b * width, 1.0);
    let name = format!("KL of {} to N(0, 1), η [{b}, {eta_width}]", q.spec());
    let (w, q) = (weight.clone(), std::sync::Arc::new(q));
    let p = q.clone();
    Case {
        family: "distribution",
        member,
        name,
        inputs,
        subject: subject(
            move |i, _| {
                let mut kl = Array2::zeros((b, width));
                batch::kl(
                    kl.view_mut(),
                    p.as_reparameterized().expect("chosen for that"),
                    &matrix(&i[0], b),
                );
                dot(&w, flat(&kl))
            },
            move |i| {
                let q = q.as_reparameterized().expect("chosen for that");
                let mut d_eta = Array2::zeros((b, eta_width));
                batch::kl_backward(d_eta.view_mut(), q, &matrix(&weight, b), &matrix(&i[0], b));
                vec![flat(&d_eta).to_vec()]
            },
        ),
    }
}
