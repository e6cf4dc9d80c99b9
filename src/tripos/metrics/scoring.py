"""A measure as an object: what it needs from a model, which way is better, and its value for a fitted model."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from tripos.metrics.checks import labels as as_labels
from tripos.metrics.checks import place_among

_METHODS = {
    "labels": ("predict",),
    "values": ("predict",),
    "scores": ("decision_function", "predict_proba"),
    "probabilities": ("predict_proba",),
}


@dataclass(frozen=True)
class Scorer:
    """A measure, and how to take it of a fitted model.

    Called as ``scorer(estimator, X, y, sample_weight=None)`` it follows scikit-learn's scorer protocol, so it can
    be the `scoring` of its `GridSearchCV` and `cross_val_score`.

    Attributes
    ----------
    name : str
    function : callable of (y_true, prediction, *, sample_weight, **options) -> float
    greater_is_better : bool
    needs : {"labels", "scores", "probabilities", "values"}
        What `function` takes: predicted labels, a score or probability of the positive class, probabilities of
        all classes, or predicted numbers.
    tasks : tuple of {"binary", "multiclass", "regression"}
    options : tuple of (str, value)
        Further arguments of `function`.
    one_class : bool
        Whether `function` looks at one positive class and takes its `pos_label`.
    pos_label : label, optional
        That class; None: the last of the sorted classes, the one that predict_proba(X)[:, 1] speaks of.
    perfect : float
        The value of a model that is never wrong.
    title : str
        What a report calls it.
    sign : {1.0, -1.0}
        -1 for the names that begin with "neg_".
    """

    name: str
    function: Callable[..., Any]
    greater_is_better: bool
    needs: str
    tasks: tuple[str, ...]
    options: tuple[tuple[str, Any], ...] = ()
    one_class: bool = False
    pos_label: Any = None
    perfect: float = 1.0
    title: str = ""
    sign: float = 1.0

    def __call__(self, estimator: Any, X: Any, y: Any, sample_weight: Any = None) -> float:
        """The value on X, y with losses negated, so that greater is better (scikit-learn's protocol)."""
        classes = getattr(estimator, "classes_", None)
        value = self.measure(y, self.predict(estimator, X), sample_weight=sample_weight, classes=classes)
        return self.goodness(value)

    def predict(self, estimator: Any, X: Any) -> Any:
        """What the estimator says about X, in the form that `measure` takes."""
        return getattr(estimator, self.method(estimator))(X)

    def method(self, estimator: Any) -> str:
        """The estimator's method that gives what this measure needs: decision_function before predict_proba."""
        for name in _METHODS[self.needs]:
            if hasattr(estimator, name):
                return name
        raise TypeError(
            f"the measure {self.name!r} needs {' or '.join(_METHODS[self.needs])}, which "
            f"{type(estimator).__name__} does not have: choose a measure of what it predicts, such as 'accuracy' or 'r2'"
        )

    def goodness(self, value: float) -> float:
        """The value turned so that greater is better."""
        return value if self.greater_is_better else -value

    def measure(self, y: Any, prediction: Any, *, sample_weight: Any = None, classes: Any = None) -> float:
        """The value of the measure as it is reported.

        Parameters
        ----------
        y : array-like of shape (n,)
        prediction : array-like
            What `method` returns: labels, values or scores of shape (n,), or a column per class (n, n_classes).
        sample_weight : array-like of shape (n,), optional
        classes : array-like of shape (n_classes,), optional
            The model's `classes_`; needed where y lacks a class or holds one that the model never saw.
        """
        options = dict(self.options)
        if sample_weight is not None:
            options["sample_weight"] = sample_weight
        if self.needs not in ("scores", "probabilities"):
            if self.one_class:
                options["pos_label"] = self._positive(y, classes)
            return self.sign * float(self.function(y, prediction, **options))
        prediction = np.asarray(prediction)
        if prediction.ndim == 2 and prediction.shape[1] == 2 and self.needs == "scores":
            prediction = prediction[:, 1]
        if prediction.ndim == 2 and classes is not None:
            options["labels"], prediction = with_unseen(np.asarray(classes), y, prediction)
        elif self.one_class:
            options["pos_label"] = positive = self._positive(y, classes)
            if positive != _last_label(y, classes):
                prediction = -prediction  # scores speak of the last class
        return self.sign * float(self.function(y, prediction, **options))

    def _positive(self, y: Any, classes: Any) -> Any:
        return _last_label(y, classes) if self.pos_label is None else self.pos_label


def _last_label(y: Any, classes: Any) -> Any:
    """The last of the sorted classes; 1 where the rows at hand are all 0 or all -1."""
    found = np.unique(as_labels(y, "y_true")) if classes is None else np.asarray(classes)
    last = found[-1]
    return 1 if len(found) == 1 and not isinstance(last, str) and last in (-1, 0) else last


def with_unseen(classes: np.ndarray, y: Any, columns: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Classes and columns widened by the labels of y that the model never saw, at probability zero.

    A rare class can lie in one fold only; the model that was trained on the others gives it no chance, and is
    charged for that.

    Returns
    -------
    classes : ndarray of shape (n_all,), sorted
    columns : ndarray of shape (n, n_all)
    """
    true, classes = as_labels(y, "y_true"), as_labels(classes, "classes")
    _, known = place_among(true, classes)
    if known.all():
        return classes, columns
    everything = np.union1d(classes, true[~known])
    wide = np.zeros((len(columns), len(everything)), columns.dtype)
    wide[:, np.searchsorted(everything, classes)] = columns
    return everything, wide
