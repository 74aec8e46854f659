//! The operations that are compared, and the numbers that they run on.

use super::*;

/// [a, d_h] → [h, d_a]
pub(crate) struct ActivationPair(pub(crate) Activation);

impl Operation for ActivationPair {
    fn name(&self) -> String {
        self.0.name().to_owned()
    }

    fn run<T: Real>(&self, inputs: &[Vec<T>]) -> Vec<Output<T>> {
        let [a, d] = inputs else { panic!("a and d_h") };
        let (mut h, mut d) = (zeros(a.len()), d.clone());
        self.0.forward(&mut h, a);
        self.0.backward(&mut d, a, &h);
        vec![("h", h), ("d_a", d)]
    }
}

/// [x, η, own] → log p and its gradients, and the mean
pub(crate) struct Score(pub(crate) Spec);

impl Operation for Score {
    fn name(&self) -> String {
        self.0.to_string()
    }

    fn run<T: Real>(&self, inputs: &[Vec<T>]) -> Vec<Output<T>> {
        let [x, eta, own] = inputs else { panic!("x, η and own") };
        let p = distribution::build_likelihood::<T>(&self.0).unwrap();
        let p = p.as_likelihood().expect("a likelihood");
        let (mut d_eta, mut d_x, mut d_own) = (zeros(eta.len()), zeros(x.len()), zeros(own.len()));
        let d = RowGradient { d_eta: &mut d_eta, d_x: &mut d_x };
        let log_p = [p.log_prob(x, eta, own), p.log_prob_gradient(d, x, eta, own)];
        if !own.is_empty() {
            p.own_backward(&mut d_own, T::one(), x, eta, own);
        }
        let mut mean = zeros(x.len());
        p.mean(&mut mean, eta, own);
        vec![
            ("log p", log_p.to_vec()),
            ("d_η", d_eta),
            ("d_x", d_x),
            ("d_own", d_own),
            ("mean", mean),
        ]
    }
}

/// [η, ε, d_z, d_KL] → the draw, log q, the closed-form KL, and their backward passes, as far as it has them
pub(crate) struct Posterior(pub(crate) Spec);

impl Operation for Posterior {
    fn name(&self) -> String {
        format!("draw from {}", self.0)
    }

    fn run<T: Real>(&self, inputs: &[Vec<T>]) -> Vec<Output<T>> {
        let [eta, eps, d_z, d_kl] = inputs else { panic!("η, ε, d_z and d_KL") };
        let q = distribution::build_posterior::<T>(&self.0).unwrap();
        let q = q.as_reparameterized().expect("a posterior");
        let of_z = || zeros(d_z.len());
        let of_eta = || zeros(eta.len());
        let draw = Draw { eta, own: &[], eps };

        let (mut z, mut kept) = (of_z(), zeros(q.kept_width(d_z.len())));
        q.rsample(&mut z, &mut kept, draw);
        let log_q = q.log_q(&kept, draw);
        let [mut path, mut total] = [of_eta(), of_eta()];
        q.backward(&mut path, &mut [], &mut kept.clone(), d_z, T::zero(), draw);
        q.backward(&mut total, &mut [], &mut kept, &of_z(), T::one(), draw);
        let mut outputs = vec![
            ("z", z),
            ("log q", vec![log_q]),
            ("d_η through z", path),
            ("total d_η of log q", total),
        ];
        if let Some(q) = q.as_separable() {
            let (mut direct, mut d_log_q) = (of_eta(), of_z());
            q.log_q_gradient(&mut direct, &mut d_log_q, draw);
            outputs.extend([("d_η of log q", direct), ("d_z of log q", d_log_q)]);
        }
        if let Some(q) = q.as_closed_form() {
            let (mut kl, mut d_eta_kl) = (of_z(), of_eta());
            q.kl(&mut kl, eta);
            q.kl_backward(&mut d_eta_kl, d_kl, eta);
            outputs.extend([("KL", kl), ("d_η of KL", d_eta_kl)]);
        }
        outputs
    }
}

/// [z, own or η] → log p(z) and its gradients
pub(crate) struct PriorPair(pub(crate) Spec);

impl PriorPair {
    /// How many numbers the prior is a function of besides z of this width.
    pub(crate) fn others(&self, width: usize) -> usize {
        let p = prior::build::<f64>(&self.0).unwrap();
        match p.pseudo_inputs() {
            0 => Layout::default().scope("prior").group(|scope| p.own(scope, width, 1)).len(),
            count => count * 2 * width,
        }
    }
}

impl Operation for PriorPair {
    fn name(&self) -> String {
        self.0.to_string()
    }

    fn run<T: Real>(&self, inputs: &[Vec<T>]) -> Vec<Output<T>> {
        let [z, others] = inputs else { panic!("z and others") };
        let p = prior::build::<T>(&self.0).unwrap();
        let q = distribution::build::<T>(&"normal".parse().unwrap()).unwrap();
        let q = q.as_likelihood().expect("a normal scores");
        let (count, width) = (p.pseudo_inputs(), z.len());
        let posteriors =
            (count > 0).then(|| Posteriors { q, eta: matrix(others, count), own: &[] });
        let given = Given { own: if count == 0 { others } else { &[] }, posteriors };
        let z = matrix(z, 1);
        let (mut log_p, mut with_gradient) = ([T::zero()], [T::zero()]);
        let (mut d_z, mut work) = (zeros(width), zeros(p.work(1, width, 2 * width)));
        p.log_prob(&mut log_p, &z, given, &mut work);
        let d_z_view = ArrayViewMut2::from_shape((1, width), &mut d_z).unwrap();
        p.log_prob_gradient(&mut with_gradient, d_z_view, &z, given, &mut work);
        let mut d_others = zeros(others.len());
        let (mut none, shape) = (zeros(0), (count, 2 * width));
        let (d_own, d_eta) = match count {
            0 => (&mut d_others[..], &mut none[..]),
            _ => (&mut none[..], &mut d_others[..]),
        };
        let d_eta = ArrayViewMut2::from_shape(shape, d_eta).unwrap();
        p.backward(PriorGradient { d_own, d_eta }, &[T::one()], &z, given, &mut work);
        vec![("log p", vec![log_p[0], with_gradient[0]]), ("d_z", d_z), ("d_others", d_others)]
    }
}

/// [log p(x|z), log p(z), log q, KL] → the loss and its weights
pub(crate) struct Weigh {
    pub(crate) spec: Spec,
    pub(crate) rows: usize,
    pub(crate) samples: usize,
    pub(crate) closed_form: bool,
}

impl Weigh {
    pub(crate) const LATENT: usize = 3;

    /// Inputs whose row b lies around `levels[b % len]`.
    pub(crate) fn pieces(&self, levels: &[f32]) -> [Vec<f32>; 4] {
        let [mut log_px, log_prior, log_q] =
            [0, 1, 2].map(|row| normals(self.rows * self.samples, 3.0, row));
        for (row, level) in log_px.chunks_mut(self.samples).zip(levels.iter().cycle()) {
            row.iter_mut().for_each(|v| *v += level);
        }
        let kl = normals(self.rows * Self::LATENT, 1.0, 3).into_iter().map(f32::abs);
        [log_px, log_prior, log_q, kl.collect()]
    }
}

impl Operation for Weigh {
    fn name(&self) -> String {
        format!("{} of {} rows, {} samples", self.spec, self.rows, self.samples)
    }

    /// A row's weights sum to 1/B.
    fn unit(&self) -> f64 {
        1.0 / self.rows as f64
    }

    fn run<T: Real>(&self, inputs: &[Vec<T>]) -> Vec<Output<T>> {
        let [log_px, log_prior, log_q, kl] = inputs else { panic!("the pieces of log w") };
        let objective = objective::build::<T>(&self.spec).unwrap();
        let terms = Terms {
            log_px: matrix(log_px, self.rows),
            log_prior: matrix(log_prior, self.rows),
            log_q: matrix(log_q, self.rows),
            kl: self.closed_form.then(|| matrix(kl, self.rows)),
            beta: T::from_f64(0.75),
        };
        let per_draw = || Array2::zeros((self.rows, self.samples));
        let [mut d_px, mut d_prior, mut direct, mut path] = [(); 4].map(|()| per_draw());
        let mut d_kl = Array2::zeros((self.rows, Self::LATENT));
        let weights = Weights {
            log_px: d_px.view_mut(),
            log_prior: d_prior.view_mut(),
            direct: direct.view_mut(),
            path: path.view_mut(),
            kl: d_kl.view_mut(),
        };
        let loss = T::from_f64(objective.weigh(weights, &terms));
        vec![
            ("loss", vec![loss]),
            ("weight of log p(x|z)", flat(d_px)),
            ("weight of log p(z)", flat(d_prior)),
            ("weight of log q", flat(direct)),
            ("scale of the path", flat(path)),
            ("weight of KL", flat(d_kl)),
        ]
    }
}

/// [x, parameters, d_y] → [y, d_x, d_parameters]
pub(crate) struct LinearPair {
    pub(crate) rows: usize,
    pub(crate) inputs: usize,
    pub(crate) outputs: usize,
}

impl Operation for LinearPair {
    fn name(&self) -> String {
        format!("linear {} → {}, {} rows", self.inputs, self.outputs, self.rows)
    }

    fn run<T: Real>(&self, inputs: &[Vec<T>]) -> Vec<Output<T>> {
        let [x, params, d_y] = inputs else { panic!("x, parameters and d_y") };
        let mut layout = Layout::default();
        let linear = Linear::new(&mut layout.scope("linear"), self.inputs, self.outputs);
        let params = &layout.spread(params);
        let (x, d_y) = (matrix(x, self.rows), matrix(d_y, self.rows));
        let mut y = Array2::zeros((self.rows, self.outputs));
        let (mut d_x, mut d_params) = (Array2::zeros(x.dim()), Gradient::zeros(&layout));
        linear.forward(&mut y.view_mut(), &x, params);
        linear.backward(Some(&mut d_params), Some(&mut d_x.view_mut()), &d_y, &x, params);
        vec![("y", flat(y)), ("d_x", flat(d_x)), ("d_parameters", d_params.values().to_vec())]
    }
}

/// [x, parameters] → the loss, and its gradient
pub(crate) struct Model {
    pub(crate) config: VaeConfig,
    pub(crate) objective: Spec,
}

impl Model {
    pub(crate) const WIDTH: usize = 33;
    pub(crate) const ROWS: usize = 3;
    pub(crate) const SAMPLES: usize = 2;
}

impl Operation for Model {
    fn name(&self) -> String {
        let VaeConfig { likelihood, levels, activation, .. } = &self.config;
        format!("{} of {likelihood}, L = {}, {}", self.objective, levels.len(), activation.name())
    }

    fn run<T: Real>(&self, inputs: &[Vec<T>]) -> Vec<Output<T>> {
        let [x, params] = inputs else { panic!("x and parameters") };
        let vae = Vae::<T>::new(self.config.clone()).unwrap();
        let objective = objective::build::<T>(&self.objective).unwrap();
        let mut ws = Workspace::new(&vae, Self::ROWS, Self::SAMPLES, Pass::Gradient).unwrap();
        let noise = Noise::new(Address::new(1, Purpose::Check), &[4, 9, 2]);
        let (x, mut d) = (matrix(x, Self::ROWS), Gradient::zeros(vae.layout()));
        let score =
            vae.loss_and_gradient(&mut d, &mut ws, &x, params, noise, &*objective, T::one());
        vec![("loss", vec![T::from_f64(score.loss)]), ("gradient", d.values().to_vec())]
    }
}

/// Every example of every member, which together reach every branch of their code.
pub(crate) fn examples<O>(members: Vec<Member<O>>) -> Vec<Spec> {
    let examples = members.iter().flat_map(|m| m.examples);
    examples.map(|e| e.parse().expect("an example is a spec")).collect()
}

/// `n` draws from N(0, scale²), a sequence of their own for every `row`.
pub(crate) fn normals(n: usize, scale: f32, row: u64) -> Vec<f32> {
    let mut values = zeros::<f32>(n);
    Address::new(0, Purpose::Check).row(row).fill_normal(&mut values);
    values.iter_mut().for_each(|v| *v *= scale);
    values
}

/// Every combination of one of each.
pub(crate) fn triples<A: Clone, B: Clone, C: Clone>(a: &[A], b: &[B], c: &[C]) -> Vec<(A, B, C)> {
    let mut triples = Vec::with_capacity(a.len() * b.len() * c.len());
    for a in a {
        for b in b {
            triples.extend(c.iter().map(|c| (a.clone(), b.clone(), c.clone())));
        }
    }
    triples
}

/// `n` of these values, over and over.
pub(crate) fn cycle(n: usize, values: &[f32]) -> Vec<f32> {
    values.iter().copied().cycle().take(n).collect()
}

/// `n` values that `p` accepts, ordinary and extreme: a real number, or one in (0, 1), or a count.
pub(crate) fn values_for(p: &dyn Distribution<f64>, n: usize) -> [Vec<f32>; 2] {
    let accepted = |v: &f32| !matches!(p.facts(0).domain.support(*v as f64), Support::Outside(_));
    let ordinary =
        |v: f32| [v, 1.0 / (1.0 + (-v).exp()), v.abs().round()].into_iter().find(accepted);
    let extreme: Vec<_> = VALUES.into_iter().filter(accepted).collect();
    [
        normals(n, 1.0, 5).into_iter().map(|v| ordinary(v).expect("one of the three")).collect(),
        cycle(n, &extreme),
    ]
}

pub(crate) fn widen(inputs: &[Vec<f32>]) -> Vec<Vec<f64>> {
    inputs.iter().map(|a| a.iter().map(|&v| v as f64).collect()).collect()
}

pub(crate) fn zeros<T: Real>(n: usize) -> Vec<T> {
    vec![T::zero(); n]
}

/// A flat tensor as a matrix of `rows` rows.
pub(crate) fn matrix<T: Real>(values: &[T], rows: usize) -> ArrayView2<'_, T> {
    ArrayView2::from_shape((rows, values.len() / rows), values).expect("a whole number of rows")
}

/// A matrix as a flat tensor.
pub(crate) fn flat<T: Real>(a: Array2<T>) -> Vec<T> {
    a.into_raw_vec_and_offset().0
}
