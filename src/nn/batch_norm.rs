//! Batch normalisation: while training, every unit is shifted and scaled to mean 0 and variance 1 over the rows of
//! the pass, and then by numbers that are learned; later by the averages of those means and variances.
//!
//! ```text
//! Shapes    x, u, y [N, in]   m, v, r, g, b, running m̄, v̄ [in]
//! Forward   training:    m = 1/N Σ_n x_n,   v = 1/N Σ_n (x_n − m)²,   r = 1/√(v + δ),   δ = 10⁻⁵
//!           inference:   m = m̄,   r = 1/√(v̄ + δ)
//!           u_n = (x_n − m) r,   y_n = g u_n + b
//! Backward  d_b = Σ_n d_y,   d_g = Σ_n d_y u,   d_u = g d_y, and of each unit
//!             training:    as in `layer_norm.rs`, with sums over the rows for those over a row's values:
//!                          d_x_n = r [ d_u_n − 1/N Σ_i d_u_i − u_n 1/N Σ_i d_u_i u_i ]
//!             inference:   d_x_n = r d_u_n, each row for itself
//! Fold      after a step   m̄ ← (1 − μ) m̄ + μ m,   v̄ ← (1 − μ) v̄ + μ v N/(N − 1)      from N ≥ 2 rows
//! Numerics  sums over rows are taken in the rows' order; v from x − m, since E x² − m² cancels
//! Source    Ioffe & Szegedy 2015, "Batch Normalization", algorithms 1 and 2
//! ```
//!
//! While training a row's output depends on the others, so no row may be left out of a backward pass; at inference
//! a row stands for itself, as everything here does. m̄ and v̄ are tensors of the layout like any other and stand in
//! the model's file, but no gradient reaches them.

use super::{Activation, Call, Layer, Member, Plan, Spec, Trace};
use crate::error::Error;
use crate::gradient::Gradient;
use crate::params::{Scope, Start, Tensor};
use crate::real::Real;
use crate::rows::{add, first_rows, first_rows_mut, flat, flat_mut};
use ndarray::{Array2, ArrayViewMut2};

/// δ, for units without any spread.
const DELTA: f64 = 1e-5;

/// Units of mean 0 and variance 1, times a scale, plus a bias.
#[derive(Clone, Copy, Debug)]
pub struct BatchNorm {
    scale: Tensor,
    bias: Tensor,
    /// m̄ and v̄.
    running: [Tensor; 2],
    /// μ
    momentum: f64,
    width: [usize; 1],
    /// Widths of m, v and r, and of the number of rows that they are of, 0 at inference.
    of_batch: [usize; 4],
}

/// `to ← Σ_n f(a_n, b_n)` of each column, in the order of the rows.
fn sum_rows<T: Real>(to: &mut [T], a: &[T], b: &[T], f: impl Fn(T, T) -> T) {
    to.fill(T::zero());
    for (a, b) in a.chunks_exact(to.len()).zip(b.chunks_exact(to.len())) {
        to.iter_mut().zip(a).zip(b).for_each(|((to, &a), &b)| *to += f(a, b));
    }
}

impl<T: Real> Layer<T> for BatchNorm {
    fn outputs(&self) -> usize {
        self.width[0]
    }

    /// u
    fn kept(&self) -> &[usize] {
        &self.width
    }

    fn kept_of_batch(&self) -> &[usize] {
        &self.of_batch
    }

    /// Sums over the rows: of d_u, and of d_u u.
    fn work(&self) -> &[usize] {
        // The first rows of two buffers as large as y.
        &self.of_batch[..2]
    }

    fn forward(&self, y: &mut ArrayViewMut2<T>, kept: &mut [Array2<T>], call: &Call<'_, T>) {
        let (n, width) = y.dim();
        let [u, m, v, r, rows] = kept else { unreachable!("as many as it says") };
        let u = first_rows_mut(u, n);
        let [m, v, r] = [m, v, r].map(|a| first_rows_mut(a, 1));
        let (x, y) = (flat(&call.x), flat_mut(y));
        let training = call.noise.is_some();
        let per_row = T::from_f64(1.0 / n as f64);
        rows[[0, 0]] = if training { T::from_f64(n as f64) } else { T::zero() };
        if training {
            sum_rows(m, x, x, |x, _| x);
            m.iter_mut().for_each(|m| *m *= per_row);
        } else {
            m.copy_from_slice(self.running[0].of(call.params));
        }
        for (u, x) in u.chunks_exact_mut(width).zip(x.chunks_exact(width)) {
            u.iter_mut().zip(x).zip(&*m).for_each(|((u, &x), &m)| *u = x - m);
        }
        if training {
            sum_rows(v, u, u, |u, same| u * same);
            v.iter_mut().for_each(|v| *v *= per_row);
        } else {
            v.copy_from_slice(self.running[1].of(call.params));
        }
        let delta = T::from_f64(DELTA);
        r.iter_mut().zip(&*v).for_each(|(r, &v)| *r = T::one() / (v + delta).sqrt());
        let (g, b) = (self.scale.of(call.params), self.bias.of(call.params));
        for (y, u) in y.chunks_exact_mut(width).zip(u.chunks_exact_mut(width)) {
            for ((((y, u), &r), &g), &b) in y.iter_mut().zip(u).zip(&*r).zip(g).zip(b) {
                *u *= r;
                *y = g * *u + b;
            }
        }
    }

    fn backward(
        &self,
        d_params: Option<&mut Gradient<T>>,
        d_x: Option<&mut ArrayViewMut2<T>>,
        d_y: &mut ArrayViewMut2<T>,
        trace: Trace<'_, T>,
        call: &Call<'_, T>,
    ) {
        let (n, width) = d_y.dim();
        let [u, _, _, r, rows] = trace.kept else { unreachable!("as many as it says") };
        let (u, r, d_y) = (first_rows(u, n), first_rows(r, 1), flat_mut(d_y));
        let [sum, along] = trace.work else { unreachable!("as many as it says") };
        let [sum, along] = [sum, along].map(|a| first_rows_mut(a, 1));
        sum_rows(sum, d_y, d_y, |d_y, _| d_y);
        sum_rows(along, d_y, u, |d_y, u| d_y * u);
        if let Some(d_params) = d_params {
            add(d_params.tensor(self.bias), sum);
            add(d_params.tensor(self.scale), along);
        }
        let Some(d_x) = d_x else { return };
        // Where they are of the batch, m and r move with every row.
        let per_row = match rows[[0, 0]] {
            n if n > T::zero() => T::one() / n,
            _ => T::zero(),
        };
        for a in [&mut *sum, &mut *along] {
            a.iter_mut().for_each(|a| *a *= per_row);
        }
        let g = self.scale.of(call.params);
        let rows = flat_mut(d_x).chunks_exact_mut(width).zip(d_y.chunks_exact(width));
        for ((d_x, d_y), u) in rows.zip(u.chunks_exact(width)) {
            for j in 0..width {
                d_x[j] = r[j] * g[j] * (d_y[j] - sum[j] - u[j] * along[j]);
            }
        }
    }

    fn fold(&self, params: &mut [T], kept: &[Array2<T>]) {
        let [_, m, v, _, rows] = kept else { unreachable!("as many as it says") };
        let n = rows[[0, 0]].to_f64();
        if n < 2.0 {
            return; // the last batch of an epoch may be a row, which has no variance
        }
        for (running, new, scale) in
            [(self.running[0], m, 1.0), (self.running[1], v, n / (n - 1.0))]
        {
            let (keep, take) =
                (T::from_f64(1.0 - self.momentum), T::from_f64(self.momentum * scale));
            let running = running.of_mut(params).iter_mut().zip(first_rows(new, 1));
            running.for_each(|(running, &new)| *running = keep * *running + take * new);
        }
    }
}

/// `batch-norm`
struct Settings {
    momentum: f64,
}

pub(super) fn member<T: Real>() -> Member<Box<dyn Plan<T>>> {
    Member {
        name: "batch-norm",
        summary: "`batch-norm` brings each unit to mean 0 and variance 1 over the batch; `momentum=0.1` of each batch goes into the averages that serve later",
        build: |spec| {
            spec.only(&["momentum"])?;
            let momentum = spec.number("momentum")?.unwrap_or(0.1);
            if !(momentum > 0.0 && momentum <= 1.0) {
                let message = format!("{momentum} is not above 0 and at most 1");
                return Err(Error::setting("batch-norm:momentum", message));
            }
            Ok(Box::new(Settings { momentum }))
        },
        examples: &["batch-norm", "batch-norm:momentum=0.5"],
    }
}

impl<T: Real> Plan<T> for Settings {
    fn spec(&self) -> Spec {
        let spec = Spec::new("batch-norm");
        if self.momentum == 0.1 { spec } else { spec.with("momentum", self.momentum) }
    }

    fn width(&self) -> Option<usize> {
        None
    }

    fn place(&self, scope: &mut Scope<'_>, inputs: usize, _: Activation) -> Box<dyn Layer<T>> {
        let mut tensor = |name: &str, start| scope.tensor(name, &[inputs], start);
        Box::new(BatchNorm {
            scale: tensor("weight", Start::Constant(1.0)),
            bias: tensor("bias", Start::Constant(0.0)),
            running: [
                tensor("running_mean", Start::State(0.0)),
                tensor("running_var", Start::State(1.0)),
            ],
            momentum: self.momentum,
            width: [inputs],
            of_batch: [inputs, inputs, inputs, 1],
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nn::layer::kept_buffers;
    use crate::params::{Init, Layout};
    use crate::rng::{Address, Noise, Purpose};

    const ROWS: [u64; 4] = [0, 1, 2, 3];

    /// A layer, fresh parameters, rows of it, and its buffers.
    struct Case {
        layer: Box<dyn Layer<f64>>,
        params: Vec<f64>,
        x: Array2<f64>,
        y: Array2<f64>,
        kept: Vec<Array2<f64>>,
        layout: Layout,
    }

    impl Case {
        fn new(rows: usize) -> Self {
            let mut layout = Layout::default();
            let settings = Settings { momentum: 0.25 };
            let layer: Box<dyn Layer<f64>> =
                settings.place(&mut layout.scope("layer"), 3, Activation::Tanh);
            let x = Array2::from_shape_fn((rows, 3), |(i, j)| match j {
                2 => 1e4,
                j => (i * i + 3 * j) as f64,
            });
            let (y, kept) = (Array2::zeros(x.dim()), kept_buffers(&*layer, rows));
            Case { params: layout.init(Init::Uniform, 0), layer, x, y, kept, layout }
        }

        fn run(&mut self, training: bool) {
            let noise = Noise::new(Address::new(1, Purpose::Check), &ROWS[..self.x.nrows()]);
            let noise = noise.training().of_layers(0, 1).filter(|_| training);
            let call = Call { x: self.x.view(), params: &self.params, noise };
            self.layer.forward(&mut self.y.view_mut(), &mut self.kept, &call);
        }

        fn state(&self) -> [Vec<f64>; 2] {
            let mut states =
                self.layout.states().map(|(slot, _)| self.params[slot.range()].to_vec());
            [(); 2].map(|()| states.next().expect("two"))
        }
    }

    /// Fresh and while training, each unit has mean 0 and variance 1; one without spread gives the bias, and a
    /// row alone does for all units.
    #[test]
    fn units_have_mean_0_and_variance_1() {
        let mut case = Case::new(4);
        case.run(true);
        for (j, variance) in [1.0, 1.0, 0.0].into_iter().enumerate() {
            let y = case.y.column(j);
            assert!(y.sum().abs() < 1e-12, "{y}");
            assert!((y.dot(&y) / 4.0 - variance).abs() < 1e-5, "{y}");
        }
        let mut alone = Case::new(1);
        alone.run(true);
        assert!(alone.y.iter().all(|y| *y == 0.0));
        let before = alone.state();
        alone.layer.fold(&mut alone.params, &alone.kept);
        assert_eq!(alone.state(), before);
    }

    /// The averages move by the momentum towards the batch, whose variance is that of a sample, and at inference
    /// they are all that counts, for each row alone.
    #[test]
    fn averages_are_folded_and_serve_at_inference() {
        let mut case = Case::new(4);
        case.run(true);
        case.layer.fold(&mut case.params, &case.kept);
        let [mean, variance] = case.state();
        // Of 0, 1, 4, 9: mean 3.5, sum of squares 49.
        assert_eq!(mean, [0.25 * 3.5, 0.25 * 6.5, 2500.0]);
        let want = 0.75 + 0.25 * 49.0 / 3.0;
        assert!((variance[0] - want).abs() < 1e-12 && (variance[2] - 0.75).abs() < 1e-12);
        case.run(false);
        for ((i, j), y) in case.y.indexed_iter() {
            let want = (case.x[[i, j]] - mean[j]) / (variance[j] + 1e-5).sqrt();
            assert!((y - want).abs() < 1e-12 * want.abs().max(1.0), "{y} is not {want}");
        }
        case.layer.fold(&mut case.params, &case.kept);
        assert_eq!(case.state(), [mean, variance], "inference folds nothing");
    }

    /// At inference the gradient is that of an affine map of each unit.
    #[test]
    fn the_gradient_at_inference_is_that_of_its_own_row() {
        let mut case = Case::new(4);
        case.run(true);
        case.layer.fold(&mut case.params, &case.kept);
        case.run(false);
        let before = case.y.clone();
        let mut d_y = Array2::from_shape_fn((4, 3), |(i, j)| 1.0 + (i + 2 * j) as f64);
        let (want, mut d_x) = (d_y.clone(), Array2::zeros((4, 3)));
        let mut work = [Array2::zeros((4, 3)), Array2::zeros((4, 3))];
        let call = Call { x: case.x.view(), params: &case.params, noise: None };
        let trace = Trace { y: before.view(), kept: &case.kept, work: &mut work };
        case.layer.backward(None, Some(&mut d_x.view_mut()), &mut d_y.view_mut(), trace, &call);
        case.x += 1e-3;
        case.run(false);
        for (i, d_x) in d_x.indexed_iter() {
            let slope = (case.y[i] - before[i]) / 1e-3;
            assert!((d_x - want[i] * slope).abs() < 1e-6 * slope * want[i], "{i:?}");
        }
    }
}
