"""The training workloads that every peer runs, and the data they share.

Each is one VAE with dense layers trained with Adam (lr 1e-3) on summed Bernoulli (or
unit-variance Gaussian) reconstruction plus KL, or on the K-sample importance-weighted bound.
"""
import gzip
import os
from dataclasses import dataclass

import numpy as np

MNIST = os.environ.get("ELBO_MNIST", "mnist")  # the folder with the four files, gzipped


@dataclass(frozen=True)
class Workload:
    hidden: tuple  # encoder hidden widths; the decoder mirrors them
    latent: int
    batch: int
    samples: int  # importance samples K; 1 means the ELBO with the closed-form KL
    activation: str
    data: str  # "mnist" or "table"
    rows: int  # training rows used per epoch


WORKLOADS = {
    "classic": Workload((400,), 20, 128, 1, "relu", "mnist", 60000),
    "burda": Workload((200, 200), 50, 20, 1, "tanh", "mnist", 20000),
    "iwae50": Workload((200, 200), 50, 20, 50, "tanh", "mnist", 4000),
    "table": Workload((64, 64), 8, 256, 1, "relu", "table", 200000),
}


def read_idx(name):
    raw = gzip.open(os.path.join(MNIST, name)).read()
    dims = [int.from_bytes(raw[4 + 4 * i: 8 + 4 * i], "big") for i in range(raw[3])]
    return np.frombuffer(raw, np.uint8, offset=4 + 4 * len(dims)).reshape(dims)


def load(w):
    """Training and test rows, float32, shape [rows, width]."""
    if w.data == "mnist":
        train = read_idx("train-images-idx3-ubyte.gz").reshape(-1, 784) / 255.0
        test = read_idx("t10k-images-idx3-ubyte.gz").reshape(-1, 784) / 255.0
    else:  # a 5-component Gaussian mixture in 30 columns
        rng = np.random.RandomState(0)
        means = rng.normal(0, 2, (5, 30))
        draw = lambda n: means[rng.randint(5, size=n)] + rng.normal(0, 1, (n, 30))
        train, test = draw(w.rows), draw(10000)
    return train[: w.rows].astype("f4"), test.astype("f4")


def flops_per_row(w, width):
    """The multiplications and additions of a training row, none left out for being zero: two per weight forward, two for the
    weight's gradient and, except in the first layer, two for the input's. The decoder runs on `samples` rows."""
    encoder, decoder = [width, *w.hidden, 2 * w.latent], [w.latent, *w.hidden[::-1], width]
    products = lambda sizes: sum(i * o for i, o in zip(sizes[:-1], sizes[1:]))
    return 2 * (3 * products(encoder) - encoder[0] * encoder[1] + 3 * products(decoder) * w.samples)


if __name__ == "__main__":  # workloads.py TRAIN.npy TEST.npy: the table's rows, for programs that read files
    import sys

    for path, rows in zip(sys.argv[1:], load(WORKLOADS["table"])):
        np.save(path, rows)
