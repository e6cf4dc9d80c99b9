"""What a learning curve says about a model: does it bend too little, does it vary too much, would more rows help?"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from tripos.selection.curves import LearningCurve

_LARGE_GAP = 0.1  # between training and held out rows, as a share of what there is to gain
_FAR_FROM_PERFECT = 0.3
_NEGLIGIBLE = 0.01


@dataclass(frozen=True)
class Diagnosis:
    """A reading of a learning curve. Shares are of the way from the baseline to perfection.

    Attributes
    ----------
    kind : {"does not learn", "high variance", "high bias", "good fit"}
    more_rows_help : bool
        Whether the score on held out rows was still rising at the end, beyond its noise.
    gap : float
        Share by which the training rows are scored better than the rows held out.
    distance : float
        Share that is missing to perfection on the rows held out.
    gain : float
        Share that the last doubling of the rows brought.
    noise : float
        Standard error of the gain.
    sentence : str
    """

    kind: str
    more_rows_help: bool
    gap: float
    distance: float
    gain: float
    noise: float
    sentence: str


def diagnose_fit(curve: LearningCurve, *, baseline: float | None = None) -> Diagnosis:
    """Bias or variance, and whether more rows would help.

    A model that is scored much better on its training rows than on others varies with the rows it happened to see;
    one whose two scores meet far from perfection bends too little (or the target cannot be told from these columns).
    Whether the curve rises is judged repeat by repeat on the same held out rows, so that their difficulty drops out.

    Parameters
    ----------
    curve : LearningCurve
        With two sizes or more.
    baseline : float, optional
        The measure of a model that ignores the columns; default: the curve's own.

    References
    ----------
    Perlich, Provost and Simonoff: Tree induction vs. logistic regression, a learning-curve analysis, JMLR 4, 2003,
    https://www.jmlr.org/papers/v4/perlich03a.html.
    """
    held, sizes, perfect = curve.validation_mean, curve.sizes, curve.scorer.perfect
    if len(sizes) < 2 or not np.isfinite(held).all():
        raise ValueError("a diagnosis needs a learning curve with scores at two sizes or more")
    span = (perfect - (curve.baseline if baseline is None else baseline)) or 1.0
    gap, distance = float(curve.train_mean[-1] - held[-1]) / span, (perfect - float(held[-1])) / span
    half = int(np.flatnonzero(sizes <= max(sizes[-1] / 2, sizes[0]))[-1])
    gain, noise = (part / math.log2(sizes[-1] / sizes[half]) for part in _growth(curve, half, span))
    helps = gain > max(2 * noise, _NEGLIGIBLE)
    if 1 - distance <= max(2 * _error_of_mean(curve.validation_scores[-1]) / abs(span), _NEGLIGIBLE):
        kind = "does not learn"
    elif gap > _LARGE_GAP:
        kind = "high variance"
    elif distance > _FAR_FROM_PERFECT:
        kind = "high bias"
    else:
        kind = "good fit"
    return Diagnosis(kind, helps, gap, distance, gain, noise, _sentence(kind, helps, gap, distance, gain))


def _growth(curve: LearningCurve, start: int, span: float) -> tuple[float, float]:
    """Mean over the repeats of last score - score at `start`, and its standard error, as shares of the span."""
    grown = (curve.validation_scores[-1] - curve.validation_scores[start]) / span
    good = grown[~np.isnan(grown)]
    return float(good.mean()) if len(good) else 0.0, _error_of_mean(grown)


def _error_of_mean(values: np.ndarray) -> float:
    good = values[~np.isnan(values)]
    return float(good.std(ddof=1)) / math.sqrt(len(good)) if len(good) > 1 else 0.0


def _sentence(kind: str, helps: bool, gap: float, distance: float, gain: float) -> str:
    rows = (
        f"the last doubling of the rows brought {gain:.1%} of what there is to gain, so more rows would help"
        if helps
        else "the curve has levelled off, so more rows of the same kind would change little"
    )
    told = {
        "does not learn": "The score is no better than ignoring the columns: these columns say little about the target, "
        "or the model cannot use what they say",
        "high variance": f"High variance: the training rows are scored better by {gap:.0%} of what there is to gain; "
        "a simpler or more regularised model would narrow that, and " + rows,
        "high bias": f"High bias: both scores meet, {distance:.0%} short of perfection; "
        "a richer model or better columns are needed, and " + rows,
        "good fit": "A good fit: rows held out are predicted about as well as training rows, and " + rows,
    }
    return told[kind] + "."
