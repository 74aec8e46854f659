"""How like a table's rows those are that elbo makes, and those of TVAE, by scikit-learn's gradient boosting.

    python tables.py TABLE.csv --target COLUMN --elbo target/release/elbo [--seeds 1] [--methods elbo tvae] [--train "FLAGS"]

Seven tenths of the rows train a model, which then makes as many. Of these: the shapes of columns (1 - KS; 1 - total
variation of columns of 20 kinds or fewer), the trends of pairs (correlations; joint tables of tenths), whether boosting tells
them from the training rows (AUC, 3-fold), what it learns from them of the target's last class (AUC on the other three tenths) beside what it
learns from the real ones, and how near they come to single training rows, beside how near the other three tenths come (medians, in spreads
of columns). TVAE is the one of the package ctgan, 300 epochs, its defaults; it cannot have missing numbers, so that these are the column's
median to it. Without a header the columns are called x1, x2 and so on. Last, elbo compare says its own figures of the last seed.
"""

import argparse
import itertools
import json
import pathlib
import random
import subprocess
import tempfile
import time

import numpy as np
import pandas as pd
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import StratifiedKFold, cross_val_predict
from sklearn.neighbors import NearestNeighbors

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("table", type=pathlib.Path)
parser.add_argument("--target", required=True)
parser.add_argument("--elbo", default="elbo")
parser.add_argument("--seeds", type=int, default=1)
parser.add_argument("--methods", nargs="*", default=["elbo"])
parser.add_argument("--train", default="", help="flags of elbo train")
args = parser.parse_args()


def read(path):
    rows = pd.read_csv(path, skipinitialspace=True, keep_default_na=False, dtype=str)
    for column in rows:
        try:
            # An empty cell among numbers is a number that is missing.
            rows[column] = pd.to_numeric(rows[column].replace({"": None, "NA": None}))
        except (ValueError, TypeError):
            pass
    return rows


def elbo(*words):
    done = subprocess.run([args.elbo, *map(str, words), "-q"], check=True, stdout=subprocess.PIPE, text=True)
    return done.stdout


def by_elbo(folder, count, seed):
    elbo("train", "--data", folder / "train.csv", "--test", 0, "--seed", seed, "--out", folder / f"run{seed}", *args.train.split())
    elbo("sample", folder / f"run{seed}", "-n", count, "-o", folder / "new.csv")
    return read(folder / "new.csv")


def by_tvae(folder, count, seed):
    import torch
    from ctgan import TVAE

    torch.manual_seed(seed)
    np.random.seed(seed)
    rows = read(folder / "train.csv")
    numbers = rows.select_dtypes("number").columns
    rows[numbers] = rows[numbers].fillna(rows[numbers].median())
    model = TVAE(epochs=300)
    model.fit(rows, [c for c in rows if c not in numbers or rows[c].nunique() <= 20])
    return model.sample(count)


def shape(real, new, is_number):
    if not is_number:
        p, q = (rows.astype(str).value_counts(normalize=True) for rows in (real, new))
        return 1 - 0.5 * p.sub(q, fill_value=0).abs().sum()
    a, b = np.sort(real.dropna()), np.sort(new.dropna())
    x = np.concatenate([a, b])
    below = [np.searchsorted(values, x, "right") / len(values) for values in (a, b)]
    return 1 - np.abs(below[0] - below[1]).max()


def figures(real, new, test):
    columns = [column for column in real if column in new]
    real, new, test = real[columns], new[columns], test[columns]
    numbers = [c for c in columns if pd.api.types.is_numeric_dtype(real[c]) and real[c].nunique() > 20]

    shapes = [shape(real[c], new[c], c in numbers) for c in columns]
    keys = {}
    for c in columns:
        ends = np.unique(np.nanquantile(real[c], np.linspace(0, 1, 11)))[1:-1] if c in numbers else None
        cut = lambda v: pd.Series(np.digitize(v, ends)).astype(str) if ends is not None else v.astype(str)
        keys[c] = [cut(rows[c]).reset_index(drop=True) for rows in (real, new)]
    trends = []
    for a, b in itertools.combinations(columns, 2):
        if a in numbers and b in numbers:
            trends.append(1 - abs(real[a].corr(real[b]) - new[a].corr(new[b])) / 2)
        else:
            p, q = ((keys[a][i] + "|" + keys[b][i]).value_counts(normalize=True) for i in (0, 1))
            trends.append(1 - 0.5 * p.sub(q, fill_value=0).abs().sum())

    # Numbers through their texts: 1 of one table is 1.0 of another.
    text = lambda v: v.astype(float).astype(str) if pd.api.types.is_numeric_dtype(v) else v.astype(str)
    places = {c: {v: i for i, v in enumerate(sorted(text(real[c]).unique()))} for c in columns if c not in numbers}
    code = lambda rows: rows.apply(lambda v: v if v.name in numbers else text(v).map(places[v.name]).fillna(-1))
    boosting = lambda names: HistGradientBoostingClassifier(
        categorical_features=[c not in numbers and len(places[c]) < 250 for c in names], random_state=0)
    # In an order of their own: files may be sorted.
    coded = {name: code(rows.sample(frac=1, random_state=0)).to_numpy(float) for name, rows in
             [("real", real), ("new", new), ("test", test)]}
    labels = np.repeat([0, 1], [len(real), len(new)])
    folds = StratifiedKFold(3, shuffle=True, random_state=0)
    both = np.concatenate([coded["real"], coded["new"]])
    told = cross_val_predict(boosting(columns), both, labels, cv=folds, method="predict_proba")[:, 1]
    at = columns.index(args.target)
    inputs = [c for c in columns if c != args.target]
    last = len(places[args.target]) - 1
    taught = {}
    for name in ("real", "new"):
        model = boosting(inputs).fit(np.delete(coded[name], at, 1), coded[name][:, at] == last)
        scores = model.predict_proba(np.delete(coded["test"], at, 1))[:, 1]
        taught[name] = roc_auc_score(coded["test"][:, at] == last, scores)
    spread = np.nanstd(coded["real"], axis=0) + 1e-9
    near = {name: np.nan_to_num(rows / spread)[:3000] for name, rows in coded.items()}
    index = NearestNeighbors(n_neighbors=1).fit(np.nan_to_num(coded["real"] / spread))
    distance = {name: float(np.median(index.kneighbors(near[name])[0])) for name in ("new", "test")}
    return {"shapes": np.mean(shapes), "trends": np.mean(trends), "two_sample_auc": roc_auc_score(labels, told),
            "taught": taught["new"], "taught_by_real": taught["real"], "nearest": distance["new"], "nearest_of_test": distance["test"]}


with tempfile.TemporaryDirectory() as folder:
    folder = pathlib.Path(folder)
    header, *rows = args.table.read_text().splitlines()
    cells = header.split(",")
    if all(cell.lstrip("-").replace(".", "", 1).isdigit() for cell in cells):
        rows, header = [header, *rows], ",".join(f"x{j + 1}" for j in range(len(cells)))
    random.Random(0).shuffle(rows)
    kept = int(0.7 * len(rows))
    for name, part in [("train", rows[:kept]), ("test", rows[kept:])]:
        (folder / f"{name}.csv").write_text("\n".join([header, *part]) + "\n")
    real, test = read(folder / "train.csv"), read(folder / "test.csv")
    for method in args.methods:
        found = []
        for seed in range(args.seeds):
            began = time.perf_counter()
            new = {"elbo": by_elbo, "tvae": by_tvae}[method](folder, kept, seed)
            seconds = time.perf_counter() - began
            found.append(figures(real, new, test) | {"seconds": seconds})
        medians = {key: round(float(np.median([f[key] for f in found])), 4) for key in found[0]}
        print(json.dumps({"table": args.table.stem, "method": method, "seeds": args.seeds} | medians), flush=True)
    if "elbo" in args.methods:
        last = folder / f"run{args.seeds - 1}"
        elbo("sample", last, "-n", kept, "-o", folder / "new.csv")
        print(elbo("evaluate", last, "--data", folder / "test.csv"))
        target = ["--target", args.target] if real[args.target].nunique() == 2 else []
        print(elbo("compare", folder / "train.csv", folder / "new.csv", "--holdout", folder / "test.csv", *target))
