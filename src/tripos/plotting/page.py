"""A figure as text for a page: inline SVG that follows the page's ink, the same bytes every time."""

from __future__ import annotations

import hashlib
import html
import io
import re
from collections.abc import Callable
from typing import Any

from tripos.plotting import theme

_SALT = "tripos"
_RC = {
    "svg.fonttype": "none",  # text stays text: searchable, in the page's font
    "svg.hashsalt": _SALT,
    "path.simplify": True,
    "font.size": 10.0,
}
_LONG_NUMBER = re.compile(r"-?\d+\.\d{3,}")
_TAG = re.compile(r"<[^>]+>")
_ID = re.compile(r' id="([^"]+)"')
_REFERENCE = re.compile(r'(?:url\(#|xlink:href="#)([^")]+)')
_FONT = re.compile(r" font-family: [^;\"]*;?")
_SIZE = re.compile(r'^<svg [^>]*?viewBox="0 0 ([\d.]+) ([\d.]+)"[^>]*>', re.DOTALL)


def svg(figure: Callable[..., Any], *args: Any, title: str | None = None, **kwargs: Any) -> str:
    """Inline SVG of a figure: transparent, adapting to light and dark, deterministic.

    Text and axes take `currentColor`, fonts are inherited from the page, data keep the palette that reads on
    both. There is no date, no random id and no external reference; ids are unique to the picture, so several
    fit on one page.

    Parameters
    ----------
    figure : callable
        A function of `tripos.plotting`, or any that gives matplotlib axes.
    *args, **kwargs
        Passed to `figure`.
    title : str, optional
        The accessible name of the picture; the first sentence of the figure's docstring by default.

    Returns
    -------
    str
        ``<svg ...>...</svg>``.

    Examples
    --------
    >>> from tripos.plotting import class_balance, svg
    >>> text = svg(class_balance, ["ham", "spam"], [4827, 747])
    >>> text.startswith("<svg"), "currentColor" in text, "4,827 (86.6%)" in text
    (True, True, True)
    """
    import matplotlib
    from cycler import cycler  # comes with matplotlib

    buffer = io.StringIO()
    palette = cycler(color=theme.PALETTE)
    with matplotlib.rc_context({**_RC, "axes.prop_cycle": palette}), theme.use("adaptive"):
        drawn = figure(*args, **kwargs).figure
        drawn.savefig(buffer, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    name = title or (figure.__doc__ or figure.__name__).strip().split("\n")[0].rstrip(".")
    return _adapt(buffer.getvalue(), name)


def _adapt(text: str, name: str) -> str:
    text = text[text.index("<svg") :].strip()
    text = re.sub(r"\s*<metadata>.*?</metadata>", "", text, flags=re.DOTALL)
    text = text.replace(theme.ADAPTIVE.ink, "currentColor")
    text = _TAG.sub(lambda tag: _LONG_NUMBER.sub(_rounded, tag.group()), text)
    text = _FONT.sub("", text)
    text = text.replace(r"\$", "$")  # `theme.shorten` escapes it; text that stays text keeps the escape
    text = _own_ids(text)
    text = re.sub(r"\n\s*", "\n", text)
    return _SIZE.sub(lambda head: _opening(head.group(1), head.group(2), name), text, count=1)


def _rounded(number: re.Match[str]) -> str:
    """Two decimals are a hundredth of a point: enough for the eye, half the bytes."""
    return f"{float(number.group()):.2f}".rstrip("0").rstrip(".")


def _own_ids(text: str) -> str:
    """Ids that something refers to get a prefix made from the picture; the others go."""
    used = set(_REFERENCE.findall(text))
    prefix = "t" + hashlib.sha256(text.encode()).hexdigest()[:8] + "-"
    text = _ID.sub(lambda found: f' id="{prefix}{found.group(1)}"' if found.group(1) in used else "", text)
    return re.sub(r'(url\(#|xlink:href="#)', rf"\g<1>{prefix}", text)


def _opening(width: str, height: str, name: str) -> str:
    label = html.escape(name)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" role="img" '
        f'aria-label="{label}" viewBox="0 0 {width} {height}" width="{width}" '
        f'style="max-width: 100%; height: auto; background: none"><title>{label}</title>'
    )
