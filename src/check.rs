//! Every hand-written gradient of the crate, as a list of cases for [`crate::gradcheck`].
//!
//! Each operation is described once, as an [`Operation`]: the gradient check weighs its outputs by fixed
//! random factors, as some loss would weight them, and differentiates their sum; the precision test
//! (`tests/precision/`) runs the same operations in `f32` and in `f64`. The lists are made from the families'
//! own, so a new member is checked by being there.

mod distribution;
mod model;
mod models;
mod nn;
mod objective;
mod operation;
mod pairwise;
mod penalty;
mod prior;

pub use distribution::{distributions, means};
pub use model::model;
pub use models::{Lists, SMALL, Sizes, models};
pub use nn::{activation, layers, linear, network};
pub use objective::objectives;
pub use operation::{Entry, Operation, Outcome, Tensor, Values, constants, stream};
pub use pairwise::{Cover, Level, cover};
pub use penalty::penalties;
pub use prior::priors;

use crate::distribution::Distribution;
use crate::family::{Member, Spec};
use crate::gradcheck::{self, Input, Report, Subject};
use crate::nn::Activation;
use crate::objective::Objective;
use crate::parallel;
use crate::rng::{Address, Purpose};

/// B rows, K samples of each, and how many numbers there are in a row of x, z or the latent.
#[derive(Clone, Copy, Debug)]
pub struct Shape {
    /// B
    pub rows: usize,
    /// K
    pub samples: usize,
    /// D or Z
    pub width: usize,
}

impl Shape {
    /// N = B·K
    pub fn n(&self) -> usize {
        self.rows * self.samples
    }
}

/// The rows [B, K, width].
const fn shape(rows: usize, samples: usize, width: usize) -> Shape {
    Shape { rows, samples, width }
}

/// One gradient check.
pub struct Case {
    /// The room of the engine: `nn`, `distribution`, `prior`, `penalty`, `objective` or `model`.
    pub family: &'static str,
    /// The file in that room.
    pub member: String,
    /// What exactly is checked.
    pub name: String,
    /// The tensors that it is differentiated by.
    pub inputs: Vec<Input>,
    weighed: Weighed,
}

/// Σ weight · output, and its gradient.
struct Weighed {
    operation: Box<dyn Operation<f64>>,
    weights: Vec<Vec<f64>>,
}

impl Subject for Weighed {
    fn value(&mut self, inputs: &[Vec<f64>], kinks: &mut Vec<bool>) -> f64 {
        let outcome = self.operation.run(inputs, None);
        kinks.extend(outcome.kinks);
        let weighed = outcome.outputs.iter().zip(&self.weights);
        weighed.flat_map(|((_, y), w)| y.iter().zip(w)).map(|(y, w)| y * w).sum()
    }

    fn gradient(&mut self, inputs: &[Vec<f64>]) -> Vec<Vec<f64>> {
        self.operation.run(inputs, Some(&self.weights)).gradient
    }
}

impl Case {
    /// The check of an operation at an ordinary point, which its name decides.
    pub fn of(mut entry: Entry<f64>) -> Self {
        /// What is left of slopes that cancel.
        const NOTHING: f64 = 1e-12;
        let (name, tensors) = (entry.operation.name(), entry.operation.inputs());
        let mut try_point = |turn: usize| {
            let of = |tensor: &str| stream(&format!("{} {name} {tensor} {turn}", entry.family));
            let mut point: Vec<_> = tensors.iter().map(|t| t.point(of(&t.name))).collect();
            entry.operation.settle(&mut point);
            let outputs = entry.operation.run(&point, None).outputs;
            let weight = |(y, values): &(&str, Vec<f64>)| constants(values.len(), of(y));
            let weights: Vec<_> = outputs.iter().map(weight).collect();
            let gradient = entry.operation.run(&point, Some(&weights)).gradient;
            let off = tensors.iter().zip(&gradient).any(|(tensor, d)| {
                !tensor.zero_gradient && !d.is_empty() && d.iter().all(|d| d.abs() < NOTHING)
            });
            (off, point, weights)
        };
        // A narrow layer of relu may be off in all rows, and slopes of ±1 may cancel over rows; what has no gradient
        // anywhere keeps none.
        const TURNS: usize = 8;
        let mut turns = (0..TURNS).map(&mut try_point).skip_while(|(off, ..)| *off);
        let found = turns.next();
        let (_, point, weights) = found.unwrap_or_else(|| try_point(TURNS));
        let input = |(tensor, values): (&Tensor, Vec<f64>)| Input {
            name: tensor.name.clone(),
            zero_gradient: tensor.zero_gradient || values.is_empty(),
            values,
        };
        let inputs = tensors.iter().zip(point).map(input).collect();
        let weighed = Weighed { operation: entry.operation, weights };
        Case { family: entry.family, member: entry.member, name, inputs, weighed }
    }

    /// Runs the check; `flip` as in [`gradcheck::check`].
    pub fn run(&mut self, flip: Option<usize>) -> Report {
        let rng = &mut Address::new(1, Purpose::Check).rng();
        let mut report = gradcheck::check(&mut self.weighed, &self.inputs, flip, rng);
        report.complaint = report.complaint.or_else(|| self.disagreement());
        report
    }

    /// The pass for values and the pass for gradients must find the same outputs: a constant lost in one of
    /// them has no gradient that could show it.
    fn disagreement(&mut self) -> Option<String> {
        let point: Vec<_> = self.inputs.iter().map(|input| input.values.clone()).collect();
        let Weighed { operation, weights } = &mut self.weighed;
        // In this order, since an estimator's weights stay where its gradient was last asked for.
        let again = operation.run(&point, Some(weights)).outputs;
        let values = operation.run(&point, None).outputs;
        let alike = |a: f64, b: f64| (a - b).abs() <= 1e-12 * (1.0 + a.abs());
        let mut pairs = values
            .iter()
            .zip(&again)
            .flat_map(|((name, a), (_, b))| a.iter().zip(b).map(move |(a, b)| (name, *a, *b)));
        let (name, a, b) = pairs.find(|(_, a, b)| !alike(*a, *b))?;
        Some(format!("{name} is {a:e} in the pass for values, {b:e} in that for gradients"))
    }
}

/// Runs every check, on all threads; the reports stand in the order of the cases. `done` is called after each.
pub fn run_all(cases: &mut [Case], done: impl Fn() + Sync) -> Vec<Report> {
    let run = |case: &mut Case| {
        let report = case.run(None);
        done();
        report
    };
    parallel::map(cases, run)
}

/// Every case there is: operations alone, then whole models. Shapes are ragged on purpose: one row, prime
/// widths, and one that is more than the sixteen lanes of a sum.
pub fn cases() -> Vec<Case> {
    let mut entries: Vec<_> = Activation::ALL.into_iter().map(|f| activation(f, 23)).collect();
    entries.extend([1, 3].map(|rows| linear(rows, 7, 5)));
    entries.extend(layers(&crate::nn::members(), &Activation::ALL, 3, 7));
    let layers = ["", "dense=5", "dense=5 dropout=0.4 dense=3"];
    entries.extend(layers.map(|layers| network(layers, 3, 7, 2)));
    let mut cases: Vec<_> = entries.into_iter().map(Case::of).collect();
    cases.extend(distribution_cases(&crate::distribution::members()));
    let shapes = [shape(1, 1, 5), shape(3, 1, 5)];
    cases.extend(by_member(&crate::prior::members(), &shapes, priors));
    let shapes = [shape(2, 1, 2), shape(5, 3, 3)];
    cases.extend(by_member(&crate::penalty::members(), &shapes, penalties));
    cases.extend(objective_cases(&crate::objective::members()));
    cases
        .extend(models(&Lists::of_all_members(&Activation::ALL), &SMALL).into_iter().map(Case::of));
    cases
}

/// What is checked of every distribution.
pub(crate) fn distribution_cases(members: &[Member<Box<dyn Distribution<f64>>>]) -> Vec<Case> {
    let shapes = [shape(1, 1, 19), shape(2, 3, 5)];
    by_member(members, &shapes, distributions)
}

/// What is checked of every objective.
pub(crate) fn objective_cases(members: &[Member<Box<dyn Objective<f64>>>]) -> Vec<Case> {
    let shapes = [shape(1, 1, 5), shape(3, 1, 5), shape(1, 3, 5), shape(2, 5, 5)];
    by_member(members, &shapes, objectives)
}

/// What `list` makes of each member in each shape, member by member.
fn by_member<O>(
    members: &[Member<O>],
    shapes: &[Shape],
    list: impl Fn(&[Member<O>], Shape) -> Vec<Entry<f64>>,
) -> Vec<Case> {
    let mut entries = Vec::new();
    for member in members {
        let member = std::slice::from_ref(member);
        entries.extend(shapes.iter().flat_map(|shape| list(member, *shape)));
    }
    entries.into_iter().map(Case::of).collect()
}

/// The specs of all examples of all members, which together reach every branch of their code.
pub fn specs<O>(members: &[Member<O>]) -> Vec<Spec> {
    examples(members).map(|(_, spec, _)| spec).collect()
}

/// Every example of every member: its file, which is the member's name in Rust's spelling, its spec, and
/// what it builds.
fn examples<O>(members: &[Member<O>]) -> impl Iterator<Item = (String, Spec, O)> {
    members.iter().flat_map(|member| {
        member.examples.iter().map(|example| {
            let spec: Spec = example.parse().expect("an example is a spec");
            let built = (member.build)(&spec).expect("an example can be built");
            (member.name.replace('-', "_"), spec, built)
        })
    })
}
