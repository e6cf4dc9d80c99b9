"""The lasso: paths, single fits and cross-validation; wide, tall, small and sparse."""

from __future__ import annotations

from typing import Any

import numpy as np

from benchmarks import sets
from benchmarks.harness import OURS, Case

SKL, SKGLM = "scikit-learn", "skglm"
SLACK = 1e-9  # by which our objective may exceed scikit-learn's, relative


def wide(n_rows: int = 2_000, n_features: int = 20_000) -> dict[str, Any]:
    """Gaussian columns, a hundred of which count; stored by columns, as scikit-learn and skglm want them."""
    rng = np.random.default_rng(0)
    X = np.asfortranarray(rng.normal(size=(n_rows, n_features)))
    w = np.zeros(n_features)
    w[rng.choice(n_features, 100, replace=False)] = rng.normal(size=100)
    y = X @ w
    y += 0.3 * y.std() * rng.normal(size=n_rows)
    X -= X.mean(axis=0)
    return _with_path(X, y - y.mean())


def tall() -> dict[str, Any]:
    """200,000 rows of 100 columns, of which twenty count."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(200_000, 100))
    y = X[:, :20] @ rng.normal(size=20) + rng.normal(size=len(X))
    X -= X.mean(axis=0)
    return _with_path(np.asfortranarray(X), y - y.mean())


def _with_path(X: np.ndarray, y: np.ndarray) -> dict[str, Any]:
    top = float(np.abs(X.T @ y).max()) / len(y)
    return {"X": X, "y": y, "top": top, "alphas": np.geomspace(top, 0.01 * top, 100)}


def text() -> dict[str, Any]:
    """SMS spam as TF-IDF in CSR."""
    texts, y = sets.sms_texts()
    X, y = sets.tfidf(texts), y.astype(float)
    return {"X": X, "y": y, "top": float(np.abs(X.T @ (y - y.mean())).max()) / len(y)}


def diabetes() -> dict[str, Any]:
    from sklearn.datasets import load_diabetes

    X, y = load_diabetes(return_X_y=True)
    return {"X": X, "y": y, "top": 2.0}


def _model(module: str, name: str, share: float | None = None, **parameters: Any) -> Any:
    """Fits the estimator; alpha is a share of the one at which all coefficients are zero."""

    def run(data: dict[str, Any]) -> Any:
        import importlib

        strength = {} if share is None else {"alpha": share * data["top"]}
        return getattr(importlib.import_module(module), name)(**strength, **parameters).fit(
            data["X"], data["y"]
        )

    return run


def _path(module: str) -> Any:
    def run(data: dict[str, Any]) -> np.ndarray:
        import importlib

        path = importlib.import_module(module).lasso_path
        return np.asarray(path(data["X"], data["y"], alphas=data["alphas"], copy_X=False)[1])

    return run


def _skglm_path(data: dict[str, Any]) -> np.ndarray:
    from skglm import Lasso

    model = Lasso(fit_intercept=False, tol=1e-4, ws_strategy="fixpoint")
    return np.asarray(model.path(data["X"], data["y"], data["alphas"])[1])


def _objective(data: dict[str, Any], w: np.ndarray, b: float, alpha: float) -> float:
    residual = data["y"] - data["X"] @ w - b
    return 0.5 * float(residual @ residual) / len(residual) + alpha * float(np.abs(w).sum())


def _path_quality(data: dict[str, Any], coefs: np.ndarray) -> dict[str, float]:
    values = [_objective(data, coefs[:, k], 0.0, data["alphas"][k]) for k in (0, 33, 66, 99)]
    return {f"objective {k}": value for k, value in zip((0, 33, 66, 99), values)}


def _quality(share: float) -> Any:
    def quality(data: dict[str, Any], model: Any) -> dict[str, float]:
        return {"objective": _objective(data, model.coef_, model.intercept_, share * data["top"])}

    return quality


def _never_worse(quality: Any) -> Any:
    def agree(data: dict[str, Any], results: dict[str, Any]) -> None:
        ours, theirs = quality(data, results[OURS]), quality(data, results[SKL])
        for name, value in ours.items():
            assert value <= theirs[name] * (1 + SLACK), f"{name}: {value!r}, scikit-learn's {theirs[name]!r}"

    return agree


def _same_choice(data: dict[str, Any], results: dict[str, Any]) -> None:
    """At the default tolerance the errors agree to a thousandth, so the choice may be the next alpha."""
    ours, theirs = (results[name].mse_path_.mean(axis=1).min() for name in (OURS, SKL))
    np.testing.assert_allclose(ours, theirs, rtol=1e-3)


def _fit_case(name: str, title: str, data: Any, share: float, **extra: Any) -> Case:
    quality = _quality(share)
    return Case(
        name,
        title,
        data,
        {OURS: _model("tripos", "Lasso", share), SKL: _model("sklearn.linear_model", "Lasso", share)},
        quality=quality,
        agree=_never_worse(quality),
        **extra,
    )


def _path_case(name: str, title: str, data: Any, goal: float, **others: Any) -> Case:
    return Case(
        name,
        title,
        data,
        {OURS: _path("tripos"), SKL: _path("sklearn.linear_model"), **others},
        quality=_path_quality,
        agree=_never_worse(_path_quality),
        goals={SKL: goal, **dict.fromkeys(others, 1.0)},
    )


def _skglm() -> dict[str, Any]:
    """skglm where it is installed."""
    from importlib.util import find_spec

    return {SKGLM: _skglm_path} if find_spec("skglm") else {}


CASES = [
    _path_case("lasso-path-2k-x-20k", "lasso path, 2k × 20k, 100 alphas", wide, 5.0, **_skglm()),
    _path_case("lasso-path-200k-x-100", "lasso path, 200k × 100, 100 alphas", tall, 0.95),
    _fit_case("lasso-2k-x-20k-strong", "lasso, 2k × 20k, alpha .2", wide, 0.2, goals={SKL: 1.5}),
    _fit_case("lasso-2k-x-20k-medium", "lasso, 2k × 20k, alpha .1", wide, 0.1, goals={SKL: 1.5}),
    _fit_case("lasso-2k-x-20k-weak", "lasso, 2k × 20k, alpha .03", wide, 0.03, goals={SKL: 1.5}),
    _fit_case("lasso-200k-x-100", "lasso, 200k × 100, alpha .05", tall, 0.05, goals={SKL: 0.95}),
    _fit_case("lasso-text-sms", "lasso, SMS spam TF-IDF", text, 0.05, goals={SKL: 1.5}),
    _fit_case(
        "lasso-diabetes", "lasso, diabetes", diabetes, 0.05, goals={SKL: 0.95}, calls=100, memory=False
    ),
    Case(
        "lasso-cv-200k-x-100",
        "lasso, 5 folds, 200k × 100",
        tall,
        {OURS: _model("tripos", "LassoCV"), SKL: _model("sklearn.linear_model", "LassoCV", n_jobs=-1)},
        agree=_same_choice,
        goals={SKL: 0.95},
        cold=True,
    ),
    Case(
        "lasso-cv-text-sms",
        "lasso, 5 folds, SMS spam TF-IDF",
        text,
        {
            OURS: _model("tripos", "LassoCV", alphas=30, eps=1e-2),
            SKL: _model("sklearn.linear_model", "LassoCV", alphas=30, eps=1e-2, n_jobs=-1),
        },
        agree=_same_choice,
        goals={SKL: 0.95},
    ),
]
