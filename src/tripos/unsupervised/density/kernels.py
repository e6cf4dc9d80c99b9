"""Kernels of density estimates, their constants, and their sums over the boxes of a kd-tree.

    gaussian      exp(-u^2 / 2)       exponential  exp(-u)
    tophat        1         (u < 1)   linear       1 - u             (u < 1)
    epanechnikov  1 - u^2   (u < 1)   cosine       cos(pi u / 2)     (u < 1)

of u = d(x, x_i) / h. A box whose rows all give nearly the same is counted without looking at them: with K between
`low` and `high` on it, its middle is taken where (high - low) / 2 <= (atol + rtol * (sum so far)) / (sum of weights);
then all errors together stay within atol + rtol * sum (A. G. Gray, A. W. Moore (2003), doi:10.1137/1.9781611972733.19).
"""

from __future__ import annotations

import math

import numpy as np

from tripos.compute import kernel
from tripos.compute.extremes import smaller
from tripos.compute.intrinsics import exp
from tripos.geometry.distances import CHEBYSHEV, EUCLIDEAN, MANHATTAN, MINKOWSKI, SQEUCLIDEAN, tile_distances
from tripos.geometry.kd_tree import box_distance

GAUSSIAN, TOPHAT, EPANECHNIKOV, EXPONENTIAL, LINEAR, COSINE = range(6)
CODES = {
    "gaussian": GAUSSIAN,
    "tophat": TOPHAT,
    "epanechnikov": EPANECHNIKOV,
    "exponential": EXPONENTIAL,
    "linear": LINEAR,
    "cosine": COSINE,
}
HALF_PI = 0.5 * math.pi
TILE = 256  # rows measured at a time


def log_volume(d: float) -> float:
    """Logarithm of the volume of the unit ball in d dimensions."""
    return 0.5 * d * math.log(math.pi) - math.lgamma(0.5 * d + 1.0)


def log_surface(d: float) -> float:
    """Logarithm of the surface of the unit ball in d dimensions, the derivative of its volume."""
    return math.log(d) + log_volume(d)


def log_norm(code: int, d: int, h: float) -> float:
    """Logarithm of the constant that makes the kernel's integral one in d dimensions (by Euclidean distance)."""
    if code == GAUSSIAN:
        integral = 0.5 * d * math.log(2.0 * math.pi)
    elif code == TOPHAT:
        integral = log_volume(d)
    elif code == EPANECHNIKOV:
        integral = log_volume(d) + math.log(2.0 / (d + 2.0))
    elif code == EXPONENTIAL:
        integral = log_surface(d) + math.lgamma(d)
    elif code == LINEAR:
        integral = log_volume(d) - math.log(d + 1.0)
    else:
        integral = log_surface(d) + math.log(_cosine_moment(d - 1))
    return -integral - d * math.log(h)


def _cosine_moment(power: int) -> float:
    """Integral of r^power cos(pi r / 2) over 0..1 by Gauss-Legendre: the recurrence by parts loses digits in many
    dimensions."""
    r, w = np.polynomial.legendre.leggauss(power + 40)
    r = 0.5 * (r + 1.0)
    return float(0.5 * (w * r**power * np.cos(HALF_PI * r)).sum())


@kernel
def distance_of(metric, p, reduced):  # type: ignore[no-untyped-def]
    """The distance of a reduced distance."""
    if metric == EUCLIDEAN:
        return np.sqrt(reduced)
    if metric == MINKOWSKI:
        return reduced ** (1.0 / p)
    return reduced


@kernel
def value(code, u):  # type: ignore[no-untyped-def]
    """K(u); the gaussian and the exponential kernel are left to `weigh`, which knows what to divide by."""
    if code == GAUSSIAN:
        return exp(-0.5 * u * u)
    if code == EXPONENTIAL:
        return exp(-u)
    if u >= 1.0:
        return 0.0
    if code == TOPHAT:
        return 1.0
    if code == EPANECHNIKOV:
        return 1.0 - u * u
    if code == LINEAR:
        return 1.0 - u
    return np.cos(HALF_PI * u)


@kernel
def log_value(code, u):  # type: ignore[no-untyped-def]
    """Logarithm of K of the kernels without an end; zero for the others, which are summed as they are."""
    if code == GAUSSIAN:
        return -0.5 * u * u
    if code == EXPONENTIAL:
        return -u
    return 0.0


@kernel
def weighted_sum(code, metric, p, h, top, out, first, m, w):  # type: ignore[no-untyped-def]
    """sum_i w_i K(u_i) / exp(top) over m reduced distances."""
    total = 0.0
    if code == GAUSSIAN and metric == EUCLIDEAN:
        scale = -0.5 / (h * h)
        for i in range(m):
            total += w[first + i] * exp(out[i] * scale - top)
        return total
    for i in range(m):
        u = distance_of(metric, p, out[i]) / h
        if code == GAUSSIAN or code == EXPONENTIAL:
            total += w[first + i] * exp(log_value(code, u) - top)
        else:
            total += w[first + i] * value(code, u)
    return total


@kernel(strict=True)
def far_corner(metric, p, bounds, q):  # type: ignore[no-untyped-def]
    """Reduced distance of q to the farthest point of a box."""
    total = 0.0
    for t in range(q.size):
        e = max(abs(q[t] - bounds[0, t]), abs(bounds[1, t] - q[t]))
        if metric <= SQEUCLIDEAN:
            total += e * e
        elif metric == MANHATTAN:
            total += e
        elif metric == MINKOWSKI:
            total += e**p
        else:
            total = max(total, e)
    return total


@kernel(
    "F[:, ::1], i8[:, ::1], f8[:, :, ::1], f8[::1], f8[::1], i8, i8, f8, f8, f8, f8, f8[:, ::1], i8, i8, f8[::1],"
    " i8[::1], f8[::1]",
    strict=True,
)
def densities(  # type: ignore[no-untyped-def]
    columns,
    spans,
    boxes,
    w,
    weights,
    code,
    metric,
    p,
    h,
    atol,
    rtol,
    Q,
    start,
    stop,
    nearest,
    nodes,
    sums,
):
    """sums_j = log sum_i w_i K(d(q_j, x_i) / h) for the queries start..stop; nearest holds the distance of the nearest row,
    by whose kernel value those without an end are divided, so that nothing underflows far from all rows."""
    out = np.empty(_widest(spans))
    n_nodes = spans.shape[0]
    atol_share = atol / weights[0]
    rtol_share = rtol / weights[0]
    endless = code == GAUSSIAN or code == EXPONENTIAL
    for j in range(start, stop):
        q = Q[j]
        top = log_value(code, nearest[j] / h)
        allowed = 0.0  # of atol, as much larger as the scaled sums are
        if atol > 0.0:
            allowed = atol_share * exp(-top) if top > -600.0 else np.inf
        total = 0.0  # of what was added
        sure = 0.0  # what the sum is at least
        nodes[0] = 0
        waiting = 1
        while waiting > 0:
            waiting -= 1
            v = nodes[waiting]
            near = distance_of(metric, p, box_distance(metric, p, boxes[v], q)) / h
            if not endless and near >= 1.0:
                continue
            if weights[v] == 0.0:
                continue
            far = distance_of(metric, p, far_corner(metric, p, boxes[v], q)) / h
            if endless:
                high = exp(min(log_value(code, near) - top, 0.0))
                low = exp(min(log_value(code, far) - top, 0.0))
            else:
                high = value(code, near)
                low = value(code, far)
            if 0.5 * (high - low) <= allowed + rtol_share * sure:
                total += 0.5 * (high + low) * weights[v]
                sure += low * weights[v]
                continue
            if 2 * v + 2 < n_nodes:
                left = box_distance(metric, p, boxes[2 * v + 1], q)
                right = box_distance(metric, p, boxes[2 * v + 2], q)
                nodes[waiting] = 2 * v + 2 if left <= right else 2 * v + 1  # the nearer one is taken first
                nodes[waiting + 1] = 2 * v + 1 if left <= right else 2 * v + 2
                waiting += 2
                continue
            first = spans[v, 0]
            m = spans[v, 1] - first
            tile_distances(metric, p, columns, first, m, q, out)
            part = weighted_sum(code, metric, p, h, top, out, first, m, w)
            total += part
            sure += part
        sums[j] = np.log(total) + (top if endless else 0.0)


@kernel(strict=True)
def _widest(spans):  # type: ignore[no-untyped-def]
    """Rows of the largest leaf."""
    most = 1
    for v in range(spans.shape[0] // 2, spans.shape[0]):
        most = max(most, spans[v, 1] - spans[v, 0])
    return most


@kernel("F[:, ::1], f8[::1], i8, i8, f8, f8, f8[:, ::1], f8[::1]")
def densities_of_few(columns, w, code, metric, p, h, Q, sums):  # type: ignore[no-untyped-def]
    """The same for a few queries by looking at all rows, stored by columns: of few rows a tree spares less than it asks."""
    n = columns.shape[1]
    out, least = np.empty(n), np.empty(TILE)
    endless = code == GAUSSIAN or code == EXPONENTIAL
    for j in range(Q.shape[0]):
        for i in range(TILE):
            least[i] = np.inf
        for first in range(0, n, TILE):
            part = out[first : min(first + TILE, n)]
            tile_distances(metric, p, columns, first, part.size, Q[j], part)
            for i in range(part.size):
                least[i] = smaller(part[i], least[i])
        nearest = least[0]
        for i in range(TILE):
            nearest = min(nearest, least[i])
        top = log_value(code, distance_of(metric, p, nearest) / h) if endless else 0.0
        sums[j] = np.log(weighted_sum(code, metric, p, h, top, out, 0, n, w)) + top


@kernel("f8[:, ::1], f8[::1], i8, f8, f8[::1]", strict=True)
def densities_of_distances(D, w, code, h, sums):  # type: ignore[no-untyped-def]
    """The same from the distances of each query to all rows."""
    endless = code == GAUSSIAN or code == EXPONENTIAL
    for j in range(D.shape[0]):
        top = 0.0
        if endless:
            top = -np.inf
            for i in range(w.size):
                top = max(top, log_value(code, D[j, i] / h))
        total = 0.0
        for i in range(w.size):
            u = D[j, i] / h
            total += w[i] * (exp(log_value(code, u) - top) if endless else value(code, u))
        sums[j] = np.log(total) + (top if endless else 0.0)


SERVED = CHEBYSHEV  # the tree serves metrics up to this code
