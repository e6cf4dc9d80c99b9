"""From the interior point of a linear programme to a vertex: as many rows fitted exactly as there are parameters.

A quantile fit can always pass through p rows (those of penalties among them: coefficients that are exactly zero).
The interior point tells which: their d lies inside its bounds. At the vertex w = A_B^-1 y_B the 2p edges

    w + t delta,   delta = +-A_B^-1 e_k,

leave one row each. An edge along which the objective falls is followed to the row where it no longer does (a
weighted median), which takes the place of the one left. Where the objective stays level, several fits are best;
of these the one with the lowest mean prediction is taken, so that the answer does not depend on how rows are
weighted, repeated or ordered.

References
----------
I. Barrodale, F. Roberts (1973), doi:10.1137/0710069; R. Koenker, V. d'Orey (1987), doi:10.2307/2347802.
"""

from __future__ import annotations

import numpy as np
import scipy.linalg

from tripos.supervised.linear.frisch_newton import Interior, Programme

CANDIDATES = 4  # rows considered for each parameter
LEVEL = 1e-9  # slope of an edge that counts as zero, relative to the sum of its rows' slopes
MOVES = 100
INDEPENDENT = 1e-10


def vertex(programme: Programme, interior: Interior) -> np.ndarray | None:
    """w at the best vertex, shape (n_parameters,); None where columns are collinear or it would be worse."""
    basis = _basis(programme, interior)
    if basis is None:
        return None
    y, up, down = programme.bounds()
    goal = programme.transposed(_of_rows(programme, up + down))
    for _ in range(MOVES):
        rows = programme.rows(basis)
        try:
            inverse = scipy.linalg.inv(rows, check_finite=False)
        except scipy.linalg.LinAlgError:
            return None
        w = inverse @ y[basis]
        w[basis[basis >= len(programme.y)] - len(programme.y)] = 0.0
        r = y - programme.times(w)
        r[np.abs(r) <= 1e-11 * (np.abs(y).max() + np.abs(y - r).max())] = 0.0
        r[basis] = 0.0
        move = _move(programme, inverse, r, basis, goal, up, down)
        if move is None:
            break
        k, entering = move
        basis[k] = entering
    best = programme.objective(w)
    return w if np.isfinite(best) and best <= programme.objective(interior.w) * (1.0 + 1e-11) else None


def _basis(programme: Programme, interior: Interior) -> np.ndarray | None:
    """p independent rows, those first whose d lies furthest inside its bounds."""
    _, up, down = programme.bounds()
    inside = np.minimum(up - interior.d, interior.d + down) / (up + down)
    p = programme.n_parameters
    count = min(CANDIDATES * p, len(inside))
    likely = np.argpartition(-inside, count - 1)[:count]
    likely = likely[np.argsort(-inside[likely], kind="stable")]
    rows = programme.rows(likely)
    size = np.abs(programme.rows(np.arange(programme.n_rows)[:: max(programme.n_rows // 1000, 1)])).max(
        axis=0
    )
    size[size == 0.0] = 1.0
    preference = np.maximum(inside[likely], 1e-12)[:, None]
    R, order = scipy.linalg.qr((rows / size * preference).T, mode="r", pivoting=True, check_finite=False)
    chosen = order[:p]
    if len(chosen) < p:
        return None
    pivots = np.abs(np.diag(R))[:p] / preference[chosen, 0]
    return likely[chosen] if pivots.min() > INDEPENDENT else None


def _of_rows(programme: Programme, values: np.ndarray) -> np.ndarray:
    """The values of the rows of X; 0 for those of penalties."""
    out = values.copy()
    out[len(programme.y) :] = 0.0
    return out


def _move(
    programme: Programme,
    inverse: np.ndarray,
    r: np.ndarray,
    basis: np.ndarray,
    goal: np.ndarray,
    up: np.ndarray,
    down: np.ndarray,
) -> tuple[int, int] | None:
    """(position in the basis that leaves, row that enters), or None at the best vertex."""
    M = np.column_stack([programme.times(column) for column in inverse.T])  # (n_rows, p): r changes by -t M
    pull = np.where(r > 0.0, -up, np.where(r < 0.0, down, 0.0))
    still = r == 0.0
    at_kinks = M[still]
    rising, falling = np.maximum(at_kinks, 0.0), np.maximum(-at_kinks, 0.0)
    smooth = pull @ M
    total = np.abs(M).T @ (up + down)
    # along +M residuals fall: kinks cost `down`; along -M they rise: `up`
    slopes = np.stack([smooth + down[still] @ rising + up[still] @ falling,
                       -smooth + up[still] @ rising + down[still] @ falling])  # fmt: skip
    relative = slopes / total
    side, k = np.unravel_index(int(np.argmin(relative)), relative.shape)
    if relative[side, k] < -LEVEL:
        slope = float(slopes[side, k])
    else:
        change = np.stack([goal @ inverse, -(goal @ inverse)])
        scale = np.abs(goal) @ np.abs(inverse)
        level = (relative <= LEVEL) & (change < -1e-9 * scale)
        if not level.any():
            return None
        side, k = np.unravel_index(int(np.argmin(np.where(level, change / scale, 0.0))), level.shape)
        slope = -LEVEL * float(total[k])
    rate = M[:, k] if side == 0 else -M[:, k]  # r(t) = r - t rate
    return _next_row(r, rate, up + down, slope, basis, int(k), float(total[k]))


def _next_row(
    r: np.ndarray,
    rate: np.ndarray,
    width: np.ndarray,
    slope: float,
    basis: np.ndarray,
    k: int,
    total: float,
) -> tuple[int, int] | None:
    """The row at which the objective stops falling along the edge."""
    crossing = np.flatnonzero((r * rate > 0.0) & (np.abs(rate) > 1e-12 * np.abs(rate).max()))
    crossing = crossing[~np.isin(crossing, basis)]
    if not len(crossing):
        return None
    t = r[crossing] / rate[crossing]
    order = np.argsort(t, kind="stable")
    climbed = slope + np.cumsum(width[crossing[order]] * np.abs(rate[crossing[order]]))
    stop = np.flatnonzero(climbed >= -LEVEL * total)
    return (k, int(crossing[order[stop[0]]])) if len(stop) else None
