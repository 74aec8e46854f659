//! Symbols of every likelihood, of its own law and hostile ones, through push and pop.

use elbo::check::{constants, specs, stream};
use elbo::codec::book::Book;
use elbo::codec::stack::Stack;
use elbo::codec::symbol::{Coder, Reader, Writer, code_number};
use elbo::data::Column;
use elbo::distribution::{At, Distribution, Domain, build, members};
use elbo::params::Layout;
use elbo::rng::{Address, Purpose};

const WIDTH: usize = 4;

/// Rows of each; `ELBO_SYMBOLS` for more.
fn rows() -> u64 {
    let symbols = std::env::var("ELBO_SYMBOLS").ok().and_then(|n| n.parse::<u64>().ok());
    symbols.unwrap_or(20_000) / WIDTH as u64
}

/// A book for a column: its values, or decimals of a density's.
fn book(domain: Domain) -> Book {
    Book::of_domain(domain).unwrap_or(match domain {
        Domain::Unit => Book::Decimals { least: 0, step: 1, decimals: 3, count: 1001 },
        Domain::Positive => Book::Decimals { least: 1, step: 1, decimals: 3, count: 1 << 20 },
        _ => Book::Decimals { least: -1 << 20, step: 2, decimals: 4, count: 1 << 20 },
    })
}

struct Row<'a> {
    law: &'a dyn Distribution<f32>,
    books: &'a [Book],
    eta: &'a [f32],
    own: &'a [f32],
}

impl Row<'_> {
    /// Codes the numbers of a row, and gives what they are by the law itself, in bits.
    fn code(&self, coder: &mut dyn Coder, numbers: &mut [u64]) -> f64 {
        let coded = self.law.as_likelihood().unwrap().as_coded().unwrap();
        let (mut x, mut bits) = ([0.0f32; WIDTH], 0.0);
        let plain = Column::default();
        for (column, number) in numbers.iter_mut().enumerate() {
            let (book, at) =
                (&self.books[column], At { column, x: &x, eta: self.eta, own: self.own });
            coded.law(at, &mut |below| {
                let edge = |k: u64| below(book.edge(k, &plain));
                *number = code_number(coder, *number, book.count(), &edge);
                let high = if *number + 1 == book.count() { 1.0 } else { edge(*number + 1) };
                let low = if *number == 0 { 0.0 } else { edge(*number) };
                bits -= (high - low).log2();
            });
            x[column] = book.seen(*number, &plain);
        }
        bits
    }
}

#[test]
fn symbols_of_every_likelihood_come_back() {
    let mut count = 0;
    for spec in specs(&members::<f32>()) {
        let law = build::<f32>(&spec).unwrap();
        if law.as_likelihood().is_none() {
            continue;
        }
        count += 1;
        let mut layout = Layout::default();
        layout.scope("own").group(|scope| law.own(scope, WIDTH));
        let own: Vec<f32> =
            layout.slots().iter().flat_map(|s| constants(s.len(), stream(&s.name))).collect();
        let books: Vec<Book> = (0..WIDTH).map(|j| book(law.facts(j).domain)).collect();
        let eta_of = |row: u64| constants::<f32>(law.eta_width(WIDTH), 3 + row % 50);
        let address = |row| Address::new(row, Purpose::Check);
        let number = |x: &[f32], j: usize| {
            let x = f64::from(x[j]);
            let k = match books[j] {
                Book::Whole { .. } => x,
                Book::Grid { count } => x * (count - 1) as f64,
                Book::Decimals { least, step, decimals, .. } => {
                    (x * 10f64.powi(decimals.into()) - least as f64) / step as f64
                }
            };
            (k.round().max(0.0) as u64).min(books[j].count() - 1)
        };
        let mut stack = Stack::primed(2);
        let (mut writer, mut bits, mut written) = (Writer::default(), 0.0, Vec::new());
        for row in 0..rows() {
            let (eta, mut x) = (eta_of(row), [0.0f32; WIDTH]);
            law.sample(&mut x, &eta, &own, &mut address(row).rng());
            let mut numbers = std::array::from_fn::<_, WIDTH, _>(|j| number(&x, j));
            let coded = Row { law: &*law, books: &books, eta: &eta, own: &own };
            bits += coded.code(&mut writer, &mut numbers);
            writer.push_to(&mut stack);
            written.push(numbers);
        }
        let size = 32.0 * (stack.len() - 2) as f64;
        assert!((size - bits).abs() <= 1e-3 * bits + 64.0, "{spec}: {size} bits for {bits}");
        // Numbers that it hardly has, and η that are none: they only have to come back.
        let last = std::array::from_fn::<_, WIDTH, _>(|j| books[j].count() - 1);
        let hostile = [[0; WIDTH], last, last.map(|k| k / 2), last.map(|k| k / 3)];
        let wild = [f32::NAN, f32::INFINITY, -3e38, 90.0];
        for (numbers, value) in hostile.iter().zip(wild) {
            let eta = vec![value; law.eta_width(WIDTH)];
            let coded = Row { law: &*law, books: &books, eta: &eta, own: &own };
            coded.code(&mut writer, &mut numbers.clone());
            writer.push_to(&mut stack);
        }
        for (numbers, value) in hostile.iter().zip(wild).rev() {
            let eta = vec![value; law.eta_width(WIDTH)];
            let (mut found, coded) =
                ([0; WIDTH], Row { law: &*law, books: &books, eta: &eta, own: &own });
            coded.code(&mut Reader(&mut stack), &mut found);
            assert_eq!(found, *numbers, "{spec}, η = {value}");
        }
        for (row, numbers) in written.iter().enumerate().rev() {
            let (eta, mut found) = (eta_of(row as u64), [0; WIDTH]);
            let coded = Row { law: &*law, books: &books, eta: &eta, own: &own };
            coded.code(&mut Reader(&mut stack), &mut found);
            assert_eq!(found, *numbers, "{spec}, row {row}");
        }
        assert!(stack.is_primed(2), "{spec}: the stack is not what it was");
    }
    assert!(count > 30, "{count}");
}
