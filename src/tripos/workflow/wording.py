"""The sentences a run says of its numbers: the verdict, the baseline's answer, what a learning curve shows.

They are made from the record alone, the same in the terminal, the report and `metrics.json`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

_SHARES = ("accuracy", "balanced_accuracy", "precision", "recall", "f1")
_TOO_GOOD = 0.9995  # of the way from the baseline to perfection: more often a leak than a triumph


def shown(name: str, value: float | None) -> str:
    """A measure as a person reads it: shares in percent, bounded scores to three places, losses to four digits.

    Examples
    --------
    >>> shown("accuracy", 0.98612), shown("roc_auc", 0.98612), shown("root_mean_squared_error", 48123.4)
    ('98.6 %', '0.986', '48,120')
    """
    if value is None or math.isnan(value):
        return ""
    if name in _SHARES or name.rpartition("_")[0] in _SHARES:
        return f"{100 * value:.1f} %"
    if abs(value) < 2 and not name.endswith("error"):
        return f"{value:z.3f}".replace("-", "\N{MINUS SIGN}")
    return number(value)


def number(value: float, digits: int = 4) -> str:
    """A number to some significant digits, with thousands separated.

    Examples
    --------
    >>> number(1234567.0), number(0.000123456), number(12.0)
    ('1,235,000', '0.0001235', '12')
    """
    if value == 0 or not math.isfinite(value):
        return f"{value:g}"
    rounded = round(value, digits - 1 - math.floor(math.log10(abs(value))))
    return f"{rounded:,.0f}" if abs(rounded) >= 1000 else f"{rounded:.{digits}g}"


def readable_seconds(seconds: float) -> str:
    """Seconds in the unit a person would choose.

    Examples
    --------
    >>> readable_seconds(0.00042), readable_seconds(3.14159), readable_seconds(200)
    ('0.42 ms', '3.1 s', '3 min 20 s')
    """
    if math.isnan(seconds):
        return ""
    if seconds >= 100:
        return f"{int(seconds) // 60} min {int(seconds) % 60} s"
    return f"{seconds:.2g} s" if seconds >= 0.1 else f"{1000 * seconds:.2g} ms"


def baseline_says(task: Mapping[str, Any]) -> str:
    """What the baseline answers, whatever it is shown."""
    if task["kind"] == "regression":
        return "the mean for every row"
    most = max(range(len(task["counts"])), key=task["counts"].__getitem__)
    return f"“{task['classes'][most]}” for every row"


def verdict(record: Mapping[str, Any]) -> dict[str, str]:
    """The run's result in one sentence, and how much it can be trusted in another."""
    test, target, metric = record["test"], record["task"]["target"], record["metric"]
    score, base = shown(metric, test["score"]), shown(metric, test["baseline"])
    title, rows = record["metric_title"], f"{test['rows']:,}"
    instead = f"answering {baseline_says(record['task'])} gets {base}"
    if record["winner_is_baseline"]:
        headline = f"Nothing in this table was found to predict {target}."
        detail = (
            f"No candidate did better than {baseline_says(record['task'])} in cross-validation, "
            "so the model saved says just that."
        )
        return {"headline": headline, "detail": detail}
    if not beats_baseline(record):
        headline = (
            f"The columns hardly help to predict {target}: {title} {score} on {rows} unseen rows; {instead}."
        )
    else:
        headline = f"{target} can be predicted: {title} {score} on {rows} unseen rows, where {instead}."
    tried = f"{len(record['leaderboard'])} candidates" if len(record["leaderboard"]) > 1 else "one candidate"
    detail = (
        f"{record['winner']} was chosen among {tried} by {record['search']['folds']}-fold cross-validation, before the "
        f"test rows were looked at, once. {_luck(record)}"
    )
    return {"headline": headline, "detail": f"{_in_plain_terms(record)}{detail}"}


def _luck(record: Mapping[str, Any]) -> str:
    """What the interval says; without an error there is nothing to resample, and the rule of three says more."""
    test, metric = record["test"], record["metric"]
    if test["low"] == test["high"] and metric == "accuracy":
        return (
            f"None of {test['rows']:,} test rows was wrong, which leaves room for {300 / test['rows']:.1f} % of errors "
            "(95 % confidence)."
        )
    low, high = shown(metric, test["low"]), shown(metric, test["high"])
    return f"With other test rows the score would lie between {low} and {high} about 95 times in 100."


def _in_plain_terms(record: Mapping[str, Any]) -> str:
    """What the score means in rows or in the target's own unit, where the measure itself does not say it."""
    found = {row["name"]: row for row in record["test"].get("measures", ()) if "value" in row}
    if record["task"]["kind"] == "regression":
        name, says = "mean_absolute_error", "It is off by {} on average, the baseline by {}. "
    else:
        name, says = "accuracy", "It gives {} of them the right label, the baseline {}. "
    if record["metric"] in (*_SHARES, name) or name not in found:
        return ""
    return says.format(shown(name, found[name]["value"]), shown(name, found[name]["baseline"]))


def beats_baseline(record: Mapping[str, Any]) -> bool:
    """Whether the whole interval of the test score lies on the better side of the baseline."""
    test = record["test"]
    return bool(test["high"] < test["baseline"] if record["minimise"] else test["low"] > test["baseline"])


def too_good(score: float, baseline: float, perfect: float) -> bool:
    """Whether a score is so near to perfection that a leak is the likelier reason."""
    return perfect != baseline and (score - baseline) / (perfect - baseline) > _TOO_GOOD
