"""Measures: the area under the ROC curve of a million scores."""

from __future__ import annotations

from typing import Any

import numpy as np

from benchmarks.cases.linear import SKL, SKLEX
from benchmarks.harness import OURS, Case


def _scores(dtype: Any, decimals: int | None = None) -> Any:
    rng = np.random.default_rng(0)
    y = rng.integers(0, 2, 1_000_000)
    scores = (rng.normal(size=len(y)) + y).astype(dtype)
    return y, scores if decimals is None else np.round(scores, decimals)


def _auc(module: str) -> Any:
    def run(data: Any) -> float:
        import importlib

        return float(importlib.import_module(module).roc_auc_score(*data))

    return run


_CONTESTANTS = {OURS: _auc("tripos.metrics"), SKL: _auc("sklearn.metrics"), SKLEX: _auc("sklearnex.metrics")}


def _equal(data: Any, results: dict[str, float]) -> None:
    assert abs(results[OURS] - results[SKL]) < 1e-12


CASES = [
    Case(
        "auc-1m",
        "AUC of 1M scores",
        lambda: _scores(np.float64),
        _CONTESTANTS,
        agree=_equal,
        goals={SKL: 10.0},
        cold=True,
    ),
    Case(
        "auc-1m-float32",
        "AUC of 1M float32 scores",
        lambda: _scores(np.float32),
        _CONTESTANTS,
        agree=_equal,
        goals={SKL: 10.0},
    ),
    Case(
        "auc-1m-ties",
        "AUC of 1M scores with ties",
        lambda: _scores(np.float64, 2),
        _CONTESTANTS,
        agree=_equal,
        goals={SKL: 10.0},
    ),
]
