"""Targets of generalised linear models: their domain, their sums, and offsets that turn into targets and weights.

Under the log link an offset o multiplies the mean, mu = e^o e^eta, and with the power p of the variance

    L(y, eta + o) = e^((2 - p) o) L(y e^-o, eta) + const,

so that no pass over the rows has to know of offsets. Rows that are streamed carry theirs in a column of the blocks,
which is then no feature (`with_offsets`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import scipy.sparse as sp

from tripos.compute import kernel
from tripos.compute.arrays import kernel_array
from tripos.compute.blocks import Block, Blocks
from tripos.compute.intrinsics import exp, log
from tripos.errors import TableError
from tripos.objective.domain import FINITE, NON_NEGATIVE, POSITIVE, Domain
from tripos.objective.losses import SQUARED, TWEEDIE_CODE, PointwiseLoss, tweedie
from tripos.objective.rows import Rows, rows_of


@kernel("f8, F[::1], F[::1], f8[::1]")
def target_sums(power, y, s, sums):  # type: ignore[no-untyped-def]
    """Adds sum s, sum s y and the sum of s times the least loss that a row with this target can have."""
    one = y.dtype.type(1)
    zero = y.dtype.type(0)
    a = y.dtype.type(2.0 - power)
    scale = y.dtype.type(1.0 if power == 1.0 or power == 2.0 else -1.0 / ((1.0 - power) * (2.0 - power)))
    for i in range(y.size):
        weight = s[i] if s.size else one
        logarithm = log(y[i]) if y[i] > zero else zero
        if power == 1.0:
            least = y[i] - y[i] * logarithm
        elif power == 2.0:
            least = one + logarithm
        else:
            least = scale * exp(a * logarithm) if y[i] > zero else zero
        sums[0] += weight
        sums[1] += weight * y[i]
        sums[2] += weight * least


@dataclass(frozen=True)
class Link:
    """Which model it is.

    Attributes
    ----------
    power : float
        Of the mean, to which the variance is proportional.
    log : bool
        mu = e^eta rather than mu = eta.
    loss : PointwiseLoss
        Of eta; for an identity link with a power other than 0 `IdentityRisk` takes its place.
    domain : Domain
        Of the targets.
    """

    power: float
    log: bool
    loss: PointwiseLoss
    domain: Domain

    @property
    def squared(self) -> bool:
        return self.power == 0.0 and not self.log


@dataclass(frozen=True, eq=False)
class ShiftedBlock(Block):
    """Rows with their offsets, shape (rows,)."""

    offset: np.ndarray | None = None


def with_offsets(blocks: Blocks, columns: dict[str, str]) -> Blocks:
    """The same rows without some of their columns, which are offsets instead.

    Parameters
    ----------
    blocks : Blocks
    columns : dict
        "offset" or "exposure" to the name of a column.

    Raises
    ------
    ValueError
        If there is no such column, or, when the rows are read, if it holds what cannot be an offset.
    """
    names = blocks.feature_names
    for what, column in columns.items():
        if names is None or column not in names:
            known = "have no names" if names is None else f"are {', '.join(map(str, names[:10]))}"
            raise ValueError(f"{what}={column!r} is no column of the blocks, whose columns {known}")
    places = {what: names.index(column) for what, column in columns.items()}  # type: ignore[union-attr]
    kept = [j for j in range(blocks.n_features) if j not in places.values()]

    def taken_out(block: Block) -> Block:
        X = block.X
        found = {what: X[:, [j]].toarray()[:, 0] if sp.issparse(X) else X[:, j] for what, j in places.items()}
        left = X[:, kept] if sp.issparse(X) else np.take(X, kept, axis=1)
        return ShiftedBlock(
            left, block.y, block.sample_weight, block.start, _sum_of_offsets(found, block.start)
        )

    assert names is not None
    return replace(blocks.map(taken_out), n_features=len(kept), feature_names=[names[j] for j in kept])


def _sum_of_offsets(found: dict[str, np.ndarray], start: int) -> np.ndarray:
    """Offsets plus the logarithms of exposures; `start` is the number of the first row."""
    total: np.ndarray = np.zeros(())
    for name, values in found.items():
        array = np.asarray(values, dtype=np.float64)
        good = np.isfinite(array) if name == "offset" else np.isfinite(array) & (array > 0.0)
        if not good.all():
            row = int(np.argmin(good))
            need = "finite" if name == "offset" else "larger than 0 (leave rows without exposure out)"
            raise ValueError(f"{name} must be {need}; row {start + row} holds {array[row]:g}")
        total = total + (array if name == "offset" else np.log(array))
    return total


def offset_of(offset: Any, exposure: Any, n_rows: int, *, log: bool) -> np.ndarray | None:
    """Offset plus the logarithm of the exposure, shape (n_rows,); None where neither is given.

    Raises
    ------
    ValueError
        Under another link than the logarithm, or for values that are not numbers, one for each row.
    """
    found = {
        name: np.asarray(values, dtype=np.float64)
        for name, values in (("offset", offset), ("exposure", exposure))
        if values is not None
    }
    if not found:
        return None
    require_log(log)
    for name, array in found.items():
        if array.shape != (n_rows,):
            raise ValueError(
                f"{name} must have one number for each of the {n_rows} rows, got shape {array.shape}"
            )
    return _sum_of_offsets(found, 0)


def require_log(log: bool) -> None:
    if not log:
        raise ValueError(
            "offset and exposure need the log link, under which an exposure multiplies the mean: set link='log'"
        )


def preparation(
    link: Link, name: str, offset: np.ndarray | None, kept: np.ndarray | None
) -> Callable[[Block], Rows]:
    """Turns a block into rows, after a look at its targets; offsets go into targets and weights."""

    def prepare(block: Block) -> Rows:
        if block.y is None:
            raise TableError("the blocks carry no target: name it, `tripos.scan(source, target=...)`")
        y, weight = as_numbers(block.y, name), block.sample_weight
        check_targets(y, link.domain, name, block.start, kept)
        o = block.offset if isinstance(block, ShiftedBlock) else None
        if offset is not None:
            part = offset[block.start : block.stop]
            o = part if o is None else o + part
        if o is not None:
            y = y * np.exp(-o)
            factor = np.exp((2.0 - link.power) * o)
            weight = factor if weight is None else weight * factor
        return rows_of(block, kernel_array(y, block.X.dtype), weight)

    return prepare


def as_numbers(y: np.ndarray, name: str) -> np.ndarray:
    """A streamed target as floats."""
    if y.dtype.kind == "f":
        return y
    if y.dtype.kind not in "biu" or y.ndim != 1:
        raise ValueError(
            f"{name}: the target must be one column of numbers, got dtype {y.dtype} in shape {y.shape}"
        )
    return y.astype(np.float64)


def check_targets(
    y: np.ndarray, domain: Domain, name: str, start: int = 0, kept: np.ndarray | None = None
) -> None:
    """Refuse targets outside the model's domain.

    Parameters
    ----------
    y : ndarray of shape (n_rows,)
    domain : Domain
    name : str
        Of the estimator.
    start : int
        Number of the first row.
    kept : ndarray of int, optional
        The user's numbers of all rows, where rows of weight zero have been left out.

    Raises
    ------
    ValueError
        Naming the first such row and what it holds.
    """
    lowest, highest = y.min(initial=np.inf), y.max(initial=-np.inf)
    if highest < np.inf and (lowest > domain.low or (lowest == domain.low and not domain.open)):
        return
    inside = np.isfinite(y) & (y > domain.low if domain.open else y >= domain.low)
    if inside.all():
        return
    first = int(np.argmin(inside))
    row = start + first if kept is None else kept[start + first]
    raise ValueError(
        f"{name}: the targets y must be {domain.says}; row {row} holds {y[first]:g} "
        f"({np.count_nonzero(~inside):,} such rows). Leave these rows out, or choose a model of any number."
    )


def link_of(power: float, *, log: bool) -> Link:
    """The model with variance proportional to mean^power and this link."""
    domain = FINITE if power <= 0.0 else NON_NEGATIVE if power < 2.0 else POSITIVE
    if power == 0.0 and not log:
        return Link(power, False, SQUARED, domain)
    if 0.0 < power < 1.0:  # no distribution has such a variance, but the deviance is a loss all the same
        return Link(power, log, PointwiseLoss("tweedie", TWEEDIE_CODE, float(power), domain), domain)
    return Link(float(power), log, tweedie(float(power)), domain)
