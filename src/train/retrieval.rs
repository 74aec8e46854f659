//! The training rows that an exemplar prior sees beside a batch: the nearest neighbours of each of its rows.
//!
//! ```text
//! Means      m_e of each training row e, by the encoder as it was after the last epoch, in the prior's own tensor
//! Distance   |m_i − m_e|² = |m_i|² + |m_e|² − 2 m_i·m_e, of which |m_i|² changes no order: blocks of products
//! Batch      S = the neighbours of all its rows, each once, in the order of the rows
//! ```
//!
//! What was found follows from the means alone, so that a run that goes on in the middle of an epoch finds the same.

use crate::batch::{Batch, BatchBuffer, Exemplars};
use crate::data::Part;
use crate::error::{Error, Result};
use crate::gemm::{Accum, matmul};
use crate::math::dot;
use crate::parallel::{self, Rows, RowsMut};
use crate::prior;
use crate::real::Real;
use crate::vae::{Pass, Vae, Workspace};
use ndarray::{Array2, ArrayView2, s};
use std::ops::Range;

/// Rows that are encoded or compared at a time.
const BLOCK: usize = 128;

/// The neighbours of each training row, and room for those of a batch.
pub(super) struct Retrieval<T> {
    prior: prior::Retrieval,
    /// Where the means stand in the parameters.
    means: Range<usize>,
    /// Places of the neighbours of each row among the training rows, `[E, neighbours]`; none until they are found.
    neighbours: Vec<u32>,
    ws: Workspace<T>,
    rows: BatchBuffer<T>,
    /// The retrieved rows of a batch: their places among the training rows, their rows in the data.
    found: Vec<u32>,
    of_data: Vec<usize>,
    /// Which of these each row of the batch is.
    own_places: Vec<u32>,
    exemplars: BatchBuffer<T>,
}

impl<T: Real> Retrieval<T> {
    /// For batches of up to `rows` rows of `part`; none, if the model's prior retrieves nothing.
    ///
    /// # Errors
    /// If the prior was made for another number of rows, or the machine has not the memory.
    pub(super) fn new(vae: &Vae<T>, part: &Part, rows: usize) -> Result<Option<Self>> {
        let Some((prior, means)) = vae.exemplar_means() else { return Ok(None) };
        let count = part.rows().len();
        if prior.count != count {
            let message = format!(
                "was made for {} training rows, and there are {count}: write `exemplar:count={count}`",
                prior.count
            );
            return Err(Error::setting("prior", message));
        }
        let most = rows * prior.neighbours;
        Ok(Some(Retrieval {
            prior,
            means,
            neighbours: Vec::new(),
            ws: Workspace::new(vae, BLOCK.min(count), 1, Pass::Value)?,
            rows: BatchBuffer::new(BLOCK.min(count), vae.width(), 0),
            found: Vec::with_capacity(most),
            of_data: Vec::with_capacity(most),
            own_places: Vec::with_capacity(rows),
            exemplars: BatchBuffer::new(most, vae.width(), 0),
        }))
    }

    /// Writes the means of all training rows, encoded as they are now; a neighbour is then looked for anew.
    ///
    /// # Errors
    /// As [`Part::batch`].
    pub(super) fn refresh(
        &mut self,
        vae: &Vae<T>,
        params: &mut [T],
        part: &Part,
        epoch: u32,
    ) -> Result<()> {
        self.neighbours.clear();
        let width = vae.latent();
        let mut z = Array2::zeros((BLOCK.min(self.prior.count), width));
        for (block, rows) in part.rows().chunks(BLOCK).enumerate() {
            let batch = part.batch(&mut self.rows, rows, Some(epoch))?;
            let mut z = z.slice_mut(s![..rows.len(), ..]);
            vae.encode(z.view_mut(), &mut self.ws, batch, params);
            let to = &mut params[self.means.clone()][block * BLOCK * width..];
            to.iter_mut().zip(&z).for_each(|(to, z)| *to = *z);
        }
        Ok(())
    }

    /// Finds the neighbours of each row, unless that is done.
    fn find(&mut self, params: &[T]) {
        if !self.neighbours.is_empty() {
            return;
        }
        let (count, k) = (self.prior.count, self.prior.neighbours);
        let means = &params[self.means.clone()];
        let means = ArrayView2::from_shape((count, means.len() / count), means);
        let means = means.expect("as many numbers as the prior asked for");
        let rows = Rows::new(&means, count);
        let squares: Vec<T> = (0..count).map(|e| dot(rows.row(e), rows.row(e))).collect();
        self.neighbours.resize(count * k, 0);
        let mut products = Array2::zeros((BLOCK.min(count), count));
        for first in (0..count).step_by(BLOCK) {
            let block = BLOCK.min(count - first);
            let mut products = products.slice_mut(s![..block, ..]);
            let of = means.slice(s![first..first + block, ..]);
            matmul(&mut products, &of, &means.t(), Accum::Replace);
            let products = Rows::new(&products.view(), block);
            let out = RowsMut::new(&mut self.neighbours[first * k..(first + block) * k], k);
            parallel::rows(out, block, 2 * count, &|begin, rows, mut out| {
                // Distances of those found so far, in ascending order; a row is no neighbour of itself.
                let mut nearest = vec![(-T::NEG_INFINITY, u32::MAX); k];
                for i in begin..begin + rows {
                    nearest.fill((-T::NEG_INFINITY, u32::MAX));
                    for (e, (product, square)) in products.row(i).iter().zip(&squares).enumerate() {
                        let distance = *square - *product - *product;
                        if distance < nearest[k - 1].0 && e != first + i {
                            let at = nearest.partition_point(|(other, _)| *other <= distance);
                            nearest[at..].rotate_right(1);
                            nearest[at] = (distance, e as u32);
                        }
                    }
                    let out = out.row(i - begin).iter_mut().zip(&nearest);
                    out.for_each(|(out, (_, e))| *out = *e);
                }
            });
        }
    }

    /// The batch of the training rows at `places`, beside the neighbours of each.
    ///
    /// # Errors
    /// As [`Part::batch`].
    pub(super) fn beside<'a>(
        &'a mut self,
        batch: Batch<'a, T>,
        places: &[u32],
        part: &Part,
        params: &[T],
        epoch: u32,
    ) -> Result<Batch<'a, T>> {
        self.find(params);
        let k = self.prior.neighbours;
        self.found.clear();
        for place in places {
            let of_row = &self.neighbours[*place as usize * k..][..k];
            // Where distances are no numbers nothing was found.
            self.found.extend(of_row.iter().filter(|e| **e != u32::MAX));
        }
        self.found.sort_unstable();
        self.found.dedup();
        self.of_data.clear();
        self.of_data.extend(self.found.iter().map(|place| part.rows()[*place as usize]));
        self.own_places.clear();
        let own = |place| self.found.binary_search(place).map_or(u32::MAX, |at| at as u32);
        self.own_places.extend(places.iter().map(own));
        let x = part.batch(&mut self.exemplars, &self.of_data, Some(epoch))?.x;
        Ok(batch.beside(Exemplars { x, own_places: &self.own_places }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::{Binarize, Dataset, Values};
    use crate::vae::VaeConfig;

    /// The nearest rows by the definition, each but itself; and a batch gets them once, with its own places.
    #[test]
    fn neighbours_are_the_nearest_others() {
        let (count, k) = (300, 4);
        let prior = format!("exemplar:count={count},neighbours={k}").parse().unwrap();
        let likelihood = "normal".parse().unwrap();
        let config = VaeConfig { prior, likelihood, ..VaeConfig::new(3, &[], 2) };
        let vae = Vae::<f64>::new(config).unwrap();
        let values: Vec<f32> =
            (0..3 * count).map(|i| ((i * i + 7 * i) % 1009) as f32 / 100.0).collect();
        let data = Dataset::new(Values::F32(values), 3).unwrap();
        let part = Part::whole(data, Binarize::None).unwrap();
        let mut params = vae.init(crate::params::Init::Uniform, 1, None);
        let mut retrieval = Retrieval::new(&vae, &part, 5).unwrap().unwrap();
        retrieval.refresh(&vae, &mut params, &part, 0).unwrap();
        let means: Vec<[f64; 2]> =
            params[retrieval.means.clone()].chunks(2).map(|m| [m[0], m[1]]).collect();
        assert!(means.iter().any(|m| *m != means[0]), "rows have means of their own");
        let mut buffer = BatchBuffer::new(5, 3, 0);
        let places = [7u32, 120, 299, 3, 8];
        let rows: Vec<usize> = places.iter().map(|place| part.rows()[*place as usize]).collect();
        let batch = part.batch(&mut buffer, &rows, None).unwrap();
        let exemplars =
            retrieval.beside(batch, &places, &part, &params, 0).unwrap().exemplars.unwrap();
        let (found, own) = (exemplars.x.to_owned(), exemplars.own_places.to_vec());
        let mut want: Vec<usize> = Vec::new();
        for place in places {
            let of = |e: usize| {
                let [a, b] = [means[place as usize], means[e]];
                (a[0] - b[0]).powi(2) + (a[1] - b[1]).powi(2)
            };
            let mut others: Vec<usize> = (0..count).filter(|e| *e != place as usize).collect();
            others.sort_by(|a, b| of(*a).total_cmp(&of(*b)));
            want.extend(&others[..k]);
        }
        want.sort_unstable();
        want.dedup();
        assert_eq!(found.nrows(), want.len());
        assert_eq!(retrieval.of_data, want.iter().map(|e| part.rows()[*e]).collect::<Vec<_>>());
        for (place, own) in places.into_iter().zip(own) {
            let at = want.iter().position(|e| *e == place as usize);
            assert_eq!(at.map_or(u32::MAX, |at| at as u32), own);
        }
    }

    /// In the middle of an epoch neighbours are those that the means in the checkpoint have, as if it had not stopped.
    #[cfg(feature = "model-file")]
    #[test]
    fn a_run_goes_on_within_an_epoch() {
        use crate::data::{Parts, Roles, Source};
        use crate::train::{TrainConfig, Trainer, checkpoint};
        let trainer = || {
            let values = (0..3 * 40).map(|i| ((i * i + 7 * i) % 101) as f32 / 10.0).collect();
            let train = Dataset::new(Values::F32(values), 3).unwrap();
            let roles = Roles {
                validation: 0.0,
                test: 0.0,
                limit: None,
                binarize: Binarize::None,
                seed: 0,
            };
            let source = Source { train, test: None, notes: Vec::new() };
            let config = VaeConfig {
                prior: "exemplar:count=40,neighbours=3".parse().unwrap(),
                likelihood: "normal".parse().unwrap(),
                ..VaeConfig::new(3, &[4], 2)
            };
            let training = TrainConfig { batch_size: 8, ..TrainConfig::default() };
            Trainer::<f32>::new(config, training, Parts::new(source, roles).unwrap()).unwrap()
        };
        let steps = |trainer: &mut Trainer<f32>, count: usize| {
            for _ in 0..count {
                trainer.step().unwrap();
            }
        };
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("checkpoint.safetensors");
        let mut straight = trainer();
        steps(&mut straight, 7); // an epoch has five
        checkpoint::save(&path, &straight, "").unwrap();
        let mut resumed = trainer();
        checkpoint::Checkpoint::open(&path).unwrap().restore(&mut resumed).unwrap();
        let at_the_stop = straight.params.to_vec();
        steps(&mut straight, 6);
        steps(&mut resumed, 6);
        assert_eq!(straight.params[..], resumed.params[..]);
        assert_ne!(straight.params[..], at_the_stop[..]);
    }

    #[test]
    fn another_number_of_rows_is_refused() {
        let config = VaeConfig {
            prior: "exemplar:count=9".parse().unwrap(),
            likelihood: "normal".parse().unwrap(),
            ..VaeConfig::new(3, &[], 2)
        };
        let data = Dataset::new(Values::F32(vec![0.5; 30]), 3).unwrap();
        let part = Part::whole(data, Binarize::None).unwrap();
        let refused = Retrieval::new(&Vae::<f32>::new(config).unwrap(), &part, 5);
        let message = refused.err().expect("ten rows").to_string();
        assert!(message.contains("exemplar:count=10"), "{message}");
    }
}
