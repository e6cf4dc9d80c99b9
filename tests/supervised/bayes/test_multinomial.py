"""Multinomial naive Bayes: scikit-learn's numbers on real text, and the words that give spam away."""

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import naive_bayes as peer

import tripos
from tripos import MultinomialNB
from tripos.supervised.bayes.counts import (
    class_counts,
    stored_class_counts,
    stored_multinomial_joint,
)

forms = pytest.mark.parametrize(
    "form", [sp.csr_matrix, sp.csr_array, lambda X: X.toarray()], ids=["csr", "csr_array", "dense"]
)


@forms
@pytest.mark.parametrize("dtype", [np.int64, np.float64, np.float32])
def test_log_probabilities_equal_scikit_learns_on_text(sms, form, dtype):
    X, y = form(sms[0][:1500, :3000]).astype(dtype), sms[1][:1500]
    ours, theirs = MultinomialNB().fit(X, y), peer.MultinomialNB().fit(X.astype(float), y)
    for method in ("predict_joint_log_proba", "predict_log_proba", "predict_proba"):
        np.testing.assert_allclose(
            getattr(ours, method)(X), getattr(theirs, method)(X.astype(float)), rtol=1e-9, atol=1e-9
        )


@pytest.mark.parametrize("name", ["spambase", "adult"])
@pytest.mark.parametrize(
    "parameters", [{}, {"alpha": 0.01}, {"fit_prior": False}, {"class_prior": [0.7, 0.3]}]
)
def test_fitted_attributes_equal_scikit_learns(name, parameters, request):
    X, y = request.getfixturevalue(name)
    ours, theirs = MultinomialNB(**parameters).fit(X, y), peer.MultinomialNB(**parameters).fit(X, y)
    for attribute in ("class_count_", "class_log_prior_", "feature_count_", "feature_log_prob_"):
        np.testing.assert_allclose(
            getattr(ours, attribute), getattr(theirs, attribute), rtol=1e-9, err_msg=attribute
        )
    np.testing.assert_array_equal(ours.predict(X), theirs.predict(X))


def test_three_classes_of_text_equal_scikit_learns(sms):
    """An odd number of classes takes the other end of the loop over pairs."""
    X = sms[0]
    y = np.asarray(X.sum(axis=1)).ravel() % 3
    ours, theirs = MultinomialNB().fit(X, y), peer.MultinomialNB().fit(X, y)
    np.testing.assert_allclose(ours.predict_log_proba(X), theirs.predict_log_proba(X), rtol=1e-9, atol=1e-9)


def test_alpha_for_each_word_equals_scikit_learns(spambase):
    X, y = spambase
    alpha = np.linspace(0.1, 2.0, X.shape[1])
    ours, theirs = MultinomialNB(alpha=alpha).fit(X, y), peer.MultinomialNB(alpha=alpha).fit(X, y)
    np.testing.assert_allclose(ours.feature_log_prob_, theirs.feature_log_prob_, rtol=1e-10)


def test_kernels_equal_their_twins():
    rng = np.random.default_rng(0)
    X, y, w = rng.poisson(0.7, (30, 6)).astype(float), rng.integers(0, 3, 30), rng.random(30)
    own = np.eye(3)[y] * w[:, None]
    S = sp.csr_matrix(X)
    for kernel, arrays in ((class_counts, (X,)), (stored_class_counts, (S.data, S.indices, S.indptr))):
        n, count = np.zeros(3), np.zeros((3, 6))
        assert kernel(*arrays, y, w, n, count) == 0
        np.testing.assert_allclose(n, own.sum(axis=0))
        np.testing.assert_allclose(count, own.T @ X)
    for k in (1, 2, 3, 4):
        log_p, prior, joint = rng.normal(size=(6, k)), rng.normal(size=k), np.empty((30, k))
        assert stored_multinomial_joint(S.data, S.indices, S.indptr, log_p, prior, joint)
        np.testing.assert_allclose(joint, X @ log_p + prior, rtol=1e-12, atol=1e-12)


@forms
def test_a_negative_count_is_named_with_row_and_column(form):
    X = sp.csr_matrix(np.array([[1.0, 0.0], [2.0, -3.0], [0.0, 1.0]]))
    with pytest.raises(
        ValueError, match=r"Negative values in data passed to MultinomialNB.*-3.0 in row 1, column 1"
    ):
        MultinomialNB().fit(form(X), [0, 1, 1])


def test_a_sparse_matrix_whose_indices_point_outside_is_refused(sms):
    X, y = sms[0][:50].astype(float), sms[1][:50]
    model = MultinomialNB().fit(X, y)
    broken = X.copy()
    broken.indices[3] = X.shape[1] + 5
    for call in (lambda: MultinomialNB().fit(broken, y), lambda: model.predict(broken)):
        with pytest.raises(ValueError, match="column indices"):
            call()


def test_unsorted_and_duplicated_entries_count_as_they_are_summed(sms):
    X, y = sms[0][:400].astype(float), sms[1][:400]
    order = np.concatenate([np.arange(X.indptr[i], X.indptr[i + 1])[::-1] for i in range(X.shape[0])])
    halves = sp.csr_matrix(
        (np.repeat(X.data[order] / 2, 2), np.repeat(X.indices[order], 2), X.indptr * 2), shape=X.shape
    )
    np.testing.assert_allclose(
        MultinomialNB().fit(halves, y).predict_log_proba(halves),
        MultinomialNB().fit(X, y).predict_log_proba(X),
        rtol=1e-10,
        atol=1e-10,
    )
    assert len(halves.data) == 2 * X.nnz, "the caller's matrix is left as it was"


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"alpha": [1.0, 2.0]}, "should contains `n_features`. Got 2 elements instead of 3"),
        ({"alpha": [1.0, -2.0, 1.0]}, "greater than 0"),
        ({"alpha": -1.0}, "alpha"),
        ({"class_prior": [1.0]}, "must match number of classes"),
    ],
)
def test_impossible_parameters_are_refused(parameters, message):
    with pytest.raises(ValueError, match=message):
        MultinomialNB(**parameters).fit(np.eye(3), [0, 1, 1])


def test_a_tiny_alpha_is_raised_with_a_warning_unless_forced():
    with pytest.warns(UserWarning, match="alpha too small"):
        raised = MultinomialNB(alpha=0.0, force_alpha=False).fit(np.eye(3), [0, 1, 1])
    assert np.isfinite(raised.feature_log_prob_).all()


def test_without_smoothing_a_word_never_seen_excludes_its_class():
    model = MultinomialNB(alpha=0.0).fit(np.eye(3), [0, 1, 1])
    for X in (np.eye(3), sp.csr_matrix(np.eye(3))):
        np.testing.assert_allclose(model.predict_proba(X), [[1, 0], [0, 1], [0, 1]])


def test_without_smoothing_a_class_without_words_is_as_likely_in_all():
    model = MultinomialNB(alpha=0.0).fit(np.array([[1.0, 1.0], [0.0, 0.0]]), [0, 1])
    np.testing.assert_allclose(np.exp(model.feature_log_prob_), 0.5)


@settings(deadline=None, max_examples=20)
@given(cuts=st.lists(st.integers(1, 799), min_size=1, max_size=4))
def test_partial_fits_and_merges_equal_one_fit(sms, cuts):
    X, y = sms[0][:800], sms[1][:800]
    edges = [0, *sorted(set(cuts)), 800]
    whole, stepwise, merged = MultinomialNB().fit(X, y), MultinomialNB(), None
    for a, b in zip(edges, edges[1:]):
        stepwise.partial_fit(X[a:b], y[a:b], classes=["ham", "spam"])
        part = MultinomialNB().fit(X[a:b], y[a:b])
        merged = part if merged is None else merged.merge(part)
    for other in (stepwise, merged):
        np.testing.assert_array_equal(other.feature_count_, whole.feature_count_)
        np.testing.assert_array_equal(other.feature_log_prob_, whole.feature_log_prob_)


def test_merging_leaves_the_other_model_as_it_was(sms):
    X, y = sms[0][:300], sms[1][:300]
    a, b = MultinomialNB().fit(X[:150], y[:150]), MultinomialNB().fit(X[150:], y[150:])
    before = b.feature_count_.copy()
    a.merge(b)
    np.testing.assert_array_equal(b.feature_count_, before)


def test_the_words_of_spam_are_those_of_spam(sms):
    X, y, words = sms
    said = {words[j] for j, _ in MultinomialNB().fit(X, y).speaks_for("spam", 20)}
    assert {"claim", "prize", "150p", "guaranteed"} <= said


def test_log_odds_against_the_rest_are_those_of_two_classes(sms):
    X, y, _ = sms
    model = MultinomialNB().fit(X, y)
    difference = model.feature_log_prob_[1] - model.feature_log_prob_[0]
    np.testing.assert_allclose(model.feature_log_odds_, [-difference, difference], rtol=1e-8, atol=1e-8)


def test_explanation_of_a_message_names_its_words_only(sms):
    X, y, words = sms
    model = MultinomialNB().fit(X, y)
    row = int(np.flatnonzero(y == "spam")[0])
    told = model.explain(X[row])
    log_p = model.predict_log_proba(X[row])[0]
    assert told.label == "spam"
    assert told.log_odds == pytest.approx(log_p[1] - log_p[0], rel=1e-9)
    assert {name for name, _, _ in told.top(5)} <= {f"x{j}" for j in X[row].indices}


def test_one_class_alone_is_certain_and_still_drawn():
    model = MultinomialNB().fit(np.eye(3), ["only"] * 3)
    np.testing.assert_array_equal(model.predict_proba(np.eye(3)), np.ones((3, 1)))
    assert model.plot().patches
    with pytest.raises(ValueError, match="nothing to explain with one class"):
        model.explain(np.eye(3)[0])


def test_saved_and_loaded_it_predicts_the_same_bits(sms, tmp_path):
    X, y, _ = sms
    model = MultinomialNB(alpha=0.0).fit(X, y)
    tripos.save(model, tmp_path / "m.tripos")
    assert tripos.load(tmp_path / "m.tripos").predict_proba(X).tobytes() == model.predict_proba(X).tobytes()


@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.int64, np.int32])
def test_a_row_of_counts_in_csr_is_read_as_it_stands(dtype):
    from tripos import BernoulliNB, ComplementNB

    rng = np.random.default_rng(0)
    X, y = rng.poisson(0.5, (60, 12)), rng.integers(0, 3, 60)
    row = sp.csr_array(X[:1].astype(dtype))
    for model in (MultinomialNB(), ComplementNB(), BernoulliNB(binarize=0.5)):
        model.fit(sp.csr_array(X.astype(float)), y)
        np.testing.assert_allclose(
            model.predict_proba(row), model.predict_proba(X[:1].astype(float)), rtol=1e-6
        )
    wrong = row.copy()
    wrong.indices[0] = 99
    with pytest.raises(ValueError, match="column indices"):
        model.predict(wrong)
    if row.dtype.kind == "f":
        wrong = row.copy()
        wrong.data[0] = np.nan
        with pytest.raises(ValueError, match="NaN"):
            model.predict(wrong)
