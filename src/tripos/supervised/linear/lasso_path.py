"""Paths of the lasso and the elastic net: their coefficients for many strengths of the penalty.

    1/(2n) |y - Xw|^2 + alpha (l1_ratio |w|_1 + (1 - l1_ratio) |w|^2 / 2),      alpha from large to small

Each solution starts from the one before: from alpha_max = max_j |x_j.y| / (n l1_ratio), where all coefficients
are zero, few change from one alpha to the next.
"""

from __future__ import annotations

import warnings
from dataclasses import replace
from numbers import Integral
from typing import Any

import numpy as np
import scipy.sparse as sp
from sklearn.utils import check_array, check_consistent_length

from tripos.inputs import FLOATS
from tripos.supervised.linear.lasso_problem import LassoProblem, order_of, warn_unconverged

SOLVER_PARAMETERS = {"tol": 1e-4, "max_iter": 1000, "random_state": None, "selection": "cyclic"}
NOTHING = np.empty(0)
IGNORED = {"do_screening", "X_offset", "X_scale"}  # of scikit-learn's own calls


def lasso_path(
    X: Any,
    y: Any,
    *,
    eps: float = 1e-3,
    n_alphas: Any = "deprecated",
    alphas: Any = "warn",
    precompute: Any = "auto",
    Xy: Any = None,
    copy_X: bool = True,
    coef_init: Any = None,
    verbose: Any = False,
    return_n_iter: bool = False,
    positive: bool = False,
    **params: Any,
) -> Any:
    """Coefficients of the lasso along a path of alphas; no intercept, so centre X and y first.

    Parameters
    ----------
    X : array-like or sparse matrix of shape (n_rows, n_features)
        Used where it lies, by rows or by columns.
    y : array-like of shape (n_rows,)
    eps : float, default=1e-3
        Length of the path: the least alpha as a share of the largest.
    n_alphas : int, default="deprecated"
        Use `alphas`.
    alphas : int or array-like, default=100
        How many alphas, or the alphas themselves.
    precompute : "auto", bool or ndarray of shape (n_features, n_features), default="auto"
        X'X, or whether to compute it; "auto" and False leave the choice to the solver.
    Xy : array-like of shape (n_features,), optional
        X'y, of use with a given `precompute`.
    copy_X : bool, default=True
        Without effect: X is never written to.
    coef_init : array-like of shape (n_features,), optional
        Where the first solution starts.
    verbose : bool or int
        Without effect.
    return_n_iter : bool, default=False
    positive : bool, default=False
        Whether coefficients must not be negative.
    **params
        `tol`, `max_iter`, `selection`, `random_state`, `sample_weight` as in `Lasso`.

    Returns
    -------
    alphas : ndarray of shape (n_alphas,), from large to small
    coefs : ndarray of shape (n_features, n_alphas)
    dual_gaps : ndarray of shape (n_alphas,)
    n_iters : list of int
        Only with `return_n_iter`.

    Raises
    ------
    ValueError
        For several targets at once, unknown parameters, or alphas that are negative.

    References
    ----------
    J. Friedman, T. Hastie, R. Tibshirani (2010), doi:10.18637/jss.v033.i01.

    Examples
    --------
    >>> import numpy as np
    >>> from tripos import lasso_path
    >>> X = np.array([[1.0, 2.3], [2.0, 5.4], [3.1, 4.3]])
    >>> lasso_path(X, [1.0, 2.0, 3.1], alphas=[5.0, 1.0, 0.5])[1].round(3)
    array([[0.   , 0.   , 0.469],
           [0.216, 0.443, 0.237]])
    """
    return enet_path(
        X, y, l1_ratio=1.0, eps=eps, n_alphas=n_alphas, alphas=alphas, precompute=precompute, Xy=Xy,
        copy_X=copy_X, coef_init=coef_init, verbose=verbose, return_n_iter=return_n_iter, positive=positive,
        **params,
    )  # fmt: skip


def enet_path(
    X: Any,
    y: Any,
    *,
    l1_ratio: float = 0.5,
    eps: float = 1e-3,
    n_alphas: Any = "deprecated",
    alphas: Any = "warn",
    precompute: Any = "auto",
    Xy: Any = None,
    copy_X: bool = True,
    coef_init: Any = None,
    verbose: Any = False,
    return_n_iter: bool = False,
    positive: bool = False,
    check_input: bool = True,
    **params: Any,
) -> Any:
    """Coefficients of the elastic net along a path of alphas; no intercept, so centre X and y first.

    Parameters
    ----------
    X : array-like or sparse matrix of shape (n_rows, n_features)
    y : array-like of shape (n_rows,)
    l1_ratio : float, default=0.5
        Share of the penalty that is |w|_1; 1 is the lasso.
    eps, n_alphas, alphas, precompute, Xy, copy_X, coef_init, verbose, return_n_iter, positive
        As in `lasso_path`.
    check_input : bool, default=True
        Without effect: the input is always checked.
    **params
        As in `lasso_path`.

    Returns
    -------
    alphas, coefs, dual_gaps, n_iters
        As in `lasso_path`.

    Raises
    ------
    ValueError
        As in `lasso_path`.

    References
    ----------
    H. Zou, T. Hastie (2005), doi:10.1111/j.1467-9868.2005.00503.x.

    Examples
    --------
    >>> import numpy as np
    >>> from tripos import enet_path
    >>> X = np.array([[1.0, 2.3], [2.0, 5.4], [3.1, 4.3]])
    >>> alphas, coefs, gaps = enet_path(X, [1.0, 2.0, 3.1], alphas=3)
    >>> coefs[:, 0].round(6), bool((gaps < 1e-3).all())
    (array([0., 0.]), True)
    """
    unknown = set(params) - set(SOLVER_PARAMETERS) - IGNORED - {"sample_weight"}
    if unknown:
        raise ValueError(f"Unexpected parameters in params: {sorted(unknown)}")
    settings = {**SOLVER_PARAMETERS, **{k: v for k, v in params.items() if k in SOLVER_PARAMETERS}}
    if not 0.0 <= l1_ratio <= 1.0:
        raise ValueError(f"l1_ratio must lie in 0 to 1, got {l1_ratio!r}")
    if not eps > 0.0:
        raise ValueError(f"eps must be positive, got {eps!r}")
    X, y = _checked(X, y)
    order = order_of(settings.pop("selection"), settings.pop("random_state"))
    sample_weight = params.get("sample_weight")
    sample_weight = None if sample_weight is None else np.asarray(sample_weight, np.float64)
    problem = LassoProblem.of_rows(
        X, y, sample_weight, fit_intercept=False, order=order, precompute=precompute,
        Xy=None if Xy is None else np.asarray(Xy, np.float64), many=True,
    )  # fmt: skip
    wanted = _wanted(alphas, n_alphas)
    if isinstance(wanted, Integral):
        strengths = problem.grid(int(wanted), eps, l1_ratio, positive=positive)
    else:
        strengths = sorted_alphas(wanted)
    start = None if coef_init is None else np.asarray(coef_init, np.float64)
    solutions, kept = [], []
    for solution in problem.walk(strengths, l1_ratio, positive=positive, start=start, **settings):
        inside = np.flatnonzero(solution.w).astype(np.int32)
        kept.append((inside, solution.w[inside]))
        solutions.append(replace(solution, w=NOTHING))
    weight = problem.weight
    del problem, solution  # the products of columns go before the coefficients come
    unfinished = [solution for solution in solutions if not solution.converged]
    if unfinished:
        warn_unconverged("enet_path", unfinished, weight, settings["max_iter"])
    coefs = np.zeros((X.shape[1], len(strengths)), dtype=X.dtype)
    for k, (inside, w) in enumerate(kept):
        coefs[inside, k] = w
    gaps = np.array([solution.gap / weight for solution in solutions])
    n_iters = [solution.n_iter for solution in solutions]
    return (strengths, coefs, gaps, n_iters) if return_n_iter else (strengths, coefs, gaps)


def sorted_alphas(alphas: Any) -> np.ndarray:
    """Alphas from large to small; refuses negative ones."""
    strengths = np.sort(np.asarray(alphas, dtype=np.float64).reshape(-1))[::-1]
    if not len(strengths) or not np.isfinite(strengths).all() or strengths[-1] < 0.0:
        raise ValueError(f"alphas must be finite numbers from 0 on, got {alphas!r}")
    return np.ascontiguousarray(strengths)


def _wanted(alphas: Any, n_alphas: Any) -> Any:
    """The alphas or how many, from the parameter and the one it replaces."""
    if not isinstance(n_alphas, str):
        warnings.warn("'n_alphas' is deprecated: pass the number as 'alphas'", FutureWarning, stacklevel=3)
    default = 100 if isinstance(n_alphas, str) else n_alphas
    return default if alphas is None or isinstance(alphas, str) else alphas


def _checked(X: Any, y: Any) -> tuple[Any, np.ndarray]:
    """X as it lies, in float32 or float64; y in the same."""
    X = check_array(X, accept_sparse=["csc", "csr"], dtype=list(FLOATS), copy=False)
    y = check_array(y, dtype=X.dtype, ensure_2d=False, copy=False)
    if y.ndim != 1:
        raise ValueError(
            f"y must have one target, got shape {y.shape}: call the path target by target, or use Lasso, which "
            "fits each target apart"
        )
    check_consistent_length(X, y)
    if not sp.issparse(X) and not (X.flags.c_contiguous or X.flags.f_contiguous):
        X = np.ascontiguousarray(X)
    return X, y
