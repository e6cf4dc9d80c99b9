"""What generalised linear models of counts and amounts share.

    mu_i = g^-1(x_i.w + b + o_i),    Var[y_i] = phi mu_i^p,    g = log (or the identity)

fitted by maximum penalised quasi-likelihood: the least of

    1/(2W) sum_i s_i d(y_i, mu_i) + alpha |w|^2 / 2,          W = sum_i s_i,

where d is the unit deviance of the power p: 0 normal, 1 Poisson, 2 gamma, 3 inverse Gaussian, between 1 and 2 a
Poisson number of gamma amounts (rainfall, claims). How the minimum is found stands in `glm_road`.
"""

from __future__ import annotations

import warnings
from numbers import Integral, Real
from typing import Any, ClassVar, TypeVar

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.validation import _check_sample_weight, _num_samples

from tripos.base import Regressor, Training
from tripos.compute.blocks import Blocks
from tripos.data.needs import Needs
from tripos.optimization.result import NotFinite
from tripos.state import Array, Number, Text
from tripos.supervised.linear.family import Family
from tripos.supervised.linear.glm_road import Problem, normal_solution
from tripos.supervised.linear.glm_target import (
    Link,
    check_targets,
    link_of,
    offset_of,
    require_log,
    with_offsets,
)
from tripos.supervised.linear.model import LinearModel, cast

Self = TypeVar("Self", bound="GeneralisedLinearModel")


class GeneralisedLinearModel(LinearModel, Regressor):
    """Base of `PoissonRegressor`, `GammaRegressor` and `TweedieRegressor`."""

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        "alpha": [Interval(Real, 0.0, None, closed="left")],
        "fit_intercept": ["boolean"],
        "solver": [StrOptions({"lbfgs", "newton-cholesky", "irls"})],
        "max_iter": [Interval(Integral, 1, None, closed="left")],
        "tol": [Interval(Real, 0.0, None, closed="neither")],
        "warm_start": ["boolean"],
        "verbose": ["verbose"],
    }
    needs: ClassVar[Needs] = Needs(scale="standard")
    interpretability: ClassVar[str] = "high"
    target_domain: ClassVar[str] = "real"
    state: ClassVar[dict[str, Any]] = {
        "coef_": Array("f", ("features",)),
        "intercept_": Number("f"),
        "n_iter_": Number("i", low=0),
        "solver_": Text(choices=("newton", "lbfgs")),
        "loss_": Number("f"),
        "link_": Text(choices=("log", "identity")),
    }

    alpha: float
    fit_intercept: bool
    solver: str
    max_iter: int
    tol: float
    warm_start: bool
    link_: str

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        try:
            tags.target_tags.positive_only = self._power() > 0.0
        except TypeError:  # a power that is no number, refused by fit
            pass
        return tags

    @classmethod
    def search_space(cls) -> dict[str, Any]:
        """alpha, which counts against half the mean deviance: most of what there is to choose lies below 1."""
        return {"alpha": (1e-6, 10.0, "log")}

    def _power(self) -> float:
        """Of the mean, to which the variance is proportional."""
        raise AssertionError(f"{type(self).__name__} has to say its power")

    def _uses_log(self) -> bool:
        return True

    # ---- fitting ---------------------------------------------------------------------------------

    def fit(
        self: Self,
        X: Any,
        y: Any = None,
        sample_weight: Any = None,
        *,
        offset: Any = None,
        exposure: Any = None,
    ) -> Self:
        """Fit the model.

        Parameters
        ----------
        X : array-like or CSR matrix of shape (n_rows, n_features), table, or blocks of rows (`tripos.scan`)
        y : array-like of shape (n_rows,)
        sample_weight : array-like of shape (n_rows,), optional
            A weight of k counts as k rows.
        offset : array-like of shape (n_rows,), or str, optional
            Added to the scores: eta_i = x_i.w + b + offset_i. With the log link only. For blocks that are streamed
            the name of one of their columns, which is then no feature.
        exposure : array-like of shape (n_rows,), or str, optional
            What a count refers to (time, people, insured years): mu_i = exposure_i e^(x_i.w + b). The same as
            its logarithm as an offset; a name as there.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            If a target is outside the model's domain; names the first such row.
        """
        self.__dict__.pop("history_", None)
        start = (self.coef_, self.intercept_) if self.warm_start and hasattr(self, "coef_") else None
        columns = {k: v for k, v in (("offset", offset), ("exposure", exposure)) if isinstance(v, str)}
        if columns:
            self._validate_params()
            X = _without(X, columns, log=self._uses_log())
            offset, exposure = (None if isinstance(v, str) else v for v in (offset, exposure))
        # NaN and infinity show in the loss, at no cost to clean data; only then the checked start is made.
        training = self._start_fit(X, y, sample_weight, check_finite=False)
        link = link_of(self._power(), log=self._uses_log())
        given = offset is not None or exposure is not None
        shift = offset_of(offset, exposure, _rows_of(X, training), log=link.log) if given else None
        kept = _kept_rows(X, sample_weight)
        if kept is not None and shift is not None:
            shift = shift[kept]
        if not self._fit(training, link, start, shift, kept):
            if not training.in_memory:
                self._reject_nonfinite(training.blocks)
            training = self._start_fit(X, y, sample_weight)
            if not self._fit(training, link, start, shift, kept):
                raise ValueError(
                    "the deviance overflows where the fit begins: divide the large columns (and targets) by a power "
                    "of ten"
                )
        return self

    def _fit(
        self,
        training: Training,
        link: Link,
        start: tuple[Any, Any] | None,
        offset: np.ndarray | None,
        kept: np.ndarray | None,
    ) -> bool:
        """Sets the fitted attributes; False, and nothing set, where X holds NaN or infinity."""
        problem = Problem.of(
            training,
            link,
            type(self).__name__,
            alpha=float(self.alpha),
            fit_intercept=self.fit_intercept,
            offset=offset,
            kept=kept,
        )
        theta = problem.at_the_mean() if start is None else self._warm(problem, *start)
        options: dict[str, Any] = {"tol": self.tol, "max_iter": self.max_iter, "warm": start is not None}
        stopped = False
        try:
            if problem.closed:
                theta = normal_solution(training, alpha=float(self.alpha), fit_intercept=self.fit_intercept)
                options["warm"] = True
                result, name = problem.solve(theta, "lbfgs", on_step=lambda *_: False, **options)
            else:
                with self._progress(self.max_iter) as progress:

                    def on_step(step: int, value: float, theta: np.ndarray) -> bool:
                        return progress.step(value, attributes=lambda: self._attributes(problem, theta))

                    result, name = problem.solve(theta, self.solver, on_step=on_step, **options)
                    stopped = progress.stopped
        except NotFinite:
            return False
        for attribute, value in self._attributes(problem, result.x).items():
            setattr(self, attribute, value)
        self.n_iter_ = 1 if problem.closed else max(result.n_iter, 1)
        self.solver_, self.loss_ = name, float(result.fun)
        if not result.converged and not stopped:
            self._warn(result.reason)
        return True

    def _attributes(self, problem: Problem, theta: np.ndarray) -> dict[str, Any]:
        W, b = problem.risk.coefficients(theta)
        dtype = problem.risk.dtype
        return {
            "coef_": W[0].astype(dtype),
            "intercept_": cast(b[0], dtype),
            "link_": "log" if problem.link.log else "identity",
        }

    def _warm(self, problem: Problem, coef: Any, intercept: Any) -> np.ndarray:
        if coef.shape != (problem.risk.n_features,):
            raise ValueError(
                f"warm_start: the previous coefficients have shape {coef.shape}, this fit needs "
                f"{(problem.risk.n_features,)}"
            )
        return problem.risk.theta(coef[None], np.atleast_1d(intercept))

    def _warn(self, reason: str) -> None:
        warnings.warn(
            f"{type(self).__name__} did not converge: {reason}. Raise max_iter (now {self.max_iter}), scale the "
            "features, or choose a larger alpha.",
            ConvergenceWarning,
            stacklevel=4,
        )

    # ---- predicting ------------------------------------------------------------------------------

    def predict(self, X: Any, *, offset: Any = None, exposure: Any = None) -> np.ndarray:
        """The expected target of each row.

        Parameters
        ----------
        X : array-like or CSR matrix of shape (n_rows, n_features), or table
        offset, exposure : array-like of shape (n_rows,), optional
            As in `fit`; without them that of one unit of exposure.

        Returns
        -------
        ndarray of shape (n_rows,)
        """
        eta = self._scores(X)
        if self.link_ == "identity" and offset is None and exposure is None:
            return eta
        shift = offset_of(offset, exposure, len(eta), log=self.link_ == "log")
        if shift is not None:
            eta += shift
        mu: np.ndarray = np.exp(eta, out=eta)
        return mu

    def score(
        self, X: Any, y: Any, sample_weight: Any = None, *, offset: Any = None, exposure: Any = None
    ) -> float:
        """D2, the share of the deviance that the model explains (R2 for the normal model).

        1 - D(y, mu) / D(y, mean of y); with offsets the second is the deviance of the model that knows them and
        the mean alone.

        Parameters
        ----------
        X : array-like or CSR matrix of shape (n_rows, n_features), or table
        y : array-like of shape (n_rows,)
        sample_weight : array-like of shape (n_rows,), optional
        offset, exposure : array-like of shape (n_rows,), optional

        Returns
        -------
        float
        """
        mu = self.predict(X, offset=offset, exposure=exposure).astype(np.float64)
        target = np.asarray(self._target(y, multi_output=False, reset=False, classes=None), dtype=np.float64)
        if len(target) != len(mu):
            raise ValueError(f"y has {len(target)} targets for the {len(mu)} rows of X")
        check_targets(target, link_of(self._power(), log=self.link_ == "log").domain, type(self).__name__)
        weight = np.ones(len(mu)) if sample_weight is None else _check_sample_weight(sample_weight, mu)
        factor = np.ones(len(mu))
        shift = offset_of(offset, exposure, len(mu), log=self.link_ == "log")
        if shift is not None:
            factor = np.exp(shift)
        family = self._any_family()
        of_units = weight * factor ** (1.0 - family.power)
        mean = (of_units @ target) / (of_units @ factor)
        null = family.deviance(target, factor * mean, weight)
        return float(1.0 - family.deviance(target, mu, weight) / null)

    # ---- looking at it ---------------------------------------------------------------------------

    def _any_family(self) -> Family:
        """The variance and the link, for powers without a distribution as well."""
        power = float(self._power())
        return Family("tweedie", self.link_, power, dispersion_estimated=power != 1.0)

    def _family(self) -> Family | None:
        from tripos.supervised.linear.family import tweedie

        power = self._power()
        return None if 0.0 < power < 1.0 else tweedie(power, self.link_)

    def _facts(self) -> dict[str, str]:
        names = {0.0: "normal", 1.0: "Poisson", 2.0: "gamma", 3.0: "inverse Gaussian"}
        power = float(self._power())
        scale = "log: a coefficient c multiplies the mean by e^c" if self.link_ == "log" else "identity"
        return {
            "distribution": names.get(power, f"Tweedie of power {power:g}"),
            "link": scale,
            "alpha": f"{self.alpha:g}",
            "half the mean deviance with penalty": f"{self.loss_:.6g}",
            "steps": f"{self.n_iter_} of {self.solver_}",
        }


def _without(X: Any, columns: dict[str, str], *, log: bool) -> Blocks:
    """Blocks without the columns that are offsets."""
    require_log(log)
    if not isinstance(X, Blocks):
        raise ValueError(
            f"{next(iter(columns))} by the name of a column is for blocks (`tripos.scan`): pass its numbers, one for "
            "each row"
        )
    return with_offsets(X, columns)


def _rows_of(X: Any, training: Training) -> int:
    """How many rows there are; of a stream that does not say so they are counted."""
    if training.in_memory:
        return int(_num_samples(X))
    n_rows = training.blocks.n_rows
    return sum(block.n_rows for block in training.blocks) if n_rows is None else n_rows


def _kept_rows(X: Any, sample_weight: Any) -> np.ndarray | None:
    """Numbers of the rows with a weight above zero, where others were left out."""
    if sample_weight is None or isinstance(X, Blocks):
        return None
    weight = np.asarray(sample_weight)
    return None if weight.ndim != 1 or weight.dtype == object or weight.all() else np.flatnonzero(weight)
