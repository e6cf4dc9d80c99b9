"""Categorical naive Bayes: scikit-learn's numbers on real categories, and categories that training did not know."""

import numpy as np
import polars as pl
import pytest
from sklearn.naive_bayes import CategoricalNB as Peer

from tripos import CategoricalNB
from tripos.errors import BudgetError
from tripos.supervised.bayes.categorical import categorical_joint, category_counts


@pytest.fixture(scope="module")
def mushrooms(data_file):
    """8,124 mushrooms, 22 columns of letters as codes; edible or poisonous."""
    frame = pl.read_csv(data_file("uci-small/mushrooms.csv.gz"), infer_schema=False)
    names = [name for name in frame.columns if name != "type"]
    codes = frame.select(pl.col(name).rank("dense").cast(pl.Int64) - 1 for name in names)
    return codes.to_numpy(), frame["type"].to_numpy()


PARAMETERS = [{}, {"alpha": 0.1, "fit_prior": False}, {"min_categories": 15}, {"class_prior": [0.8, 0.2]}]


@pytest.mark.parametrize("parameters", PARAMETERS, ids=str)
def test_log_probabilities_equal_scikit_learns_on_mushrooms(mushrooms, parameters):
    X, y = mushrooms
    ours, theirs = CategoricalNB(**parameters).fit(X, y), Peer(**parameters).fit(X, y)
    np.testing.assert_allclose(
        ours.predict_joint_log_proba(X), theirs.predict_joint_log_proba(X), rtol=1e-9, atol=1e-9
    )
    np.testing.assert_array_equal(ours.predict(X), theirs.predict(X))
    np.testing.assert_array_equal(ours.n_categories_, theirs.n_categories_)
    for a, b in zip(
        ours.feature_log_prob_ + ours.category_count_, theirs.feature_log_prob_ + theirs.category_count_
    ):
        np.testing.assert_allclose(a, b, rtol=1e-9)


def test_letters_are_learned_as_their_codes_are(mushrooms):
    X, y = mushrooms
    letters = pl.DataFrame({f"c{j}": np.array(list("abcdefghijkl"))[X[:, j]] for j in range(X.shape[1])})
    ours = CategoricalNB().fit(letters, y)
    np.testing.assert_array_equal(ours.n_categories_, [len(np.unique(column)) for column in X.T])
    np.testing.assert_allclose(
        ours.predict_proba(letters), CategoricalNB().fit(X, y).predict_proba(X), atol=1e-12
    )
    name, value, _ = ours.explain(letters[:1]).top(1)[0]
    assert str(ours.explain(letters[:1])).split("\n")[2].split()[:2] == [name, letters[name][0]]
    assert f"{name} = {'abcdefghijkl'[int(value)]}" in ours._titles()


def test_parts_with_different_categories_merge_to_the_whole(mushrooms):
    X, y = mushrooms
    order = np.argsort(X[:, 0], kind="stable")  # the halves share few categories of the first column
    a, b = order[:4000], order[4000:]
    whole = CategoricalNB().fit(X, y)
    merged = CategoricalNB().fit(X[a], y[a]).merge(CategoricalNB().fit(X[b], y[b]))
    continued = CategoricalNB().partial_fit(X[b], y[b], classes=np.unique(y)).partial_fit(X[a], y[a])
    for model in (merged, continued):
        np.testing.assert_allclose(
            model.predict_joint_log_proba(X), whole.predict_joint_log_proba(X), rtol=1e-12
        )


def test_an_unknown_category_says_nothing(mushrooms):
    X, y = mushrooms
    model = CategoricalNB().fit(X, y)
    row = X[:1].astype(float)
    without = model.predict_joint_log_proba(row)[0] - model.feature_log_prob_[3][:, X[0, 3]]
    for unknown in (-1.0, 99.0):
        row[0, 3] = unknown
        np.testing.assert_allclose(model.predict_joint_log_proba(row)[0], without, rtol=1e-12)


def test_kernels_equal_their_twins():
    rng = np.random.default_rng(0)
    X, y, w = rng.integers(0, 4, (40, 3)).astype(float), rng.integers(0, 3, 40), rng.random(40)
    start = np.array([0, 4, 8, 12])
    n, count = np.zeros(3), np.zeros((12, 3))
    category_counts(X, y, w, start, n, count)
    for j in range(3):
        for c in range(4):
            for k in range(3):
                assert count[start[j] + c, k] == pytest.approx(w[(X[:, j] == c) & (y == k)].sum())
    log_p, prior, joint = rng.normal(size=(12, 3)), rng.normal(size=3), np.empty((40, 3))
    categorical_joint(X, log_p, start, prior, joint)
    expected = prior + sum(log_p[start[j] + X[:, j].astype(int)] for j in range(3))
    np.testing.assert_allclose(joint, expected)


def test_negative_categories_are_refused_at_fit():
    with pytest.raises(ValueError, match=r"Negative values in data passed to CategoricalNB.*row 1, column 0"):
        CategoricalNB().fit(np.array([[0.0], [-1.0]]), [0, 1])


def test_numbers_taken_for_categories_are_refused_before_memory_is_full():
    with pytest.raises(BudgetError, match="categories numbered up to"):
        CategoricalNB().fit(np.array([[0.0], [1e12]]), [0, 1])


def test_contributions_add_up_to_the_log_odds(mushrooms):
    X, y = mushrooms
    model = CategoricalNB().fit(X, y)
    why = model.explain(X[5].astype(float))
    joint = model.predict_joint_log_proba(X[5:6])[0]
    assert why.log_odds == pytest.approx(abs(joint[0] - joint[1]), rel=1e-9)
