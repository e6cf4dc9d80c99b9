"""From what the user passed to `Inference`: which models have one, and the rows they are judged on."""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.sparse as sp
from sklearn.utils.validation import check_consistent_length, column_or_1d

from tripos.compute.blocks import Blocks
from tripos.supervised.linear.design import Design
from tripos.supervised.linear.inference import Inference, check_options, from_statistics, infer
from tripos.supervised.linear.multinomial_inference import MultinomialInference, infer_multinomial


def judge(
    model: Any,
    X: Any,
    y: Any,
    sample_weight: Any,
    *,
    covariance: str,
    groups: Any,
    confidence: float,
    offset: Any,
    exposure: Any,
) -> Inference | MultinomialInference:
    """`LinearModel.inference`."""
    check_options(covariance, groups, confidence)
    reason = why_no_inference(model, without_rows=X is None)
    if reason is not None:
        raise ValueError(reason)
    names = [str(name) for name in model.encoded_feature_names_]
    penalty = why_no_errors(model)
    if softmax(model):
        if isinstance(X, Blocks) or offset is not None or exposure is not None:
            raise ValueError(
                "for several classes inference needs the rows in memory, and softmax regression has no offset: pass X "
                "and y as arrays or tables"
            )
        rows, target, weights, codes = _rows_of(model, X, y, sample_weight, groups)
        return infer_multinomial(
            model, rows, target, weights, names, codes, covariance=covariance, confidence=confidence, penalty=penalty
        )  # fmt: skip
    offset = _with_exposure(offset, exposure, model._family().link)
    if X is None:
        if covariance != "classical" or offset is not None:
            raise ValueError(f"covariance={covariance!r} and offset need the rows: pass X and y")
        return from_statistics(model, names, confidence=confidence, penalty=penalty)
    design, codes = design_of(model, X, y, sample_weight, offset, groups)
    return infer(
        model, design, names, codes, covariance=covariance, confidence=confidence, penalty=penalty
    )  # fmt: skip


def design_of(
    model: Any, X: Any, y: Any, sample_weight: Any = None, offset: Any = None, groups: Any = None
) -> tuple[Design, np.ndarray | None]:
    """The rows in the form kernels take, and the groups as numbers from 0."""
    family = model._family()
    w = np.ravel(model.coef_.toarray() if sp.issparse(model.coef_) else model.coef_)
    b, fit_intercept = float(np.ravel(model.intercept_)[0]), bool(getattr(model, "fit_intercept", True))
    if isinstance(X, Blocks):
        if y is not None or sample_weight is not None or offset is not None or groups is not None:
            raise ValueError(
                "blocks carry their own target and weights, and go without offset and groups: pass blocks alone"
            )
        blocks = model._stream_target(X, reset=False, classes=None)
        return Design.of(blocks, None, None, family, w, b, fit_intercept=fit_intercept), None
    if y is None:
        raise ValueError("y is missing: inference needs the target of the rows in X")
    offset = None if offset is None else column_or_1d(offset).astype(np.float64)
    codes = None if groups is None else np.asarray(groups)
    check_consistent_length(X, y, offset, codes)
    if sample_weight is not None:
        keep = np.flatnonzero(np.asarray(sample_weight))
        X, y, sample_weight = model._checked_weights(X, y, sample_weight)
        offset = None if offset is None else offset[keep]
        codes = None if codes is None else codes[keep]
    rows, target = model._input(X), model._target(y, multi_output=False, reset=False, classes=None)
    return (
        Design.of(rows, target, sample_weight, family, w, b, fit_intercept=fit_intercept, offset=offset),
        None if codes is None else _numbered(codes),
    )


def softmax(model: Any) -> bool:
    """Whether the model is a softmax regression of more than two classes."""
    rest = getattr(model, "_by_rest", None)
    return rest is False and len(model.classes_) > 2


def _rows_of(
    model: Any, X: Any, y: Any, sample_weight: Any, groups: Any
) -> tuple[Any, np.ndarray, np.ndarray | None, np.ndarray | None]:
    """Rows in the form kernels take, positions of the classes, weights, groups as numbers from 0."""
    if y is None:
        raise ValueError("y is missing: inference needs the target of the rows in X")
    codes = None if groups is None else np.asarray(groups)
    check_consistent_length(X, y, codes)
    if sample_weight is not None:
        keep = np.flatnonzero(np.asarray(sample_weight))
        X, y, sample_weight = model._checked_weights(X, y, sample_weight)
        codes = None if codes is None else codes[keep]
    rows, target = model._input(X), model._target(y, multi_output=False, reset=False, classes=None)
    return rows, target, sample_weight, None if codes is None else _numbered(codes)


def _with_exposure(offset: Any, exposure: Any, link: str) -> Any:
    """offset + log(exposure)."""
    if exposure is None:
        return offset
    exposure = column_or_1d(exposure).astype(np.float64)
    if link != "log" or not (exposure > 0).all():
        raise ValueError(
            f"exposure goes with a logarithmic link and is above zero; the link is {link}, the smallest exposure "
            f"{exposure.min():g}"
        )
    return np.log(exposure) if offset is None else np.log(exposure) + np.asarray(offset, dtype=np.float64)


def _numbered(groups: np.ndarray) -> np.ndarray:
    if groups.ndim != 1:
        raise ValueError(f"groups must have one label per row, got shape {groups.shape}")
    codes = np.unique(groups, return_inverse=True)[1]
    if codes.max() == 0:
        raise ValueError("groups holds one label only: errors by group need at least two, better twenty")
    return codes


def why_no_inference(model: Any, *, without_rows: bool) -> str | None:
    """Why nothing but the coefficients can be shown; None where there is inference."""
    name = type(model).__name__
    n_outputs = np.atleast_2d(model.coef_).shape[0] if not sp.issparse(model.coef_) else model.coef_.shape[0]
    if softmax(model):
        return f"{name} kept no moments of its rows: pass X and y." if without_rows else None
    if n_outputs > 1 and hasattr(model, "classes_"):
        return (
            f"{name} told each of {n_outputs} classes from the rest: fit one model for each class against the rest (or pair of "
            "classes) for standard errors."
        )
    if getattr(model, "positive", False):
        return f"{name} held the coefficients at or above zero: their errors are not normal, so no standard errors."
    if model._family() is None:
        return f"{name} maximises no likelihood, so there are no standard errors of this kind."
    if n_outputs > 1:
        return f"{name} was fitted on {n_outputs} targets: fit one model for each for standard errors."
    if without_rows and (getattr(model, "column_scatter_", None) is None or why_no_errors(model)):
        return f"{name} kept no moments of its rows: pass X and y."
    return None


def why_no_errors(model: Any) -> str | None:
    """Why the coefficients have no standard errors although there is a likelihood."""
    params = model.get_params(deep=False)
    if params.get("class_weight") is not None:
        return (
            f"class_weight={params['class_weight']!r} counts rows that are not there: no standard errors. Fit with "
            "class_weight=None."
        )
    found, free = None, ""
    if "C" in params or hasattr(model, "C_"):
        C = getattr(model, "C_", params.get("C"))
        unpenalised = params.get("penalty", "") is None
        if np.isfinite(np.asarray(C, dtype=float)).any() and not unpenalised:
            found, free = f"C={_shown(C)}", "C=np.inf fits without a penalty."
    elif "alpha" in params or hasattr(model, "alpha_"):
        alpha = getattr(model, "alpha_", params.get("alpha"))
        if np.any(np.asarray(alpha, dtype=float) != 0):
            found = f"alpha={_shown(alpha)}"
            free = "LinearRegression fits" if hasattr(model, "alpha_") else "alpha=0 fits"
            free += " without a penalty."
    if found is None:
        return None
    return (
        f"The penalty ({found}) draws the coefficients towards zero: they are biased, and standard errors and p-values "
        f"of the likelihood do not hold for them. {free}"
    )


def _shown(value: Any) -> str:
    return ", ".join(f"{number:g}" for number in np.ravel(np.asarray(value, dtype=float)))
