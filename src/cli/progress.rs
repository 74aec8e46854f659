//! Progress for a person: a bar on a terminal, plain lines elsewhere.

use crate::Common;
use elbo::train::{EpochRecord, StepReport};
use elbo::vae::Score;
use indicatif::{ProgressBar, ProgressStyle};

/// A bar that counts `total` of something; invisible where it would not be seen.
pub(crate) fn bar(common: &Common, total: u64, what: &str) -> ProgressBar {
    if !common.shows_bars() {
        return ProgressBar::hidden();
    }
    let template = format!("{{wide_bar}} {{pos}}/{{len}} {what}, {{eta}} left");
    let style = ProgressStyle::with_template(&template).expect("a template that is a constant");
    ProgressBar::new(total).with_style(style)
}

/// The progress of a training run.
pub(crate) struct Training {
    common: Common,
    bar: ProgressBar,
    epochs: u32,
    /// Score sums and rows since the bar's text was last renewed.
    recent: Score,
    rows: f64,
    renewed: std::time::Instant,
}

impl Training {
    /// For a run of `epochs` epochs, in all `steps` steps, of which `done` are taken.
    pub(crate) fn new(common: &Common, epochs: u32, steps: u64, done: u64) -> Self {
        let bar = if common.shows_bars() {
            let style =
                ProgressStyle::with_template("{percent:>3}% {bar:12} {wide_msg} {eta} left")
                    .expect("a template that is a constant");
            ProgressBar::new(steps).with_style(style).with_position(done)
        } else {
            ProgressBar::hidden()
        };
        bar.reset_eta();
        let renewed = std::time::Instant::now();
        Training {
            common: common.clone(),
            bar,
            epochs,
            recent: Score::default(),
            rows: 0.0,
            renewed,
        }
    }

    /// After a step. Costs nothing to speak of unless there is a bar.
    pub(crate) fn step(&mut self, report: &StepReport) {
        if self.bar.is_hidden() {
            return;
        }
        self.recent.add(&report.score, report.rows as f64);
        self.rows += report.rows as f64;
        let elapsed = self.renewed.elapsed().as_secs_f64();
        if elapsed > 0.2 {
            let score = self.recent.mean(self.rows);
            let rate = self.rows / elapsed;
            self.bar.set_position(report.step);
            self.bar.set_message(format!(
                "loss {:.2}, KL {:.2}, {rate:.0} rows/s,",
                score.loss, score.kl
            ));
            (self.recent, self.rows, self.renewed) =
                (Score::default(), 0.0, std::time::Instant::now());
        }
    }

    /// After an epoch: one line.
    pub(crate) fn epoch(&self, record: &EpochRecord) {
        let width = self.epochs.to_string().len();
        let mut line = format!(
            "epoch {:>width$}/{}  loss {:.3}  reconstruction {:.3}  KL {:.3}",
            record.epoch,
            self.epochs,
            record.train.loss,
            record.train.reconstruction,
            record.train.kl
        );
        for (name, score) in [("validation", record.validation), ("test", record.test)] {
            if let Some(score) = score {
                line += &format!("  {name} {:.3}", score.loss);
            }
        }
        line += &format!("  {:.0} rows/s", record.rows_per_second);
        self.bar.suspend(|| self.common.note(line));
    }

    /// Takes the bar away.
    pub(crate) fn finish(&self) {
        self.bar.finish_and_clear();
    }
}
