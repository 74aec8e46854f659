//! Splitting work over threads without changing a bit of the result.
//!
//! Only *outputs* are split, never sums: each part of the result is computed by one thread, in the
//! same order as if it were alone. How many parts there are may then follow the number of threads.
//!
//! Without the feature `parallel` everything here runs where it is called.

use ndarray::{ArrayView2, ArrayViewMut2};
#[cfg(feature = "parallel")]
use std::sync::atomic::{AtomicBool, Ordering};

/// Runs both closures, on two threads if one is idle.
#[inline]
pub fn join<A: Send, B: Send>(
    a: impl FnOnce() -> A + Send,
    b: impl FnOnce() -> B + Send,
) -> (A, B) {
    #[cfg(feature = "parallel")]
    {
        // Who is done first waits here and not in rayon, whose wait asks the system at every look and
        // soon falls asleep.
        let pending = AtomicBool::new(true);
        let a = || {
            let a = a();
            stand_by(&pending);
            a
        };
        let b = || {
            let _dismissed = Dismiss(&pending);
            b()
        };
        rayon::join(a, b)
    }
    #[cfg(not(feature = "parallel"))]
    (a(), b())
}

/// Runs `work` on the thread pool with the other threads on the watch for its [`join`]s: they look for
/// work without pause instead of falling asleep, from which they would have to be woken by the system,
/// dozens of times a training step. Whoever finds nothing for a while goes off duty until the next
/// call, so call it once a step.
pub fn enter<R: Send>(work: impl FnOnce() -> R + Send) -> R {
    #[cfg(feature = "parallel")]
    {
        let on = AtomicBool::new(true);
        let work = || {
            // Also when the work panics: nobody may be left waiting for it.
            let _dismissed = Dismiss(&on);
            work()
        };
        match threads() {
            1 => join(work, || ()).0,
            threads => join(work, || watch(&on, threads - 1)).0,
        }
    }
    #[cfg(not(feature = "parallel"))]
    work()
}

#[cfg(feature = "parallel")]
struct Dismiss<'a>(&'a AtomicBool);

#[cfg(feature = "parallel")]
impl Drop for Dismiss<'_> {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Release);
    }
}

/// Puts `threads` threads on the watch, this one included.
#[cfg(feature = "parallel")]
fn watch(on: &AtomicBool, threads: usize) {
    if threads > 1 {
        join(|| watch(on, threads / 2), || watch(on, threads - threads / 2));
        return;
    }
    stand_by(on);
}

/// Does what work there is until `on` is false, or for a while there was none.
#[cfg(feature = "parallel")]
fn stand_by(on: &AtomicBool) {
    /// Looks without success after which a thread goes off duty: about a millisecond.
    const PATIENCE: u32 = 1 << 13;
    /// After so many the system may give the core to somebody else, should there be somebody.
    const POLITENESS: u32 = 1 << 8;
    let mut idle = 0;
    while on.load(Ordering::Acquire) && idle < PATIENCE {
        if let Some(rayon::Yield::Executed) = rayon::yield_now() {
            idle = 0;
            continue;
        }
        idle += 1;
        match idle % POLITENESS {
            0 => std::thread::yield_now(),
            _ => std::hint::spin_loop(),
        }
    }
}

/// How many threads [`join`] can use.
pub fn threads() -> usize {
    #[cfg(feature = "parallel")]
    return rayon::current_num_threads();
    #[cfg(not(feature = "parallel"))]
    1
}

/// Makes `n` threads the size of the process's thread pool, before its first use.
///
/// # Errors
/// If `n` is 0 or above 1024, or the pool is in use already.
#[cfg(feature = "parallel")]
pub fn set_threads(n: usize) -> crate::error::Result<()> {
    let refuse = |message: String| Err(crate::error::Error::setting("threads", message));
    // More than any machine has; thousands of idle threads keep the busy ones from working.
    const MOST: usize = 1024;
    if !(1..=MOST).contains(&n) {
        return refuse(format!("must be at least 1 and at most {MOST}"));
    }
    rayon::ThreadPoolBuilder::new().num_threads(n).build_global().or_else(|e| refuse(e.to_string()))
}

/// Something made of rows that can be cut between two of them.
pub trait Split: Send + Sized {
    /// The rows before `row`, and the others.
    fn split_at(self, row: usize) -> (Self, Self);
}

/// Rows to read, each serving `repeat` consecutive rows of the output: x of B rows is scored against
/// B·K rows of η, and η of B rows draws B·K rows of z, without a copy.
#[derive(Clone, Copy)]
pub struct Rows<'a, T> {
    data: &'a [T],
    width: usize,
    repeat: usize,
}

impl<'a, T> Rows<'a, T> {
    /// Views `a` as the rows of an output of `rows` rows.
    ///
    /// # Panics
    /// If `a` is not in standard layout, or `rows` is not a multiple of its rows.
    pub fn new(a: &ArrayView2<'a, T>, rows: usize) -> Self {
        assert!(rows.is_multiple_of(a.nrows().max(1)), "{} rows cannot serve {rows}", a.nrows());
        let data = a.to_slice().expect("rows are in standard layout");
        Rows { data, width: a.ncols(), repeat: (rows / a.nrows().max(1)).max(1) }
    }

    /// The row that serves output row `i`, `[width]`.
    #[inline(always)]
    pub fn row(&self, i: usize) -> &'a [T] {
        let i = i / self.repeat;
        &self.data[i * self.width..(i + 1) * self.width]
    }
}

/// Rows of equal width that lie one after another. Width 0 stands for "not wanted".
pub struct RowsMut<'a, T> {
    data: &'a mut [T],
    width: usize,
}

impl<'a, T> RowsMut<'a, T> {
    /// Views `data` as rows of `width` elements.
    pub fn new(data: &'a mut [T], width: usize) -> Self {
        RowsMut { data, width }
    }

    /// Views the rows of a matrix.
    ///
    /// # Panics
    /// If it is not in standard layout.
    pub fn of(a: ArrayViewMut2<'a, T>) -> Self {
        let width = a.ncols();
        RowsMut { data: a.into_slice().expect("rows are in standard layout"), width }
    }

    /// Rows that nobody wants: each is empty.
    pub fn none() -> Self {
        RowsMut { data: &mut [], width: 0 }
    }

    /// Row `i`, `[width]`.
    #[inline(always)]
    pub fn row(&mut self, i: usize) -> &mut [T] {
        &mut self.data[i * self.width..(i + 1) * self.width]
    }

    /// All rows as one slice.
    pub fn into_slice(self) -> &'a mut [T] {
        self.data
    }
}

impl<T: Send> Split for RowsMut<'_, T> {
    fn split_at(self, row: usize) -> (Self, Self) {
        let (a, b) = self.data.split_at_mut(row * self.width);
        (RowsMut { data: a, width: self.width }, RowsMut { data: b, width: self.width })
    }
}

impl<A: Split, B: Split> Split for (A, B) {
    fn split_at(self, row: usize) -> (Self, Self) {
        let ((a0, a1), (b0, b1)) = (self.0.split_at(row), self.1.split_at(row));
        ((a0, b0), (a1, b1))
    }
}

impl<A: Split, B: Split, C: Split, D: Split> Split for (A, B, C, D) {
    fn split_at(self, row: usize) -> (Self, Self) {
        let ((a0, a1), (b0, b1)) = (self.0.split_at(row), self.1.split_at(row));
        let ((c0, c1), (d0, d1)) = (self.2.split_at(row), self.3.split_at(row));
        ((a0, b0, c0, d0), (a1, b1, c1, d1))
    }
}

/// Less work than this (in element operations) is not worth waking a thread for.
const GRAIN: usize = 1 << 14;

/// What `f` makes of each item, in their order; whoever is idle takes some that are left.
pub fn map<T: Send, R: Send>(items: &mut [T], f: impl Fn(&mut T) -> R + Sync + Send) -> Vec<R> {
    #[cfg(feature = "parallel")]
    {
        use rayon::prelude::*;
        items.par_iter_mut().map(f).collect()
    }
    #[cfg(not(feature = "parallel"))]
    items.iter_mut().map(f).collect()
}

/// Calls `f(first, count, part)` on parts of `out` that together cover its `rows` rows. A row costs
/// about `cost` element operations.
pub fn rows<S: Split>(out: S, rows: usize, cost: usize, f: &(impl Fn(usize, usize, S) + Sync)) {
    let parts = threads().min(rows.saturating_mul(cost) / GRAIN).max(1);
    split(out, 0, rows, parts, f);
}

fn split<S: Split>(
    out: S,
    first: usize,
    count: usize,
    parts: usize,
    f: &(impl Fn(usize, usize, S) + Sync),
) {
    if parts <= 1 || count <= 1 {
        return f(first, count, out);
    }
    let left = parts / 2;
    let mid = count * left / parts;
    let (a, b) = out.split_at(mid);
    join(|| split(a, first, mid, left, f), || split(b, first + mid, count - mid, parts - left, f));
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Results come back in order, and a panic of either side arrives, in and outside of [`enter`].
    #[test]
    fn both_sides_are_waited_for() {
        let nested = || join(|| join(|| 1, || 2), || join(|| 3, || 4));
        assert_eq!((nested(), enter(nested)), (((1, 2), (3, 4)), ((1, 2), (3, 4))));
        for side in [0, 1] {
            let work = move |i| assert!(i != side, "side {i}");
            let inside = std::panic::catch_unwind(|| enter(|| join(|| work(0), || work(1))));
            let outside = std::panic::catch_unwind(|| join(|| work(0), || work(1)));
            assert!(inside.is_err() && outside.is_err());
        }
        assert_eq!(enter(nested), ((1, 2), (3, 4)), "nobody is left waiting");
    }

    #[test]
    fn every_row_is_visited_once_with_its_own_index() {
        for n in [1, 2, 7, 100] {
            for parts in 1..6 {
                let mut out = vec![0f64; n * 3];
                split(RowsMut::new(&mut out, 3), 0, n, parts, &|first, count, mut part| {
                    for i in 0..count {
                        for v in part.row(i) {
                            *v += (first + i + 1) as f64;
                        }
                    }
                });
                assert!(out.chunks(3).enumerate().all(|(i, r)| r == [(i + 1) as f64; 3]));
            }
        }
    }
}
