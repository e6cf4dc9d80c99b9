"""Linear models fitted on a file in blocks: the answer of the same rows in memory, to 1e-9."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

import tripos
from tripos import LinearRegression, LogisticRegression, PoissonRegressor, Ridge, TweedieRegressor

MODELS = [
    (LinearRegression(), "number"),
    (Ridge(alpha=10.0), "number"),
    (PoissonRegressor(alpha=1e-3), "count"),
    (PoissonRegressor(alpha=1e-3, solver="newton-cholesky"), "count"),
    (TweedieRegressor(power=1.5, alpha=1e-3), "amount"),
    (TweedieRegressor(alpha=1e-3), "number"),
    (LogisticRegression(), "class"),
]


def rows(n_rows: int, n_columns: int) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    rng = np.random.default_rng(0)
    X = rng.normal(size=(n_rows, n_columns))
    eta = X @ (0.3 * rng.normal(size=n_columns))
    count = rng.poisson(np.exp(eta))
    return X, {
        "number": eta + rng.normal(size=n_rows),
        "count": count,
        "amount": count * rng.gamma(2.0, 1.0, n_rows),
        "class": (eta + rng.logistic(size=n_rows) > 0).astype(np.int64),
    }


def streamed_equals_memory(folder, n_rows: int, n_columns: int) -> None:
    X, targets = rows(n_rows, n_columns)
    names = [f"x{j}" for j in range(n_columns)]
    path = folder / "rows.parquet"
    pl.DataFrame(X, schema=names).with_columns(**targets).write_parquet(path, row_group_size=n_rows // 7)
    for model, target in MODELS:
        whole = type(model)(**model.get_params()).fit(X, targets[target])
        blocks = tripos.scan(path, target=target, columns=names)
        streamed = type(model)(**model.get_params()).fit(blocks)
        np.testing.assert_allclose(streamed.coef_, whole.coef_, rtol=1e-9, atol=1e-9)
        np.testing.assert_allclose(streamed.intercept_, whole.intercept_, rtol=1e-9, atol=1e-9)


def test_a_streamed_file_gives_what_memory_gives_to_1e_9(tmp_path):
    streamed_equals_memory(tmp_path, 60_000, 20)


@pytest.mark.slow
def test_two_million_streamed_rows_give_what_memory_gives_to_1e_9(tmp_path):
    streamed_equals_memory(tmp_path, 2_000_000, 20)


def test_a_streamed_count_below_zero_is_named_with_its_row(tmp_path):
    y = np.ones(5000)
    y[4321] = -1.0
    path = tmp_path / "rows.parquet"
    pl.DataFrame({"x": np.arange(5000.0), "y": y}).write_parquet(path)
    with pytest.raises(ValueError, match="row 4321 holds -1"):
        PoissonRegressor().fit(tripos.scan(path, target="y", rows=1000))


def test_exposure_by_the_name_of_a_streamed_column_is_that_of_the_rows_in_memory(tmp_path):
    X, targets = rows(5000, 3)
    years = np.random.default_rng(1).uniform(0.5, 2.0, 5000)
    path = tmp_path / "rows.parquet"
    pl.DataFrame(X, schema=list("abc")).with_columns(claims=targets["count"], years=years).write_parquet(path)
    blocks = tripos.scan(path, target="claims", columns=["a", "years", "b", "c"], rows=1000)
    whole = PoissonRegressor(alpha=0.01, tol=1e-8).fit(X, targets["count"], exposure=years)
    for exposure in ("years", years):
        source = (
            blocks if isinstance(exposure, str) else tripos.scan(path, target="claims", columns=list("abc"))
        )
        streamed = PoissonRegressor(alpha=0.01, tol=1e-8).fit(source, exposure=exposure)
        assert list(streamed.feature_names_in_) == list("abc")
        np.testing.assert_allclose(streamed.coef_, whole.coef_, rtol=1e-9, atol=1e-9)
    with pytest.raises(ValueError, match="exposure='year' is no column of the blocks"):
        PoissonRegressor().fit(blocks, exposure="year")
    frame = pl.read_parquet(path).with_columns(
        years=pl.when(pl.col("a") == X[4321, 0]).then(0.0).otherwise(1.0)
    )
    with pytest.raises(ValueError, match="exposure must be larger than 0.*row 4321"):
        PoissonRegressor().fit(tripos.scan(frame, target="claims", rows=1000), exposure="years")
