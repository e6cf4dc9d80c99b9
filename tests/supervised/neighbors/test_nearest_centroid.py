"""Nearest centroids against scikit-learn's."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse as sp
import sklearn.neighbors as peers
from sklearn.datasets import load_digits, load_iris, load_wine

from tripos import NearestCentroid

SETTINGS = [
    {},
    {"shrink_threshold": 1.5},
    {"metric": "manhattan"},
    {"priors": "empirical"},
    {"priors": [0.2, 0.5, 0.3], "shrink_threshold": 0.7},
    {"metric": "manhattan", "priors": [0.2, 0.5, 0.3]},
]


@pytest.mark.filterwarnings("ignore:self.within_class")
@pytest.mark.parametrize("settings", SETTINGS, ids=str)
@pytest.mark.parametrize("read", [load_iris, load_wine], ids=["iris", "wine"])
@pytest.mark.parametrize("stored", ["dense", "sparse"])
def test_it_says_what_scikit_learn_says(settings, read, stored):
    X, y = read(return_X_y=True)
    rows = sp.csr_array(np.where(X > np.median(X, axis=0), X, 0.0)) if stored == "sparse" else X
    theirs = peers.NearestCentroid(**settings).fit(rows.toarray() if stored == "sparse" else rows, y)
    ours = NearestCentroid(**settings).fit(rows, y)
    for name in ("centroids_", "deviations_", "within_class_std_dev_", "class_prior_"):
        np.testing.assert_allclose(
            getattr(ours, name), getattr(theirs, name), rtol=1e-9, atol=1e-12, err_msg=name
        )
    plain = rows.toarray() if stored == "sparse" else rows
    assert (ours.predict(rows) == theirs.predict(plain)).all()
    if "metric" not in settings:
        np.testing.assert_allclose(
            ours.decision_function(rows), theirs.decision_function(plain), rtol=1e-8, atol=1e-8
        )
        np.testing.assert_allclose(
            ours.predict_proba(rows), theirs.predict_proba(plain), rtol=1e-7, atol=1e-12
        )


def test_digits_without_ink_do_not_count():
    X, y = load_digits(return_X_y=True)  # some pixels are always white
    ours = NearestCentroid(shrink_threshold=2.0).fit(X[:1000], y[:1000])
    assert ours.score(X[1000:], y[1000:]) > 0.87
    assert np.isfinite(ours.deviations_).all()


def test_probabilities_are_refused_without_a_likelihood():
    assert not hasattr(NearestCentroid(metric="manhattan"), "predict_proba")


def test_one_class_or_no_spread_is_refused():
    with pytest.raises(ValueError, match="greater than one"):
        NearestCentroid().fit([[0.0], [1.0]], [1, 1])
    with pytest.raises(ValueError, match="zero variance"):
        NearestCentroid().fit([[1.0], [1.0]], [1, 2])
