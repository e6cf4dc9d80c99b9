"""One function per figure. Each draws arrays (no figure knows a learner) on the axes it is given, or on a
new figure, and returns the axes; `svg(figure, ...)` gives the same picture as text for a page.

    from tripos import plotting

    plotting.roc_curve(fpr, tpr, area=0.93)
    page = plotting.svg(plotting.roc_curve, fpr, tpr, area=0.93)

Files are the stages of a study: `features` (what goes in and what the model uses), `classification` and
`regression` (how well it predicts), `linear` and `path` (what a linear model learned),
`curves` (how that depends on experience and settings), `optimization` (how the minimum is found).
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tripos.plotting.bayes import feature_log_odds as feature_log_odds
    from tripos.plotting.bayes import gaussian_densities as gaussian_densities
    from tripos.plotting.classification import calibration as calibration
    from tripos.plotting.classification import confusion_matrix as confusion_matrix
    from tripos.plotting.classification import decision_boundary as decision_boundary
    from tripos.plotting.classification import precision_recall_curve as precision_recall_curve
    from tripos.plotting.classification import roc_curve as roc_curve
    from tripos.plotting.classification import score_distribution as score_distribution
    from tripos.plotting.curves import leaderboard as leaderboard
    from tripos.plotting.curves import learning_curve as learning_curve
    from tripos.plotting.curves import loss_curve as loss_curve
    from tripos.plotting.curves import validation_curve as validation_curve
    from tripos.plotting.features import class_balance as class_balance
    from tripos.plotting.features import coefficients as coefficients
    from tripos.plotting.features import column_sketch as column_sketch
    from tripos.plotting.features import histogram as histogram
    from tripos.plotting.features import importances as importances
    from tripos.plotting.linear import fit_band as fit_band
    from tripos.plotting.linear import normal_quantiles as normal_quantiles
    from tripos.plotting.linear import probability_plane as probability_plane
    from tripos.plotting.linear import ratio_forest as ratio_forest
    from tripos.plotting.linear import residual_panels as residual_panels
    from tripos.plotting.neighbors import centroid_deviations as centroid_deviations
    from tripos.plotting.neighbors import curse_of_dimensionality as curse_of_dimensionality
    from tripos.plotting.neighbors import density_profile as density_profile
    from tripos.plotting.neighbors import few_and_many_neighbours as few_and_many_neighbours
    from tripos.plotting.neighbors import outlier_scores as outlier_scores
    from tripos.plotting.optimization import descent_paths as descent_paths
    from tripos.plotting.optimization import loss_race as loss_race
    from tripos.plotting.optimization import zig_zag as zig_zag
    from tripos.plotting.page import svg as svg
    from tripos.plotting.path import coefficient_path as coefficient_path
    from tripos.plotting.regression import predicted_vs_actual as predicted_vs_actual
    from tripos.plotting.regression import residuals as residuals
    from tripos.plotting.regression import simple_fit as simple_fit
    from tripos.plotting.svm import boundary_grid as boundary_grid
    from tripos.plotting.svm import margin_losses as margin_losses
    from tripos.plotting.svm import margin_plane as margin_plane
    from tripos.plotting.theme import use as use
    from tripos.plotting.trees import contributions as contributions
    from tripos.plotting.trees import tree_diagram as tree_diagram
    from tripos.plotting.trees import waterfall as waterfall

_STAGES: dict[str, tuple[str, ...]] = {
    "bayes": ("feature_log_odds", "gaussian_densities"),
    "classification": (
        "calibration",
        "confusion_matrix",
        "decision_boundary",
        "precision_recall_curve",
        "roc_curve",
        "score_distribution",
    ),
    "regression": ("predicted_vs_actual", "residuals", "simple_fit"),
    "curves": ("leaderboard", "learning_curve", "loss_curve", "validation_curve"),
    "features": (
        "class_balance",
        "coefficients",
        "column_sketch",
        "histogram",
        "importances",
    ),
    "linear": ("fit_band", "normal_quantiles", "probability_plane", "ratio_forest", "residual_panels"),
    "path": ("coefficient_path",),
    "neighbors": (
        "centroid_deviations",
        "curse_of_dimensionality",
        "density_profile",
        "few_and_many_neighbours",
        "outlier_scores",
    ),
    "optimization": ("descent_paths", "loss_race", "zig_zag"),
    "page": ("svg",),
    "svm": ("boundary_grid", "margin_losses", "margin_plane"),
    "theme": ("use",),
    "trees": ("contributions", "tree_diagram", "waterfall"),
}
_HOME = {name: stage for stage, names in _STAGES.items() for name in names}

__all__ = sorted(_HOME)


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'tripos.plotting' has no attribute {name!r}")
    value = getattr(importlib.import_module(f"tripos.plotting.{_HOME[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOME})
