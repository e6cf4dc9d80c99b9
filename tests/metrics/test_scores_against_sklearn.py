"""Every measure of scores and probabilities gives scikit-learn's number: real tables, and random scores with ties."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
import sklearn.metrics as peer
from hypothesis import assume, given
from hypothesis import strategies as st
from numpy.testing import assert_allclose

import tripos.metrics as ours


@st.composite
def ranked_rows(draw, classes=2):
    """Labels, scores of which many are equal, and weights (none, whole with zeros, fractions); both classes weigh."""
    n = draw(st.integers(classes, 40))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    y = rng.integers(0, classes, n)
    y[:classes] = np.arange(classes)
    score = rng.normal(size=n if classes == 2 else (n, classes)).round(draw(st.integers(0, 2)))
    weight = {"none": None, "whole": rng.integers(0, 3, n), "fractions": rng.random(n) + 0.01}[
        draw(st.sampled_from(["none", "whole", "fractions"]))
    ]
    if weight is not None:
        weight[:classes] = 1
    dtype = draw(st.sampled_from([np.float64, np.float32, np.int64]))
    return y, score.astype(dtype), weight


def probabilities(score):
    """Rows that sum to 1, equal and extreme ones among them."""
    odds = np.exp(score.astype(np.float64))
    return odds / odds.sum(axis=1, keepdims=True)


def same(name, *args, **kwargs):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found, expected = getattr(ours, name)(*args, **kwargs), getattr(peer, name)(*args, **kwargs)
    if not isinstance(found, tuple):
        found, expected = (found,), (expected,)
    for one, other in zip(found, expected, strict=True):
        assert_allclose(one, other, rtol=1e-12, atol=1e-12)


@given(ranked_rows())
def test_auc_equals_sklearn(rows):
    y, score, weight = rows
    same("roc_auc_score", y, score, sample_weight=weight)


@given(ranked_rows(), st.floats(0.01, 1.0))
def test_partial_auc_equals_sklearn(rows, max_fpr):
    y, score, weight = rows
    same("roc_auc_score", y, score, sample_weight=weight, max_fpr=max_fpr)


@given(ranked_rows(classes=4), st.sampled_from(["macro", "weighted", "micro", None]))
def test_auc_one_against_rest_equals_sklearn(rows, average):
    y, score, weight = rows
    same("roc_auc_score", y, probabilities(score), multi_class="ovr", average=average, sample_weight=weight)


@given(ranked_rows(classes=4), st.sampled_from(["macro", "weighted"]))
def test_auc_one_against_one_equals_sklearn(rows, average):
    y, score, _ = rows
    names = np.array(["d", "c", "b", "a"])[y]
    same("roc_auc_score", names, probabilities(score), multi_class="ovo", average=average)


@given(ranked_rows(), st.booleans())
def test_roc_curve_equals_sklearn(rows, drop_intermediate):
    y, score, weight = rows
    assume(
        weight is None or weight.dtype.kind == "i" or not drop_intermediate
    )  # rounding decides what is straight
    same("roc_curve", y, score, sample_weight=weight, drop_intermediate=drop_intermediate)


@given(ranked_rows(), st.booleans(), st.sampled_from([0, 1]))
def test_precision_recall_curve_equals_sklearn(rows, drop_intermediate, pos_label):
    y, score, weight = rows
    same(
        "precision_recall_curve",
        y,
        score,
        pos_label=pos_label,
        sample_weight=weight,
        drop_intermediate=drop_intermediate,
    )


@given(ranked_rows())
def test_average_precision_equals_sklearn(rows):
    y, score, weight = rows
    same("average_precision_score", y, score, sample_weight=weight)
    same("average_precision_score", np.array(["no", "yes"])[y], score, pos_label="no", sample_weight=weight)


@given(ranked_rows(classes=3), st.sampled_from(["macro", "weighted", "micro", None]))
def test_average_precision_of_classes_equals_sklearn(rows, average):
    y, score, weight = rows
    same("average_precision_score", y, score, average=average, sample_weight=weight)


@given(
    ranked_rows(classes=3),
    st.sampled_from(["log_loss", "d2_log_loss_score", "brier_score_loss", "d2_brier_score"]),
)
def test_probability_scores_of_three_classes_equal_sklearn(rows, name):
    y, score, weight = rows
    same(name, y, probabilities(score), sample_weight=weight)
    same(
        name, np.array(["x", "y", "z"])[y], probabilities(score), sample_weight=weight, labels=["x", "y", "z"]
    )


@given(
    ranked_rows(), st.sampled_from(["log_loss", "d2_log_loss_score", "brier_score_loss", "d2_brier_score"])
)
def test_probability_scores_of_two_classes_equal_sklearn(rows, name):
    y, score, weight = rows
    p = 1 / (1 + np.exp(-3.0 * score.astype(np.float64)))
    same(name, y, p, sample_weight=weight)
    same(name, y, np.column_stack([1 - p, p]), sample_weight=weight)


@pytest.mark.parametrize("normalize", [True, False])
def test_certain_and_wrong_probabilities_cost_what_sklearn_says(normalize):
    same("log_loss", [0, 1, 1], [0.0, 0.0, 1.0], normalize=normalize)


@pytest.mark.parametrize("half", [True, False, "auto"])
def test_brier_halves_as_sklearn_does(half):
    p = np.array([[0.2, 0.5, 0.3], [0.1, 0.1, 0.8]])
    same("brier_score_loss", [0, 2], p, labels=[0, 1, 2], scale_by_half=half)
    same("brier_score_loss", ["a", "b"], [0.2, 0.3], pos_label="a", scale_by_half=half)
    same("brier_score_loss", [0, 0], [0.2, 0.3], scale_by_half=half)


@pytest.mark.parametrize("weighted", [False, True])
def test_on_adult_ranking_equals_sklearn(adult, weighted):
    weight = adult["weight"] if weighted else None
    same("roc_auc_score", adult["y"], adult["score"], sample_weight=weight)
    same("average_precision_score", adult["y"], adult["score"], pos_label=">50K", sample_weight=weight)
    same(
        "roc_curve",
        adult["y"],
        adult["score"],
        pos_label=">50K",
        sample_weight=weight,
        drop_intermediate=False,
    )
    same("precision_recall_curve", adult["y"], adult["age"], pos_label=">50K", sample_weight=weight)


def test_on_adult_probabilities_of_education_years_equal_sklearn(adult):
    shares = np.array([np.mean(adult["y"][adult["score"] == years] == ">50K") for years in range(1, 17)])
    p = shares[adult["score"].astype(int) - 1]
    for name in ("log_loss", "brier_score_loss", "d2_log_loss_score", "d2_brier_score"):
        same(
            name,
            adult["y"],
            p,
            sample_weight=adult["weight"],
            **({"pos_label": ">50K"} if "brier" in name else {}),
        )


def test_on_sms_spam_the_curve_equals_sklearn(spam):
    same("roc_curve", spam["y"], spam["score"], pos_label="spam")
    same("roc_auc_score", spam["y"], spam["score"], max_fpr=0.1)


@given(ranked_rows())
def test_the_area_under_the_roc_curve_is_the_auc(rows):
    y, score, weight = rows
    fpr, tpr, _ = ours.roc_curve(y, score, sample_weight=weight)
    assert ours.auc(fpr, tpr) == pytest.approx(ours.roc_auc_score(y, score, sample_weight=weight), abs=1e-12)


@given(ranked_rows())
def test_reversing_the_scores_reverses_the_area(rows):
    y, score, weight = rows
    area = ours.roc_auc_score(y, score, sample_weight=weight)
    assert ours.roc_auc_score(y, -score, sample_weight=weight) == pytest.approx(1 - area, abs=1e-12)


@given(ranked_rows(), st.sampled_from(["roc_auc_score", "average_precision_score"]))
def test_a_weight_of_k_is_k_rows(rows, name):
    y, score, weight = rows
    assume(weight is not None and weight.dtype.kind == "i")
    repeat = np.repeat(np.arange(len(y)), weight)
    measure = getattr(ours, name)
    assert measure(y, score, sample_weight=weight) == pytest.approx(
        measure(y[repeat], score[repeat]), abs=1e-12
    )


def test_equal_scores_of_different_sign_of_zero_are_ties():
    assert ours.roc_auc_score([0, 1], [0.0, -0.0]) == 0.5
    assert ours.roc_auc_score([0, 1], np.array([-0.0, 0.0], np.float32)) == 0.5


def test_classes_that_do_not_occur_are_left_out_of_the_mean():
    p = np.array([[0.7, 0.2, 0.1], [0.1, 0.8, 0.1], [0.2, 0.6, 0.2]])
    with pytest.warns(UserWarning, match="does not occur"):
        per_class = ours.roc_auc_score([0, 1, 1], p, labels=[0, 1, 2], multi_class="ovr", average=None)
    assert_allclose(per_class, [1.0, 1.0, np.nan])
    with pytest.warns(UserWarning, match="left out"):
        assert ours.roc_auc_score([0, 1, 1], p, labels=[0, 1, 2], multi_class="ovr") == 1.0
