"""What neighbours say: votes for classes, means of targets, and both left out one at a time for every k at once.

    votes_c = sum_i w_i [y_i = c]            mean = sum_i w_i y_i / sum_i w_i

over the neighbours i, with w = 1 ("uniform"), w = 1 / distance ("distance": neighbours at distance zero alone count if
there are any) or what a function of the distances gives.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from tripos.compute import kernel
from tripos.geometry.distances import Floats

NO_WEIGHTS, NO_FLAT_WEIGHTS = np.empty((0, 0)), np.empty(0)


@kernel("f8[:, ::1], f8[:, ::1]", strict=True)
def inverse(D, W):  # type: ignore[no-untyped-def]
    """w = 1 / d; where some d of the row is zero (or its inverse too large), 1 for those and 0 for the others."""
    for j in range(D.shape[0]):
        touching = False
        for c in range(D.shape[1]):
            W[j, c] = 1.0 / D[j, c] if D[j, c] > 0.0 else np.inf
            touching |= W[j, c] == np.inf
        if touching:
            for c in range(D.shape[1]):
                W[j, c] = 1.0 if W[j, c] == np.inf else 0.0


@kernel("i8[:, ::1], i8[::1], f8[:, ::1], f8[:, ::1]", strict=True)
def count_votes(I, codes, W, votes):  # type: ignore[no-untyped-def]
    """votes_jc = sum of the weights of j's neighbours of class c; without weights (no rows) each counts 1."""
    for j in range(I.shape[0]):
        for c in range(votes.shape[1]):
            votes[j, c] = 0.0
        for s in range(I.shape[1]):
            votes[j, codes[I[j, s]]] += W[j, s] if W.shape[0] else 1.0


@kernel("f8[:, ::1], i8[::1]", strict=True)
def winners(votes, best):  # type: ignore[no-untyped-def]
    """best_j = the class with the most votes, of equals the first."""
    for j in range(votes.shape[0]):
        top = 0
        for c in range(1, votes.shape[1]):
            if votes[j, c] > votes[j, top]:
                top = c
        best[j] = top


@kernel("i8[:, ::1], F[:, ::1], f8[:, ::1], f8[:, ::1]", strict=True)
def means(I, y, W, out):  # type: ignore[no-untyped-def]
    """out_jt = weighted mean of the t-th target of j's neighbours."""
    for j in range(I.shape[0]):
        for t in range(y.shape[1]):
            total = 0.0
            weight = 0.0
            for s in range(I.shape[1]):
                w = W[j, s] if W.shape[0] else 1.0
                total += w * np.float64(y[I[j, s], t])
                weight += w
            out[j, t] = total / weight


@kernel("i8[::1], i8[::1], i8[::1], f8[::1], f8[:, ::1]", strict=True)
def flat_shares(starts, indices, codes, W, shares):  # type: ignore[no-untyped-def]
    """Shares of the votes of the rows found in a radius, indices[starts[j]:starts[j + 1]] for query j; without weights
    each counts 1. Returns for how many queries nothing counts: their shares are zero."""
    silent = 0
    for j in range(shares.shape[0]):
        for c in range(shares.shape[1]):
            shares[j, c] = 0.0
        for s in range(starts[j], starts[j + 1]):
            shares[j, codes[indices[s]]] += W[s] if W.size else 1.0
        total = 0.0
        for c in range(shares.shape[1]):
            total += shares[j, c]
        silent += total == 0.0
        for c in range(shares.shape[1]):
            shares[j, c] = shares[j, c] / total if total != 0.0 else 0.0
    return silent


@kernel("i8[::1], i8[::1], F[:, ::1], f8[::1], f8[:, ::1]", strict=True)
def flat_means(starts, indices, y, W, out):  # type: ignore[no-untyped-def]
    """out_jt = weighted mean of the t-th target of the rows found, NaN where there are none; returns how often."""
    lonely = 0
    for j in range(out.shape[0]):
        lonely += starts[j] == starts[j + 1]
        for t in range(y.shape[1]):
            total = 0.0
            weight = 0.0
            for s in range(starts[j], starts[j + 1]):
                w = W[s] if W.size else 1.0
                total += w * np.float64(y[indices[s], t])
                weight += w
            out[j, t] = total / weight
    return lonely


@kernel("i8[:, ::1], i8[::1], i8[::1], f8[:, ::1], f8[::1], i8[::1]", strict=True)
def right_for_each_k(I, codes, truth, W, votes, right):  # type: ignore[no-untyped-def]
    """Adds to right_k the rows that their k + 1 nearest neighbours classify correctly, for every k in one walk."""
    for j in range(I.shape[0]):
        for c in range(votes.size):
            votes[c] = 0.0
        top = 0
        for k in range(I.shape[1]):
            c = codes[I[j, k]]
            votes[c] += W[j, k] if W.shape[0] else 1.0
            if votes[c] > votes[top] or (votes[c] == votes[top] and c < top):
                top = c
            right[k] += top == truth[j]


@kernel("i8[:, ::1], F[:, ::1], F[:, ::1], f8[:, ::1], f8[::1]", strict=True)
def errors_for_each_k(I, y, truth, W, errors):  # type: ignore[no-untyped-def]
    """Adds to errors_k the squared errors of the means over the k + 1 nearest neighbours, for every k in one walk."""
    for j in range(I.shape[0]):
        for t in range(y.shape[1]):
            total = 0.0
            weight = 0.0
            for k in range(I.shape[1]):
                w = W[j, k] if W.shape[0] else 1.0
                total += w * np.float64(y[I[j, k], t])
                weight += w
                miss = total / weight - np.float64(truth[j, t])
                errors[k] += miss * miss


def weights_of(D: Any, weights: Any) -> Any:
    """Weights of lists of distances (n_queries, k); `NO_WEIGHTS` where all count the same.

    Raises
    ------
    ValueError
        If a function gives another shape, or zero to all neighbours of a query.
    """
    if weights is None or weights == "uniform":
        return NO_WEIGHTS
    if weights == "distance":
        W = np.empty(D.shape)
        inverse(D, W)
        return W
    W = np.ascontiguousarray(weights(D), dtype=np.float64)
    if W.shape != D.shape:
        raise ValueError(f"weights gave an array of shape {W.shape} for distances of shape {D.shape}")
    check_some_weight(W)
    return W


def check_some_weight(W: Floats) -> None:
    """Raise where all neighbours of some query count nothing."""
    empty = ~W.any(axis=1)
    if empty.any():
        raise ValueError(
            "All neighbors of some sample is getting zero weights, first at row "
            f"{int(np.flatnonzero(empty)[0])}: let `weights` give more than zero to one of them"
        )


def flat_weights(distances: Floats, starts: npt.NDArray[np.int64], weights: Any) -> Floats:
    """The same for rows in a radius: one weight per found row, shape (n_found,); none where all count the same."""
    if weights is None or weights == "uniform":
        return NO_FLAT_WEIGHTS
    lists = [distances[a:b] for a, b in zip(starts[:-1], starts[1:], strict=True)]
    if weights != "distance":
        as_objects = np.empty(len(lists), dtype=object)
        as_objects[:] = lists
        lists = list(weights(as_objects))
    else:
        with np.errstate(divide="ignore"):
            lists = [(d == 0).astype(float) if (d == 0).any() else 1.0 / d for d in lists]
    return np.concatenate([np.asarray(w, dtype=np.float64) for w in lists]) if lists else np.empty(0)
