"""Importance by permutation on rows that a forest's trees were not grown on.

importance_j = s - s_kj, where s is the score (accuracy, R2) of the training rows, each answered by the trees that did not draw it,
and s_kj the same with column j in another order of its rows. It needs no rows held out, and does not praise what was learned by heart.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.sparse as sp
from sklearn.base import is_classifier
from sklearn.metrics import accuracy_score, r2_score
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_consistent_length, check_is_fitted

from tripos import labels
from tripos.selection.permutation import PermutationImportance
from tripos.supervised.trees.forest_model import ForestModel
from tripos.supervised.trees.forest_rows import draw_rows


def out_of_bag_importance(
    forest: Any, X: Any, y: Any, *, n_repeats: int = 5, random_state: Any = None
) -> PermutationImportance:
    """How much the out-of-bag score of a forest falls when one column is shuffled.

    Parameters
    ----------
    forest : fitted RandomForest... or ExtraTrees... with ``bootstrap=True``
        With one target, fitted without weights; what it drew is drawn again, nothing is grown.
    X : table or array-like of shape (n_rows, n_columns)
        The rows that the forest was fitted on, in their order.
    y : array-like of shape (n_rows,)
        Their targets.
    n_repeats : int, default=5
        Shuffles of each column.
    random_state : int, RandomState or None

    Returns
    -------
    PermutationImportance
        Of the columns that trees see (`encoded_feature_names_`).

    Raises
    ------
    ValueError
        For fewer than one repeat, a forest without bootstrap, with several targets, or fitted with weights of rows or
        classes, by which it drew.

    References
    ----------
    L. Breiman, Random forests, Machine Learning 45 (2001), section 10, doi:10.1023/A:1010933404324.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from tripos import RandomForestClassifier, out_of_bag_importance
    >>> X, y = load_iris(return_X_y=True)
    >>> found = out_of_bag_importance(RandomForestClassifier(random_state=0).fit(X, y), X, y, random_state=0)
    >>> found.importances_mean.argmax() in (2, 3)
    True
    """
    if n_repeats < 1:
        raise ValueError(f"n_repeats must be 1 or more, got {n_repeats}")
    check_is_fitted(forest)
    if not isinstance(forest, ForestModel):
        raise TypeError(
            f"forest must be a random forest or extra trees of tripos, got {type(forest).__name__}: use permutation_importance"
        )
    if not forest.bootstrap or forest.n_outputs_ != 1:
        raise ValueError(
            "trees left no rows out, or there are several targets: fit with bootstrap=True and one target, "
            "or use permutation_importance"
        )
    if getattr(forest, "weighted_", False):
        raise ValueError(
            "the forest was fitted with sample_weight or class_weight, by which its trees drew rows, and does not keep them: "
            "fit without, or use permutation_importance"
        )
    rows = forest._input(X)
    if sp.issparse(rows):
        raise TypeError("out_of_bag_importance takes dense rows, X is sparse: use permutation_importance")
    check_consistent_length(rows, y)
    bags = _bags(forest, len(rows))
    known = labels.as_label_array(y) if is_classifier(forest) else np.asarray(y, dtype=np.float64).ravel()
    score = _score(forest, rows, known, bags)
    random, names = check_random_state(random_state), [str(n) for n in forest.encoded_feature_names_]
    drops = np.empty((rows.shape[1], n_repeats))
    for j in range(rows.shape[1]):
        column = rows[:, j].copy()
        changed = rows.copy()
        for r in range(n_repeats):
            changed[:, j] = column[random.permutation(len(column))]
            drops[j, r] = score - _score(forest, changed, known, bags)
    return PermutationImportance(
        importances_mean=drops.mean(axis=1), importances_std=drops.std(axis=1), importances=drops, names=names
    )


def _bags(forest: ForestModel, n_rows: int) -> list[np.ndarray]:
    """Bits of the rows that each tree drew, as its fit drew them."""
    counts, bags = np.empty(n_rows, np.uint32), []
    for t in range(forest.forest_.n_trees):
        state = np.random.SeedSequence([forest.seed_, t]).generate_state(2, np.uint64) | np.uint64(1)
        draw_rows(state, forest._n_draws(n_rows, None), np.empty(0), counts)  # type: ignore[no-untyped-call]
        bags.append(np.packbits(counts > 0, bitorder="little"))
    return bags


def _score(forest: Any, X: np.ndarray, y: np.ndarray, bags: list[np.ndarray]) -> float:
    """Accuracy or R2 of the rows that some tree did not draw, each by those trees."""
    sums, n_trees = forest._left_out(X, bags)
    seen = n_trees > 0
    means = sums[seen] / n_trees[seen, None]
    if not is_classifier(forest):
        return float(r2_score(y[seen], means[:, 0]))
    said = forest.classes_[np.asarray(forest._parts(means)[0]).argmax(axis=1)]
    return float(accuracy_score(y[seen], said))
