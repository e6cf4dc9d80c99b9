"""One-vs-rest: each of K classes told from all others together, by K binary problems on the same rows.

P(k | x) = p_k / sum_l p_l,        p_k = 1 / (1 + e^-(w_k.x + b_k))

The softmax asks for the same number of coefficients and fits them together; one-vs-rest fits them apart, which
is what scikit-learn did before version 1.7 and what liblinear does.

References
----------
R. Rifkin, A. Klautau, "In defense of one-vs-all classification", JMLR 5 (2004), 101-141.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import scipy.sparse as sp

from tripos.base import Training
from tripos.labels import class_factors
from tripos.optimization.result import Result
from tripos.supervised.linear.likelihood import Counts
from tripos.supervised.linear.logistic_penalty import Asked

if TYPE_CHECKING:
    from tripos.supervised.linear.logistic import LogisticRegression


def rest_factors(class_weight: Any, classes: np.ndarray, weights: np.ndarray, k: int) -> np.ndarray:
    """Factors of the rows' weights by class, shape (n_classes,), where class k is told from the rest.

    A dict names classes; "balanced" gives class k and the rest the same total.
    """
    if not isinstance(class_weight, str):
        return class_factors(class_weight, classes, weights)
    total = weights.sum()
    factors = np.full(len(classes), 0.5 * total / (total - weights[k]))
    factors[k] = 0.5 * total / weights[k]
    return factors


def fit_one_vs_rest(
    model: LogisticRegression, training: Training, counts: Counts, asked: Asked, start: tuple[Any, Any] | None
) -> Result | None:
    """Sets the fitted attributes; None, and nothing set, when X holds NaN or infinity.

    The classes follow one another, each on all threads, so that a callback hears of every step in order.
    """
    found, W, b, methods = [], [], [], []
    with model._progress(model.max_iter * len(model.classes_)) as progress:
        for k, label in enumerate(model.classes_):
            factors = rest_factors(model.class_weight, model.classes_, counts.weights, k)
            problem = model._problem(training, counts, asked, factors, rest=k)
            own = counts.weights[k]
            theta = problem.base_rates(np.array([counts.weights.sum() - own, own]))
            if start is not None:
                coef = start[0].toarray() if sp.issparse(start[0]) else start[0]
                theta = model._warm(problem, coef[[k]], start[1][[k]])
            solved = model._solve(problem, theta, progress, warm=start is not None)
            if solved is None:
                return None
            result, method, separated = solved
            attributes = model._attributes(problem, result.x)
            found.append(result)
            methods.append(method)
            W.append(attributes["coef_"])
            b.append(attributes["intercept_"])
            model._warn(
                problem, result, separated, stopped=progress.stopped, against=f" ({label} against the rest)"
            )
    model.coef_, model.intercept_ = np.vstack(W), np.concatenate(b)
    model.solver_ = methods[0]
    steps = max(result.n_iter for result in found)
    model.n_iter_ = np.array([max(steps, min(1, model.max_iter))], dtype=np.int32)
    model.loss_ = float(sum(r.fun for r in found))
    return replace(found[0], fun=model.loss_)
