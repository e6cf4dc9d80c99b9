"""What is written down of a run: `metrics.json`, from which the report is made and made again."""

from __future__ import annotations

import platform
import sys
import time
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

import tripos
from tripos.metrics.scorers import Scorer
from tripos.workflow import wording
from tripos.workflow.candidates import Refusal
from tripos.workflow.config import RunConfig
from tripos.workflow.leaderboard import Standing
from tripos.workflow.search import SearchResult
from tripos.workflow.store import plain

if TYPE_CHECKING:
    from tripos.workflow.experience import Experience


def about_table(experience: Experience) -> dict[str, Any]:
    """What `config.toml` remembers, to tell whether the table or the version has changed since."""
    return {
        "tripos": tripos.__version__,
        "created": experience.created,
        "fingerprint": experience.fingerprint,
        "rows": experience.counts["read"],
    }


def compose(
    config: RunConfig,
    experience: Experience,
    found: SearchResult,
    refused: list[Refusal],
    measure: Scorer,
    *,
    winner: Standing,
    curve: dict[str, Any],
    test: dict[str, Any],
    uses: dict[str, Any],
    seconds: dict[str, float],
) -> dict[str, Any]:
    """The whole record, in JSON's own kinds."""
    record = {
        **{"status": "complete", "created": experience.created, "table": config.table, "name": config.stem()},
        "task": experience.task.to_dict(),
        **{"metric": measure.name, "metric_title": measure.title, "minimise": not measure.greater_is_better},
        "perfect": measure.perfect,
        "rows": experience.counts,
        "split": {"text": experience.split_text, "seed": config.seed, "test": config.test},
        "features": list(experience.X_train.columns),
        "left_out": [{"column": column, "reason": reason} for column, reason in experience.left_out.items()],
        "leaderboard": found.board.to_list(),
        "refused": [{"candidate": r.candidate, "reason": r.reason} for r in refused],
        "search": {
            **{"done": found.done, "planned": found.planned, "cut": found.cut},
            **{"seconds": found.seconds, "folds": len(winner.folds), "rows": winner.rows},
        },
        **{"winner": winner.candidate, "learner": winner.learner, "params": winner.params},
        "winner_is_baseline": winner.baseline,
        "gives_probabilities": winner.probabilities,
        **{"test": test, "learning": curve, "uses": uses},
        "profile": experience.profile,
        **{"seconds": seconds, "peak_memory": peak_memory()},
        "versions": versions(),
    }
    record["warnings"] = [*experience.warnings, *_doubts(record, found)]
    record["notes"] = experience.notes
    record["verdict"] = wording.verdict(record)
    whole: dict[str, Any] = plain(record)
    return whole


def _doubts(record: dict[str, Any], found: SearchResult) -> Iterable[str]:
    """What the numbers themselves give reason to doubt."""
    test, metric = record["test"], record["metric"]
    scores = [test["score"], found.board.winner.score]  # a small test is perfect by luck, all folds are not
    if all(wording.too_good(score, test["baseline"], record["perfect"]) for score in scores):
        yield (
            "The score is almost perfect. More often than not that means a column holds the answer: "
            "look at what the model uses."
        )
    if test["repeats"]:
        without = test["score_without_repeats"]
        then = "" if without is None else f"; without them the score is {wording.shown(metric, without)}"
        yield f"{test['repeats']:,} of {test['rows']:,} test rows repeat a training row in every column{then}."
    if found.cut:
        yield (
            f"Time cut the search after {found.done} of at most {found.planned} evaluations: "
            "more time may find a better candidate, and another machine may get further."
        )
    failed = [s for s in found.board if s.failure]
    if failed:
        yield f"{len(failed)} candidate{'s' if len(failed) > 1 else ''} failed: " + "; ".join(
            f"{s.candidate} ({s.failure})" for s in failed
        )


def closing_lines(record: dict[str, Any], report: Path) -> list[str]:
    """What a run says last: the verdict, and where things are."""
    verdict = record["verdict"]
    lines = ["", verdict["headline"], verdict["detail"]]
    lines += [f"! {text}" for text in record["warnings"]]
    folder = report.parent
    return [
        *lines,
        "",
        f"report   {report}",
        f"model    {folder / 'model' / 'model.tripos'}",
        f"predict  tripos predict {folder} TABLE",
    ]


def versions() -> dict[str, str]:
    """What the run was made with."""
    import numba
    import polars
    import scipy
    import sklearn

    modules = {"numpy": np, "scipy": scipy, "numba": numba, "scikit-learn": sklearn, "polars": polars}
    return {
        "tripos": tripos.__version__,
        "python": platform.python_version(),
        **{name: module.__version__ for name, module in modules.items()},
        "system": f"{platform.system()} {platform.machine()}",
    }


def peak_memory() -> int | None:
    """The most bytes this process has held at once; None where the system does not tell."""
    try:
        import resource
    except ImportError:
        return None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else 1024 * peak


def now() -> str:
    """The time as the run's folder and record have it."""
    return time.strftime("%Y-%m-%d %H:%M:%S")
