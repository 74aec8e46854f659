//! `elbo check`

use crate::Common;
use crate::progress::bar;
use clap::Args;
use elbo::check::{Case, cases, run_all};
use elbo::error::{Error, Result};
use elbo::gradcheck::TOLERANCE;
use serde_json::json;
use std::process::ExitCode;

/// Prove every hand-written gradient by central differences
#[derive(Args)]
#[command(
    after_help = "A gradient passes if its error, relative to the larger of the two values (and at least to 1 % of
the tensor's largest), is at most 1e-6 at every coordinate. See docs/7-how-the-gradients-are-checked.md."
)]
pub(crate) struct CheckArgs {
    /// Only checks whose line contains this text
    #[arg(value_name = "TEXT", default_value = "")]
    filter: String,
}

pub(crate) fn check(args: &CheckArgs, common: &Common) -> Result<ExitCode> {
    let mut table = String::new();
    let (mut points, mut redrawn, mut failed, mut checks) = (0, 0, 0, Vec::new());
    let title = |case: &Case| format!("{:<12}  {:<15}  {}", case.family, case.member, case.name);
    let mut cases = cases();
    cases.retain(|case| title(case).contains(&args.filter));
    let bar = bar(common, cases.len() as u64, "checks");
    let reports = run_all(&mut cases, || bar.inc(1));
    bar.finish_and_clear();
    for (case, report) in cases.iter().zip(reports) {
        let title = title(case);
        points += report.points;
        redrawn += report.redrawn;
        failed += usize::from(!report.passed());
        let verdict = if report.passed() { "ok  " } else { "FAIL" };
        table += &format!(
            "{verdict}  {:>6}  {:>6}  {title}\n",
            format!("{:.0e}", report.worst),
            report.points
        );
        if !report.passed() {
            table += &format!("      {}\n", report.complaint.as_deref().unwrap_or(&report.at));
        }
        checks.push(json!({
            "family": case.family, "member": case.member, "name": case.name, "points": report.points,
            "redrawn": report.redrawn, "worst": report.worst, "passed": report.passed(),
        }));
    }
    if checks.is_empty() {
        // Nothing checked is nothing proved.
        let message =
            format!("no check has `{}` in its line; `elbo check` lists them", args.filter);
        return Err(Error::setting("TEXT", message));
    }
    let summary = format!(
        "{} checks, {points} coordinates, {redrawn} redrawn at kinks, {failed} failed (largest error accepted: {TOLERANCE:.0e})",
        checks.len()
    );
    let json = json!({
        "checks": checks, "points": points, "redrawn": redrawn, "failed": failed, "tolerance": TOLERANCE,
    });
    let text = if common.quiet {
        summary
    } else {
        format!("       error  points  family        member           what\n{table}{summary}")
    };
    common.result(&json, &text)?;
    Ok(if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
