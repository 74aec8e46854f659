//! The whole numbers behind decimals: a column of prices is a column of cents.

use crate::codec::book::{Book, MOST_DECIMALS, MOST_VALUES};

/// What a column's values have in common, as far as they were seen.
#[derive(Clone, Debug, Default)]
pub struct Decimals {
    decimals: u8,
    /// The least and the largest whole number, and what all others are apart from the least.
    range: Option<(i64, i64)>,
    step: i64,
}

/// Whole numbers up to here, f64 has all of them.
const MOST: f64 = 9_007_199_254_740_992.0;

fn power(decimals: u8) -> i64 {
    10i64.pow(decimals.into())
}

fn gcd(a: i64, b: i64) -> i64 {
    if b == 0 { a.abs() } else { gcd(b, a % b) }
}

impl Decimals {
    /// Takes a value in; `is_it` says whether two numbers are the same to the file. Gives whether it is a decimal of few enough
    /// digits. One that is not leaves no trace.
    pub fn add(&mut self, x: f64, is_it: impl Fn(f64, f64) -> bool) -> bool {
        let whole = |decimals: u8| {
            let whole = (x * power(decimals) as f64).round();
            // As a book gives it: of −0 there is no whole number.
            let back = whole as i64 as f64 / power(decimals) as f64;
            (whole.abs() < MOST && is_it(back, x)).then_some(whole as i64)
        };
        // More decimals than needed do no harm; a column is written with those of its longest number.
        let Some((decimals, whole)) =
            (self.decimals..=MOST_DECIMALS).find_map(|d| Some((d, whole(d)?)))
        else {
            return false;
        };
        let scale = power(decimals - self.decimals);
        let Some((least, most)) = self.range else {
            (self.decimals, self.range, self.step) = (decimals, Some((whole, whole)), 0);
            return true;
        };
        let scaled = |v: i64| v.checked_mul(scale).filter(|v| (*v as f64).abs() < MOST);
        let (Some(least), Some(most), Some(step)) =
            (scaled(least), scaled(most), scaled(self.step))
        else {
            return false;
        };
        let range = (least.min(whole), most.max(whole));
        let Some(wide) = range.1.checked_sub(range.0) else { return false };
        if wide as u64 >= MOST_VALUES {
            return false;
        }
        self.step = gcd(gcd(step, whole - least), least - range.0);
        (self.decimals, self.range) = (decimals, Some(range));
        true
    }

    /// The book of these values; one of a single value, if there was none.
    pub fn book(&self) -> Book {
        let (least, most) = self.range.unwrap_or((0, 0));
        let step = self.step.max(1);
        Book::Decimals {
            least,
            step,
            decimals: self.decimals,
            count: (most - least) as u64 / step as u64 + 1,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::Column;

    /// Every value that was taken has a number that gives it back, and the lattice is no finer than need be.
    #[test]
    fn values_have_numbers() {
        let same = |a: f64, b: f64| a.to_bits() == b.to_bits();
        let lattice = |values: &[f64]| {
            let mut decimals = Decimals::default();
            let taken: Vec<bool> = values.iter().map(|x| decimals.add(*x, same)).collect();
            let book = decimals.book();
            for (x, taken) in values.iter().zip(&taken) {
                let number = book.number(*x, &Column::default(), same);
                assert!(
                    !taken || number.is_some_and(|k| same(book.value(k, &Column::default()), *x)),
                    "{x}"
                );
            }
            (book, taken.iter().filter(|taken| **taken).count())
        };
        let of = |least, step, decimals, count| Book::Decimals { least, step, decimals, count };
        assert_eq!(lattice(&[3.0, 9.0, -6.0]), (of(-6, 3, 0, 6), 3));
        assert_eq!(lattice(&[0.25, 1.0, 0.1]), (of(10, 15, 2, 7), 3));
        assert_eq!(lattice(&[1e3, 5e3]), (of(1000, 4000, 0, 2), 2));
        assert_eq!(lattice(&[0.1 + 0.2, 0.5, -0.0, f64::NAN, f64::INFINITY]).1, 1);
        assert_eq!(lattice(&[1e300, 7.0, 1e15, 0.000_001]).1, 2);
        assert_eq!(lattice(&[]), (of(0, 1, 0, 1), 0));
        let cents: Vec<f64> = (0..20_000).map(|i| f64::from(i * 7) / 100.0).collect();
        assert_eq!(lattice(&cents), (of(0, 7, 2, 20_000), 20_000));
    }
}
