"""Promise 6: what does not fit in memory is refused with a number, before it is tried."""

from __future__ import annotations

import re

import numpy as np
import polars as pl
import pytest
from sklearn.base import clone

import tripos

from . import cases


@pytest.mark.parametrize(
    "estimator", [e for e in cases.instances() if cases.can(e, "budget")], ids=cases.named
)
def test_a_table_larger_than_memory_is_refused_with_the_numbers(estimator, monkeypatch):
    X = pl.DataFrame(
        {f"c{j}": np.zeros(1_000_000, np.float32).astype(np.int8) for j in range(12)}
    )  # 12 MB that become 96
    monkeypatch.setenv("TRIPOS_MEMORY_LIMIT", "20MB")
    with pytest.raises(tripos.BudgetError, match=re.compile(r"\d.*(MB|MiB|GB|GiB)")):
        clone(estimator).fit(X, np.arange(1_000_000) % 3)
