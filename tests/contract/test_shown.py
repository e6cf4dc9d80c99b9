"""Promise 9: every estimator can be looked at; and its documentation says what it must."""

from __future__ import annotations

import inspect

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import pytest
from sklearn.base import clone
from sklearn.utils import estimator_html_repr

from tripos.base import Estimator

from . import cases


@cases.every_estimator
def test_plot_draws_something(estimator):
    X, y = cases.arrays(estimator)
    axes = clone(estimator).fit(X, y).plot()
    try:
        drawn = axes.lines or axes.patches or axes.collections or axes.images
        assert drawn
        assert axes.get_title() or axes.get_xlabel()
    finally:
        plt.close("all")


@cases.every_estimator
def test_summary_names_the_model_and_its_columns(estimator):
    frame, y = cases.table(estimator)
    model = clone(estimator).fit(frame, y)
    text = str(model.summary())
    assert type(estimator).__name__ in text
    if model.encoded_feature_names_.size and "content" not in estimator.exceptions:
        assert any(str(name) in text for name in model.encoded_feature_names_)


@cases.every_estimator
def test_notebooks_show_it(estimator):
    X, y = cases.arrays(estimator)
    assert type(estimator).__name__ in estimator_html_repr(clone(estimator).fit(X, y))


@cases.every_class
@pytest.mark.parametrize("section", ["Parameters\n", "Attributes\n", "References\n", "Examples\n"])
def test_the_docstring_has_its_sections(cls, section):
    text = inspect.getdoc(cls) or ""
    assert section in text
    if section == "Parameters\n":
        missing = [name for name in cls().get_params() if f"{name} :" not in text]
        assert not missing


@cases.every_class
def test_declared_exceptions_have_reasons(cls):
    assert issubclass(cls, Estimator)
    for promise, reason in cls.exceptions.items():
        assert len(reason.split()) >= 4, f"{cls.__name__} gives no reason for {promise}"
        assert reason in inspect.getdoc(cls), "the documentation shows the reason"
