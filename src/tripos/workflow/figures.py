"""The report's pictures, from what the run saved: figures of `tripos.plotting` as inline SVG."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import polars as pl

from tripos import metrics, plotting
from tripos.selection import calibration_curve

SCORE = "score"  # column of a two-class model that gives no probabilities
MOST_CURVES = 8  # one-against-rest curves of a multiclass task
MOST_BARS = 15


def draw(record: Mapping[str, Any], predictions: pl.DataFrame) -> dict[str, str]:
    """Every figure that fits the run, by name."""
    figures = _of_the_search(record)
    figures |= (
        _of_regression(record, predictions)
        if record["task"]["kind"] == "regression"
        else _of_classes(record, predictions)
    )
    return {name: svg for name, svg in figures.items() if svg}


def sketch(column: Mapping[str, Any]) -> str:
    """The shape of one column as bars, in a hundred bytes: a table may have hundreds of columns."""
    counts = column.get("sketch") or []
    most = max(counts, default=0)
    if not most:
        return ""
    bars = "".join(
        f'<rect x="{4 * k}" y="{20 - 20 * rows / most:.1f}" width="3.4" height="{20 * rows / most:.1f}"/>'
        for k, rows in enumerate(counts)
        if rows
    )
    box = f"0 0 {4 * max(len(counts), 6)} 20"
    return f'<svg viewBox="{box}" preserveAspectRatio="none" aria-hidden="true">{bars}</svg>'


def _of_the_search(record: Mapping[str, Any]) -> dict[str, str]:
    board = [
        row
        for row in record["leaderboard"]
        if not row["failure"] and row["rows"] == record["leaderboard"][0]["rows"]
    ]
    figures = {}
    if (
        sum(not row["baseline"] for row in board) > 1
    ):  # the baseline, far away, would press the others together
        board = [row for row in board if not row["baseline"]]
    if len(board) > 1:
        figures["leaderboard"] = plotting.svg(
            plotting.leaderboard,
            [row["candidate"] for row in board],
            [row["score"] for row in board],
            [row["error"] or 0.0 for row in board],
            score_name=record["metric_title"],
            greater_is_better=not record["minimise"],
            baseline=next((row["candidate"] for row in board if row["baseline"]), None),
        )
    learning = record["learning"]
    if len(learning["sizes"]) > 1:
        figures["learning"] = plotting.svg(
            plotting.learning_curve,
            learning["sizes"],
            learning["train"],
            learning["valid"],
            score_name=record["metric_title"],
            baseline=learning["baseline"],
        )
    importances = record["uses"].get("importances")
    if importances and len(importances["names"]) > 1:
        figures["importances"] = plotting.svg(
            plotting.importances,
            importances["mean"][:MOST_BARS],
            importances["sd"][:MOST_BARS],
            importances["names"][:MOST_BARS],
            top=MOST_BARS,
        )
    coefficients = record["uses"].get("coefficients")
    if coefficients and coefficients["names"]:
        figures["coefficients"] = plotting.svg(
            plotting.coefficients, coefficients["values"], coefficients["names"], top=24
        )
    return figures


def _of_regression(record: Mapping[str, Any], predictions: pl.DataFrame) -> dict[str, str]:
    truth, predicted = predictions["truth"].to_numpy(), predictions["prediction"].to_numpy()
    name = record["task"]["target"]
    return {
        "predicted": plotting.svg(plotting.predicted_vs_actual, truth, predicted, name=name),
        "residuals": plotting.svg(plotting.residuals, truth, predicted, name=name),
        "target": plotting.svg(plotting.histogram, truth, name=name),
    }


def _of_classes(record: Mapping[str, Any], predictions: pl.DataFrame) -> dict[str, str]:
    task = record["task"]
    classes = list(task["classes"])
    truth, predicted = predictions["truth"].to_numpy(), predictions["prediction"].to_numpy()
    present = [label for label in classes if label in set(truth.tolist()) | set(predicted.tolist())]
    counts = metrics.confusion_matrix(truth, predicted, labels=present)
    figures = {
        "balance": plotting.svg(plotting.class_balance, classes, task["counts"]),
        "confusion": plotting.svg(plotting.confusion_matrix, counts, present),
    }
    columns = {label: probability_column(label) for label in classes}
    known = {
        label: predictions[name].to_numpy() for label, name in columns.items() if name in predictions.columns
    }
    if task["kind"] == "binary" and known:
        return figures | _of_two_classes(task, truth, known[task["positive"]])
    if task["kind"] == "binary" and SCORE in predictions.columns:
        return figures | _of_scores(truth == task["positive"], predictions[SCORE].to_numpy())
    return figures | _one_against_rest(truth, known)


def _of_two_classes(task: Mapping[str, Any], truth: np.ndarray, probability: np.ndarray) -> dict[str, str]:
    positive = truth == task["positive"]
    figures = _of_scores(positive, probability)
    if not figures:
        return {}
    curve = calibration_curve(positive, probability)
    return figures | {
        "calibration": plotting.svg(plotting.calibration, curve.predicted, curve.observed, count=curve.count),
        "scores": plotting.svg(
            plotting.score_distribution, probability, truth, labels=task["classes"], threshold=0.5
        ),
    }


def _of_scores(positive: np.ndarray, score: np.ndarray) -> dict[str, str]:
    """What needs an order of the rows only; `positive` is a mask."""
    if positive.all() or not positive.any():
        return {}
    fpr, tpr, _ = metrics.roc_curve(positive, score)
    precision, recall, _ = metrics.precision_recall_curve(positive, score)
    area = metrics.roc_auc_score(positive, score)
    average = metrics.average_precision_score(positive, score)
    prevalence = float(positive.mean())
    return {
        "roc": plotting.svg(plotting.roc_curve, fpr, tpr, area=area),
        "pr": plotting.svg(
            plotting.precision_recall_curve, precision, recall, area=average, prevalence=prevalence
        ),
    }


def _one_against_rest(truth: np.ndarray, known: Mapping[Any, np.ndarray]) -> dict[str, str]:
    areas, curves = {}, {}
    for label, probability in known.items():
        own = truth == label
        if own.any() and not own.all():
            areas[label] = metrics.roc_auc_score(own, probability)
            curves[label] = (
                metrics.roc_curve(own, probability),
                metrics.precision_recall_curve(own, probability),
            )
    worst = sorted(areas, key=areas.__getitem__)[:MOST_CURVES]
    if not worst:
        return {}
    precision = [float(metrics.average_precision_score(truth == label, known[label])) for label in worst]
    return {
        "roc": plotting.svg(
            plotting.roc_curve,
            [curves[label][0][0] for label in worst],
            [curves[label][0][1] for label in worst],
            area=[areas[label] for label in worst],
            names=worst,
        ),
        "pr": plotting.svg(
            plotting.precision_recall_curve,
            [curves[label][1][0] for label in worst],
            [curves[label][1][1] for label in worst],
            area=precision,
            names=worst,
        ),
    }


def probability_column(label: Any) -> str:
    """Name of the column of `predictions.parquet` that holds a class's probability."""
    return f"p({label})"


def strip(score: float, low: float, high: float, baseline: float, perfect: float) -> dict[str, Any]:
    """Where the result strip draws the interval, the score and the baseline, on a scale of 0 to 1000."""
    ends = sorted((baseline, perfect))
    left, right = min(ends[0], low), max(ends[1], high)

    def place(value: float) -> float:
        return round(1000 * (value - left) / ((right - left) or 1.0), 1) if math.isfinite(value) else 0.0

    return {
        "low": place(low),
        "width": max(round(place(high) - place(low), 1), 2.0),
        "score": place(score),
        "baseline": place(baseline),
        "left": left,
        "right": right,
    }
