"""What a learner needs from a table: class data that each learner states and `Encoder` reads."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

CHOICES: dict[str, tuple[Any, ...]] = {
    "categories": ("one-hot", "one-hot-drop", "ordinal", "target", "frequency", "native"),
    "missing": ("impute", "native"),
    "scale": ("none", "standard", "min-max", "mean-range", "robust"),
    "numbers": ("as-is", "bins"),
    "sign": ("any", "non-negative"),
    "text": ("tf-idf", "none"),
    "dates": ("parts", "cyclic"),
    "sparse": (True, False),
}


@dataclass(frozen=True)
class Needs:
    """The form in which a learner wants its table.

    Parameters
    ----------
    categories : str
        "one-hot" (a column of 0 and 1 per level), "one-hot-drop" (the first level left out, so that the
        columns and an unpenalised intercept are not collinear), "ordinal" (one code), "target" (smoothed
        mean of the target per level), "frequency" (share of the rows), "native" (codes, missing as NaN).
    missing : str
        "impute" (a filled value and an indicator column; a missing category is its own level) or "native".
    scale : str
        "none", "standard", "min-max", "mean-range" or "robust".
    numbers : str
        "as-is" or "bins" (numbers cut into intervals, one-hot).
    sign : str
        "any" or "non-negative".
    text : str
        "tf-idf" or "none" (free text is left out).
    dates : str
        "parts" (year, month, day, ...) or "cyclic" (sine and cosine of the position in the period as well).
    sparse : bool
        Whether the learner accepts SciPy CSR.

    Examples
    --------
    >>> Needs(categories="one-hot-drop").scale
    'none'
    >>> Needs(scale="log")
    Traceback (most recent call last):
        ...
    ValueError: scale must be one of 'none', 'standard', 'min-max', 'mean-range', 'robust', got 'log'
    """

    categories: str = "one-hot"
    missing: str = "impute"
    scale: str = "none"
    numbers: str = "as-is"
    sign: str = "any"
    text: str = "tf-idf"
    dates: str = "parts"
    sparse: bool = True

    def __post_init__(self) -> None:
        for field in fields(self):
            require_choice(field.name, getattr(self, field.name), CHOICES[field.name])


def require_choice(name: str, value: Any, choices: tuple[Any, ...]) -> None:
    """Raise `ValueError` naming the argument and the values it may take, unless `value` is one of them."""
    if not any(value is choice or (type(value) is type(choice) and value == choice) for choice in choices):
        raise ValueError(f"{name} must be one of {', '.join(map(repr, choices))}, got {value!r}")
