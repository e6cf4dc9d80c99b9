"""What models of binned trees share: their input, their predictions, and what they show.

F(x) = baseline + sum_t tree_t(x)
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, ClassVar

import numpy as np
import scipy.sparse as sp
from sklearn.utils.validation import check_is_fitted

from tripos import inputs
from tripos.base import Training
from tripos.data.needs import Needs
from tripos.state import Array, Nested
from tripos.supervised.trees.binning import Binned, Binning
from tripos.supervised.trees.native_input import NATIVE, NativeInput
from tripos.supervised.trees.nodes import Nodes
from tripos.supervised.trees.sparse_rows import add_sparse, bin_sparse
from tripos.supervised.trees.tree import Forest, Walker
from tripos.supervised.trees.understanding import Understood
from tripos.supervised.trees.walk import nodes_of


class TreeModel(Understood, NativeInput):
    """An estimator with `binning_`, `forest_` and `baseline_`."""

    needs: ClassVar[Needs] = NATIVE
    interpretability: ClassVar[str] = "low"
    state: ClassVar[Mapping[str, Any]] = {
        "binning_": Nested("Binning"),
        "forest_": Nested("Forest"),
        "baseline_": Array("f", ("outputs",)),
    }
    binning_: Binning
    forest_: Forest
    baseline_: np.ndarray
    _walker: Walker

    # ---- input -----------------------------------------------------------------------------------

    def _start_native_fit(
        self, X: Any, y: Any, sample_weight: Any, *, multi_output: bool = False, blocks: bool = False
    ) -> Training:
        """As `_start_fit`, with missing values kept in the array; infinity shows when cells are put into bins."""
        training = self._start_fit(X, y, sample_weight, multi_output=multi_output, check_finite=False)
        if not (training.in_memory or blocks):
            raise ValueError(
                f"{type(self).__name__} needs all rows in memory: pass one array or table instead of blocks"
            )
        return training

    def _bin(self, binning: Binning, X: np.ndarray) -> Binned:
        """The bins of X, which must not hold infinity."""
        binned = bin_sparse(binning, X) if sp.issparse(X) else binning.apply(X)
        if not binned.finite:
            self._reject_infinite(X)
        return binned

    def _reject_infinite(self, X: np.ndarray) -> None:
        if np.isinf(X.data if sp.issparse(X) else X).any():
            raise ValueError(inputs.describe_nonfinite(X, missing=True))

    def _add_trees(self, X: Any, out: np.ndarray, first: int = 0, last: int | None = None) -> None:
        """Adds the trees first <= t < last to out (n_rows, n_outputs)."""
        if isinstance(X, np.ndarray):
            finite = self._walker.add(X, out, first, last)
        else:
            finite = add_sparse(self._walker, X, out, first, last) and not np.isinf(X.data).any()
        if not finite:
            self._reject_infinite(X)

    def _n_seen(self) -> int:
        """Columns the trees see."""
        return self._n_inputs()

    # ---- predictions -----------------------------------------------------------------------------

    def _scores(self, X: Any) -> np.ndarray:
        """F of each row, float64 of shape (n_rows, n_outputs)."""
        X = self._input(X)
        out = self.baseline_[None].repeat(X.shape[0], axis=0)
        self._add_trees(X, out)
        return out

    def _staged_scores(self, X: Any) -> Iterator[np.ndarray]:
        """F after each step, one array after the other; each is the caller's own."""
        X = self._input(X)
        K = self.baseline_.size
        out = np.tile(self.baseline_, (X.shape[0], 1))
        for t in range(0, self.forest_.n_trees, K):
            self._add_trees(X, out, t, t + K)
            yield out.copy()

    def _set_forest(self, binning: Binning, forest: Forest, baseline: np.ndarray) -> None:
        self.binning_, self.forest_, self.baseline_ = binning, forest, baseline
        self._walker = Walker(forest, binning)

    def _check_state(self) -> None:
        super()._check_state()
        if self.binning_.n_features != self._n_seen():
            raise ValueError(f"binning_ is for {self.binning_.n_features} features, not {self._n_seen()}")
        self.forest_.check_features(self.binning_.n_features)
        if self.forest_.n_outputs != len(self.baseline_) or self.forest_.n_trees % len(self.baseline_):
            raise ValueError(f"forest_ is not for the {len(self.baseline_)} outputs of baseline_")

    def _after_load(self) -> None:
        super()._after_load()
        self._walker = Walker(self.forest_, self.binning_)

    # ---- looking at it ---------------------------------------------------------------------------

    def _nodes(self) -> Nodes:
        check_is_fitted(self)
        steps = getattr(self, "best_iteration_", None)  # of those that predictions use
        forest = self.forest_ if steps is None else self.forest_.head(steps * self.baseline_.size)
        return nodes_of(forest, self.binning_)

    def importances(self, kind: str = "gain") -> np.ndarray:
        """What each column contributes, shape (n_features,); columns are named by `encoded_feature_names_`.

        Parameters
        ----------
        kind : {"gain", "splits"}
            What all splits on the column gain in the objective, or how many there are.
        """
        check_is_fitted(self)
        if kind not in ("gain", "splits"):
            raise ValueError(f"kind must be 'gain' or 'splits', got {kind!r}")
        of = self.forest_.gains if kind == "gain" else self.forest_.counts
        return of(self.binning_.n_features).astype(np.float64)

    @property
    def feature_importances_(self) -> np.ndarray:
        """Share of each column in the gain of all splits, shape (n_features,)."""
        gains = self.importances()
        total = gains.sum()
        return gains / total if total > 0 else gains

    def _facts(self) -> dict[str, str]:
        """Label -> value, at the head of `summary()`."""
        n_leaves = (
            np.add.reduceat(self.forest_.is_leaf, self.forest_.starts[:-1]) if self.forest_.n_trees else [0]
        )
        return {
            "trees": f"{self.forest_.n_trees:,}",
            "leaves": f"{int(np.sum(n_leaves)):,}, {np.mean(n_leaves):.1f} a tree",
        }

    def summary(self, top: int = 20) -> str:
        """What was learned, as text: the size of the model, and the columns that contribute most.

        Parameters
        ----------
        top : int, default=20
            How many columns are listed.

        Returns
        -------
        str
        """
        lines = [type(self).__name__, *(f"  {label}: {value}" for label, value in self._facts().items()), ""]
        return "\n".join([*lines, *self._table_of_shares(top)])
