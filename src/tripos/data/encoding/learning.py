"""How an encoder learns its stages from the training rows, given its settings."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from tripos.data.encoding import categories, target_statistics
from tripos.data.encoding.binning import Bins
from tripos.data.encoding.categories import Levels, Lookup
from tripos.data.encoding.dates import DateParts
from tripos.data.encoding.missing import Filler
from tripos.data.encoding.scaling import Scaling
from tripos.data.encoding.stages import CATEGORIES, Cells, Rows, Stages, find_gaps, side_by_side
from tripos.data.encoding.text import TfIdf


def learn(
    rows: Rows, kinds: Mapping[str, str], orders: Mapping[str, list[str]], how: Any
) -> tuple[Stages, Cells]:
    """The stages for training rows, and what these rows say.

    Parameters
    ----------
    rows : Rows, all of positive weight
    kinds : the used columns with their kinds
    orders : the levels of some columns in their order
    how : Encoder, whose settings are read
    """
    stages, cells = _learn_columns(rows, kinds, orders, how)
    return _learn_numbers(stages, cells.numbers, rows, how), cells


def _learn_columns(
    rows: Rows, kinds: Mapping[str, str], orders: Mapping[str, list[str]], how: Any
) -> tuple[Stages, Cells]:
    """Levels, dates and texts; what concerns numbers is still empty."""

    def of(*wanted: str) -> list[str]:
        return [name for name, kind in kinds.items() if kind in wanted]

    table, w = rows.table, rows.w
    levels = Levels.learn(
        table, of(*CATEGORIES), w, orders=orders, min_frequency=how.min_frequency, max_levels=how.max_levels
    )
    ordered = Levels.learn(table, of("ordered category"), w, orders=orders, whole=True)
    if how.missing == "native":
        ordered = ordered.with_gaps()
        levels = levels.with_gaps() if how.categories == "native" else levels
    codes = levels.codes(table)
    lookup, looked_up = _learn_lookup(levels, codes, rows, how)
    texts = [
        TfIdf.learn(name, table.strings(name), w, max_features=how.max_text_features)
        for name in (of("text") if how.text == "tf-idf" else ())
    ]
    nothing = np.empty(0, dtype=np.int64)
    stages = Stages(
        columns=list(kinds),
        kinds=list(kinds.values()),
        ordered=ordered,
        dates=DateParts.learn(table, of("date"), cyclic=how.dates == "cyclic"),
        levels=levels,
        lookup=lookup,
        looked_up=looked_up,
        texts=[text for text, _ in texts],
        flagged=nothing,
        binned=nothing,
        filler=None,
        scaling=None,
        bins=None,
        drop_first=how.categories == "one-hot-drop",
    )
    blocks = [stages.direct_numbers(table)]
    if lookup and levels.columns:
        blocks.append(lookup(codes))
    return stages, Cells(side_by_side(blocks, table.n_rows), codes, [tf_idf for _, tf_idf in texts])


def _learn_lookup(levels: Levels, codes: np.ndarray, rows: Rows, how: Any) -> tuple[Lookup | None, list[str]]:
    """The numbers that stand for levels, and what each of them means; nothing where levels become columns."""
    if how.categories.startswith("one-hot"):
        return None, []
    if how.categories == "target":
        Y, meanings = target_statistics.target_columns(_target(rows, "categories='target'"), how.task)
        return Lookup.of(target_statistics.target_values(levels, codes, Y, rows.w, how.smoothing)), meanings
    if how.categories == "frequency":
        return Lookup.of(categories.frequency_values(levels, codes, rows.w)), ["share of rows"]
    if how.categories == "native" and how.missing == "native":
        return Lookup.of(categories.native_values(levels)), [""]
    return Lookup.of(categories.code_values(levels)), [""]


def _target(rows: Rows, what: str) -> np.ndarray:
    if rows.y is None:
        raise ValueError(f"{what} learns from the target: fit(X, y) needs y")
    return rows.y


def out_of_fold(stages: Stages, cells: Cells, rows: Rows, how: Any) -> None:
    """Replace the target statistics of training rows by those of the folds that each row is not in."""
    y = _target(rows, "categories='target'")
    here = (
        np.ones(len(y), dtype=bool) if rows.w is None else rows.w > 0
    )  # other rows may hold classes of their own
    known, _ = target_statistics.target_columns(y[here], how.task)
    Y = np.zeros((len(y), known.shape[1]))
    Y[here] = known
    fold = target_statistics.folds(len(Y), how.target_folds, how.random_state)
    means = target_statistics.out_of_fold(stages.levels, cells.codes, Y, rows.w, how.smoothing, fold)
    cells.numbers[:, -means.shape[1] :] = means  # numbers that stand for levels come last


def _learn_numbers(stages: Stages, N: np.ndarray, rows: Rows, how: Any) -> Stages:
    """Fills, indicators, then ranges or bins of the filled numbers."""
    gaps = find_gaps(N, stages.number_names)
    kinds = np.array(stages.kinds, dtype=object)[stages.number_sources]
    discrete = kinds == "boolean"
    if how.categories == "native":
        discrete |= np.isin(kinds, CATEGORIES)
    learned: dict[str, Any] = {"flagged": _flagged(stages, gaps, how)}
    if how.missing == "impute":
        learned["filler"] = filler = Filler.learn(N, rows.w, how=how.fill, discrete=discrete)
        N = filler.transform(N, gaps)
    touched = ~discrete
    made = np.isin(kinds, ("number", "boolean"), invert=True)  # by the encoder itself
    non_negative = how.sign == "non-negative"
    if non_negative and how.categories == "ordinal":
        touched &= ~np.isin(kinds, CATEGORIES)  # codes from 0 on: what has to be told apart stays so
    if how.numbers == "bins":
        learned["binned"] = binned = np.flatnonzero(touched)
        settings = {"how": how.binning, "n_bins": how.n_bins, "task": how.task}
        learned["bins"] = Bins.learn(N[:, binned], rows.w, rows.y, **settings)
    elif how.scale != "none":
        learned["scaling"] = Scaling.learn(N, rows.w, kind=how.scale, touched=touched, floor=non_negative)
    elif non_negative and (made & touched).any():
        learned["scaling"] = Scaling.learn(N, rows.w, kind="min-max", touched=made & touched, floor=True)
    return replace(stages, **learned)


def _flagged(stages: Stages, gaps: np.ndarray | None, how: Any) -> np.ndarray:
    """The first number of each column that gets an indicator of its gaps."""
    sources = stages.number_sources
    _, first = np.unique(sources, return_index=True)
    first = np.sort([j for j in first if stages.kinds[sources[j]] not in CATEGORIES]).astype(np.int64)
    if how.missing == "native" or how.indicators is False:
        return first[:0]
    if how.indicators == "auto":
        n_gaps = np.zeros(len(first)) if gaps is None else gaps[:, first].sum(axis=0)
        first = first[(n_gaps > 0) & (n_gaps < (0 if gaps is None else len(gaps)))]
    return first
