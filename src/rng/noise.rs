//! The noise of a pass over a batch.

use super::{Address, Purpose};
use crate::parallel::{self, RowsMut};
use crate::real::Real;

/// Which noise a pass draws: for row b of the batch that of row `rows[b]` at the address, sample by
/// sample.
#[derive(Clone, Copy, Debug)]
pub struct Noise<'a> {
    address: Address,
    rows: &'a [u64],
    first_sample: usize,
    scales: &'a [f64],
    training: bool,
}

impl<'a> Noise<'a> {
    /// Seed, purpose and epoch are the address's; level, row and sample are filled in. `rows: [B]` are
    /// numbers of dataset rows, or [`number_of`] what is judged.
    ///
    /// [`number_of`]: super::number_of
    pub fn new(address: Address, rows: &'a [u64]) -> Self {
        Noise { address, rows, first_sample: 0, scales: &[1.0], training: false }
    }

    /// The same from another sample on.
    pub fn from_sample(self, first_sample: usize) -> Self {
        Noise { first_sample, ..self }
    }

    /// The same with a standard deviation of `scales[s mod len]` for sample s, at every level. log q stays
    /// that of the posterior itself.
    pub fn scaled(self, scales: &'a [f64]) -> Self {
        Noise { scales, ..self }
    }

    /// The same while training: layers that are noisy then, such as dropout, have their noise too.
    pub fn training(self) -> Self {
        Noise { training: true, ..self }
    }

    /// Rows B of the batch.
    pub(crate) fn rows(&self) -> usize {
        self.rows.len()
    }

    /// The noise of B·K draws at a level of the chain.
    pub(crate) fn draws(self, level: usize, samples: usize) -> Draws<'a> {
        Draws { noise: Noise { address: self.address.level(level), ..self }, samples }
    }

    /// The noise of the layers of a network, by its place among all networks of the model, if the
    /// pass is one of training. The network runs on B·K rows.
    pub(crate) fn of_layers(self, network: usize, samples: usize) -> Option<Draws<'a>> {
        let address = Address { purpose: Purpose::Layers, ..self.address }.level(network << 8);
        self.training.then_some(Draws { noise: Noise { address, ..self }, samples })
    }
}

/// Noise for B·K rows, K for each of the batch.
#[derive(Clone, Copy, Debug)]
pub struct Draws<'a> {
    noise: Noise<'a>,
    samples: usize,
}

impl Draws<'_> {
    /// The same for the i-th layer of the network.
    pub(crate) fn layer(self, i: usize) -> Self {
        let address = self.noise.address;
        let address = address.level(address.level as usize + i);
        Draws { noise: Noise { address, ..self.noise }, ..self }
    }

    /// Rows B·K.
    pub(crate) fn len(&self) -> usize {
        self.noise.rows.len() * self.samples
    }

    /// The stream of row n.
    pub fn at(&self, n: usize) -> Address {
        let (b, k) = (n / self.samples, n % self.samples);
        self.noise.address.row(self.noise.rows[b]).sample((self.noise.first_sample + k) as u32)
    }

    /// `eps_n ← N(0, scale² I)` for all rows; `eps: [B·K, width]`.
    pub(crate) fn fill_normal<T: Real>(&self, eps: &mut [T], width: usize) {
        /// Rough cost of one normal draw, in additions, for the decision to use a second thread.
        const COST: usize = 48;
        let (n, scales) = (self.len(), self.noise.scales);
        parallel::rows(RowsMut::new(eps, width), n, COST * width, &|first, count, mut eps| {
            for i in 0..count {
                let address = self.at(first + i);
                let eps = eps.row(i);
                address.fill_normal(eps);
                let scale = scales[address.sample as usize % scales.len()];
                if scale != 1.0 {
                    eps.iter_mut().for_each(|e| *e *= T::from_f64(scale));
                }
            }
        });
    }
}
