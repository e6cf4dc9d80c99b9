"""DART, GOSS, objectives and measures as functions, binned rows, warm starts, several outputs."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import log_loss

from tripos import BoostedTreesClassifier, BoostedTreesRegressor


def noisy(n=3000, seed=0):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, 10))
    y = (X[:, 0] * X[:, 1] + 0.5 * X[:, 2] + 0.5 * rng.normal(size=n) > 0).astype(int)
    return X, y


def test_dart_keeps_the_scores_of_training_and_evaluation_rows():
    X, y = noisy(1200)
    model = BoostedTreesClassifier(40, boosting="dart", rate_drop=0.3, skip_drop=0.2)
    model.fit(X[:800], y[:800], eval_set=(X[800:], y[800:]))
    assert model.history_["loss"][-1] == pytest.approx(
        log_loss(y[:800], model.predict_proba(X[:800])), rel=1e-4
    )
    last = model.evals_result_["validation_0"]["loss"][-1]
    assert last == pytest.approx(log_loss(y[800:], model.predict_proba(X[800:])), rel=1e-4)
    with pytest.raises(ValueError, match="dart"):
        BoostedTreesClassifier(boosting="dart", early_stopping_rounds=3).fit(X, y)


def test_dart_without_drops_is_plain_boosting():
    X, y = noisy(600)
    plain = BoostedTreesClassifier(10).fit(X, y)
    dart = BoostedTreesClassifier(10, boosting="dart", rate_drop=0.0).fit(X, y)
    np.testing.assert_array_equal(plain.predict_proba(X), dart.predict_proba(X))


def test_goss_learns_from_a_third_of_the_rows_and_keeps_scores_up():
    X, y = noisy(6000)
    model = BoostedTreesClassifier(boosting="goss").fit(X[:4000], y[:4000])
    plain = BoostedTreesClassifier().fit(X[:4000], y[:4000])
    p, q = (log_loss(y[4000:], m.predict_proba(X[4000:])) for m in (model, plain))
    assert p < q + 0.04
    assert model.history_["loss"][-1] == pytest.approx(
        log_loss(y[:4000], model.predict_proba(X[:4000])), rel=1e-3
    )


def test_the_log_loss_as_a_function_is_the_log_loss():
    X, y = noisy(800)

    def objective(y, raw, weight):
        p = 1 / (1 + np.exp(-raw))
        return p - y, p * (1 - p)

    own = BoostedTreesClassifier(20, objective=objective).fit(X, y)
    start = np.full(800, np.log(y.mean() / (1 - y.mean())))
    built_in = BoostedTreesClassifier(20).fit(X, y, init_score=start)
    again = BoostedTreesClassifier(20, objective=objective).fit(X, y, init_score=start)
    np.testing.assert_allclose(again.decision_function(X), built_in.decision_function(X), atol=1e-4)
    assert log_loss(y, own.predict_proba(X)) < 0.4


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (lambda y, raw, w: (raw[:3], raw), "shape"),
        (lambda y, raw, w: (raw * np.nan, raw * 0 + 1), "NaN"),
        (lambda y, raw, w: (raw - y, raw * 0 - 1), "negative"),
    ],
    ids=["shape", "nan", "negative"],
)
def test_a_wrong_objective_is_told_what_is_wrong(answer, message):
    X, y = noisy(100)
    with pytest.raises(ValueError, match=message):
        BoostedTreesRegressor(2, objective=answer).fit(X, y)


def test_measures_are_functions_of_targets_and_predictions():
    X, y = noisy(900)

    def worst(y, p):
        return float(np.abs(y - p).max())

    def hits(y, p):
        return "hits", float(np.mean((p > 0.5) == y)), True

    model = BoostedTreesClassifier(30, eval_metric=[hits, worst, "auc"], early_stopping_rounds=3)
    model.fit(X[:600], y[:600], eval_set=(X[600:], y[600:]))
    result = model.evals_result_["validation_0"]
    assert set(result) == {"hits", "worst", "auc"}
    assert model.best_iteration_ == np.argmax(result["hits"]) + 1


def test_bins_made_once_serve_many_fits():
    X, y = noisy(800)
    X[::7, 3] = np.nan
    data = BoostedTreesClassifier().bin(X)
    for settings in ({}, {"max_leaves": 7}):
        ours = BoostedTreesClassifier(10, **settings).fit(data, y)
        theirs = BoostedTreesClassifier(10, **settings).fit(X, y)
        np.testing.assert_array_equal(ours.predict_proba(X), theirs.predict_proba(X))
    weight = np.arange(800) % 3.0
    ours = BoostedTreesClassifier(10).fit(data, y, weight)
    assert ours.forest_.rows[0] == np.count_nonzero(weight)
    with pytest.raises(ValueError, match="inconsistent"):
        BoostedTreesClassifier().fit(data, y[:10])


def test_bins_of_a_table_bring_its_names_and_categories():
    pl = pytest.importorskip("polars")
    X, y = noisy(400)
    table = pl.DataFrame({"a": X[:, 0], "b": np.where(X[:, 1] > 0, "p", "q"), "c": X[:, 2]})
    model = BoostedTreesClassifier(10)
    data = model.bin(table)
    ours = BoostedTreesClassifier(10).fit(data, y).predict_proba(table)
    np.testing.assert_array_equal(ours, model.fit(table, y).predict_proba(table))


def test_a_warm_start_goes_on_where_the_fit_stopped():
    X, y = noisy(800)
    model = BoostedTreesClassifier(10, warm_start=True).fit(X, y)
    model.set_params(n_estimators=25).fit(X, y)
    whole = BoostedTreesClassifier(25).fit(X, y)
    assert model.n_iter_ == 25
    np.testing.assert_allclose(model.decision_function(X), whole.decision_function(X), atol=1e-5)
    with pytest.raises(ValueError, match="n_estimators"):
        model.set_params(n_estimators=5).fit(X, y)


def test_several_outputs_are_several_models():
    X, _ = noisy(600)
    Y = np.column_stack([X[:, 0] * X[:, 1], np.abs(X[:, 2])])
    for objective in ("squared_error", "absolute_error"):
        model = BoostedTreesRegressor(15, objective=objective).fit(X, Y)
        for k in range(2):
            alone = BoostedTreesRegressor(15, objective=objective).fit(X, Y[:, k])
            np.testing.assert_allclose(model.predict(X)[:, k], alone.predict(X), atol=1e-6)


def test_scores_to_start_from_are_no_part_of_the_model():
    X, y = noisy(600)
    target = y + 100.0
    model = BoostedTreesRegressor(20).fit(X, target, init_score=np.full(600, 100.0))
    assert abs(model.predict(X).mean() - y.mean()) < 0.1
    with pytest.raises(ValueError, match="init_score"):
        model.fit(X, target, init_score=np.zeros(5))
