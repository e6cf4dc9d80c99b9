"""Finds every public estimator by itself and knows data it can be fitted on.

A later estimator joins every contract test by being listed in `tripos._public.ESTIMATORS`.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from sklearn.base import is_classifier, is_outlier_detector
from sklearn.utils import get_tags

import tripos
from tripos._public import ESTIMATORS

# Other ways to build an estimator that take another path through its code.
VARIANTS: dict[str, list[dict[str, Any]]] = {
    "LinearRegression": [{"fit_intercept": False}, {"positive": True}, {"solver": "nesterov"}],
    "Ridge": [{"alpha": 10.0, "fit_intercept": False}],
    "RidgeCV": [{"alphas": (0.01, 1.0, 30.0, 100.0), "fit_intercept": False}],
    "LinearDiscriminantAnalysis": [{"solver": "eigen", "shrinkage": 0.3}],
    "QuadraticDiscriminantAnalysis": [{"solver": "eigen", "shrinkage": 0.3}, {"reg_param": 0.2}],
    "RidgeClassifier": [{"alpha": 10.0}],
    "Lasso": [
        {"alpha": 0.05, "positive": True},
        {"alpha": 0.02, "precompute": True},
        {"alpha": 0.05, "fit_intercept": False},
    ],
    "ElasticNet": [{"alpha": 0.1, "l1_ratio": 0.9}, {"alpha": 0.05, "fit_intercept": False}],
    "LassoCV": [{"cv": 3, "fit_intercept": False}],
    "ElasticNetCV": [{"cv": 3, "l1_ratio": [0.5, 0.9]}],
    "LogisticRegression": [
        {"solver": "newton-cholesky"},
        {"class_weight": "balanced"},
        {"C": 10.0},
        {"solver": "saga", "l1_ratio": 1.0},
        {"solver": "saga", "l1_ratio": 0.5, "multi_class": "ovr"},
    ],
    "LogisticRegressionCV": [
        {
            "l1_ratios": (0.0, 0.5),
            "solver": "saga",
            "Cs": 3,
            "cv": 3,
            "use_legacy_attributes": False,
            "scoring": "neg_log_loss",
        }
    ],
    "Perceptron": [{"penalty": "l2", "alpha": 0.001}],
    "SGDClassifier": [
        {"loss": "log_loss", "penalty": "elasticnet", "alpha": 0.01},
        {"loss": "modified_huber", "average": True, "alpha": 0.01},
        {"learning_rate": "pa1"},
    ],
    "SGDRegressor": [{"average": 10}, {"penalty": "l1", "learning_rate": "adaptive"}],
    "PoissonRegressor": [{"solver": "newton-cholesky"}, {"alpha": 0.01}],
    "GammaRegressor": [{"solver": "newton-cholesky", "alpha": 0.0}],
    "TweedieRegressor": [{"power": 1.5, "alpha": 0.1}, {"power": 3.0}, {"power": 2.0, "link": "identity"}],
    "HuberRegressor": [{"epsilon": 2.0, "alpha": 1.0}],
    "QuantileRegressor": [{"quantile": 0.8, "alpha": 0.0}, {"alpha": 0.01}],
    "LinearSVC": [
        {"loss": "hinge"},
        {"penalty": "l1", "dual": False},
        {"class_weight": "balanced"},
    ],
    "LinearSVR": [{"loss": "squared_epsilon_insensitive", "epsilon": 0.1}, {"epsilon": 0.2}],
    "SVC": [
        {"kernel": "linear", "C": 0.01},  # of larger C the unscaled dates of the table take a million steps
        {"kernel": "poly", "degree": 2, "coef0": 1.0, "class_weight": "balanced", "break_ties": True},
    ],
    "KernelRidge": [{"kernel": "rbf", "alpha": 0.1}],
    "SVR": [{"kernel": "sigmoid", "gamma": 0.02}, {"C": 10.0, "epsilon": 0.3}],
    "MultinomialNB": [{"fit_prior": False}],
    "ComplementNB": [{"norm": True}],
    "CategoricalNB": [{"min_categories": 4}],
    "NaiveBayes": [{"numbers": "intervals"}, {"numbers": "density"}],
    "BernoulliNB": [{"binarize": 0.5, "fit_prior": False}],
    "GaussianNB": [{"var_smoothing": 1e-6}],
    "HistGradientBoostingClassifier": [{"max_iter": 5, "max_leaf_nodes": None, "max_depth": 3}],
    "BoostedTreesClassifier": [
        {"n_estimators": 9, "growth": "depth-wise", "max_depth": 3, "reg_alpha": 0.1, "gamma": 0.1}
    ],
    "BoostedTreesRegressor": [
        {"n_estimators": 9, "learning_rate": 0.5, "colsample_bylevel": 0.6, "colsample_bynode": 0.7},
        {
            "n_estimators": 9,
            "learning_rate": 0.5,
            "max_leaves": 0,
            "reg_lambda": 2.0,
            "colsample_bytree": 0.7,
        },
    ],
    "HistGradientBoostingRegressor": [
        {"max_iter": 9, "learning_rate": 0.5, "loss": "absolute_error"},
        {"max_iter": 9, "learning_rate": 0.5, "max_features": 0.5, "l2_regularization": 1.0},
    ],
    "RandomForestClassifier": [
        {"n_estimators": 5, "criterion": "entropy", "min_samples_leaf": 2, "max_leaf_nodes": 20}
    ],
    "RandomForestRegressor": [{"n_estimators": 5, "max_features": 0.4, "bootstrap": False}],
    "ExtraTreesRegressor": [{"n_estimators": 5, "max_depth": 4, "ccp_alpha": 0.001}],
    "ID3Classifier": [{"max_depth": 2, "n_bins": 3}],
    "C45Classifier": [{"prune": False, "min_samples_leaf": 1, "mdl_correction": False}],
    "KNeighborsClassifier": [
        {"weights": "distance", "n_neighbors": 4, "algorithm": "kd_tree"},
        {"metric": "cosine", "n_neighbors": 3},
    ],
    "KNeighborsRegressor": [
        {"weights": "distance", "p": 1},
        {"n_neighbors": 2, "algorithm": "kd_tree", "p": 3},
    ],
    "NearestCentroid": [{"shrink_threshold": 0.5, "priors": "empirical"}, {"metric": "manhattan"}],
    "DummyClassifier": [
        {"strategy": "stratified", "random_state": 0},
        {"strategy": "uniform", "random_state": 0},
    ],
    "DummyRegressor": [{"strategy": "median"}, {"strategy": "quantile", "quantile": 0.3}],
}

# Those whose default is a large grid: each contract test would fit a hundred models and show nothing more. And those
# whose default cannot be met by every table.
SMALLER: dict[str, dict[str, Any]] = {
    "LogisticRegressionCV": {"Cs": 3, "cv": 3},
    "LassoCV": {"alphas": 15, "cv": 3},
    "ElasticNetCV": {"alphas": 15, "cv": 3},
    "NuSVC": {"nu": 0.2, "break_ties": True},  # a larger nu is infeasible where a class is small
}

# Their work grows with the square of the rows: what is promised for many rows is tried with fewer.
QUADRATIC = {"SVC", "SVR", "KernelRidge", "NuSVC", "NuSVR", "OneClassSVM"}


# A hundred trees grown to their end: some seconds where there are many rows.
MANY_TREES = {
    "RandomForestClassifier",
    "RandomForestRegressor",
    "ExtraTreesClassifier",
    "ExtraTreesRegressor",
}


# A path for nearly every row where these are noise: a second for 10,000.
MANY_BRANCHES = {"ID3Classifier", "C45Classifier"}


# Public learners that no run tries of its own accord, but that keep the contract all the same.
BESIDE = ("NuSVC", "OneClassSVM")


def public_classes() -> list[type]:
    return [getattr(tripos, name) for name in (*ESTIMATORS, *BESIDE)]


def instances() -> list[Any]:
    """One instance of each public estimator, then its variants."""
    made = []
    for cls in public_classes():
        smaller = SMALLER.get(cls.__name__, {})
        variants = [smaller, *VARIANTS.get(cls.__name__, [])]
        made += [cls(**{**smaller, **parameters}) for parameters in variants]
    return [seeded(estimator) for estimator in made]


def seeded(estimator: Any) -> Any:
    """With a seed where the estimator would draw from the global state: what is promised, is promised for one seed."""
    unseeded = estimator.get_params().get("random_state", 0) is None
    return estimator.set_params(random_state=0) if unseeded and draws(estimator) else estimator


def draws(estimator: Any) -> bool:
    """Whether the answer depends on `random_state`."""
    return "weights" in estimator.exceptions


def named(estimator: Any) -> str:
    return estimator.__class__.__name__ + str({k: v for k, v in _changed(estimator).items()} or "")


def _changed(estimator: Any) -> dict[str, Any]:
    defaults = type(estimator)().get_params()
    return {k: v for k, v in estimator.get_params().items() if repr(v) != repr(defaults[k])}


def merging() -> list[Any]:
    """Instances whose parts merge: of some classes only with some parameters."""
    return [e for e in instances() if e.mergeable and getattr(e, "_merges", lambda: True)()]


def predicts_at_random(estimator: Any) -> bool:
    """Baselines that draw each prediction: by definition the order of the rows matters to them."""
    return estimator.get_params().get("strategy") in ("stratified", "uniform")


every_estimator = pytest.mark.parametrize("estimator", instances(), ids=named)
every_class = pytest.mark.parametrize("cls", public_classes(), ids=lambda cls: cls.__name__)
every_learner = pytest.mark.parametrize(
    "estimator", [e for e in instances() if not is_outlier_detector(e)], ids=named
)
every_learning_class = pytest.mark.parametrize(
    "cls", [c for c in public_classes() if not is_outlier_detector(c())], ids=lambda cls: cls.__name__
)


def counts_only(estimator: Any) -> bool:
    return bool(estimator.needs.sign == "non-negative")


def arrays(
    estimator: Any, n_rows: int = 160, n_features: int = 5, n_classes: int = 3, seed: int = 0
) -> tuple[np.ndarray, np.ndarray]:
    """A float64 X and a target with signal, of the kind the estimator is made for."""
    if type(estimator).__name__ in QUADRATIC | MANY_TREES | MANY_BRANCHES:
        n_rows = min(n_rows, 3000)
    rng = np.random.default_rng(seed)
    X = (
        rng.poisson(3.0, (n_rows, n_features)).astype(float)
        if counts_only(estimator)
        else rng.normal(size=(n_rows, n_features))
    )
    score = X[:, 0] - 0.7 * X[:, 1] + 0.5 * rng.normal(size=n_rows)
    if is_classifier(estimator):
        y = np.searchsorted(np.quantile(score, np.arange(1, n_classes) / n_classes), score)
        return X, y
    if get_tags(estimator).target_tags.positive_only:
        return X, np.exp(0.5 * score)
    return X, score


def table(estimator: Any, n_rows: int = 120, seed: int = 1) -> tuple[pd.DataFrame, np.ndarray]:
    """A table as people have it: strings, categories, booleans, dates, missing values, awkward names."""
    rng = np.random.default_rng(seed)
    X, y = arrays(estimator, n_rows, seed=seed)
    frame = pd.DataFrame(
        {
            "größe in cm": X[:, 0],
            "colour <b>": rng.choice(["red", "green", "blue"], n_rows),
            "": pd.Categorical(rng.choice(["low", "high"], n_rows)),
            "member?": rng.random(n_rows) < 0.5,
            "since": pd.Timestamp("2020-01-01") + pd.to_timedelta(rng.integers(0, 900, n_rows), unit="D"),
            "with gaps": np.where(rng.random(n_rows) < 0.2, np.nan, np.abs(X[:, 1])),
        }
    )
    frame.loc[3, "colour <b>"] = None
    if is_classifier(estimator):
        return frame, np.array(["no", "perhaps", "yes"])[y]
    return frame, y


def sparse(estimator: Any) -> tuple[sp.csr_array, np.ndarray]:
    X, y = arrays(estimator, n_features=8)
    X[np.random.default_rng(3).random(X.shape) < 0.6] = 0.0
    return sp.csr_array(X), y


def outputs(estimator: Any, X: Any) -> dict[str, np.ndarray]:
    """Everything a fitted estimator says about X."""
    methods = ("predict", "predict_proba", "predict_log_proba", "decision_function", "transform")
    return {name: np.asarray(getattr(estimator, name)(X)) for name in methods if hasattr(estimator, name)}


def assert_same_outputs(
    a: dict[str, np.ndarray], b: dict[str, np.ndarray], *, rtol: float = 0.0, atol: float = 0.0
) -> None:
    assert a.keys() == b.keys()
    for name, value in a.items():
        if value.dtype.kind == "f" and (rtol or atol):
            np.testing.assert_allclose(b[name], value, rtol=rtol, atol=atol, err_msg=name)
        else:
            np.testing.assert_array_equal(b[name], value, err_msg=name)


def takes_weights(estimator: Any) -> bool:
    """Whether `fit` knows sample weights: nearest neighbours do not, as in scikit-learn."""
    return can(estimator, "sample_weight")


def can(estimator: Any, promise: str) -> bool:
    """Whether the estimator keeps the promise; where not, `exceptions` says why."""
    return promise not in estimator.exceptions
