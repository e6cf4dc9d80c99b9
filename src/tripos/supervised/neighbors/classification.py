"""Classification by a vote among the nearest rows.

    P(y = c | x) = sum_{i in N(x)} w_i [y_i = c] / sum_{i in N(x)} w_i

with N(x) the k nearest rows, or all within a radius.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from numbers import Integral
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
from sklearn.utils._param_validation import StrOptions
from sklearn.utils.validation import check_is_fitted

from tripos import labels, plotting
from tripos.base import Classifier
from tripos.errors import DataWarning
from tripos.geometry.distances import Floats, Indices
from tripos.state import Array, Flag, Json, Labels, ListOf, OneOf
from tripos.supervised.neighbors import leave_one_out, votes
from tripos.supervised.neighbors.leave_one_out import NeighbourCurve
from tripos.supervised.neighbors.model import KNeighbors, Neighbors, RadiusNeighbors

DRAWN = 2000  # rows left out for a figure


class NeighborsClassifier(Neighbors, Classifier):
    """What both votes share: one target or several, labels and codes."""

    state: ClassVar[Mapping[str, Any]] = {
        "classes_": OneOf(Labels("classes"), ListOf(Labels())),
        "outputs_2d_": Flag(),
        "_y": Array("i", (("rows",), ("rows", "outputs")), low=0),
    }
    outputs_2d_: bool
    _y: Indices

    def _target(self, y: Any, *, multi_output: bool, reset: bool, classes: Any) -> Any:
        self._require_target(y)
        shape = y.shape if hasattr(y, "shape") else np.asarray(y).shape
        self.outputs_2d_ = len(shape) == 2 and shape[1] > 1
        if not self.outputs_2d_:
            return super()._target(y, multi_output=False, reset=reset, classes=classes)
        columns = np.asarray(y.to_numpy() if hasattr(y, "to_numpy") else y)
        encoded = [labels.encode_labels(labels.as_label_array(column)) for column in columns.T]
        self.classes_ = [found for found, _ in encoded]  # type: ignore[assignment]
        return np.ascontiguousarray(np.column_stack([codes for _, codes in encoded]))

    def _keep(self, y: Any) -> None:
        """The codes of the remembered rows, and for each target (classes, codes)."""
        self._y = y
        self._outputs: list[tuple[npt.NDArray[Any], Indices]] = [(self.classes_, y)]
        if self.outputs_2d_:
            self._outputs = [(found, np.ascontiguousarray(y[:, t])) for t, found in enumerate(self.classes_)]

    def _after_load(self) -> None:
        super()._after_load()
        self._keep(self._y)

    def _check_state(self) -> None:
        super()._check_state()
        known = self.classes_ if self.outputs_2d_ else [self.classes_]
        if self.outputs_2d_ != isinstance(self.classes_, list) or self.outputs_2d_ != (self._y.ndim == 2):
            raise ValueError("outputs_2d_, classes_ and _y do not agree on the number of targets")
        codes = self._y.reshape(len(self._y), -1)
        if codes.shape[1] != len(known):
            raise ValueError(f"_y has {codes.shape[1]} targets, classes_ {len(known)}")
        for column, found in zip(codes.T, known, strict=True):
            if column.max(initial=-1) >= len(found):
                raise ValueError(f"_y holds {column.max()}; expected codes below {len(found)} (classes)")

    def _label_of_most(self, counted: list[Floats]) -> npt.NDArray[Any]:
        """Labels with the most votes; of equals the first class."""
        said = []
        for (found, _), table in zip(self._outputs, counted, strict=True):
            best = np.empty(len(table), np.int64)
            votes.winners(table, best)
            said.append(found.take(best))
        return np.stack(said, axis=1) if self.outputs_2d_ else said[0]

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_label = True
        return tags

    def _facts(self) -> list[str]:
        lines = super()._facts()
        for found, codes in self._outputs:
            shares = np.bincount(codes, minlength=len(found)) / len(codes)
            shown = ", ".join(f"{label} {share:.1%}" for label, share in zip(found[:10], shares[:10]))
            lines.append(f"classes   {shown}{' ...' if len(found) > 10 else ''}")
        return lines


class KNeighborsClassifier(NeighborsClassifier, KNeighbors):
    """Classification by a vote of the k nearest rows.

        P(y = c | x) = sum_{i in N_k(x)} w_i [y_i = c] / sum_{i in N_k(x)} w_i

    Parameters
    ----------
    n_neighbors : int, default=5
        k. Few neighbours follow every row, many blur the boundary; `choose_k` draws the curve.
    weights : {"uniform", "distance"}, callable or None, default="uniform"
        Whether neighbours count the same, by the inverse of their distance (those at distance zero alone, if there
        are any), or by a function that makes weights (n_queries, k) of distances (n_queries, k).
    algorithm : {"auto", "ball_tree", "kd_tree", "brute", "nn_descent"}, default="auto"
        How neighbours are searched; every way finds the same ones but "nn_descent", a graph for many rows with many
        columns that misses a few (`approximate_`) and is never chosen by "auto".
    leaf_size : int, default=30
        Rows of a tree's leaf, at most.
    p : float, default=2
        Exponent of the Minkowski distance.
    metric : str or callable, default="minkowski"
        Name of a distance, f(x, y) of two rows, or "precomputed".
    metric_params : dict, optional
        Further arguments of the metric.
    n_jobs : int, optional
        Threads; all by default.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,), or a list of them for several targets
    effective_metric_ : str or callable
        "euclidean" for the Minkowski distance with p = 2, and so on.
    effective_metric_params_ : dict
    n_features_in_ : int
    feature_names_in_ : ndarray of shape (n_features_in_,)
        For input with column names.
    n_samples_fit_ : int
        Rows remembered.
    outputs_2d_ : bool
        Whether there are several targets.
    algorithm_ : str
        How neighbours are searched.

    Notes
    -----
    Of rows at the same distance the one with the lower index is nearer, and of classes with equally many votes the
    first wins: the answer does not depend on `algorithm` or the number of threads.

    References
    ----------
    T. Cover & P. Hart (1967). Nearest neighbor pattern classification. IEEE Transactions on Information Theory 13.
    doi:10.1109/TIT.1967.1053964

    T. Hastie, R. Tibshirani & J. Friedman (2009). The Elements of Statistical Learning, 2nd ed., section 13.3.

    See Also
    --------
    RadiusNeighborsClassifier : all rows within a radius vote.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from tripos import KNeighborsClassifier
    >>> iris = load_iris()
    >>> model = KNeighborsClassifier().fit(iris.data, iris.target)
    >>> print(model.choose_k(max_k=30))
    k = 19 of 1 to 30: accuracy 0.98 on rows left out
    """

    exceptions: ClassVar[Mapping[str, str]] = {
        "sample_weight": "fit takes no sample_weight, as in scikit-learn: `weights` weighs neighbours by distance"
    }
    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        **{name: rule for name, rule in Neighbors._parameter_constraints.items() if name != "radius"},
        "weights": [StrOptions({"uniform", "distance"}), callable, None],
    }

    def __init__(
        self,
        n_neighbors: int = 5,
        *,
        weights: Any = "uniform",
        algorithm: str = "auto",
        leaf_size: int = 30,
        p: float = 2,
        metric: Any = "minkowski",
        metric_params: dict[str, Any] | None = None,
        n_jobs: int | None = None,
    ) -> None:
        self.n_neighbors = n_neighbors
        self.weights = weights
        self.algorithm = algorithm
        self.leaf_size = leaf_size
        self.p = p
        self.metric = metric
        self.metric_params = metric_params
        self.n_jobs = n_jobs

    @classmethod
    def search_space(cls) -> dict[str, Any]:
        """How many neighbours, and whether the nearer ones count more."""
        return {"n_neighbors": (1, 50, "log"), "weights": ["uniform", "distance"]}

    def fit(self, X: Any, y: Any = None) -> KNeighborsClassifier:
        """Remember the rows and their classes.

        Parameters
        ----------
        X : array-like or CSR matrix of shape (n_rows, n_features), or table
        y : array-like of shape (n_rows,) or (n_rows, n_outputs)

        Returns
        -------
        self
        """
        self._keep(self._remember(X, y))
        return self

    def _counted(self, X: Any) -> list[Floats]:
        """Votes of each target, (n_queries, n_classes)."""
        distances, indices = self._nearest(X, self.n_neighbors)
        W = votes.weights_of(distances, self.weights)
        tables = []
        for found, codes in self._outputs:
            table = np.empty((len(indices), len(found)))
            votes.count_votes(indices, codes, W, table)
            tables.append(table)
        return tables

    def predict(self, X: Any) -> npt.NDArray[Any]:
        """The class with the most votes.

        Parameters
        ----------
        X : array-like or CSR matrix of shape (n_queries, n_features), or table, or None
            None asks for the remembered rows, each left out of its own vote.

        Returns
        -------
        ndarray of shape (n_queries,) or (n_queries, n_outputs)
        """
        return self._label_of_most(self._counted(X))

    def predict_proba(self, X: Any) -> Any:
        """Shares of the votes, shape (n_queries, n_classes); a list of such arrays for several targets."""
        shares = [table / table.sum(axis=1, keepdims=True) for table in self._counted(X)]
        return shares if self.outputs_2d_ else shares[0]

    def choose_k(self, max_k: int | None = None, rows: npt.ArrayLike | None = None) -> NeighbourCurve:
        """How often rows left out one at a time are classified correctly, for every k in one pass.

        The model stays as it is: `model.n_neighbors = model.choose_k().k` takes the advice, without a new fit.

        Parameters
        ----------
        max_k : int, optional
            The largest k; by default twice the root of the number of rows, between 30 and 200.
        rows : array-like of int, optional
            The remembered rows that are left out; all by default.

        Returns
        -------
        NeighbourCurve
            `k`, `values`, `scores`, and `plot()`.
        """
        check_is_fitted(self)
        if self.outputs_2d_:
            raise ValueError("choose_k looks at one target: fit one model for each")
        most = leave_one_out.most_neighbours(self.n_samples_fit_, max_k)
        right, n = np.zeros(most, np.int64), 0
        for block in leave_one_out.blocks_of(self.n_samples_fit_, rows):
            D, I = leave_one_out.lists_of_others(self._index, self._rows, block, most, self.n_jobs)
            W = votes.weights_of(D, self.weights)
            votes.right_for_each_k(I, self._y, self._y[block], W, np.empty(len(self.classes_)), right)
            n += len(block)
        return NeighbourCurve.best_of(right / n, "accuracy")

    def plot(self, ax: Any = None, kind: str = "auto", ks: tuple[int, int] | None = None) -> Any:
        """A picture of the vote; returns matplotlib Axes.

        Parameters
        ----------
        ax : matplotlib Axes, optional
        kind : {"auto", "regions", "few and many", "curve"}, default="auto"
            The regions of the classes where there are two numeric columns, those for few and for many neighbours side by
            side (variance beside bias), or the curve of `choose_k`.
        ks : (int, int), optional
            Few and many; by default 1 and a quarter of the rows, at most 100.
        """
        check_is_fitted(self)
        if kind not in ("auto", "regions", "few and many", "curve"):
            raise ValueError(f"kind must be 'auto', 'regions', 'few and many' or 'curve', got {kind!r}")
        plane = self._fit_X.shape[1] == 2 and getattr(self, "encoder_", None) is None and not self.outputs_2d_
        if kind in ("regions", "few and many") and not plane:
            raise ValueError(f"kind={kind!r} draws a plane: it takes two numeric columns and one target")
        if kind == "few and many":
            return self._few_and_many(ks or (1, min(100, max(2, self.n_samples_fit_ // 4))), ax)
        if (
            kind != "curve"
            and self._fit_X.shape[1] == 2
            and getattr(self, "encoder_", None) is None
            and not self.outputs_2d_
        ):
            names = self.encoded_feature_names_
            y = self.classes_.take(self._y)
            return plotting.decision_boundary(self.predict, self._fit_X, y, names=names, ax=ax)
        rows = None
        if self.n_samples_fit_ > DRAWN:
            rows = np.linspace(0, self.n_samples_fit_ - 1, DRAWN).astype(np.int64)
        return self.choose_k(rows=rows).plot(ax=ax)

    def _few_and_many(self, ks: tuple[int, int], ax: Any) -> Any:
        rows = np.linspace(0, self.n_samples_fit_ - 1, min(DRAWN, self.n_samples_fit_)).astype(np.int64)
        curve = self.choose_k(max_k=min(max(ks), self.n_samples_fit_ - 1), rows=rows)

        def predict(points: Floats, k: int) -> npt.NDArray[Any]:
            D, I = self._index.nearest(points, k, self.n_jobs)
            table = np.empty((len(I), len(self.classes_)))
            votes.count_votes(I, self._y, votes.weights_of(D, self.weights), table)
            return self._label_of_most([table])

        return plotting.few_and_many_neighbours(
            predict,
            self._fit_X,
            self.classes_.take(self._y),
            ks,
            scores=[float(curve.scores[min(k, len(curve.scores)) - 1]) for k in ks],
            names=self.encoded_feature_names_,
            ax=ax,
        )

    def _facts(self) -> list[str]:
        return [*super()._facts(), f"vote      of {self.n_neighbors} neighbours, weights {self.weights}"]


class RadiusNeighborsClassifier(NeighborsClassifier, RadiusNeighbors):
    """Classification by a vote of all rows within a radius.

        P(y = c | x) = sum_{i: d(x, x_i) <= r} w_i [y_i = c] / sum_{i: d(x, x_i) <= r} w_i

    Parameters
    ----------
    radius : float, default=1.0
        r; rows at exactly this distance vote.
    weights : {"uniform", "distance"}, callable or None, default="uniform"
        As in `KNeighborsClassifier`; a function gets an array of arrays of distances.
    algorithm, leaf_size, p, metric : as in `KNeighborsClassifier`
    outlier_label : label, "most_frequent", sequence of labels, or None, default=None
        What is said of rows with nobody in the radius; None raises an error there.
    metric_params, n_jobs : as in `KNeighborsClassifier`

    Attributes
    ----------
    classes_, effective_metric_, effective_metric_params_, n_features_in_, n_samples_fit_, outputs_2d_, algorithm_
        As in `KNeighborsClassifier`.
    outlier_label_ : list or None
        The label of outliers for each target.

    References
    ----------
    J. L. Bentley (1975). A survey of techniques for fixed radius near neighbor searching. SLAC report 186.

    Examples
    --------
    >>> from tripos import RadiusNeighborsClassifier
    >>> model = RadiusNeighborsClassifier(radius=1.0).fit([[0.0], [1.0], [2.0], [3.0]], [0, 0, 1, 1])
    >>> model.predict_proba([[1.0]]).round(3)
    array([[0.667, 0.333]])
    """

    state: ClassVar[Mapping[str, Any]] = {"outlier_label_": Json(optional=True)}
    exceptions: ClassVar[Mapping[str, str]] = KNeighborsClassifier.exceptions
    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        **{name: rule for name, rule in Neighbors._parameter_constraints.items() if name != "n_neighbors"},
        "weights": [StrOptions({"uniform", "distance"}), callable, None],
        "outlier_label": [Integral, str, "array-like", None],
    }
    outlier_label_: list[Any] | None

    def __init__(
        self,
        radius: float = 1.0,
        *,
        weights: Any = "uniform",
        algorithm: str = "auto",
        leaf_size: int = 30,
        p: float = 2,
        metric: Any = "minkowski",
        outlier_label: Any = None,
        metric_params: dict[str, Any] | None = None,
        n_jobs: int | None = None,
    ) -> None:
        self.radius = radius
        self.weights = weights
        self.algorithm = algorithm
        self.leaf_size = leaf_size
        self.p = p
        self.metric = metric
        self.outlier_label = outlier_label
        self.metric_params = metric_params
        self.n_jobs = n_jobs

    def fit(self, X: Any, y: Any = None) -> RadiusNeighborsClassifier:
        """Remember the rows and their classes.

        Parameters
        ----------
        X : array-like or CSR matrix of shape (n_rows, n_features), or table
        y : array-like of shape (n_rows,) or (n_rows, n_outputs)

        Returns
        -------
        self
        """
        self._keep(self._remember(X, y))
        self.outlier_label_ = self._labels_of_outliers()
        return self

    def _labels_of_outliers(self) -> list[Any] | None:
        outputs, given = self._outputs, self.outlier_label
        if given is None:
            return None
        if isinstance(given, str) and given == "most_frequent":
            most = (found[np.bincount(codes).argmax()] for found, codes in outputs)
            return [label.item() if isinstance(label, np.generic) else label for label in most]
        said = list(given) if np.ndim(given) else [given] * len(outputs)
        if len(said) != len(outputs):
            raise ValueError(f"outlier_label has {len(said)} labels for {len(outputs)} targets")
        for (found, _), label in zip(outputs, said, strict=True):
            if np.ndim(label):
                raise TypeError(f"the outlier_label of a target is one label, got {label!r}")
            if np.append(found, label).dtype != found.dtype:
                raise TypeError(f"outlier_label {label!r} is of another kind than the classes {found[:5]}")
        return [label.item() if isinstance(label, np.generic) else label for label in said]

    def predict(self, X: Any) -> npt.NDArray[Any]:
        """The class with the most votes, shape (n_queries,) or (n_queries, n_outputs); None as in
        `KNeighborsClassifier.predict`."""
        tables, silent = self._shares(X)
        said = self._label_of_most(tables)
        if silent and self.outlier_label_ is not None:
            for t, table in enumerate(tables):
                (said[:, t] if self.outputs_2d_ else said)[~table.any(axis=1)] = self.outlier_label_[t]
        return said

    def predict_proba(self, X: Any) -> Any:
        """Shares of the votes, shape (n_queries, n_classes); a list of such arrays for several targets."""
        tables, _ = self._shares(X)
        return tables if self.outputs_2d_ else tables[0]

    def _shares(self, X: Any) -> tuple[list[Floats], int]:
        """Shares of the votes for each target, and for how many queries of the last one nothing counts."""
        found = self._within(X, self.radius)
        W = votes.flat_weights(found.distances, found.starts, self.weights)
        tables, silent = [], 0
        for t, (classes, codes) in enumerate(self._outputs):
            table = np.empty((len(found.starts) - 1, len(classes)))
            silent = votes.flat_shares(found.starts, found.indices, codes, W, table)
            if silent:
                self._vote_for_outliers(np.flatnonzero(np.diff(found.starts) == 0), t, table)
            tables.append(table)
        return tables, silent

    def _vote_for_outliers(self, outliers: Indices, t: int, table: Floats) -> None:
        """What is said of queries with nobody in the radius, as shares of the t-th target."""
        if not outliers.size:
            return
        if self.outlier_label_ is None:
            raise ValueError(
                f"No neighbors found for test samples {outliers[:20]}: use a larger radius, give an outlier_label, "
                "or leave these rows out"
            )
        known = np.flatnonzero(self._outputs[t][0] == self.outlier_label_[t])
        if known.size:
            table[outliers, known[0]] = 1.0
        else:
            warnings.warn(
                f"Outlier label {self.outlier_label_[t]!r} is not in training classes. All class probabilities "
                "of outliers will be assigned with 0.",
                DataWarning,
                stacklevel=4,
            )
