"""Bad input: a ValueError or TypeError that names what was found and where; never a wrong number in silence."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.base import clone, is_classifier
from sklearn.exceptions import NotFittedError

from . import cases

reads_X = pytest.mark.parametrize(
    "estimator", [e for e in cases.instances() if "content" not in e.exceptions], ids=cases.named
)


@reads_X
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_infinity_at_fit_is_named_with_row_and_column(estimator, dtype):
    X, y = cases.arrays(estimator)
    X = X.astype(dtype)
    X[17, 3] = np.inf
    with pytest.raises(ValueError, match="row 17, column 3"):
        clone(estimator).fit(X, y)


@reads_X
@pytest.mark.parametrize("rows", [1, 160])
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_what_is_not_finite_at_predict_is_named_with_row_and_column(estimator, rows, bad):
    if np.isnan(bad) and estimator.needs.missing == "native":
        pytest.skip(f"NaN is one more value to {type(estimator).__name__}")
    X, y = cases.arrays(estimator)
    model = clone(estimator).fit(X, y)
    X = X[:rows].copy()
    X[rows - 1, 3] = bad
    for method in ("predict", "predict_proba", "decision_function"):
        if hasattr(model, method):
            with pytest.raises(ValueError, match=f"row {rows - 1}, column 3"):
                getattr(model, method)(X)


@cases.every_estimator
def test_predict_before_fit_says_so(estimator):
    with pytest.raises(NotFittedError, match="fit"):
        clone(estimator).predict(np.zeros((1, 3)))


@reads_X
def test_another_number_of_columns_is_named(estimator):
    X, y = cases.arrays(estimator)
    model = clone(estimator).fit(X, y)
    with pytest.raises(ValueError, match="4.*5|5.*4"):
        model.predict(X[:, :4])


@cases.every_learner
def test_lengths_that_differ_are_named(estimator):
    X, y = cases.arrays(estimator)
    with pytest.raises(ValueError, match="160.*159|159.*160"):
        clone(estimator).fit(X, y[:-1])


@cases.every_learner
def test_a_missing_target_is_refused(estimator):
    X, y = cases.arrays(estimator)
    target = y.astype(object) if is_classifier(estimator) else y.astype(float)
    target[9] = None if is_classifier(estimator) else np.nan
    with pytest.raises(ValueError, match="9"):
        clone(estimator).fit(X, target)


@cases.every_estimator
def test_an_unknown_parameter_value_is_refused_by_name(estimator):
    X, y = cases.arrays(estimator)
    numeric = [
        n
        for n, v in estimator.get_params().items()
        if isinstance(v, (float, int)) and not isinstance(v, bool)
    ]
    for name in numeric:
        with pytest.raises((ValueError, TypeError), match=name):
            clone(estimator).set_params(**{name: "surely not"}).fit(X, y)
