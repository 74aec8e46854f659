//! A posterior with a covariance matrix on a chain whose posteriors have one.
//!
//! The exact posterior N(m, Λ⁻¹) has the precision Λ = I + Wᵀ diag(n)⁻¹ W for every x, not diagonal where the
//! columns of W are not orthogonal. Of the diagonal normals N(m, diag v), with
//! KL(q ‖ p) = ½ [ Σ_j (Λ_jj v_j − 1 − ln v_j) − ln det Λ ], that with v_j = 1/Λ_jj has the least:
//!
//! ```text
//! KL = ½ [ Σ_j ln Λ_jj − ln det Λ ]
//! ```

use super::*;

/// ½ [ Σ ln Λ_jj − ln det Λ ], for two latents.
fn cost_of_a_diagonal(Decoder { w, n, .. }: &Decoder) -> f64 {
    let scaled = w / &n.view().insert_axis(Axis(1));
    let precision = Array2::<f64>::eye(w.ncols()) + scaled.t().dot(w);
    let det = precision[[0, 0]] * precision[[1, 1]] - precision[[0, 1]] * precision[[1, 0]];
    0.5 * (precision.diag().mapv(f64::ln).sum() - det.ln())
}

#[test]
fn a_covariance_matrix_reaches_log_px_and_a_diagonal_misses_it_by_the_closed_form() {
    let chain = Chain::correlated();
    let held_out = chain.draw(200, data(u32::MAX));
    let cost = cost_of_a_diagonal(&chain.decoders[0]);
    assert!(cost > 0.1, "{cost} is too little to see");
    for (posterior, expected) in [("full-normal", 0.0), ("normal", cost)] {
        let mut model = chain.untrained(posterior);
        let before = chain.gap(&model, &held_out);
        model.train_encoder(&chain, "elbo", 1);
        let after = chain.gap(&model, &held_out);
        println!("{posterior}: the gap was {before:?}, is {after:?}, and can be {expected:.4}");
        let off = after.value - expected;
        assert!(off.abs() <= 0.01 + ERRORS * after.error, "{posterior}: {after:?}");
        assert!(posterior == "normal" || off <= 0.01, "{posterior}: {after:?}");
    }
}
