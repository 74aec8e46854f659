//! What holds of every likelihood: its probabilities sum or integrate to one, its mean and its mode are theirs, and its
//! draws are distributed so.
//!
//! Members come from the family's own list: a new one is tested by being there, with every example that it
//! gives, at several η and values of its own tensors.

mod quadrature;

use elbo::check::constants;
use elbo::distribution::{self, Distribution, Domain, Support};
use elbo::params::Layout;
use elbo::rng::{Address, Purpose};
use quadrature::{between, total, values};

/// One column of a likelihood, at some η.
struct Column {
    p: Box<dyn Distribution<f64>>,
    eta: Vec<f64>,
    own: Vec<f64>,
}

impl Column {
    fn domain(&self) -> Domain {
        self.p.facts(0).domain
    }

    fn log_prob(&self, x: f64) -> f64 {
        let p = self.p.as_likelihood().expect("chosen for that");
        p.log_prob(&[x], &self.eta, &self.own)
    }

    fn prob(&self, x: f64) -> f64 {
        self.log_prob(x).exp()
    }

    fn mean(&self) -> f64 {
        let mut mean = [0.0];
        self.p.mean(&mut mean, &self.eta, &self.own);
        mean[0]
    }

    fn mode(&self) -> f64 {
        let mut mode = [0.0];
        let p = self.p.as_likelihood().expect("chosen for that");
        p.mode(&mut mode, &self.eta, &self.own);
        mode[0]
    }

    fn draws(&self, n: usize, stream: u64) -> Vec<f64> {
        let mut rng = Address::new(0, Purpose::Check).row(stream).rng();
        let mut x = vec![0.0; n];
        x.chunks_mut(1).for_each(|x| self.p.sample(x, &self.eta, &self.own, &mut rng));
        x
    }

    fn name(&self) -> String {
        format!("{} at η = {:.3?}, own = {:.3?}", self.p.spec(), self.eta, self.own)
    }
}

/// Every example of every member, each at a few points.
fn columns() -> impl Iterator<Item = Column> {
    let examples = distribution::members::<f64>().into_iter().flat_map(|m| m.examples.to_vec());
    let points = examples.flat_map(|example| (0..4).map(move |point| (example, point)));
    points.filter_map(|(example, point)| {
        let p = distribution::build::<f64>(&example.parse().unwrap()).unwrap();
        p.as_likelihood()?;
        let mut layout = Layout::default();
        layout.scope("own").group(|scope| p.own(scope, 1));
        let own: usize = layout.slots().iter().map(|slot| slot.len()).sum();
        let scaled = |n, stream| constants(n, stream).into_iter().map(|v: f64| 0.8 * v).collect();
        let (eta, own) = (scaled(p.eta_width(1), 2 * point), scaled(own, 2 * point + 1));
        Some(Column { p, eta, own })
    })
}

#[test]
fn probabilities_sum_or_integrate_to_one() {
    for column in columns() {
        let total = total(column.domain(), column.mean(), &|x| column.prob(x));
        assert!((total - 1.0).abs() < 1e-10, "{}: {total}", column.name());
    }
}

/// Of classes, which have no mean, the most probable one is given.
#[test]
fn the_mean_is_that_of_the_probabilities() {
    for column in columns() {
        let expected = match column.domain() {
            Domain::Classes(_) => {
                let likelier = |a: &(f64, f64), b: &(f64, f64)| a.1.total_cmp(&b.1);
                values(column.domain(), &|x| column.prob(x)).max_by(likelier).expect("a class").0
            }
            domain => total(domain, column.mean(), &|x| x * column.prob(x)),
        };
        let mean = column.mean();
        let error = (mean - expected).abs();
        assert!(
            error < 1e-8 * expected.abs().max(1.0),
            "{}: {mean}, not {expected}",
            column.name()
        );
    }
}

/// Nothing that can be drawn is likelier than the mode, and nothing beside it.
#[test]
fn the_mode_is_the_likeliest() {
    for column in columns() {
        let (domain, mode) = (column.domain(), column.mode());
        let is_possible = |x: &f64| domain.support(*x) == Support::Inside;
        assert!(is_possible(&mode), "{}: {mode}", column.name());
        let others: Vec<f64> = match domain.is_dense() {
            true => [-1e-2, -1e-4, 1e-4, 1e-2].map(|d| mode + d).into_iter().collect(),
            false => values(domain, &|x| column.prob(x)).map(|(x, _)| x).collect(),
        };
        let others = others.into_iter().filter(is_possible);
        // Between the modes of its components a mixture may be a little likelier.
        let slack = if column.p.spec().name() == "mixture" { 0.1 } else { 1e-12 };
        for x in others.chain(column.draws(2000, 2)) {
            let (best, other) = (column.log_prob(mode), column.log_prob(x));
            assert!(best >= other - slack, "{}: {mode} {best}, {x} {other}", column.name());
        }
    }
}

/// Pearson's χ² of 10⁵ draws.
#[test]
fn draws_are_distributed_so() {
    const DRAWS: usize = 100_000;
    for column in columns() {
        let (expected, bin_of) = bins(&column);
        let mut counts = vec![0usize; expected.len()];
        column.draws(DRAWS, 1).into_iter().for_each(|x| counts[bin_of(x)] += 1);
        let cells = counts.iter().zip(&expected).map(|(&n, p)| (n as f64, p * DRAWS as f64));
        let chi2: f64 = cells.map(|(n, e)| (n - e) * (n - e) / e).sum();
        let dof = expected.len() as f64 - 1.0;
        // Of mean `dof` and variance 2 dof; beyond this in less than one of 10⁵ tests.
        let most = dof + 5.0 * (2.0 * dof).sqrt() + 12.0;
        assert!(chi2 <= most, "{}: χ² = {chi2:.1} of {dof}", column.name());
    }
}

type BinOf = Box<dyn Fn(f64) -> usize>;

/// Probabilities of some bins, none of them small, and the bin of a value.
fn bins(column: &Column) -> (Vec<f64>, BinOf) {
    const LEAST: f64 = 1e-3;
    if column.domain().is_dense() {
        // Bins of about equal probability, and what is left for the two at the ends.
        let mut draws = column.draws(4000, 0);
        draws.sort_by(f64::total_cmp);
        let mut edges: Vec<f64> = draws.chunks(100).skip(1).map(|chunk| chunk[0]).collect();
        edges.dedup();
        let inner: Vec<f64> =
            edges.windows(2).map(|e| between(e[0], e[1], &|x| column.prob(x))).collect();
        let ends = 1.0 - inner.iter().sum::<f64>();
        // Both ends are one bin.
        let expected = [ends].into_iter().chain(inner).collect();
        let last = edges.len();
        return (expected, Box::new(move |x| edges.partition_point(|e| *e <= x) % last));
    }
    // Neighbours are put together until they are probable enough, and the rest goes to the last.
    let (mut expected, mut ends, mut sum) = (Vec::new(), Vec::new(), 0.0);
    for (x, p) in values(column.domain(), &|x| column.prob(x)) {
        sum += p;
        if sum >= LEAST {
            expected.push(sum);
            ends.push(x);
            sum = 0.0;
        }
    }
    *expected.last_mut().expect("something is probable") += sum;
    let last = ends.len() - 1;
    (expected, Box::new(move |x| ends.partition_point(|end| *end < x - 1e-9).min(last)))
}
