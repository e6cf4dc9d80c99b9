"""Pruning a grown tree: by cost and size, by the errors on other rows, or by what the errors may really be.

    cost-complexity   R_alpha(T) = R(T) + alpha |leaves of T|: the split with the least
                      g(t) = (R(t) - R(T_t)) / (|T_t| - 1) goes first, while g(t) <= alpha
    reduced error     a split goes unless its subtree makes fewer errors on rows held out
    pessimistic       a split goes unless its subtree has fewer errors, when a leaf with E errors among N rows is charged
                      N U_CF(E, N), the upper end of the one-sided binomial confidence interval

References
----------
Breiman, Friedman, Olshen & Stone, "Classification and regression trees" (1984), chapter 3.
Quinlan, "Simplifying decision trees", International Journal of Man-Machine Studies 27 (1987) 221-234.
Quinlan, "C4.5: programs for machine learning" (1993), chapter 4.
"""

from __future__ import annotations

import heapq
from dataclasses import dataclass
from typing import Any

import numpy as np

from tripos.supervised.trees.cart_tree import CartTree


@dataclass(frozen=True, eq=False)
class PruningPath:
    """The sequence of ever smaller trees.

    Attributes
    ----------
    ccp_alphas, impurities : ndarray of shape (n_steps,)
        The alpha at which each step's split goes, and the leaves' impurity after it; the first is the whole tree.
    node_alphas : ndarray of shape (n_nodes,)
        The alpha from which on each node is a leaf or gone; infinite at leaves.
    """

    ccp_alphas: np.ndarray
    impurities: np.ndarray
    node_alphas: np.ndarray


def cost_complexity_path(tree: CartTree, risks: np.ndarray) -> PruningPath:
    """Weakest-link pruning; risks (n_nodes,) are what each node costs as a leaf."""
    n, leaf, right = tree.n_nodes, tree.is_leaf, tree.right.astype(np.int64).tolist()
    parent = tree.parents().tolist()
    below = np.where(leaf, risks, 0.0).tolist()
    size = leaf.astype(np.int64).tolist()
    for i in range(n - 1, 0, -1):  # children come later
        below[parent[i]] += below[i]
        size[parent[i]] += size[i]
    R = risks.tolist()
    alphas, impurities = [0.0], [below[0]]
    node_alphas = np.full(n, np.inf)
    gone = leaf.tolist()

    def link(i: int) -> float:
        return float((R[i] - below[i]) / (size[i] - 1))

    current = {i: link(i) for i in range(n) if not leaf[i]}
    heap = [(a, i) for i, a in current.items()]
    heapq.heapify(heap)
    while heap:
        alpha, t = heapq.heappop(heap)
        if gone[t] or current[t] != alpha:
            continue
        stack = [t]
        while stack:  # all below goes with it
            i = stack.pop()
            if not gone[i]:
                gone[i] = True
                node_alphas[i] = alpha
                stack += [i + 1, right[i]]
        fewer, more = size[t] - 1, R[t] - below[t]
        i = t
        while i >= 0:
            size[i] -= fewer
            below[i] += more
            if not gone[i]:
                current[i] = link(i)
                heapq.heappush(heap, (current[i], i))
            i = parent[i]
        alphas.append(alpha)
        impurities.append(below[0])
    return PruningPath(np.array(alphas), np.array(impurities), node_alphas)


def keep_if_better(tree: CartTree, as_leaf: np.ndarray) -> np.ndarray:
    """Marks of the splits that go, bottom up: those whose leaves together cost no less than the node alone.

    Parameters
    ----------
    tree : CartTree
    as_leaf : float ndarray of shape (n_nodes,)
        What each node costs as a leaf: errors held out, or pessimistic ones.
    """
    cost = as_leaf.astype(np.float64).copy()
    leaf, right = tree.is_leaf, tree.right.astype(np.int64)
    pruned = np.zeros(tree.n_nodes, bool)
    for i in np.flatnonzero(~leaf)[::-1].tolist():
        subtree = cost[i + 1] + cost[right[i]]
        if as_leaf[i] <= subtree + 1e-9:
            pruned[i] = True
        else:
            cost[i] = subtree
    return pruned


def sums_above(tree: CartTree, leaves: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Adds rows (n_rows, k) up in every node they pass, (n_nodes, k); leaves are where they end."""
    out = np.zeros((tree.n_nodes, rows.shape[1]))
    np.add.at(out, leaves, rows)
    parent = tree.parents()
    for i in range(tree.n_nodes - 1, 0, -1):
        out[parent[i]] += out[i]
    return out


def upper_errors(errors: np.ndarray, rows: np.ndarray, confidence: float) -> np.ndarray:
    """N U_CF(E, N): errors that E among N rows may stand for at the given confidence.

    U is the share p at which so few errors have probability CF: the upper end of Clopper and Pearson's interval.

    >>> upper_errors(np.array([0.0]), np.array([6.0]), 0.25).round(3)
    array([1.238])
    """
    from scipy.special import betaincinv

    N, E = np.maximum(rows, 1e-12), np.minimum(errors, rows)
    whole = np.maximum(N - E, 0.0)
    share = np.where(whole > 0, betaincinv(E + 1.0, np.maximum(whole, 1e-12), 1.0 - confidence), 1.0)
    return np.asarray(rows * share)


@dataclass(frozen=True, eq=False)
class AlphaCurve:
    """Scores of pruned trees on rows left out, by alpha.

    Attributes
    ----------
    alphas, scores, errors : ndarray of shape (n_alphas,)
        Mean score over the folds, and its standard error.
    alpha : float
        With the best mean.
    alpha_1se : float
        The largest whose mean is within one standard error of the best: the smallest tree that is not clearly worse.
    measure : str
    """

    alphas: np.ndarray
    scores: np.ndarray
    errors: np.ndarray
    alpha: float
    alpha_1se: float
    measure: str

    def __str__(self) -> str:
        best = float(self.scores.max())
        return f"ccp_alpha = {self.alpha:.4g} ({self.measure} {best:.4g}), {self.alpha_1se:.4g} within one standard error"

    def plot(self, ax: Any = None) -> Any:
        """Draw scores and their standard errors against alpha; returns matplotlib Axes."""
        import matplotlib.pyplot as plt

        ax = plt.subplots()[1] if ax is None else ax
        ax.errorbar(self.alphas, self.scores, self.errors, marker=".", capsize=2, drawstyle="steps-post")
        ax.axvline(self.alpha_1se, linestyle="--", color="gray", label="one standard error")
        ax.axvline(self.alpha, linestyle=":", color="black", label="best")
        if (self.alphas > 0).sum() > 1:
            ax.set_xscale("symlog", linthresh=float(self.alphas[self.alphas > 0].min()))
        ax.set(xlabel="ccp_alpha", ylabel=self.measure)
        ax.legend()
        return ax


def alpha_curve(alphas: np.ndarray, by_fold: np.ndarray, measure: str) -> AlphaCurve:
    """The curve of scores (n_folds, n_alphas)."""
    means = by_fold.mean(axis=0)
    errors = (
        by_fold.std(axis=0, ddof=1) / np.sqrt(len(by_fold)) if len(by_fold) > 1 else np.zeros(len(alphas))
    )
    best = int(len(means) - 1 - np.argmax(means[::-1]))  # of equals the smallest tree
    near = np.flatnonzero(means >= means[best] - errors[best])
    return AlphaCurve(alphas, means, errors, float(alphas[best]), float(alphas[near[-1]]), measure)
