"""Runs `elbo` and its peers in turn, several times, and prints how many times faster `elbo` is.

    ELBO_MNIST=mnist python benches/peers/compare.py [--pairs 5] [--peers jax,torch] [--workloads classic,burda,...]

Wants `cargo build --release` and the packages of requirements.txt. Rows per second are those of a run's best epoch
after the first (the peers compile in it); a ratio is of two runs that followed each other, and the median of the
ratios is printed, with their range. The bounds are of held-out rows after the same number of epochs.
"""
import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile

from workloads import MNIST, WORKLOADS, flops_per_row

HERE = os.path.dirname(os.path.abspath(__file__))
ELBO = os.path.join(os.environ.get("CARGO_TARGET_DIR", os.path.join(HERE, "..", "..", "target")), "release", "elbo")
EPOCHS = {"classic": 4, "burda": 4, "iwae50": 3, "table": 4}


def output(command):
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"{' '.join(command)}\n{done.stderr[-2000:]}")
    return done.stdout


def run_elbo(name, folder, threads):
    w = WORKLOADS[name]
    data = MNIST if w.data == "mnist" else os.path.join(folder, "train.npy")
    test = MNIST if w.data == "mnist" else os.path.join(folder, "test.npy")
    command = [ELBO, "train", "--data", data, "--hidden", ",".join(map(str, w.hidden)), "--latent", str(w.latent)]
    command += ["--batch-size", str(w.batch), "--activation", w.activation, "--epochs", str(EPOCHS[name])]
    command += ["--random-bias", "--threads", str(threads), "--out", os.path.join(folder, name), "--force"]
    if w.samples > 1:
        command += ["--objective", "iwae", "--samples", str(w.samples)]
    if w.data == "mnist":
        command += ["--limit", str(w.rows)]
    else:
        command += ["--likelihood", "normal:variance=1", "--standardize", "no", "--test", "0", "--validation", "0"]
    output(command)
    with open(os.path.join(folder, name, "metrics.jsonl")) as file:
        speeds = [json.loads(line)["rows_per_second"] for line in file]
    judged = json.loads(output([ELBO, "evaluate", os.path.join(folder, name), "--data", test, "--json"]))
    return max(speeds[1:]), judged["neg_elbo"]


def run_peer(peer, name):
    found = json.loads(output([sys.executable, os.path.join(HERE, f"{peer}_vae.py"), name, str(EPOCHS[name])]))
    return found["rows_per_s"], found["test_neg_elbo"]


def peak(threads):
    """FLOP/s of fused multiply-adds that touch no memory."""
    command = ["cargo", "bench", "--quiet", "--bench", "peak", "--", str(threads)]
    return float(output(command).split()[0])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--peers", default="jax,torch")
    parser.add_argument("--workloads", default=",".join(WORKLOADS))
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    args = parser.parse_args()
    peers = [p for p in args.peers.split(",") if p]
    with tempfile.TemporaryDirectory() as folder:
        output([sys.executable, os.path.join(HERE, "workloads.py"), *(os.path.join(folder, f"{n}.npy") for n in ("train", "test"))])
        top = peak(args.threads)
        print(f"peak of {args.threads} threads: {top / 1e9:.0f} GFLOP/s\n")
        print("| workload | rows/s | share of peak | -ELBO | " + "".join(f"{p}: rows/s | -ELBO | ratio (range) | " for p in peers))
        print("|---|---|---|---|" + "---|---|---|" * len(peers), flush=True)
        for name in args.workloads.split(","):
            ours, theirs = [], {p: [] for p in peers}
            for _ in range(args.pairs):
                ours.append(run_elbo(name, folder, args.threads))
                for p in peers:
                    theirs[p].append(run_peer(p, name))
            speed = statistics.median(s for s, _ in ours)
            width = 784 if WORKLOADS[name].data == "mnist" else 30
            share = speed * flops_per_row(WORKLOADS[name], width) / top
            row = f"| {name} | {speed:,.0f} | {share:.0%} | {statistics.median(b for _, b in ours):.2f} | "
            for p in peers:
                ratios = [a / b for (a, _), (b, _) in zip(ours, theirs[p])]
                row += f"{statistics.median(s for s, _ in theirs[p]):,.0f} | "
                row += f"{statistics.median(b for _, b in theirs[p]):.2f} | "
                row += f"{statistics.median(ratios):.2f} ({min(ratios):.2f}-{max(ratios):.2f}) | "
            print(row, flush=True)


if __name__ == "__main__":
    main()
