"""The sentences say what the numbers say."""

from __future__ import annotations

from tripos.workflow import wording


def record(**changes) -> dict:
    test = {"rows": 1000, "score": 0.9, "low": 0.88, "high": 0.92, "baseline": 0.8, **changes.pop("test", {})}
    return {
        "task": {"kind": "binary", "target": "churn", "classes": ["no", "yes"], "counts": [800, 200]},
        **{
            "metric": "accuracy",
            "metric_title": "accuracy",
            "minimise": False,
            "winner": "Ridge",
            "test": test,
        },
        **{"winner_is_baseline": False, "leaderboard": [{}, {}], "search": {"folds": 5}, **changes},
    }


def test_a_clear_win_is_said_with_the_baseline_beside_it():
    headline = wording.verdict(record())["headline"]
    assert (
        headline
        == "churn can be predicted: accuracy 90.0 % on 1,000 unseen rows, where answering “no” for every row gets 80.0 %."
    )


def test_an_interval_that_holds_the_baseline_is_no_win():
    assert "hardly help" in wording.verdict(record(test={"low": 0.79}))["headline"]


def test_a_winning_baseline_is_said_plainly():
    assert (
        wording.verdict(record(winner_is_baseline=True))["headline"]
        == "Nothing in this table was found to predict churn."
    )


def test_for_a_loss_lower_is_the_better_side():
    loss = record(
        metric="log_loss", minimise=True, test={"score": 0.3, "low": 0.28, "high": 0.32, "baseline": 0.5}
    )
    assert wording.beats_baseline(loss)
