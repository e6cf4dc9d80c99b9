"""Columns that know the answer: alone, together, or because they say what another column says.

Found here: a column that predicts the target by itself on rows not looked at; numbers that add or multiply up to the target
(orthogonal matching pursuit, which adds one column at a time until nothing is left to explain); levels that together
fix the class; columns that repeat another; values far outside that stand for "missing".
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from tripos.data.messages import listed
from tripos.data.profile_links import Link, level_codes, pearson
from tripos.data.read_numbers import ends_of
from tripos.data.schema_kinds import Column

SURE = {"AUC": 0.9999, "R2": 0.9999}  # nothing but the answer itself predicts like this
SUSPICIOUS = {"AUC": 0.98, "R2": 0.98}
FAR_ABOVE = 0.25  # of what the best ordinary column leaves unexplained
MOST_TERMS = 5  # columns in a sum that makes the target
EXACT, NEAR = 1 - 1e-6, 0.99  # of the target's variance: all of it but for rounding, and suspiciously much
MOST_NUMBERS = 300
MOST_LEVELS = 20
ROWS_PER_GROUP = 20  # fewer, and levels that fix the class may do so by chance
PURE = 0.9999
SAME = 0.999999
MOST_PAIRS = 2000
COMMON = 0.001  # share of rows from which a far value is a code

Array = np.ndarray


@dataclass(frozen=True)
class Suspect:
    """A column to look at before a model is believed.

    Attributes
    ----------
    column : str
    kind : str
        "determines the target", "adds up to the target", "predicts the target alone", "identifier", "repeats a column" or
        "code for missing".
    evidence : str
        What was found, in a sentence.
    certain : bool
        Whether the column holds the answer itself, so that a model that uses it has learned nothing.
    """

    column: str
    kind: str
    evidence: str
    certain: bool = False


def lone_predictors(links: Mapping[str, Link], target: str) -> list[Suspect]:
    """Columns whose score is near perfect, and far above that of the ordinary ones."""
    if not links:
        return []
    ordinary = [link.score for link in links.values() if link.score < SUSPICIOUS[link.score_measure]]
    best = max(ordinary, default=0.5)
    found = []
    for name, link in links.items():
        measure, others = (
            link.score_measure,
            f"; the best other column reaches {best:.3f}" if ordinary else "",
        )
        sure = link.score >= SURE[measure] or (link.measure == "Spearman" and abs(link.value) >= SURE["R2"])
        if sure:
            evidence = f"{name!r} alone determines {target!r} ({measure} {link.score:.4f} on rows not looked at{others})."
            found.append(Suspect(name, "determines the target", evidence, certain=True))
        elif link.score >= SUSPICIOUS[measure] and 1 - link.score <= FAR_ABOVE * (1 - best):
            evidence = f"{name!r} alone predicts {target!r} with {measure} {link.score:.4f} on rows not looked at{others}."
            found.append(Suspect(name, "predicts the target alone", evidence))
    return found


def adding_up(frame: pl.DataFrame, names: Sequence[str], y: Array, target: str) -> list[Suspect]:
    """Numbers of which the target is a sum, a difference, a multiple, or a product."""
    names = [name for name in names if frame[name].null_count() * 2 < frame.height]
    X = frame.select(pl.col(names).cast(pl.Float64)).to_numpy() if names else np.empty((frame.height, 0))
    known = np.isfinite(y)
    names, X, y = list(names), X[known], y[known]
    found: list[Suspect] = []
    for _ in range(3):  # a second sum may hide behind the first
        fresh = _one_sum(X, y, names, target)
        found += fresh
        if not fresh or not fresh[0].certain:
            break
        kept = [j for j, name in enumerate(names) if name not in {suspect.column for suspect in fresh}]
        names, X = [names[j] for j in kept], X[:, kept]
    if not any(suspect.certain for suspect in found) and X.shape[1] > 1 and (y > 0).all():
        positive = [
            j
            for j in range(X.shape[1])
            if np.nanmin(X[:, j], initial=0.0) >= 0 and (X[:, j] > 0).mean() > 0.5
        ]
        rows = (X[:, positive] > 0).all(axis=1)
        if len(positive) > 1 and rows.sum() > 2 * len(positive) + 10:
            product = _one_sum(
                np.log(X[rows][:, positive]),
                np.log(y[rows]),
                [names[j] for j in positive],
                target,
                of_logs=True,
            )
            found += [suspect for suspect in product if suspect.certain]
    return found


def _one_sum(
    X: Array, y: Array, names: Sequence[str], target: str, *, of_logs: bool = False
) -> list[Suspect]:
    chosen, weights, explained = matching_pursuit(X, y)
    if explained < NEAR or len(y) < 3 * (len(chosen) + 1):
        return []
    exact = explained >= EXACT
    if len(chosen) == 1 and not exact:
        return []  # the lone predictors have said so
    text = _equation([names[j] for j in chosen], weights, target, of_logs)
    evidence = f"{text} in every row." if exact else f"{text} nearly (R2 {explained:.4f})."
    return [Suspect(names[j], "adds up to the target", evidence, certain=exact) for j in chosen]


def matching_pursuit(X: Array, y: Array) -> tuple[list[int], Array, float]:
    """Columns that explain y by least squares, the one most correlated with the residual first.

    Returns
    -------
    chosen : list of int
        At most `MOST_TERMS` columns, as few as explain y exactly, else as few as explain `NEAR` of its variance.
    weights : array of len(chosen)
    explained : float
        R2 on the rows without a missing value.

    References
    ----------
    Pati, Rezaiifar and Krishnaprasad (1993), "Orthogonal matching pursuit", doi:10.1109/ACSSC.1993.342465.
    """
    centre, spread = (
        np.nanmean(X, axis=0) if X.size else np.empty(0),
        np.nanstd(X, axis=0) if X.size else np.empty(0),
    )
    usable = [j for j in range(X.shape[1]) if np.isfinite(spread[j]) and spread[j] > 0][:MOST_NUMBERS]
    if not usable or len(y) < 3 or y.std() == 0:
        return [], np.empty(0), 0.0
    Z = np.nan_to_num((X[:, usable] - centre[usable]) / spread[usable])
    chosen: list[int] = []
    weights, explained, residual = np.empty(0), 0.0, y - y.mean()
    first_near: tuple[list[int], Array, float] | None = None
    while len(chosen) < min(MOST_TERMS, len(usable)) and explained < EXACT:
        fit = np.abs(Z.T @ residual)
        fit[chosen] = -1
        chosen.append(int(fit.argmax()))
        rows = np.isfinite(X[:, [usable[j] for j in chosen]]).all(axis=1)
        A, b = np.column_stack([Z[rows][:, chosen], np.ones(rows.sum())]), y[rows]
        if len(b) < len(chosen) + 2 or b.std() == 0:
            break
        solution = np.linalg.lstsq(A, b, rcond=None)[0]
        residual = y - np.column_stack([Z[:, chosen], np.ones(len(y))]) @ solution
        explained = 1 - float((residual[rows] ** 2).sum() / ((b - b.mean()) ** 2).sum())
        weights = solution[:-1] / spread[[usable[j] for j in chosen]]
        if explained >= NEAR and first_near is None:
            first_near = ([usable[j] for j in chosen], weights, explained)
    if explained < EXACT and first_near is not None:
        return first_near
    return [usable[j] for j in chosen], weights, explained


def _equation(names: Sequence[str], weights: Array, target: str, of_logs: bool) -> str:
    """ "casual + registered = cnt", coefficients shown where they are not 1."""
    order = sorted(range(len(names)), key=lambda j: (weights[j] < 0, names[j]))
    text = ""
    for j in order:
        weight, sign = abs(float(weights[j])), "-" if weights[j] < 0 else "+"
        factor = "" if abs(weight - 1) < 1e-3 else f"{weight:.4g} "
        if of_logs:
            text += f" {'/' if sign == '-' else '*'} {names[j]}" + ("" if not factor else f"^{weight:.3g}")
        else:
            text += f" {sign} {factor}{names[j]}"
    return f"{text.removeprefix(' + ').removeprefix(' * ').strip()} = {target}"


def fixing_levels(frame: pl.DataFrame, columns: Mapping[str, Column], target: str) -> list[Suspect]:
    """Columns of few levels that together leave one class only, in groups of many rows."""
    few = [name for name in columns if frame[name].n_unique() <= MOST_LEVELS]
    if len(few) < 2 or not _fixes(frame, few, target):
        return []
    for name in list(few):
        rest = [other for other in few if other != name]
        if len(rest) and _fixes(frame, rest, target):
            few = rest
    if len(few) < 2:
        return []  # the lone predictors have said so
    evidence = (
        f"{listed(map(repr, few), 8)} together determine {target!r}: rows that agree in them agree in it."
    )
    return [Suspect(name, "determines the target", evidence, certain=True) for name in few]


def _fixes(frame: pl.DataFrame, names: Sequence[str], target: str) -> bool:
    groups = frame.group_by([*names, target]).len()
    best = groups.group_by(names).agg(pl.col("len").max())
    return best.height * ROWS_PER_GROUP <= frame.height and int(best["len"].sum()) >= PURE * frame.height


def repeats(frame: pl.DataFrame, columns: Mapping[str, Column]) -> list[Suspect]:
    """Columns that say what an earlier one says: the same numbers on another scale, or level for level."""
    found: dict[str, str] = {}
    numbers = [
        name
        for name, column in columns.items()
        if column.kind in ("number", "integer code") and frame[name].dtype.is_numeric()
    ]
    for name, other in _pairs_of_numbers(frame, numbers[:MOST_NUMBERS]):
        found.setdefault(other, f"{other!r} is {name!r} on another scale (correlation 1).")
    for name, other in _pairs_of_levels(
        frame, [name for name, column in columns.items() if column.kind != "text"]
    ):
        found.setdefault(
            other, f"{other!r} repeats {name!r}: each value of one goes with one value of the other."
        )
    return [Suspect(name, "repeats a column", evidence) for name, evidence in found.items()]


def _pairs_of_numbers(frame: pl.DataFrame, names: Sequence[str]) -> list[tuple[str, str]]:
    if len(names) < 2:
        return []
    X = frame.select(pl.col(names).cast(pl.Float64)).to_numpy()
    filled = np.where(np.isfinite(X), X, np.nanmean(np.where(np.isfinite(X), X, np.nan), axis=0))
    spread = filled.std(axis=0)
    Z = (filled - filled.mean(axis=0)) / np.where(spread > 0, spread, 1)
    close = np.argwhere(np.triu(np.abs(Z.T @ Z) >= SAME * len(Z), 1))
    missing = np.isnan(X)
    return [
        (names[i], names[j])
        for i, j in close
        if (missing[:, i] == missing[:, j]).all() and abs(pearson(filled[:, i], filled[:, j])) >= SAME
    ]


def _pairs_of_levels(frame: pl.DataFrame, names: Sequence[str]) -> list[tuple[str, str]]:
    """Columns whose levels map one to one."""
    coded = {name: level_codes(frame[name]) for name in names}
    few = {
        name: (codes, n)
        for name, (codes, n) in coded.items()
        if 2 <= n <= max(frame.height / ROWS_PER_GROUP, 2)
    }
    by_size = sorted(few, key=lambda name: few[name][1])
    found = []
    same_size = (list(group) for _, group in itertools.groupby(by_size, key=lambda name: few[name][1]))
    pairs = itertools.chain.from_iterable(
        itertools.combinations(sorted(group, key=names.index), 2) for group in same_size
    )
    for name, other in itertools.islice(pairs, MOST_PAIRS):
        (a, n), (b, _) = few[name], few[other]
        if np.count_nonzero(np.bincount(a * n + b, minlength=n * n)) == n:
            found.append((name, other))
    return found


def far_codes(frame: pl.DataFrame, columns: Mapping[str, Column]) -> list[Suspect]:
    """Numbers such as -200, 999 or 9999 at the very end of a column, far from the rest and in many rows."""
    found = []
    for name, column in columns.items():
        if column.kind != "number" or not frame[name].dtype.is_numeric():
            continue
        values = frame[name].drop_nulls()
        if len(values) < 100:
            continue
        for end in ends_of(values):
            rest = values.filter(values != end)
            n_codes = len(values) - len(rest)
            if (
                not len(rest)
                or n_codes < max(COMMON * len(values), 3)
                or not _looks_coded(end, *ends_of(rest))
            ):
                continue
            low, high = ends_of(rest)
            evidence = (
                f"{name!r} is {end:g} in {n_codes:,} rows and from {low:g} to {high:g} in the others: "
                f"read the table with nulls=['{end:g}'] if that means missing."
            )
            found.append(Suspect(name, "code for missing", evidence))
    return found


def _looks_coded(end: float, low: float, high: float) -> bool:
    """Whether `end` is a usual code (-200, 999) far from the other values, which lie between `low` and `high`."""
    distance = low - end if end < low else end - high
    nines = end == int(end) and set(str(abs(int(end)))) == {"9"} and abs(end) >= 99
    negative = end < 0 <= low and end == int(end) and (abs(end) % 100 == 0 or nines)
    return (nines or negative) and distance > 0.5 * (high - low)
