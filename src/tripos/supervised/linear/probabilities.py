"""From scores to probabilities of classes, row by row.

two classes:   P(1 | x) = 1 / (1 + e^-eta)
K classes:     P(k | x) = e^eta_k / sum_l e^eta_l
one-vs-rest:   P(k | x) = p_k / sum_l p_l,  p_k = 1 / (1 + e^-eta_k)
"""

from __future__ import annotations

import numpy as np

from tripos.compute import kernel
from tripos.compute.intrinsics import exp, expit, log, log1pexp


@kernel("F[::1], F[:, ::1]")
def sigmoid_pairs(eta, p):  # type: ignore[no-untyped-def]
    """p_i = (P(0 | x_i), P(1 | x_i)); each is computed by itself, so neither loses digits near 0."""
    for i in range(eta.size):
        p[i, 0] = expit(-eta[i])
        p[i, 1] = expit(eta[i])


@kernel("F[::1], F[:, ::1]")
def log_sigmoid_pairs(eta, log_p):  # type: ignore[no-untyped-def]
    """Logarithms of the same, finite however far away a row lies."""
    for i in range(eta.size):
        log_p[i, 0] = -log1pexp(eta[i])
        log_p[i, 1] = -log1pexp(-eta[i])


@kernel
def shift_to_top(row):  # type: ignore[no-untyped-def]
    """row -= max row; returns sum e^row."""
    top = row[0]
    for k in range(1, row.size):
        top = max(top, row[k])
    total = row.dtype.type(0)
    for k in range(row.size):
        row[k] -= top
        total += exp(row[k])
    return total


@kernel("F[:, ::1]")
def softmax_by_row(eta):  # type: ignore[no-untyped-def]
    """Replaces scores of shape (n_rows, n_classes) by probabilities."""
    for i in range(eta.shape[0]):
        scale = eta.dtype.type(1) / shift_to_top(eta[i])
        for k in range(eta.shape[1]):
            eta[i, k] = exp(eta[i, k]) * scale


@kernel("F[:, ::1]")
def log_softmax_by_row(eta):  # type: ignore[no-untyped-def]
    """Replaces scores of shape (n_rows, n_classes) by log probabilities."""
    for i in range(eta.shape[0]):
        normaliser = log(shift_to_top(eta[i]))
        for k in range(eta.shape[1]):
            eta[i, k] -= normaliser


@kernel("F[:, ::1]")
def log_sigmoid(eta):  # type: ignore[no-untyped-def]
    """Replaces scores by log p_k, p_k = 1 / (1 + e^-eta_k): the softmax of these is p_k / sum_l p_l, also where
    every p_k is too small for a number."""
    for i in range(eta.shape[0]):
        for k in range(eta.shape[1]):
            eta[i, k] = -log1pexp(-eta[i, k])


def rest_probabilities(scores: np.ndarray, *, log_scale: bool) -> np.ndarray:
    """(Log) probabilities of shape (n_rows, n_classes) from scores of each class against the rest.

    Nothing is left of the scores afterwards.
    """
    scores = np.ascontiguousarray(scores)
    log_sigmoid(scores)
    return probabilities(scores, log_scale=log_scale)


def probabilities(scores: np.ndarray, *, log_scale: bool) -> np.ndarray:
    """(Log) probabilities of shape (n_rows, n_classes).

    Parameters
    ----------
    scores : ndarray of shape (n_rows,), or (n_rows, n_classes) of which nothing is left afterwards
    log_scale : bool
    """
    if scores.ndim == 1:
        out = np.empty((len(scores), 2), scores.dtype)
        (log_sigmoid_pairs if log_scale else sigmoid_pairs)(scores, out)
        return out
    (log_softmax_by_row if log_scale else softmax_by_row)(scores)
    return scores
