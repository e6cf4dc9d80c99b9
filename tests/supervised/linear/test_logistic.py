"""Logistic regression: scikit-learn's answer on real data by every road, and what has no answer."""

from __future__ import annotations

import warnings

import numpy as np
import polars as pl
import pytest
import scipy.sparse as sp
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression as Peer
from sklearn.preprocessing import StandardScaler

import tripos
from tripos import DataWarning, LogisticRegression
from tripos.compute.blocks import row_blocks
from tripos.labels import class_factors
from tripos.supervised.linear import likelihood
from tripos.supervised.linear.likelihood import Problem, count

sets = pytest.mark.parametrize("name", ["spambase", "adult", "letters", "sms"])


@pytest.fixture
def data(name, request):
    found = request.getfixturevalue(name)
    if name == "spambase":
        found.X = StandardScaler().fit_transform(found.X)
    return found


def objective(model, X, y, C=1.0, weight=None) -> float:
    """C sum_i s_i L + |W|^2 / 2, by NumPy."""
    weight = np.ones(len(y)) if weight is None else weight
    codes = np.searchsorted(model.classes_, y)
    scores = X @ model.coef_.T.astype(float) + model.intercept_
    if len(model.classes_) == 2:
        loss = np.logaddexp(0, scores[:, 0]) - codes * scores[:, 0]
    else:
        loss = np.logaddexp.reduce(scores, axis=1) - scores[np.arange(len(y)), codes]
    return C * weight @ loss + 0.5 * np.sum(model.coef_.astype(float) ** 2)


def tight(X, y, weight=None, **settings):
    """scikit-learn's answer, as precise as it gets."""
    solver = "lbfgs" if sp.issparse(X) else "newton-cholesky"
    return Peer(tol=1e-12, max_iter=10_000, solver=solver, **settings).fit(X, y, weight)


def assert_same(model, peer, rtol=1e-6):
    scale = np.abs(peer.coef_).max()
    np.testing.assert_allclose(model.coef_, peer.coef_, rtol=rtol, atol=rtol * scale)
    np.testing.assert_allclose(model.intercept_, peer.intercept_, rtol=rtol, atol=rtol * scale)


# ---- the same answer as scikit-learn's ---------------------------------------------------------------


@sets
@pytest.mark.parametrize("C", [0.01, 1.0])
def test_coefficients_are_those_of_scikit_learn(data, C):
    assert_same(
        LogisticRegression(C=C, tol=1e-10, max_iter=500).fit(data.X, data.y), tight(data.X, data.y, C=C)
    )


@sets
@pytest.mark.parametrize("C", [0.01, 1.0, 100.0])
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_at_the_default_tolerance_the_objective_is_never_above_scikit_learns(data, C):
    ours = LogisticRegression(C=C, max_iter=300).fit(data.X, data.y)
    theirs = Peer(C=C).fit(data.X, data.y)
    assert objective(ours, data.X, data.y, C) <= objective(theirs, data.X, data.y, C) * (1 + 1e-9)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_unscaled_features_are_no_trouble(spambase, california):
    for X, y in ((spambase.X, spambase.y), (california.X, california.y > 200_000)):
        ours, theirs = LogisticRegression().fit(X, y), Peer(max_iter=200).fit(X, y)
        assert objective(ours, X, y) <= objective(theirs, X, y)
        assert ours.n_iter_[0] < 20


@pytest.mark.parametrize("name", ["adult", "letters"])
@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize("class_weight", [None, "balanced"])
def test_weights_and_intercepts_are_those_of_scikit_learn(data, fit_intercept, class_weight):
    weight = np.random.default_rng(0).random(len(data.y))
    settings = dict(fit_intercept=fit_intercept, class_weight=class_weight)
    model = LogisticRegression(tol=1e-9, **settings).fit(data.X, data.y, weight)
    assert_same(model, tight(data.X, data.y, weight, **settings))


def test_class_weights_by_label_are_weights_of_rows(letters):
    factors = {1: 3.0, 2: 0.5}
    model = LogisticRegression(class_weight=factors).fit(letters.X, letters.y)
    weight = np.array([factors.get(label, 1.0) for label in letters.y])
    assert_same(model, LogisticRegression().fit(letters.X, letters.y, weight))


def test_a_class_weight_for_an_unknown_class_is_refused(letters):
    with pytest.raises(ValueError, match="class_weight"):
        LogisticRegression(class_weight={"a": 1.0}).fit(letters.X, letters.y)


@pytest.mark.parametrize("scaling", [1.0, 5.0])
@pytest.mark.parametrize("dual", [False, True])
def test_liblinear_penalises_the_intercept(adult, scaling, dual):
    settings = dict(solver="liblinear", intercept_scaling=scaling, C=0.05)
    model = LogisticRegression(dual=dual, tol=1e-8, **settings).fit(adult.X, adult.y)
    peer = Peer(tol=1e-12, max_iter=10_000, **settings).fit(adult.X, adult.y)
    assert_same(model, peer, 1e-5)


@pytest.mark.parametrize("name", ["adult", "letters"])
@pytest.mark.filterwarnings("ignore::tripos.DataWarning")
def test_without_penalty_the_likelihood_is_maximal(data):
    X, y = data.X[:, :8], data.y
    model, peer = LogisticRegression(C=np.inf, tol=1e-10).fit(X, y), tight(X, y, C=np.inf)
    np.testing.assert_allclose(model.predict_proba(X), peer.predict_proba(X), atol=1e-6)


def test_without_penalty_rows_of_classes_average_to_their_share(adult):
    """The likelihood equation of the intercept: mean predicted probability = share of the class."""
    model = LogisticRegression(C=np.inf).fit(adult.X[:, :6], adult.y)
    assert model.predict_proba(adult.X[:, :6])[:, 1].mean() == pytest.approx(adult.y.mean(), abs=1e-9)


# ---- every road --------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["adult", "letters"])
@pytest.mark.parametrize("sparse", [False, True])
def test_the_sample_of_rows_changes_the_way_and_not_the_answer(data, sparse, monkeypatch):
    X = sp.csr_array(data.X) if sparse else data.X
    monkeypatch.setattr(likelihood, "SAMPLE_ROWS_PER_PARAMETER", 5)
    monkeypatch.setattr(likelihood, "SAMPLING_PAYS", 0)
    sampled = LogisticRegression().fit(X, data.y)
    assert_same(sampled, LogisticRegression(solver="newton-cholesky").fit(data.X, data.y), 1e-5)
    assert sampled.solver_ == "newton"


@pytest.mark.parametrize("name", ["spambase", "letters"])
@pytest.mark.parametrize("sparse", [False, True])
@pytest.mark.parametrize("fit_intercept", [True, False])
def test_lbfgs_and_newton_meet(data, sparse, fit_intercept, monkeypatch):
    X = sp.csr_array(data.X) if sparse else data.X
    exact = LogisticRegression(solver="newton-cholesky", fit_intercept=fit_intercept).fit(X, data.y)
    monkeypatch.setattr(likelihood, "NEWTON_WORK", 0)
    monkeypatch.setattr(likelihood, "SAMPLED_PARAMETERS", 0)
    model = LogisticRegression(tol=1e-9, max_iter=1000, fit_intercept=fit_intercept).fit(X, data.y)
    assert model.solver_ == "lbfgs"
    assert_same(model, exact, 1e-4)


@pytest.mark.parametrize("solver", ["lbfgs", "newton-cg", "newton-cholesky", "sag", "saga"])
def test_every_solver_name_leads_to_the_same_answer(letters, solver):
    model = LogisticRegression(solver=solver).fit(letters.X, letters.y)
    assert_same(model, LogisticRegression().fit(letters.X, letters.y), 1e-7)


def test_a_sample_that_misses_a_level_is_made_up_for():
    """A column that is 1 in five of 40,000 rows: the sample's Hessian knows nothing of it."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(40_000, 20))
    y = rng.random(40_000) < 1 / (1 + np.exp(-X @ rng.normal(size=20)))
    X[:, 19] = 0.0
    X[[7, 1900, 11_000, 23_456, 39_999], 19] = 1.0
    assert_same(LogisticRegression().fit(X, y), LogisticRegression(solver="newton-cholesky").fit(X, y), 1e-6)


def test_float32_is_answered_in_float32(adult):
    X = adult.X.astype(np.float32)
    model = LogisticRegression().fit(X, adult.y)
    assert model.coef_.dtype == model.predict_proba(X[:3]).dtype == np.float32
    assert_same(model, LogisticRegression().fit(adult.X, adult.y), 1e-3)


@pytest.mark.parametrize("name", ["adult", "letters"])
@pytest.mark.parametrize("rows", [700, 100_000])
def test_a_file_gives_what_memory_gives(data, rows, tmp_path):
    columns = [f"c{j}" for j in range(data.X.shape[1])]
    labels = np.array(["no", "yes", "so", "la", "ti", "do"])[np.asarray(data.y, dtype=int)]
    pl.DataFrame(data.X, schema=columns).with_columns(target=pl.Series(labels)).write_parquet(
        tmp_path / "t.parquet"
    )
    streamed = LogisticRegression().fit(tripos.scan(tmp_path / "t.parquet", target="target", rows=rows))
    memory = LogisticRegression().fit(data.X, labels)
    assert list(streamed.classes_) == sorted(set(labels))
    assert_same(streamed, memory, 1e-8)


def test_a_list_of_arrays_gives_what_one_array_gives(letters):
    parts = list(zip(np.array_split(letters.X, 5), np.array_split(letters.y, 5)))
    assert_same(LogisticRegression().fit(parts), LogisticRegression().fit(letters.X, letters.y), 1e-9)


def test_warm_start_begins_where_the_last_fit_ended(adult):
    model = LogisticRegression(warm_start=True).fit(adult.X, adult.y)
    assert model.n_iter_[0] > 1
    first = model.coef_
    assert model.fit(adult.X, adult.y).n_iter_[0] == 1
    np.testing.assert_allclose(model.coef_, first, rtol=1e-3, atol=1e-3)


def test_warm_start_with_another_number_of_columns_is_refused(adult):
    model = LogisticRegression(warm_start=True).fit(adult.X, adult.y)
    with pytest.raises(ValueError, match="warm_start"):
        model.fit(adult.X[:, :5], adult.y)


# ---- no answer, or not yet ---------------------------------------------------------------------------


def test_separated_classes_without_penalty_are_said(letters):
    pair = letters.y <= 2
    X, y = letters.X[pair], letters.y[pair]
    X = np.column_stack([X, y])
    with pytest.warns(DataWarning, match="separates all rows"):
        model = LogisticRegression(C=np.inf).fit(X, y)
    assert model.score(X, y) == 1.0


def test_classes_separated_in_part_without_penalty_are_said(adult):
    X = np.column_stack([adult.X[:, :4], (adult.y & (adult.X[:, 0] > 0.5)).astype(float)])
    with pytest.warns(DataWarning, match="separates rows"):
        LogisticRegression(C=np.inf).fit(X, adult.y)


def test_classes_that_overlap_are_not_called_separated(adult, recwarn):
    LogisticRegression(C=np.inf).fit(adult.X[:, :5], adult.y)
    assert not [w for w in recwarn if w.category is DataWarning]


def test_too_few_steps_are_said_with_what_was_reached(adult):
    with pytest.warns(ConvergenceWarning, match="max_iter=1 .*gradient component is"):
        LogisticRegression(max_iter=1).fit(adult.X, adult.y)


@pytest.mark.parametrize("solver", ["lbfgs", "newton-cg", "newton-cholesky", "sag", "irls"])
def test_solvers_without_an_l1_penalty_are_refused_with_what_to_use(solver):
    with pytest.raises(ValueError, match="supports only 'l2' or None penalties, got l1 .*saga"):
        LogisticRegression(l1_ratio=1.0, solver=solver).fit(np.eye(4), [0, 1, 0, 1])


@pytest.mark.parametrize(
    ("settings", "match"),
    [
        (dict(l1_ratio=0.5, solver="liblinear"), "Only 'saga' solver supports elasticnet"),
        (dict(l1_ratio=1.0, solver="liblinear", dual=True), "dual=False"),
        (dict(solver="liblinear", C=np.inf), "not supported"),
        (dict(solver="saga", dual=True), "dual=False"),
    ],
)
def test_pairs_that_scikit_learn_refuses_are_refused(settings, match):
    for model in (LogisticRegression(**settings), Peer(**settings)):
        with pytest.raises(ValueError, match=match if model.__module__.startswith("tripos") else None):
            model.fit(np.eye(4), [0, 1, 0, 1])


@pytest.mark.parametrize(("penalty", "l1_ratio"), [("l1", 1.0), ("l2", 0.0), ("elasticnet", 0.3)])
def test_the_deprecated_penalty_means_the_l1_ratio(adult, penalty, l1_ratio):
    X = adult.X[:, :12]
    with pytest.warns(FutureWarning, match="deprecated"):
        old = LogisticRegression(penalty=penalty, l1_ratio=l1_ratio, solver="saga", C=0.1).fit(X, adult.y)
    assert_same(old, LogisticRegression(l1_ratio=l1_ratio, solver="saga", C=0.1).fit(X, adult.y))


def test_penalty_none_is_no_penalty(adult):
    with pytest.warns(FutureWarning, match="C=np.inf"):
        model = LogisticRegression(penalty=None).fit(adult.X[:, :5], adult.y)
    assert_same(model, LogisticRegression(C=np.inf).fit(adult.X[:, :5], adult.y))


@pytest.mark.parametrize(
    ("settings", "match"),
    [
        (dict(solver="liblinear"), "Only binary"),
        (dict(solver="liblinear", C=np.inf), "not supported"),
        (dict(dual=True), "dual=False"),
        (dict(C=0.0), "C"),
    ],
)
def test_settings_that_make_no_sense_are_refused(letters, settings, match):
    with pytest.raises(ValueError, match=match):
        LogisticRegression(**settings).fit(letters.X, letters.y)


def test_numbers_whose_scores_overflow_are_refused():
    with pytest.raises(ValueError, match="overflow|too large"):
        LogisticRegression().fit(np.array([[1e308], [-1e308], [1e308], [0.0]]), [0, 1, 0, 1])


# ---- using it ----------------------------------------------------------------------------------------


@sets
def test_predictions_are_those_of_scikit_learns_formula(data):
    model = LogisticRegression(C=0.1).fit(data.X, data.y)
    peer = Peer(C=0.1)
    peer.classes_, peer.coef_, peer.intercept_, peer.n_features_in_ = (
        model.classes_,
        model.coef_,
        model.intercept_,
        model.n_features_in_,
    )
    X = data.X[:500]
    np.testing.assert_array_equal(model.predict(X), peer.predict(X))
    np.testing.assert_allclose(model.decision_function(X), peer.decision_function(X), rtol=1e-9, atol=1e-11)
    np.testing.assert_allclose(model.predict_proba(X), peer.predict_proba(X), rtol=1e-9, atol=1e-13)
    np.testing.assert_allclose(
        np.exp(model.predict_log_proba(X)), peer.predict_proba(X), rtol=1e-7, atol=1e-13
    )


@pytest.mark.parametrize("name", ["adult", "sms"])
def test_sparse_coefficients_predict_the_same(data):
    model = LogisticRegression().fit(data.X, data.y)
    dense = model.predict_proba(data.X[:50])
    np.testing.assert_allclose(model.sparsify().predict_proba(data.X[:50]), dense, rtol=1e-12)
    np.testing.assert_allclose(model.densify().predict_proba(data.X[:50]), dense, rtol=1e-12)


def test_one_row_and_many_rows_are_predicted_alike(letters):
    for X, y in ((letters.X, letters.y), (letters.X, letters.y == 2)):
        model = LogisticRegression().fit(X, y)
        together = model.predict_proba(X[:20])
        alone = np.vstack([model.predict_proba(np.ascontiguousarray(X[[i]])) for i in range(20)])
        np.testing.assert_allclose(alone, together, rtol=1e-11)


def test_text_with_many_features_is_never_made_dense(sms, monkeypatch):
    monkeypatch.setenv("TRIPOS_MEMORY_LIMIT", "64MB")  # dense it would take 389
    for name in ("toarray", "todense"):
        monkeypatch.setattr(sp.csr_matrix, name, lambda self: pytest.fail("made dense"), raising=True)
    model = LogisticRegression().fit(sms.X, sms.y)
    assert model.solver_ == "lbfgs"
    assert model.score(sms.X, sms.y) > 0.95


def test_summary_shows_the_classes_and_the_way_there(letters):
    text = (
        LogisticRegression()
        .fit(pl.DataFrame(letters.X, schema=[f"f{j}" for j in range(16)]), letters.y)
        .summary()
    )
    assert "classes: 1, 2, 3, 4, 5" in text
    assert "of newton" in text
    assert next(line for line in text.splitlines() if line.startswith("f15 ")).count(".") >= 5


def test_counts_are_weights_by_class():
    y, weight = np.array([0, 2, 2, 1, 2]), np.array([1.0, 2.0, 3.0, 0.5, 1.0])
    counts = count(row_blocks(np.ones((5, 2)), y, weight, rows=2), 3)
    np.testing.assert_array_equal(counts.weights, [1.0, 0.5, 6.0])
    assert (counts.n_rows, counts.n_stored) == (5, 10)
    np.testing.assert_allclose(class_factors("balanced", np.arange(3), counts.weights) * counts.weights, 2.5)


def test_the_diagonal_inverse_undoes_the_diagonal_of_the_centred_hessian():
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(500, 4)) * [1, 5, 0.1, 3] + [0, 10, 0, -2], rng.integers(0, 2, 500)
    blocks = row_blocks(X, y)
    counts = count(blocks, 2)
    problem = Problem.of(blocks, counts, np.ones(2), C=1.0, fit_intercept=True, intercept_scaling=None)
    theta = problem.base_rates(counts.weights)
    _, _, hessian = problem.risk.value_gradient_hessian(theta)
    T = np.eye(5)
    T[4, :4] = -X.mean(axis=0)  # from centred parameters to those of the columns as they are
    inverse = problem._diagonal_inverse(theta)
    found = (
        T.T @ hessian @ T @ np.column_stack([np.linalg.solve(T, inverse(g, 1.0)) for g in np.linalg.inv(T)])
    )
    np.testing.assert_allclose(np.diag(found), np.ones(5), rtol=1e-2)


def test_no_warning_is_given_for_an_ordinary_fit(adult):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        LogisticRegression().fit(adult.X, adult.y).predict_proba(adult.X)
