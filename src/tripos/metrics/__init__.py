"""Performance P: the measures a model is judged by, with scikit-learn's names and arguments.

`from tripos.metrics import roc_auc_score` imports the one module that holds it and nothing else.
"""

from __future__ import annotations

import importlib
from typing import Any

_MODULES: dict[str, tuple[str, ...]] = {
    "agreement": (
        "accuracy_score",
        "balanced_accuracy_score",
        "cohen_kappa_score",
        "confusion_matrix",
        "matthews_corrcoef",
    ),
    "classification": (
        "f1_score",
        "fbeta_score",
        "precision_recall_fscore_support",
        "precision_score",
        "recall_score",
    ),
    "deviance": (
        "d2_tweedie_score",
        "mean_gamma_deviance",
        "mean_poisson_deviance",
        "mean_tweedie_deviance",
    ),
    "gains": ("dcg_score", "mean_average_precision", "mean_reciprocal_rank", "ndcg_score"),
    "probability": ("brier_score_loss", "d2_brier_score", "d2_log_loss_score", "log_loss"),
    "quantile": (
        "d2_absolute_error_score",
        "d2_pinball_score",
        "mean_pinball_loss",
        "median_absolute_error",
    ),
    "ranking": ("auc", "average_precision_score", "precision_recall_curve", "roc_curve"),
    "regression": (
        "adjusted_r2_score",
        "explained_variance_score",
        "max_error",
        "mean_absolute_error",
        "mean_absolute_percentage_error",
        "mean_squared_error",
        "mean_squared_log_error",
        "r2_score",
        "root_mean_squared_error",
        "root_mean_squared_log_error",
    ),
    "report": ("classification_report",),
    "roc_auc": ("roc_auc_score",),
    "scorers": ("SCORERS", "default_scorer", "report_scorers", "scorer"),
    "scoring": ("Scorer",),
}
_HOME = {name: module for module, names in _MODULES.items() for name in names}

__all__ = sorted(_HOME)


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'tripos.metrics' has no attribute {name!r}")
    value = getattr(importlib.import_module(f"{__name__}.{_HOME[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOME})
