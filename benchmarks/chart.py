"""The README's chart: how many times faster than each peer, one bar a case, from the saved rows."""

from __future__ import annotations

from pathlib import Path
from typing import Any

CHART = Path(__file__).parents[1] / "docs" / "images" / "benchmarks.svg"
COLOURS = {"scikit-learn": "#0072b2", "scikit-learn-intelex": "#d55e00", "pandas + scikit-learn": "#009e73"}


def draw(rows: list[dict[str, Any]]) -> Path:
    """Draws the ratios of all rows on a logarithmic axis; the line at 1 is a tie."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    plt.rcParams.update({"svg.fonttype": "none", "svg.hashsalt": "tripos", "font.size": 10})
    bars = [(row["title"], peer, ratio) for row in rows for peer, ratio in row["ratio"].items()]
    figure, ax = plt.subplots(figsize=(8.5, 0.5 + 0.27 * max(1, len(bars))), layout="constrained")
    positions = range(len(bars))
    ax.barh(
        positions, [ratio for *_, ratio in bars], color=[COLOURS.get(peer, "#777777") for _, peer, _ in bars]
    )
    for position, (_, peer, ratio) in zip(positions, bars):
        ax.text(ratio * 1.04, position, f"{ratio:.1f} × {peer}", va="center", fontsize=8)
    ax.set_yticks(positions, [title for title, *_ in bars])
    ax.invert_yaxis()
    ax.set_xscale("log")
    ax.set_xlim(0.5, max([2.0, *(ratio for *_, ratio in bars)]) * 4)
    ax.axvline(1.0, color="#444444", linewidth=1)
    ax.set_xlabel("times faster than the peer (median of alternating runs, same data, same machine)")
    ax.spines[["top", "right"]].set_visible(False)
    CHART.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(CHART, metadata={"Date": None})
    plt.close(figure)
    return CHART
