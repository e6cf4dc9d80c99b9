"""A wrong argument is refused with its name, what it holds and what to pass instead."""

from __future__ import annotations

import re

import numpy as np
import pandas as pd
import polars as pl
import pytest

import tripos.metrics as m

Y, P = [0, 1, 1, 0], [0.1, 0.8, 0.6, 0.3]

REFUSED = {
    "length of labels": (lambda: m.accuracy_score([0, 1, 1], [0, 1]), "y_true has 3, y_pred has 2"),
    "length of scores": (lambda: m.roc_auc_score(Y, P[:3]), "y_true has 4, y_score has 3"),
    "length of weights": (
        lambda: m.f1_score(Y, Y, sample_weight=[1, 2]),
        r"sample_weight must have shape \(4,\)",
    ),
    "length of values": (lambda: m.r2_score([1.0, 2.0], [1.0]), "y_true has 2, y_pred has 1"),
    "no rows": (lambda: m.accuracy_score([], []), "are empty"),
    "NaN label": (lambda: m.accuracy_score([0, np.nan], [0, 1]), "y_true holds a missing value .* row 1"),
    "None label": (lambda: m.accuracy_score(["a", None], ["a", "a"]), "missing labels, first at row 1"),
    "NaN score": (lambda: m.roc_auc_score(Y, [0.1, np.nan, 0.3, 0.2]), "nan at row 1"),
    "NaN value": (lambda: m.mean_squared_error([1, 2], [1, np.nan]), "y_pred holds a missing value .* row 1"),
    "infinite value": (
        lambda: m.mean_absolute_error([1, -np.inf], [1, 2]),
        "y_true holds an infinite value at row 1",
    ),
    "infinite matrix": (lambda: m.r2_score([[1, 2], [3, np.inf]], [[1, 2], [3, 4]]), "row 1, column 1"),
    "one class": (lambda: m.roc_auc_score([1, 1], [0.2, 0.4]), "one class only, .*1.*: the area"),
    "one string class": (lambda: m.roc_auc_score(["a", "a"], [0.2, 0.4]), "one class only"),
    "one class weighs": (lambda: m.roc_auc_score([0, 1], [0, 1], sample_weight=[0, 1]), "sample_weight zero"),
    "scores for labels": (lambda: m.accuracy_score(Y, P), "y_pred is continuous .row 0 holds 0.1."),
    "columns for labels": (lambda: m.f1_score(Y, np.ones((4, 2))), r"y_pred has shape \(4, 2\)"),
    "labels for scores": (
        lambda: m.roc_auc_score(Y, ["a", "b", "b", "a"]),
        "y_score .scores or probabilities",
    ),
    "labels for values": (lambda: m.mean_squared_error([1, 2], ["one", "two"]), "y_pred must hold numbers"),
    "two columns of scores": (lambda: m.roc_auc_score(Y, np.ones((4, 2))), r"predict_proba\(X\)\[:, 1\]"),
    "scores for probabilities": (lambda: m.log_loss(Y, [-1.0, 2.0, 0.5, 0.1]), "from -1 to 2"),
    "NaN probability": (lambda: m.brier_score_loss(Y, [0.1, np.nan, 0.5, 0.1]), "nan at row 1"),
    "strings against numbers": (lambda: m.accuracy_score(["a", "b"], [0, 1]), "strings .* numbers"),
    "mixed labels": (lambda: m.accuracy_score(["a", 1], ["a", "b"]), "mixes int and str"),
    "bytes": (lambda: m.accuracy_score([b"a"], [b"a"]), "labels are integers, booleans or strings"),
    "dates": (
        lambda: m.accuracy_score(np.array(["2020"], "M8[Y]"), np.array(["2020"], "M8[Y]")),
        "datetime64",
    ),
    "three dimensions": (lambda: m.mean_squared_error(np.ones((2, 2, 2)), np.ones(2)), "got 3 dimensions"),
    "binary average of three": (lambda: m.f1_score([0, 1, 2], [0, 1, 2]), "3 classes but average='binary'"),
    "absent positive": (lambda: m.f1_score(Y, Y, pos_label=7), "pos_label=7 does not occur"),
    "unnamed positive": (lambda: m.roc_curve(["a", "b"], [0, 1]), "pos_label='b'"),
    "absent labels": (lambda: m.confusion_matrix(Y, Y, labels=[5, 6]), r"none of the labels \[5, 6\]"),
    "unknown average": (lambda: m.f1_score(Y, Y, average="mean"), "average must be one of .* got 'mean'"),
    "unknown kappa weights": (
        lambda: m.cohen_kappa_score(Y, Y, weights="cubic"),
        "'linear', 'quadratic', got 'cubic'",
    ),
    "zero division": (lambda: m.f1_score(Y, Y, zero_division=0.5), "zero_division must be"),
    "negative beta": (lambda: m.fbeta_score(Y, Y, beta=-1), "beta must be"),
    "max_fpr": (lambda: m.roc_auc_score(Y, P, max_fpr=0), r"\(0, 1\], got 0"),
    "multiclass unasked": (lambda: m.roc_auc_score([0, 1, 2], np.eye(3)), "multi_class"),
    "no probabilities": (
        lambda: m.roc_auc_score([0, 1, 2], 2 * np.eye(3), multi_class="ovr"),
        "row 0 sums to 2",
    ),
    "columns and classes": (lambda: m.log_loss([0, 1, 2], [[0.5, 0.5]] * 3), "2 columns for 3 classes"),
    "unlisted label": (lambda: m.log_loss([0, 3], [[0.5, 0.5]] * 2, labels=[0, 1]), r"not in labels: \[3\]"),
    "one label": (lambda: m.log_loss([1, 1], [0.5, 0.5]), "one label only"),
    "negative weight": (lambda: m.accuracy_score(Y, Y, sample_weight=[1, -1, 1, 1]), "found -1 at row 1"),
    "NaN weight": (lambda: m.accuracy_score(Y, Y, sample_weight=[1, np.nan, 1, 1]), "found nan at row 1"),
    "weights all zero": (lambda: m.r2_score(Y, Y, sample_weight=[0] * 4), "zero everywhere"),
    "outputs": (lambda: m.mean_squared_error([[1, 2]], [[1, 2, 3]]), "2 outputs but y_pred has 3"),
    "multioutput": (
        lambda: m.mean_squared_error([[1, 2]], [[1, 2]], multioutput=[1, 2, 3]),
        "3 weights for 2",
    ),
    "multioutput name": (
        lambda: m.r2_score([1, 2], [1, 2], multioutput="mean"),
        "multioutput must be one of",
    ),
    "alpha": (lambda: m.mean_pinball_loss([1], [1], alpha=2), r"\[0, 1\], got 2"),
    "log of minus two": (lambda: m.mean_squared_log_error([1], [-2]), "y_pred holds -2"),
    "turning x": (lambda: m.auc([0, 2, 1], [0, 1, 1]), "turns at position 2"),
    "one point": (lambda: m.auc([0], [0]), "at least two points"),
    "target names": (
        lambda: m.classification_report(Y, Y, target_names=["only one"]),
        "1 names for 2 classes",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_wrong_argument_is_refused_by_name(case):
    call, message = REFUSED[case]
    with pytest.raises(ValueError) as caught:
        call()
    assert re.search(message, str(caught.value)), str(caught.value)


LABELS = ["no", "yes", "yes", "no"]
FORMS = {
    "list": LABELS,
    "numpy objects": np.array(LABELS, dtype=object),
    "numpy variable width": np.array(LABELS, dtype=np.dtypes.StringDType()),
    "pandas": pd.Series(LABELS, index=[9, 8, 7, 6]),
    "pandas category": pd.Series(LABELS, dtype="category"),
    "pandas string": pd.Series(LABELS, dtype="string"),
    "pandas frame": pd.DataFrame({"label": LABELS}),
    "polars": pl.Series(LABELS),
    "polars category": pl.Series(LABELS, dtype=pl.Categorical),
    "polars frame": pl.DataFrame({"label": LABELS}),
    "column": np.array(LABELS)[:, None],
}


@pytest.mark.parametrize("form", FORMS)
def test_labels_are_taken_in_every_form(form):
    assert m.accuracy_score(FORMS[form], ["no", "yes", "no", "no"]) == 0.75
    assert m.roc_auc_score(FORMS[form], [0.1, 0.8, 0.6, 0.6]) == 0.875


@pytest.mark.parametrize("form", [pd.Series, pl.Series, np.array, list, tuple])
def test_values_are_taken_in_every_form(form):
    assert m.mean_absolute_error(form([1.0, 2.0]), form([2.0, 2.0])) == 0.5


@pytest.mark.parametrize("dtype", ["Int64", "boolean", "Float64"])
def test_missing_labels_of_pandas_own_types_are_refused(dtype):
    with pytest.raises(ValueError, match="missing"):
        m.accuracy_score(pd.Series([1, None], dtype=dtype), [1, 1])
