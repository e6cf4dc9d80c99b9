"""Boosting rows that come in blocks: the same bits as from one array."""

from __future__ import annotations

import numpy as np
import pytest

import tripos
from tripos import BoostedTreesRegressor, HistGradientBoostingClassifier
from tripos.compute.blocks import row_blocks
from tripos.supervised.trees import binning as binning_module


def rows(n=3000):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(n, 9))
    X[:, 3] = rng.integers(0, 5, n)
    X[::9, 2] = np.nan
    return X, (X[:, 0] * X[:, 1] + X[:, 3] > 1).astype(int)


def in_blocks(X, y, n, weight=None):
    edges = np.linspace(0, len(X), n + 1).astype(int)
    pieces = [slice(a, b) for a, b in zip(edges[:-1], edges[1:], strict=True)]
    parts = [X[p] for p in pieces], [y[p] for p in pieces]
    return row_blocks(*parts, None if weight is None else [weight[p] for p in pieces])


@pytest.mark.parametrize("n_blocks", [1, 3, 8])
@pytest.mark.parametrize("sampled", [False, True])
def test_blocks_give_the_bits_of_one_array(n_blocks, sampled, monkeypatch):
    if sampled:  # cuts are learned from some of the rows
        monkeypatch.setattr(binning_module, "SAMPLE", 700)
    X, y = rows()
    weight = np.arange(len(y)) % 4.0
    for early in (False, True):
        model = HistGradientBoostingClassifier(max_iter=8, early_stopping=early)
        whole = model.fit(X, y, weight).predict_proba(X)
        np.testing.assert_array_equal(model.fit(in_blocks(X, y, n_blocks, weight)).predict_proba(X), whole)
    regressor = BoostedTreesRegressor(8)
    whole = regressor.fit(X, y.astype(float)).predict(X)
    np.testing.assert_array_equal(regressor.fit(in_blocks(X, y.astype(float), n_blocks)).predict(X), whole)


def test_a_parquet_file_is_fitted_in_blocks(tmp_path):
    pl = pytest.importorskip("polars")
    X, y = rows(2000)
    X = np.nan_to_num(X)
    table = pl.DataFrame({f"x{j}": X[:, j] for j in range(9)}).with_columns(
        label=pl.Series(np.where(y, "yes", "no"))
    )
    table.write_parquet(tmp_path / "rows.parquet")
    model = HistGradientBoostingClassifier(max_iter=5)
    model.fit(tripos.scan(tmp_path / "rows.parquet", target="label", rows=300))
    whole = HistGradientBoostingClassifier(max_iter=5).fit(table.drop("label"), table["label"])
    np.testing.assert_array_equal(model.predict_proba(X), whole.predict_proba(table.drop("label")))
    assert set(model.classes_) == {"yes", "no"}


def test_infinity_in_a_block_is_named():
    X, y = rows(900)
    X[500, 4] = np.inf
    with pytest.raises(ValueError, match="infinity"):
        HistGradientBoostingClassifier(max_iter=2).fit(in_blocks(X, y, 3))
