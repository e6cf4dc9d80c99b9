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
        return f"{value:.3f}"
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
        detail = f"No candidate did better than {baseline_says(record['task'])} in cross-validation, so the model saved says just that."
        return {"headline": headline, "detail": detail}
    if not beats_baseline(record):
        headline = f"The columns hardly help to predict {target}: {title} {score} on {rows} unseen rows, where {instead}."
    else:
        headline = f"{target} can be predicted: {title} {score} on {rows} unseen rows, where {instead}."
    interval = f"{shown(metric, test['low'])} and {shown(metric, test['high'])}"
    tried = f"{len(record['leaderboard'])} candidates" if len(record["leaderboard"]) > 1 else "one candidate"
    detail = (
        f"{record['winner']} was chosen among {tried} by {record['search']['folds']}-fold cross-validation, before the "
        f"test rows were looked at, once. With other test rows the score would lie between {interval} about 95 times in 100."
    )
    return {"headline": headline, "detail": detail}


def beats_baseline(record: Mapping[str, Any]) -> bool:
    """Whether the whole interval of the test score lies on the better side of the baseline."""
    test = record["test"]
    return bool(test["high"] < test["baseline"] if record["minimise"] else test["low"] > test["baseline"])


def too_good(score: float, baseline: float, perfect: float) -> bool:
    """Whether a score is so near to perfection that a leak is the likelier reason."""
    return perfect != baseline and (score - baseline) / (perfect - baseline) > _TOO_GOOD


def diagnose(
    sizes: list[int], train: list[list[float]], valid: list[list[float]], *, baseline: float, perfect: float
) -> dict[str, str]:
    """What a learning curve says: would more rows help, does the model vary too much or bend too little.

    Distances are measured on the way from the baseline to perfection, so that the same words fit every measure.

    Parameters
    ----------
    sizes : list of int
    train, valid : list of list of float
        For each size the score of each repeat, on rows trained on and on rows held out.
    """
    span = (perfect - baseline) or 1.0
    fit, held = [_mean(row) for row in train], [_mean(row) for row in valid]
    if len(sizes) < 2:
        return {"headline": "There are too few rows for a curve.", "text": ""}
    rise = (held[-1] - held[0]) / span
    half = min(range(len(sizes) - 1), key=lambda i: abs(sizes[i] - sizes[-1] / 2))
    late = (held[-1] - held[half]) / span
    gap = (fit[-1] - held[-1]) / span
    noise = _standard_error(valid[-1]) / abs(span)
    if rise <= max(noise, 0.01):
        headline = "P does not rise with E: these columns say little about the target, or the model cannot use what they say."
    elif late > max(noise, 0.01):
        headline = f"P was still rising at the end: the last doubling of E brought {100 * late:.1f} % of what there is to gain, so more rows would help."
    else:
        headline = "P rose and has levelled off: more rows of the same kind would change little."
    if gap > 0.1:
        text = (
            f"On rows trained on, P is higher by {100 * gap:.0f} % of what there is to gain: variance. "
            "More rows, fewer columns or a simpler model would narrow the gap."
        )
    elif (perfect - held[-1]) / span > 0.3:
        text = "Both curves meet, at some distance from perfection: bias, or noise in the target. A richer model or other columns are needed."
    else:
        text = "Both curves meet: the model fits new rows as well as those it learned from."
    return {"headline": headline, "text": text}


def _mean(values: list[float]) -> float:
    return sum(values) / len(values)


def _standard_error(values: list[float]) -> float:
    if len(values) < 2:
        return 0.0
    mean = _mean(values)
    return math.sqrt(sum((v - mean) ** 2 for v in values) / (len(values) - 1) / len(values))
