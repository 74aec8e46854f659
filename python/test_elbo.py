"""The estimator with the real scikit-learn: ELBO=path/to/elbo python python/test_elbo.py"""

import os
import pathlib
import pickle
import sys
import unittest

import numpy as np
import pandas as pd
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline

sys.path.insert(0, str(pathlib.Path(__file__).parent))
from elbo import VAE  # noqa: E402

ELBO = os.environ.get("ELBO", "elbo")
RNG = np.random.default_rng(0)


def line(rows):
    """Three columns that follow one number, and a little noise."""
    t = RNG.uniform(-1, 1, (rows, 1))
    return np.hstack([t, 10 * t + 3, t**2]) + 0.05 * RNG.normal(size=(rows, 3))


def people(rows):
    town = RNG.choice(["Bonn", "Rome"], rows)
    age = RNG.integers(20, 60, rows).astype(float)
    fee = np.where(town == "Bonn", np.round(RNG.uniform(5, 15, rows), 2), 0.0)
    age[RNG.uniform(size=rows) < 0.2] = np.nan
    return pd.DataFrame({"town": town, "age": age, "fee": fee})


class OfNumbers(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.X = line(600)
        cls.vae = VAE(latent=2, epochs=120, elbo=ELBO).fit(cls.X)

    def test_there_and_back(self):
        z = self.vae.transform(self.X)
        self.assertEqual(z.shape, (600, 2))
        self.assertEqual(list(self.vae.get_feature_names_out()), ["z1", "z2"])
        again = self.vae.inverse_transform(z)
        error = (again - self.X).std(axis=0) / self.X.std(axis=0)
        self.assertTrue((error < 0.4).all(), error)

    def test_new_rows_are_like_the_old_ones(self):
        rows = self.vae.sample(2000, seed=1)
        self.assertEqual(rows.shape, (2000, 3))
        off = abs(rows.mean(axis=0) - self.X.mean(axis=0)) / self.X.std(axis=0)
        self.assertTrue((off < 0.25).all(), off)
        self.assertTrue((rows == self.vae.sample(2000, seed=1)).all())

    def test_odd_rows_are_odd(self):
        odd = np.array([[0.9, -6.0, 0.8], [0.0, 3.0, 1.0]])
        self.assertGreater(self.vae.decision_function(odd).min(), np.quantile(self.vae.decision_scores_, 0.99))
        self.assertEqual(list(self.vae.predict(odd)), [1, 1])
        self.assertAlmostEqual(self.vae.labels_.mean(), 0.1, delta=0.01)
        scores = self.vae.score_samples(self.X)
        np.testing.assert_array_equal(scores[::-1], self.vae.score_samples(self.X[::-1]))
        self.assertAlmostEqual(self.vae.score(self.X), scores.mean())

    def test_it_is_an_estimator(self):
        again = clone(self.vae)
        self.assertEqual(again.get_params(), self.vae.get_params())
        with self.assertRaises(NotFittedError):
            again.transform(self.X)
        copy = pickle.loads(pickle.dumps(self.vae))
        np.testing.assert_array_equal(copy.transform(self.X), self.vae.transform(self.X))
        with self.assertRaisesRegex(ValueError, "2 features, but VAE is expecting 3"):
            self.vae.transform(self.X[:, :2])
        with self.assertRaisesRegex(FileNotFoundError, "no program"):
            VAE(elbo="no-such-elbo").fit(self.X)
        with self.assertRaisesRegex(ValueError, "latent"):
            VAE(latent=0, elbo=ELBO).fit(self.X)

    def test_in_a_pipeline_and_a_search(self):
        y = self.X[:, 0] > 0
        pipeline = make_pipeline(VAE(latent=2, epochs=60, elbo=ELBO), LogisticRegression())
        self.assertGreater(pipeline.fit(self.X, y).score(self.X, y), 0.9)
        search = GridSearchCV(VAE(epochs=20, elbo=ELBO), {"latent": [1, 2]}, cv=2).fit(self.X)
        self.assertIn(search.best_params_["latent"], [1, 2])


class OfTables(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.X = people(1500)
        cls.vae = VAE(epochs=30, mask_rate=0.2, elbo=ELBO).fit(cls.X)

    def test_new_rows_are_a_table(self):
        rows = self.vae.sample(500)
        self.assertEqual(list(rows.columns), ["town", "age", "fee"])
        self.assertEqual(set(rows.town), {"Bonn", "Rome"})
        self.assertAlmostEqual(rows.age.isna().mean(), 0.2, delta=0.08)
        self.assertGreater(((rows.fee > 0) == (rows.town == "Bonn")).mean(), 0.95)
        old = self.vae.sample(100, where=["town=Rome", "age>=50"])
        self.assertTrue(((old.town == "Rome") & (old.age >= 50)).all())

    def test_gaps_are_filled(self):
        gaps = self.X.head(200).copy()
        gaps.loc[:50, "town"] = None
        whole = self.vae.impute(gaps)
        self.assertFalse(whole.isna().any(axis=None))
        self.assertGreater((whole.town[:51] == self.X.town[:51]).mean(), 0.95)
        kept = gaps.age.notna()
        np.testing.assert_array_equal(whole.age[kept], gaps.age[kept])
        draws = self.vae.impute(gaps, draws=3)
        self.assertEqual([len(draw) for draw in draws], [200] * 3)
        self.assertEqual(list(draws[1].columns), ["town", "age", "fee"])
        self.assertFalse(draws[0].age.equals(draws[2].age))

    def test_arrays_with_gaps(self):
        X = line(800)
        gaps = X.copy()
        gaps[RNG.uniform(size=X.shape) < 0.2] = np.nan
        vae = VAE(latent=2, epochs=100, mask_rate=0.2, elbo=ELBO).fit(gaps)
        whole = vae.impute(gaps)
        missing = np.isnan(gaps)
        self.assertEqual(whole.shape, X.shape)
        error = np.sqrt(((whole - X)[missing[:, 1], 1] ** 2).mean()) / X[:, 1].std()
        self.assertLess(error, 0.5)
        self.assertEqual(vae.transform(gaps).shape, (800, 2))
        self.assertEqual(vae.sample(1).shape, (1, 3))


if __name__ == "__main__":
    unittest.main()
