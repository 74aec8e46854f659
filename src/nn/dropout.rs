//! Dropout: while training, units are left out at random.
//!
//! ```text
//! Shapes    x, y, m [N, width]
//! Forward   training:    m_i = 0 with probability p, else 1/(1 − p), so that E m_i = 1;   y = m · x
//!           inference:   y = x, which is the training's mean over m
//! Backward  y_i depends on x_i alone, with the factor m_i:   d_x = m · d_y
//! Numerics  the coins of a row are those of its address (`crate::rng`): the same in any batch, for any
//!           number of threads, stopped and resumed or not. m is kept, not drawn again.
//! Source    Srivastava, Hinton, Krizhevsky, Sutskever & Salakhutdinov 2014 (inverted, as everybody does)
//! ```

use super::{Activation, Call, Layer, Member, Plan, Spec, Trace};
use crate::error::{Error, Result};
use crate::gradient::Gradient;
use crate::parallel::{self, RowsMut};
use crate::params::Scope;
use crate::real::Real;
use crate::rows::{first_rows, first_rows_mut, flat, flat_mut};
use ndarray::{Array2, ArrayViewMut2};
use rand::RngExt;

/// Leaves out units at random while training.
#[derive(Clone, Copy, Debug)]
pub struct Dropout {
    width: [usize; 1],
    rate: f64,
}

/// Rough cost of one coin, in additions, for the decision to use a second thread.
const COST: usize = 12;

impl<T: Real> Layer<T> for Dropout {
    fn outputs(&self) -> usize {
        self.width[0]
    }

    /// m
    fn kept(&self) -> &[usize] {
        &self.width
    }

    fn forward(&self, y: &mut ArrayViewMut2<T>, kept: &mut [Array2<T>], call: &Call<'_, T>) {
        let (n, width) = y.dim();
        let m = first_rows_mut(&mut kept[0], n);
        match call.noise {
            None => m.fill(T::one()),
            Some(noise) => {
                let stays = T::from_f64(1.0 / (1.0 - self.rate));
                let m = RowsMut::new(m, width);
                parallel::rows(m, n, COST * width, &|first, count, mut m| {
                    for i in 0..count {
                        let mut rng = noise.at(first + i).rng();
                        m.row(i).fill_with(|| {
                            if rng.random::<f64>() < self.rate { T::zero() } else { stays }
                        });
                    }
                });
            }
        }
        multiply(flat_mut(y), flat(&call.x), first_rows(&kept[0], n));
    }

    fn backward(
        &self,
        _d_params: Option<&mut Gradient<T>>,
        d_x: Option<&mut ArrayViewMut2<T>>,
        d_y: &mut ArrayViewMut2<T>,
        trace: Trace<'_, T>,
        _call: &Call<'_, T>,
    ) {
        if let Some(d_x) = d_x {
            let n = d_y.nrows();
            multiply(flat_mut(d_x), flat_mut(d_y), first_rows(&trace.kept[0], n));
        }
    }
}

/// `y ← m · x`, elementwise.
fn multiply<T: Real>(y: &mut [T], x: &[T], m: &[T]) {
    y.iter_mut().zip(x).zip(m).for_each(|((y, &x), &m)| *y = m * x);
}

/// `dropout=RATE`
struct Settings {
    rate: f64,
}

pub(super) fn member<T: Real>() -> Member<Box<dyn Plan<T>>> {
    Member {
        name: "dropout",
        summary: "`dropout=RATE` leaves out that share of the units at random, while training",
        build: |spec| Ok(Box::new(Settings::from_spec(spec)?)),
        examples: &["dropout=0.3"],
    }
}

impl Settings {
    fn from_spec(spec: &Spec) -> Result<Self> {
        spec.only_value_and(&[])?;
        match spec.value().and_then(|rate| rate.parse().ok()) {
            Some(rate) if (0.0..1.0).contains(&rate) => Ok(Settings { rate }),
            _ => {
                let message = "write `dropout=RATE`, a number of at least 0 and below 1";
                Err(Error::setting("dropout", message))
            }
        }
    }
}

impl<T: Real> Plan<T> for Settings {
    fn spec(&self) -> Spec {
        Spec::new("dropout").with_value(self.rate)
    }

    fn width(&self) -> Option<usize> {
        None
    }

    fn place(&self, _: &mut Scope<'_>, inputs: usize, _: Activation) -> Box<dyn Layer<T>> {
        Box::new(Dropout { width: [inputs], rate: self.rate })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::{Address, Noise, Purpose};

    /// The share that is left out is the rate; what stays is scaled so that the mean stays; inference
    /// changes nothing; a row's coins do not depend on its place.
    #[test]
    fn it_leaves_out_a_share_and_keeps_the_mean() {
        let (rate, rows) = (0.3, 500);
        let layer = Dropout { width: [40], rate };
        let x = Array2::from_elem((rows, 40), 2.0f64);
        let run = |numbers: &[u64], training: bool| {
            let mut y = Array2::zeros((numbers.len(), 40));
            let mut kept = [y.clone()];
            let noise = Noise::new(Address::new(1, Purpose::Train), numbers);
            let noise = if training { noise.training() } else { noise };
            let x = x.slice(ndarray::s![..numbers.len(), ..]);
            let call = Call { x, params: &[], noise: noise.of_layers(0, 1) };
            layer.forward(&mut y.view_mut(), &mut kept, &call);
            y
        };
        let numbers: Vec<u64> = (0..rows as u64).collect();
        let y = run(&numbers, true);
        let gone = y.iter().filter(|y| **y == 0.0).count() as f64 / y.len() as f64;
        // Four standard errors of a share of 20,000 coins.
        assert!((gone - rate).abs() < 4.0 * (rate * (1.0 - rate) / 20_000.0f64).sqrt(), "{gone}");
        assert!(y.iter().all(|y| *y == 0.0 || (y - 2.0 / 0.7).abs() < 1e-12));
        assert_eq!(run(&[7], true).row(0), y.row(7));
        assert_eq!(run(&numbers, false), x);
    }

    #[test]
    fn rates_that_are_none_are_refused() {
        for spec in ["dropout", "dropout=1", "dropout=-0.1", "dropout=x", "dropout=0.1:a=1"] {
            assert!(Settings::from_spec(&spec.parse().unwrap()).is_err(), "{spec}");
        }
    }
}
