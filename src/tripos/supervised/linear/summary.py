"""Inference as text, in the manner of the tables of statistics packages."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from textwrap import wrap

import numpy as np

from tripos.supervised.linear.family import GAUSSIAN
from tripos.supervised.linear.inference import Inference
from tripos.supervised.linear.multinomial_inference import MultinomialInference

WIDTH = 78
MAX_NAME = 28
Pairs = list[tuple[str, str]]


def as_text(found: Inference, facts: Mapping[str, str] | None = None) -> str:
    """Head, table of coefficients, odds ratios, notes."""
    left, right = _left(found), _right(found)
    names = [_short(name) for name in found.names]
    table = _coefficients(found, names)
    width = max(WIDTH, len(table[0]))
    lines = [found.model, "=" * width]
    lines += [f"{label}: {value}" for label, value in (facts or {}).items()]
    lines += ["-" * width] if facts else []
    lines += _beside(left, right, width)
    lines += ["=" * width, table[0], "-" * width, *table[1:], "=" * width]
    if found.family.link == "logit" and found.has_errors:
        lines += [*_odds(found, names), "=" * width]
    notes = [*_explanations(found), *found.notes]
    for number, note in enumerate(notes, start=1):
        lines += wrap(f"[{number}] {note}", width, subsequent_indent="    ")
    return "\n".join(lines)


def multinomial_text(found: MultinomialInference, facts: Mapping[str, str] | None = None) -> str:
    """Head, a table of coefficients and of relative risks for each class but the first, notes."""
    names = [_short(name) for name in found.names]
    left = [
        ("Base class", str(found.base)),
        ("Rows", f"{found.n_rows:,.10g}"),
        ("Residual df", f"{found.df_residual:,.10g}"),
        ("Model df", f"{found.df_model:,.10g}"),
        ("Covariance", found.covariance_type),
    ]
    right = [
        ("Pseudo R2 (McFadden)", f"{found.pseudo_r2:.4f}"),
        ("Likelihood ratio", _number(found.likelihood_ratio)),
        ("P(LR)", f"{found.likelihood_ratio_p_value:.3g}"),
        ("Log-likelihood", f"{found.log_likelihood:,.2f}"),
        ("AIC", f"{found.aic:,.2f}"),
        ("BIC", f"{found.bic:,.2f}"),
    ]
    lines = [found.model, "=" * WIDTH, *(f"{label}: {value}" for label, value in (facts or {}).items())]
    lines += ["-" * WIDTH] if facts else []
    lines += _beside(left, [pair for pair in right if pair[1] != "nan"], WIDTH)
    tail = (1.0 - found.confidence) / 2
    for k, label in enumerate(found.classes):
        columns = [("coef", [_decimal(value) for value in found.coef[k]])]
        if found.has_errors:
            risk = found.odds_ratio[k, :, 0]
            columns += [
                ("std err", [_decimal(value) for value in found.standard_error[k]]),
                ("z", [f"{value:.3f}" for value in found.statistic[k]]),
                ("P>|z|", [_share(value) for value in found.p_value[k]]),
                (f"[{tail:.3g}", [_decimal(value) for value in found.low[k]]),
                (f"{1 - tail:.3g}]", [_decimal(value) for value in found.high[k]]),
                ("risk ratio", [_decimal(value) for value in risk]),
            ]
        table = _table(names, columns)
        lines += ["=" * WIDTH, f"log odds of {label} against {found.base}", table[0], "-" * WIDTH, *table[1:]]
    lines.append("=" * WIDTH)
    for number, note in enumerate(found.notes, start=1):
        lines += wrap(f"[{number}] {note}", WIDTH, subsequent_indent="    ")
    return "\n".join(lines)


def _left(found: Inference) -> Pairs:
    pairs = [
        ("Family", found.family.name),
        ("Link", found.family.link),
        ("Rows", f"{found.n_rows:,.10g}"),
        ("Residual df", f"{found.df_residual:,.10g}"),
        ("Model df", f"{found.df_model:,.10g}"),
    ]
    if found.has_errors:
        pairs.append(("Covariance", found.covariance_type))
    return [*pairs, ("Condition number", _number(found.condition_number, 3))]


def _right(found: Inference) -> Pairs:
    if found.family == GAUSSIAN:
        pairs = [
            ("R2", f"{found.r2:.4f}"),
            ("Adjusted R2", f"{found.r2_adjusted:.4f}"),
            (f"F({found.df_model:.10g}, {found.df_tests:.10g})", _number(found.f_statistic)),
            ("P(F)", f"{found.f_p_value:.3g}"),
            ("Residual std error", _number(np.sqrt(found.dispersion), 5)),
        ]
    else:
        pairs = [
            ("Pseudo R2 (McFadden)", f"{found.pseudo_r2:.4f}"),
            ("Likelihood ratio", _number(found.likelihood_ratio)),
            ("P(LR)", f"{found.likelihood_ratio_p_value:.3g}"),
            ("Deviance", _number(found.deviance, 5)),
            ("Null deviance", _number(found.null_deviance, 5)),
            ("Dispersion", _number(found.dispersion, 5)),
        ]
    pairs += [
        ("Log-likelihood", f"{found.log_likelihood:,.2f}"),
        ("AIC", f"{found.aic:,.2f}"),
        ("BIC", f"{found.bic:,.2f}"),
    ]
    return [(label, value) for label, value in pairs if value != "nan"]


def _beside(left: Pairs, right: Pairs, width: int) -> list[str]:
    """Two columns of label and value."""
    half = width // 2 - 2
    lines = []
    for row in range(max(len(left), len(right))):
        cells = [side[row] if row < len(side) else ("", "") for side in (left, right)]
        texts = [
            f"{label}:{value:>{half - len(label) - 1}}" if label else " " * half for label, value in cells
        ]
        lines.append((texts[0] + " " * (width - 2 * half) + texts[1]).rstrip())
    return lines


def _coefficients(found: Inference, names: Sequence[str]) -> list[str]:
    letter = "t" if found.family == GAUSSIAN else "z"
    columns = [("coef", [_decimal(value) for value in found.coef])]
    if found.has_errors:
        tail = (1.0 - found.confidence) / 2
        columns += [
            ("std err", [_decimal(value) for value in found.standard_error]),
            (letter, [f"{value:.3f}" for value in found.statistic]),
            (f"P>|{letter}|", [_share(value) for value in found.p_value]),
            (f"[{tail:.3g}", [_decimal(value) for value in found.low]),
            (f"{1 - tail:.3g}]", [_decimal(value) for value in found.high]),
        ]
    columns.append(("VIF", ["" if np.isnan(v) else _number(v, 3) for v in found.vif]))
    return _table(names, columns)


def _odds(found: Inference, names: Sequence[str]) -> list[str]:
    tail = (1.0 - found.confidence) / 2
    heads = ("odds ratio", f"[{tail:.3g}", f"{1 - tail:.3g}]")
    columns = [
        (head, [_decimal(value) for value in column]) for head, column in zip(heads, found.odds_ratio.T)
    ]
    return _table(names, columns)


def _table(names: Sequence[str], columns: list[tuple[str, list[str]]]) -> list[str]:
    """A head and a line per name, numbers flush right."""
    first = max(len(name) for name in ("", *names))
    widths = [max(len(head), *(len(cell) for cell in cells), 7) + 2 for head, cells in columns]
    spare = (WIDTH - first - sum(widths)) // len(columns)
    widths = [width + max(0, min(spare, 4)) for width in widths]
    lines = [" " * first + "".join(f"{head:>{width}}" for (head, _), width in zip(columns, widths))]
    for row, name in enumerate(names):
        cells = "".join(f"{cells[row]:>{width}}" for (_, cells), width in zip(columns, widths))
        lines.append((f"{name:<{first}}" + cells).rstrip())
    return lines


def _explanations(found: Inference) -> list[str]:
    """What the errors stand on."""
    if not found.has_errors:
        return []
    kinds = {
        "classical": "Standard errors assume that the variance of the rows is as the family says (Gaussian: the same "
        "for all), and that rows are independent.",
        "HC0": "Standard errors are robust to unequal variance (HC0, without a correction for small samples).",
        "HC1": "Standard errors are robust to unequal variance (HC1: HC0 times n / (n - k)).",
        "HC2": "Standard errors are robust to unequal variance (HC2: squared residuals over 1 - leverage).",
        "HC3": "Standard errors are robust to unequal variance (HC3: squared residuals over (1 - leverage)^2).",
        "clustered": "Standard errors are robust to dependence within groups, corrected by G/(G - 1) (n - 1)/(n - k) "
        "for G groups" + ("; t and F have G - 1 degrees of freedom." if found.family == GAUSSIAN else "."),
    }
    notes = [kinds[found.covariance_type]]
    worst = np.nanmax(np.where(np.isfinite(found.vif), found.vif, 0.0), initial=0.0)
    if found.condition_number > 1e3 and np.isfinite(found.condition_number):
        cause = (
            "columns that nearly follow from one another" if worst > 10 else "columns of very different scale"
        )
        notes.append(f"The condition number is large ({found.condition_number:.3g}): {cause}.")
    return notes


def _short(name: object) -> str:
    text = str(name)
    if len(text) <= MAX_NAME:
        return text
    head = (MAX_NAME - 1) // 2
    return f"{text[: MAX_NAME - 1 - head]}…{text[-head:]}"


def _decimal(value: float) -> str:
    """Four decimals where they say something, else four digits."""
    return (
        f"{value:.4f}" if value == 0 or 1e-3 <= abs(value) < 1e6 or not np.isfinite(value) else f"{value:.3e}"
    )


def _share(p: float) -> str:
    return "<0.001" if p < 0.0005 else f"{p:.3f}"


def _number(value: float, digits: int = 4) -> str:
    if not np.isfinite(value):
        return f"{value}"
    return f"{value:,.0f}" if 10**digits <= abs(value) < 1e9 else f"{value:.{digits}g}"
