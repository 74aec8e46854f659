"""Compares training from a large file in the page cache with training in memory.

    ELBO_MNIST=mnist python benches/peers/page_cache.py [--gigabytes 12] [--pairs 3] [--folder FOLDER]

Wants `cargo build --release`, and so much room in FOLDER (a temporary one by default) and in memory. The file is an NPY
of `f4`, MNIST's training images over and over; `elbo` leaves in place what is above 128 MiB and reads its rows when a
batch wants them. The data in memory are the first 42,000 images in a file of their own, just below that.

Both runs take as many steps of 784-400-20 with 128 rows, the one over all rows of the file once, in random order, the
other over its own again and again. They follow each other, and the median of the ratios of their rows per second is
printed. The page cache held what was not read from the disk: the last column must be near 0.
"""
import argparse
import json
import os
import resource
import statistics
import tempfile

import numpy as np

from compare import ELBO, output
from workloads import WORKLOADS, load

ROWS_IN_MEMORY = 42_000


def write(path, images, rows):
    with open(path, "wb") as file:
        header = {"descr": "<f4", "fortran_order": False, "shape": (rows, images.shape[1])}
        np.lib.format.write_array_header_1_0(file, header)
        for start in range(0, rows, len(images)):
            images[: rows - start].tofile(file)
        file.flush()
        os.fsync(file.fileno())  # or it is written while the runs are timed


def warm(path):
    with open(path, "rb", buffering=0) as file:
        while file.read(1 << 24):
            pass


def run(data, epochs, folder, threads):
    """Rows per second of all epochs, and the bytes that came from the disk."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN).ru_inblock
    command = [ELBO, "train", "--data", data, "--test", "0", "--hidden", "400", "--latent", "20", "--batch-size", "128"]
    command += ["--epochs", str(epochs), "--threads", str(threads), "--out", os.path.join(folder, "run"), "--force"]
    output(command)
    with open(os.path.join(folder, "run", "metrics.jsonl")) as file:
        epochs = [json.loads(line) for line in file]
    rows = sum(e["rows_per_second"] * e["seconds"] for e in epochs)
    read = 512 * (resource.getrusage(resource.RUSAGE_CHILDREN).ru_inblock - before)
    return rows / sum(e["seconds"] for e in epochs), read


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--gigabytes", type=float, default=12)
    parser.add_argument("--pairs", type=int, default=3)
    parser.add_argument("--folder")
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    args = parser.parse_args()
    images = load(WORKLOADS["classic"])[0]
    rows = int(args.gigabytes * 1e9) // images[0].nbytes
    if rows < 2 * ROWS_IN_MEMORY:
        parser.error("a file of less than 0.27 GB is not large")
    with tempfile.TemporaryDirectory(dir=args.folder) as folder:
        large, small = (os.path.join(folder, name) for name in ("large.npy", "small.npy"))
        write(small, images, ROWS_IN_MEMORY)
        write(large, images, rows)
        warm(large)
        print(f"{rows:,} rows in the file, {ROWS_IN_MEMORY:,} in memory, {args.threads} threads\n")
        print("| file: rows/s | memory: rows/s | ratio | read from disk |\n|---|---|---|---|", flush=True)
        ratios = []
        for _ in range(args.pairs):
            stored, read = run(large, 1, folder, args.threads)
            loaded, _ = run(small, round(rows / ROWS_IN_MEMORY), folder, args.threads)
            ratios.append(stored / loaded)
            print(f"| {stored:,.0f} | {loaded:,.0f} | {ratios[-1]:.3f} | {read / 1e6:.0f} MB |", flush=True)
        print(f"\nmedian {statistics.median(ratios):.3f} ({min(ratios):.3f}-{max(ratios):.3f})")


if __name__ == "__main__":
    main()
