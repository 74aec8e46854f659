//! Distributions of independent columns, made of a distribution of one number.
//!
//! A member that is a [`Univariate`] says what happens to a single number x with P parameters: its log p
//! with its slopes, a draw, a mean. [`Independent`] makes a distribution of rows from it, and knows where the
//! parameters come from:
//!
//! ```text
//! log p(x|η) = Σ_i log p(x_i | η_i1 … η_iP),   η_ik = emitted by the network  (η has P′ ≤ P blocks of D)
//!                                                   | learned, one a column   (a tensor [D])
//!                                                   | fixed, the same for all (by the spec)
//! ```
//!
//! Sixteen columns are computed side by side, their log p added in sixteen lanes and a fixed tree, as in
//! [`crate::math::map_sum`].

use super::{At, Below, Coded, Distribution, Factorized, Facts, Likelihood, Moments, RowGradient};
use crate::error::{Error, Result};
use crate::family::Spec;
use crate::math::{self, portable};
use crate::params::{Scope, Start};
use crate::real::Real;
use crate::rng::ChaCha8Rng;
use crate::simd;
use std::array;
use std::ops::Range;

/// Where a parameter comes from.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Place {
    /// The network emits one for every column of every row.
    Emitted,
    /// One number for each column, learned with the weights.
    Learned,
    /// This number, in the units of the spec, for all columns.
    Fixed(f64),
}

/// What is to be known of one parameter.
#[derive(Clone, Copy, Debug)]
pub struct Parameter {
    /// Its key in specs, and the name of its tensor where it is learned.
    pub name: &'static str,
    /// Where it comes from unless the spec says otherwise.
    pub place: Place,
    /// Its η for a number in a spec, not finite for numbers that it cannot be. Without it the parameter stays
    /// where it is.
    pub eta: Option<fn(f64) -> f64>,
}

impl Parameter {
    /// One that the network always emits.
    pub const fn emitted(name: &'static str) -> Self {
        Parameter { name, place: Place::Emitted, eta: None }
    }

    /// One that is above 0, emitted as its logarithm unless the spec says otherwise.
    pub const fn positive(name: &'static str) -> Self {
        Parameter { name, place: Place::Emitted, eta: Some(portable::ln) }
    }
}

/// log p of a number, and its slopes.
#[derive(Clone, Copy, Debug)]
pub struct Scored<T, const P: usize> {
    /// log p(x|η)
    pub log_p: T,
    /// ∂log p/∂η
    pub d_eta: [T; P],
    /// ∂log p/∂x, which is asked for where values can be latents ([`super::Domain::is_smooth`]), and 0 elsewhere.
    pub d_x: T,
}

/// A distribution of one number x, with P unbounded parameters η.
///
/// Mark [`Self::score`] `#[inline(always)]`, and use the functions of [`Real`] and [`crate::math`] in it, so
/// that sixteen columns become one loop of vector instructions.
pub trait Univariate<T: Real, const P: usize>: Copy + Send + Sync + 'static {
    /// Its parameters.
    const PARAMETERS: [Parameter; P];

    /// Whether the first, which the network emits, is the logarithm of a rate ([`Distribution::rates`]).
    const HAS_RATE: bool = false;

    /// Its name, and the settings that are no parameters.
    fn spec(&self) -> Spec;

    /// What is to be known of a column of its values, where the parameters come from there.
    fn facts(&self, places: &[Place; P]) -> Facts;

    /// log p(x|η) and its slopes. Where only the value is asked for, the compiler leaves out the rest.
    fn score(&self, x: T, eta: [T; P]) -> Scored<T, P>;

    /// On which side of a kink of log p it is, where there is one.
    fn side(&self, _x: T, _eta: [T; P]) -> Option<bool> {
        None
    }

    /// E\[x|η\]
    fn mean(&self, eta: [T; P]) -> T;

    /// The x of the highest p(x|η), as [`Likelihood::mode`].
    fn mode(&self, eta: [T; P]) -> T {
        self.mean(eta)
    }

    /// Calls `with` with F(e) = P(x < e|η), the same bits on every machine ([`Coded`]).
    fn law(&self, eta: [f64; P], with: &mut dyn FnMut(&Below<'_>));

    /// A draw from p(x|η).
    fn draw(&self, eta: [T; P], rng: &mut ChaCha8Rng) -> T;

    /// η that fits a column of that mean and variance.
    fn start(&self, mean: f64, variance: f64) -> [f64; P];
}

/// The likeliest of some values, of equals the first; 0 if there are none.
pub(super) fn likeliest<T: Real>(values: impl IntoIterator<Item = T>, log_p: impl Fn(T) -> T) -> T {
    let scored = values.into_iter().map(|x| (x, log_p(x)));
    scored.reduce(|a, b| if b.1 > a.1 { b } else { a }).map_or(T::zero(), |(x, _)| x)
}

/// Columns computed side by side.
const LANES: usize = 16;

/// Independent columns, each distributed as `of`.
#[derive(Clone, Copy, Debug)]
pub struct Independent<U, const P: usize> {
    of: U,
    places: [Place; P],
}

/// Where a row's η_ik are read.
enum Block<'a, T> {
    Row(&'a [T]),
    Same(T),
}

impl<U, const P: usize> Independent<U, P> {
    /// Columns distributed as `of`, whose parameters come from where `spec` says. `settings` are the keys
    /// that `of` has read itself.
    ///
    /// # Errors
    /// If `spec` has other keys, or a number that the parameter cannot be.
    pub fn from_spec<T: Real>(of: U, settings: &[&str], spec: &Spec) -> Result<Self>
    where
        U: Univariate<T, P>,
    {
        let parameters = U::PARAMETERS;
        let moves = parameters.iter().filter(|p| p.eta.is_some()).map(|p| p.name);
        spec.only(&settings.iter().copied().chain(moves).collect::<Vec<_>>())?;
        let mut places = parameters.map(|p| p.place);
        for (place, parameter) in places.iter_mut().zip(&parameters) {
            *place = match (spec.get(parameter.name), parameter.eta) {
                (None, _) | (_, None) => continue,
                (Some("emitted"), _) => Place::Emitted,
                (Some("learned"), _) => Place::Learned,
                (Some(text), Some(eta)) => match text.parse() {
                    // Beyond e^±69, single precision has no room left for a density.
                    Ok(value) if eta(value).abs() <= 69.0 => Place::Fixed(value),
                    _ => {
                        let setting = format!("{}:{}", spec.name(), parameter.name);
                        let message = format!(
                            "`{text}` is not `emitted`, `learned` or a number that it can be"
                        );
                        return Err(Error::setting(setting, message));
                    }
                },
            };
        }
        Ok(Independent { of, places })
    }

    /// The index of the k-th parameter among those that come from the same place.
    fn index(&self, k: usize) -> usize {
        let same = |a: &Place| std::mem::discriminant(a) == std::mem::discriminant(&self.places[k]);
        self.places[..k].iter().filter(|a| same(a)).count()
    }

    /// How many parameters come from there.
    fn count(&self, place: Place) -> usize {
        self.places.iter().filter(|p| **p == place).count()
    }

    fn blocks<'a, T: Real>(&self, n: usize, eta: &'a [T], own: &'a [T]) -> [Block<'a, T>; P]
    where
        U: Univariate<T, P>,
    {
        array::from_fn(|k| {
            let range = self.index(k) * n..(self.index(k) + 1) * n;
            match self.places[k] {
                Place::Emitted => Block::Row(&eta[range]),
                Place::Learned => Block::Row(&own[range]),
                Place::Fixed(value) => {
                    let eta = U::PARAMETERS[k].eta.expect("only those are fixed that can be");
                    Block::Same(T::from_f64(eta(value)))
                }
            }
        })
    }

    /// η of one column.
    fn column<T: Real>(blocks: &[Block<'_, T>; P], i: usize) -> [T; P] {
        array::from_fn(|k| match &blocks[k] {
            Block::Row(row) => row[i],
            Block::Same(value) => *value,
        })
    }

    /// Where the block of each emitted parameter begins in η.
    fn emitted(&self, n: usize) -> [Option<usize>; P] {
        array::from_fn(|k| (self.places[k] == Place::Emitted).then(|| self.index(k) * n))
    }

    /// `d_own += Σ_i weight(i) ∂log p_i/∂own`
    fn add_own<T: Real>(
        &self,
        d_own: &mut [T],
        x: &[T],
        eta: &[T],
        own: &[T],
        weight: impl Fn(usize) -> T,
    ) where
        U: Univariate<T, P>,
    {
        let n = x.len();
        self.slopes(x, eta, own, &mut |terms, first, len| {
            for k in (0..P).filter(|k| self.places[*k] == Place::Learned) {
                let d_own = &mut d_own[self.index(k) * n + first..][..len];
                for (l, (d_own, d)) in d_own.iter_mut().zip(&terms.d_eta[k]).enumerate() {
                    let weight = weight(first + l);
                    // Where the weight is 0 anything may stand.
                    *d_own += if weight == T::zero() { weight } else { weight * *d };
                }
            }
        });
    }

    /// Σ log p of a row, and log p of each column where there is room for it.
    #[inline(never)]
    fn values<T: Real>(&self, log_p: &mut [T], x: &[T], eta: &[T], own: &[T]) -> T
    where
        U: Univariate<T, P>,
    {
        self.pass(
            x,
            eta,
            own,
            #[inline(always)]
            |terms, first, len| {
                if !log_p.is_empty() {
                    log_p[first..first + len].copy_from_slice(&terms.log_p[..len]);
                }
            },
        )
    }

    /// Σ log p of a row. `put` gets the terms of up to sixteen columns, with the index of the first one and
    /// their number. All that want slopes come here, so that a member's are compiled once.
    #[inline(never)]
    fn slopes<T: Real>(&self, x: &[T], eta: &[T], own: &[T], put: Put<'_, T, P>) -> T
    where
        U: Univariate<T, P>,
    {
        self.pass(
            x,
            eta,
            own,
            #[inline(always)]
            |terms, first, len| put(terms, first, len),
        )
    }

    /// The loop of both. What `put` does not look at is not computed.
    #[inline(always)]
    fn pass<T: Real>(
        &self,
        x: &[T],
        eta: &[T],
        own: &[T],
        mut put: impl FnMut(&Terms<T, P>, usize, usize),
    ) -> T
    where
        U: Univariate<T, P>,
    {
        let blocks = self.blocks(x.len(), eta, own);
        simd::dispatch(
            #[inline(always)]
            || {
                let mut sums = [T::zero(); LANES];
                let (mut values, mut etas) = ([T::zero(); LANES], [[T::zero(); LANES]; P]);
                let zeros = [T::zero(); LANES];
                let mut terms = Terms { log_p: zeros, d_eta: [zeros; P], d_x: zeros };
                for first in (0..x.len()).step_by(LANES) {
                    let len = LANES.min(x.len() - first);
                    values[..len].copy_from_slice(&x[first..first + len]);
                    for (etas, block) in etas.iter_mut().zip(&blocks) {
                        match block {
                            Block::Row(row) => {
                                etas[..len].copy_from_slice(&row[first..first + len]);
                            }
                            Block::Same(value) => *etas = [*value; LANES],
                        }
                    }
                    each(
                        len,
                        #[inline(always)]
                        |l| {
                            let eta = array::from_fn(
                                #[inline(always)]
                                |k| etas[k][l],
                            );
                            let scored = self.of.score(values[l], eta);
                            sums[l] += scored.log_p;
                            terms.log_p[l] = scored.log_p;
                            terms.d_x[l] = scored.d_x;
                            for (lanes, d) in terms.d_eta.iter_mut().zip(scored.d_eta) {
                                lanes[l] = d;
                            }
                        },
                    );
                    put(&terms, first, len);
                }
                math::fold(sums)
            },
        )
    }
}

/// Takes the terms of some columns.
type Put<'a, T, const P: usize> = &'a mut dyn FnMut(&Terms<T, P>, usize, usize);

/// log p of sixteen columns, and its slopes.
struct Terms<T, const P: usize> {
    log_p: [T; LANES],
    d_eta: [[T; LANES]; P],
    d_x: [T; LANES],
}

/// Writes the slopes of columns from `first` on, in η where the blocks begin there.
fn write<T: Real, const P: usize>(
    d: &mut RowGradient<'_, T>,
    places: &[Option<usize>; P],
    terms: &Terms<T, P>,
    first: usize,
    len: usize,
) {
    for (block, d_eta) in places.iter().zip(&terms.d_eta) {
        if let Some(block) = block {
            d.d_eta[block + first..][..len].copy_from_slice(&d_eta[..len]);
        }
    }
    if !d.d_x.is_empty() {
        d.d_x[first..first + len].copy_from_slice(&terms.d_x[..len]);
    }
}

/// Calls `f` with 0 … len − 1. All blocks but the last have a number of columns that is known: their loop
/// vectorises. (An iterator's `for_each` may stay a call, which has the baseline's instructions.)
#[inline(always)]
fn each(len: usize, mut f: impl FnMut(usize)) {
    if len == LANES {
        for l in 0..LANES {
            f(l);
        }
        return;
    }
    for l in 0..len {
        f(l);
    }
}

impl<T: Real, U: Univariate<T, P>, const P: usize> Distribution<T> for Independent<U, P> {
    fn spec(&self) -> Spec {
        let moved =
            U::PARAMETERS.into_iter().zip(self.places).filter(|(p, place)| p.place != *place);
        moved.fold(self.of.spec(), |spec, (parameter, place)| match place {
            Place::Emitted => spec.with(parameter.name, "emitted"),
            Place::Learned => spec.with(parameter.name, "learned"),
            Place::Fixed(value) => spec.with(parameter.name, value),
        })
    }

    fn eta_width(&self, width: usize) -> usize {
        self.count(Place::Emitted) * width
    }

    fn rates(&self, width: usize) -> Vec<Range<usize>> {
        U::HAS_RATE.then_some(0..width).into_iter().collect()
    }

    fn own(&self, scope: &mut Scope<'_>, width: usize) {
        for (parameter, place) in U::PARAMETERS.iter().zip(&self.places) {
            if *place == Place::Learned {
                scope.tensor(parameter.name, &[width], Start::Constant(0.0));
            }
        }
    }

    fn facts(&self, _column: usize) -> Facts {
        self.of.facts(&self.places)
    }

    fn mean(&self, mean: &mut [T], eta: &[T], own: &[T]) {
        let blocks = self.blocks(mean.len(), eta, own);
        let columns = mean.iter_mut().enumerate();
        columns.for_each(|(i, mean)| *mean = self.of.mean(Self::column(&blocks, i)));
    }

    fn sample(&self, x: &mut [T], eta: &[T], own: &[T], rng: &mut ChaCha8Rng) {
        let blocks = self.blocks(x.len(), eta, own);
        let columns = x.iter_mut().enumerate();
        columns.for_each(|(i, x)| *x = self.of.draw(Self::column(&blocks, i), rng));
    }

    fn start(&self, bias: &mut [T], own: &mut [T], data: &Moments) {
        let n = data.mean.len();
        for (i, (&mean, &variance)) in data.mean.iter().zip(&data.variance).enumerate() {
            let eta = self.of.start(mean, variance);
            for (k, &eta) in eta.iter().enumerate() {
                let at = self.index(k) * n + i;
                match self.places[k] {
                    Place::Emitted => bias[at] = T::from_f64(eta),
                    Place::Learned => own[at] = T::from_f64(eta),
                    Place::Fixed(_) => {}
                }
            }
        }
    }

    fn as_likelihood(&self) -> Option<&dyn Likelihood<T>> {
        Some(self)
    }
}

impl<T: Real, U: Univariate<T, P>, const P: usize> Likelihood<T> for Independent<U, P> {
    fn log_prob(&self, x: &[T], eta: &[T], own: &[T]) -> T {
        self.values(&mut [], x, eta, own)
    }

    fn log_prob_gradient(&self, mut d: RowGradient<'_, T>, x: &[T], eta: &[T], own: &[T]) -> T {
        let places = self.emitted(x.len());
        self.slopes(x, eta, own, &mut |terms, first, len| {
            write(&mut d, &places, terms, first, len);
        })
    }

    fn own_backward(&self, d_own: &mut [T], weight: T, x: &[T], eta: &[T], own: &[T]) {
        self.add_own(d_own, x, eta, own, |_| weight);
    }

    fn mode(&self, mode: &mut [T], eta: &[T], own: &[T]) {
        let blocks = self.blocks(mode.len(), eta, own);
        let columns = mode.iter_mut().enumerate();
        columns.for_each(|(i, mode)| *mode = self.of.mode(Self::column(&blocks, i)));
    }

    fn kinks(&self, x: &[T], eta: &[T], own: &[T], side: &mut dyn FnMut(bool)) {
        let blocks = self.blocks(x.len(), eta, own);
        for (i, &x) in x.iter().enumerate() {
            self.of.side(x, Self::column(&blocks, i)).into_iter().for_each(&mut *side);
        }
    }

    fn as_factorized(&self) -> Option<&dyn Factorized<T>> {
        Some(self)
    }

    fn as_coded(&self) -> Option<&dyn Coded<T>> {
        Some(self)
    }
}

impl<T: Real, U: Univariate<T, P>, const P: usize> Factorized<T> for Independent<U, P> {
    fn log_probs(&self, log_p: &mut [T], mut d: RowGradient<'_, T>, x: &[T], eta: &[T], own: &[T]) {
        if d.d_eta.is_empty() {
            self.values(log_p, x, eta, own);
            return;
        }
        let places = self.emitted(x.len());
        self.slopes(x, eta, own, &mut |terms, first, len| {
            log_p[first..first + len].copy_from_slice(&terms.log_p[..len]);
            write(&mut d, &places, terms, first, len);
        });
    }

    fn own_backward_each(&self, d_own: &mut [T], weight: &[T], x: &[T], eta: &[T], own: &[T]) {
        self.add_own(d_own, x, eta, own, |i| weight[i]);
    }
}
impl<T: Real, U: Univariate<T, P>, const P: usize> Coded<T> for Independent<U, P> {
    fn law(&self, at: At<'_, T>, with: &mut dyn FnMut(&Below<'_>)) {
        let blocks = self.blocks(at.x.len(), at.eta, at.own);
        self.of.law(Self::column(&blocks, at.column).map(T::to_f64), with);
    }
}
