"""How like a table's rows those are that elbo makes, by scikit-learn's gradient boosting.

    python tables.py TABLE.csv --target COLUMN --elbo target/release/elbo [--seed 0]

Seven tenths of the rows train a model with its defaults, which then makes as many. Of these: the shapes of columns (1 - KS; 1 - total
variation of columns of 20 kinds or fewer), the trends of pairs (correlations; joint tables of tenths), whether boosting tells
them from the training rows (AUC, 3-fold) and what it learns from them of the target's last class (AUC on the other three tenths), beside what it
learns from the real ones. Then elbo compare says its own figures.
"""

import argparse
import itertools
import pathlib
import random
import subprocess
import tempfile

import numpy as np
import pandas as pd
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import StratifiedKFold, cross_val_predict

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("table", type=pathlib.Path)
parser.add_argument("--target", required=True)
parser.add_argument("--elbo", default="elbo")
parser.add_argument("--seed", type=int, default=0)
args = parser.parse_args()


def read(path):
    rows = pd.read_csv(path, skipinitialspace=True, keep_default_na=False)
    for column in rows:
        try:
            rows[column] = pd.to_numeric(rows[column])
        except (ValueError, TypeError):
            pass
    return rows


def elbo(*words):
    done = subprocess.run([args.elbo, *map(str, words), "-q"], check=True, stdout=subprocess.PIPE, text=True)
    return done.stdout


def shape(real, new, is_number):
    if not is_number:
        p, q = (rows.astype(str).value_counts(normalize=True) for rows in (real, new))
        return 1 - 0.5 * p.sub(q, fill_value=0).abs().sum()
    a, b = np.sort(real), np.sort(new)
    x = np.concatenate([a, b])
    below = [np.searchsorted(values, x, "right") / len(values) for values in (a, b)]
    return 1 - np.abs(below[0] - below[1]).max()


with tempfile.TemporaryDirectory() as folder:
    folder = pathlib.Path(folder)
    header, *rows = args.table.read_text().splitlines()
    random.Random(0).shuffle(rows)
    kept = int(0.7 * len(rows))
    for name, part in [("train", rows[:kept]), ("test", rows[kept:])]:
        (folder / f"{name}.csv").write_text("\n".join([header, *part]) + "\n")
    train = elbo("train", "--data", folder / "train.csv", "--test", 0, "--seed", args.seed, "--out", folder / "run")
    elbo("sample", folder / "run", "-n", kept, "-o", folder / "new.csv")
    real, new, test = (read(folder / f"{name}.csv") for name in ("train", "new", "test"))
    columns = [column for column in real if column in new]
    real, new, test = real[columns], new[columns], test[columns]
    numbers = [c for c in columns if pd.api.types.is_numeric_dtype(real[c]) and real[c].nunique() > 20]

    shapes = [shape(real[c], new[c], c in numbers) for c in columns]
    keys = {}
    for c in columns:
        ends = np.unique(np.quantile(real[c], np.linspace(0, 1, 11)))[1:-1] if c in numbers else None
        cut = lambda v: pd.Series(np.digitize(v, ends)).astype(str) if ends is not None else v.astype(str)
        keys[c] = [cut(rows[c]).reset_index(drop=True) for rows in (real, new)]
    trends = []
    for a, b in itertools.combinations(columns, 2):
        if a in numbers and b in numbers:
            trends.append(1 - abs(real[a].corr(real[b]) - new[a].corr(new[b])) / 2)
        else:
            p, q = ((keys[a][i] + "|" + keys[b][i]).value_counts(normalize=True) for i in (0, 1))
            trends.append(1 - 0.5 * p.sub(q, fill_value=0).abs().sum())

    places = {c: {v: i for i, v in enumerate(sorted(real[c].astype(str).unique()))} for c in columns if c not in numbers}
    code = lambda rows: rows.apply(lambda v: v if v.name in numbers else v.astype(str).map(places[v.name]).fillna(-1))
    boosting = lambda names: HistGradientBoostingClassifier(
        categorical_features=[c not in numbers and len(places[c]) < 250 for c in names], random_state=0)
    # In an order of their own: files may be sorted.
    both = pd.concat([code(rows.sample(frac=1, random_state=0)) for rows in (real, new)]).to_numpy(float)
    labels = np.repeat([0, 1], [len(real), len(new)])
    folds = StratifiedKFold(3, shuffle=True, random_state=0)
    told = cross_val_predict(boosting(columns), both, labels, cv=folds, method="predict_proba")[:, 1]
    last = sorted(real[args.target].astype(str).unique())[-1]
    inputs = [c for c in columns if c != args.target]
    taught = {}
    for name, rows in [("real", real), ("new", new)]:
        model = boosting(inputs).fit(code(rows)[inputs].to_numpy(float), rows[args.target].astype(str) == last)
        scores = model.predict_proba(code(test)[inputs].to_numpy(float))[:, 1]
        taught[name] = roc_auc_score(test[args.target].astype(str) == last, scores)
    print(train)
    print(f"shapes {np.mean(shapes):.4f}, trends {np.mean(trends):.4f}, two-sample AUC {roc_auc_score(labels, told):.4f}, "
          f"taught by new rows {taught['new']:.4f}, by real ones {taught['real']:.4f}\n")
    print(elbo("evaluate", folder / "run", "--data", folder / "test.csv"))
    print(elbo("compare", folder / "train.csv", folder / "new.csv", "--holdout", folder / "test.csv", "--target", args.target))
