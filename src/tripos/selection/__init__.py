"""Choosing and judging models: folds, learning curves, importance, calibration, intervals, comparison.

Each name is imported with its module when it is first used.
"""

from __future__ import annotations

import importlib
from typing import Any

_MODULES: dict[str, tuple[str, ...]] = {
    "calibrate": ("Calibration", "calibration_curve"),
    "comparison": ("Comparison", "compare", "compare_folds"),
    "curves": ("LearningCurve", "LearningPoint", "ValidationCurve", "learning_curve", "validation_curve"),
    "diagnosis": ("Diagnosis", "diagnose_fit"),
    "intervals": ("Interval", "bootstrap_interval"),
    "out_of_bag": ("out_of_bag_importance",),
    "permutation": ("PermutationImportance", "permutation_importance"),
    "splitting": ("folds", "nested_order"),
    "validation": ("CrossValidation", "FoldError", "FoldResult", "cross_validate"),
}
_HOME = {name: module for module, names in _MODULES.items() for name in names}

__all__ = sorted(_HOME)


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'tripos.selection' has no attribute {name!r}")
    value = getattr(importlib.import_module(f"{__name__}.{_HOME[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOME})
