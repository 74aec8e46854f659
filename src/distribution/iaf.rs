//! Inverse autoregressive flows: a posterior as flexible as a network makes it.
//!
//! ```text
//! Shapes    z [Z]   hidden y [H]   η = [the base's; a context c [H] for every step], K·H behind the base's
//!           own, of every step: U [H, Z], V_m, V_s [Z, H], b_m, b_s [Z]
//! Step      y = tanh(U z + c),   m = V_m y + b_m,   s = V_s y + b_s,   σ = σ(s) the sigmoid
//!             z′ = σ z + (1 − σ) m                                          (the gated form, eq. 14)
//!           U and V are masked, so that m_i and s_i depend on z_j for j < i alone: hidden unit k has the degree
//!           k mod Z; it sees the z_j with j < degree, and reaches the outputs i ≥ degree. Every other step
//!           counts from the last to the first.
//! log q     ∂z′/∂z is triangular with σ_i on the diagonal: ln |det| = Σ ln σ_i = −Σ softplus(−s_i)
//! Backward  of f(z′) + λ log q, with d = ∂/∂z′:
//!             ∂/∂m = (1 − σ) d      ∂/∂s = σ (1 − σ) (z − m) d − λ (1 − σ)     since (ln σ)′ = 1 − σ
//!             d_b_m += ∂/∂m,  d_V_m += ∂/∂m yᵀ, and the same for s               where the masks let through
//!             ∂/∂a = (1 − y²) (V_mᵀ ∂/∂m + V_sᵀ ∂/∂s),  a = U z + c,  1 − y² = 4e/(1 + e)² with e = e^{−2|a|}
//!             d_c += ∂/∂a,  d_U += ∂/∂a zᵀ,  ∂/∂z = σ d + Uᵀ ∂/∂a
//! Start     b_s = 2, so that σ is near 1 and each step near the identity
//! Source    Kingma, Salimans, Jozefowicz, Chen, Sutskever & Welling 2016, "Improved Variational Inference with
//!           Inverse Autoregressive Flow", algorithm 1; masks: Germain, Gregor, Murray & Larochelle 2015
//! ```

use super::flow::{Flow, Flowing, Gradient};
use super::{Distribution, Member, Spec};
use crate::error::Result;
use crate::math::{sigmoid, softplus};
use crate::params::{Scope, Start};
use crate::real::Real;

/// So many steps, each with a hidden layer of its own.
#[derive(Clone, Copy, Debug)]
pub struct Iaf {
    steps: usize,
    hidden: usize,
}

pub(super) fn member<T: Real>() -> Member<Box<dyn Distribution<T>>> {
    Member {
        name: "iaf",
        summary: "a posterior: `steps=K` (2) inverse autoregressive flows, each with a hidden layer of `hidden=H` \
                  (64), behind `base=normal` or `full-normal`",
        build: |spec| Ok(Box::new(Flowing::new(Iaf::from_spec(spec)?, spec)?)),
        examples: &["iaf:steps=2,hidden=4", "iaf:steps=1,hidden=5,base=full-normal"],
    }
}

/// One step of rows of width n with h hidden units: what connects what, and where it stands.
#[derive(Clone, Copy)]
struct Step<'a, T> {
    n: usize,
    h: usize,
    /// Whether it counts from the last column to the first.
    reversed: bool,
    own: &'a [T],
}

/// Where the parts of a step's own numbers begin: U is first.
#[derive(Clone, Copy)]
struct At {
    v_m: usize,
    v_s: usize,
    b_m: usize,
    b_s: usize,
    end: usize,
}

impl At {
    fn new(n: usize, h: usize) -> Self {
        let v_m = h * n;
        let (v_s, b_m) = (v_m + n * h, v_m + 2 * n * h);
        At { v_m, v_s, b_m, b_s: b_m + n, end: b_m + 2 * n }
    }
}

impl<T: Real> Step<'_, T> {
    /// The place of column j in the order.
    fn place(&self, j: usize) -> usize {
        if self.reversed { self.n - 1 - j } else { j }
    }

    /// Whether hidden unit k sees column j; if not, it may reach it.
    fn sees(&self, k: usize, j: usize) -> bool {
        self.place(j) < k % self.n
    }

    /// a and y of z under the context.
    fn hidden(&self, a: &mut [T], y: &mut [T], z: &[T], context: &[T]) {
        for k in 0..self.h {
            let row = &self.own[k * self.n..][..self.n];
            let seen = (0..self.n).filter(|j| self.sees(k, *j));
            a[k] = seen.fold(context[k], |sum, j| sum + row[j] * z[j]);
            y[k] = a[k].tanh();
        }
    }

    /// [m_i, s_i]
    fn emit(&self, i: usize, y: &[T]) -> [T; 2] {
        let at = At::new(self.n, self.h);
        let of = |v: usize, b: usize| {
            let row = &self.own[v + i * self.h..][..self.h];
            let reach = (0..self.h).filter(|k| !self.sees(*k, i));
            reach.fold(self.own[b + i], |sum, k| sum + row[k] * y[k])
        };
        [of(at.v_m, at.b_m), of(at.v_s, at.b_s)]
    }
}

impl Iaf {
    fn from_spec(spec: &Spec) -> Result<Self> {
        spec.only(&["steps", "hidden", "base"])?;
        let steps = spec.whole("steps", 1..=64)?.unwrap_or(2);
        let hidden = spec.whole("hidden", 1..=1 << 14)?.unwrap_or(64);
        Ok(Iaf { steps, hidden })
    }

    fn step<'a, T: Real>(&self, t: usize, n: usize, own: &'a [T]) -> Step<'a, T> {
        let len = At::new(n, self.hidden).end;
        Step { n, h: self.hidden, reversed: t % 2 == 1, own: &own[t * len..(t + 1) * len] }
    }

    /// What each step keeps: z, s, m, a and y.
    fn kept_of_step(&self, n: usize) -> usize {
        3 * n + 2 * self.hidden
    }
}

impl<T: Real> Flow<T> for Iaf {
    fn spec(&self) -> Spec {
        Spec::new("iaf").with("steps", self.steps).with("hidden", self.hidden)
    }

    fn eta_width(&self, _width: usize) -> usize {
        self.steps * self.hidden
    }

    fn own(&self, scope: &mut Scope<'_>, n: usize) {
        let h = self.hidden;
        for t in 0..self.steps {
            let mut scope = scope.at(format_args!("steps.{t}"));
            scope.tensor("hidden", &[h, n], Start::Weight { inputs: n, outputs: h });
            scope.tensor("shift", &[n, h], Start::Weight { inputs: h, outputs: n });
            scope.tensor("gate", &[n, h], Start::Weight { inputs: h, outputs: n });
            scope.tensor("shift_bias", &[n], Start::Constant(0.0));
            scope.tensor("gate_bias", &[n], Start::Constant(2.0));
        }
    }

    fn kept_width(&self, width: usize) -> usize {
        self.steps * self.kept_of_step(width)
    }

    fn forward(&self, z: &mut [T], kept: &mut [T], eta: &[T], own: &[T]) {
        let n = z.len();
        let contexts = eta.chunks_exact(self.hidden);
        let ways = kept.chunks_exact_mut(self.kept_of_step(n));
        for (t, (context, kept)) in contexts.zip(ways).enumerate() {
            let step = self.step(t, n, own);
            let (from, rest) = kept.split_at_mut(n);
            let (gate, rest) = rest.split_at_mut(n);
            let (shift, rest) = rest.split_at_mut(n);
            let (a, y) = rest.split_at_mut(self.hidden);
            from.copy_from_slice(z);
            step.hidden(a, y, from, context);
            for i in 0..n {
                [shift[i], gate[i]] = step.emit(i, y);
                z[i] = sigmoid(gate[i]) * z[i] + sigmoid(-gate[i]) * shift[i];
            }
        }
    }

    fn ln_det(&self, width: usize, kept: &[T], _eta: &[T]) -> T {
        let ways = kept.chunks_exact(self.kept_of_step(width));
        let of_step = |kept: &[T]| kept[width..2 * width].iter().map(|&s| softplus(-s)).sum::<T>();
        -ways.map(of_step).sum::<T>()
    }

    fn backward(&self, gradient: Gradient<'_, T>, kept: &[T], d_log_q: T, _eta: &[T], own: &[T]) {
        let Gradient { d, d_eta, d_own } = gradient;
        let (n, h, one) = (d.len(), self.hidden, T::one());
        let (at, mut d_m, mut d_s) = (At::new(n, h), vec![T::zero(); n], vec![T::zero(); n]);
        let ways = kept.chunks_exact(self.kept_of_step(n)).zip(d_eta.chunks_exact_mut(h));
        let steps = ways.zip(d_own.chunks_exact_mut(at.end)).enumerate();
        for (t, ((kept, d_context), d_own)) in steps.rev() {
            let step = self.step(t, n, own);
            let [z, gate, shift] = [0, n, 2 * n].map(|from| &kept[from..from + n]);
            let (a, y) = kept[3 * n..].split_at(h);
            for i in 0..n {
                let (open, shut) = (sigmoid(gate[i]), sigmoid(-gate[i]));
                d_m[i] = shut * d[i];
                d_s[i] = shut * (open * (z[i] - shift[i]) * d[i] - d_log_q);
                d_own[at.b_m + i] += d_m[i];
                d_own[at.b_s + i] += d_s[i];
                d[i] *= open;
            }
            for k in 0..h {
                let mut d_y = T::zero();
                for i in (0..n).filter(|i| !step.sees(k, *i)) {
                    let [v_m, v_s] = [at.v_m, at.v_s].map(|v| v + i * h + k);
                    d_y += step.own[v_m] * d_m[i] + step.own[v_s] * d_s[i];
                    d_own[v_m] += d_m[i] * y[k];
                    d_own[v_s] += d_s[i] * y[k];
                }
                // Of a saturated y, 1 − y² has no digits.
                let e = (T::from_f64(-2.0) * a[k].abs()).exp();
                let d_a = T::from_f64(4.0) * e / ((one + e) * (one + e)) * d_y;
                d_context[k] += d_a;
                for j in (0..n).filter(|j| step.sees(k, *j)) {
                    d_own[k * n + j] += d_a * z[j];
                    d[j] += d_a * step.own[k * n + j];
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::constants;

    /// By finite differences the Jacobian of each step is triangular, in its order, and its determinant is the
    /// one that is claimed.
    #[test]
    fn the_jacobian_is_triangular() {
        let n = 3;
        for t in [0, 1] {
            let iaf = Iaf { steps: t + 1, hidden: 7 };
            let own: Vec<f64> = constants((t + 1) * At::new(n, 7).end, 1);
            let eta: Vec<f64> = constants((t + 1) * 7, 2);
            let z = [0.4, -1.1, 0.7];
            let run = |z: [f64; 3], eta: &[f64]| {
                let (mut moved, mut kept) = (z, vec![0.0; Flow::<f64>::kept_width(&iaf, n)]);
                iaf.forward(&mut moved, &mut kept, eta, &own);
                (moved, iaf.ln_det(n, &kept, eta))
            };
            let h = 1e-5;
            let column = |j: usize| {
                let [above, below] = [h, -h].map(|h| {
                    let mut z = z;
                    z[j] += h;
                    run(z, &eta).0
                });
                std::array::from_fn::<f64, 3, _>(|i| (above[i] - below[i]) / (2.0 * h))
            };
            let [a, b, c] = [0, 1, 2].map(column);
            let minors =
                [b[1] * c[2] - b[2] * c[1], a[1] * c[2] - a[2] * c[1], a[1] * b[2] - a[2] * b[1]];
            let det: f64 = a[0] * minors[0] - b[0] * minors[1] + c[0] * minors[2];
            let (_, ln_det) = run(z, &eta);
            assert!((det.ln() - ln_det).abs() < 1e-8, "{t}: {det} {ln_det}");
            if t == 0 {
                assert_eq!([b[0], c[0], c[1]], [0.0; 3]);
                assert!(a[1].abs() > 1e-3 && a[2].abs() > 1e-3 && b[2].abs() > 1e-3);
            }
        }
    }

    /// As it starts it moves a draw little.
    #[test]
    fn it_starts_near_the_identity() {
        let spec: Spec = "iaf:steps=1,hidden=4".parse().unwrap();
        let iaf = Iaf::from_spec(&spec).unwrap();
        let mut layout = crate::params::Layout::default();
        layout.scope("own").group(|scope| Flow::<f64>::own(&iaf, scope, 2));
        let own: Vec<f64> = layout.init(crate::params::Init::Uniform, 0);
        let (mut z, mut kept) = ([1.0, -1.0], vec![0.0; Flow::<f64>::kept_width(&iaf, 2)]);
        iaf.forward(&mut z, &mut kept, &[0.0; 4], &own);
        assert!((z[0] - 1.0).abs() < 0.3 && (z[1] + 1.0).abs() < 0.3, "{z:?}");
    }
}
