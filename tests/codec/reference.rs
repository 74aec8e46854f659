//! The stack of bits, written down as plainly as it can be.

use elbo::codec::stack::{Interval, PRECISION, Stack, TOTAL};
use elbo::codec::symbol::{Coder, Reader, Writer, code_even, code_number};
use proptest::prelude::*;
use std::cell::Cell;

/// s and the pile, by the formulas.
struct Plain {
    s: u128,
    pile: Vec<u32>,
}

impl Plain {
    fn push(&mut self, Interval { start, size }: Interval) {
        let size = u128::from(size);
        let next = |s: u128| s / size * u128::from(TOTAL) + u128::from(start) + s % size;
        if next(self.s) >= 1 << 64 {
            self.pile.push(self.s as u32);
            self.s >>= 32;
        }
        self.s = next(self.s);
    }

    fn pop(&mut self, intervals: &[Interval]) -> usize {
        let q = (self.s % u128::from(TOTAL)) as u32;
        let i = intervals.iter().rposition(|interval| interval.start <= q).unwrap();
        let Interval { start, size } = intervals[i];
        self.s = self.s / u128::from(TOTAL) * u128::from(size) + u128::from(q - start);
        if self.s < 1 << 32
            && let Some(word) = self.pile.pop()
        {
            self.s = self.s << 32 | u128::from(word);
        }
        i
    }

    fn words(&self) -> Vec<u32> {
        let mut words = self.pile.clone();
        words.extend([self.s as u32, (self.s >> 32) as u32]);
        while words.last() == Some(&0) {
            words.pop();
        }
        words
    }
}

/// A law of some symbols whose sizes are as the weights.
fn intervals(weights: &[u32]) -> Vec<Interval> {
    let total: u64 = weights.iter().map(|w| u64::from(*w) + 1).sum();
    let edge = |sum: u64| (sum * u64::from(TOTAL) / total) as u32;
    let mut sum = 0;
    let of = |weight: &u32| {
        let start = edge(sum);
        sum += u64::from(*weight) + 1;
        Interval { start, size: edge(sum) - start }
    };
    weights.iter().map(of).collect()
}

fn find(intervals: &[Interval], q: u32) -> (u32, Interval) {
    let i = intervals.iter().rposition(|interval| interval.start <= q).unwrap();
    (i as u32, intervals[i])
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    /// The same words after any pushes and pops, also from a stack with nothing on it.
    #[test]
    fn the_stack_is_the_plain_one(
        weights in prop::collection::vec(0u32..1000, 1..40),
        steps in prop::collection::vec((any::<bool>(), any::<prop::sample::Index>()), 0..400),
        primed in 0usize..5,
    ) {
        let laws = intervals(&weights);
        let mut stack = Stack::primed(primed);
        let words = stack.clone().into_words();
        let mut plain = Plain { s: 0, pile: words };
        let top = plain.pile.pop().unwrap();
        plain.s = u128::from(top) << 32 | u128::from(plain.pile.pop().unwrap());
        for (push, index) in steps {
            if push {
                let interval = laws[index.index(laws.len())];
                stack.push(interval);
                plain.push(interval);
            } else {
                let symbol = stack.pop(|q| find(&laws, q));
                prop_assert_eq!(symbol as usize, plain.pop(&laws));
            }
            prop_assert_eq!(stack.clone().into_words(), plain.words());
        }
    }

    /// What is popped can be put back, and the stack is what it was: of any law, from any words.
    #[test]
    fn popping_is_the_mirror_of_pushing(
        words in prop::collection::vec(any::<u32>(), 0..20),
        weights in prop::collection::vec(0u32..1_000_000, 1..300),
    ) {
        let mut words = words;
        words.push(1);
        let laws = intervals(&weights);
        let mut stack = Stack::from_words(words.clone()).unwrap();
        let symbols: Vec<u32> = (0..60).map(|_| stack.pop(|q| find(&laws, q))).collect();
        symbols.iter().rev().for_each(|symbol| stack.push(laws[*symbol as usize]));
        prop_assert_eq!(stack.into_words(), words);
    }

    /// Numbers of any range by any law that rises, and by none at all, in order.
    #[test]
    fn numbers_come_back(
        numbers in prop::collection::vec(any::<prop::sample::Index>(), 1..30),
        bits in 0u32..50,
        rate in 0.0f64..60.0,
        law in 0u8..4,
    ) {
        let count = (1u64 << bits) + u64::from(bits) * 7 / 3;
        let below = |k: u64| {
            let share = k as f64 / count as f64;
            match law {
                0 => share,
                1 => 1.0 / (1.0 + (-rate * (share - 0.3)).exp()),
                2 => if share > 0.5 { 1.0 } else { 0.0 },
                _ => f64::NAN,
            }
        };
        let of = |i: &prop::sample::Index| (i.index(usize::MAX) as u64) % count;
        let mut writer = Writer::default();
        for number in &numbers {
            code_number(&mut writer, of(number), count, &below);
        }
        let (bits, mut stack) = (writer.bits(), Stack::primed(3));
        let before = stack.len();
        writer.push_to(&mut stack);
        let grown = 32.0 * (stack.len() - before) as f64;
        prop_assert!((grown - bits).abs() < 33.0, "{} words for {} bits", stack.len(), bits);
        for number in &numbers {
            let found = code_number(&mut Reader(&mut stack), 0, count, &below);
            prop_assert_eq!(found, of(number));
        }
        prop_assert!(stack.is_primed(3));
    }
}

/// An F that falls by 1 here and there, as roundings make it, is still one that can be searched.
#[test]
fn a_law_that_trembles_is_read_as_it_was_written() {
    let count = 1000u64;
    let tremble = |k: u64| if k.is_multiple_of(3) { 5e-14 } else { -5e-14 };
    // Steps of the cdf that lie just on whole parts of 2⁻²⁴.
    let room = f64::from(TOTAL) - 2.0 * count as f64;
    let below = |k: u64| (k as f64 * 5.0 / room) + tremble(k);
    let mut writer = Writer::default();
    (0..count).for_each(|k| {
        code_number(&mut writer, k, count, &below);
    });
    let mut stack = Stack::primed(0);
    writer.push_to(&mut stack);
    (0..count).for_each(|k| assert_eq!(code_number(&mut Reader(&mut stack), 0, count, &below), k));
    assert!(stack.is_primed(0));
}

#[test]
fn what_is_even_is_so() {
    for count in [1u32, 2, 3, 10, 255, 1 << 20, TOTAL] {
        let (mut sizes, mut stack) = ([u32::MAX, 0], Stack::primed(1));
        for symbol in [0, count / 2, count - 1] {
            struct Sizes<'a>(&'a mut [u32; 2], Cell<u32>);
            impl Coder for Sizes<'_> {
                fn code(&mut self, symbol: u32, count: u32, below: &dyn Fn(u32) -> u32) -> u32 {
                    let edge = |i| {
                        if i == count {
                            TOTAL
                        } else if i == 0 {
                            0
                        } else {
                            below(i)
                        }
                    };
                    let size = edge(symbol + 1) - edge(symbol);
                    *self.0 = [self.0[0].min(size), self.0[1].max(size)];
                    self.1.set(symbol);
                    symbol
                }
            }
            code_even(&mut Sizes(&mut sizes, Cell::new(0)), symbol, count);
            let mut writer = Writer::default();
            code_even(&mut writer, symbol, count);
            writer.push_to(&mut stack);
            assert_eq!(code_even(&mut Reader(&mut stack), 0, count), symbol);
        }
        assert!(sizes[1] - sizes[0] <= 1 && sizes[0] > 0, "{count}: {sizes:?}");
        assert!(stack.is_primed(1));
    }
    assert_eq!(TOTAL, 1 << PRECISION);
    assert!(Stack::from_words(vec![1, 0]).is_err());
    assert!(Stack::from_words(vec![]).unwrap().is_empty());
}

/// The example of chapter 17: two symbols and one latent, on the number 27.
#[test]
fn the_page_is_right_about_its_example() {
    // Places of 4: where the second symbol begins.
    let push = |s: u64, second: u64, symbol: u64| {
        let (start, size) = if symbol == 0 { (0, second) } else { (second, 4 - second) };
        s / size * 4 + start + s % size
    };
    let pop = |s: u64, second: u64| {
        let q = s % 4;
        let (symbol, start, size) =
            if q < second { (0, 0, second) } else { (1, second, 4 - second) };
        (symbol, s / 4 * size + q - start)
    };
    let q = |x: u64| if x == 1 { 1 } else { 3 }; // A, then B
    let p = |z: u64| if z == 1 { 1 } else { 3 }; // 0, then 1
    let (mut s, mut seen) = (27, Vec::new());
    for x in [1, 0] {
        let (z, rest) = pop(s, q(x));
        let with_x = push(rest, p(z), x);
        s = push(with_x, 2, z);
        seen.extend([rest, with_x, s]);
    }
    assert_eq!(seen, [20, 27, 55, 13, 52, 106]);
    for x in [0, 1] {
        let (z, rest) = pop(s, 2);
        let (found, rest) = pop(rest, p(z));
        assert_eq!(found, x);
        s = push(rest, q(x), z);
    }
    assert_eq!(s, 27);
}
