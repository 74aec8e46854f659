//! How like the rows of one table those of another are: column by column, in pairs, to a classifier, as training rows,
//! and how near they come to single rows.
//!
//! ```text
//! shape of a column   numbers: 1 − max_x |F(x) − G(x)| (Kolmogorov–Smirnov);  classes: 1 − ½ Σ_k |p_k − q_k|
//! trend of a pair     numbers: 1 − |ρ − ρ′|/2 of their correlations;  else 1 − ½ Σ |p_kl − q_kl| of their joint
//!                     table, numbers by the tenths of the real ones
//! nearness            of each row to the nearest of the real ones, by the mean over columns of |x − y|/range, or
//!                     0 or 1 for classes;  its median
//! ```
//!
//! The first two follow those of the SDMetrics library. A missing cell is a class of its own beside classes and in joint tables,
//! and left out among numbers.

use super::two_sample::{Auc, auc_of_labels, two_sample_auc};
use crate::data::{Dataset, Table};
use crate::error::{Error, Result};
use crate::rng::{Address, Purpose};
use ndarray::{Array2, Axis};
use rand::seq::SliceRandom;
use std::collections::HashMap;

/// The cells of a table, `[N·C]`, NaN where they are missing.
pub struct Rows {
    values: Vec<f64>,
    /// How many classes a column has; numbers have none.
    classes: Vec<Option<usize>>,
}

/// What two tables have in common.
#[derive(Clone, Debug, PartialEq)]
pub struct Likeness {
    /// Of each column, from 0 to 1.
    pub shapes: Vec<f64>,
    /// The mean over all pairs of columns, from 0 to 1; nothing of one column.
    pub trends: Option<f64>,
    /// How well a classifier tells them apart; ½ is not at all.
    pub two_sample: Auc,
    /// The median distance to the nearest real row.
    pub nearness: f64,
}

/// Rows that are compared with all others: a sample, evenly from all.
const COMPARED: usize = 2000;

/// Rows of either kind that a classifier is shown.
const CLASSIFIED: usize = 40_000;

/// Real rows among which the nearest is looked for.
const AMONG: usize = 20_000;

impl Rows {
    /// The learned cells of the rows of data that are a table of several kinds.
    ///
    /// # Errors
    /// If they are none, or lie in a file that cannot be read any more.
    pub fn of(data: &Dataset) -> Result<Self> {
        let Some(kinds) = data.kinds() else {
            return Err(Error::setting("data", "is no table of columns of several kinds"));
        };
        let (mut own, mut values) = (vec![0f64; data.width()], Vec::new());
        for row in 0..data.rows() {
            data.read(&mut own, row, None)?;
            values.extend(kinds.contracted(&own));
        }
        Ok(Rows::new(values, kinds))
    }

    /// How well a classifier tells these rows from others of the same columns ([`two_sample_auc`]).
    ///
    /// # Panics
    /// As [`Self::likeness`].
    pub fn told_from(&self, others: &Rows, seed: u64) -> Auc {
        // It is judged by the second half, and files are often sorted.
        let [mine, theirs] = [self, others].map(|rows| alternating(&rows.features(None)));
        two_sample_auc(&mine.view(), &theirs.view(), seed)
    }

    /// These cells, `[N·C]`, of the learned columns.
    pub fn new(values: Vec<f64>, kinds: &Table) -> Self {
        Rows { values, classes: kinds.learned().map(|column| column.levels()).collect() }
    }

    fn width(&self) -> usize {
        self.classes.len()
    }

    /// How many rows there are.
    pub fn count(&self) -> usize {
        self.values.len() / self.width()
    }

    fn column(&self, j: usize) -> impl Iterator<Item = f64> + Clone + '_ {
        self.values.iter().skip(j).step_by(self.width()).copied()
    }

    /// The same rows, with each column shuffled by itself: what is left when nothing of a row is known of it.
    pub fn independent(&self, seed: u64) -> Self {
        let (mut values, width) = (self.values.clone(), self.width());
        for j in 0..width {
            let mut column: Vec<f64> = self.column(j).collect();
            column.shuffle(&mut Address::new(seed, Purpose::Shuffle).level(j).rng());
            values.iter_mut().skip(j).step_by(width).zip(column).for_each(|(to, v)| *to = v);
        }
        Rows { values, classes: self.classes.clone() }
    }

    /// What a classifier sees: classes as one-hots, numbers as they are with a mark where they are missing, but for column
    /// `target`.
    fn features(&self, target: Option<usize>) -> Array2<f32> {
        let seen = || self.classes.iter().enumerate().filter(|(j, _)| Some(*j) != target);
        let width: usize = seen().map(|(_, classes)| classes.map_or(2, |n| n + 1)).sum();
        let mut features = Array2::zeros((self.count(), width));
        for (row, mut to) in self.values.chunks_exact(self.width()).zip(features.rows_mut()) {
            let mut first = 0;
            for (j, classes) in seen() {
                match *classes {
                    Some(n) => {
                        // What is missing, or a class that nobody knows, has the last place.
                        let known = (0.0..n as f64).contains(&row[j]);
                        let place = if known { row[j] as usize } else { n };
                        to[first + place] = 1.0;
                        first += n + 1;
                    }
                    None => {
                        to[first] = if row[j].is_nan() { 0.0 } else { row[j] as f32 };
                        to[first + 1] = f32::from(u8::from(row[j].is_nan()));
                        first += 2;
                    }
                }
            }
        }
        features
    }

    /// How like `real` these rows are.
    ///
    /// # Panics
    /// If they are of other columns, or there are less than four rows of either.
    pub fn likeness(&self, real: &Rows, seed: u64) -> Likeness {
        assert_eq!(self.classes, real.classes, "the same columns");
        let shapes = (0..self.width()).map(|j| shape(self, real, j)).collect();
        let bins: Vec<Vec<f64>> = (0..self.width()).map(|j| real.tenths(j)).collect();
        let pairs = (0..self.width()).flat_map(|j| (0..j).map(move |i| (i, j)));
        let trends: Vec<f64> = pairs.map(|(i, j)| trend(self, real, [i, j], &bins)).collect();
        let mean = trends.iter().sum::<f64>() / trends.len().max(1) as f64;
        Likeness {
            shapes,
            trends: (!trends.is_empty()).then_some(mean),
            two_sample: self.told_from(real, seed),
            nearness: nearness(self, real),
        }
    }

    /// How well a classifier that learned on these rows tells whether column `target` is its last class, or the larger of its two
    /// numbers, in other ones. Rows in which it is missing are left out.
    ///
    /// # Errors
    /// If the column has not two values, or the other rows have one of the two only.
    pub fn teaches(&self, target: usize, others: &Rows, seed: u64) -> Result<Auc> {
        let mut values: Vec<f64> =
            [self, others].iter().flat_map(|rows| rows.column(target)).collect();
        values.retain(|v| !v.is_nan());
        values.sort_by(f64::total_cmp);
        values.dedup();
        let [first, last] = values[..] else {
            let message = "a classifier is trained on a column of two classes, or of two numbers";
            return Err(Error::setting("target", message));
        };
        let of = |rows: &Rows| {
            let values: Vec<f64> = rows.column(target).collect();
            let there: Vec<usize> = (0..values.len()).filter(|i| !values[*i].is_nan()).collect();
            let labels = there.iter().map(|i| f32::from(u8::from(values[*i] == last)));
            (rows.features(Some(target)).select(Axis(0), &there), labels.collect::<Vec<_>>())
        };
        if [first, last].iter().any(|v| others.column(target).all(|value| value != *v)) {
            return Err(Error::setting("target", "the rows to judge by have one class only"));
        }
        let [(x, of_x), (y, of_y)] = [of(self), of(others)];
        Ok(auc_of_labels(&x.view(), &of_x, &y.view(), &of_y, seed))
    }

    /// Where the tenths of a column of numbers end; nothing for classes.
    fn tenths(&self, j: usize) -> Vec<f64> {
        if self.classes[j].is_some() {
            return Vec::new();
        }
        let mut values: Vec<f64> = self.column(j).filter(|v| !v.is_nan()).collect();
        values.sort_by(f64::total_cmp);
        let mut ends: Vec<f64> =
            (1..10).filter_map(|k| values.get(k * values.len() / 10)).copied().collect();
        ends.dedup();
        ends
    }

    /// Evenly so many rows at most.
    fn some(&self, most: usize) -> impl Iterator<Item = &[f64]> + Clone {
        let step = self.count().div_ceil(most).max(1);
        self.values.chunks_exact(self.width()).step_by(step)
    }
}

/// Every other row, and then the others; of very many, some.
fn alternating(rows: &Array2<f32>) -> Array2<f32> {
    let step = rows.nrows().div_ceil(CLASSIFIED).max(1);
    let some: Vec<usize> = (0..rows.nrows()).step_by(step).collect();
    let halves = some.iter().step_by(2).chain(some.iter().skip(1).step_by(2));
    rows.select(Axis(0), &halves.copied().collect::<Vec<_>>())
}

/// How like the shapes of a column are.
fn shape(a: &Rows, b: &Rows, j: usize) -> f64 {
    if a.classes[j].is_some() {
        let key = |v: f64| v.to_bits();
        return 1.0 - variation(a.column(j).map(key), b.column(j).map(key));
    }
    let sorted = |rows: &Rows| {
        let mut values: Vec<f64> = rows.column(j).filter(|v| !v.is_nan()).collect();
        values.sort_by(f64::total_cmp);
        values
    };
    let (a, b) = (sorted(a), sorted(b));
    if a.is_empty() || b.is_empty() {
        return f64::from(u8::from(a.is_empty() == b.is_empty()));
    }
    let below =
        |values: &[f64], x: f64| values.partition_point(|v| *v <= x) as f64 / values.len() as f64;
    let apart = a.iter().chain(&b).map(|x| (below(&a, *x) - below(&b, *x)).abs());
    1.0 - apart.fold(0.0, f64::max)
}

/// ½ Σ |p − q| of what two lists hold.
fn variation<K: std::hash::Hash + Eq>(
    a: impl Iterator<Item = K>,
    b: impl Iterator<Item = K>,
) -> f64 {
    let (mut counts, mut n) = (HashMap::<K, [f64; 2]>::new(), [0.0; 2]);
    for key in a {
        counts.entry(key).or_default()[0] += 1.0;
        n[0] += 1.0;
    }
    for key in b {
        counts.entry(key).or_default()[1] += 1.0;
        n[1] += 1.0;
    }
    0.5 * counts.values().map(|[p, q]| (p / n[0] - q / n[1]).abs()).sum::<f64>()
}

/// How like the trends of two columns are.
fn trend(a: &Rows, b: &Rows, [i, j]: [usize; 2], bins: &[Vec<f64>]) -> f64 {
    if a.classes[i].is_none() && a.classes[j].is_none() {
        let of = [a, b].map(|rows| correlation(rows.column(i).zip(rows.column(j))));
        return match of {
            [Some(one), Some(other)] => 1.0 - 0.5 * (one - other).abs(),
            _ => f64::from(u8::from(of[0].is_none() == of[1].is_none())),
        };
    }
    let bin = |k: usize, v: f64| match bins[k].is_empty() || v.is_nan() {
        true => v.to_bits(),
        false => bins[k].partition_point(|end| *end <= v) as u64,
    };
    let keys = |rows: &Rows| {
        let pairs = rows.column(i).zip(rows.column(j));
        pairs.map(|(x, y)| (bin(i, x), bin(j, y))).collect::<Vec<_>>()
    };
    1.0 - variation(keys(a).into_iter(), keys(b).into_iter())
}

/// The correlation of pairs of numbers that are there, if both vary.
fn correlation(pairs: impl Iterator<Item = (f64, f64)>) -> Option<f64> {
    let (mut n, mut mean, mut moments) = (0.0, [0.0; 2], [0.0; 3]);
    for (x, y) in pairs.filter(|(x, y)| !x.is_nan() && !y.is_nan()) {
        n += 1.0;
        let step = [x - mean[0], y - mean[1]];
        mean = [mean[0] + step[0] / n, mean[1] + step[1] / n];
        moments[0] += step[0] * (x - mean[0]);
        moments[1] += step[1] * (y - mean[1]);
        moments[2] += step[0] * (y - mean[1]);
    }
    let scale = (moments[0] * moments[1]).sqrt();
    (scale > 0.0).then(|| moments[2] / scale)
}

/// The median distance of some rows to the nearest of the real ones.
fn nearness(rows: &Rows, real: &Rows) -> f64 {
    let span = |j: usize| {
        let ends = real.column(j).filter(|v| !v.is_nan());
        let ends = ends.fold((f64::INFINITY, f64::NEG_INFINITY), |(a, b), v| (a.min(v), b.max(v)));
        if ends.1 > ends.0 { ends.1 - ends.0 } else { 1.0 }
    };
    let spans: Vec<f64> = (0..real.width()).map(span).collect();
    let apart = |x: &[f64], y: &[f64]| -> f64 {
        let each = x.iter().zip(y).zip(&spans).zip(&real.classes);
        each.map(|(((x, y), span), classes)| match classes {
            _ if x.is_nan() || y.is_nan() => f64::from(u8::from(x.is_nan() != y.is_nan())),
            Some(_) => f64::from(u8::from(x != y)),
            None => ((x - y) / span).abs(),
        })
        .sum()
    };
    let nearest = |x: &[f64]| real.some(AMONG).map(|y| apart(x, y)).fold(f64::INFINITY, f64::min);
    let mut all: Vec<f64> = rows.some(COMPARED).map(nearest).collect();
    all.sort_by(f64::total_cmp);
    all[all.len() / 2] / real.width() as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(values: &[[f64; 3]]) -> Rows {
        Rows { values: values.concat(), classes: vec![None, None, Some(2)] }
    }

    fn line(n: usize, slope: f64) -> Rows {
        let row = |i: usize| {
            let x = ((i * 37) % n) as f64;
            [x, slope * x, (i % 2) as f64]
        };
        rows(&(0..n).map(row).collect::<Vec<_>>())
    }

    /// A table beside itself is alike in all; its columns in other orders have its shapes and none of its trends.
    #[test]
    fn a_table_is_like_itself() {
        // So many that a classifier can learn what tells them apart.
        let real = line(40_000, 2.0);
        let same = real.likeness(&real, 0);
        assert_eq!((&same.shapes[..], same.trends, same.nearness), (&[1.0; 3][..], Some(1.0), 0.0));
        assert!((same.two_sample.value - 0.5).abs() < 0.1, "{same:?}");
        let apart = real.independent(0).likeness(&real, 0);
        assert!(apart.shapes.iter().all(|shape| *shape > 0.999), "{apart:?}");
        assert!(apart.trends.unwrap() < 0.95 && apart.two_sample.value > 0.8, "{apart:?}");
        assert!(apart.nearness > 0.0);
    }

    /// By hand: of four numbers each, of two classes, and of a correlation that turns over.
    #[test]
    fn shapes_and_trends_are_their_definitions() {
        let a = rows(&[[1.0, 1.0, 0.0], [2.0, 2.0, 0.0], [3.0, 3.0, 1.0], [4.0, 4.0, 1.0]]);
        let b = rows(&[[2.0, -1.0, 0.0], [3.0, -2.0, 0.0], [4.0, -3.0, 0.0], [5.0, f64::NAN, 1.0]]);
        assert_eq!([0, 1, 2].map(|j| shape(&a, &b, j)), [0.75, 0.0, 0.75]);
        let bins: Vec<Vec<f64>> = (0..3).map(|j| a.tenths(j)).collect();
        assert!(trend(&a, &b, [0, 1], &bins) < 1e-12, "from 1 to −1");
        assert!(trend(&a, &a, [0, 2], &bins) == 1.0 && trend(&a, &b, [0, 2], &bins) < 1.0);
    }

    /// A class that follows from another column is learned from rows that have it, and not from shuffled ones.
    #[test]
    fn rows_teach_what_is_in_them() {
        let row = |i: usize| {
            let x = ((i * 37) % 500) as f64 / 500.0;
            [x, 0.0, f64::from(u8::from(x > 0.4))]
        };
        let real = rows(&(0..500).map(row).collect::<Vec<_>>());
        assert!(real.teaches(2, &real, 0).unwrap().value > 0.95);
        assert!(real.independent(0).teaches(2, &real, 0).unwrap().value < 0.8);
        assert!(real.teaches(0, &real, 0).is_err());
    }
}
