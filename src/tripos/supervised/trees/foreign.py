"""Models of trees that LightGBM or XGBoost saved, read to predict, explain and be served here.

F(x) = base + sum_t tree_t(x),    prediction = link^-1(F(x))
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, BinaryIO, ClassVar

import numpy as np
from sklearn.utils.validation import check_is_fitted

from tripos.base import Classifier, Regressor
from tripos.compute.budget import require
from tripos.errors import ArtifactError
from tripos.state import Array, Flag, Nested, Number, Text
from tripos.supervised.linear.probabilities import probabilities
from tripos.supervised.trees import foreign_lightgbm, foreign_ubjson, foreign_xgboost
from tripos.supervised.trees.foreign_bins import ColumnWalker, packed
from tripos.supervised.trees.foreign_trees import LINKS, Foreign
from tripos.supervised.trees.model import TreeModel
from tripos.supervised.trees.nodes import ZERO, Nodes
from tripos.supervised.trees.tree import Forest

MOST_BYTES = 1 << 32
OBJECTS = 24  # bytes of Python objects that a byte of JSON becomes, about


class LoadedTrees(TreeModel):
    """What the classifier and the regressor share."""

    state: ClassVar[Mapping[str, Any]] = {
        "binning_": None,
        "forest_": None,
        "nodes_": Nested("Nodes"),
        "baseline_": Array("f", ("outputs",)),
        "link_": Text(choices=LINKS),
        "slope_": Number("f"),
        "best_iteration_": Number("i", low=0),
        "unseen_left_": Flag(),
        "encoder_": None,
    }
    nodes_: Nodes
    link_: str
    slope_: float
    best_iteration_: int
    unseen_left_: bool

    def fit(self, X: Any, y: Any = None, sample_weight: Any = None) -> Any:
        """Raises: such a model comes from a file."""
        raise TypeError(
            f"{type(self).__name__} is read from a model file by tripos.load(path) and cannot be fitted; "
            "fit BoostedTreesClassifier or BoostedTreesRegressor instead"
        )

    @classmethod
    def _of(cls, found: Foreign) -> Any:
        model = cls()
        model.n_features_in_ = found.n_columns
        if found.names is not None:
            model.feature_names_in_ = np.array(found.names, dtype=object)
        model.nodes_, model.baseline_ = found.nodes, found.base
        model.link_, model.slope_ = found.link, float(found.slope)
        model.best_iteration_, model.unseen_left_ = found.steps, found.unseen_left
        if found.n_classes:
            model.classes_ = np.arange(found.n_classes)
        model._check_state()
        model._after_load()
        return model

    def _check_state(self) -> None:
        self.nodes_._check_state()
        if int(self.nodes_.features.max(initial=-1)) >= self.n_features_in_:
            raise ValueError("a split is on a column that the model does not have")
        zero = self.nodes_.zero_is_missing
        if zero is not None and len(zero) != self.n_features_in_:
            raise ValueError(f"zero_is_missing is for {len(zero)} columns of {self.n_features_in_}")
        names = getattr(self, "feature_names_in_", None)
        if names is not None and len(names) != self.n_features_in_:
            raise ValueError(f"feature_names_in_ has {len(names)} names for {self.n_features_in_} features")
        K = self.nodes_.n_outputs
        if len(self.baseline_) != K or self.nodes_.values.shape[1] != 1 or self.nodes_.n_trees % K:
            raise ValueError(f"the trees are not for the {len(self.baseline_)} outputs of baseline_")
        if self.best_iteration_ > self.nodes_.n_trees // K:
            raise ValueError(f"best_iteration_ is {self.best_iteration_} of {self.nodes_.n_trees // K} steps")

    def _after_load(self) -> None:
        self._width, self._encoded_width = self.n_features_in_, -1
        found = packed(self.nodes_, unseen_left=self.unseen_left_)
        self._forest, self._binning, columns, self._middles = found
        self._walker = ColumnWalker(self._forest, self._binning, columns)

    @property
    def forest_(self) -> Forest:  # type: ignore[override]
        """The trees as they are walked, over bins of their own."""
        return self._forest

    @property
    def n_iter_(self) -> int:
        """Steps of the model; each has a tree per output."""
        return self.nodes_.n_trees // len(self.baseline_)

    def _nodes(self) -> Nodes:
        check_is_fitted(self)
        return self.nodes_.head(self.best_iteration_ * len(self.baseline_))

    def importances(self, kind: str = "gain") -> np.ndarray:
        """What each column contributes, shape (n_features,): the gain or the number of the splits on it."""
        if kind not in ("gain", "splits"):
            raise ValueError(f"kind must be 'gain' or 'splits', got {kind!r}")
        nodes = self._nodes()
        inner = ~nodes.is_leaf
        weight = nodes.gains[inner] if kind == "gain" else None
        found = np.bincount(nodes.features[inner], weight, self.n_features_in_)
        return np.asarray(found, dtype=np.float64)

    def raw_scores(self, X: Any, n_trees: int | None = None) -> np.ndarray:
        """Scores before the link, shape (n_rows,) or (n_rows, n_outputs).

        Parameters
        ----------
        X : array-like of shape (n_rows, n_features), or table
        n_trees : int, optional
            Use the first so many steps; by default `best_iteration_`.
        """
        scores = self._first(X, n_trees)
        return scores[:, 0] if scores.shape[1] == 1 else scores

    def _first(self, X: Any, n_trees: int | None) -> np.ndarray:
        X = self._input(X)
        zero = self.nodes_.zero_is_missing
        if zero is not None:
            X = np.where((np.abs(X) <= ZERO) & zero, X.dtype.type(np.nan), X)
        K = len(self.baseline_)
        steps = self.best_iteration_ if n_trees is None else n_trees
        if not 0 <= steps <= self.n_iter_:
            raise ValueError(
                f"n_trees must lie between 0 and the {self.n_iter_} steps of the model, got {n_trees!r}"
            )
        out = np.empty((X.shape[0], K))
        out[:] = self.baseline_ + self._middles[: steps * K].reshape(steps, K).sum(axis=0)
        if not self._walker.add(X, out, 0, steps * K):
            self._reject_infinite(X)
        return out

    def _scores(self, X: Any) -> np.ndarray:
        return self._first(X, None)

    def _linked(self, scores: np.ndarray) -> np.ndarray:
        """Predictions of scores."""
        with np.errstate(over="ignore"):
            if self.link_ == "exp":
                return np.asarray(np.exp(scores))
            if self.link_ in ("sigmoid", "one-vs-all"):
                return np.asarray(1 / (1 + np.exp(-self.slope_ * scores)))
            if self.link_ == "square":
                return np.asarray(np.sign(scores) * scores**2)
            if self.link_ == "log1p-exp":
                return np.asarray(np.logaddexp(0, scores))
            return np.asarray((scores > 0).astype(np.float64)) if self.link_ == "sign" else scores


class LoadedTreesClassifier(LoadedTrees, Classifier):
    """A classifier of trees out of a LightGBM or XGBoost model file.

    `tripos.load(path)` makes one of ``Booster.save_model`` (text, JSON or UBJSON) or of the JSON of LightGBM's
    ``dump_model``. It predicts what the library predicts, can be explained and drawn, and is saved by `tripos.save`.
    Files hold no class labels: `classes_` is 0, 1, ...

    Attributes
    ----------
    classes_ : int64 ndarray of shape (n_classes,)
    n_iter_ : int
        Steps in the file.
    best_iteration_ : int
        Steps that predictions use.
    nodes_ : Nodes
        The trees.
    feature_importances_ : ndarray of shape (n_features,)
    n_features_in_ : int
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Where the file names columns.

    References
    ----------
    G. Ke et al., "LightGBM" (2017). T. Chen, C. Guestrin (2016), doi:10.1145/2939672.2939785.

    Examples
    --------
    >>> import tempfile, os
    >>> from tripos import LoadedTreesClassifier, load
    >>> text = '''tree
    ... version=v4
    ... num_class=1
    ... num_tree_per_iteration=1
    ... max_feature_idx=0
    ... objective=binary sigmoid:1
    ... feature_names=age
    ... tree_sizes=1
    ...
    ... Tree=0
    ... num_leaves=2
    ... split_feature=0
    ... threshold=30
    ... decision_type=2
    ... left_child=-1
    ... right_child=-2
    ... leaf_value=-1 1
    ...
    ... end of trees
    ... '''
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = os.path.join(folder, "model.txt")
    ...     _ = open(path, "w").write(text)
    ...     model = load(path)
    >>> model.predict([[25.0], [40.0]])
    array([0, 1])
    """

    state: ClassVar[Mapping[str, Any]] = {}

    def _check_state(self) -> None:
        super()._check_state()
        K, n = len(self.baseline_), len(self.classes_)
        if n < 2 or K != (1 if self.link_ in ("sigmoid", "sign", "identity") and n == 2 else n):
            raise ValueError(f"{K} outputs do not fit {n} classes")

    def decision_function(self, X: Any, n_trees: int | None = None) -> np.ndarray:
        """The same as `raw_scores`."""
        return self.raw_scores(X, n_trees)

    def predict_proba(self, X: Any, n_trees: int | None = None) -> np.ndarray:
        """What the library gives as probabilities, shape (n_rows, n_classes)."""
        scores = self._first(X, n_trees)
        if self.link_ == "identity":
            raise ValueError("the model was trained for scores without probabilities (binary:logitraw)")
        if self.link_ == "softmax":
            return probabilities(scores, log_scale=False)
        share = self._linked(scores)
        return share if share.shape[1] > 1 else np.concatenate([1 - share, share], axis=1)

    def predict(self, X: Any, n_trees: int | None = None) -> np.ndarray:
        """The most probable class of each row, shape (n_rows,)."""
        scores = self._first(X, n_trees)
        best = scores[:, 0] > 0 if scores.shape[1] == 1 else scores.argmax(axis=1)
        return np.asarray(self.classes_[best.astype(np.int64)])


class LoadedTreesRegressor(LoadedTrees, Regressor):
    """A model of numbers (or of ranks) made of trees, out of a LightGBM or XGBoost model file.

    `tripos.load(path)` makes one of ``Booster.save_model`` (text, JSON or UBJSON) or of the JSON of LightGBM's
    ``dump_model``. It predicts what the library predicts, can be explained and drawn, and is saved by `tripos.save`.

    Attributes
    ----------
    n_iter_ : int
        Steps in the file.
    best_iteration_ : int
        Steps that predictions use.
    nodes_ : Nodes
        The trees.
    feature_importances_ : ndarray of shape (n_features,)
    n_features_in_ : int
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Where the file names columns.

    References
    ----------
    G. Ke et al., "LightGBM" (2017). T. Chen, C. Guestrin (2016), doi:10.1145/2939672.2939785.

    Examples
    --------
    See `LoadedTreesClassifier`.
    """

    state: ClassVar[Mapping[str, Any]] = {}

    def predict(self, X: Any, n_trees: int | None = None) -> np.ndarray:
        """The prediction for each row, shape (n_rows,) or (n_rows, n_outputs)."""
        return self._linked(self.raw_scores(X, n_trees))


def read(stream: BinaryIO, size: int) -> LoadedTreesClassifier | LoadedTreesRegressor:
    """The model in a file of LightGBM or XGBoost; `ArtifactError` for anything else."""
    if size > MOST_BYTES:
        raise ArtifactError(f"it has {size:,} bytes, more than {MOST_BYTES:,}")
    require(OBJECTS * size, what=f"a model file of {size:,} bytes")
    data = stream.read(size + 1)
    if len(data) != size:
        raise ArtifactError("the file changed while it was read")
    found = _parsed(data)
    cls = LoadedTreesClassifier if found.n_classes else LoadedTreesRegressor
    return cls._of(found)  # type: ignore[no-any-return]


def _parsed(data: bytes) -> Foreign:
    if data[:4] == b"tree":
        return foreign_lightgbm.from_text(data.decode("utf-8", errors="replace").replace("\r\n", "\n"))
    if data[:1] == b"{" and data[1:2] in (b"i", b"U", b"I", b"l", b"L", b"#"):
        content = foreign_ubjson.loads(data)
    else:
        try:
            content = json.loads(data)
        except (ValueError, RecursionError) as error:
            raise ArtifactError(f"it is not JSON: {error}") from error
    if isinstance(content, dict) and "tree_info" in content:
        return foreign_lightgbm.from_json(content)
    if isinstance(content, dict) and "learner" in content:
        return foreign_xgboost.from_content(content)
    raise ArtifactError("it is JSON, but not a model of LightGBM (dump_model) or XGBoost (save_model)")
