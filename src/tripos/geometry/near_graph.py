"""What a search by a graph of near neighbours has learned from the rows: the lists, and the trees that lead into them.

    lists    the near rows of each row, -1 where a list is short;    reverse    who has a row in its list
    nodes    trees of halfspaces: (a, b, child, child) inside, (-1, -1, start, stop) into `order` for a leaf

It is kept in a saved model, since building it takes most of a fit. What comes from a file is checked here: kernels follow
these numbers without looking where they lead.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from tripos.compute.arrays import kernel_array

Numbers = npt.NDArray[np.int32]
DTYPES = ["int32", "int32", "int32", "int32", "int64"]


@dataclass(frozen=True)
class NearGraph:
    """Lists of shape (n_rows, n_neighbors), and trees one after the other.

    Attributes
    ----------
    lists, reverse : int32 ndarray of shape (n_rows, n_neighbors)
    order : int32 ndarray of shape (n_trees * n_rows,)
        The rows of each tree, leaf by leaf.
    nodes : int32 ndarray of shape (n_nodes, 4)
    roots : int64 ndarray of shape (n_trees,)
        Where the nodes of each tree begin.
    """

    lists: Numbers
    reverse: Numbers
    order: Numbers
    nodes: Numbers
    roots: npt.NDArray[np.int64]

    def parts(self) -> list[npt.NDArray[Any]]:
        """The arrays, as they are saved."""
        return [self.lists, self.reverse, self.order, self.nodes, self.roots]

    @classmethod
    def of_parts(cls, parts: list[npt.NDArray[Any]]) -> NearGraph:
        """From arrays that `check_parts` passed."""
        lists, reverse, order, nodes = (kernel_array(part, np.int32) for part in parts[:4])
        return cls(lists, reverse, order, nodes, kernel_array(parts[4], np.int64))

    def starts(self) -> npt.NDArray[np.int64]:
        """Where the rows of each tree begin in `order`."""
        return np.arange(len(self.roots), dtype=np.int64) * len(self.lists)


def check_parts(parts: list[npt.NDArray[Any]], n_rows: int) -> None:
    """Raise `ValueError` unless every number in the graph of a file leads to a row, a node or a leaf that is there, and
    every walk down a tree ends."""
    found = [str(part.dtype) for part in parts]
    if found != DTYPES:
        raise ValueError(f"the graph of neighbours has arrays of {found}; expected {DTYPES}")
    lists, reverse, order, nodes, roots = parts
    if lists.ndim != 2 or lists.shape[0] != n_rows or reverse.shape != lists.shape or lists.shape[1] == 0:
        raise ValueError(
            f"the graph of neighbours has lists of shapes {lists.shape} and {reverse.shape} for {n_rows} rows"
        )
    _check_range("a list", lists, -1, n_rows)
    _check_range("a reverse list", reverse, -1, n_rows)
    if roots.ndim != 1 or not len(roots) or order.shape != (len(roots) * n_rows,):
        raise ValueError(
            f"the graph of neighbours has {order.shape} rows in {roots.shape} trees of {n_rows} rows"
        )
    _check_range("a tree's order", order, 0, n_rows)
    if nodes.ndim != 2 or nodes.shape[1] != 4:
        raise ValueError(f"the graph of neighbours has nodes of shape {nodes.shape}; expected (any, 4)")
    ends = np.append(roots[1:], len(nodes))
    if roots[0] != 0 or (roots >= ends).any():
        raise ValueError("the graph of neighbours has trees without nodes")
    for first, last in zip(roots.tolist(), ends.tolist(), strict=True):
        _check_tree(nodes[first:last], n_rows)


def _check_tree(nodes: Numbers, n_rows: int) -> None:
    """Children come after their parents, so that no walk returns."""
    inner = nodes[:, 0] >= 0
    _check_range("a halfspace", nodes[inner, :2], 0, n_rows)
    here = np.flatnonzero(inner)[:, None]
    if ((nodes[inner, 2:] <= here) | (nodes[inner, 2:] >= len(nodes))).any():
        raise ValueError("the graph of neighbours has a tree whose branches lead back or outside")
    leaves = nodes[~inner, 2:]
    _check_range("a leaf", leaves, 0, n_rows + 1)
    if (leaves[:, 0] > leaves[:, 1]).any():
        raise ValueError("the graph of neighbours has a leaf that ends before it begins")


def _check_range(what: str, values: npt.NDArray[Any], low: int, below: int) -> None:
    if values.size and (values.min() < low or values.max() >= below):
        raise ValueError(
            f"the graph of neighbours: {what} holds {values.min()} to {values.max()}; expected {low} to {below - 1}"
        )
