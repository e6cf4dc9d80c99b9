"""Conjugate gradients on wide CSR rows with their columns renumbered: its kernels, and what they add up to."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse as sp

from tripos import LinearRegression, Ridge
from tripos.base import Training
from tripos.compute.arrays import kernel_csr
from tripos.supervised.linear import text_products
from tripos.supervised.linear.text_products import TextRows, csr_first_look, csr_paired_pass, solve_products


def rows(n=300, d=700, density=0.03, seed=0, dtype=np.float64):
    rng = np.random.default_rng(seed)
    X = sp.random_array((n, d), density=density, rng=rng, format="csr", dtype=dtype)
    return X, rng.normal(size=n), rng.random(n) + 0.1


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("weighted", [True, False])
def test_a_paired_pass_is_two_products(dtype, weighted):
    X, _, s = rows(dtype=dtype)
    s = s if weighted else np.empty(0)
    v, pair = np.linspace(-1, 1, 700), np.empty((700, 2))
    total = csr_paired_pass(*kernel_csr(X), 50, 200, s, 0.3, v, pair)
    e = (X[50:200].astype(float) @ v - 0.3) * (s[50:200] if weighted else 1.0)
    np.testing.assert_allclose(pair[:, 1], X[50:200].astype(float).T @ e, rtol=1e-9, atol=1e-12)
    assert total == pytest.approx(e.sum())


def test_the_first_look_counts_and_adds_up_columns():
    X, y, s = rows()
    found = np.zeros((700, 4))
    csr_first_look(*kernel_csr(X), 0, 300, s, y, found)
    dense = X.toarray()
    wanted = np.column_stack([(dense != 0).sum(axis=0), s @ dense, s @ dense**2, (s * y) @ dense])
    np.testing.assert_allclose(found, wanted, atol=1e-10)


@pytest.mark.parametrize("pieces", [1, 2, 5])
@pytest.mark.parametrize("fit_intercept", [True, False])
def test_pieces_of_rows_give_the_closed_form(pieces, fit_intercept, monkeypatch):
    monkeypatch.setattr(text_products, "LEAST_ENTRIES", rows()[0].nnz // pieces)
    monkeypatch.setattr(text_products, "ENTRIES_PER_COLUMN", 0)
    X, y, s = rows()
    training = Training(X, y, s, None, 700)
    y_mean = np.array([np.average(y, weights=s) if fit_intercept else 0.0])
    assert len(TextRows.of(training, y, fit_intercept=True).cuts) == pieces
    found, b = solve_products(
        training, y[:, None], y_mean, np.array([0.5]), fit_intercept=fit_intercept, tol=1e-12, max_iter=2000
    )
    closed = Ridge(alpha=0.5, fit_intercept=fit_intercept, solver="cholesky").fit(X.toarray(), y, s)
    np.testing.assert_allclose(found.W[:, 0], closed.coef_, atol=1e-8)
    assert b[0] == pytest.approx(closed.intercept_, abs=1e-8)


def test_neither_order_nor_duplicates_of_entries_matter():
    X, y, _ = rows()
    split = sp.csr_array(
        (
            np.repeat(X.data / 2, 2),
            np.concatenate([np.tile(X.indices[a:b][::-1], 2) for a, b in zip(X.indptr, X.indptr[1:])]),
            2 * X.indptr,
        ),
        shape=X.shape,
    )
    data = np.concatenate([np.tile(X.data[a:b][::-1] / 2, 2) for a, b in zip(X.indptr, X.indptr[1:])])
    split.data[:] = data
    for model in (Ridge(tol=1e-10), LinearRegression(solver="momentum", max_iter=2000)):
        np.testing.assert_allclose(model.fit(split, y).coef_, model.fit(X, y).coef_, atol=1e-7)
