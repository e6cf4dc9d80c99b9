"""Every measure by name, and which one ranks models on which task.

>>> scorer("roc_auc").greater_is_better
True
>>> scorer("rocauc")
Traceback (most recent call last):
    ...
ValueError: no measure is called 'rocauc'; close are 'roc_auc', 'roc_auc_ovr', 'roc_auc_ovo'
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from tripos.metrics import (
    agreement,
    classification,
    deviance,
    probability,
    quantile,
    ranking,
    regression,
    roc_auc,
)
from tripos.metrics.checks import labels as as_labels
from tripos.metrics.scoring import Scorer

__all__ = ["SCORERS", "Scorer", "default_scorer", "report_scorers", "scorer"]

_CLASSES = ("binary", "multiclass")
_NUMBERS = ("regression",)

# name, title, function, needs, tasks, options
_GAINS: tuple[tuple[str, str, Callable[..., Any], str, tuple[str, ...], dict[str, Any]], ...] = (
    ("accuracy", "accuracy", agreement.accuracy_score, "labels", _CLASSES, {}),
    ("balanced_accuracy", "balanced accuracy", agreement.balanced_accuracy_score, "labels", _CLASSES, {}),
    ("matthews_corrcoef", "Matthews correlation", agreement.matthews_corrcoef, "labels", _CLASSES, {}),
    ("cohen_kappa", "Cohen's kappa", agreement.cohen_kappa_score, "labels", _CLASSES, {}),
    ("roc_auc", "ROC AUC", roc_auc.roc_auc_score, "scores", ("binary",), {}),
    ("roc_auc_ovr", "ROC AUC", roc_auc.roc_auc_score, "probabilities", _CLASSES, {"multi_class": "ovr"}),
    (
        "roc_auc_ovo",
        "ROC AUC of pairs",
        roc_auc.roc_auc_score,
        "probabilities",
        _CLASSES,
        {"multi_class": "ovo"},
    ),
    ("average_precision", "average precision", ranking.average_precision_score, "scores", ("binary",), {}),
    ("d2_log_loss_score", "D2 log loss", probability.d2_log_loss_score, "probabilities", _CLASSES, {}),
    ("d2_brier_score", "D2 Brier", probability.d2_brier_score, "probabilities", _CLASSES, {}),
    ("r2", "R2", regression.r2_score, "values", _NUMBERS, {}),
    ("explained_variance", "explained variance", regression.explained_variance_score, "values", _NUMBERS, {}),
    (
        "d2_absolute_error_score",
        "D2 absolute error",
        quantile.d2_absolute_error_score,
        "values",
        _NUMBERS,
        {},
    ),
)
# name, title, function, needs, tasks
_LOSSES: tuple[tuple[str, str, Callable[..., Any], str, tuple[str, ...]], ...] = (
    ("log_loss", "log loss", probability.log_loss, "probabilities", _CLASSES),
    ("brier_score", "Brier score", probability.brier_score_loss, "probabilities", _CLASSES),
    ("root_mean_squared_error", "RMSE", regression.root_mean_squared_error, "values", _NUMBERS),
    ("mean_squared_error", "MSE", regression.mean_squared_error, "values", _NUMBERS),
    ("mean_absolute_error", "MAE", regression.mean_absolute_error, "values", _NUMBERS),
    ("median_absolute_error", "median absolute error", quantile.median_absolute_error, "values", _NUMBERS),
    ("mean_absolute_percentage_error", "MAPE", regression.mean_absolute_percentage_error, "values", _NUMBERS),
    ("mean_squared_log_error", "MSLE", regression.mean_squared_log_error, "values", _NUMBERS),
    ("root_mean_squared_log_error", "RMSLE", regression.root_mean_squared_log_error, "values", _NUMBERS),
    ("max_error", "largest error", regression.max_error, "values", _NUMBERS),
    ("mean_pinball_loss", "pinball loss", quantile.mean_pinball_loss, "values", _NUMBERS),
    ("mean_poisson_deviance", "Poisson deviance", deviance.mean_poisson_deviance, "values", _NUMBERS),
    ("mean_gamma_deviance", "gamma deviance", deviance.mean_gamma_deviance, "values", _NUMBERS),
)
_ALIASES = {
    "auc": "roc_auc",
    "mcc": "matthews_corrcoef",
    "kappa": "cohen_kappa",
    "rmse": "root_mean_squared_error",
    "mse": "mean_squared_error",
    "mae": "mean_absolute_error",
    "mape": "mean_absolute_percentage_error",
    "brier_score_loss": "brier_score",
}
_REPORTED = {
    "binary": (
        "roc_auc",
        "accuracy",
        "balanced_accuracy",
        "f1",
        "average_precision",
        "log_loss",
        "brier_score",
    ),
    "multiclass": ("accuracy", "balanced_accuracy", "f1_macro", "roc_auc_ovr", "log_loss", "brier_score"),
    "regression": ("r2", "root_mean_squared_error", "mean_absolute_error", "median_absolute_error"),
}
_MUCH_RARER = 0.5  # a class with less than this share of an even split makes the classes unbalanced


def _all() -> Iterator[Scorer]:
    for name, title, function, needs, tasks, options in _GAINS:
        one_class = function is ranking.average_precision_score
        yield Scorer(name, function, True, needs, tasks, tuple(options.items()), one_class, title=title)
        if name in ("roc_auc_ovr", "roc_auc_ovo"):
            weighted = (*options.items(), ("average", "weighted"))
            yield Scorer(
                f"{name}_weighted", function, True, needs, tasks, weighted, title=f"{title} (weighted)"
            )
    for name, title in (("precision", "precision"), ("recall", "recall"), ("f1", "F1")):
        function = getattr(classification, f"{name}_score")
        quiet = ("zero_division", 0.0)  # a fold without a predicted positive is a zero, not a warning
        yield Scorer(name, function, True, "labels", ("binary",), (quiet,), one_class=True, title=title)
        for average in ("macro", "micro", "weighted"):
            options_ = (("average", average), quiet)
            yield Scorer(
                f"{name}_{average}",
                function,
                True,
                "labels",
                _CLASSES,
                options_,
                title=f"{title} ({average})",
            )
    for name, title, function, needs, tasks in _LOSSES:
        loss = Scorer(name, function, False, needs, tasks, perfect=0.0, title=title)
        yield loss
        yield replace(loss, name=f"neg_{name}", greater_is_better=True, sign=-1.0, title=f"-{title}")


SCORERS: dict[str, Scorer] = {found.name: found for found in _all()}


def scorer(name: str | Scorer, *, task: str | None = None, pos_label: Any = None) -> Scorer:
    """The measure of that name.

    Parameters
    ----------
    name : str or Scorer
        A name that scikit-learn's `scoring` knows ("roc_auc", "neg_log_loss", ...), the same without "neg_"
        for a loss in its own units, or "auc", "rmse", "mse", "mae", "mape", "mcc", "kappa".
    task : {"binary", "multiclass", "regression"}, optional
        Refuse a measure that is not defined for this task.
    pos_label : label, optional
        The positive class of precision, recall, F1 and average precision; default: the last of the sorted classes.

    Raises
    ------
    ValueError
        With the closest names, or with the measures of the task.
    """
    if not isinstance(name, (str, Scorer)):
        raise TypeError(
            f"a measure is given by name or as a tripos.metrics.Scorer, got {type(name).__name__}"
        )
    found = name if isinstance(name, Scorer) else _named(name)
    if task is not None and task not in found.tasks:
        suitable = ", ".join(
            other.name for other in SCORERS.values() if task in other.tasks and other.sign > 0
        )
        raise ValueError(
            f"the measure {found.name!r} is for {' and '.join(found.tasks)}, not {task}: choose from {suitable}"
        )
    if pos_label is not None and found.one_class:
        found = replace(found, pos_label=pos_label)
    return found


def _named(name: str) -> Scorer:
    plain = name.removeprefix("neg_")
    if plain in _ALIASES:
        name = name.replace(plain, _ALIASES[plain])
    if name in SCORERS:
        return SCORERS[name]
    close = difflib.get_close_matches(name, [*SCORERS, *_ALIASES], n=3, cutoff=0.5)
    hint = f"close are {', '.join(map(repr, close))}" if close else f"known are {', '.join(sorted(SCORERS))}"
    raise ValueError(f"no measure is called {name!r}; {hint}")


def default_scorer(task: str, y: Any = None) -> Scorer:
    """The measure that ranks models on a task when nobody chose one.

    Two classes: the area under the ROC curve, which needs no threshold. More classes: accuracy, or balanced
    accuracy where some class is much rarer than an even split. Regression: R2.

    Parameters
    ----------
    task : {"binary", "multiclass", "regression"}
    y : array-like of shape (n,), optional
        The target, for the balance of its classes.
    """
    name = report_scorers(task)[0].name
    if task == "multiclass" and y is not None:
        _, counts = np.unique(as_labels(y, "y"), return_counts=True)
        if counts.min() < _MUCH_RARER * counts.mean():
            name = "balanced_accuracy"
    return SCORERS[name]


def report_scorers(task: str) -> tuple[Scorer, ...]:
    """The measures a report shows for a task, the one that ranks by default first."""
    if task not in _REPORTED:
        raise ValueError(f"task must be one of {', '.join(map(repr, _REPORTED))}, got {task!r}")
    return tuple(SCORERS[name] for name in _REPORTED[task])
