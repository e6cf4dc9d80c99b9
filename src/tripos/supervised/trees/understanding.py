"""What every model of trees can show: its trees as text, rules and pictures, and what each column did for a row.

A model that inherits `Understood` has `_nodes()`, its trees written out, and where they are not the whole score
`_base()`, what the score starts from.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import scipy.sparse as sp
from sklearn.base import is_classifier
from sklearn.utils.validation import check_is_fitted

from tripos import labels
from tripos.compute.budget import require
from tripos.supervised.trees import export, rules, walk
from tripos.supervised.trees.export import Reading
from tripos.supervised.trees.nodes import Nodes
from tripos.supervised.trees.rules import Rule
from tripos.supervised.trees.shap import Explainer

KINDS = ("gain", "splits", "tree", "history", "shap", "waterfall")


class Understood:
    """Text, rules, pictures and Shapley values of an estimator of trees."""

    _values_are_shares: bool = False  # whether a node's values are shares of the classes

    def _nodes(self) -> Nodes:
        """The trees that predictions use; their values add up to the score less `_base()`."""
        raise NotImplementedError

    def _base(self) -> np.ndarray:
        """What the score starts from, (n_outputs,) or (1,)."""
        return np.asarray(getattr(self, "baseline_", np.zeros(1)), dtype=np.float64)

    def _reading(self, nodes: Nodes) -> Reading:
        """Names of columns, levels and outputs."""
        names = [str(name) for name in self.encoded_feature_names_]  # type: ignore[attr-defined]
        known: dict[int, list[str]] = {}
        encoder = getattr(self, "encoder_", None)
        if encoder is not None:
            found = encoder.stages_.levels
            first = len(names) - len(found.columns)  # categories come last
            known = {first + k: [str(v) for v in found.of(k)] for k in range(len(found.columns))}
        for j, values in enumerate(nodes.categories or ()):
            if values is not None:
                words = known.get(j)
                known[j] = [words[int(v)] if words and 0 <= v < len(words) else f"{v:g}" for v in values]
        outputs = [str(label) for label in getattr(self, "classes_", [""])]
        return Reading(names, known, outputs, self._values_are_shares)

    def _table_of_shares(self, top: int) -> list[str]:
        """Lines of `summary`: the columns that contribute most."""
        model: Any = self
        share, splits = model.feature_importances_, model.importances("splits")
        names = [str(name) for name in model.encoded_feature_names_]
        order = np.argsort(-share, kind="stable")[:top]
        width = max(map(len, names))
        head = f"{'':<{width}}  share of gain  splits"
        return [head, *(f"{names[j]:<{width}}  {share[j]:>13.2%}  {int(splits[j]):>6,}" for j in order)]

    def _dense_input(self, X: Any) -> np.ndarray:
        """The rows as trees read them, CSR written out."""
        rows = self._input(X)  # type: ignore[attr-defined]
        if not sp.issparse(rows):
            return np.asarray(rows)
        require(8 * rows.shape[0] * rows.shape[1], what=f"{rows.shape[0]:,} rows as a dense array")
        return np.asarray(rows.toarray())

    # ---- where rows go ---------------------------------------------------------------------------

    def apply(self, X: Any) -> np.ndarray:
        """The leaf, counted within its tree, in which each row ends in each tree, int64 of shape (n_rows, n_trees).

        Parameters
        ----------
        X : array-like of shape (n_rows, n_features), or table
        """
        nodes = self._nodes()
        found = walk.leaves(nodes, self._dense_input(X))
        return np.asarray(found.astype(np.int64) - nodes.starts[:-1])

    def decision_path(self, X: Any) -> tuple[sp.csr_matrix, np.ndarray]:
        """The nodes that each row passes.

        Parameters
        ----------
        X : array-like of shape (n_rows, n_features), or table

        Returns
        -------
        indicator : CSR matrix of shape (n_rows, n_nodes)
            1 where a row passes a node, its leaf included.
        n_nodes_ptr : int64 ndarray of shape (n_trees + 1,)
            Tree t has the columns n_nodes_ptr[t] <= i < n_nodes_ptr[t + 1].
        """
        nodes = self._nodes()
        return walk.paths(nodes, self._dense_input(X)), nodes.starts

    # ---- in words --------------------------------------------------------------------------------

    def export_text(
        self, tree: int = 0, *, max_depth: int = 10, show_weights: bool = True, missing: bool = False
    ) -> str:
        """One tree as indented text, with the names and levels of the table.

        Parameters
        ----------
        tree : int
            Which; for more than two classes tree t is of class t mod n_classes.
        max_depth : int
            Splits further down are only counted.
        show_weights : bool
            Whether leaves say how many training rows (or how much weight) they hold.
        missing : bool, default=False
            Whether each split says where missing cells go.

        Returns
        -------
        str
        """
        check_is_fitted(self)
        nodes = self._nodes()
        return export.export_text(
            nodes,
            self._reading(nodes),
            tree,
            max_depth=max_depth,
            show_weights=show_weights,
            missing=missing,
        )

    def rules(
        self,
        tree: int = 0,
        X: Any = None,
        y: Any = None,
        *,
        min_coverage: float = 0.0,
        top: int | None = None,
        missing: bool = False,
    ) -> list[Rule]:
        """The paths of one tree as sentences: ``education in {Bachelors, Masters} and age > 37.5``.

        Parameters
        ----------
        tree : int
        X, y : optional
            Rows to measure coverage and confidence on. Without, coverage is that of the training rows.
        min_coverage : float
            Leave out rules that cover a smaller share.
        top : int, optional
            Only so many, those that cover most.
        missing : bool, default=False
            Whether conditions say that missing cells count as well.

        Returns
        -------
        list of Rule
            The one that covers most comes first; `print(*model.rules(), sep="\\n")` shows them.
        """
        check_is_fitted(self)
        nodes = self._nodes()
        found = rules.rules_of(nodes, self._reading(nodes), tree, missing=missing)
        if X is not None:
            found = self._measured(found, X, y)
        found = [rule for rule in found if rule.coverage >= min_coverage]
        return sorted(found, key=lambda rule: -rule.coverage)[:top]

    def _measured(self, found: list[Rule], X: Any, y: Any) -> list[Rule]:
        """Coverage, and with `y` confidence, on given rows."""
        at = self.apply(X)[:, found[0].tree]
        target = None if y is None else np.asarray(labels.as_label_array(y) if is_classifier(self) else y)
        if target is not None and len(target) != len(at):
            raise ValueError(f"X has {len(at)} rows but y has {len(target)}")
        measured = []
        for rule in found:
            rows = np.flatnonzero(at == rule.leaf)
            new = replace(rule, rows=float(len(rows)), coverage=len(rows) / len(at), confidence=float("nan"))
            if target is not None and len(rows):
                if is_classifier(self):
                    classes, counts = np.unique(target[rows], return_counts=True)
                    most = int(np.argmax(counts))
                    new = replace(
                        new,
                        answer=f"{rule.answer}, mostly {classes[most]}",
                        confidence=float(counts[most] / len(rows)),
                    )
                else:
                    new = replace(new, confidence=float(np.std(target[rows])))
            measured.append(new)
        return measured

    # ---- what each column did --------------------------------------------------------------------

    @property
    def shap_expected_value_(self) -> Any:
        """The mean score by training weight, from which `shap_values` count: a float, or (n_outputs,)."""
        return _squeezed(self._base() + Explainer.of(self._nodes()).expected())

    def shap_values(self, X: Any, *, interactions: bool = False, background: Any = None) -> np.ndarray:
        """Exact Shapley values of the score (`decision_function`; for regression on the scale of the trees).

        With `shap_expected_value_` they sum to each row's score.

        Parameters
        ----------
        X : array-like of shape (n_rows, n_features), or table
        interactions : bool, default=False
            Values of pairs of columns, halves on either side of the diagonal; rows of the matrix sum to the plain values.
        background : array-like or table, optional
            Unknown columns take the values of these rows, one after the other, instead of following the training
            rows down both sides of a split. The values then count from the mean score of the background.

        Returns
        -------
        float64 ndarray of shape (n_rows, n_columns) or (n_rows, n_columns, n_outputs)
            Columns are those of `encoded_feature_names_`. With interactions (n_rows, n_columns, n_columns[, n_outputs]).

        References
        ----------
        S. M. Lundberg et al. (2020), doi:10.1038/s42256-019-0138-9.
        """
        check_is_fitted(self)
        explainer = Explainer.of(self._nodes())
        rows = self._dense_input(X)
        if np.isinf(rows).any():
            raise ValueError("X holds infinity, which no training row had")
        if background is not None:
            if interactions:
                raise ValueError("interactions follow the training rows: leave background out")
            values = explainer.against(rows, self._dense_input(background))[0]
        else:
            values = explainer.interactions(rows) if interactions else explainer.shap(rows)
        return values[..., 0] if values.shape[-1] == 1 else values

    # ---- pictures --------------------------------------------------------------------------------

    def plot(
        self,
        *,
        kind: str = "gain",
        tree: int = 0,
        max_depth: int = 3,
        X: Any = None,
        row: int = 0,
        output: int = 0,
        top: int = 20,
        ax: Any = None,
    ) -> Any:
        """Draw the model.

        Parameters
        ----------
        kind : {"gain", "splits", "tree", "history", "shap", "waterfall"}
            The columns that contribute most, by the gain or the number of their splits; one tree; the loss step by step;
            Shapley values of the rows X, a point each, by column; or how row `row` of X comes to its score.
        tree, max_depth : int
            Which tree, and how many levels of it.
        X : array-like or table
            For "shap" and "waterfall".
        row, output : int
            Which row, and which output where there are several.
        top : int, default=20
            Columns that are drawn.
        ax : matplotlib Axes, optional

        Returns
        -------
        matplotlib Axes
        """
        check_is_fitted(self)
        if kind in ("gain", "splits"):
            return self._plot_importances(kind, top, ax)
        if kind == "tree":
            return self._plot_tree(tree, max_depth, ax)
        if kind == "history":
            return self._plot_history(ax)
        if kind in ("shap", "waterfall"):
            if X is None:
                raise ValueError(f"plot(kind={kind!r}) explains rows: pass X")
            return self._plot_shap(kind, X, row, output, top, ax)
        raise ValueError(f"kind must be one of {', '.join(map(repr, KINDS))}, got {kind!r}")

    def _plot_importances(self, kind: str, top: int, ax: Any) -> Any:
        from tripos import plotting

        values = self.importances(kind)  # type: ignore[attr-defined]
        if kind == "gain":
            values = values / max(values.sum(), np.finfo(float).tiny)
        label = "share of the gain of all splits" if kind == "gain" else "splits"
        names = [str(name) for name in self.encoded_feature_names_]  # type: ignore[attr-defined]
        return plotting.importances(values, None, names, top=top, xlabel=label, ax=ax)

    def _plot_history(self, ax: Any) -> Any:
        from tripos import plotting

        history = getattr(self, "history_", None) or {}
        if not history.get("loss"):
            raise ValueError(f"{type(self).__name__} keeps no history of its fit")
        seen = np.asarray(history.get("validation", []), dtype=float)
        shown = seen if len(seen) and np.isfinite(seen).any() else None
        return plotting.loss_curve(np.asarray(history["step"]), np.asarray(history["loss"]), shown, ax=ax)

    def _plot_tree(self, tree: int, max_depth: int, ax: Any) -> Any:
        from tripos import plotting

        nodes = self._nodes()
        if not 0 <= tree < nodes.n_trees:
            raise ValueError(f"tree must lie between 0 and {nodes.n_trees - 1}, got {tree!r}")
        reading, means = self._reading(nodes), nodes.means()
        start, end = int(nodes.starts[tree]), int(nodes.starts[tree + 1])
        total = float(nodes.weights[start]) or 1.0
        texts = []
        for i in range(start, end):
            lines = [export.question(nodes, i, reading)] if nodes.features[i] >= 0 else []
            lines.append(f"{nodes.weights[i]:,.6g} rows ({nodes.weights[i] / total:.0%})")
            lines.append(reading.value_text(means[i], tree, nodes.n_outputs))
            texts.append("\n".join(lines))
        hues, tints = _colours(means[start:end], self._values_are_shares)
        inner = nodes.features[start:end] >= 0
        left = np.where(inner, nodes.left[start:end] - start, -1)
        right = np.where(inner, nodes.right[start:end] - start, -1)
        return plotting.tree_diagram(left, right, texts, hues, tints, max_depth=max_depth, ax=ax)

    def _plot_shap(self, kind: str, X: Any, row: int, output: int, top: int, ax: Any) -> Any:
        from tripos import plotting

        nodes = self._nodes()
        explainer, rows = Explainer.of(nodes), self._dense_input(X)
        if kind == "waterfall":
            rows = rows[row : row + 1] if row >= 0 else rows[row:][:1]
        values = explainer.shap(rows)[:, :, output]
        reading = self._reading(nodes)
        if kind == "shap":
            return plotting.contributions(values, nodes.cells(rows), reading.names, top=top, ax=ax)
        base = float(
            np.broadcast_to(self._base(), explainer.n_outputs)[output] + explainer.expected()[output]
        )
        cells = nodes.cells(rows)[0]
        names = [f"{name} = {_cell(cells[j], reading.levels.get(j))}" for j, name in enumerate(reading.names)]
        return plotting.waterfall(values[0], base, names, top=top, ax=ax)


def _cell(x: float, levels: list[str] | None) -> str:
    if np.isnan(x):
        return "missing"
    return levels[int(x)] if levels and 0 <= x < len(levels) else f"{x:.5g}"


def _squeezed(values: np.ndarray) -> Any:
    return float(values[0]) if len(values) == 1 else values


def _colours(means: np.ndarray, shares: bool) -> tuple[np.ndarray, np.ndarray]:
    """A hue per node (the class, or the side of the root's value) and how sure it is, from 0 to 1."""
    if shares and means.shape[1] > 1:
        K = means.shape[1]
        return means.argmax(axis=1), np.clip((means.max(axis=1) - 1 / K) / (1 - 1 / K), 0, 1)
    value = means[:, 0] - means[0, 0]
    return (value < 0).astype(np.int64), np.abs(value) / max(float(np.abs(value).max()), np.finfo(float).tiny)
