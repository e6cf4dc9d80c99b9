"""From rows to what coordinate descent minimises: weighted and centred columns, or their products.

    1/(2W) sum_i s_i (y_i - x_i.w - b)^2 + alpha (l1_ratio |w|_1 + (1 - l1_ratio) |w|^2 / 2),    W = sum_i s_i

is W^-1 times `optimization.coordinate`'s objective with l1 = alpha l1_ratio W and l2 = alpha (1 - l1_ratio) W
in centred columns, and b = mean(y) - mean(x).w.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.sparse as sp
from sklearn.exceptions import ConvergenceWarning

from tripos.compute.arrays import kernel_array
from tripos.compute.blocks import BLOCK_BYTES, Block, Blocks
from tripos.objective.moments import Moments, block_moments, moments, tall_blocks
from tripos.optimization.coordinate import WorkingSet
from tripos.optimization.coordinate_columns import columns_of
from tripos.optimization.coordinate_gram import GramProblem, Order, Rules, Solution, cyclic
from tripos.supervised.linear.lasso_moments import WIDE, moments_by_columns
from tripos.supervised.linear.normal import NormalEquations

Listener = Callable[[float], bool]

GRAM_COLUMNS = 512  # columns up to which all products are formed for one fit
GRAM_ALWAYS, GRAM_WORK = 128, 1e9  # of which up to so many always, and more for so many products: some 40 ms
GRAM_PATH = 2048  # and for many
GRAM_WIDE = 512  # and for many with fewer rows than columns
GRAM_SPARSE = 128  # and of sparse rows for one fit
CENTRED = 0.9  # share of a column's squares that its mean may have
LOOK_COLUMNS, LOOK_ROWS, LOOK_PLACES = 64, 512, 16  # of a look at whether few columns enter ...
FEW_SHARE = 0.3  # ... and how many are few
PIECE_ROWS = 16384  # rows multiplied at a time where columns are contiguous
ADVICE = (
    "increase max_iter, scale the columns (tripos.Encoder, StandardScaler), or take a larger alpha or tol"
)


def order_of(selection: str, random_state: Any) -> Order:
    """In which order coefficients are visited."""
    if selection == "cyclic":
        return cyclic
    if selection != "random":
        raise ValueError(f"selection should be either random or cyclic, got {selection!r}")
    from tripos.optimization.coordinate import random_order

    return random_order(random_state)


def prefers_gram(X: Any, precompute: Any, *, many: bool) -> bool:
    """Whether the products of all columns are the way: for few columns and many rows, or when asked for."""
    n, d = X.shape
    if precompute is True:
        return True
    if many and d <= GRAM_WIDE:
        return True
    if sp.issparse(X):
        return bool(d <= GRAM_SPARSE and n > d)
    if not many and d > GRAM_ALWAYS and n * d * d > GRAM_WORK:
        return False  # a few sweeps over the columns may do
    return bool(n >= d and d <= (GRAM_PATH if many else GRAM_COLUMNS))


def few_enter(X: Any, y: np.ndarray, strength: float, *, centred: bool) -> bool:
    """Whether few of many long columns are likely to enter, judged by some of the rows: then a look at all columns
    before and after, and the products of those few, are less than the products of all with all."""
    if sp.issparse(X) or y.ndim > 1 or X.shape[1] < LOOK_COLUMNS or X.nbytes <= BLOCK_BYTES:
        return False
    if X.flags.c_contiguous or not X.flags.f_contiguous or len(y) < 2 * LOOK_ROWS * LOOK_PLACES:
        return False
    product = np.zeros(X.shape[1])
    mean = y.mean() if centred else 0.0
    for start in np.linspace(0, len(y) - LOOK_ROWS, LOOK_PLACES).astype(int):
        rows = slice(start, start + LOOK_ROWS)
        A = X[rows] - X[rows].mean(axis=0) if centred else X[rows]
        product += (y[rows] - mean) @ A
    likely = np.abs(product) > strength * LOOK_ROWS * LOOK_PLACES
    return bool(np.count_nonzero(likely) <= FEW_SHARE * X.shape[1])


def row_moments(X: Any, y: np.ndarray, sample_weight: np.ndarray | None) -> Moments:
    """Moments of [X, y]; rows that make one block are not cut up first, which would cost as much again."""
    by_columns = None if sample_weight is not None else _moments_by_columns(X, y)
    if by_columns is not None:
        return by_columns
    if not sp.issparse(X) and X.nbytes <= BLOCK_BYTES:
        return block_moments(Block(kernel_array(X), y, sample_weight, 0), alone=True)
    return moments(tall_blocks(X, y, sample_weight), n_targets=y[:1].size)


def _moments_by_columns(X: Any, y: np.ndarray) -> Moments | None:
    """Moments where columns are contiguous, not of small X. Of many columns BLAS multiplies them as they lie, unless
    they are far from zero, so that their means would take digits from the scatter."""
    if sp.issparse(X) or X.nbytes <= BLOCK_BYTES or X.flags.c_contiguous or not X.flags.f_contiguous:
        return None
    if X.shape[1] < WIDE:
        return moments_by_columns(X, y)
    if X.dtype != np.float64:
        return None
    n, d = X.shape
    Y = y.reshape(n, -1)
    mean = np.concatenate([np.ones(n) @ X, Y.sum(axis=0)]) / n
    raw = np.empty((len(mean), len(mean)))
    raw[:d, :d] = 0.0
    for start in range(0, n, PIECE_ROWS):
        piece = X[start : start + PIECE_ROWS]
        raw[:d, :d] += piece.T @ piece
    raw[:d, d:] = X.T @ Y
    raw[d:, :d] = raw[:d, d:].T
    raw[d:, d:] = Y.T @ Y
    square = np.diag(raw)
    if not np.isfinite(square).all() or (n * mean * mean > CENTRED * square).any():
        return None
    return Moments(float(n), n, mean, raw - np.outer(n * mean, mean))


@dataclass(frozen=True, eq=False)
class LassoProblem:
    """One problem for each target, and what turns its solution into a model of the columns as they are.

    Attributes
    ----------
    targets : list of GramProblem or WorkingSet
    x_mean, y_mean : ndarrays of shape (n_features,) and (n_targets,); zero without intercept
    weight : float
        W.
    """

    targets: list[GramProblem | WorkingSet]
    x_mean: np.ndarray
    y_mean: np.ndarray
    weight: float

    @classmethod
    def of_moments(cls, statistics: Moments, d: int, *, fit_intercept: bool, order: Order) -> LassoProblem:
        """From the moments of [X, y]."""
        e = NormalEquations.of(statistics, d, fit_intercept=fit_intercept)
        targets: list[GramProblem | WorkingSet] = [
            GramProblem(e.G, np.ascontiguousarray(c), float(y2), order) for c, y2 in zip(e.C.T, e.total)
        ]
        return cls(targets, e.x_mean, e.y_mean, statistics.weight)

    @classmethod
    def of_rows(
        cls,
        X: Any,
        y: np.ndarray,
        sample_weight: np.ndarray | None,
        *,
        fit_intercept: bool,
        order: Order,
        precompute: Any = False,
        Xy: np.ndarray | None = None,
        many: bool = False,
        strength: float | None = None,
    ) -> LassoProblem:
        """From rows in memory, by whichever road is shorter; NaN and infinity show in `is_finite`. `strength` is
        alpha l1_ratio, where one fit is all."""
        Y = y.reshape(len(y), -1)
        d = X.shape[1]
        given = hasattr(precompute, "__array__")
        few = strength is not None and precompute is False and sample_weight is None
        few = few and not many and few_enter(X, y, strength or 0.0, centred=fit_intercept)
        if not given and not few and prefers_gram(X, precompute, many=many):
            statistics = row_moments(X, y, sample_weight)
            return cls.of_moments(statistics, d, fit_intercept=fit_intercept, order=order)
        alone = Y[:, 0] if Y.shape[1] == 1 else None
        columns = columns_of(X, sample_weight, centred=fit_intercept, y=alone)
        prepared = [columns.target(np.ascontiguousarray(target)) for target in Y.T]
        if given:
            G = checked_gram(precompute, columns)
            if G is None:
                return cls.of_rows(
                    X, y, sample_weight, fit_intercept=fit_intercept, order=order, precompute=True
                )
            products = (
                [columns.products(target) for target, _ in prepared] if Xy is None else Xy.reshape(d, -1).T
            )
            targets: list[GramProblem | WorkingSet] = [
                GramProblem(G, np.array(c, np.float64), float(target @ target), order)
                for c, (target, _) in zip(products, prepared)
            ]
        else:
            targets = [
                WorkingSet(columns, target, order, once=not many, known=columns.first)
                for target, _ in prepared
            ]
        return cls(targets, columns.mean, np.array([mean for _, mean in prepared]), columns.weight)

    @classmethod
    def of_blocks(cls, blocks: Blocks, n_targets: int, *, fit_intercept: bool, order: Order) -> LassoProblem:
        """From blocks of rows, in one pass."""
        statistics = moments(blocks, n_targets=n_targets)
        return cls.of_moments(statistics, blocks.n_features, fit_intercept=fit_intercept, order=order)

    @property
    def is_finite(self) -> bool:
        return bool(np.isfinite(self.x_mean).all()) and all(t.is_finite for t in self.targets)

    def rules(
        self, alpha: float, l1_ratio: float, *, positive: bool, tol: float, max_iter: int, eased: bool = False
    ) -> Rules:
        """The penalty in the units of the sum over the rows."""
        return Rules(
            l1=alpha * l1_ratio * self.weight,
            l2=alpha * (1.0 - l1_ratio) * self.weight,
            positive=positive,
            tol=tol,
            max_iter=max_iter,
            eased=eased,
        )

    def alpha_max(self, l1_ratio: float, *, positive: bool) -> float:
        """The least alpha at which all coefficients are zero, for the target where it is largest."""
        largest = max(target.largest_product(positive) for target in self.targets)
        return largest / (self.weight * l1_ratio)

    def grid(self, n_alphas: int, eps: float, l1_ratio: float, *, positive: bool) -> np.ndarray:
        """Strengths from `alpha_max` down to `eps` of it, in equal ratios."""
        if l1_ratio == 0:
            raise ValueError(
                "Automatic alpha grid generation is not supported for l1_ratio=0: no alpha sets all coefficients "
                "to zero. Pass alphas as an array."
            )
        top = self.alpha_max(l1_ratio, positive=positive)
        least = float(np.finfo(np.float64).resolution)
        return np.full(n_alphas, least) if top <= least else np.geomspace(top, top * eps, num=n_alphas)

    def path(
        self,
        alphas: np.ndarray,
        l1_ratio: float,
        *,
        positive: bool = False,
        tol: float = 1e-4,
        max_iter: int = 1000,
        start: np.ndarray | None = None,
        eased: bool = False,
    ) -> list[Solution]:
        """Solutions of the first target for alphas from large to small, each from the one before."""
        options: dict[str, Any] = {"positive": positive, "tol": tol, "max_iter": max_iter, "eased": eased}
        return list(self.walk(alphas, l1_ratio, start=start, **options))

    def walk(
        self, alphas: np.ndarray, l1_ratio: float, *, start: np.ndarray | None = None, **options: Any
    ) -> Iterator[Solution]:
        """The same one by one."""
        problem = self.targets[0]
        if start is not None:
            problem.start(start)
        path = [self.rules(alpha, l1_ratio, **options) for alpha in alphas]
        if isinstance(problem, GramProblem) and problem.order is cyclic:
            yield from problem.walk(path)
        else:
            yield from map(problem.solve, path)


def checked_gram(precompute: Any, columns: Any) -> np.ndarray | None:
    """The user's X'X in float64; None, with a warning, where it is not that of the columns as they are solved.

    Raises
    ------
    ValueError
        If it has another shape, or an entry shows that it belongs to other columns.
    """
    d = columns.n_features
    G = np.array(precompute, dtype=np.float64, order="C")
    if G.shape != (d, d):
        raise ValueError(f"precompute must have shape ({d}, {d}) for {d} features, got {G.shape}")
    if columns.centred and not np.allclose(columns.mean, 0.0):
        warnings.warn(
            "Gram matrix was provided but X was centered to fit intercept: recomputing Gram matrix.",
            UserWarning,
            stacklevel=4,
        )
        return None
    if not np.allclose(np.diag(G), columns.square, rtol=1e-3, atol=1e-4 * columns.square.max(initial=0.0)):
        j = int(np.argmax(np.abs(np.diag(G) - columns.square)))
        raise ValueError(
            "Gram matrix passed in via 'precompute' parameter did not pass validation when a single element was "
            f"checked - please check that it was computed properly. For element ({j},{j}) we computed "
            f"{columns.square[j]} but the user-supplied value was {G[j, j]}."
        )
    return G


def warn_unconverged(who: str, unfinished: list[Solution], weight: float, max_iter: int) -> None:
    """Says how far the fits that ran out of sweeps have come."""
    worst = max(unfinished, key=lambda s: s.gap / max(s.allowed, np.finfo(float).tiny))
    of_how_many = "" if len(unfinished) == 1 else f" (the worst of {len(unfinished)})"
    warnings.warn(
        f"{who}: Objective did not converge in max_iter={max_iter} sweeps. Duality gap: {worst.gap / weight:.3e}, "
        f"tolerance: {worst.allowed / weight:.3e}{of_how_many}. You might want to {ADVICE}.",
        ConvergenceWarning,
        stacklevel=4,
    )
