"""AdaBoost: the learners, weights and answers of scikit-learn, with stumps on bins and with any classifier."""

from __future__ import annotations

import numpy as np
import pytest
import sklearn.ensemble
import sklearn.tree
from sklearn.datasets import load_breast_cancer, load_iris

import tripos
from tripos import AdaBoostClassifier, DecisionTreeClassifier, RidgeClassifier
from tripos.supervised.ensemble.stumps import Stumps
from tripos.supervised.trees.binning import Binning


@pytest.fixture(scope="module")
def cancer() -> tuple[np.ndarray, np.ndarray]:
    return load_breast_cancer(return_X_y=True)


@pytest.fixture(scope="module")
def iris() -> tuple[np.ndarray, np.ndarray]:
    return load_iris(return_X_y=True)


@pytest.fixture(scope="module")
def adult(data_file) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """2000 and 4000 rows of adult, one-hot: every bin is one value."""
    import pandas as pd

    frame = pd.read_csv(data_file("adult/adult-train.csv.gz"), header=None).sample(6000, random_state=0)
    y = (frame.pop(frame.columns[-1]).astype(str).str.contains(">50K")).astype(int).to_numpy()
    X = pd.get_dummies(frame.drop(columns=[c for c in frame if frame[c].nunique() > 255])).to_numpy(float)
    return X[:2000], y[:2000], X[2000:], y[2000:]


def assert_as_scikit_learn(ours, peer, X, rtol=1e-6):
    np.testing.assert_allclose(ours.estimator_weights_, peer.estimator_weights_, rtol=rtol)
    np.testing.assert_allclose(ours.estimator_errors_, peer.estimator_errors_, rtol=rtol)
    np.testing.assert_array_equal(ours.predict(X), peer.predict(X))
    np.testing.assert_allclose(ours.predict_proba(X), peer.predict_proba(X), rtol=rtol)
    np.testing.assert_allclose(ours.decision_function(X), peer.decision_function(X), rtol=rtol, atol=1e-6)


@pytest.mark.parametrize("learning_rate", [1.0, 0.3])
def test_stumps_on_adult_are_those_of_scikit_learn(adult, learning_rate):
    X, y, X_new, _ = adult
    ours = AdaBoostClassifier(n_estimators=30, learning_rate=learning_rate).fit(X, y)
    peer = sklearn.ensemble.AdaBoostClassifier(n_estimators=30, learning_rate=learning_rate, random_state=0)
    assert_as_scikit_learn(ours, peer.fit(X, y), X_new)


def test_stumps_of_three_classes_are_those_of_scikit_learn(iris):
    X, y = iris
    ours = AdaBoostClassifier(n_estimators=5).fit(X, y)
    peer = sklearn.ensemble.AdaBoostClassifier(n_estimators=5, random_state=0).fit(X, y)
    assert_as_scikit_learn(ours, peer, X)


def test_continuous_columns_are_cut_as_well_as_by_exact_search(cancer):
    X, y = cancer
    ours = AdaBoostClassifier(n_estimators=60).fit(X[::2], y[::2])
    peer = sklearn.ensemble.AdaBoostClassifier(n_estimators=60, random_state=0).fit(X[::2], y[::2])
    assert ours.score(X[1::2], y[1::2]) > peer.score(X[1::2], y[1::2]) - 0.02


def test_over_the_same_trees_it_is_scikit_learns(iris):
    X, y = iris
    base = sklearn.tree.DecisionTreeClassifier(max_depth=2, random_state=0)
    ours = AdaBoostClassifier(base, n_estimators=8).fit(X, y)
    base_of_peer = sklearn.tree.DecisionTreeClassifier(max_depth=2)
    peer = sklearn.ensemble.AdaBoostClassifier(base_of_peer, n_estimators=8, random_state=0).fit(X, y)
    np.testing.assert_allclose(ours.estimator_errors_[0], peer.estimator_errors_[0], rtol=1e-6)
    fixed = DecisionTreeClassifier(max_depth=2)
    assert AdaBoostClassifier(fixed, n_estimators=8, random_state=0).fit(X, y).score(X, y) > 0.96


def test_stages_end_in_the_whole_and_score_as_predictions_do(cancer):
    X, y = cancer
    model = AdaBoostClassifier(n_estimators=12).fit(X, y)
    peer = sklearn.ensemble.AdaBoostClassifier(n_estimators=12, random_state=0).fit(X, y)
    stages, scores = list(model.staged_predict(X)), list(model.staged_score(X, y))
    assert len(stages) == len(scores) == len(list(peer.staged_predict(X))) == 12
    np.testing.assert_array_equal(stages[-1], model.predict(X))
    np.testing.assert_allclose(scores, [(said == y).mean() for said in stages])
    *_, shares = model.staged_predict_proba(X)
    *_, scored = model.staged_decision_function(X)
    np.testing.assert_allclose(shares, model.predict_proba(X), rtol=1e-12)
    np.testing.assert_allclose(scored, model.decision_function(X), rtol=1e-12, atol=1e-12)


def test_the_exponential_loss_bounds_the_share_of_wrong_rows(cancer):
    X, y = cancer
    model = AdaBoostClassifier(n_estimators=20).fit(X, y)
    loss = np.array(model.history_["loss"])
    assert (np.diff(loss) < 0).all()
    assert (1 - np.array(list(model.staged_score(X, y))) <= loss + 1e-12).all()


@pytest.mark.parametrize("K", [2, 4])
def test_the_best_cut_is_the_one_of_a_plain_search(K):
    rng = np.random.default_rng(K)
    X = rng.integers(0, 9, (80, 3)).astype(float)
    codes, w = rng.integers(0, K, 80), rng.integers(1, 5, 80).astype(float)
    binning = Binning.learn(X, None)
    j, cut, left, right, wrong, missed = Stumps(binning.apply(X), codes, K).best(w)

    def purity(rows):
        sums = np.bincount(codes[rows], w[rows], K)
        return (sums**2).sum() / sums.sum()

    best = max(purity(X[:, f] <= v) + purity(X[:, f] > v) for f in range(3) for v in np.unique(X[:, f])[:-1])
    goes_left = binning.apply(X).columns[j] <= cut
    assert purity(goes_left) + purity(~goes_left) == pytest.approx(best, rel=1e-12)
    np.testing.assert_array_equal(missed, np.where(goes_left, left, right) != codes)
    assert wrong == w[missed].sum()


def test_members_vote_to_the_whole(iris):
    X, y = iris
    model = AdaBoostClassifier(n_estimators=6).fit(X, y)
    votes = np.zeros((len(X), 3))
    for member, alpha in zip(model.estimators_, model.estimator_weights_):
        votes[np.arange(len(X)), member.predict(X)] += alpha
    np.testing.assert_array_equal(votes.argmax(axis=1), model.predict(X))
    assert model.feature_importances_.sum() == pytest.approx(1.0)


def test_any_classifier_is_a_member_and_is_saved(cancer, tmp_path):
    X, y = cancer
    names = np.array(["malignant", "benign"])[y]
    model = AdaBoostClassifier(RidgeClassifier(), n_estimators=4).fit(X, names)
    found = tripos.load(tripos.save(model, tmp_path / "model.tripos"))
    np.testing.assert_array_equal(found.predict(X), model.predict(X))
    assert set(model.predict(X)) == set(names)


def test_what_cannot_be_a_member_is_told(cancer):
    with pytest.raises(ValueError, match="KNeighborsClassifier does not support sample weights"):
        AdaBoostClassifier(tripos.KNeighborsClassifier()).fit(*cancer)
    with pytest.raises(ValueError, match="no better than chance"):
        AdaBoostClassifier(tripos.DummyClassifier()).fit([[0.0], [1.0], [2.0], [3.0]], [0, 1, 0, 1])
    with pytest.raises(ValueError, match="only one class"):
        AdaBoostClassifier().fit([[0.0], [1.0]], [1, 1])


def test_a_perfect_stump_ends_it():
    model = AdaBoostClassifier().fit([[0.0], [1.0], [2.0], [3.0]], [0, 0, 1, 1])
    assert model.n_iter_ == 1
    assert model.estimator_errors_[0] == 0.0
    assert model.estimator_weights_[1:].sum() == 0.0
