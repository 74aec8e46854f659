//! A likelihood for each column, or each range of columns: a table of numbers, counts and classes.
//!
//! ```text
//! Shapes    x [D], cut into ranges x_g   η = [η_1 η_2 …], own = [own_1 own_2 …], a part for each range
//! Forward   log p(x|η) = Σ_g log p_g(x_g|η_g)
//! Backward  each range's own, in its part
//! ```
//!
//! `columns:1=normal,2-4=(categorical:classes=3),5-=bernoulli`: columns are counted from 1, each is named once,
//! in order, and the last range has no end. Of data that are narrower, the ranges beyond do not exist.

use super::{
    At, Below, Coded, Distribution, Facts, Likelihood, Member, Moments, RowGradient, Spec,
    build_likelihood, shifted,
};
use crate::error::{Error, Result};
use crate::params::{Layout, Scope};
use crate::real::Real;
use crate::rng::ChaCha8Rng;
use std::borrow::Cow;
use std::ops::Range;
use std::sync::OnceLock;

/// Ranges of columns, each with its likelihood.
pub struct Columns<T> {
    groups: Vec<Group<T>>,
    /// The parts of as many columns as it was first used on: a model has one width.
    parts: OnceLock<(usize, Vec<Part>)>,
}

struct Group<T> {
    /// Its first column.
    first: usize,
    of: Box<dyn Distribution<T>>,
}

/// A range of the data's columns, and its parts of η and of the own tensors.
#[derive(Clone)]
struct Part {
    x: Range<usize>,
    eta: Range<usize>,
    own: Range<usize>,
}

pub(super) fn member<T: Real>() -> Member<Box<dyn Distribution<T>>> {
    Member {
        name: "columns",
        summary: "a likelihood for each range of columns: columns:1=normal,2-4=poisson,5-=(categorical:classes=3); \
                  the last has no end",
        build: |spec| Ok(Box::new(Columns::from_spec(spec)?)),
        examples: &[
            "columns:1=(normal:variance=columns),2-=laplace",
            "columns:1=bernoulli,2-3=(masked:of=negative-binomial),4-=(categorical:classes=3)",
        ],
    }
}

impl<T: Real> Columns<T> {
    fn from_spec(spec: &Spec) -> Result<Self> {
        spec.only(&spec.settings().map(|(key, _)| key).collect::<Vec<_>>())?;
        let refuse = |key: &str, message: String| {
            Err(Error::setting(format!("{}:{key}", spec.name()), message))
        };
        let (mut groups, mut next) = (Vec::new(), Some(1usize));
        for (key, value) in spec.settings() {
            let (first, last) = match key.split_once('-') {
                Some((first, "")) => (first.parse().ok(), None),
                Some((first, last)) => (first.parse().ok(), Some(last.parse::<usize>().ok())),
                None => (key.parse().ok(), Some(key.parse().ok())),
            };
            let whole = first.is_some() && last.is_none_or(|last| last.is_some() && last >= first);
            match next {
                _ if !whole => {
                    return refuse(key, "is no range of columns, such as 3, 3-5 or 3-".to_owned());
                }
                None => return refuse(key, "stands behind a range without an end".to_owned()),
                Some(next) if first != Some(next) => {
                    return refuse(
                        key,
                        format!("the next column is {next}: name each once, in order"),
                    );
                }
                Some(first) => {
                    groups.push(Group { first: first - 1, of: build_likelihood(&value.parse()?)? })
                }
            }
            next = last.flatten().map(|last| last.saturating_add(1));
        }
        match next {
            None => Ok(Columns { groups, parts: OnceLock::new() }),
            Some(next) => {
                refuse(&format!("{next}-"), "is needed: the last range has no end".to_owned())
            }
        }
    }

    /// The parts that n columns have, of the first groups.
    fn parts(&self, n: usize) -> Cow<'_, [Part]> {
        let (width, parts) = self.parts.get_or_init(|| (n, self.cut(n)));
        if *width == n { Cow::Borrowed(parts) } else { Cow::Owned(self.cut(n)) }
    }

    fn cut(&self, n: usize) -> Vec<Part> {
        let (mut eta, mut own) = (0, 0);
        let ends = self.groups.iter().skip(1).map(|next| next.first.min(n)).chain([n]);
        let within = self.groups.iter().zip(ends).filter(|(group, _)| group.first < n);
        let part = |(Group { first, of }, end): (&Group<T>, usize)| {
            let mut layout = Layout::default();
            layout.scope("own").group(|scope| of.own(scope, end - first));
            let from = (eta, own);
            eta += of.eta_width(end - first);
            own += layout.parameters();
            Part { x: *first..end, eta: from.0..eta, own: from.1..own }
        };
        within.map(part).collect()
    }

    /// Each group with its part of n columns.
    fn each(&self, n: usize, mut f: impl FnMut(&dyn Distribution<T>, &Part)) {
        self.parts(n).iter().zip(&self.groups).for_each(|(part, group)| f(&*group.of, part));
    }
}

/// The ability of a member that is checked to have it.
fn scores<T: Real>(of: &dyn Distribution<T>) -> &dyn Likelihood<T> {
    of.as_likelihood().expect("checked when it was made")
}

impl<T: Real> Distribution<T> for Columns<T> {
    fn spec(&self) -> Spec {
        let mut spec = Spec::new("columns");
        for (g, Group { first, of }) in self.groups.iter().enumerate() {
            let range = match self.groups.get(g + 1).map(|next| next.first) {
                None => format!("{}-", first + 1),
                Some(end) if end == first + 1 => end.to_string(),
                Some(end) => format!("{}-{end}", first + 1),
            };
            spec = spec.with_spec(&range, &of.spec());
        }
        spec
    }

    fn eta_width(&self, width: usize) -> usize {
        self.cut(width).last().map_or(0, |part| part.eta.end)
    }

    fn rates(&self, width: usize) -> Vec<Range<usize>> {
        let parts = self.cut(width);
        let rates = parts.iter().zip(&self.groups);
        rates
            .flat_map(|(part, group)| shifted(group.of.rates(part.x.len()), part.eta.start))
            .collect()
    }

    fn own(&self, scope: &mut Scope<'_>, width: usize) {
        for (Part { x, .. }, Group { first, of }) in self.cut(width).iter().zip(&self.groups) {
            of.own(&mut scope.at(first + 1), x.len());
        }
    }

    fn facts(&self, column: usize) -> Facts {
        let group = self.groups.iter().rfind(|group| group.first <= column);
        let Group { first, of } = group.expect("the first begins with the first column");
        of.facts(column - first)
    }

    fn mean(&self, mean: &mut [T], eta: &[T], own: &[T]) {
        self.each(mean.len(), |of, part| {
            let Part { x, eta: at_eta, own: at_own } = part.clone();
            of.mean(&mut mean[x], &eta[at_eta], &own[at_own]);
        });
    }

    fn sample(&self, x: &mut [T], eta: &[T], own: &[T], rng: &mut ChaCha8Rng) {
        self.each(x.len(), |of, part| {
            let Part { x: at_x, eta: at_eta, own: at_own } = part.clone();
            of.sample(&mut x[at_x], &eta[at_eta], &own[at_own], rng);
        });
    }

    fn start(&self, bias: &mut [T], own: &mut [T], data: &Moments) {
        self.each(data.mean.len(), |of, part| {
            let Part { x, eta: at_eta, own: at_own } = part.clone();
            let of_part = |values: &[f64]| values[x.clone()].to_vec();
            let data = Moments { mean: of_part(&data.mean), variance: of_part(&data.variance) };
            of.start(&mut bias[at_eta], &mut own[at_own], &data);
        });
    }

    fn as_likelihood(&self) -> Option<&dyn Likelihood<T>> {
        Some(self)
    }
}

impl<T: Real> Likelihood<T> for Columns<T> {
    fn log_prob(&self, x: &[T], eta: &[T], own: &[T]) -> T {
        let mut sum = T::zero();
        self.each(x.len(), |of, part| {
            let Part { x: at_x, eta: at_eta, own: at_own } = part.clone();
            sum += scores(of).log_prob(&x[at_x], &eta[at_eta], &own[at_own]);
        });
        sum
    }

    fn log_prob_gradient(&self, d: RowGradient<'_, T>, x: &[T], eta: &[T], own: &[T]) -> T {
        let RowGradient { d_eta, d_x } = d;
        let mut sum = T::zero();
        self.each(x.len(), |of, part| {
            let Part { x: at_x, eta: at_eta, own: at_own } = part.clone();
            let d_x = if d_x.is_empty() { &mut [] } else { &mut d_x[at_x.clone()] };
            let d = RowGradient { d_eta: &mut d_eta[at_eta.clone()], d_x };
            sum += scores(of).log_prob_gradient(d, &x[at_x], &eta[at_eta], &own[at_own]);
        });
        sum
    }

    fn own_backward(&self, d_own: &mut [T], weight: T, x: &[T], eta: &[T], own: &[T]) {
        self.each(x.len(), |of, part| {
            let Part { x: at_x, eta: at_eta, own: at_own } = part.clone();
            if !at_own.is_empty() {
                let (d_own, own) = (&mut d_own[at_own.clone()], &own[at_own]);
                scores(of).own_backward(d_own, weight, &x[at_x], &eta[at_eta], own);
            }
        });
    }

    fn is_columnwise(&self) -> bool {
        self.groups.iter().all(|group| scores(&*group.of).is_columnwise())
    }

    fn log_prob_each(&self, log_p: &mut [T], x: &[T], eta: &[T], own: &[T]) {
        self.each(x.len(), |of, part| {
            let Part { x: at_x, eta: at_eta, own: at_own } = part.clone();
            let log_p = &mut log_p[at_x.clone()];
            scores(of).log_prob_each(log_p, &x[at_x], &eta[at_eta], &own[at_own]);
        });
    }

    fn mode(&self, mode: &mut [T], eta: &[T], own: &[T]) {
        self.each(mode.len(), |of, part| {
            let Part { x, eta: at_eta, own: at_own } = part.clone();
            scores(of).mode(&mut mode[x], &eta[at_eta], &own[at_own]);
        });
    }

    fn kinks(&self, x: &[T], eta: &[T], own: &[T], side: &mut dyn FnMut(bool)) {
        self.each(x.len(), |of, part| {
            let Part { x: at_x, eta: at_eta, own: at_own } = part.clone();
            scores(of).kinks(&x[at_x], &eta[at_eta], &own[at_own], side);
        });
    }

    fn as_coded(&self) -> Option<&dyn Coded<T>> {
        Some(self)
    }
}

impl<T: Real> Coded<T> for Columns<T> {
    fn law(&self, at: At<'_, T>, with: &mut dyn FnMut(&Below<'_>)) {
        let parts = self.parts(at.x.len());
        let g = parts.partition_point(|part| part.x.end <= at.column);
        let Part { x, eta, own } = parts[g].clone();
        let column = at.column - x.start;
        let of = scores(&*self.groups[g].of).as_coded().expect("every likelihood is coded");
        of.law(At { column, x: &at.x[x], eta: &at.eta[eta], own: &at.own[own] }, with);
    }
}

#[cfg(test)]
mod tests {
    use crate::distribution::{Domain, build};

    /// Each range is its member's, and the spec comes back as it was given.
    #[test]
    fn ranges_are_their_members() {
        let text = "columns:1-2=(normal:variance=columns),3=poisson,4-=(categorical:classes=3)";
        let law = build::<f64>(&text.parse().unwrap()).unwrap();
        assert_eq!(law.spec().to_string(), text);
        assert_eq!(law.eta_width(5), 2 + 1 + 6);
        let domains: Vec<_> = (0..5).map(|column| law.facts(column).domain).collect();
        let classes = Domain::Classes(3);
        assert_eq!(domains, [Domain::Real, Domain::Real, Domain::Count, classes, classes]);
        let score = |spec: &str, x: &[f64], eta: &[f64], own: &[f64]| {
            let p = build::<f64>(&spec.parse().unwrap()).unwrap();
            p.as_likelihood().unwrap().log_prob(x, eta, own)
        };
        let (x, own) = ([0.5, -1.0, 3.0, 2.0, 0.0], [0.3, -0.6]);
        let eta = [0.1, 0.2, 0.9, 1.0, 0.0, -1.0, 0.5, 0.7, 0.2];
        let expected = score("normal:variance=columns", &x[..2], &eta[..2], &own)
            + score("poisson", &x[2..3], &eta[2..3], &[])
            + score("categorical:classes=3", &x[3..], &eta[3..], &[]);
        assert_eq!(score(text, &x, &eta, &own), expected);
        let likelihood = law.as_likelihood().unwrap();
        let mut each = [0.0; 5];
        assert!(likelihood.is_columnwise());
        likelihood.log_prob_each(&mut each, &x, &eta, &own);
        assert_eq!(each[2], score("poisson", &x[2..3], &eta[2..3], &[]));
        assert!((each.iter().sum::<f64>() - expected).abs() < 1e-12);
        let coupled = build::<f64>(&"columns:1=normal,2-=full-normal".parse().unwrap());
        assert!(coupled.is_err() || !coupled.unwrap().as_likelihood().unwrap().is_columnwise());
    }

    #[test]
    fn each_column_is_named_once() {
        for (spec, part) in [
            ("columns", "1-"),
            ("columns:1-3=normal", "4-"),
            ("columns:1=normal,3-=normal", "next column is 2"),
            ("columns:1-=normal,2-=normal", "behind"),
            ("columns:3-1=normal", "no range"),
            ("columns:a=normal", "no range"),
            ("columns:1-18446744073709551615=normal,2-=normal", "next column is"),
            ("columns:1-=planar", "score"),
        ] {
            let error = build::<f64>(&spec.parse().unwrap()).err().unwrap().to_string();
            assert!(error.contains(part), "{spec}: {error}");
        }
    }
}
