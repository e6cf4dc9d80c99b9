"""Trees of other libraries, read from their files: predicting and explaining beside those who made them."""

from __future__ import annotations

import os
import tempfile
from typing import Any

import numpy as np

from benchmarks.cases.trees import interactions
from benchmarks.harness import OURS, Case

LGBM, XGB, SHAP = "LightGBM", "XGBoost", "shap"
EXPLAINED = 2_000  # rows


def _lightgbm(_: Any) -> Any:
    import lightgbm

    X, y = interactions(20_000, 20)
    return lightgbm.train({"objective": "binary", "verbose": -1}, lightgbm.Dataset(X, y), 100), X


def _xgboost(_: Any) -> Any:
    import xgboost

    X, y = interactions(20_000, 20)
    data = xgboost.DMatrix(X, y)
    return xgboost.train({"objective": "binary:logistic", "max_depth": 6}, data, 100), X


def _ours(train: Any) -> Any:
    def prepare(data: Any) -> Any:
        import tripos

        booster, X = train(data)
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "model.json")
            booster.save_model(path)
            return tripos.load(path), X

    return prepare


def _explainer(data: Any) -> Any:
    import shap

    booster, X = _lightgbm(data)
    return shap.TreeExplainer(booster), X


def _same(data: Any, results: dict[str, Any]) -> None:
    ours = np.asarray(results[OURS], dtype=np.float64)
    for name, theirs in results.items():
        found = np.asarray(theirs, dtype=np.float64)
        found = found[:, : ours.shape[1]] if found.ndim == 2 and found.ndim == ours.ndim else found
        assert np.abs(ours - found).max() < 5e-6, (name, np.abs(ours - found).max())


def _nothing() -> Any:
    return None


CASES = [
    Case(
        "loaded-lightgbm-predict",
        "predict by a LightGBM file, 100 trees, 20k × 20",
        _nothing,
        {OURS: lambda d: d[0].raw_scores(d[1]), LGBM: lambda d: d[0].predict(d[1], raw_score=True)},
        prepare={OURS: _ours(_lightgbm), LGBM: _lightgbm},
        agree=_same,
        goals={LGBM: 2.0},
        memory=False,
    ),
    Case(
        "loaded-xgboost-predict",
        "predict by an XGBoost file, 100 trees of depth 6, 20k × 20",
        _nothing,
        {
            OURS: lambda d: d[0].raw_scores(d[1]),
            XGB: lambda d: d[0].inplace_predict(d[1], predict_type="margin"),
        },
        prepare={OURS: _ours(_xgboost), XGB: _xgboost},
        agree=_same,
        goals={XGB: 1.5},
        memory=False,
    ),
    Case(
        "tree-shap",
        "SHAP values, 100 trees of 31 leaves, 2,000 × 20",
        _nothing,
        {
            OURS: lambda d: d[0].shap_values(d[1][:EXPLAINED]),
            SHAP: lambda d: d[0].shap_values(d[1][:EXPLAINED]),
            LGBM: lambda d: d[0].predict(d[1][:EXPLAINED], pred_contrib=True),
        },
        prepare={OURS: _ours(_lightgbm), SHAP: _explainer, LGBM: _lightgbm},
        agree=_same,
        goals={SHAP: 5.0, LGBM: 5.0},
        memory=False,
        runs=3,
    ),
    Case(
        "tree-shap-interactions",
        "SHAP interaction values, 100 trees of 31 leaves, 100 × 20",
        _nothing,
        {
            OURS: lambda d: d[0].shap_values(d[1][:100], interactions=True),
            SHAP: lambda d: d[0].shap_interaction_values(d[1][:100]),
        },
        prepare={OURS: _ours(_lightgbm), SHAP: _explainer},
        agree=lambda data, results: None,
        goals={SHAP: 5.0},
        memory=False,
        runs=3,
    ),
]
