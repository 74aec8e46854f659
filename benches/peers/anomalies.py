"""Anomalies by the protocol of ADBench (Han et al. 2022): elbo score beside IForest, ECOD and KNN of PyOD.

    python benches/peers/anomalies.py adbench/ --elbo target/release/elbo [--seeds 3] [--sets glass wine] [--train "FLAGS"]

Of each set (an .npz of X and y, where y = 1 is an anomaly) 70 % of the rows train and 30 % judge, divided by strata. In the
setting `contaminated` the training rows are as they come, in `normal` the anomalies among them are left out. No method sees a
label; all have one setting for all sets. Prints the area under the ROC curve and the average precision of each set, their
means over sets, and the difference to each peer with its standard error over sets. Needs numpy, scikit-learn and pyod.
"""

import argparse
import json
import pathlib
import subprocess
import tempfile
import time
import warnings

import numpy as np
from pyod.models.ecod import ECOD
from pyod.models.iforest import IForest
from pyod.models.knn import KNN
from sklearn.metrics import average_precision_score, roc_auc_score
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler

warnings.filterwarnings("ignore")
PEERS = {"IForest": lambda seed: IForest(random_state=seed), "ECOD": lambda _: ECOD(), "KNN": lambda _: KNN()}


def by_elbo(args, train, test, seed):
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        np.save(folder / "train.npy", train)
        np.save(folder / "test.npy", test)
        run = [args.elbo, "train", "--data", folder / "train.npy", "--test", "0", "--seed", seed, "--out", folder / "run", "-q"]
        subprocess.run([*map(str, run), *args.train.split()], check=True, stdout=subprocess.DEVNULL)
        judge = [args.elbo, "score", folder / "run", "--data", folder / "test.npy", "--blame", "0", "-q", "--json"]
        judge += ["-o", folder / "scores.npy", *args.score.split()]
        subprocess.run([*map(str, judge)], check=True, stdout=subprocess.DEVNULL)
        scores = np.load(folder / "scores.npy")[:, 0]
        # Infinitely odd is odder than all others.
        return np.nan_to_num(scores, nan=np.inf, posinf=np.finfo(np.float32).max)


def by_peer(make, train, test, seed):
    scaler = StandardScaler().fit(train)
    model = make(seed).fit(scaler.transform(train))
    return model.decision_function(scaler.transform(test))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=pathlib.Path)
    parser.add_argument("--elbo", default="elbo")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--sets", nargs="*")
    parser.add_argument("--settings", nargs="*", default=["contaminated", "normal"])
    parser.add_argument("--train", default="", help="flags of elbo train, the same for all sets")
    parser.add_argument("--score", default="", help="flags of elbo score")
    parser.add_argument("--only", action="store_true", help="without peers")
    args = parser.parse_args()
    files = sorted(args.data.glob("*.npz"), key=lambda f: int(f.name.split("_")[0]))
    files = [f for f in files if not args.sets or f.stem.split("_", 1)[1] in args.sets]
    methods = ["elbo", *([] if args.only else PEERS)]
    for setting in args.settings:
        found = {}  # (set, method): [(roc, pr) of each seed]
        seconds = 0.0
        for file in files:
            with np.load(file) as data:
                x, y = data["X"].astype(np.float64), data["y"]
            for seed in range(1, args.seeds + 1):
                train, test, y_train, y_test = train_test_split(x, y, test_size=0.3, stratify=y, random_state=seed)
                if setting == "normal":
                    train = train[y_train == 0]
                for method in methods:
                    began = time.perf_counter()
                    if method == "elbo":
                        scores = by_elbo(args, train, test, seed)
                        seconds += time.perf_counter() - began
                    else:
                        scores = by_peer(PEERS[method], train, test, seed)
                    figures = roc_auc_score(y_test, scores), average_precision_score(y_test, scores)
                    found.setdefault((file.stem, method), []).append(figures)
            line = [f"{method} {np.mean([f[0] for f in found[file.stem, method]]):.3f}" for method in methods]
            print(f"{setting} {file.stem:20}", "  ".join(line), flush=True)
        means = {method: np.array([np.mean(found[f.stem, method], axis=0) for f in files]) for method in methods}
        report = {"setting": setting, "sets": len(files), "seeds": args.seeds, "elbo_seconds": round(seconds)}
        for method in methods:
            report[method] = {"auc_roc": means[method][:, 0].mean(), "auc_pr": means[method][:, 1].mean()}
        for method in methods[1:]:
            off = means["elbo"][:, 0] - means[method][:, 0]
            se = off.std(ddof=1) / len(off) ** 0.5 if len(off) > 1 else float("nan")
            report[method]["elbo_minus"] = [off.mean(), se]
        print(json.dumps(report), flush=True)


if __name__ == "__main__":
    main()
