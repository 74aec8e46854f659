"""How much of the data a low-dimensional latent keeps: elbo beside PCA and UMAP.

    python latents.py --elbo target/release/elbo --mnist DIR [--table credit.csv ...] > latents.md

Of every data set, Z and method: the accuracy of a 5-nearest-neighbour classifier on held-out rows in the latent, and
the trustworthiness of the held-out rows' neighbourhoods (scikit-learn, 5 neighbours; 1 is perfect). All methods are
fitted on the same training rows and map the held-out ones; none sees a label. elbo is run with its defaults but for
the latent's width; tables are standardised for all. Of MNIST 10,000 training and 2,000 test images are taken.
And the program's two-sample figure beside that of scikit-learn's gradient boosting (3-fold, AUC; 0.5 is perfect).
"""

import argparse
import gzip
import pathlib
import re
import subprocess
import sys
import tempfile
import time

import numpy as np
import sklearn
import umap
from sklearn.datasets import load_breast_cancer, load_wine
from sklearn.decomposition import PCA
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.manifold import trustworthiness
from sklearn.model_selection import StratifiedKFold, cross_val_predict, train_test_split
from sklearn.metrics import roc_auc_score
from sklearn.neighbors import KNeighborsClassifier
from sklearn.preprocessing import StandardScaler

WIDTHS = [2, 10, 32]


def idx(path):
    data = gzip.open(path).read()
    dims = [int.from_bytes(data[4 + 4 * i : 8 + 4 * i], "big") for i in range(data[3])]
    return np.frombuffer(data, np.uint8, offset=4 + 4 * data[3]).reshape(dims)


def mnist(folder):
    folder = pathlib.Path(folder)
    parts = []
    for part, rows in [("train", 10_000), ("t10k", 2_000)]:
        x = idx(folder / f"{part}-images-idx3-ubyte.gz")[:rows].reshape(rows, -1)
        y = idx(folder / f"{part}-labels-idx1-ubyte.gz")[:rows]
        parts += [(x / 255).astype(np.float32), y]
    return parts


def split(x, y):
    train, test, y_train, y_test = train_test_split(x, y, test_size=0.2, random_state=0, stratify=y)
    scaler = StandardScaler().fit(train)
    return [scaler.transform(train).astype(np.float32), y_train, scaler.transform(test).astype(np.float32), y_test]


def run(elbo, *args):
    subprocess.run([elbo, *map(str, args)], check=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


class Elbo:
    def __init__(self, binary, folder, extra):
        self.binary, self.folder, self.extra = binary, folder, extra

    def fit(self, x, z):
        np.save(self.folder / "train.npy", x)
        run(self.binary, "train", "--data", self.folder / "train.npy", "--latent", z, "--test", 0,
            "--out", self.folder / "run", "--force", "-q", *self.extra)

    def transform(self, x):
        np.save(self.folder / "x.npy", x)
        run(self.binary, "encode", self.folder / "run", "--data", self.folder / "x.npy", "-o", self.folder / "z.npy")
        return np.load(self.folder / "z.npy")

    def auc(self, held_out):
        """Of generated rows beside held-out ones: the program's figure, and gradient boosting's."""
        np.save(self.folder / "x.npy", held_out)
        out = subprocess.run(
            [self.binary, "evaluate", self.folder / "run", "--data", self.folder / "x.npy", "--two-sample"],
            check=True, capture_output=True, text=True).stdout
        own = re.search(r"two samples\s+AUC ([0-9.]+)", out)
        run(self.binary, "sample", self.folder / "run", "-n", len(held_out), "-o", self.folder / "s.npy")
        x = np.concatenate([np.load(self.folder / "s.npy").reshape(len(held_out), -1), held_out])
        y = np.repeat([0, 1], len(held_out))
        folds = StratifiedKFold(3, shuffle=True, random_state=0)
        p = cross_val_predict(HistGradientBoostingClassifier(random_state=0), x, y, cv=folds, method="predict_proba")
        return own.group(1) if own else "?", roc_auc_score(y, p[:, 1])


class Fitted:
    def __init__(self, make):
        self.make = make

    def fit(self, x, z):
        self.map = self.make(z).fit(x)

    def transform(self, x):
        return self.map.transform(x)


def main():
    args = argparse.ArgumentParser()
    args.add_argument("--elbo", required=True)
    args.add_argument("--mnist")
    args.add_argument("--table", action="append", default=[], help="numbers, the last column a class, no header")
    args = args.parse_args()
    sets = {"wine": split(*load_wine(return_X_y=True)), "breast cancer": split(*load_breast_cancer(return_X_y=True))}
    for path in args.table:
        table = np.genfromtxt(path, delimiter=",")[:5000]
        sets[pathlib.Path(path).stem] = split(table[:, :-1], table[:, -1])
    if args.mnist:
        sets["MNIST"] = mnist(args.mnist)
    print(f"scikit-learn {sklearn.__version__}, umap-learn {umap.__version__}\n")
    print("| data | Z | method | 5-NN accuracy | trustworthiness | s |\n|---|---|---|---|---|---|")
    aucs = []
    with tempfile.TemporaryDirectory() as folder:
        for name, (train, y_train, test, y_test) in sets.items():
            extra = [] if name == "MNIST" else ["--standardize", "no"]
            elbo = Elbo(args.elbo, pathlib.Path(folder), extra)
            methods = {
                "elbo": elbo,
                "PCA": Fitted(lambda z: PCA(z, random_state=0)),
                "UMAP": Fitted(lambda z: umap.UMAP(n_components=z, random_state=0)),
            }
            for z in WIDTHS:
                for method, model in methods.items():
                    if method != "elbo" and z > min(train.shape):
                        print(f"| {name} | {z} | {method} | – | – | – |", flush=True)
                        continue
                    start = time.time()
                    model.fit(train, z)
                    latents = [np.asarray(model.transform(x)) for x in (train, test)]
                    seconds = time.time() - start
                    knn = KNeighborsClassifier(5).fit(latents[0], y_train)
                    accuracy = knn.score(latents[1], y_test)
                    trust = trustworthiness(test, latents[1], n_neighbors=5)
                    print(f"| {name} | {z} | {method} | {accuracy:.3f} | {trust:.3f} | {seconds:.0f} |", flush=True)
                aucs.append((name, z, *elbo.auc(test)))
    print("\n| data | Z | `evaluate --two-sample` | gradient boosting |\n|---|---|---|---|")
    for name, z, own, other in aucs:
        print(f"| {name} | {z} | {own} | {other:.3f} |")


if __name__ == "__main__":
    sys.exit(main())
