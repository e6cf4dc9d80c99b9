"""Bootstrap intervals: scipy's answer, the right coverage, the same with any threads, and fast paths that agree."""

from __future__ import annotations

import numpy as np
import pytest
import sklearn.metrics as peer
from scipy import stats
from sklearn.datasets import load_breast_cancer, load_diabetes
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from tripos.compute.random import streams
from tripos.errors import DataWarning
from tripos.metrics import accuracy_score, f1_score, roc_auc_score, scorer
from tripos.selection import bootstrap_interval, compare, compare_folds, cross_validate
from tripos.selection.intervals import TestRows as Rows

RNG = np.random.default_rng(0)
Y = RNG.integers(0, 2, 300)
SCORE = RNG.normal(size=300) + Y
LABELS = np.where(SCORE > 0.5, 1, 0)
NUMBERS, GUESS = RNG.normal(size=200), RNG.normal(size=200)


@pytest.mark.parametrize(("name", "prediction"), [("accuracy", LABELS), ("roc_auc", SCORE), ("f1", LABELS)])
@pytest.mark.parametrize("method", ["percentile", "bca"])
def test_the_interval_agrees_with_scipys(name, prediction, method):
    found = bootstrap_interval(name, Y, prediction, n_resamples=4000, method=method)
    measure = {"accuracy": accuracy_score, "roc_auc": roc_auc_score, "f1": f1_score}[name]
    expected = stats.bootstrap(
        (Y, prediction), measure, paired=True, vectorized=False, n_resamples=1000, method=method, rng=0
    )
    assert found.estimate == pytest.approx(measure(Y, prediction))
    np.testing.assert_allclose(found[:2], expected.confidence_interval, atol=0.012)
    assert found.standard_error == pytest.approx(expected.standard_error, rel=0.1)


def test_the_error_of_a_share_is_the_binomials():
    found = bootstrap_interval("accuracy", Y, LABELS, n_resamples=5000)
    share = np.mean(Y == LABELS)
    assert found.standard_error == pytest.approx(np.sqrt(share * (1 - share) / 300), rel=0.05)


def test_nineteen_of_twenty_intervals_hold_the_truth():
    rng = np.random.default_rng(5)
    hits = 0
    for _ in range(200):
        right = rng.random(120) < 0.8
        low, high = bootstrap_interval("accuracy", np.ones(120, int), right.astype(int), n_resamples=300)[:2]
        hits += low <= 0.8 <= high
    assert 0.9 <= hits / 200 <= 0.99


@pytest.mark.parametrize("threads", [2, 8])
@pytest.mark.parametrize(("name", "prediction"), [("roc_auc", SCORE), ("accuracy", LABELS)])
def test_threads_do_not_change_the_interval(name, prediction, threads):
    one = bootstrap_interval(name, Y, prediction, n_resamples=110, n_jobs=1)
    assert bootstrap_interval(name, Y, prediction, n_resamples=110, n_jobs=threads) == one


@pytest.mark.parametrize("metric", ["accuracy", "balanced_accuracy", "f1", "matthews_corrcoef"])
@pytest.mark.parametrize("weighted", [False, True])
def test_counting_pairs_gives_what_drawing_rows_gives(metric, weighted):
    weight = RNG.random(300) if weighted else None

    def by_rows(
        y, prediction, **weights
    ):  # does not say that it takes weights: its rows are drawn one by one
        return scorer(metric).measure(y, prediction, **weights)

    counted = Rows.of(Y, [LABELS], weight, None, accuracy_score)
    drawn = Rows.of(Y, [LABELS], weight, None, by_rows)
    assert (len(counted.y), len(drawn.y)) == (4, 300)
    for random, again in zip(streams(0, 20), streams(0, 20)):
        np.testing.assert_allclose(
            counted.measure(by_rows, counted.draw(random)),
            drawn.measure(by_rows, drawn.draw(again)),
            rtol=1e-12,
        )


def test_weights_of_zero_drop_rows():
    weight = (np.arange(200) < 150).astype(float)
    found = bootstrap_interval("rmse", NUMBERS, GUESS, sample_weight=weight, n_resamples=20)
    assert found.estimate == pytest.approx(peer.root_mean_squared_error(NUMBERS[:150], GUESS[:150]))


def test_rows_of_a_group_are_drawn_together():
    groups = np.repeat(np.arange(30), 10)
    right = np.repeat(RNG.random(30) < 0.7, 10).astype(int)  # a group is right or wrong as a whole
    alone = bootstrap_interval("accuracy", np.ones(300, int), right, n_resamples=2000)
    together = bootstrap_interval("accuracy", np.ones(300, int), right, groups=groups, n_resamples=2000)
    assert together.standard_error == pytest.approx(np.sqrt(10) * alone.standard_error, rel=0.1)


def test_strings_and_columns_of_probabilities_are_taken():
    names = np.array(["ham", "spam"], dtype=object)[Y]
    p = 1 / (1 + np.exp(-SCORE))
    both = np.column_stack([1 - p, p])
    assert bootstrap_interval(
        "f1", names, np.array(["ham", "spam"], dtype=object)[LABELS], n_resamples=50
    ) == (bootstrap_interval("f1", Y, LABELS, n_resamples=50))
    found = bootstrap_interval("log_loss", names, both, classes=["ham", "spam"], n_resamples=50)
    assert found.estimate == pytest.approx(peer.log_loss(Y, p))


def test_a_class_that_resamples_miss_is_said():
    y, score = np.r_[1, np.zeros(99, int)], np.r_[1.0, np.linspace(0, 2, 99)]
    with pytest.warns(DataWarning, match="not defined on .* of 200 resamples"):
        found = bootstrap_interval("roc_auc", y, score, n_resamples=200)
    assert found.n_resamples < 200


def test_an_error_on_all_rows_is_the_measures_own():
    with pytest.raises(ValueError, match="one class only"):
        bootstrap_interval("roc_auc", np.ones(10, int), np.arange(10.0))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"method": "basic"}, "'percentile', 'bca', got 'basic'"),
        ({"confidence": 95}, "between 0 and 1, got 95"),
        ({"n_resamples": 1}, "2 or more"),
        ({"groups": [1, 2]}, "y has 300, groups has 2"),
    ],
)
def test_wrong_arguments_are_named(arguments, message):
    with pytest.raises(ValueError, match=message):
        bootstrap_interval("accuracy", Y, LABELS, **arguments)


def test_a_clearly_better_model_is_clear_and_the_same_model_is_not():
    noise = SCORE + RNG.normal(size=300) * 5
    better = compare("roc_auc", Y, SCORE, noise, n_resamples=400)
    assert better.is_clear
    assert better.difference > 0.1
    assert better.p_value < 0.02
    same = compare("roc_auc", Y, SCORE, SCORE, n_resamples=100)
    assert same[:4] == (0.0, 0.0, 0.0, 1.0)
    assert not same.is_clear


def test_pairing_forgives_what_is_hard_for_both():
    hard = RNG.normal(size=200) * 10
    first, second = NUMBERS + hard + 0.5, NUMBERS + hard
    paired = compare("mean_squared_error", NUMBERS, first, second, n_resamples=500)
    alone = bootstrap_interval("mean_squared_error", NUMBERS, first, n_resamples=500)
    assert paired.high - paired.low < (alone.high - alone.low) / 3


def test_swapping_the_models_swaps_the_difference():
    first, second = compare("accuracy", Y, LABELS, 1 - LABELS), compare("accuracy", Y, 1 - LABELS, LABELS)
    assert first.low == pytest.approx(-second.high)
    assert first.difference == -second.difference


def test_the_corrected_test_is_nadeau_and_bengios():
    data = load_breast_cancer(return_X_y=True)
    a = cross_validate(make_pipeline(StandardScaler(), LogisticRegression()), *data, folds=10)
    b = cross_validate(GaussianNB(), *data, folds=10)
    found = compare_folds(a, b)
    d = a.scores() - b.scores()
    n_test = np.mean([fold.n_test for fold in a.folds])
    n_train = np.mean([fold.n_train for fold in a.folds])
    t = d.mean() / np.sqrt((1 / 10 + n_test / n_train) * d.var(ddof=1))
    assert found.p_value == pytest.approx(2 * stats.t.sf(abs(t), 9))
    assert found.p_value > stats.ttest_rel(a.scores(), b.scores()).pvalue
    assert found.low == pytest.approx(d.mean() - stats.t.ppf(0.975, 9) * d.mean() / t)
    assert "p =" in str(found)


def test_models_without_a_difference_have_none():
    found = cross_validate(LinearRegression(), *load_diabetes(return_X_y=True))
    assert compare_folds(found, found)[:4] == (0.0, 0.0, 0.0, 1.0)


def test_different_folds_cannot_be_compared():
    data = load_diabetes(return_X_y=True)
    one, other = cross_validate(LinearRegression(), *data), cross_validate(LinearRegression(), *data, folds=4)
    with pytest.raises(ValueError, match="not validated on the same folds"):
        compare_folds(one, other)


def test_public_names_of_the_room_exist():
    import tripos.selection

    assert all(callable(getattr(tripos.selection, name)) for name in tripos.selection.__all__)
    with pytest.raises(AttributeError, match="no attribute 'bootstrap'"):
        _ = tripos.selection.bootstrap
