"""One walk of stochastic gradient descent: epochs over rows in random order, and when to stop.

Rows are visited in an order drawn afresh for each epoch. Rows in more memory than the caches hold are visited as
blocks of neighbours in random order, the rows of 64 blocks shuffled among themselves: memory is then read in
pieces instead of row by row (500k rows of 30 numbers: 125 -> 48 ns a row), and every stretch of 2,000 rows still
comes from 64 places of the table. Where neighbours have like targets, as in a table sorted by class, that would not
mix them well (after 5 epochs the objective was 3 % higher), so such rows are shuffled one by one. The order is the
only thing drawn at random; it comes from the walk's own stream.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import scipy.sparse as sp

from tripos.supervised.linear import stochastic_kernels as kernels
from tripos.supervised.linear.stochastic_losses import StepLoss

IN_CACHE = 1 << 23  # bytes of rows that may be visited in any order
BLOCK_BYTES, MOST_ROWS, GROUP = 1 << 13, 32, 64
WORK = 30_000_000  # numbers read between two returns to Python: some 50 ms
PAIRS, ALIKE = (
    1 << 14,
    0.05,
)  # neighbours looked at, and the correlation of their targets from which on they are alike
MOST_EPOCHS = 64  # that are taken in one call


@dataclass(frozen=True)
class Recipe:
    """How walks step and when they stop: what the estimator's parameters say, in the kernels' terms."""

    loss: StepLoss
    parameter: float
    schedule: int
    settings: np.ndarray
    shuffle: bool

    @property
    def l1(self) -> float:
        return float(self.settings[kernels.L1])

    @property
    def averages(self) -> bool:
        return bool(np.isfinite(self.settings[kernels.AVERAGE]))

    def with_settings(self, **changed: float) -> np.ndarray:
        """The settings for one walk, as `with_settings(CLASS=2.0)`."""
        settings = self.settings.copy()
        for name, value in changed.items():
            settings[getattr(kernels, name)] = value
        return settings


@dataclass(frozen=True, eq=False)
class Piece:
    """Rows that lie in memory, in the form of the kernels."""

    X: Any
    y: np.ndarray
    s: np.ndarray
    rows: np.ndarray  # (n,) uint32: those to learn from; empty for all

    @classmethod
    def of(cls, X: Any, y: np.ndarray, s: np.ndarray | None, rows: np.ndarray | None = None) -> Piece:
        weights = np.empty(0, X.dtype) if s is None else np.ascontiguousarray(s, X.dtype)
        chosen = np.empty(0, np.uint32) if rows is None else rows.astype(np.uint32)
        target = (
            np.float32 if y.dtype.kind == "i" else X.dtype
        )  # codes of classes are exact in half the memory
        return cls(X, np.ascontiguousarray(y, target), weights, chosen)

    @property
    def n_rows(self) -> int:
        return len(self.rows) or self.X.shape[0]

    @property
    def row_bytes(self) -> int:
        if sp.issparse(self.X):
            entry = self.X.data.itemsize + self.X.indices.itemsize
            return int(entry * self.X.nnz / max(1, self.X.shape[0])) + 8
        return int(self.X.shape[1] * self.X.itemsize)

    @cached_property
    def neighbours_alike(self) -> bool:
        """Whether the targets of neighbouring rows are correlated."""
        moments = np.zeros(5)
        kernels.neighbours(self.y, self.rows, min(self.n_rows - 1, PAIRS), moments)
        first, second, squares, other_squares, product = moments
        variance = float(np.sqrt(max(squares - first**2, 0.0) * max(other_squares - second**2, 0.0)))
        return variance == 0.0 or bool(abs(product - first * second) > ALIKE * variance)

    @property
    def work(self) -> int:
        """Numbers that an epoch reads, and some for each row."""
        return self.n_rows * (self.row_bytes // 8 + 40)

    @property
    def epochs_at_once(self) -> int:
        """Epochs that one call may take."""
        return max(1, min(MOST_EPOCHS, WORK // max(1, self.work))) if self.in_cache else 1

    @property
    def in_cache(self) -> bool:
        """Whether the rows may be visited in any order."""
        return self.n_rows * self.row_bytes <= IN_CACHE

    def order(self, rng: np.random.Generator, shuffle: bool) -> np.ndarray:
        """The rows in the order of an epoch."""
        block = min(BLOCK_BYTES // max(1, self.row_bytes), MOST_ROWS)
        seed = _seeds(rng, 1)[0] if shuffle else 0
        if shuffle and not (self.in_cache or block < 2 or self.neighbours_alike):
            order = np.empty(self.n_rows, np.uint32)
            kernels.shuffle_blocks(self.rows, block, GROUP, seed, order)
            return order
        order = self.rows.copy() if len(self.rows) else np.arange(self.n_rows, dtype=np.uint32)
        if shuffle:
            kernels.shuffle(order, seed)
        return order

    def scores(self, w: np.ndarray, b: float) -> np.ndarray:
        return np.asarray(self.X @ w + w.dtype.type(b))

    def largest_row(self) -> float:
        """max |[x, 1]|^2."""
        X = self.X
        squares = X.multiply(X).sum(axis=1) if sp.issparse(X) else np.einsum("ij,ij->i", X, X)
        return float(np.max(squares, initial=0.0)) + 1.0


def _seeds(rng: np.random.Generator, n: int) -> np.ndarray:
    """Of the orders of n epochs: none is 0."""
    return rng.integers(0, 1 << 64, size=n, dtype=np.uint64) | np.uint64(1)


@dataclass(eq=False)
class Walk:
    """Coefficients on their way.

    Attributes
    ----------
    u : ndarray of shape (n_features,)
        The coefficients, between epochs.
    state, settings : ndarray
        What the kernels carry and are told; see `stochastic_kernels`.
    sums : float64 ndarray of shape (2, n_features), or (2, 0)
        Of the average.
    received : float64 ndarray of shape (n_features,), or (0,)
        What each coefficient has been pulled by the L1 penalty, so far.
    objectives, moves : list
        Of each epoch: mean loss of its rows as they were met and the penalty at its end; steps that moved w.
    """

    recipe: Recipe
    u: np.ndarray
    settings: np.ndarray
    rng: np.random.Generator
    sums: np.ndarray
    received: np.ndarray
    held_out: Any = None
    state: np.ndarray = field(default_factory=lambda: np.zeros(kernels.N_STATE))
    room: np.ndarray = field(default_factory=lambda: np.empty((6, kernels.BLOCK)))
    validation: float = np.nan
    done: bool = False
    finite: bool = True
    objectives: list[float] = field(default_factory=list)
    moves: list[int] = field(default_factory=list)

    @classmethod
    def start(
        cls,
        recipe: Recipe,
        u: np.ndarray,
        b: float,
        rng: np.random.Generator,
        *,
        t: float = 1.0,
        settings: np.ndarray | None = None,
        held_out: Any = None,
    ) -> Walk:
        d = len(u)
        walk = cls(
            recipe,
            u,
            recipe.settings if settings is None else settings,
            rng,
            np.zeros((2, d if recipe.averages else 0)),
            np.zeros(d if recipe.l1 else 0),
            held_out,
        )
        state = walk.state
        state[kernels.T], state[kernels.SCALE], state[kernels.INTERCEPT] = t, 1.0, b
        state[kernels.RATE] = recipe.settings[kernels.ETA0]
        state[kernels.BEST] = -np.inf
        return walk

    @property
    def n_iter(self) -> int:
        return len(self.objectives)

    @property
    def objective(self) -> float:
        """Of the last epoch."""
        return self.objectives[-1]

    @property
    def intercept(self) -> float:
        return float(self.state[kernels.INTERCEPT])

    def average(self) -> tuple[np.ndarray, float]:
        """Means of w and b over the steps since averaging began; zero before it did."""
        weight = max(self.state[kernels.AVERAGED], 1e-300)
        return (self.sums[0] / weight).astype(self.u.dtype), float(self.state[kernels.SUM_INTERCEPT] / weight)

    def take(self, piece: Piece) -> None:
        """A step for each row of the piece."""
        order = piece.order(self.rng, self.recipe.shuffle)
        rows = max(1, WORK // max(1, piece.work // max(1, len(order))))
        known = (self.recipe.loss.code, self.recipe.parameter, self.recipe.schedule)
        where = (self.settings, self.state, self.u, self.sums, self.received, self.room)
        for begin in range(0, len(order), rows):
            some = order[begin : begin + rows]
            if sp.issparse(piece.X):
                X = piece.X
                kernels.csr_steps(*known, X.data, X.indices, X.indptr, piece.y, piece.s, some, *where)
            else:
                kernels.dense_steps(*known, piece.X, piece.y, piece.s, some, *where)

    def begin_epoch(self) -> None:
        kernels.begin_epoch(self.state)

    def end_epoch(self) -> None:
        """Settles what is owed, and decides whether to go on."""
        state, schedule = self.state, self.recipe.schedule
        penalty = kernels.settle(self.settings, state, self.u, self.sums, self.received)
        self.finite = bool(kernels.assess(schedule, self.settings, state, penalty))
        self._note([state[kernels.OBJECTIVE]], [state[kernels.MOVES]])
        score = -self.objectives[-1]
        if self.held_out is not None and self.finite:
            score = self.validation = self.held_out(self.u, self.intercept)
        self.done = kernels.judge(schedule, self.settings, state, score) == kernels.DONE

    def _note(self, objectives: Any, moves: Any) -> None:
        self.objectives += [float(value) for value in objectives]
        self.moves += [int(value) for value in moves]

    def epochs(self, piece: Piece, most: int) -> Walk:
        """Passes over the rows, until it is time to stop and at most so many; several only over rows in the cache."""
        if most == 1:
            self.begin_epoch()
            self.take(piece)
            self.end_epoch()
            return self
        seeds = _seeds(self.rng, most) if self.recipe.shuffle else np.zeros(most, np.uint64)
        known = (self.recipe.loss.code, self.recipe.parameter, self.recipe.schedule)
        record = np.empty((2, most))
        where = (self.settings, self.state, self.u, self.sums, self.received, self.room, record)
        X = piece.X
        if sp.issparse(X):
            rows = (X.data, X.indices, X.indptr, piece.y, piece.s, piece.rows)
            verdict, n = kernels.csr_epochs(*known, *rows, seeds, *where)
        else:
            verdict, n = kernels.dense_epochs(*known, X, piece.y, piece.s, piece.rows, seeds, *where)
        self._note(record[0, :n], record[1, :n])
        self.finite, self.done = verdict != kernels.NOT_FINITE, verdict == kernels.DONE
        return self
