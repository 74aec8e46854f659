//! Every hand-written gradient of the crate, as a list of cases for [`crate::gradcheck`].
//!
//! The list is made from the families' own lists, so a new member is checked by being there. What a
//! case differentiates is always one number: the operation's outputs weighted by fixed random
//! factors, as some loss would weight them.

mod models;
mod operations;
mod posteriors;

#[cfg(test)] // for members that are in no list
pub(crate) use {
    models::case as model_case,
    operations::{distribution_cases, objective_cases},
};

use crate::gradcheck::{self, Input, Report, Subject};
use crate::rng::{Address, ChaCha8Rng, Purpose};
use rand_distr::Distribution as _;
use rand_distr::StandardNormal;

/// One gradient check.
pub struct Case {
    /// The room of the engine: `nn`, `distribution`, `prior`, `objective` or `model`.
    pub family: &'static str,
    /// The file in that room.
    pub member: String,
    /// What exactly is checked.
    pub name: String,
    /// The tensors that it is differentiated by.
    pub inputs: Vec<Input>,
    /// The value and its gradient.
    pub subject: Box<dyn Subject>,
}

impl Case {
    /// Runs the check; `flip` as in [`gradcheck::check`].
    pub fn run(&mut self, flip: Option<usize>) -> Report {
        gradcheck::check(
            &mut *self.subject,
            &self.inputs,
            flip,
            &mut Address::new(1, Purpose::Check).rng(),
        )
    }
}

/// Every case there is: operations alone, then whole models.
pub fn cases() -> Vec<Case> {
    let mut cases = operations::cases();
    cases.extend(models::cases());
    cases
}

/// Random numbers for the points and weights of the cases.
struct Draws(ChaCha8Rng);

impl Draws {
    fn new(case: usize) -> Self {
        Draws(Address::new(0, Purpose::Check).row(case as u64).rng())
    }

    /// `n` draws from N(0, scale²).
    fn normal(&mut self, n: usize, scale: f64) -> Vec<f64> {
        let mut draw = || -> f64 { StandardNormal.sample(&mut self.0) };
        (0..n).map(|_| scale * draw()).collect()
    }

    /// `n` draws from (0, 1).
    fn unit(&mut self, n: usize) -> Vec<f64> {
        self.normal(n, 1.0).into_iter().map(|x| 1.0 / (1.0 + (-x).exp())).collect()
    }
}

/// Σ aᵢ bᵢ
fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}
