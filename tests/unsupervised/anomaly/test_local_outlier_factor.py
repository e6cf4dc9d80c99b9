"""The local outlier factor against scikit-learn's, on real tables."""

from __future__ import annotations

import matplotlib

matplotlib.use("Agg")

import numpy as np
import pandas as pd
import pytest
import sklearn.neighbors as peers
from sklearn.datasets import load_breast_cancer, load_diabetes
from sklearn.metrics import roc_auc_score
from sklearn.utils.estimator_checks import parametrize_with_checks

import tripos
from tripos import LocalOutlierFactor


@parametrize_with_checks([LocalOutlierFactor(), LocalOutlierFactor(novelty=True, algorithm="kd_tree")])
def test_scikit_learn_check_passes(estimator, check):
    check(estimator)


@pytest.fixture(scope="module")
def mammography(data_file):
    frame = pd.read_csv(data_file("uci-small/mammography.csv.gz"), header=None)
    y = (frame.iloc[:, -1] == "'1'").to_numpy()
    return frame.iloc[:4000, :-1].to_numpy(float), y[:4000]


@pytest.mark.parametrize(
    "settings", [{}, {"metric": "manhattan", "n_neighbors": 7}, {"metric": "cosine"}], ids=str
)
def test_factors_are_those_of_scikit_learn(settings):
    X = load_diabetes().data
    ours, theirs = LocalOutlierFactor(**settings).fit(X), peers.LocalOutlierFactor(**settings).fit(X)
    np.testing.assert_allclose(ours.negative_outlier_factor_, theirs.negative_outlier_factor_, rtol=1e-6)
    assert ours.offset_ == theirs.offset_ == -1.5


def test_duplicates_in_real_rows_change_nothing(mammography):
    X, _ = mammography
    with pytest.warns(UserWarning, match="Duplicate"):
        ours = LocalOutlierFactor().fit(X)
    with pytest.warns(UserWarning, match="Duplicate"):
        theirs = peers.LocalOutlierFactor().fit(X)
    # neighbours at one distance may differ, and with them the factor
    close = np.isclose(ours.negative_outlier_factor_, theirs.negative_outlier_factor_, rtol=1e-3)
    assert close.mean() > 0.9


def test_new_rows_are_judged_as_by_scikit_learn():
    X = load_breast_cancer().data
    X = (X - X.mean(axis=0)) / X.std(axis=0)
    settings = {"novelty": True, "contamination": 0.1, "n_neighbors": 15}
    ours, theirs = (cls(**settings).fit(X[:300]) for cls in (LocalOutlierFactor, peers.LocalOutlierFactor))
    np.testing.assert_allclose(
        ours.decision_function(X[300:]), theirs.decision_function(X[300:]), rtol=1e-6, atol=1e-8
    )
    assert (ours.predict(X[300:]) == theirs.predict(X[300:])).all()
    one = [ours.score_samples(X[j : j + 1])[0] for j in range(300, 310)]
    np.testing.assert_allclose(one, ours.score_samples(X[300:310]), rtol=1e-12)
    assert not hasattr(ours, "fit_predict")
    assert not hasattr(LocalOutlierFactor(), "predict")


def test_malignant_tumours_are_lonelier():
    X, y = load_breast_cancer(return_X_y=True)
    X = np.concatenate([X[y == 1], X[y == 0][:20]])
    factor = (
        -LocalOutlierFactor(n_neighbors=30).fit((X - X.mean(axis=0)) / X.std(axis=0)).negative_outlier_factor_
    )
    assert roc_auc_score(np.arange(len(X)) >= (y == 1).sum(), factor) > 0.9


def test_it_comes_back_from_a_file_and_is_shown(tmp_path):
    X = load_diabetes().data
    model = LocalOutlierFactor(novelty=True).fit(pd.DataFrame(X).rename(columns=str))
    found = tripos.load(tripos.save(model, tmp_path / "lof.tripos"))
    frame = pd.DataFrame(X[:9] * 2).rename(columns=str)
    np.testing.assert_array_equal(found.score_samples(frame), model.score_samples(frame))
    assert "outliers" in found.summary()
    assert model.plot().get_xlabel() == "local outlier factor"
