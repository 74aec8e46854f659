"""-log p(x) of a trained model by an importance sampler that shares nothing with elbo's but the weights.

    python importance.py RUN --elbo target/release/elbo --mnist DIR [--rows 500] [--samples 5000]

RUN is the folder of a run on binarised MNIST with plain tanh layers, a Bernoulli likelihood, normal posteriors and
conditionals and a standard normal prior (of one level or several, inferred bottom-up). Its safetensors are read by hand,
the test images binarised here, and both programs estimate log p(x) of the same rows with their own noise, in double precision
here. Rows are compared in pairs: the mean difference must be within its own standard error.
"""

import argparse
import csv
import gzip
import json
import pathlib
import struct
import subprocess
import sys
import tempfile

import numpy as np

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("run", type=pathlib.Path)
parser.add_argument("--elbo", default="elbo")
parser.add_argument("--mnist", required=True, type=pathlib.Path)
parser.add_argument("--rows", type=int, default=500)
parser.add_argument("--samples", type=int, default=5000)
args = parser.parse_args()
rng = np.random.default_rng(7)


def read(path):
    data = path.read_bytes()
    size = struct.unpack("<Q", data[:8])[0]
    header = json.loads(data[8 : 8 + size])
    about = json.loads(header.pop("__metadata__")["elbo"])
    tensors = {}
    for name, entry in header.items():
        first, last = entry["data_offsets"]
        values = np.frombuffer(data[8 + size + first : 8 + size + last], {"F32": "<f4", "F64": "<f8"}[entry["dtype"]])
        tensors[name] = values.reshape(entry["shape"]).astype(float)
    return about, tensors


def network(tensors, name, x):
    layer = 0
    while f"{name}.layers.{layer}.weight" in tensors:
        x = np.tanh(x @ tensors[f"{name}.layers.{layer}.weight"].T + tensors[f"{name}.layers.{layer}.bias"])
        layer += 1
    return x @ tensors[f"{name}.head.weight"].T + tensors[f"{name}.head.bias"]


def log_normal(z, mean, log_variance):
    return -0.5 * (np.log(2 * np.pi) + log_variance + (z - mean) ** 2 / np.exp(log_variance)).sum(-1)


def log_px(tensors, levels, x, samples):
    """ln 1/S sum_s p(x, z_s)/q(z_s|x) of one row."""
    below, log_w = x[None], np.zeros(samples)
    for level in range(levels):
        eta = network(tensors, f"encoder.{level}", below)
        mean, log_variance = np.split(eta, 2, axis=-1)
        z = mean + np.exp(0.5 * log_variance) * rng.standard_normal((samples, mean.shape[-1]))
        log_w -= log_normal(z, mean, log_variance)
        eta = network(tensors, f"decoder.{level}", z)
        if level == 0:
            log_w += (x * eta - np.logaddexp(0, eta)).sum(-1)
        else:
            log_w += log_normal(below, *np.split(eta, 2, axis=-1))
        below = z
    log_w += log_normal(below, 0.0, np.zeros_like(below))
    top = log_w.max()
    return top + np.log(np.mean(np.exp(log_w - top)))


about, tensors = read(args.run / "model.safetensors")
model = about["model"]
plain = {"activation": "tanh", "likelihood": "bernoulli", "conditional": "normal", "posterior": "normal",
         "prior": "standard-normal"}
if any(model[key] != value for key, value in plain.items()) or "skip" in model or "inference" in model:
    sys.exit(f"a model of other parts: {model}")

images = gzip.open(args.mnist / "t10k-images-idx3-ubyte.gz").read()
x = np.frombuffer(images, np.uint8, offset=16).reshape(-1, 784)[: args.rows] / 255
bits = (rng.random(x.shape) < x).astype(np.uint8)
with tempfile.TemporaryDirectory() as folder:
    folder = pathlib.Path(folder)
    np.save(folder / "bits.npy", bits.astype(np.float32))  # bytes would be levels of 255, as in training
    command = [args.elbo, "evaluate", args.run, "--data", folder / "bits.npy", "--samples", args.samples, "--seed", 11,
               "--per-row", folder / "rows.csv", "-q"]
    subprocess.run([str(word) for word in command], check=True, stdout=subprocess.DEVNULL)
    theirs = np.array([float(row["neg_log_px"]) for row in csv.DictReader(open(folder / "rows.csv"))])
mine = np.array([-log_px(tensors, len(model["levels"]), row.astype(float), args.samples) for row in bits])
difference = mine - theirs
error = difference.std(ddof=1) / len(difference) ** 0.5
print(f"{args.rows} test images, {args.samples} samples each: NumPy {mine.mean():.4f}, elbo {theirs.mean():.4f}, "
      f"difference {difference.mean():+.4f} ± {error:.4f} (of paired rows)")
sys.exit(int(abs(difference.mean()) > 3 * error))
