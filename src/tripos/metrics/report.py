"""The classification report: precision, recall, F1 and rows of every class and on average, as a text or a dict."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tripos.metrics.classification import MEASURES, Counts, measure, place_of

_HEADERS = ("precision", "recall", "f1-score", "support")


def classification_report(
    y_true: Any,
    y_pred: Any,
    *,
    labels: Any = None,
    target_names: Sequence[str] | None = None,
    sample_weight: Any = None,
    digits: int = 2,
    output_dict: bool = False,
    zero_division: float | str = "warn",
) -> Any:
    """Precision, recall, F1 and support of each class and their averages, as text or as a dict.

    Parameters
    ----------
    y_true, y_pred, labels, sample_weight, zero_division
        As in `precision_recall_fscore_support`.
    target_names : sequence of str, optional
        Names to print, in the order of the labels.
    digits : int
        Decimals in the text.
    output_dict : bool
        Return ``{class name: {"precision": ..., "recall": ..., "f1-score": ..., "support": ...}, ...}``.

    Examples
    --------
    >>> print(classification_report(["ham", "ham", "spam"], ["ham", "spam", "spam"]))
                  precision    recall  f1-score   support
    <BLANKLINE>
             ham       1.00      0.50      0.67         2
            spam       0.50      1.00      0.67         1
    <BLANKLINE>
        accuracy                           0.67         3
       macro avg       0.75      0.75      0.67         3
    weighted avg       0.83      0.67      0.67         3
    <BLANKLINE>
    """
    everything = Counts.of(y_true, y_pred, sample_weight)
    shown = everything.only(labels)
    names = [str(label) for label in (shown.labels if target_names is None else target_names)]
    if len(names) != len(shown.labels):
        raise ValueError(
            f"target_names has {len(names)} names for {len(shown.labels)} classes: {shown.labels.tolist()}"
        )
    per_class = measure(shown, 1.0, None, zero_division, MEASURES)
    rows = {name: list(values) for name, *values in zip(names, *per_class)}
    complete = all(place_of(shown.labels, label) >= 0 for label in everything.labels)
    for average in ("micro", "macro", "weighted"):
        # over all classes, micro-averaged precision, recall and F1 are one number: the accuracy
        heading = "accuracy" if average == "micro" and complete else f"{average} avg"
        rows[heading] = [*measure(shown, 1.0, average, zero_division, ())[:3], shown.support.sum()]
    return _as_dict(rows) if output_dict else _as_text(rows, len(names), digits)


def _as_dict(rows: dict[str, list[Any]]) -> dict[str, Any]:
    report: dict[str, Any] = {name: dict(zip(_HEADERS, map(float, values))) for name, values in rows.items()}
    if "accuracy" in report:
        report["accuracy"] = report["accuracy"]["f1-score"]
    return report


def _as_text(rows: dict[str, list[Any]], n_classes: int, digits: int) -> str:
    width = max(*map(len, rows), len("weighted avg"), digits)
    lines = [" " * width + " " + "".join(f" {header:>9}" for header in _HEADERS), ""]
    for place, (name, (precision, recall, fscore, support)) in enumerate(rows.items()):
        if place == n_classes:
            lines.append("")
        if name == "accuracy":
            cells = [f"{'':>9}", f"{'':>9}", f"{fscore:>9.{digits}f}"]
        else:
            cells = [f"{value:>9.{digits}f}" for value in (precision, recall, fscore)]
        lines.append(f"{name:>{width}} " + "".join(f" {cell}" for cell in [*cells, f"{support:>9}"]))
    return "\n".join(lines) + "\n"
