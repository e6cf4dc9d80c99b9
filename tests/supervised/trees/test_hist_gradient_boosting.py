"""Histogram boosting: as good as scikit-learn's on real data, and what it promises beyond."""

from __future__ import annotations

import numpy as np
import pandas as pd
import polars as pl
import pytest
import sklearn.ensemble as sk
from sklearn.metrics import log_loss, mean_pinball_loss, roc_auc_score
from threadpoolctl import threadpool_limits

from tripos import HistGradientBoostingClassifier, HistGradientBoostingRegressor


@pytest.fixture(autouse=True, scope="module")
def one_thread_for_the_peer():
    with threadpool_limits(1):
        yield


# ---- quality ------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_adult_with_native_categories_is_as_good_as_scikit_learns(adult_table):
    data = adult_table
    scores = {}
    for name, cls in (
        ("ours", HistGradientBoostingClassifier),
        ("theirs", sk.HistGradientBoostingClassifier),
    ):
        p = cls(early_stopping=False).fit(data.X, data.y).predict_proba(data.X_test)[:, 1]
        scores[name] = roc_auc_score(data.y_test, p), log_loss(data.y_test, p)
    assert scores["ours"][0] > scores["theirs"][0] - 0.001
    assert scores["ours"][1] < scores["theirs"][1] + 0.001


@pytest.mark.slow
def test_california_with_gaps_is_as_good_as_scikit_learns(california_gaps):
    data = california_gaps
    ours, theirs = (
        cls(early_stopping=False).fit(data.X, data.y).score(data.X_test, data.y_test)
        for cls in (HistGradientBoostingRegressor, sk.HistGradientBoostingRegressor)
    )
    assert ours > theirs - 0.005


@pytest.mark.slow
def test_covertype_is_as_good_as_scikit_learns(covertype):
    data = covertype
    ours, theirs = (
        cls(max_iter=50).fit(data.X, data.y).score(data.X_test, data.y_test)
        for cls in (HistGradientBoostingClassifier, sk.HistGradientBoostingClassifier)
    )
    assert ours > theirs - 0.01


@pytest.fixture(scope="module")
def diabetes():
    from sklearn.datasets import load_diabetes

    X, y = load_diabetes(return_X_y=True)
    return X[:330], y[:330], X[330:], y[330:]


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"max_leaf_nodes": None, "max_depth": 4},
        {"l2_regularization": 5.0},
        {"interaction_cst": "no_interactions"},
        {"min_samples_leaf": 40, "learning_rate": 0.3},
    ],
    ids=str,
)
def test_squared_error_is_scikit_learns_to_the_digits_that_ties_leave(diabetes, settings):
    X, y, X_test, _ = diabetes
    ours, theirs = (
        cls(max_iter=20, **settings).fit(X, y).predict(X_test)
        for cls in (HistGradientBoostingRegressor, sk.HistGradientBoostingRegressor)
    )
    assert np.corrcoef(ours, theirs)[0, 1] > 0.995


@pytest.mark.parametrize("loss", ["absolute_error", "poisson", "gamma", "quantile"])
def test_each_loss_is_lowered_as_far_as_scikit_learn_lowers_it(diabetes, loss):
    X, y, *_ = diabetes
    settings = {"loss": loss, "max_iter": 30} | ({"quantile": 0.8} if loss == "quantile" else {})
    measure = {
        "absolute_error": lambda t, p: np.abs(t - p).mean(),
        "poisson": lambda t, p: (p - t * np.log(p)).mean(),
        "gamma": lambda t, p: (t / p + np.log(p)).mean(),
        "quantile": lambda t, p: mean_pinball_loss(t, p, alpha=0.8),
    }[loss]
    ours, theirs = (
        measure(y, cls(**settings).fit(X, y).predict(X))
        for cls in (HistGradientBoostingRegressor, sk.HistGradientBoostingRegressor)
    )
    assert ours <= theirs + 0.03 * abs(theirs)


# ---- promises -----------------------------------------------------------------------------------------------


def two_moons(n=4000, seed=0):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, 8))
    y = (X[:, 0] * X[:, 1] + 0.5 * X[:, 2] + 0.3 * rng.normal(size=n) > 0).astype(int)
    return X, y


@pytest.mark.parametrize("n_classes", [2, 4])
def test_the_bits_are_the_same_for_any_number_of_threads(n_classes, monkeypatch):
    X, _ = two_moons(40_000)
    y = np.digitize(X[:, 0] + X[:, 1] * X[:, 2], np.linspace(-1, 1, n_classes - 1))
    answers = []
    for threads in ("1", "2", "4"):
        monkeypatch.setenv("TRIPOS_NUM_THREADS", threads)
        model = HistGradientBoostingClassifier(max_iter=5, early_stopping=False).fit(X, y)
        answers.append(model.decision_function(X[:1000]))
    np.testing.assert_array_equal(answers[0], answers[1])
    np.testing.assert_array_equal(answers[0], answers[2])


@pytest.mark.parametrize("cls", [HistGradientBoostingClassifier, HistGradientBoostingRegressor])
def test_integer_weights_give_the_bits_of_repeated_rows(cls):
    X, y = two_moons(300)
    w = np.random.default_rng(1).integers(0, 4, 300)
    weighted = cls(min_samples_leaf=1, max_iter=20).fit(X, y, w)
    repeated = cls(min_samples_leaf=1, max_iter=20).fit(np.repeat(X, w, axis=0), np.repeat(y, w))
    np.testing.assert_allclose(weighted._scores(X), repeated._scores(X), rtol=1e-6, atol=1e-6)


def test_leaves_hold_min_samples_leaf_rows():
    X, y = two_moons(3000)
    forest = HistGradientBoostingClassifier(min_samples_leaf=37, max_iter=60).fit(X, y).forest_
    assert forest.rows[forest.is_leaf].min() >= 37


@pytest.mark.parametrize("make", [pd.DataFrame, pl.DataFrame])
def test_strings_are_categories_without_one_hot_columns(make):
    rng = np.random.default_rng(0)
    level = rng.integers(0, 40, 3000)
    odd = level % 2
    frame = make({"city": [f"city {k}" for k in level], "noise": rng.normal(size=3000)})
    model = HistGradientBoostingClassifier(max_iter=20).fit(frame, odd)
    assert model.score(frame, odd) == 1.0
    assert model.binning_.n_features == 2
    assert model.is_categorical_.tolist() == [True, False]
    assert model.forest_.level_bits.size


def test_named_columns_are_categories_too():
    rng = np.random.default_rng(0)
    codes = rng.integers(0, 30, 2000)
    frame = pd.DataFrame({"code": codes, "x": rng.normal(size=2000)})
    y = np.isin(codes, [1, 5, 8, 20]).astype(float)
    by_name = HistGradientBoostingRegressor(max_iter=10, categorical_features=["code"]).fit(frame, y)
    by_mask = HistGradientBoostingRegressor(max_iter=10, categorical_features=[True, False]).fit(frame, y)
    np.testing.assert_array_equal(by_name.predict(frame), by_mask.predict(frame))
    assert by_name.score(frame, y) > 0.85


def test_seventy_thousand_categories_are_learned_from_the_frequent_ones():
    rng = np.random.default_rng(0)
    rare = rng.integers(10, 70_000, 80_000)
    codes = np.where(rng.random(80_000) < 0.5, rng.integers(0, 10, 80_000), rare).astype(float)
    y = (codes < 5).astype(int)
    X = codes[:, None]
    model = HistGradientBoostingClassifier(max_iter=5, categorical_features=[0], early_stopping=False).fit(
        X, y
    )
    assert model.score(X, y) > 0.999


def test_missing_values_are_learned_and_accepted_where_training_had_none():
    X, y = two_moons()
    X[y == 1, 5] = np.nan
    model = HistGradientBoostingClassifier(max_iter=5).fit(X, y)
    assert model.score(X, y) == 1.0
    complete = HistGradientBoostingClassifier(max_iter=5).fit(np.nan_to_num(X), y)
    assert complete.predict(X).shape == (4000,)
    assert complete.predict(pd.DataFrame(X)).shape == (4000,)


@pytest.mark.parametrize("direction", [1, -1])
def test_predictions_are_monotone_where_asked(direction):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(1500, 3))
    y = direction * X[:, 0] + np.sin(4 * X[:, 0]) + X[:, 1] * X[:, 0] + 0.1 * rng.normal(size=1500)
    model = HistGradientBoostingRegressor(monotonic_cst=[direction, 0, 0]).fit(X, y)
    grid = np.linspace(-3, 3, 200)
    for other in rng.normal(size=(20, 2)):
        line = np.column_stack([grid, np.tile(other, (200, 1))])
        assert (direction * np.diff(model.predict(line)) >= -1e-9).all()


def test_interaction_constraints_keep_groups_apart():
    X, y = two_moons()
    model = HistGradientBoostingClassifier(interaction_cst=[{0, 1}, {2, 3}], max_iter=20).fit(X, y)
    forest = model.forest_
    for t in range(forest.n_trees):
        nodes = slice(forest.starts[t], forest.starts[t + 1])
        used = set(forest.features[nodes][~forest.is_leaf[nodes]].tolist())
        assert any(used <= group for group in ({0, 1}, {2, 3}, {4, 5, 6, 7}))


def test_a_fit_goes_on_where_it_was():
    X, y = two_moons()
    whole = HistGradientBoostingClassifier(max_iter=20).fit(X, y)
    model = HistGradientBoostingClassifier(max_iter=12, warm_start=True).fit(X, y)
    model.set_params(max_iter=20).fit(X, y)
    assert model.n_iter_ == 20
    np.testing.assert_allclose(model.decision_function(X), whole.decision_function(X), atol=2e-3)
    with pytest.raises(ValueError, match="max_iter=3"):
        model.set_params(max_iter=3).fit(X, y)


@pytest.mark.parametrize("scoring", ["loss", "roc_auc", None])
def test_a_fit_stops_when_scores_rise_no_more(scoring):
    X, y = two_moons()
    y = np.where(np.random.default_rng(3).random(4000) < 0.3, 1 - y, y)
    model = HistGradientBoostingClassifier(max_iter=300, early_stopping=True, scoring=scoring, random_state=0)
    model.fit(X, y)
    assert model.n_iter_ < 300
    assert len(model.train_score_) == len(model.validation_score_) == model.n_iter_ + 1
    best = np.argmax(model.validation_score_)
    assert model.n_iter_ - best >= 9
    np.testing.assert_array_equal(model.history_["validation"], model.validation_score_[1:])


def test_given_validation_rows_are_scored():
    X, y = two_moons()
    model = HistGradientBoostingClassifier(max_iter=50, early_stopping=True)
    model.fit(X[:3000], y[:3000], X_val=X[3000:], y_val=y[3000:])
    last = log_loss(y[3000:], model.predict_proba(X[3000:]))
    assert -model.validation_score_[-1] == pytest.approx(last, rel=1e-5)


def test_stages_end_at_the_prediction():
    X, y = two_moons(500)
    model = HistGradientBoostingClassifier(max_iter=7).fit(X, y)
    stages = list(model.staged_predict_proba(X))
    assert len(stages) == 7
    np.testing.assert_allclose(stages[-1], model.predict_proba(X), atol=1e-12)


def test_infinity_is_named_also_beside_missing_values():
    X, y = two_moons(500)
    X[3, 2], X[7, 1] = np.nan, -np.inf
    with pytest.raises(ValueError, match="infinity .*row 7, column 1"):
        HistGradientBoostingClassifier().fit(X, y)


@pytest.mark.parametrize("X", [np.ones((30, 2)), np.full((30, 1), np.nan), np.array([[5.0]])], ids=str)
def test_columns_that_say_nothing_give_the_mean(X):
    y = np.arange(float(len(X)))
    assert HistGradientBoostingRegressor().fit(X, y).predict(X) == pytest.approx(np.full(len(X), y.mean()))


def test_one_class_is_refused_by_name():
    with pytest.raises(ValueError, match="class: 'yes'"):
        HistGradientBoostingClassifier().fit(np.ones((5, 1)), ["yes"] * 5)


@pytest.mark.parametrize("offset", [0.0, 1e9])
def test_a_large_offset_of_the_target_costs_no_digits(offset):
    X, _ = two_moons(1000)
    y = X[:, 0] + offset
    model = HistGradientBoostingRegressor(max_iter=60).fit(X, y)
    assert np.mean((model.predict(X) - y) ** 2) < 0.02


def test_importances_name_the_columns_that_matter():
    X, y = two_moons()
    model = HistGradientBoostingClassifier(max_iter=20).fit(X, y)
    assert set(np.argsort(-model.feature_importances_)[:3]) == {0, 1, 2}
    assert model.importances("splits").sum() == (~model.forest_.is_leaf).sum()
    with pytest.raises(ValueError, match="kind"):
        model.importances("magic")
