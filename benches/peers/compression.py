#!/usr/bin/env python3
"""Files compressed by elbo and by others, beside each other.

    python benches/peers/compression.py digits --model runs/mnist --data mnist/
    python benches/peers/compression.py table people.csv --model runs/people

Wants NumPy, and of gzip, bzip2, xz, zstd, brotli, zpaq and cjxl those that are to be compared. `digits` binarises the
MNIST test images by coins of a seed. Two sizes are given for elbo: of the archive alone, and with the model inside. The context
coder counts, for each pixel, what followed where ten neighbours before it were the same, on a grid of 7 x 7 places; it has
no model to send."""

import argparse
import gzip
import json
import math
import os
import shutil
import subprocess
import tempfile

import numpy as np

OTHERS = {
    "gzip -9": "gzip -9 -c {}",
    "bzip2 -9": "bzip2 -9 -c {}",
    "xz -9e": "xz -9e -k -c {}",
    "zstd -19": "zstd -19 -q -c {}",
    "brotli 11": "brotli -q 11 -w 24 -c {}",
}


def size(command):
    return len(subprocess.run(command.split(), stdout=subprocess.PIPE, check=True).stdout)


def others(path, folder):
    for name, command in OTHERS.items():
        if shutil.which(command.split()[0]):
            yield name, size(command.format(path))
    if shutil.which("zpaq"):
        out = os.path.join(folder, "x.zpaq")
        subprocess.run(["zpaq", "a", out, path, "-m5"], check=True, capture_output=True)
        yield "zpaq -m5", os.path.getsize(out)


def elbo(args, path, folder):
    def run(*flags):
        out = os.path.join(folder, "x.elbo")
        command = [args.elbo, "compress", path, "--model", args.model, "-o", out, "-f", "-q", "--json", *flags]
        return json.loads(subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout)

    spelling = ["--spelling"] if args.what == "table" else []
    plain = run(*spelling)
    inside = run("--embed", *spelling)
    any_order = run("--any-order", *spelling)
    yield "elbo, without the model", plain["archive_bytes"]
    yield "elbo, without the model, in any order", any_order["archive_bytes"]
    yield "elbo, the model inside", inside["archive_bytes"]


def context_coder(images):
    """Bits of an adaptive coder of each pixel by ten neighbours and its place."""
    side = images.shape[1]
    padded = np.pad(images, ((0, 0), (2, 0), (2, 2)))
    near = [(0, 1), (0, 2), (1, 0), (1, 1), (1, -1), (1, 2), (1, -2), (2, 0), (2, 1), (2, -1)]
    context = np.zeros(images.shape, dtype=np.int64)
    for dy, dx in near:
        context = 2 * context + padded[:, 2 - dy : 2 - dy + side, 2 - dx : 2 - dx + side]
    rows, columns = np.indices(images.shape[1:])
    place = (rows // 4) * 7 + columns // 4
    index = (context * 49 + place).reshape(-1).tolist()
    counts, bits = {}, 0.0
    for i, x in zip(index, images.reshape(-1).tolist()):
        n = counts.setdefault(i, [0.4, 0.4])
        bits -= math.log2(n[x] / (n[0] + n[1]))
        n[x] += 1
    return bits


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["digits", "table"])
    parser.add_argument("file", nargs="?")
    parser.add_argument("--model", required=True)
    parser.add_argument("--elbo", default="target/release/elbo")
    parser.add_argument("--data", default="mnist")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        path, found = args.file, []
        if args.what == "digits":
            with gzip.open(os.path.join(args.data, "t10k-images-idx3-ubyte.gz")) as file:
                grey = np.frombuffer(file.read(), dtype=np.uint8, offset=16).reshape(-1, 28, 28)
            coins = (np.random.default_rng(args.seed).random(grey.shape) < grey / 255).astype(np.uint8)
            values = coins.size
            # Others are given what suits them: bits.
            path = os.path.join(folder, "bits")
            np.packbits(coins.reshape(-1)).tofile(path)
            found += list(others(path, folder))
            if shutil.which("cjxl"):
                picture = os.path.join(folder, "x.pbm")
                with open(picture, "wb") as file:
                    tall = coins.reshape(-1, 28)
                    file.write(b"P4\n28 %d\n" % len(tall))
                    file.write(np.packbits(tall, axis=1).tobytes())
                out = os.path.join(folder, "x.jxl")
                # One that reads no PBM is left out.
                if subprocess.run(["cjxl", "-d", "0", "-e", "9", picture, out], capture_output=True).returncode == 0:
                    found.append(("JPEG XL", os.path.getsize(out)))
            found.append(("ten neighbours and a place, adaptive", context_coder(coins) / 8))
            path = os.path.join(folder, "coins.npy")
            np.save(path, coins.reshape(len(coins), -1))
        else:
            values = None
            found += list(others(path, folder))
        found += list(elbo(args, path, folder))
        for name, count in sorted(found, key=lambda pair: -pair[1]):
            per_value = f" {8 * count / values:.4f}" if values else ""
            print(f"{name:40} {count:10.0f} bytes{per_value}")


if __name__ == "__main__":
    main()
