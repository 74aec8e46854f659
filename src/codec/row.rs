//! Bits back: a row of data on a stack of bits, by a model with latents.
//!
//! ```text
//! L = 1     write   pop z from q(z|x),  push x by p(x|z),  push z by p(z)
//!           read    pop z by p(z),  pop x by p(x|z),  push z by q(z|x)           each line of the other, from the end
//!           −log₂ p(z) − log₂ p(x|z) + log₂ q(z|x): on average the row costs its −ELBO
//! L > 1     where each level depends on the next alone, up and down, in turns: pop z_1, push x by p(x|z_1), pop z_2 by
//!           q(z_2|z_1), push z_1 by p(z_1|z_2), …: a chain needs no more bits to begin with than its first level.
//!           Else all latents are popped first, in the order in which they are inferred
//! ```
//!
//! What was popped to choose z is not lost: whoever reads the row has z and x, and can push it again. Popping the first row
//! needs bits that are on the stack already ([`Stack::primed`]).
//!
//! Whoever reads runs the encoder too, and must find its numbers to the last bit: all networks run in single precision, whose
//! functions and products are the same everywhere ([`crate::gemm::exactly`]), and laws are portable ([`crate::distribution::Coded`]).
//!
//! Source: Townsend, Bird & Barber 2019, arXiv:1901.04866; in turns: Kingma, Abbeel & Ho 2019, arXiv:1905.06845.

use super::bins::Bins;
use super::book::Book;
use super::stack::Stack;
use super::symbol::{Coder, Reader, Writer, code_number};
use crate::data::Columns;
use crate::distribution::{At, Coded};
use crate::error::{Error, Result};
use crate::gemm;
use crate::vae::{Pass, Vae, Workspace};
use ndarray::ArrayView2;

/// What happens to the stack when a row is written, in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Move {
    /// The latents of a level are popped, by their posterior.
    Infer(usize),
    /// What lies below a level is pushed, by the decoder there: the data, or the latents below.
    Score(usize),
    /// The topmost latents are pushed.
    Prior,
}

/// The columns of a row as whole numbers.
#[derive(Clone, Debug)]
pub struct Books {
    books: Vec<Book>,
    columns: Columns,
    /// Which columns are coded where the one before has this number alone.
    rest_of: Vec<Option<u64>>,
}

impl Books {
    /// A book for each column, in the model's units. Where `rest_of[j]` is k, column j is there only if column j − 1 is k.
    ///
    /// # Panics
    /// If there are more or fewer books than columns.
    pub fn new(books: Vec<Book>, columns: Columns, rest_of: Vec<Option<u64>>) -> Self {
        assert!(books.len() == columns.width() && rest_of.len() == books.len(), "a book a column");
        Books { books, columns, rest_of }
    }

    /// How many columns there are.
    pub fn width(&self) -> usize {
        self.books.len()
    }

    /// Of a column.
    pub fn book(&self, j: usize) -> &Book {
        &self.books[j]
    }

    /// The columns.
    pub fn columns(&self) -> &Columns {
        &self.columns
    }

    /// Whether the number of column `j` follows from the one before it: there is none.
    pub fn is_without(&self, j: usize, row: &[Option<u64>]) -> bool {
        self.rest_of[j].is_some_and(|k| row[j - 1] != Some(k))
    }
}

/// Codes rows with a model. `[D]` numbers a row; `None` where a value is missing, or kept elsewhere.
pub struct RowCoder<'m> {
    vae: &'m Vae<f32>,
    params: &'m [f32],
    books: &'m Books,
    bins: &'m Bins,
    ws: Workspace<f32>,
    moves: Vec<Move>,
    writer: Writer,
    /// What a network emitted last.
    eta: Vec<f32>,
    /// The row as the model sees it, and the bins of all levels.
    x: Vec<f32>,
    z: Vec<Vec<u32>>,
}

/// Refuses a model whose values cannot be coded, by name.
///
/// # Errors
/// If a posterior is of a family without a distribution function.
pub fn check(vae: &Vae<f32>) -> Result<()> {
    for l in 0..vae.levels() {
        if !vae.can_code_posterior(l) {
            let spec = vae.posterior_spec(l);
            let message = format!(
                "`{spec}` has no distribution function by which its latents could be coded: train with --posterior normal"
            );
            return Err(Error::setting("posterior", message));
        }
    }
    Ok(())
}

impl<'m> RowCoder<'m> {
    /// For rows of a model in f32.
    ///
    /// # Errors
    /// As [`check`], if the books are of another width, or the machine has not the memory.
    pub fn new(
        vae: &'m Vae<f32>,
        params: &'m [f32],
        books: &'m Books,
        bins: &'m Bins,
    ) -> Result<Self> {
        check(vae)?;
        if books.width() != vae.width() {
            let message =
                format!("rows of {} columns for a model of {}", books.width(), vae.width());
            return Err(Error::setting("data", message));
        }
        let mut ws = Workspace::new(vae, 1, 1, Pass::Value)?;
        gemm::exactly(|| vae.prepare_prior(&mut ws, params));
        if !vae.has_standard_prior() && vae.prior_in_turn(&ws, params).is_none() {
            let message = "has no law of one latent after another by which they could be coded";
            return Err(Error::setting("prior", message));
        }
        let in_turns = |l| [Move::Infer(l), Move::Score(l)];
        let mut moves: Vec<Move> = match vae.is_markov() {
            true => (0..vae.levels()).flat_map(in_turns).collect(),
            false => {
                vae.order().map(Move::Infer).chain((0..vae.levels()).map(Move::Score)).collect()
            }
        };
        moves.push(Move::Prior);
        let z = (0..vae.levels()).map(|l| vec![0; vae.latent_width(l)]).collect();
        let x = vec![0.0; vae.width()];
        Ok(RowCoder {
            vae,
            params,
            books,
            bins,
            ws,
            moves,
            writer: Writer::default(),
            eta: Vec::new(),
            x,
            z,
        })
    }

    /// The condition of the rows that follow, `[C]`.
    pub fn set_condition(&mut self, condition: &[f32]) {
        let condition = ArrayView2::from_shape((1, condition.len()), condition);
        self.ws.set_condition(&condition.expect("a row"));
    }

    /// Puts a row on the stack.
    pub fn write(&mut self, stack: &mut Stack, row: &mut [Option<u64>]) {
        self.see(row);
        for step in 0..self.moves.len() {
            match self.moves[step] {
                Move::Infer(l) => self.code_posterior(&mut Reader(stack), l),
                Move::Score(0) => self.push(stack, |rows, writer| rows.code_data(writer, row)),
                Move::Score(l) => self.push(stack, |rows, writer| rows.code_latents(writer, l)),
                Move::Prior => self.push(stack, |rows, writer| rows.code_prior(writer)),
            }
        }
    }

    /// Takes a row off the stack: `row` has a number in every column that is there, and gets the right ones.
    pub fn read(&mut self, stack: &mut Stack, row: &mut [Option<u64>]) {
        for step in (0..self.moves.len()).rev() {
            match self.moves[step] {
                Move::Infer(l) => self.push(stack, |rows, writer| rows.code_posterior(writer, l)),
                Move::Score(0) => self.code_data(&mut Reader(stack), row),
                Move::Score(l) => self.code_latents(&mut Reader(stack), l),
                Move::Prior => self.code_prior(&mut Reader(stack)),
            }
        }
    }

    /// Collects symbols, and puts them on the stack from the last to the first.
    fn push(&mut self, stack: &mut Stack, code: impl FnOnce(&mut Self, &mut Writer)) {
        let mut writer = std::mem::take(&mut self.writer);
        code(self, &mut writer);
        writer.push_to(stack);
        self.writer = writer;
    }

    /// The row as the model sees it.
    fn see(&mut self, row: &[Option<u64>]) {
        for (j, (x, k)) in self.x.iter_mut().zip(row).enumerate() {
            *x = k.map_or(f32::NAN, |k| self.books.books[j].seen(k, &self.books.columns[j]));
        }
    }

    /// The data, by p(x|z_1).
    fn code_data(&mut self, coder: &mut dyn Coder, row: &mut [Option<u64>]) {
        gemm::exactly(|| self.vae.emit_conditional(&mut self.eta, &mut self.ws, 0, self.params));
        let (law, own) =
            self.vae.coded_conditional(0, self.params).expect("every likelihood is coded");
        let (eta, x, books) = (&self.eta, &mut self.x, self.books);
        for j in 0..row.len() {
            if books.is_without(j, row) {
                row[j] = None;
            }
            let Some(number) = row[j] else {
                x[j] = f32::NAN;
                continue;
            };
            let (book, column) = (&books.books[j], &books.columns[j]);
            let mut found = number;
            law.law(At { column: j, x, eta, own }, &mut |below| {
                found = code_number(coder, number, book.count(), &|k| below(book.edge(k, column)));
            });
            row[j] = Some(found);
            x[j] = book.seen(found, column);
        }
    }

    /// The latents of a level, by the posterior.
    fn code_posterior(&mut self, coder: &mut dyn Coder, l: usize) {
        let x = ArrayView2::from_shape((1, self.x.len()), &self.x).expect("a row");
        gemm::exactly(|| self.vae.emit_posterior(&mut self.eta, &mut self.ws, l, x, self.params));
        let law = self.vae.coded_posterior(l, self.params).expect("checked when it was made");
        self.code_level(coder, l, law);
    }

    /// The latents below level `l`, by its decoder.
    fn code_latents(&mut self, coder: &mut dyn Coder, l: usize) {
        gemm::exactly(|| self.vae.emit_conditional(&mut self.eta, &mut self.ws, l, self.params));
        let law = self.vae.coded_conditional(l, self.params).expect("every likelihood is coded");
        self.code_level(coder, l - 1, law);
    }

    /// The latents of level `l` by a law whose η stands ready.
    fn code_level(
        &mut self,
        coder: &mut dyn Coder,
        l: usize,
        (law, own): (&dyn Coded<f32>, &[f32]),
    ) {
        let (latents, eta, bins) = (self.vae.latents_mut(&mut self.ws, l), &self.eta, self.bins);
        for (column, bin) in self.z[l].iter_mut().enumerate() {
            law.law(At { column, x: latents, eta, own }, &mut |below| {
                *bin = bins.code(coder, *bin, below)
            });
            latents[column] = bins.middle(*bin);
        }
    }

    /// The topmost latents.
    fn code_prior(&mut self, coder: &mut dyn Coder) {
        let (top, bins) = (self.vae.levels() - 1, self.bins);
        if self.vae.has_standard_prior() {
            self.z[top].iter_mut().for_each(|bin| *bin = bins.code_standard(coder, *bin));
        } else {
            let mut prior =
                self.vae.prior_in_turn(&self.ws, self.params).expect("every prior is coded");
            for bin in &mut self.z[top] {
                prior.law(&mut |below| *bin = bins.code(coder, *bin, below));
                let [low, high] = bins.ends(*bin);
                prior.found(bins.middle(*bin).into(), low, high);
            }
        }
        let latents = self.vae.latents_mut(&mut self.ws, top);
        latents.iter_mut().zip(&self.z[top]).for_each(|(z, bin)| *z = bins.middle(*bin));
    }
}
