//! The check: an operation in both precisions, with every instruction set, held to a bound.

use super::*;

/// Something that can be computed in either precision.
pub(crate) trait Operation {
    fn name(&self) -> String;
    fn run<T: Real>(&self, inputs: &[Vec<T>]) -> Vec<Output<T>>;

    /// The size below which a result owes no relative accuracy.
    fn unit(&self) -> f64 {
        1.0
    }
}

/// A tensor that an operation wrote.
pub(crate) type Output<T> = (&'static str, Vec<T>);

/// Runs `operation` with every instruction set in both precisions, and holds `f32` to the bound (see above).
pub(crate) fn check(operation: &impl Operation, inputs: &[Vec<f32>], bound: f64) {
    const EPSILON: f64 = f32::EPSILON as f64;
    let exact_inputs = widen(inputs);
    let single = with_every_isa(operation, inputs);
    let double = with_every_isa(operation, &exact_inputs);
    let condition = condition(operation, &exact_inputs, &double);
    let (unit, mut worst) = (operation.unit(), (0.0, String::new()));
    for ((single, double), condition) in single.iter().zip(&double).zip(condition) {
        for (i, ((&got, &want), moved)) in single.1.iter().zip(&double.1).zip(condition).enumerate()
        {
            if want.abs() > f32::MAX as f64 {
                continue; // f32 has no such number
            }
            let error = (got as f64 - want).abs();
            let excess = error / (EPSILON * (unit + want.abs()) + moved).max(f64::MIN_POSITIVE);
            let place = || format!("{} {}[{i}]: {got:e}, not {want:e}", operation.name(), double.0);
            assert!(excess <= bound, "{}, {excess:.2} > {bound}", place());
            if excess > worst.0 {
                worst = (excess, place());
            }
        }
    }
    println!("{:.2} {}", worst.0, worst.1);
}

/// ΔF of every output: how far roundings of the inputs would move it.
pub(crate) fn condition(
    operation: &impl Operation,
    inputs: &[Vec<f64>],
    base: &[Output<f64>],
) -> Vec<Vec<f64>> {
    const DRAWS: usize = 16;
    let mut squares: Vec<Vec<f64>> = base.iter().map(|(_, v)| vec![0.0; v.len()]).collect();
    for draw in 0..DRAWS {
        let rounded: Vec<_> = inputs.iter().enumerate().map(|(i, a)| round(a, i, draw)).collect();
        for ((sums, base), moved) in squares.iter_mut().zip(base).zip(operation.run(&rounded)) {
            for ((sum, base), moved) in sums.iter_mut().zip(&base.1).zip(moved.1) {
                *sum += (moved - base).powi(2);
            }
        }
    }
    let root_mean = |sums: Vec<f64>| sums.into_iter().map(|s| (s / DRAWS as f64).sqrt()).collect();
    squares.into_iter().map(root_mean).collect()
}

/// Every number moved by a relative ±ε, with signs of tensor `tensor` in draw `draw`.
pub(crate) fn round(a: &[f64], tensor: usize, draw: usize) -> Vec<f64> {
    let mut signs = vec![0.0f64; a.len()];
    let address = Address::new(7, Purpose::Check).level(tensor).sample(draw as u32);
    address.fill_normal(&mut signs);
    a.iter().zip(signs).map(|(a, s)| a * (1.0 + s.signum() * f32::EPSILON as f64)).collect()
}

/// Forcing an instruction set holds for the whole process, and the tests of a file share one.
pub(crate) static FORCING: Mutex<()> = Mutex::new(());

/// What `operation` gives with the portable one, after every other has given the same bits.
pub(crate) fn with_every_isa<T: Real>(
    operation: &impl Operation,
    inputs: &[Vec<T>],
) -> Vec<Output<T>> {
    let _guard = FORCING.lock().unwrap_or_else(PoisonError::into_inner);
    let run = |isa| {
        simd::force(Some(isa));
        operation.run(inputs)
    };
    let portable = run(Isa::Portable);
    for isa in simd::available() {
        for ((name, a), (_, b)) in portable.iter().zip(run(isa)) {
            let same = a.iter().zip(&b).all(|(a, b)| a.to_f64().to_bits() == b.to_f64().to_bits());
            assert!(same, "{} {name}: {isa:?} gives other bits, in {}", operation.name(), T::NAME);
        }
    }
    simd::force(None);
    portable
}
