"""The baseline of regression: the constant with the least squared (mean), absolute (median) or pinball (quantile) loss."""

from __future__ import annotations

from collections.abc import Mapping
from numbers import Real
from typing import Any, ClassVar, Self

import numpy as np
import numpy.typing as npt
from sklearn.utils._param_validation import Interval, StrOptions

from tripos import plotting
from tripos.base import Regressor
from tripos.state import Array
from tripos.supervised.dummy.baseline import READS_NOTHING, Baseline

Floats = npt.NDArray[np.float64]


class DummyRegressor(Baseline, Regressor):
    """A regressor that ignores the features: the baseline of every regression.

    The mean has the least squared loss of all constants, the median the least absolute loss, the q-quantile the least
    pinball loss.

    Parameters
    ----------
    strategy : {"mean", "median", "quantile", "constant"}, default="mean"
        Which constant is predicted.
    constant : float or array-like of shape (n_outputs,), default=None
        The constant (of each output) for "constant".
    quantile : float in [0, 1], default=None
        Which quantile for "quantile".

    Attributes
    ----------
    constant_ : ndarray of shape (1, n_outputs)
        What is predicted.
    n_outputs_ : int
        Columns of y.
    n_features_in_ : int
        Columns of the input.
    feature_names_in_ : ndarray of str
        Their names, where it was a table.

    See Also
    --------
    DummyClassifier : the baseline of every classification.

    Notes
    -----
    A weight of k is k rows for every strategy; scikit-learn's weighted median and quantile are lower ones.

    References
    ----------
    R. Koenker & G. Bassett (1978). Regression quantiles. Econometrica 46. doi:10.2307/1913643

    Examples
    --------
    >>> import numpy as np
    >>> from tripos import DummyRegressor
    >>> model = DummyRegressor(strategy="median").fit(np.zeros((4, 1)), [1.0, 2.0, 4.0, 100.0])
    >>> model.predict(np.zeros((2, 1)))
    array([3., 3.])
    """

    exceptions: ClassVar[Mapping[str, str]] = READS_NOTHING
    state: ClassVar[Mapping[str, Any]] = {"constant_": Array("f", (1, None))}
    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "strategy": [StrOptions({"mean", "median", "quantile", "constant"})],
        "quantile": [Interval(Real, 0.0, 1.0, closed="both"), None],
        "constant": [Interval(Real, None, None, closed="neither"), "array-like", None],
    }

    constant_: Floats

    def __init__(
        self, *, strategy: str = "mean", constant: Any = None, quantile: float | None = None
    ) -> None:
        self.strategy = strategy
        self.constant = constant
        self.quantile = quantile

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.regressor_tags.poor_score = True
        return tags

    def fit(self, X: Any, y: Any = None, sample_weight: Any = None) -> Self:
        """Find the constant.

        Parameters
        ----------
        X : any table, array, sequence, or `tripos.scan(...)`
            Only its length and its column names are looked at.
        y : array-like of shape (n_rows,) or (n_rows, n_outputs)
            Target values.
        sample_weight : array-like of shape (n_rows,), optional
            A weight of k counts as k rows.

        Returns
        -------
        self
        """
        y, w = self._start(X, y, sample_weight)
        target = self._target(y, multi_output=True, reset=True, classes=None).reshape(len(y), -1)
        constant = self._best_constant(target.astype(np.float64, copy=False), w)
        self.n_outputs_ = target.shape[1]
        self.constant_ = constant.reshape(1, -1)
        return self

    def _best_constant(self, y: Floats, w: Floats | None) -> Floats:
        if self.strategy == "mean":
            return np.average(y, axis=0, weights=w)
        if self.strategy == "median":
            return weighted_quantile(y, 0.5, w)
        if self.strategy == "quantile":
            if self.quantile is None:
                raise ValueError(
                    "When using `strategy='quantile', you have to specify the desired quantile in the range [0, 1]."
                )
            return weighted_quantile(y, self.quantile, w)
        if self.constant is None:
            raise TypeError("Constant target value has to be specified when the constant strategy is used.")
        given = np.atleast_1d(np.asarray(self.constant, dtype=np.float64)).ravel()
        if len(given) != y.shape[1]:
            raise ValueError(f"Constant target value should have shape ({y.shape[1]}, 1).")
        return given

    def predict(self, X: Any, return_std: bool = False) -> Any:
        """The constant for each row.

        Parameters
        ----------
        X : any table, array or sequence
            Only its length is looked at.
        return_std : bool, default=False
            Whether to give the standard deviation of the prediction too: zeros.

        Returns
        -------
        ndarray of shape (n_rows,) or (n_rows, n_outputs), or two of them
        """
        n = self._n_rows(X)
        values = np.repeat(self.constant_, n, axis=0)
        values = values[:, 0] if self.n_outputs_ == 1 else values
        return (values, np.zeros_like(values)) if return_std else values

    def summary(self) -> str:
        """What is predicted."""
        values = ", ".join(f"{value:.6g}" for value in self.constant_[0])
        how = f"{self.quantile}-quantile" if self.strategy == "quantile" else self.strategy
        return f"DummyRegressor ({how}): predicts {values} whatever the row"

    def plot(self, ax: Any = None) -> Any:
        """What is predicted for each output; returns matplotlib Axes."""
        names = [f"output {k}" for k in range(self.n_outputs_)] if self.n_outputs_ > 1 else [self.strategy]
        return plotting.coefficients(self.constant_[0], names, xlabel="predicted for every row", ax=ax)

    def _check_state(self) -> None:
        super()._check_state()
        if self.constant_.shape[1] != self.n_outputs_:
            raise ValueError(f"constant_ has {self.constant_.shape[1]} entries for {self.n_outputs_} outputs")


def weighted_quantile(y: Floats, q: float, w: Floats | None = None) -> Floats:
    """The q-quantile of each column of y, where a weight of k is k rows.

    Sorted rows stretch over the axis of cumulated weights; the quantile interpolates between what stands at
    (W - 1) q and one row further on, as `np.quantile` does where every weight is 1.

    Parameters
    ----------
    y : ndarray of shape (n_rows, n_outputs)
    q : float in [0, 1]
    w : ndarray of shape (n_rows,), optional

    Returns
    -------
    ndarray of shape (n_outputs,)

    Examples
    --------
    >>> weighted_quantile(np.array([[1.0], [5.0]]), 0.5, np.array([3.0, 1.0]))  # of 1, 1, 1, 5
    array([1.])
    """
    if w is None:
        return np.quantile(y, q, axis=0)
    found = np.empty(y.shape[1])
    for k, column in enumerate(y.T):
        order = np.argsort(column, kind="stable")
        reach = np.cumsum(w[order])
        place = max((reach[-1] - 1.0) * q, 0.0)
        low, high = np.searchsorted(reach, [place, place + 1.0], side="right").clip(max=len(y) - 1)
        part = place - np.floor(place)
        found[k] = (1.0 - part) * column[order[low]] + part * column[order[high]]
    return found
