"""Small classes that can be saved, so that the format is tested apart from any learner."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin, TransformerMixin
from sklearn.utils._param_validation import Interval, Real

from tripos.state import Array, Json, Labels, Nested, NestedList, Number, OneOf, Strings


class Line(ClassifierMixin, BaseEstimator):
    """A linear classifier."""

    _parameter_constraints = {"C": [Interval(Real, 0, None, closed="neither")], "extra": "no_validation"}
    state = {
        "classes_": Labels("classes"),
        "coef_": Array("f", ("classes", "features")),
        "intercept_": OneOf(Array("f", ("classes",)), Number("f")),
        "n_features_in_": Number("i", low=1, binds="features"),
        "feature_names_in_": Strings("features", optional=True),
        "history_": Json(optional=True),
    }

    def __init__(self, C: float = 1.0, extra: Any = None) -> None:
        self.C = C
        self.extra = extra

    def fit(self, X: np.ndarray, y: np.ndarray) -> Line:
        self.classes_, codes = np.unique(y, return_inverse=True)
        self.coef_ = np.stack([X[codes == k].mean(axis=0) for k in range(len(self.classes_))])
        self.intercept_ = -(self.coef_**2).sum(axis=1) / 2
        self.n_features_in_ = X.shape[1]
        self._norms = np.linalg.norm(self.coef_, axis=1)
        return self

    def _after_load(self) -> None:
        self._norms = np.linalg.norm(self.coef_, axis=1)

    def decision_function(self, X: np.ndarray) -> np.ndarray:
        return (X @ self.coef_.T + self.intercept_) / (self._norms + 1.0)

    def predict(self, X: np.ndarray) -> np.ndarray:
        return self.classes_[np.argmax(self.decision_function(X), axis=1)]


class Tree(BaseEstimator):
    """A binary tree; a wrong child would read past the end, a cycle would never return."""

    state = {
        "feature_": Array("i", ("nodes",), low=0),
        "threshold_": Array("f", ("nodes",)),
        "left_": Array("i", ("nodes",), low=-1, below="nodes"),
        "right_": Array("i", ("nodes",), low=-1, below="nodes"),
        "value_": Array("f", ("nodes",)),
        "n_features_in_": Number("i", low=1),
    }

    def fit(self, X: np.ndarray, y: np.ndarray) -> Tree:
        self.feature_ = np.array([0, 1, 0, 0, 0])
        self.threshold_ = np.array([0.0, 0.5, 0.0, 0.0, 0.0])
        self.left_ = np.array([1, 3, -1, -1, -1])
        self.right_ = np.array([2, 4, -1, -1, -1])
        self.value_ = np.arange(5.0)
        self.n_features_in_ = X.shape[1]
        return self

    def _check_state(self) -> None:
        inner = self.left_ >= 0
        if np.any(inner != (self.right_ >= 0)) or np.any(self.feature_ >= self.n_features_in_):
            raise ValueError("a node has one child, or splits on a feature that is not there")
        nodes = np.arange(len(self.left_))
        if np.any(self.left_[inner] <= nodes[inner]) or np.any(self.right_[inner] <= nodes[inner]):
            raise ValueError("a child stands before its parent")

    def predict(self, X: np.ndarray) -> np.ndarray:
        found = np.empty(len(X))
        for i, x in enumerate(X):
            node = 0
            while self.left_[node] >= 0:
                below = x[self.feature_[node]] <= self.threshold_[node]
                node = self.left_[node] if below else self.right_[node]
            found[i] = self.value_[node]
        return found


class Scale(TransformerMixin, BaseEstimator):
    """A transformer with a state that may be sparse."""

    state = {
        "scale_": Array("f", ("features",), low=0.0),
        "graph_": Array("f", (None, None), sparse=True, optional=True),
    }

    def fit(self, X: np.ndarray, y: Any = None) -> Scale:
        self.scale_ = X.std(axis=0)
        return self

    def transform(self, X: np.ndarray) -> np.ndarray:
        return X / self.scale_

    def get_feature_names_out(self, names: Any = None) -> list[str]:
        return [f"s{j}" for j in range(len(self.scale_))]


class Vote(BaseEstimator):
    """Objects inside an object."""

    state = {
        "members_": NestedList("Line", "Tree"),
        "named_": NestedList("Line", optional=True),
        "scale_": Nested("Scale"),
    }

    def __init__(self, base: Any = None) -> None:
        self.base = base

    def fit(self, X: np.ndarray, y: np.ndarray) -> Vote:
        self.scale_ = Scale().fit(X)
        self.members_ = [Line().fit(X, y), Tree().fit(X, y)]
        self.named_ = [("a", Line().fit(-X, y))]
        return self

    def predict(self, X: np.ndarray) -> np.ndarray:
        scaled = self.scale_.transform(X)
        return self.members_[0].predict(scaled) + self.members_[1].predict(scaled)


@dataclass(frozen=True, slots=True)
class Point:
    """State without parameters, frozen."""

    state = {"x": Number("f"), "names": Strings(None)}
    x: float
    names: list[str]


class Log:
    """Saves something else than its attributes."""

    state = {"lines": Strings(None)}

    def __init__(self) -> None:
        self.text = "one\ntwo"

    def _save_state(self) -> dict[str, Any]:
        return {"lines": self.text.split("\n")}

    def _load_state(self, values: dict[str, Any]) -> None:
        self.text = "\n".join(values["lines"])


CLASSES = (Line, Tree, Scale, Vote, Point, Log)


def data(n_rows: int = 60, n_features: int = 4, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    y = rng.integers(0, 3, n_rows)
    return rng.normal(size=(n_rows, n_features)) + y[:, None], y
