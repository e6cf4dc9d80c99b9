"""Missing cells filled from the nearest rows that have them.

    d(x, y)^2 = F / |C| sum_{j in C} (x_j - y_j)^2,      C the columns present in both rows, F all columns
    x_j       = sum_i w_i y_ij / sum_i w_i               over the k nearest rows y_i in which column j is present

(O. Troyanskaya et al. (2001), doi:10.1093/bioinformatics/17.6.520). A row is compared with a tile of rows at a time,
stored by columns, so that the sums vectorise; how many columns two rows share is counted 64 at a time in bits. The lists
of all missing cells of the row are filled in the same walk, and no matrix of distances is ever made.
"""

from __future__ import annotations

from collections.abc import Mapping
from numbers import Integral
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils._mask import _get_mask
from sklearn.utils._missing import is_scalar_nan
from sklearn.utils._param_validation import Interval, MissingValues, StrOptions
from sklearn.utils.validation import _check_feature_names_in, check_is_fitted, validate_data

from tripos.compute import kernel
from tripos.compute.arrays import kernel_array
from tripos.compute.threads import parallel, thread_count
from tripos.geometry.distances import NOBODY, Floats, Indices, empty_lists, insert
from tripos.state import Array, Number, Strings

TILE = 256  # rows compared at a time
STEP = 1 << 26  # cells compared in a call of a kernel: about 0.05 s
BLOCK = 1 << 22  # distances of a callable at a time
CELLS = 1 << 20  # missing cells whose lists lie in memory together


@kernel("F[:, ::1], u1[:, ::1], u8[:, ::1]", strict=True)
def pack(X, present, bits):  # type: ignore[no-untyped-def]
    """Which cells are there, as bytes and as bits."""
    for i in range(X.shape[0]):
        for word in range(bits.shape[1]):
            bits[i, word] = np.uint64(0)
        for j in range(X.shape[1]):
            here = X[i, j] == X[i, j]
            present[i, j] = here
            if here:
                bits[i, j >> 6] |= np.uint64(1) << np.uint64(j & 63)


@kernel(strict=True)
def ones_in(x):  # type: ignore[no-untyped-def]
    """How many bits are set."""
    x = x - ((x >> np.uint64(1)) & np.uint64(0x5555555555555555))
    x = (x & np.uint64(0x3333333333333333)) + ((x >> np.uint64(2)) & np.uint64(0x3333333333333333))
    x = (x + (x >> np.uint64(4))) & np.uint64(0x0F0F0F0F0F0F0F0F)
    return (x * np.uint64(0x0101010101010101)) >> np.uint64(56)


@kernel(
    "F[:, ::1], u1[:, ::1], u8[:, ::1], F[:, ::1], u8[:, ::1], i8[::1], i8[::1], i8[::1], i8, i8, f8[:, ::1], i8[:, ::1],"
    " f8[::1]",
    strict=True,
)
def donors(columns, present, bits, Q, q_bits, rows, starts, missing, first, last, D, I, out):  # type: ignore[no-untyped-def]
    """Lists of the nearest donors for the missing cells of the rows first..last: cell c of row r, starts[r] <= c <
    starts[r + 1], is column missing[c]; `columns` holds the rows to compare with by columns, `present` too."""
    d, n = columns.shape
    k = D.shape[1]
    for r in range(first, last):
        q = Q[rows[r]]
        for tile in range(0, n, TILE):
            m = min(TILE, n - tile)
            for i in range(m):
                out[i] = 0.0
            for t in range(d):
                qt = np.float64(q[t])
                if qt != qt:
                    continue
                x = columns[t, tile : tile + m]
                for i in range(m):
                    e = np.float64(x[i]) - qt
                    out[i] += e * e if e == e else 0.0
            loosest = -1.0
            for c in range(starts[r], starts[r + 1]):
                loosest = max(loosest, D[c - starts[first], k - 1])
            for i in range(m):
                both = np.uint64(0)
                for word in range(bits.shape[0]):
                    both += ones_in(bits[word, tile + i] & q_bits[rows[r], word])
                out[i] = out[i] * d / np.float64(both) if both else np.inf
            for i in range(m):
                if out[i] <= loosest and out[i] < np.inf:
                    for c in range(starts[r], starts[r + 1]):
                        at = c - starts[first]
                        if present[missing[c], tile + i] and out[i] <= D[at, k - 1]:
                            insert(D[at], I[at], out[i], tile + i)


@kernel("f8[:, ::1], u1[:, ::1], i8[::1], i8[::1], f8[:, ::1], i8[:, ::1]", strict=True)
def donors_by_distance(distances, present, starts, missing, D, I):  # type: ignore[no-untyped-def]
    """The same from the distances of each row to all others; NaN is nobody's distance."""
    k = D.shape[1]
    for r in range(distances.shape[0]):
        for i in range(distances.shape[1]):
            for c in range(starts[r], starts[r + 1]):
                at = c - starts[0]
                if present[missing[c], i] and distances[r, i] <= D[at, k - 1] and distances[r, i] < np.inf:
                    insert(D[at], I[at], distances[r, i], i)


@kernel("F[:, ::1], i8[::1], f8[:, ::1], i8[:, ::1], f8[:, ::1], f8[::1], f8[::1]", strict=True)
def fill(columns, missing, D, I, W, means, out):  # type: ignore[no-untyped-def]
    """out_c = weighted mean of the donors' cells (each 1 without weights), or the column's mean where there are none."""
    for c in range(missing.size):
        total = 0.0
        weight = 0.0
        for s in range(D.shape[1]):
            if I[c, s] == NOBODY:
                break
            w = W[c, s] if W.shape[0] else 1.0
            total += w * np.float64(columns[missing[c], I[c, s]])
            weight += w
        if I[c, 0] == NOBODY:
            out[c] = means[missing[c]]
        else:
            out[c] = total / weight


class KNNImputer(TransformerMixin, BaseEstimator):
    """Fills missing cells with the mean of the nearest rows that have the column.

        x_j = sum_i w_i y_ij / sum_i w_i,   d(x, y)^2 = F / |C| sum_{j in C} (x_j - y_j)^2

    over the columns C that both rows have, of F.

    Parameters
    ----------
    missing_values : number or np.nan, default=np.nan
        What stands for a missing cell.
    n_neighbors : int, default=5
        Donors of each cell.
    weights : {"uniform", "distance"} or callable, default="uniform"
        As in `KNeighborsRegressor`; a callable gets the distances (n_cells, n_neighbors), NaN where there are fewer donors.
    metric : "nan_euclidean" or callable, default="nan_euclidean"
        f(x, y, missing_values=...) of two rows.
    copy : bool, default=True
        False fills the given array where that is possible.
    add_indicator : bool, default=False
        Whether a column of 0 and 1 is added for each column that had missing cells when fitted.
    keep_empty_features : bool, default=False
        Whether columns without any cell when fitted stay, filled with 0.

    Attributes
    ----------
    indicator_ : sklearn.impute.MissingIndicator or None
    n_features_in_ : int
    feature_names_in_ : ndarray of shape (n_features_in_,)
        For input with column names.

    Notes
    -----
    Of rows at the same distance the one with the lower index is nearer; scikit-learn leaves that open. The scale of the
    columns decides who is near: scale them first.

    References
    ----------
    O. Troyanskaya, M. Cantor, G. Sherlock, P. Brown, T. Hastie, R. Tibshirani, D. Botstein & R. B. Altman (2001). Missing
    value estimation methods for DNA microarrays. Bioinformatics 17. doi:10.1093/bioinformatics/17.6.520

    Examples
    --------
    >>> import numpy as np
    >>> from tripos import KNNImputer
    >>> X = [[1, 2, np.nan], [3, 4, 3], [np.nan, 6, 5], [8, 8, 7]]
    >>> KNNImputer(n_neighbors=2).fit_transform(X)
    array([[1. , 2. , 4. ],
           [3. , 4. , 3. ],
           [5.5, 6. , 5. ],
           [8. , 8. , 7. ]])
    """

    state: ClassVar[Mapping[str, Any]] = {
        "n_features_in_": Number("i", low=1, binds="features"),
        "feature_names_in_": Strings("features", optional=True),
        "_fit_X": Array("f", (None, "features"), finite=False),
    }
    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "missing_values": [MissingValues()],
        "n_neighbors": [Interval(Integral, 1, None, closed="left")],
        "weights": [StrOptions({"uniform", "distance"}), callable, None],
        "metric": [StrOptions({"nan_euclidean"}), callable],
        "copy": ["boolean"],
        "add_indicator": ["boolean"],
        "keep_empty_features": ["boolean"],
    }
    n_features_in_: int
    _fit_X: npt.NDArray[Any]

    def __init__(
        self,
        *,
        missing_values: Any = np.nan,
        n_neighbors: int = 5,
        weights: Any = "uniform",
        metric: Any = "nan_euclidean",
        copy: bool = True,
        add_indicator: bool = False,
        keep_empty_features: bool = False,
    ) -> None:
        self.missing_values = missing_values
        self.n_neighbors = n_neighbors
        self.weights = weights
        self.metric = metric
        self.copy = copy
        self.add_indicator = add_indicator
        self.keep_empty_features = keep_empty_features

    # ---- fit -----------------------------------------------------------------------------------

    def fit(self, X: Any, y: Any = None) -> KNNImputer:
        """Remember the rows.

        Parameters
        ----------
        X : array-like or table of shape (n_rows, n_features), of numbers and missing cells
        y : ignored

        Returns
        -------
        self
        """
        self._validate_params()
        self._fit_X = np.ascontiguousarray(self._checked(X, reset=True))
        self._prepare()
        return self

    def _checked(self, X: Any, *, reset: bool) -> npt.NDArray[Any]:
        if not reset and self._needs_no_checks(X):
            return X.copy() if self.copy else X  # type: ignore[no-any-return]
        array: npt.NDArray[Any] = validate_data(
            self,
            X,
            accept_sparse=False,
            dtype=(np.float64, np.float32),
            force_writeable=True,
            ensure_all_finite="allow-nan" if is_scalar_nan(self.missing_values) else True,
            copy=self.copy,
            reset=reset,
        )
        return array

    def _needs_no_checks(self, X: Any) -> bool:
        """Whether `validate_data` would only find what it expects, which takes longer than filling a row."""
        return (
            type(X) is np.ndarray
            and X.ndim == 2
            and X.dtype == self._fit_X.dtype
            and X.shape[1] == self.n_features_in_
            and X.shape[0] > 0
            and X.flags.carray
            and "feature_names_in_" not in self.__dict__
            and is_scalar_nan(self.missing_values)
            and not np.isinf(X).any()
        )

    def _missing(self, X: npt.NDArray[Any]) -> npt.NDArray[np.bool_]:
        mask = np.isnan(X) if is_scalar_nan(self.missing_values) else _get_mask(X, self.missing_values)
        return np.asarray(mask, dtype=bool)

    def _with_nan(self, X: npt.NDArray[Any], mask: npt.NDArray[np.bool_]) -> npt.NDArray[Any]:
        return X if is_scalar_nan(self.missing_values) else np.where(mask, X.dtype.type(np.nan), X)

    def _prepare(self) -> None:
        """The rows by columns, which cells are there, and the means for cells without donors."""
        from sklearn.impute import MissingIndicator

        mask = self._missing(self._fit_X)
        X = kernel_array(self._with_nan(self._fit_X, mask))
        present, bits = _packed(X)
        self._valid = present.any(axis=0)
        self._columns = np.ascontiguousarray(X.T)  # (n_features, n_rows)
        self._present, self._bits = np.ascontiguousarray(present.T), np.ascontiguousarray(bits.T)
        counts = present.sum(axis=0, dtype=np.float64)
        sums = np.where(mask, 0.0, self._fit_X).sum(axis=0, dtype=np.float64)
        self._means = np.divide(sums, counts, out=np.zeros_like(sums), where=counts > 0)
        self._indicator = None
        if self.add_indicator:
            self._indicator = MissingIndicator(missing_values=self.missing_values, error_on_new=False)
            self._indicator.fit(self._fit_X)

    @property
    def indicator_(self) -> Any:
        """What finds the columns with missing cells, or None."""
        check_is_fitted(self, "_fit_X")
        return self._indicator

    def _after_load(self) -> None:
        self._prepare()

    # ---- fill ----------------------------------------------------------------------------------

    def transform(self, X: Any) -> npt.NDArray[Any]:
        """The rows with their missing cells filled.

        Parameters
        ----------
        X : array-like or table of shape (n_rows, n_features)

        Returns
        -------
        ndarray of shape (n_rows, n_output_features)
            Without the columns that were empty when fitted (unless they are kept), and with the indicators asked for.
        """
        if "_fit_X" not in self.__dict__:
            check_is_fitted(self, "_fit_X")
        X = self._checked(X, reset=False)
        mask = self._missing(X)
        # the mask goes in as a matrix of its own: a filled cell may by chance be what stands for a missing one
        indicated = None if self._indicator is None else mask[:, self._indicator.features_]
        asked = mask & self._valid
        rows = np.flatnonzero(asked.any(axis=1))
        if len(rows):
            self._fill(X, mask, asked, rows)
        if self.keep_empty_features:
            X[:, ~self._valid] = 0
        else:
            X = X[:, self._valid]
        return X if indicated is None else np.hstack([X, indicated.astype(X.dtype)])

    def _fill(
        self, X: npt.NDArray[Any], mask: npt.NDArray[np.bool_], asked: npt.NDArray[np.bool_], rows: Indices
    ) -> None:
        Q = kernel_array(self._with_nan(X, mask), self._columns.dtype)
        bits = _packed(Q)[1]
        cells, missing = np.nonzero(asked[rows])
        starts = np.searchsorted(cells, np.arange(len(rows) + 1))
        k = min(self.n_neighbors, self._columns.shape[1])
        size = 1
        if len(rows) > 1:
            most = max(1, CELLS // (k * max(1, missing.size // len(rows) + 1)))
            share = -(-len(rows) // thread_count())
            size = int(min(max(1, STEP // max(1, self._columns.size)), most, share))
        filled = np.empty(missing.size)

        def work(first: int) -> None:
            last = min(first + size, len(rows))
            own = slice(starts[first], starts[last])
            D, I = empty_lists(own.stop - own.start, k)
            if self.metric == "nan_euclidean":
                scratch = np.empty(TILE)
                what: Any = (Q, bits, rows, starts, missing, first, last, D, I, scratch)
                donors(self._columns, self._present, self._bits, *what)
                np.sqrt(D, out=D)
            else:
                self._by_callable(X, rows, starts, missing, first, last, D, I)
            W = self._weights(D)
            fill(self._columns, missing[own], D, I, W, self._means, filled[own])

        pieces = range(0, len(rows), size)
        if callable(self.weights) or callable(self.metric) or len(pieces) == 1:
            for first in pieces:
                work(first)
        else:
            parallel(work, pieces)
        X[rows[cells], missing] = filled

    def _by_callable(
        self,
        X: Any,
        rows: Indices,
        starts: Indices,
        missing: Indices,
        first: int,
        last: int,
        D: Floats,
        I: Indices,
    ) -> None:
        from sklearn.metrics import pairwise_distances

        step = max(1, BLOCK // len(self._fit_X))
        finite: Any = "allow-nan" if is_scalar_nan(self.missing_values) else True
        for a in range(first, last, step):
            b = min(a + step, last)
            distances = pairwise_distances(
                X[rows[a:b]],
                self._fit_X,
                metric=self.metric,
                missing_values=self.missing_values,
                ensure_all_finite=finite,
            )
            part = slice(starts[a] - starts[first], starts[b] - starts[first])
            block = kernel_array(distances, np.float64)
            donors_by_distance(block, self._present, starts[a : b + 1].copy(), missing, D[part], I[part])

    def _weights(self, D: Floats) -> Floats:
        """Weights of lists of distances, (n_cells, k); no rows where all count the same."""
        if self.weights is None or self.weights == "uniform":
            return np.empty((0, 0))
        if callable(self.weights):
            with np.errstate(invalid="ignore"):
                W = np.asarray(self.weights(np.where(D < np.inf, D, np.nan)), dtype=np.float64)
            if W.shape != D.shape:
                raise ValueError(f"weights gave an array of shape {W.shape} for distances of shape {D.shape}")
            return np.ascontiguousarray(np.where(np.isnan(W), 0.0, W))
        with np.errstate(divide="ignore"):
            W = 1.0 / D
        touching: Any = np.isinf(W)
        return np.where(touching.any(axis=1)[:, None], touching.astype(np.float64), W)

    # ---- names, tags, summary ------------------------------------------------------------------

    def get_feature_names_out(self, input_features: Any = None) -> npt.NDArray[Any]:
        """Names of the columns that `transform` gives, the indicators' last."""
        check_is_fitted(self, "n_features_in_")
        names = np.asarray(_check_feature_names_in(self, input_features), dtype=object)
        kept = names if self.keep_empty_features else names[self._valid]
        if self.indicator_ is None:
            return kept
        added = [f"missingindicator_{names[j]}" for j in self.indicator_.features_]
        return np.concatenate([kept, np.asarray(added, dtype=object)])

    def summary(self) -> str:
        """How much is missing where."""
        check_is_fitted(self, "_fit_X")
        share: Any = 1.0 - self._present.mean(axis=1)
        names = np.asarray(_check_feature_names_in(self, None), dtype=object)
        order = [j for j in np.argsort(-share, kind="stable")[:10] if share[j] > 0]
        lines = [
            f"KNNImputer: {len(self._fit_X)} rows to ask, {self.n_neighbors} neighbours, weights {self.weights}"
        ]
        return "\n".join(lines + [f"  {names[j]}: {share[j]:.1%} missing" for j in order])

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = is_scalar_nan(self.missing_values)
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags


def _packed(X: npt.NDArray[Any]) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.uint64]]:
    present, bits = np.empty(X.shape, np.uint8), np.empty((len(X), (X.shape[1] + 63) // 64), np.uint64)
    pack(X, present, bits)
    return present, bits
