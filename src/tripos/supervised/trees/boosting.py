"""Gradient boosting: each tree is a Newton step on the scores of all rows.

    F_0 = argmin_c sum_i w_i L(y_i, c),    F_m = F_(m-1) + nu tree_m,

where tree_m is grown on g_i = w_i L'(y_i, F(x_i)) and h_i = w_i L''(y_i, F(x_i)) (see `split`). With K scores per row
a step has K trees. For losses without curvature (absolute, quantile) h_i = w_i, and a leaf's value is the
quantile of its residuals.

References
----------
J. Friedman, "Greedy function approximation: a gradient boosting machine" (2001), doi:10.1214/aos/1013203451.
Chen, Guestrin (2016), doi:10.1145/2939672.2939785.
"""

from __future__ import annotations

import numpy as np

from tripos.compute.threads import parallel, thread_count
from tripos.supervised.trees.binning import Binned
from tripos.supervised.trees.bundling import Lanes
from tripos.supervised.trees.drops import Drops
from tripos.supervised.trees.gradients import Gradients, best_constant, mean_loss
from tripos.supervised.trees.grow import Grower, Growth
from tripos.supervised.trees.sampling import Sampling
from tripos.supervised.trees.symmetric import SymmetricGrower, SymmetricGrowth
from tripos.supervised.trees.tree import Forest, Packed, add_trees, plant

__all__ = ["Booster", "Gradients", "Sampling", "best_constant", "mean_loss"]


class Booster:
    """Grows the trees of a boosted model, one step at a time.

    Parameters
    ----------
    binned : Binned
    gradients : Gradients
    how : Growth
    sampling : Sampling, optional
    known : Forest, optional
        Trees to go on from; the scores of `gradients` hold them already.
    drops : Drops, optional
        Which trees rest in each step (DART).
    """

    def __init__(
        self,
        binned: Binned,
        gradients: Gradients,
        how: Growth,
        sampling: Sampling | None = None,
        known: Forest | None = None,
        drops: Drops | None = None,
    ) -> None:
        self.binned, self.gradients, self.how = binned, gradients, how
        self.sampling, self.drops = sampling or Sampling(), drops
        self.changed: list[Packed] = []
        self.rows: np.ndarray | None = None  # those of the last step, None for all
        if self.sampling.top:
            gradients.constant = False  # rows that stand for several have hessians of their own
        self.known, self.trees = known, list[Packed]()
        self.n_outputs = len(gradients.scores)
        self.growers = self._growers(binned)
        self.n_steps = 0 if known is None else known.n_trees // self.n_outputs
        self._by_row: np.ndarray | None = None
        self.loss = gradients.update()

    def _growers(self, binned: Binned) -> list[Grower | SymmetricGrower]:
        n = min(self.n_outputs, thread_count())
        if isinstance(self.how, SymmetricGrowth):
            return [SymmetricGrower(binned, self.how) for _ in range(n)]
        lanes = Lanes.of(binned, self.how.min_rows)
        return [Grower(binned, self.how, lanes) for _ in range(n)]

    def step(self) -> float:
        """One tree for each output; returns the mean loss of the training rows after it."""
        resting = self.drops.draw(self.n_steps, len(self.trees) // self.n_outputs) if self.drops else []
        sums = self._rest(resting) if resting else None
        rows, usable = self.sampling.draw(self.n_steps, self.gradients, self.binned.n_features)
        self.rows = rows
        share = 1.0 / (1 + len(resting))

        def grow(first: int) -> list[Packed]:
            grower = self.growers[first]
            outputs = range(first, self.n_outputs, len(self.growers))
            return [self._tree(grower, k, rows, usable, share) for k in outputs]

        groups = parallel(grow, range(len(self.growers)))
        latest = [groups[k % len(groups)][k // len(groups)] for k in range(self.n_outputs)]
        self.changed = []
        if sums is not None:
            self._wake(resting, sums, share)
        self.trees += latest
        self.changed += latest
        self.n_steps += 1
        self.loss = self.gradients.update()
        return self.loss

    def _positions(self, steps: list[int]) -> list[int]:
        return [s * self.n_outputs + k for s in steps for k in range(self.n_outputs)]

    def _rest(self, steps: list[int]) -> np.ndarray:
        """Takes the trees of some steps out of the scores; returns what they added, (n_outputs, n_rows)."""
        sums = np.zeros((self.binned.n_rows, self.n_outputs))
        forest = plant([self.trees[t] for t in self._positions(steps)], self.n_outputs)
        add_trees(forest, self._rows_of_bins(), sums)
        added = sums.T.astype(np.float32)
        self.gradients.scores -= added
        self.gradients.update()
        return np.asarray(added)

    def _wake(self, steps: list[int], sums: np.ndarray, share: float) -> None:
        """The trees come back with the part 1 - share of their values; `changed` holds the difference."""
        self.gradients.scores += sums * np.float32(1 - share)
        for t in self._positions(steps):
            self.changed.append(self.trees[t].times(-share))
            self.trees[t] = self.trees[t].times(1 - share)

    def _rows_of_bins(self) -> np.ndarray:
        if self._by_row is None:
            self._by_row = np.ascontiguousarray(self.binned.columns.T)
        return self._by_row

    def _tree(
        self,
        grower: Grower | SymmetricGrower,
        k: int,
        rows: np.ndarray | None,
        usable: np.ndarray | None,
        share: float,
    ) -> Packed:
        gradients = self.gradients
        units = gradients.pack(k, grower.packed)
        seed = (self.sampling.seed * 1_000_003 + self.n_steps) * self.n_outputs + k
        mean = gradients.totals[k, 2] / gradients.total_weight
        tree = grower.grow(
            units, counted=gradients.counted, mean_hessian=mean, seed=seed, rows=rows, usable=usable
        )
        if gradients.renews:
            gradients.renew(tree, k, self.how.rate)
        if share < 1.0:
            tree.set_values(tree.values * share)
        tree.add_to(gradients.scores[k])
        packed = Packed.of(tree)
        if rows is not None:
            self._add_to_others(packed, k, rows)
        return packed

    def _add_to_others(self, tree: Packed, k: int, rows: np.ndarray) -> None:
        """The tree's values for the rows it was not grown on."""
        others = np.ones(self.binned.n_rows, dtype=bool)
        others[rows] = False
        at = np.flatnonzero(others)
        out = np.zeros((len(at), 1))
        add_trees(plant([tree], 1), np.ascontiguousarray(self.binned.columns[:, at].T), out)
        self.gradients.scores[k, at] += out[:, 0].astype(np.float32)

    def latest(self) -> Forest:
        """The trees of the last step, and what it changed in others."""
        return plant(self.changed, self.n_outputs)

    def forest(self) -> Forest:
        """All trees, those known before included."""
        return plant(self.trees, self.n_outputs, self.known)
