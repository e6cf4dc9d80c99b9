"""Least squares: scikit-learn's answer on real and on badly conditioned data, in memory, merged and
streamed."""

from __future__ import annotations

import re
import warnings

import numpy as np
import polars as pl
import pytest
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.linear_model import LinearRegression as Peer

import tripos
from tripos import DataWarning, LinearRegression

sets = pytest.mark.parametrize("name", ["diabetes", "california"])


def conditioned(condition: float, n: int = 400, d: int = 20, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Rows whose singular values fall from 1 to 1/condition."""
    rng = np.random.default_rng(seed)
    U, V = (np.linalg.qr(rng.normal(size=shape))[0] for shape in ((n, d), (d, d)))
    X = (U * np.logspace(0, -np.log10(condition), d)) @ V + 1.0
    return X, X @ rng.normal(size=d) + 1e-3 * rng.normal(size=n)


def assert_same(model, peer, rtol=1e-9):
    scale = np.abs(peer.coef_).max()
    np.testing.assert_allclose(model.coef_, peer.coef_, rtol=rtol, atol=rtol * scale)
    np.testing.assert_allclose(
        model.intercept_, peer.intercept_, rtol=rtol, atol=rtol * np.abs(peer.intercept_).max()
    )


@sets
@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize("weighted", [True, False])
def test_coefficients_are_those_of_scikit_learn(name, fit_intercept, weighted, request):
    data = request.getfixturevalue(name)
    weight = np.random.default_rng(0).random(len(data.y)) if weighted else None
    model = LinearRegression(fit_intercept=fit_intercept, tol=0).fit(data.X, data.y, weight)
    peer = Peer(fit_intercept=fit_intercept, tol=0).fit(data.X, data.y, weight)
    assert_same(model, peer, 1e-8)
    assert model.rank_ == peer.rank_
    np.testing.assert_allclose(model.singular_, peer.singular_, rtol=1e-6, atol=1e-9 * peer.singular_[0])


@sets
def test_squared_error_is_never_above_scikit_learns(name, request):
    data = request.getfixturevalue(name)
    ours, theirs = (
        np.sum((data.y - make().fit(data.X, data.y).predict(data.X)) ** 2)
        for make in (LinearRegression, Peer)
    )
    assert ours <= theirs * (1 + 1e-9)


@pytest.mark.parametrize("condition", [1e2, 1e5, 1e8])
def test_badly_conditioned_columns_give_scikit_learns_coefficients(condition):
    X, y = conditioned(condition)
    assert_same(LinearRegression(tol=0).fit(X, y), Peer(tol=0).fit(X, y), 1e-6)


def test_tol_drops_the_directions_that_scikit_learn_drops():
    X, y = conditioned(1e8)
    with pytest.warns(DataWarning):
        model = LinearRegression(tol=1e-6).fit(X, y)
    peer = Peer(tol=1e-6).fit(X, y)
    assert model.rank_ == peer.rank_ < 20
    assert_same(model, peer, 1e-6)


def test_columns_in_units_far_apart_are_no_trouble_when_tol_is_zero():
    X, y = conditioned(10)
    units = np.logspace(-9, 9, 20)
    model, peer = LinearRegression(tol=0).fit(X * units, y), Peer(tol=0).fit(X, y)
    np.testing.assert_allclose(model.coef_ * units, peer.coef_, rtol=1e-9)


def test_columns_that_tol_drops_for_their_scale_are_named():
    rng = np.random.default_rng(0)
    X = pl.DataFrame({"metres": rng.normal(size=90) * 1e9, "share": rng.normal(size=90)})
    with pytest.warns(DataWarning, match="'share' varies .* less than 'metres'"):
        LinearRegression().fit(X, X["share"].to_numpy())


def test_collinear_columns_are_named_and_get_the_solution_of_least_norm(diabetes):
    X = np.column_stack([diabetes.X, diabetes.X[:, 2] - diabetes.X[:, 3], np.full(len(diabetes.y), 0.1)])
    names = [*"abcdefghij", "difference", "one"]
    with pytest.warns(DataWarning, match="(?s)2 of 12 columns.*'one' \\(is constant\\)"):
        model = LinearRegression().fit(pl.DataFrame(X, schema=names), diabetes.y)
    peer = Peer().fit(X, diabetes.y)
    assert model.rank_ == peer.rank_ == 10
    assert_same(model, peer, 1e-8)


def test_a_duplicated_column_shares_its_coefficient(diabetes):
    X = np.column_stack([diabetes.X, diabetes.X[:, 2]])
    with pytest.warns(DataWarning, match="follows from"):
        model = LinearRegression().fit(X, diabetes.y)
    assert model.coef_[2] == pytest.approx(model.coef_[10], rel=1e-8)
    assert_same(model, Peer().fit(X, diabetes.y), 1e-8)


@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize("weighted", [True, False])
def test_more_columns_than_rows_give_the_interpolation_of_least_norm(fit_intercept, weighted):
    rng = np.random.default_rng(0)
    X, Y = rng.normal(size=(30, 80)) + 5, rng.normal(size=(30, 2))
    weight = rng.random(30) + 0.1 if weighted else None
    with pytest.warns(DataWarning, match="30 rows"):
        model = LinearRegression(fit_intercept=fit_intercept).fit(X, Y, weight)
    peer = Peer(fit_intercept=fit_intercept).fit(X, Y, weight)
    assert_same(model, peer, 1e-8)
    assert model.rank_ == peer.rank_
    np.testing.assert_allclose(model.predict(X), Y, atol=1e-8)


def test_several_targets_are_several_fits(diabetes):
    Y = np.column_stack([diabetes.y, diabetes.X[:, 0] * diabetes.X[:, 2]])
    both = LinearRegression(tol=0).fit(diabetes.X, Y)
    assert_same(both, Peer(tol=0).fit(diabetes.X, Y), 1e-8)
    for k in range(2):
        single = LinearRegression(tol=0).fit(diabetes.X, Y[:, k])
        np.testing.assert_allclose(both.coef_[k], single.coef_, rtol=1e-12)
        assert both.predict(diabetes.X[:5]).shape == (5, 2)


@pytest.mark.parametrize("weighted", [True, False])
def test_nonnegative_coefficients_are_those_of_scikit_learn(diabetes, weighted):
    weight = np.random.default_rng(1).random(len(diabetes.y)) if weighted else None
    model = LinearRegression(positive=True).fit(diabetes.X, diabetes.y, weight)
    peer = Peer(positive=True).fit(diabetes.X, diabetes.y, weight)
    assert (model.coef_ >= 0).all()
    assert (model.coef_ == 0).any()
    assert_same(model, peer, 1e-9)


@pytest.mark.parametrize("form", [sp.csr_array, sp.csr_matrix, sp.csc_array])
def test_narrow_sparse_rows_give_what_dense_rows_give(california, form):
    X = np.where(california.X > np.median(california.X, axis=0), california.X, 0.0)[:3000]
    y = california.y[:3000]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DataWarning)
        assert_same(LinearRegression(tol=0).fit(form(X), y), LinearRegression(tol=0).fit(X, y), 1e-7)


@pytest.mark.parametrize("n", [400, 1500])
def test_wide_sparse_rows_are_fitted_without_making_them_dense(n):
    rng = np.random.default_rng(0)
    X = sp.random_array((n, 700), density=0.03, rng=rng, format="csr")
    y = rng.normal(size=n)
    model = LinearRegression(tol=1e-9).fit(X, y)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DataWarning)
        dense = Peer(tol=1e-10).fit(X.toarray(), y)
    assert_same(model, dense, 1e-5)


def test_float32_is_answered_in_float32_and_right_to_its_digits(california):
    X = ((california.X - california.X.mean(axis=0)) / california.X.std(axis=0)).astype(np.float32)[
        :, [0, 1, 2, 4, 5, 7]
    ]
    model = LinearRegression().fit(X, california.y.astype(np.float32))
    assert model.coef_.dtype == model.predict(X[:3]).dtype == np.float32
    assert_same(model, Peer().fit(X.astype(float), california.y), 1e-4)


def test_float32_columns_that_are_nearly_collinear_are_multiplied_in_float64():
    X, y = conditioned(3e3, d=6)
    X, y = X.astype(np.float32), y.astype(np.float32)
    assert_same(LinearRegression().fit(X, y), Peer().fit(X.astype(float), y.astype(float)), 1e-5)


# ---- statistics --------------------------------------------------------------------------------------


@settings(max_examples=20, deadline=None)
@given(cuts=st.lists(st.integers(1, 441), max_size=5, unique=True), weighted=st.booleans())
def test_parts_fitted_apart_and_merged_give_one_fit(cuts, weighted):
    X, y = conditioned(100, n=442, d=5)
    weight = np.random.default_rng(0).random(442) + 0.1 if weighted else np.ones(442)
    whole = LinearRegression().fit(X, y, weight)
    parts = list(zip(*(np.split(a, sorted(cuts)) for a in (X, y, weight))))
    merged, stepwise = None, LinearRegression()
    for part in parts:
        alone = LinearRegression().partial_fit(*part)
        merged = alone if merged is None else merged.merge(alone)
        stepwise.partial_fit(*part)
    assert_same(merged, whole)
    assert_same(stepwise, whole)
    assert merged.n_rows_ == 442


@pytest.fixture
def quiet():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DataWarning)
        yield


def test_rows_too_few_to_be_fitted_alone_add_up_to_a_fit_without_a_warning(diabetes, recwarn):
    model = LinearRegression(tol=0)
    for row in range(60):
        model.partial_fit(diabetes.X[[row]], diabetes.y[[row]])
    assert_same(model, Peer(tol=0).fit(diabetes.X[:60], diabetes.y[:60]), 1e-6)
    assert not recwarn.list


@pytest.mark.parametrize("rows", [100, 1000, 100_000])
def test_a_file_gives_what_memory_gives(california, tmp_path, rows):
    path = tmp_path / "houses.parquet"
    columns = [f"c{j}" for j in range(california.X.shape[1])]
    pl.DataFrame(california.X, schema=columns).with_columns(target=california.y).write_parquet(path)
    streamed = LinearRegression(tol=0).fit(tripos.scan(path, target="target", rows=rows))
    assert_same(streamed, LinearRegression(tol=0).fit(california.X, california.y), 1e-9)
    assert list(streamed.feature_names_in_) == columns


def test_a_list_of_arrays_gives_what_one_array_gives(diabetes):
    parts = list(zip(np.array_split(diabetes.X, 7), np.array_split(diabetes.y, 7)))
    assert_same(LinearRegression(tol=0).fit(parts), LinearRegression(tol=0).fit(diabetes.X, diabetes.y), 1e-9)


def test_nan_in_a_file_is_named(tmp_path):
    path = tmp_path / "t.parquet"
    pl.DataFrame({"a": [1.0, 2.0, np.nan, 4.0], "y": [1.0, 2.0, 3.0, 4.0]}).write_parquet(path)
    with pytest.raises(ValueError, match="a|column 0"):
        LinearRegression().fit(tripos.scan(path, target="y"))


def test_a_missing_target_in_a_file_is_named(tmp_path):
    path = tmp_path / "t.parquet"
    pl.DataFrame({"a": [1.0, 2.0, 3.0, 4.0], "y": [1.0, 2.0, np.nan, 4.0]}).write_parquet(path)
    with pytest.raises(ValueError, match="y"):
        LinearRegression().fit(tripos.scan(path, target="y"))


def test_blocks_without_a_target_are_refused(diabetes):
    with pytest.raises(ValueError, match="target"):
        LinearRegression().fit([diabetes.X[:50], diabetes.X[50:]])


def test_numbers_whose_squares_overflow_are_refused():
    with pytest.raises(ValueError, match="overflow"):
        LinearRegression().fit(np.array([[1e200], [2e200], [-1e200]]), [1.0, 2.0, 3.0])


def test_merging_says_what_does_not_go_together(diabetes):
    model = LinearRegression().fit(diabetes.X, diabetes.y)
    with pytest.raises(TypeError, match="Ridge"):
        model.merge(tripos.Ridge().fit(diabetes.X, diabetes.y))
    with pytest.raises(ValueError, match="shape"):
        model.merge(LinearRegression().fit(diabetes.X[:, :4], diabetes.y))


@pytest.mark.usefixtures("quiet")
def test_a_fit_that_kept_no_statistics_says_so():
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(5, 9)), rng.normal(size=5)
    model = LinearRegression().fit(X, y)
    with pytest.raises(ValueError, match="kept no statistics"):
        model.merge(LinearRegression().fit(X, y))
    with pytest.warns(DataWarning, match="begins anew"):
        model.partial_fit(X, y)


# ---- using it ----------------------------------------------------------------------------------------


def test_one_row_and_many_rows_are_predicted_alike(diabetes):
    model = LinearRegression().fit(diabetes.X, diabetes.y)
    together = model.predict(diabetes.X)
    alone = np.concatenate([model.predict(np.ascontiguousarray(diabetes.X[[i]])) for i in range(20)])
    np.testing.assert_allclose(alone, together[:20], rtol=1e-13)


@pytest.mark.filterwarnings("ignore:overflow")
def test_prediction_does_not_hide_an_overflow_as_bad_input():
    model = LinearRegression(tol=0).fit(np.array([[0.0], [1.0]]), [0.0, 1e150])
    assert np.isinf(model.predict(np.array([[1e200]]))[0])


def test_summary_shows_columns_rows_and_fit(diabetes):
    frame = pl.DataFrame(diabetes.X, schema=list("abcdefghij"))
    model = LinearRegression().fit(frame, diabetes.y)
    text = model.summary()
    assert re.search(r"Rows: +442", text)
    assert f"{model.score(frame, diabetes.y):.4f}" in text
    assert f"{model.coef_[3]:.4f}" in next(line for line in text.splitlines() if line.startswith("d "))


def one_hot(levels, n=1500, seed=0):
    """CSR of 0 and 1: one group of columns for each number of levels."""
    rng = np.random.default_rng(seed)
    codes = [rng.permutation(np.arange(n) % k) for k in levels]
    return sp.csr_array(sp.hstack([sp.csr_array(np.eye(k)[c]) for k, c in zip(levels, codes)])), codes


def test_wide_sparse_columns_that_are_independent_are_left_in_peace(recwarn):
    X, _ = one_hot([600])
    LinearRegression(fit_intercept=False).fit(X, np.arange(1500.0))
    assert not [w for w in recwarn if w.category is DataWarning]


def test_a_duplicate_and_a_constant_among_wide_sparse_columns_are_named():
    rng = np.random.default_rng(0)
    X = sp.random_array((1500, 600), density=0.02, rng=rng, format="csr")
    X = sp.csr_array(sp.hstack([X, X[:, [7]], np.ones((1500, 1))]))
    with pytest.warns(DataWarning, match=r"2 of 602 columns say nothing new.*follows from") as w:
        LinearRegression().fit(X, rng.normal(size=1500))
    assert "'x601' (is constant)" in str(w[0].message)
    assert "'x7'" in str(w[0].message)
    assert "'x600'" in str(w[0].message)


def test_the_dummy_trap_in_wide_sparse_columns_is_named():
    rng = np.random.default_rng(0)
    noise = sp.random_array((1500, 550), density=0.02, rng=rng, format="csr")
    trap, _ = one_hot([4])
    with pytest.warns(DataWarning, match=r"1 of 554 columns.*'x55[0-3]' \(follows from 'x55") as w:
        LinearRegression().fit(sp.csr_array(sp.hstack([noise, trap])), rng.normal(size=1500))
    assert str(w[0].message).count("x55") == 4


def test_the_dummy_trap_in_dense_columns_is_named(recwarn):
    trap, codes = one_hot([3])
    X = np.column_stack([trap.toarray(), np.random.default_rng(1).normal(size=1500)])
    with pytest.warns(DataWarning, match=r"1 of 4 columns.*follows from"):
        LinearRegression().fit(X, codes[0])
    recwarn.clear()
    LinearRegression(fit_intercept=False).fit(X, codes[0])
    assert not [w for w in recwarn if w.category is DataWarning]


def test_wide_sparse_rows_that_are_too_few_are_said():
    X = sp.random_array((40, 700), density=0.05, rng=np.random.default_rng(0), format="csr")
    with pytest.warns(DataWarning, match="40 rows determine at most 39 of 700"):
        LinearRegression().fit(X, np.arange(40.0))
