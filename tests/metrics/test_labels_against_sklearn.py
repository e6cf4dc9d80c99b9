"""Every measure of predicted labels gives scikit-learn's number: real tables, and random labels with every argument."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
import sklearn.metrics as peer
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose

import tripos.metrics as ours

KINDS = {
    "integers": lambda codes: codes,
    "signs": lambda codes: 2 * codes - 1,
    "floats": lambda codes: codes.astype(np.float64),
    "booleans": lambda codes: codes > 0,
    "strings": lambda codes: np.array(["ham", "spam", "eggs", "toast", "beans"])[codes],
    "objects": lambda codes: np.array(["ham", "spam", "eggs", "toast", "beans"], dtype=object)[codes],
    "far apart": lambda codes: codes.astype(np.int64) * 10**12 - 7,
    "lists": lambda codes: codes.tolist(),
}


@st.composite
def labelled_rows(draw, max_classes=5):
    """True and predicted labels of one kind, and weights (none, whole numbers with zeros, or fractions)."""
    n, k = draw(st.integers(1, 40)), draw(st.integers(1, max_classes))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    kind = KINDS[draw(st.sampled_from(sorted(KINDS)))]
    true, predicted = rng.integers(0, k, n), rng.integers(0, k, n)
    weight = {"none": None, "whole": rng.integers(0, 3, n), "fractions": rng.random(n) + 0.01}[
        draw(st.sampled_from(["none", "whole", "fractions"]))
    ]
    if weight is not None and not weight.any():
        weight = None
    return kind(true), kind(predicted), weight


def same(name, *args, **kwargs):
    """Both libraries agree to 1e-12 (NaN equals NaN), or both refuse."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            expected = getattr(peer, name)(*args, **kwargs)
        except ValueError:
            with pytest.raises(ValueError):
                getattr(ours, name)(*args, **kwargs)
            return
        found = getattr(ours, name)(*args, **kwargs)
    for one, other in zip(_parts(found), _parts(expected), strict=True):
        if other is None:
            assert one is None
        else:
            assert_allclose(one, other, rtol=1e-12, atol=1e-12)


def _parts(result):
    return result if isinstance(result, tuple) else (result,)


@given(labelled_rows(), st.sampled_from(["accuracy_score", "matthews_corrcoef", "cohen_kappa_score"]))
def test_agreement_equals_sklearn(rows, name):
    true, predicted, weight = rows
    same(name, true, predicted, sample_weight=weight)


@given(labelled_rows())
def test_weight_of_right_rows_equals_sklearn(rows):
    true, predicted, weight = rows
    same("accuracy_score", true, predicted, sample_weight=weight, normalize=False)


@given(labelled_rows(), st.booleans())
def test_balanced_accuracy_equals_sklearn(rows, adjusted):
    true, predicted, weight = rows
    same("balanced_accuracy_score", true, predicted, sample_weight=weight, adjusted=adjusted)


@given(labelled_rows(), st.sampled_from(["linear", "quadratic", None]), st.booleans())
def test_kappa_with_costs_equals_sklearn(rows, weights, some_labels):
    true, predicted, weight = rows
    labels = np.unique(true)[::-1][:3] if some_labels else None
    same("cohen_kappa_score", true, predicted, weights=weights, sample_weight=weight, labels=labels)


@given(
    labelled_rows(),
    st.sampled_from([None, "true", "pred", "all"]),
    st.sampled_from(["all", "reversed", "some"]),
)
def test_confusion_matrix_equals_sklearn(rows, normalize, which):
    true, predicted, weight = rows
    present = np.unique(np.r_[true, predicted])
    labels = {"all": None, "reversed": present[::-1], "some": present[:2]}[which]
    same("confusion_matrix", true, predicted, labels=labels, sample_weight=weight, normalize=normalize)


def test_confusion_matrix_counts_in_integers_unless_weights_are_fractions():
    assert ours.confusion_matrix([0, 1], [0, 1]).dtype == np.int64
    assert ours.confusion_matrix([0, 1], [0, 1], sample_weight=[2, 1]).dtype == np.int64
    assert ours.confusion_matrix([0, 1], [0, 1], sample_weight=[2.0, 1.0]).dtype == np.float64


@given(
    labelled_rows(),
    st.sampled_from([None, "micro", "macro", "weighted"]),
    st.sampled_from([0.0, 0.5, 1.0, 2.0, np.inf]),
    st.sampled_from(["warn", 0.0, 1.0, np.nan]),
    st.sampled_from(["all", "reversed", "some", "strangers"]),
)
def test_precision_recall_fscore_equal_sklearn(rows, average, beta, zero_division, which):
    true, predicted, weight = rows
    present = np.unique(np.r_[true, predicted])
    stranger = np.array(["zest"]) if isinstance(present[-1], str) else np.array([present[-1] + 3])
    labels = {
        "all": None,
        "reversed": present[::-1],
        "some": present[:2],
        "strangers": np.r_[present, stranger],
    }[which]
    same(
        "precision_recall_fscore_support",
        true,
        predicted,
        average=average,
        beta=beta,
        zero_division=zero_division,
        labels=labels,
        sample_weight=weight,
    )


@given(labelled_rows(max_classes=2), st.sampled_from(["precision_score", "recall_score", "f1_score"]))
def test_scores_of_the_positive_class_equal_sklearn(rows, name):
    true, predicted, weight = rows
    for pos_label in np.unique(np.r_[true, predicted]):
        same(name, true, predicted, pos_label=pos_label, sample_weight=weight, zero_division=0.0)


@given(labelled_rows(max_classes=3))
def test_default_arguments_accept_and_refuse_what_sklearn_does(rows):
    true, predicted, _ = rows
    same("f1_score", true, predicted)
    same("fbeta_score", true, predicted, beta=0.5)


@given(labelled_rows(), st.booleans(), st.sampled_from([0, 2, 4]))
def test_report_equals_sklearn_to_the_letter(rows, some_labels, digits):
    true, predicted, weight = rows
    labels = np.unique(true)[:2] if some_labels else None
    arguments = {"labels": labels, "sample_weight": weight, "zero_division": 0.0}
    found = ours.classification_report(true, predicted, output_dict=True, **arguments)
    expected = peer.classification_report(true, predicted, output_dict=True, **arguments)
    assert list(found) == list(expected)
    for name, row in expected.items():
        assert_allclose(np.array(list(np.atleast_1d(_values(found[name])))), _values(row), rtol=1e-12)
    # printed sums of fractions may differ in their last digit; without a right row scikit-learn counts in floats
    if weight is None and np.any(np.equal(true, predicted)):
        text = ours.classification_report(true, predicted, digits=digits, **arguments)
        assert text == peer.classification_report(true, predicted, digits=digits, **arguments)


def _values(row):
    return list(row.values()) if isinstance(row, dict) else [row]


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize(
    "name", ["accuracy_score", "balanced_accuracy_score", "matthews_corrcoef", "cohen_kappa_score"]
)
def test_on_adult_agreement_equals_sklearn(adult, name, weighted):
    predicted = np.where(adult["score"] >= 13, ">50K", "<=50K")
    same(name, adult["y"], predicted, sample_weight=adult["weight"] if weighted else None)


@pytest.mark.parametrize("average", [None, "micro", "macro", "weighted"])
def test_on_adult_family_roles_equal_sklearn(adult, average):
    guess = np.where(adult["age"] < 25, "Never-married", "Married-civ-spouse")
    same(
        "precision_recall_fscore_support",
        adult["family"],
        guess,
        average=average,
        zero_division=0.0,
        sample_weight=adult["weight"],
    )


def test_on_sms_spam_the_report_equals_sklearn(spam):
    predicted = np.where(spam["score"] > 5, "spam", "ham")
    assert ours.classification_report(spam["y"], predicted) == peer.classification_report(
        spam["y"], predicted
    )
    same("f1_score", spam["y"], predicted, pos_label="spam")


@given(labelled_rows(), st.sampled_from(["accuracy_score", "balanced_accuracy_score", "matthews_corrcoef"]))
def test_a_weight_of_k_is_k_rows(rows, name):
    true, predicted, weight = rows
    if weight is None or weight.dtype.kind == "f":
        return
    measure = getattr(ours, name)
    repeat = np.repeat(np.arange(len(weight)), weight)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        once = measure(true, predicted, sample_weight=weight)
        assert_allclose(once, measure(np.asarray(true)[repeat], np.asarray(predicted)[repeat]), atol=1e-12)
