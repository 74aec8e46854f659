"""Variational autoencoders as scikit-learn has its estimators, by the program `elbo`.

    from elbo import VAE
    vae = VAE(latent=8).fit(people)                  # an array of numbers, or a DataFrame of anything
    vae.transform(people)                            # [rows, latents]
    vae.sample(1000)                                 # new rows, of the kind that fit was given
    vae.score_samples(people)                        # log p(x) of each row, in nats
    vae.impute(gaps)                                 # with missing cells filled in

One file, no build: put it beside your script, and `elbo` on the path (or name it: VAE(elbo="…/elbo")). Needs numpy and
scikit-learn, and pandas for DataFrames. A fitted estimator holds its model and may be pickled.
"""

import json
import pathlib
import subprocess
import tempfile

import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils.validation import check_is_fitted


class VAE(TransformerMixin, BaseEstimator):
    """latent: how many latents; hidden: widths such as "128,128"; epochs, seed: of the training; mask_rate: the share of cells that
    are hidden at random in training, so that gaps can be filled (implies table); table: whether columns have kinds of their own and cells
    may be missing (None: of a DataFrame, or where a value is missing); samples: importance samples of a score; contamination: share
    of the training rows that predict calls odd; options: any other flag of `elbo train`, as {"beta": 2}."""

    def __init__(self, latent=None, hidden=None, epochs=None, seed=0, mask_rate=0.0, table=None, samples=128,
                 contamination=0.1, options=None, elbo="elbo"):
        self.latent, self.hidden, self.epochs, self.seed = latent, hidden, epochs, seed
        self.mask_rate, self.table, self.samples, self.contamination = mask_rate, table, samples, contamination
        self.options, self.elbo = options, elbo

    def fit(self, X, y=None):
        self._remember(X)
        flags = {"latent": self.latent, "hidden": self.hidden, "epochs": self.epochs, "seed": self.seed, "test": 0,
                 "mask-rate": self.mask_rate or None, **(self.options or {})}
        if self.is_table_ and self._is_plain(X):
            # Also a table of plain numbers has kinds, once one is said.
            flags.setdefault("kinds", f"{self._names()[0]}=number")
        flags = [word for name, value in flags.items() if value is not None for word in (f"--{name}", str(value))]
        with tempfile.TemporaryDirectory() as folder:
            folder = pathlib.Path(folder)
            self._run("train", "--data", self._write(folder, "train", X), "--out", folder / "run", *flags)
            self.model_ = (folder / "run" / "model.safetensors").read_bytes()
            self.n_latents_ = self._run("info", folder / "run")["header"]["model"]["levels"][-1]["latent"]
        self.decision_scores_ = self.decision_function(X)
        self.threshold_ = np.quantile(self.decision_scores_, 1 - self.contamination)
        self.labels_ = (self.decision_scores_ > self.threshold_).astype(int)
        return self

    def transform(self, X):
        """The posterior means of the rows, [rows, latents]."""
        return self._of_rows("encode", X)

    def inverse_transform(self, Z):
        """The typical row at each latent."""
        check_is_fitted(self, "model_")
        with tempfile.TemporaryDirectory() as folder:
            folder = pathlib.Path(folder)
            np.save(folder / "z.npy", np.asarray(Z, dtype=np.float32))
            return self._rows(folder, "decode", self._model(folder), folder / "z.npy")

    def sample(self, n_samples=1, seed=0, where=()):
        """New rows; `where` are conditions such as "age>60", of a table."""
        check_is_fitted(self, "model_")
        with tempfile.TemporaryDirectory() as folder:
            folder = pathlib.Path(folder)
            wanted = [word for condition in where for word in ("--where", condition)]
            flags = ["-n", n_samples, "--seed", seed, "--draw", *wanted]
            return self._rows(folder, "sample", self._model(folder), *flags)

    def score_samples(self, X):
        """log p(x) of each row, in nats, by importance sampling."""
        return -self._of_rows("score", X, "--samples", self.samples, "--blame", 0)[:, 0]

    def score(self, X, y=None):
        """Their mean: what a search over settings makes large."""
        return float(np.mean(self.score_samples(X)))

    def decision_function(self, X):
        """How odd each row is, as PyOD has it: higher is odder."""
        return -self.score_samples(X)

    def predict(self, X):
        """1 for rows odder than all but `contamination` of the training rows, else 0, as PyOD has it."""
        return (self.decision_function(X) > self.threshold_).astype(int)

    def impute(self, X, draws=None, seed=0):
        """The rows with missing cells filled in: by the mean of a number and the likeliest class, or so many `draws` of them (a
        list)."""
        check_is_fitted(self, "model_")
        with tempfile.TemporaryDirectory() as folder:
            folder = pathlib.Path(folder)
            flags = ["--seed", seed] + (["--draws", draws] if draws else [])
            whole = self._rows(folder, "impute", self._model(folder), "--data", self._write(folder, "gaps", X), *flags)
        if not draws:
            return whole
        count = len(whole) // draws
        return [whole[i * count:(i + 1) * count] for i in range(draws)]

    def get_feature_names_out(self, input_features=None):
        return np.array([f"z{j + 1}" for j in range(self.n_latents_)], dtype=object)

    # What follows is how rows get to the program and back.

    def _remember(self, X):
        columns = getattr(X, "columns", None)
        self.is_frame_ = columns is not None
        gaps = not self.is_frame_ and bool(np.isnan(np.asarray(X, dtype=float)).any())
        self.is_table_ = bool(self.mask_rate) or (self.is_frame_ or gaps if self.table is None else self.table)
        self.n_features_in_ = np.shape(X)[1]
        if self.is_frame_:
            self.feature_names_in_ = np.array([str(name) for name in columns], dtype=object)

    def _names(self):
        return list(getattr(self, "feature_names_in_", [f"x{j + 1}" for j in range(self.n_features_in_)]))

    def _is_plain(self, X):
        if not self.is_frame_:
            return not np.isnan(np.asarray(X, dtype=float)).any()
        return len(X.select_dtypes("number").columns) == len(X.columns) and not X.isna().any(axis=None)

    def _write(self, folder, name, X):
        if np.shape(X)[1] != self.n_features_in_:
            raise ValueError(f"X has {np.shape(X)[1]} features, but VAE is expecting {self.n_features_in_} features as input")
        if not self.is_table_:
            np.save(folder / f"{name}.npy", np.asarray(X, dtype=np.float64))
            return folder / f"{name}.npy"
        path = folder / f"{name}.csv"
        if self.is_frame_:
            X.to_csv(path, index=False)
        else:
            lines = [[repr(float(v)) if v == v else "" for v in row] for row in np.asarray(X, dtype=float)]
            path.write_text("\n".join(map(",".join, [self._names(), *lines])) + "\n")
        return path

    def _model(self, folder):
        (folder / "model.safetensors").write_bytes(self.model_)
        return folder / "model.safetensors"

    def _run(self, *words):
        try:
            done = subprocess.run([self.elbo, *map(str, words), "-q", "--json"], capture_output=True, text=True)
        except FileNotFoundError as error:
            raise FileNotFoundError(f"no program `{self.elbo}`: put it on the path, or say VAE(elbo=…)") from error
        if done.returncode != 0:
            raise ValueError(done.stderr.strip().removeprefix("error: "))
        return json.loads(done.stdout) if done.stdout.startswith("{") else {}

    def _of_rows(self, verb, X, *flags):
        check_is_fitted(self, "model_")
        with tempfile.TemporaryDirectory() as folder:
            folder = pathlib.Path(folder)
            rows = self._write(folder, "rows", X)
            self._run(verb, self._model(folder), "--data", rows, "--part", "all", "-o", folder / "out.npy", *flags)
            return np.load(folder / "out.npy").astype(np.float64)

    def _rows(self, folder, *words):
        """Rows that the program makes, as fit was given them."""
        suffix = "csv" if self.is_table_ else "npy"
        self._run(*words, "-o", folder / f"out.{suffix}")
        if not self.is_table_:
            return np.load(folder / "out.npy")
        if self.is_frame_:
            import pandas

            return pandas.read_csv(folder / "out.csv", na_values=[""]).drop(columns="draw", errors="ignore")
        rows = np.genfromtxt(folder / "out.csv", delimiter=",", skip_header=1, ndmin=2)
        return rows[:, -self.n_features_in_:]
