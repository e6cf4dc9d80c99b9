"""The figures of a fitted linear model: from the model and its rows to the arrays that `plotting` draws."""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.sparse as sp
from scipy.special import expit, ndtri, stdtrit

from tripos import plotting
from tripos.supervised.linear.family import BERNOULLI, GAUSSIAN, Family
from tripos.supervised.linear.inference import Inference
from tripos.supervised.linear.judge import why_no_errors, why_no_inference

POINTS = 160  # of a curve, and along each side of a plane


def draw(model: Any, kind: str | None, X: Any, y: Any, *, top: int, confidence: float, ax: Any) -> Any:
    """`LinearModel.plot`."""
    if (X is None) != (y is None):
        raise ValueError("X and y go together: the rows, and their targets")
    if kind in (None, "coefficients") and (kind or X is None):
        return coefficients(model, top=top, ax=ax)
    fitting = kinds(model, X, y)
    if kind is None:
        kind = next(iter(found for found in ("fit", "boundary") if found in fitting), "coefficients")
    if kind not in fitting:
        where = "these rows" if X is not None else "no rows (most figures need X and y)"
        raise ValueError(
            f"kind={kind!r} does not fit this {type(model).__name__} and {where}; what does: {', '.join(fitting)}"
        )
    if kind == "coefficients":
        return coefficients(model, top=top, ax=ax)
    if kind == "path":
        return _path(model, X, y, ax=ax)
    drawing: dict[str, Any] = {"fit": _fit, "residuals": _residuals, "boundary": _boundary, "odds": _odds}
    rows, target = model._input(X), model._target(y, multi_output=False, reset=False, classes=None)
    return drawing[kind](model, X, y, rows, target, top=top, confidence=confidence, ax=ax)


def kinds(model: Any, X: Any, y: Any) -> list[str]:
    """The figures that make sense for a model and data."""
    found = ["coefficients"]
    if X is None:
        return found
    n_outputs, classifier = _weights(model).shape[0], hasattr(model, "classes_")
    family, width = model._family(), _weights(model).shape[1]
    if n_outputs == 1:
        if not classifier:
            found += ["fit", "residuals"]
        elif width == 1 and family is BERNOULLI:
            found.append("fit")
    if classifier and width >= 2:
        found.append("boundary")
    if (
        family is BERNOULLI
        and why_no_inference(model, without_rows=False) is None
        and why_no_errors(model) is None
    ):
        found.append("odds")
    if model._has_path():
        found.append("path")
    return found


def coefficients(model: Any, *, top: int, ax: Any) -> Any:
    """The coefficients that are largest in size; for several outputs their root mean square."""
    W = _weights(model)
    several = len(W) > 1
    values = np.sqrt(np.mean(W * W, axis=0)) if several else W[0]
    label = f"root mean square of the coefficients of {len(W)} outputs" if several else "coefficient"
    return plotting.coefficients(values, _names(model), top=top, xlabel=label, ax=ax)


def _fit(
    model: Any, X: Any, y: Any, rows: Any, target: np.ndarray, *, confidence: float, ax: Any, **_: Any
) -> Any:
    """One feature: the curve with its bands. More: predicted against actual values."""
    family = model._family() or GAUSSIAN
    w, b = _weights(model)[0], float(np.ravel(model.intercept_)[0])
    if len(w) > 1:
        ax = plotting.predicted_vs_actual(target, family.mean(rows @ w + b), ax=ax)
        return ax
    x = rows.toarray()[:, 0] if sp.issparse(rows) else rows[:, 0]
    grid = np.linspace(float(x.min()), float(x.max()), POINTS)
    eta = w[0] * grid + b
    band, prediction = _bands(model, family, X, y, grid, eta, confidence)
    labels = {"target": "y", "label": "fit"}
    if hasattr(model, "classes_"):
        labels = {"target": f"probability of {model.classes_[1]}", "label": "fitted probability"}
    elif family.link == "identity":
        sign = "+" if w[0] >= 0 else "-"
        labels["label"] = f"y = {b:.4g} {sign} {abs(w[0]):.4g} {_names(model)[0]}"
    else:
        sign = "+" if w[0] >= 0 else "-"
        labels["label"] = f"y = exp({b:.4g} {sign} {abs(w[0]):.4g} {_names(model)[0]})"
    return plotting.fit_band(
        x, target, grid, family.mean(eta), band=band, prediction=prediction, confidence=confidence,
        name=_names(model)[0], ax=ax, **labels,
    )  # fmt: skip


def _bands(
    model: Any, family: Family, X: Any, y: Any, grid: np.ndarray, eta: np.ndarray, confidence: float
) -> tuple[np.ndarray | None, np.ndarray | None]:
    """Low and high of the mean and, for the Gaussian, of a new row; None where there are no standard errors."""
    if why_no_inference(model, without_rows=False) or why_no_errors(model):
        return None, None
    found = model.inference(X, y, confidence=confidence)
    assert isinstance(found, Inference)
    if not np.isfinite(found.covariance).all():
        return None, None
    Z = np.column_stack([np.ones_like(grid), grid])[:, -len(found.coef) :]
    variance = np.einsum("ij,jk,ik->i", Z, found.covariance, Z)
    half = 0.5 + confidence / 2
    quantile = stdtrit(found.df_tests, half) if family == GAUSSIAN else ndtri(half)
    error = quantile * np.sqrt(np.maximum(variance, 0.0))
    band = family.mean(np.stack([eta - error, eta + error]))
    if family != GAUSSIAN:
        return band, None
    wide = quantile * np.sqrt(variance + found.dispersion)
    return band, np.stack([eta - wide, eta + wide])


def _residuals(model: Any, X: Any, y: Any, rows: Any, target: np.ndarray, *, ax: Any, **_: Any) -> Any:
    """Residuals over their spread (deviance residuals where the family is not Gaussian) against fitted values."""
    family = model._family() or GAUSSIAN
    mu = family.mean(
        np.asarray(rows @ _weights(model)[0] + float(np.ravel(model.intercept_)[0]), dtype=np.float64)
    )
    y_true = np.asarray(target, dtype=np.float64)
    left = max(len(y_true) - model.coef_.size - 1, 1)
    if family == GAUSSIAN:
        residual = y_true - mu
        residual /= np.sqrt(residual @ residual / left) or 1.0
        ylabel = "standardised residual"
    else:
        residual = np.sign(y_true - mu) * np.sqrt(np.maximum(family.deviance_rows(y_true, mu), 0.0))
        if family.dispersion_estimated:
            residual /= np.sqrt(residual @ residual / left) or 1.0
        ylabel = "deviance residual"
    return plotting.residual_panels(mu, residual, ylabel=ylabel, ax=ax)


def _path(model: Any, X: Any, y: Any, *, ax: Any) -> Any:
    found = model._path_of(X, y)
    if found is None:
        raise ValueError(f"kind='path' draws one output; this {type(model).__name__} has several")
    strengths, coefs, chosen, scores = found
    params = model.get_params(deep=False)
    label = "penalty 1 / C" if "C" in params or "Cs" in params else "penalty alpha"
    return plotting.coefficient_path(
        strengths, coefs, chosen=chosen, scores=scores, names=_names(model), xlabel=label, ax=ax
    )


def _boundary(model: Any, X: Any, y: Any, rows: Any, target: np.ndarray, *, ax: Any, **_: Any) -> Any:
    """Over the two features that move the scores most; the others are held at their means."""
    W, b = _weights(model), np.broadcast_to(np.ravel(model.intercept_), len(_weights(model)))
    mean, spread = _mean_and_spread(rows)
    pair = np.sort(np.argsort(-np.linalg.norm(W, axis=0) * spread, kind="stable")[:2])
    plane = rows[:, pair].toarray() if sp.issparse(rows) else rows[:, pair]
    others = b + W @ mean - W[:, pair] @ mean[pair]
    names = [_names(model)[j] for j in pair]
    title = f"the other {W.shape[1] - 2} features at their mean" if W.shape[1] > 2 else ""

    def scores(points: np.ndarray) -> np.ndarray:
        return np.asarray(points @ W[:, pair].T + others)

    if len(W) == 1 and hasattr(model, "predict_proba"):
        (left, right), (bottom, top) = (_range(column) for column in plane.T)
        across, up = np.linspace(left, right, POINTS), np.linspace(bottom, top, POINTS)
        grid = np.column_stack([axis.ravel() for axis in np.meshgrid(across, up)])
        probability = expit(scores(grid)[:, 0]).reshape(POINTS, POINTS)
        return plotting.probability_plane(
            across,
            up,
            probability,
            plane,
            target,
            names=names,
            classes=list(model.classes_),
            title=title,
            ax=ax,
        )

    def predict(points: np.ndarray) -> np.ndarray:
        found = scores(points)
        codes = (found[:, 0] > 0).astype(int) if len(W) == 1 else found.argmax(axis=1)
        return np.asarray(model.classes_[codes])

    ax = plotting.decision_boundary(predict, plane, model.classes_[target], names=names, ax=ax)
    if title:
        ax.set_title(title, color=ax.xaxis.label.get_color(), fontsize=11, loc="left")
    return ax


def _odds(model: Any, X: Any, y: Any, rows: Any, target: Any, *, top: int, confidence: float, ax: Any) -> Any:
    found = model.inference(X, y, confidence=confidence)
    assert isinstance(found, Inference)
    first = 1 if found.names[0] == "intercept" and len(found.names) > len(_names(model)) else 0
    label = f"odds ratio of {model.classes_[1]}"
    return plotting.ratio_forest(
        found.odds_ratio[first:], _names(model), top=top, xlabel=label, confidence=confidence, ax=ax
    )


def _weights(model: Any) -> np.ndarray:
    """Coefficients, shape (n_outputs, n_features)."""
    coef = model.coef_.toarray() if sp.issparse(model.coef_) else model.coef_
    return np.atleast_2d(np.asarray(coef, dtype=np.float64))


def _names(model: Any) -> list[str]:
    return [str(name) for name in model.encoded_feature_names_]


def _mean_and_spread(rows: Any) -> tuple[np.ndarray, np.ndarray]:
    mean = np.asarray(rows.mean(axis=0), dtype=np.float64).ravel()
    squares = (
        rows.multiply(rows).mean(axis=0)
        if sp.issparse(rows)
        else np.einsum("ij,ij->j", rows, rows) / len(rows)
    )
    return mean, np.sqrt(np.maximum(np.asarray(squares).ravel() - mean**2, 0.0))


def _range(values: np.ndarray) -> tuple[float, float]:
    """The span of a feature with a margin; of one with few values wide enough to spread its rows."""
    levels = np.unique(values)
    pad = 0.2 * float(np.diff(levels).min()) if 1 < len(levels) <= 12 else 0.05 * float(np.ptp(values)) or 0.5
    return float(values.min()) - pad, float(values.max()) + pad
