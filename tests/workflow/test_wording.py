"""The sentences say what the numbers say."""

from __future__ import annotations

import pytest

from tripos.workflow import wording


def record(**changes) -> dict:
    test = {"rows": 1000, "score": 0.9, "low": 0.88, "high": 0.92, "baseline": 0.8, **changes.pop("test", {})}
    return {
        "task": {"kind": "binary", "target": "churn", "classes": ["no", "yes"], "counts": [800, 200]},
        **{"metric": "accuracy", "metric_title": "accuracy", "minimise": False, "winner": "Ridge", "test": test},
        **{"winner_is_baseline": False, "leaderboard": [{}, {}], "search": {"folds": 5}, **changes},
    }


def test_a_clear_win_is_said_with_the_baseline_beside_it():
    headline = wording.verdict(record())["headline"]
    assert headline == "churn can be predicted: accuracy 90.0 % on 1,000 unseen rows, where answering “no” for every row gets 80.0 %."


def test_an_interval_that_holds_the_baseline_is_no_win():
    assert "hardly help" in wording.verdict(record(test={"low": 0.79}))["headline"]


def test_a_winning_baseline_is_said_plainly():
    assert wording.verdict(record(winner_is_baseline=True))["headline"] == "Nothing in this table was found to predict churn."


def test_for_a_loss_lower_is_the_better_side():
    loss = record(metric="log_loss", minimise=True, test={"score": 0.3, "low": 0.28, "high": 0.32, "baseline": 0.5})
    assert wording.beats_baseline(loss)


@pytest.mark.parametrize(
    ("train", "valid", "says"),
    [
        ([1.0, 1.0, 1.0], [0.6, 0.62, 0.64], "variance"),
        ([0.7, 0.66, 0.65], [0.6, 0.645, 0.645], "bias"),
        ([0.99, 0.985, 0.98], [0.9, 0.975, 0.98], "Both curves meet: the model fits"),
    ],
)
def test_the_diagnosis_tells_variance_from_bias_from_a_good_fit(train, valid, says):
    found = wording.diagnose([50, 500, 1000], [[v] for v in train], [[v] for v in valid], baseline=0.5, perfect=1.0)
    assert says in found["text"]


@pytest.mark.parametrize(
    ("valid", "says"),
    [([0.6, 0.7, 0.8], "more rows would help"), ([0.6, 0.9, 0.9], "levelled off"), ([0.5, 0.5, 0.5], "does not rise")],
)
def test_the_diagnosis_says_whether_more_rows_would_help(valid, says):
    found = wording.diagnose([50, 500, 1000], [[1.0]] * 3, [[v] for v in valid], baseline=0.5, perfect=1.0)
    assert says in found["headline"]


def test_a_falling_loss_is_a_rising_performance():
    found = wording.diagnose([50, 500, 1000], [[0.1]] * 3, [[5.0], [3.0], [1.0]], baseline=6.0, perfect=0.0)
    assert "more rows would help" in found["headline"]
