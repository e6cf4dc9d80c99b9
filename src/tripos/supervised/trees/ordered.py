"""Categories as means of the target: ordered statistics, which do not know a row's own target.

With the rows in a random order, row i's category c has the statistic

    s_i = (sum_{j before i, c_j = c} w_j y_j + a p) / (sum_{j before i, c_j = c} w_j + a),

where p is the mean of all targets. A mean over all rows of the level would hold y_i itself, and trees would trust it
too much. Predictions use the mean over all training rows; a level that training had not has p. Early rows of an order
have noisy statistics, so there are several orders, and each step grows its trees on the next one. A second column
holds the share of the rows that the level has. For classes there is a mean for each.

References
----------
L. Prokhorenkova et al., "CatBoost: unbiased boosting with categorical features" (2018), arXiv:1706.09516, section 3.2.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from tripos.compute import kernel
from tripos.compute.budget import require
from tripos.state import Array, Number, Spec
from tripos.supervised.trees.binning import Binned
from tripos.supervised.trees.boosting import Booster

ORDERS = 4
PRIOR = 1.0  # a, in rows
NATIVE_LEVELS = (
    255  # levels that bins tell apart keep their splits on sets of levels: better on adult and flights
)


@kernel("i8[::1], i8[::1], f8[:, ::1], f8[::1], f8[::1], f8, f8[:, ::1], f8[::1], f8[:, ::1]")
def earlier_means(order, codes, Y, w, prior, a, sums, weights, out):  # type: ignore[no-untyped-def]
    """s_i of each row; leaves the sums over all rows of a level in `sums` (n_levels, n_means) and `weights`."""
    for at in range(order.size):
        i = order[at]
        c = codes[i]
        total = weights[c] + a
        for k in range(prior.size):
            out[i, k] = (sums[c, k] + a * prior[k]) / total
            sums[c, k] += w[i] * Y[i, k]
        weights[c] += w[i]


@dataclass(frozen=True, eq=False)
class OrderedStatistics:
    """What turns columns of categories into numbers.

    Attributes
    ----------
    n_columns : int
        Of the rows that come.
    kept : int64 ndarray
        Columns that stay as they are; the statistics stand behind them, column by column.
    columns : int64 ndarray
        Columns that become statistics.
    levels : float64 ndarray
        Their levels, one column after the other; rising, NaN last.
    starts : int64 ndarray of shape (n_columns + 1,)
    values : float64 ndarray of shape (n_levels, n_means + 1)
        Means, and the share of the rows.
    prior : float64 ndarray of shape (n_means,)
    """

    n_columns: int
    kept: np.ndarray
    columns: np.ndarray
    levels: np.ndarray
    starts: np.ndarray
    values: np.ndarray
    prior: np.ndarray

    state: ClassVar[dict[str, Spec]] = {
        "n_columns": Number("i", low=1),
        "kept": Array("i", (None,), low=0),
        "columns": Array("i", (None,), low=0),
        "levels": Array("f", ("levels",), finite=False),
        "starts": Array("i", (None,), low=0),
        "values": Array("f", ("levels", None)),
        "prior": Array("f", (None,)),
    }

    @classmethod
    def learn(
        cls,
        X: np.ndarray,
        Y: np.ndarray,
        weight: np.ndarray | None,
        categorical: np.ndarray,
        *,
        seed: int,
        native_levels: int = NATIVE_LEVELS,
    ) -> tuple[OrderedStatistics | None, list[np.ndarray]]:
        """The statistics, and the rows as training sees them, in one array for each order.

        Parameters
        ----------
        X : float ndarray of shape (n_rows, n_columns)
        Y : float64 ndarray of shape (n_rows, n_means)
        weight : ndarray of shape (n_rows,), optional
        categorical : bool ndarray of shape (n_columns,)
        seed : int
            Draws the orders.
        native_levels : int
            Columns of so many levels stay as they are.
        """
        n, w = len(X), np.ones(len(X)) if weight is None else weight.astype(np.float64)
        known = {int(j): np.unique(X[:, j], return_inverse=True) for j in np.flatnonzero(categorical)}
        columns = np.array([j for j, (levels, _) in known.items() if len(levels) > native_levels], np.int64)
        if not len(columns):
            return None, []
        n_made = len(columns) * (Y.shape[1] + 1)
        what = f"{ORDERS} orders of the statistics of {len(columns)} columns of categories"
        require(8 * n * ORDERS * (X.shape[1] + n_made), what=what)
        kept = np.setdiff1d(np.arange(X.shape[1]), columns)
        prior = np.average(Y, axis=0, weights=w)
        rng = np.random.default_rng((seed, 1))
        orders = [rng.permutation(n) for _ in range(ORDERS)]
        made = [np.empty((n, n_made), X.dtype) for _ in orders]
        values, width = [], Y.shape[1] + 1
        for c, j in enumerate(columns):
            levels, codes = known[int(j)]
            codes = codes.astype(np.int64)
            for order, out in zip(orders, made, strict=True):
                sums, weights = np.zeros((len(levels), width - 1)), np.zeros(len(levels))
                means = np.empty((n, width - 1))
                earlier_means(order, codes, Y, w, prior, PRIOR, sums, weights, means)
                share = weights / weights.sum()
                out[:, c * width : (c + 1) * width - 1] = means
                out[:, (c + 1) * width - 1] = share[codes]
            full = (sums + PRIOR * prior) / (weights + PRIOR)[:, None]
            values.append(np.column_stack([full, share]))
        starts = np.cumsum([0, *map(len, values)]).astype(np.int64)
        levels = np.concatenate([known[int(j)][0] for j in columns]).astype(np.float64)
        found = cls(X.shape[1], kept, columns, levels, starts, np.concatenate(values), prior)
        return found, [np.ascontiguousarray(np.hstack([X[:, kept], out])) for out in made]

    @property
    def sources(self) -> np.ndarray:
        """For each column of the result the one it comes from."""
        return np.concatenate([self.kept, np.repeat(self.columns, len(self.prior) + 1)])

    def apply(self, X: np.ndarray) -> np.ndarray:
        """Rows as trees see them at prediction."""
        width = len(self.prior) + 1
        out = np.empty((len(X), len(self.kept) + width * len(self.columns)), X.dtype)
        out[:, : len(self.kept)] = X[:, self.kept]
        unseen = np.append(self.prior, 0.0)
        for c, j in enumerate(self.columns):
            part = slice(self.starts[c], self.starts[c + 1])
            levels = np.append(self.levels[part], np.nan)  # NaN is last, among levels or here
            at = np.searchsorted(levels, X[:, j])
            values = np.vstack([self.values[part], unseen])
            same = (levels[at] == X[:, j]) | np.isnan(X[:, j])
            here = values[np.where(same, at, len(levels) - 1)]
            out[:, len(self.kept) + c * width : len(self.kept) + (c + 1) * width] = here
        return out

    def names(self, given: list[str], means: list[str]) -> list[str]:
        """Names of the columns of the result."""
        made = [f"{given[j]} ({what})" for j in self.columns for what in (*means, "share of rows")]
        return [given[j] for j in self.kept] + made

    def _check_state(self) -> None:
        starts, columns = self.starts, np.concatenate([self.kept, self.columns])
        if not np.array_equal(np.sort(columns), np.arange(self.n_columns)):
            raise ValueError("kept and columns do not part the columns")
        if len(starts) != len(self.columns) + 1 or starts[0] != 0 or starts[-1] != len(self.levels):
            raise ValueError("starts does not part the levels into columns")
        if (np.diff(starts) < 1).any() or self.values.shape[1] != len(self.prior) + 1:
            raise ValueError(
                "a column has no levels, or values are not one for each mean and one for the share"
            )
        falls = np.flatnonzero(~(np.diff(self.levels) > 0)) + 1
        last = np.isin(falls, starts) | (np.isin(falls + 1, starts) & np.isnan(self.levels[falls]))
        if not last.all():
            raise ValueError("the levels of a column do not rise")


class Rotating(Booster):
    """Grows each step's trees on the next of several forms of the same rows."""

    def __init__(self, several: list[Binned], *arguments: Any) -> None:
        super().__init__(several[0], *arguments)
        self.several = several
        rest = [self._growers(binned) for binned in several[1:]]
        self.grower_sets = [self.growers, *rest]

    def step(self) -> float:
        """As `Booster.step`."""
        r = self.n_steps % len(self.several)
        self.binned, self.growers, self._by_row = self.several[r], self.grower_sets[r], None
        return super().step()
