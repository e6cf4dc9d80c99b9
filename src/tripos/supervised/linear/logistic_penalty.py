"""What the parameters of logistic regression ask for: which penalty, and whether the named solver takes it.

C sum_i s_i L_i + r |W|_1 + (1 - r) |W|^2 / 2, with r = `l1_ratio`; C infinite is no penalty.

scikit-learn 1.8 deprecated `penalty` in favour of `C` and `l1_ratio`; both are read here as it reads them, and
pairs of a solver and a penalty that it refuses are refused, although every method here could do any of them: a
program behaves the same after its import line was changed.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np

SOLVERS = ("lbfgs", "liblinear", "newton-cg", "newton-cholesky", "sag", "saga")
OWN_SOLVERS = ("irls", "gradient-descent", "sgd")
WITH_L1 = ("liblinear", "saga")
STACK = 6  # frames from here to the line that called `fit`


@dataclass(frozen=True)
class Asked:
    """A penalty: `name` as scikit-learn calls it, inverse strength, and share of L1."""

    name: str | None
    C: float
    l1_ratio: float


def check_solver(solver: str, penalty: str | None, dual: bool) -> None:
    """Refuses what scikit-learn refuses."""
    if penalty not in ("l2", None) and solver not in WITH_L1:
        raise ValueError(
            f"Solver {solver} supports only 'l2' or None penalties, got {penalty} penalty: use solver='saga', or "
            "for two classes and l1 solver='liblinear'"
        )
    if solver != "liblinear" and dual:
        raise ValueError(f"Solver {solver} supports only dual=False, got dual=True")
    if solver == "liblinear" and dual and penalty == "l1":
        raise ValueError("solver='liblinear' has no dual form with the l1 penalty: use dual=False")
    if penalty == "elasticnet" and solver != "saga":
        raise ValueError(f"Only 'saga' solver supports elasticnet penalty, got solver={solver}.")
    if solver == "liblinear" and penalty is None:
        raise ValueError("C=np.inf as well as penalty=None is not supported for the liblinear solver")


def asked_penalty(estimator: Any) -> Asked:
    """The penalty of a LogisticRegression, from `penalty`, `C` and `l1_ratio`."""
    penalty, C, l1_ratio = estimator.penalty, float(estimator.C), estimator.l1_ratio
    if estimator.n_jobs is not None:
        _deprecated("'n_jobs' has no effect since scikit-learn 1.8: leave it out, and set TRIPOS_NUM_THREADS")
    if penalty == "deprecated":
        if l1_ratio is None:
            _deprecated("'l1_ratio=None' was deprecated in scikit-learn 1.8: use a number from 0 to 1")
        ratio = 0.0 if l1_ratio is None else float(l1_ratio)
        name = None if np.isinf(C) else named(ratio)
        check_solver(estimator.solver, name, estimator.dual)
        return Asked(name, C, ratio if name else 0.0)
    _deprecated(
        "'penalty' was deprecated in scikit-learn 1.8: use C=np.inf instead of penalty=None, l1_ratio=0 instead of "
        "'l2', l1_ratio=1 instead of 'l1', and leave it out"
    )
    check_solver(estimator.solver, penalty, estimator.dual)
    _check_consistent(penalty, C, l1_ratio)
    if penalty is None:
        return Asked(None, np.inf, 0.0)
    return Asked(penalty, C, {"l1": 1.0, "l2": 0.0}.get(penalty, l1_ratio))


def named(l1_ratio: float) -> str:
    """scikit-learn's name of a penalty with this share of L1."""
    return {0.0: "l2", 1.0: "l1"}.get(l1_ratio, "elasticnet")


def _check_consistent(penalty: str | None, C: float, l1_ratio: float | None) -> None:
    if penalty == "elasticnet" and l1_ratio is None:
        raise ValueError("l1_ratio must be specified when penalty is elasticnet.")
    if penalty != "elasticnet" and l1_ratio is not None and 0 < l1_ratio < 1:
        _say(f"l1_ratio parameter is only used when penalty is 'elasticnet'. Got (penalty={penalty})")
    if (penalty == "l2" and l1_ratio != 0) or (penalty == "l1" and l1_ratio != 1):
        _say(f"Inconsistent values: penalty={penalty} with l1_ratio={l1_ratio}. Use l1_ratio only.")
    if penalty is None and C != 1.0:
        _say("Setting penalty=None will ignore the C and l1_ratio parameters")


def _deprecated(message: str) -> None:
    warnings.warn(message, FutureWarning, stacklevel=STACK)


def _say(message: str) -> None:
    warnings.warn(message, UserWarning, stacklevel=STACK + 1)
