"""Filling in: elbo impute beside scikit-learn's imputers and MissForest, of cells that were taken out at random.

    python benches/peers/imputation.py tables/ --elbo target/release/elbo [--seeds 3] [--only wine] [--train "FLAGS"]

Of tables of numbers (wine and breast cancer are scikit-learn's own; of the others 3,000 rows, drawn once) a share of the cells is taken
out, each method sees what is left, and the error is the root mean square over the cells that are gone, in standard deviations of
their columns. KNN: 5 neighbours of standardised rows. MICE: IterativeImputer (Bayesian ridge). MissForest: IterativeImputer with
random forests of 50 trees. Intervals: how many of the cells lie between the 5 % and the 95 % quantile of 40 imputations by elbo.
Wine once more with 10 % and 20 masks, where the differences are paired. Needs numpy, pandas and scikit-learn.
"""

import argparse
import json
import pathlib
import subprocess
import tempfile
import time
import warnings

import numpy as np
import pandas as pd
from sklearn.datasets import load_breast_cancer, load_wine
from sklearn.ensemble import RandomForestRegressor
from sklearn.experimental import enable_iterative_imputer  # noqa: F401
from sklearn.impute import IterativeImputer, KNNImputer

warnings.filterwarnings("ignore")
DRAWS = 40


def tables(folder, names):
    def sample(frame):
        frame = frame.select_dtypes("number").dropna()
        frame = frame.loc[:, frame.nunique() > 2]
        return frame.sample(min(3000, len(frame)), random_state=0).to_numpy(float)

    found = {
        "wine": lambda: load_wine().data,
        "cancer": lambda: load_breast_cancer().data,
        "housing": lambda: sample(pd.read_csv(folder / "housing.csv")),
        "diamonds": lambda: sample(pd.read_csv(folder / "diamonds.csv")),
        "default": lambda: sample(pd.read_csv(folder / "default_credit.csv", header=None)),
    }
    return {name: make() for name, make in found.items() if not names or name in names}


def with_gaps(x, share, seed):
    rng = np.random.default_rng(seed)
    gaps = rng.uniform(size=x.shape) < share
    gaps[gaps.all(axis=1), 0] = False
    return np.where(gaps, np.nan, x), gaps


def by_elbo(args, x, gaps, seed):
    names = [f"x{j + 1}" for j in range(x.shape[1])]
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        pd.DataFrame(x, columns=names).to_csv(folder / "gaps.csv", index=False)
        run = [args.elbo, "train", "--data", folder / "gaps.csv", "--test", 0, "--seed", seed, "--out", folder / "run", "-q"]
        run += ["--mask-rate", "0.2", *args.train.split()]
        subprocess.run([*map(str, run)], check=True, stdout=subprocess.DEVNULL)
        fill = [args.elbo, "impute", folder / "run", "--data", folder / "gaps.csv", "-q", "--samples", args.samples]

        def filled(*more):
            subprocess.run([*map(str, [*fill, "-o", folder / "whole.csv", *more])], check=True, stdout=subprocess.DEVNULL)
            return pd.read_csv(folder / "whole.csv")[names].to_numpy(float)

        draws = filled("--draws", DRAWS).reshape(DRAWS, *x.shape) if args.intervals else None
        return filled(), draws


def by_peer(imputer, x, _):
    mean, scale = np.nanmean(x, axis=0), np.nanstd(x, axis=0)
    return imputer.fit_transform((x - mean) / scale) * scale + mean


def error(found, x, gaps):
    off = (found - x) / x.std(axis=0)
    return float(np.sqrt((off[gaps] ** 2).mean()))


def forest(seed):
    trees = RandomForestRegressor(50, max_features="sqrt", min_samples_leaf=2, random_state=seed, n_jobs=2)
    return IterativeImputer(trees, max_iter=4, random_state=seed)


PEERS = {
    "KNN": lambda _: KNNImputer(),
    "MICE": lambda seed: IterativeImputer(max_iter=20, random_state=seed),
    "MissForest": forest,
}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=pathlib.Path)
    parser.add_argument("--elbo", default="elbo")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--only", nargs="*")
    parser.add_argument("--shares", type=float, nargs="*", default=[0.2, 0.5])
    parser.add_argument("--train", default="", help="flags of elbo train")
    parser.add_argument("--samples", type=int, default=100)
    parser.add_argument("--peers", nargs="*", default=list(PEERS))
    parser.add_argument("--intervals", action="store_true")
    args = parser.parse_args()
    for name, x in tables(args.data, args.only).items():
        for share in args.shares:
            seeds = 20 if name == "wine" and share == 0.1 else args.seeds
            errors, covered, seconds = {}, [], 0.0
            for seed in range(seeds):
                seen, gaps = with_gaps(x, share, seed)
                began = time.perf_counter()
                whole, draws = by_elbo(args, seen, gaps, seed)
                seconds += time.perf_counter() - began
                errors.setdefault("elbo", []).append(error(whole, x, gaps))
                if draws is not None:
                    low, high = np.quantile(draws, [0.05, 0.95], axis=0)
                    covered.append(((low <= x) & (x <= high))[gaps].mean())
                for peer in args.peers:
                    errors.setdefault(peer, []).append(error(by_peer(PEERS[peer](seed), seen, gaps), x, gaps))
            report = {"table": name, "rows": len(x), "columns": x.shape[1], "share": share, "seeds": seeds}
            report |= {method: round(float(np.mean(found)), 4) for method, found in errors.items()}
            for peer in args.peers:
                off = np.subtract(errors["elbo"], errors[peer])
                report[f"elbo - {peer}"] = [round(float(off.mean()), 4), round(float(off.std(ddof=1) / seeds**0.5), 4)] if seeds > 1 else None
            if covered:
                report["covered"] = round(float(np.mean(covered)), 3)
            report["seconds"] = round(seconds / seeds, 1)
            print(json.dumps(report), flush=True)


if __name__ == "__main__":
    main()
