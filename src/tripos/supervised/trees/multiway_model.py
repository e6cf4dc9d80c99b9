"""What ID3 and C4.5 share as estimators: categories as codes, probabilities, text, rules and a picture."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import scipy.sparse as sp
from sklearn.utils.validation import check_is_fitted

from tripos import inputs
from tripos.base import Classifier, Training
from tripos.data.needs import Needs
from tripos.state import Array, Nested
from tripos.supervised.trees.multiway import Branching, MultiwayTree
from tripos.supervised.trees.native_input import NATIVE, NativeInput


@dataclass(frozen=True)
class QuinlanRule:
    """If all conditions hold, then the class.

    Attributes
    ----------
    conditions : tuple of (column, "=", "<=" or ">", value)
        Positions of columns; value is a code or a threshold.
    label : object
    covered, errors : float
        Weight of the training rows it covers, and of those with another class.
    accuracy : float
        1 less the pessimistic share of errors.
    text : str
    """

    conditions: tuple[tuple[int, str, float], ...]
    label: Any
    covered: float
    errors: float
    accuracy: float
    text: str

    def __str__(self) -> str:
        return self.text


class MultiwayModel(NativeInput, Classifier):
    """A classifier with `multiway_`."""

    needs: ClassVar[Needs] = NATIVE
    interpretability: ClassVar[str] = "high"
    state: ClassVar[Mapping[str, Any]] = {
        "multiway_": Nested("MultiwayTree"),
        "class_prior_": Array("f", ("classes",), low=0.0),
    }
    class_prior_: np.ndarray
    multiway_: MultiwayTree

    def _start(self, X: Any, y: Any, sample_weight: Any) -> tuple[Training, np.ndarray, np.ndarray]:
        """Training rows, their weights, and which columns are codes of levels."""
        if sp.issparse(X):
            raise TypeError(
                f"Sparse data was passed, but {type(self).__name__} tests levels of dense columns: use .toarray()"
            )
        training = self._start_fit(X, y, sample_weight, check_finite=False)
        if not training.in_memory:
            raise ValueError(
                f"{type(self).__name__} needs all rows in memory: pass one array or table instead of blocks"
            )
        if np.isinf(training.X).any():
            raise ValueError(inputs.describe_nonfinite(training.X, missing=True))
        w = training.sample_weight
        w = np.ones(len(training.y)) if w is None else w.astype(np.float64)
        return training, w, self._native_categories(training.X.shape[1])

    def _keep(self, root: Branching, n_features: int) -> None:
        self.multiway_ = MultiwayTree.of(root, n_features)
        self.class_prior_ = self.multiway_.shares[0].copy()

    def _check_state(self) -> None:
        super()._check_state()
        if self.multiway_.n_features != self._n_inputs():
            raise ValueError(f"multiway_ is for {self.multiway_.n_features} columns, not {self._n_inputs()}")
        if self.multiway_.shares.shape[1] != len(self.classes_):
            raise ValueError(f"multiway_ is not for {len(self.classes_)} classes")

    def _cells(self, X: np.ndarray) -> np.ndarray:
        """What the tree tests, from what the encoder makes."""
        return X

    def predict_proba(self, X: Any) -> np.ndarray:
        """Shares of the classes in each row's leaf, (n_rows, n_classes); averaged where a tested cell is missing."""
        X = self._input(X)
        shares, finite = self.multiway_.probabilities(self._cells(X))
        if not finite:
            raise ValueError(inputs.describe_nonfinite(X, missing=True))
        return shares

    def predict_log_proba(self, X: Any) -> np.ndarray:
        """Logarithms of `predict_proba`."""
        with np.errstate(divide="ignore"):
            return np.asarray(np.log(self.predict_proba(X)))

    def predict(self, X: Any) -> np.ndarray:
        """The most probable class of each row, shape (n_rows,)."""
        return self._labels(self.predict_proba(X).argmax(axis=1))

    # ---- looking at it ---------------------------------------------------------------------------------

    def get_n_leaves(self) -> int:
        """How many leaves the tree has."""
        check_is_fitted(self)
        return int((self.multiway_.n_children == 0).sum())

    def _level_names(self) -> dict[int, list[str]]:
        encoder = getattr(self, "encoder_", None)
        if encoder is None:
            return {}
        found = encoder.stages_.levels
        first = self.multiway_.n_features - len(found.columns)
        return {first + k: [str(v) for v in found.of(k)] for k in range(len(found.columns))}

    def _condition(self, j: int, sign: str, value: float) -> str:
        names = self._level_names().get(j)
        if sign == "=":
            shown = names[int(value)] if names and int(value) < len(names) else f"{int(value)}"
            return f"{self.encoded_feature_names_[j]} = {shown}"
        return f"{self.encoded_feature_names_[j]} {sign} {value:.6g}"

    def _tests(self, i: int) -> list[tuple[int, str, float]]:
        """The condition of each branch of node i."""
        tree, j = self.multiway_, int(self.multiway_.features[i])
        if np.isnan(tree.thresholds[i]):
            return [(j, "=", float(b)) for b in range(int(tree.n_children[i]))]
        return [(j, "<=", float(tree.thresholds[i])), (j, ">", float(tree.thresholds[i]))]

    def export_text(self, max_depth: int = 10) -> str:
        """The tree as indented text, a line for each branch; leaves say their class, rows and errors."""
        check_is_fitted(self)
        tree, lines = self.multiway_, []

        def leaf(i: int) -> str:
            wrong = tree.weights[i] * (1.0 - tree.shares[i].max())
            tail = f"/{wrong:.6g}" if wrong > 1e-9 else ""
            return f"{self.classes_[tree.shares[i].argmax()]} ({tree.weights[i]:.6g}{tail})"

        def show(i: int, depth: int) -> None:
            for b, test in enumerate(self._tests(i)):
                child = int(tree.first[i]) + b
                stem = "|   " * depth + self._condition(*test)
                if tree.n_children[child] == 0:
                    lines.append(f"{stem}: {leaf(child)}")
                elif depth + 1 >= max_depth:
                    lines.append(f"{stem}: ...")
                else:
                    lines.append(f"{stem}:")
                    show(child, depth + 1)

        if tree.n_children[0]:
            show(0, 0)
        else:
            lines.append(leaf(0))
        return "\n".join(lines)

    def _paths(self) -> list[tuple[tuple[tuple[int, str, float], ...], int]]:
        """Conditions and node of each leaf that training rows reached."""
        tree, found = self.multiway_, []
        stack: list[tuple[int, tuple[tuple[int, str, float], ...]]] = [(0, ())]
        while stack:
            i, conditions = stack.pop()
            if tree.n_children[i] == 0:
                if tree.weights[i] > 0:
                    found.append((conditions, i))
                continue
            tests = list(enumerate(self._tests(i)))
            stack += [(int(tree.first[i]) + b, (*conditions, test)) for b, test in reversed(tests)]
        return found

    def rules(self) -> list[QuinlanRule]:
        """A rule for each leaf that training rows reached, as the tree has it."""
        check_is_fitted(self)
        tree = self.multiway_
        out = []
        for conditions, i in self._paths():
            covered, k = float(tree.weights[i]), int(tree.shares[i].argmax())
            errors = covered * (1.0 - float(tree.shares[i].max()))
            out.append(self._rule(conditions, k, covered, errors, 1.0 - errors / covered))
        return out

    def _rule(
        self,
        conditions: tuple[tuple[int, str, float], ...],
        k: int,
        covered: float,
        errors: float,
        accuracy: float,
    ) -> QuinlanRule:
        label = self.classes_[k]
        body = " and ".join(self._condition(*c) for c in conditions) or "always"
        text = f"if {body} then {label} ({covered:.6g}/{errors:.4g}, {accuracy:.1%})"
        return QuinlanRule(conditions, label, covered, errors, accuracy, text)

    def summary(self, max_depth: int = 6) -> str:
        """What was learned, as text: the tree's size, its columns, and its first levels."""
        check_is_fitted(self)
        tree = self.multiway_
        used = np.unique(tree.features[tree.n_children > 0])
        names = [str(name) for name in self.encoded_feature_names_]
        tested = ", ".join(names[j] for j in used) or f"none of {', '.join(names[:20])}"
        head = f"  {len(tree.features):,} nodes, {self.get_n_leaves():,} leaves; tests {tested}"
        return "\n".join([type(self).__name__, head, "", self.export_text(max_depth)])

    def plot(self, *, max_depth: int = 3, ax: Any = None) -> Any:
        """Draw the first levels of the tree.

        Parameters
        ----------
        max_depth : int, default=3
        ax : matplotlib Axes, optional

        Returns
        -------
        matplotlib Axes
        """
        import matplotlib.pyplot as plt

        check_is_fitted(self)
        ax = plt.subplots(figsize=(10, 5))[1] if ax is None else ax
        tree, next_x = self.multiway_, [0.0]

        def place(i: int, depth: int) -> float:
            children = (
                [int(tree.first[i]) + b for b in range(int(tree.n_children[i]))] if depth < max_depth else []
            )
            xs = [place(child, depth + 1) for child in children]
            x = float(np.mean(xs)) if xs else next_x[0]
            next_x[0] += 0.0 if xs else 1.0
            for b, at in enumerate(xs):
                ax.plot([x, at], [-depth, -depth - 1], color="gray", linewidth=0.8, zorder=1)
                test = self._condition(*self._tests(i)[b]).split(" ", 1)[-1]
                ax.text((x + at) / 2, -depth - 0.5, test, ha="center", va="center", fontsize=7)
            label = self.classes_[tree.shares[i].argmax()]
            name = self.encoded_feature_names_[tree.features[i]] if tree.n_children[i] else label
            box = {"boxstyle": "round", "facecolor": "white", "edgecolor": "gray"}
            ax.text(
                x, -depth, f"{name}\n{tree.weights[i]:.6g}", ha="center", va="center", fontsize=8, bbox=box
            )
            return x

        place(0, 0)
        ax.plot([], [])
        ax.set_xlim(-0.7, max(next_x[0] - 0.3, 0.7))
        ax.set_title(f"{type(self).__name__}: {self.get_n_leaves():,} leaves")
        ax.set_axis_off()
        return ax
