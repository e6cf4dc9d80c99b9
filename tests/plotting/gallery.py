"""One call of every figure on data as large as a run's, for the tests that all figures must pass."""

import numpy as np
from sklearn.datasets import load_iris
from sklearn.metrics import precision_recall_curve, roc_curve
from sklearn.naive_bayes import GaussianNB

from tripos import plotting


def gallery(n=50_000, seed=0):
    """{name: (figure, args, kwargs)}, every public figure at least once."""
    rng = np.random.default_rng(seed)
    y = rng.integers(0, 2, n)
    score = 1 / (1 + np.exp(-(rng.normal(size=n) + 1.6 * y - 0.8)))
    fpr, tpr, _ = roc_curve(y, score)
    precision, recall, _ = precision_recall_curve(y, score)
    x = rng.gamma(2, 2, n)
    price = 3 * x + rng.normal(size=n)
    iris = load_iris()
    petals = iris.data[:, 2:]
    model = GaussianNB().fit(petals, iris.target)
    bins = np.linspace(0.05, 0.95, 10)
    folds = rng.normal(size=(6, 5)) * 0.01
    words = [f"word{i}" for i in range(300)]
    many = rng.poisson(0.3, (60, 60)) + np.diag(rng.poisson(50, 60))
    walk = np.cumsum(rng.normal(size=(n, 2)), axis=0)
    race = {
        name: {
            "step": np.arange(n),
            "loss": 0.1 + np.exp(-np.arange(n) / pace),
            "seconds": np.arange(n) * 1e-4,
        }
        for name, pace in (("adam", 500), ("sgd", 2000))
    }

    def plane(points):
        return points @ np.array([1.0, 2.0]) - 8.0

    return {
        "margin_plane": (plotting.margin_plane, (plane, petals, iris.target > 1), {"support": [0, 70, 120]}),
        "margin_losses": (plotting.margin_losses, (x - 2,), {}),
        "boundary_grid": (plotting.boundary_grid, (lambda C, gamma: plane, petals, iris.target > 1), {}),
        "confusion_matrix": (plotting.confusion_matrix, ([[963, 3], [11, 138]], ["ham", "spam"]), {}),
        "confusion_matrix of 60": (plotting.confusion_matrix, (many,), {}),
        "roc_curve": (plotting.roc_curve, (fpr, tpr), {"area": 0.87}),
        "precision_recall_curve": (plotting.precision_recall_curve, (precision, recall), {"prevalence": 0.5}),
        "calibration": (plotting.calibration, (bins, bins**1.2), {"count": np.full(10, 200)}),
        "score_distribution": (plotting.score_distribution, (score, y), {"threshold": 0.5}),
        "decision_boundary": (plotting.decision_boundary, (model.predict, petals, iris.target), {}),
        "residuals": (plotting.residuals, (price, 3 * x), {}),
        "predicted_vs_actual": (plotting.predicted_vs_actual, (price, 3 * x), {}),
        "simple_fit": (plotting.simple_fit, (x, price, 3.0, 0.0), {}),
        "learning_curve": (plotting.learning_curve, ([50, 99, 200, 400, 800, 1600], folds + 1, folds), {}),
        "validation_curve": (
            plotting.validation_curve,
            ([0.01, 0.1, 1, 10, 100, 1000], folds + 1, folds),
            {},
        ),
        "loss_curve": (plotting.loss_curve, (np.arange(n), np.exp(-np.arange(n) / 999)), {}),
        "leaderboard": (plotting.leaderboard, (["a", "b"], [0.9, 0.8], [0.01, 0.02]), {"baseline": "b"}),
        "class_balance": (plotting.class_balance, (words, rng.poisson(9, 300)), {}),
        "histogram": (plotting.histogram, (x,), {}),
        "column_sketch": (plotting.column_sketch, (x,), {}),
        "coefficients": (plotting.coefficients, (rng.normal(size=300), words), {}),
        "importances": (plotting.importances, (rng.random(300), rng.random(300), words), {}),
        "gaussian_densities": (
            plotting.gaussian_densities,
            (model.theta_, model.var_, model.class_prior_),
            {},
        ),
        "descent_paths": (
            plotting.descent_paths,
            (lambda w: (w**2) @ [1, 9], {"walk": walk, "few": [[9, 9], [3, 0]]}),
            {"minimum": [0, 0]},
        ),
        "zig_zag": (plotting.zig_zag, (np.column_stack([x, 9 * score]), price), {"names": ("size", "age")}),
        "loss_race": (plotting.loss_race, (race,), {"against": "seconds", "minimum": 0.1}),
        "fit_band": (
            plotting.fit_band,
            (x, price, line := np.linspace(0, 30, 200), 3 * line),
            {"band": [3 * line - 0.1, 3 * line + 0.1], "prediction": [3 * line - 2, 3 * line + 2]},
        ),
        "residual_panels": (plotting.residual_panels, (3 * x, price - 3 * x), {}),
        "normal_quantiles": (plotting.normal_quantiles, (price - 3 * x,), {}),
        "coefficient_path": (
            plotting.coefficient_path,
            (np.logspace(-3, 1, 100), np.outer(np.linspace(1, 0, 100), rng.normal(size=300))),
            {"chosen": 0.1, "scores": 1 + rng.random((100, 5)), "names": words},
        ),
        "probability_plane": (
            plotting.probability_plane,
            (bins, bins, np.outer(bins, bins), np.column_stack([score, score]), y),
            {"classes": ("ham", "spam")},
        ),
        "ratio_forest": (
            plotting.ratio_forest,
            (np.exp(rng.normal(size=300))[:, None] * [1.0, 0.8, 1.25], words),
            {},
        ),
        "feature_log_odds": (plotting.feature_log_odds, (rng.normal(size=(2, 300)),), {"names": words}),
        "centroid_deviations": (
            plotting.centroid_deviations,
            (rng.normal(size=(2, 300)),),
            {"labels": ("ham", "spam"), "names": words},
        ),
        "contributions": (plotting.contributions, (rng.normal(size=(n, 30)), rng.normal(size=(n, 30))), {}),
        "waterfall": (plotting.waterfall, (rng.normal(size=300), 0.5, words), {}),
        "curse_of_dimensionality": (
            plotting.curse_of_dimensionality,
            ([1, 10, 100], [0.001, 0.2, 0.6]),
            {"noise": [0.001, 0.3, 0.8]},
        ),
        "density_profile": (plotting.density_profile, (line, np.exp(-line), x), {"name": "size"}),
        "outlier_scores": (plotting.outlier_scores, (np.abs(score), 1.5), {}),
        "few_and_many_neighbours": (
            plotting.few_and_many_neighbours,
            (lambda points, k: (points[:, 0] > 2.5).astype(int), petals, iris.target),
            {"scores": (0.9, 0.95)},
        ),
        "tree_diagram": (
            plotting.tree_diagram,
            (
                [1, 3, -1, -1, -1],
                [2, 4, -1, -1, -1],
                ["age <= 30", "male", "no", "yes", "no"],
                *[[0, 1, 0, 1, 0]] * 2,
            ),
            {},
        ),
    }
