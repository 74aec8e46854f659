"""The published numbers: train a row's configuration, judge it, and write the table.

    python configs/published.py run vae-l1 --data mnist/ --seed 1 [--coins 1 2] [--elbo elbo] [--runs runs]
    python configs/published.py table

`run` is `elbo train --config configs/NAME.toml` (resumed, if it was stopped) and `elbo evaluate --samples 5000`, on the
test images as every run is judged by and again as each of the --coins' seeds binarises them; what both say goes into
configs/results/NAME-SEED.json. `table` writes the table in docs/15-published-numbers.md from these files. Needs Python
alone.
"""

import argparse
import datetime
import json
import math
import pathlib
import statistics
import subprocess

HERE = pathlib.Path(__file__).parent
RESULTS = HERE / "results"
PAGE = HERE.parent / "docs" / "15-published-numbers.md"
SAMPLES = 5000

# Configuration; what it is; the published figure; what was to be reached at most, and beyond.
ROWS = [
    ("vae-l1", "VAE, 784-200-200-50", "86.76, re-run 87.01", 86.4, 85.9),
    ("stl-l1", "… STL (DReG, K = 1)", "0.3 below VAE", 86.2, 85.7),
    ("iwae5-l1", "… IWAE, K = 5", "85.54, re-run 85.18", 85.4, 85.0),
    ("iwae50-l1", "… IWAE, K = 50", "84.78", 84.9, 84.4),
    ("dreg50-l1", "… DReG, K = 50", "–", 84.6, 84.2),
    ("miwae8x8-l1", "… MIWAE(8, 8)", "84.97, re-run 84.69", 85.0, 84.5),
    ("iwae50-l2", "IWAE, K = 50, 784-200-200-100-(100-100)-50", "82.90, re-run 82.82", 83.3, 82.8),
    ("gated", "gated 784-300-300-40, N(0, I)", "84.50", 84.5, 84.2),
    ("gated-vamp", "… VampPrior 500", "82.38, re-run 82.43 ± 0.06", 82.7, 82.3),
    ("gated-exemplar", "… exemplar prior", "82.09 ± 0.18", 82.4, 82.0),
    ("hvae-vamp", "two levels with skips, VampPrior 500", "81.24, re-run 81.56 ± 0.09", 81.8, 81.2),
    ("grey", "grey, 256 levels, bits per pixel of the bound", "1.39–1.41", 1.35, 1.25),
]


def elbo(args, *command):
    print("elbo", *command, flush=True)
    done = subprocess.run([args.elbo, *map(str, command), "--json"], check=True, stdout=subprocess.PIPE, text=True)
    return json.loads(done.stdout)


def machine():
    info = pathlib.Path("/proc/cpuinfo").read_text()
    flags = next(line for line in info.splitlines() if line.startswith("flags"))
    simd = next((name for flag, name in [("avx512f", "AVX-512"), ("avx2", "AVX2")] if f" {flag} " in f"{flags} "), "SSE2")
    return f"{info.count('processor')} cores, {simd}"


def run(args):
    out = pathlib.Path(args.runs) / f"{args.name}-{args.seed}"
    threads = ["--threads", args.threads] if args.threads else []
    # A finished run that is resumed only says its results again.
    begun = (out / "checkpoint.safetensors").exists()
    how = ["--resume"] if begun else ["--config", HERE / f"{args.name}.toml", "--seed", args.seed]
    trained = elbo(args, "train", *how, "--data", args.data, "--out", out, *threads)
    judge = ["evaluate", out, "--data", args.data, *threads]
    if args.name != "grey":
        judge += ["--samples", SAMPLES]
    judged = elbo(args, *judge)
    coins = {seed: elbo(args, *judge, "--coins", seed) for seed in args.coins}
    kept = ["neg_elbo", "neg_elbo_rows_se", "neg_log_px", "neg_log_px_rows_se", "neg_log_px_se", "no_error_bar", "k_hat",
            "effective_samples", "active_latents", "bits_per_dim", "rows", "samples"]
    result = {
        "config": args.name,
        "seed": args.seed,
        "date": datetime.date.today().isoformat(),
        "machine": machine() + (f", {args.threads} thread" if args.threads else ""),
        "note": args.note,
        "train_seconds": trained["seconds"],
        "epochs": trained["epochs"],
        "evaluate": {key: judged[key] for key in kept},
        "coins": {seed: {key: judged[key] for key in kept} for seed, judged in coins.items()},
    }
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / f"{args.name}-{args.seed}.json").write_text(json.dumps(result, indent=1) + "\n")


def duration(seconds):
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def table_row(name, title, published, most, beyond):
    runs = [json.loads(path.read_text()) for path in sorted(RESULTS.glob(f"{name}-[0-9]*.json"))]
    goal = f"{most:g} / {beyond:g}"
    if not runs:
        return f"| {title} | `{name}` | {published} | {goal} | not run | | | | | |"
    figure = (lambda r: r["neg_elbo"] / (784 * math.log(2))) if name == "grey" else (lambda r: r["neg_log_px"])
    digits = 4 if name == "grey" else 2
    values = [figure(r["evaluate"]) for r in runs]
    ours = f"{statistics.mean(values):.{digits}f}"
    seeds = f" ± {statistics.stdev(values):.{digits}f}" if len(values) > 1 else ""
    first = runs[0]["evaluate"]
    if name == "grey":
        errors = f"{first['neg_elbo_rows_se'] / (784 * math.log(2)):.4f} | – "
        effective = ""
    else:
        monte_carlo = f"{first['neg_log_px_se']:.3f}" if first["neg_log_px_se"] else f"k̂ {first['k_hat']:.1f}"
        errors = f"{first['neg_log_px_rows_se']:.2f} | {monte_carlo} "
        effective = f"{first['effective_samples']['median']:.0f}"
    coins = [figure(c) for r in runs for c in r["coins"].values()]
    other = ", ".join(f"{c:.{digits}f}" for c in coins)
    took = f"{duration(statistics.mean(r['train_seconds'] for r in runs))} ({runs[0]['machine']}, {runs[0]['date']})"
    note = "".join(f"; {text}" for text in sorted({r["note"] for r in runs if r["note"]}))
    which = ", ".join(str(r["seed"]) for r in runs)
    return (f"| {title} | `{name}` | {published} | {goal} | **{ours}**{seeds} (seed {which}) | {errors}| {effective} | "
            f"{other or '–'} | {took}{note} |")


def table(_):
    head = ("| row | config | published | at most / beyond | ours ± over seeds | error over images | Monte-Carlo | "
            "effective samples of 5,000 | with other coins | training |\n|" + "---|" * 10)
    lines = "\n".join([head] + [table_row(*row) for row in ROWS])
    text = PAGE.read_text()
    start, end = "<!-- table -->\n", "<!-- end of the table -->"
    before, rest = text.split(start)
    PAGE.write_text(before + start + lines + "\n" + end + rest.split(end)[1])


parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
verbs = parser.add_subparsers(required=True)
verb = verbs.add_parser("run")
verb.set_defaults(do=run)
verb.add_argument("name", choices=[row[0] for row in ROWS])
verb.add_argument("--data", required=True)
verb.add_argument("--seed", type=int, default=1)
verb.add_argument("--coins", type=int, nargs="*", default=[])
verb.add_argument("--elbo", default="elbo")
verb.add_argument("--runs", default="runs")
verb.add_argument("--threads", type=int)
verb.add_argument("--note", default="", help="what is to be known of the time, such as other work beside it")
verb = verbs.add_parser("table")
verb.set_defaults(do=table)
args = parser.parse_args()
args.do(args)
