"""Poisson, gamma and Tweedie regression: counts, amounts, and sums of a random number of amounts.

    mu_i = e^(x_i.w + b + o_i),    Var[y_i] = phi mu_i^p,    p = 1 (Poisson), 2 (gamma), any (Tweedie)

`glm_model` says what they minimise, `glm_road` how.
"""

from __future__ import annotations

from numbers import Real
from typing import Any, ClassVar

from sklearn.utils._param_validation import Interval, StrOptions

from tripos.supervised.linear.glm_model import GeneralisedLinearModel


class PoissonRegressor(GeneralisedLinearModel):
    """Regression of counts: the logarithm of the expected count is linear.

    Minimises half the mean Poisson deviance with a penalty, each row counted by its weight,

        1/W sum_i s_i (mu_i - y_i log mu_i + const) + alpha |w|^2 / 2,     mu_i = exposure_i e^(x_i.w + b),

    so that e^w_j is the factor by which one more unit of feature j multiplies the count. The objective is convex,
    and every solver name leads to its minimum.

    Parameters
    ----------
    alpha : float, default=1.0
        Strength of the penalty; 0 for none.
    fit_intercept : bool, default=True
        Whether the scores have a constant term b, which is not penalised.
    solver : {"lbfgs", "newton-cholesky", "irls"}, default="lbfgs"
        "irls" (iteratively reweighted least squares) is Newton's method with a Hessian each step, and
        "newton-cholesky" keeps a Hessian for as long as it serves; "lbfgs" leaves the choice to the shape of the
        data.
    max_iter : int, default=100
        Steps over all rows at most.
    tol : float, default=1e-4
        Largest gradient component at the solution.
    warm_start : bool, default=False
        Whether to start at the previous solution.
    verbose : int, default=0
        Without effect; watch a fit with callbacks (`set_callbacks`) or see `history_`.

    Attributes
    ----------
    coef_ : ndarray of shape (n_features,)
    intercept_ : float
    n_iter_ : int
        Steps over all rows.
    solver_ : str
        The method that was used: "newton" or "lbfgs".
    loss_ : float
        Half the mean deviance, with the penalty, at the solution.
    link_ : str
        "log".
    history_ : dict of lists
        step, loss, validation, seconds.
    n_features_in_ : int
    feature_names_in_ : ndarray of shape (n_features_in_,)
        For input with column names.

    References
    ----------
    J. Nelder, R. Wedderburn, "Generalized linear models" (1972), doi:10.2307/2344614.
    P. McCullagh, J. Nelder, *Generalized Linear Models*, 2nd ed., chapter 6.

    Examples
    --------
    Claims of four groups, observed for different numbers of years:

    >>> import numpy as np
    >>> from tripos import PoissonRegressor
    >>> X = np.array([[0.0], [0.0], [1.0], [1.0]])
    >>> claims, years = [10, 30, 40, 80], [100, 300, 200, 400]
    >>> model = PoissonRegressor(alpha=0.0).fit(X, claims, exposure=years)
    >>> model.predict(np.array([[0.0], [1.0]]))
    array([0.1, 0.2])
    """

    target_domain: ClassVar[str] = "non-negative"

    def __init__(
        self,
        *,
        alpha: float = 1.0,
        fit_intercept: bool = True,
        solver: str = "lbfgs",
        max_iter: int = 100,
        tol: float = 1e-4,
        warm_start: bool = False,
        verbose: int = 0,
    ) -> None:
        self.alpha = alpha
        self.fit_intercept = fit_intercept
        self.solver = solver
        self.max_iter = max_iter
        self.tol = tol
        self.warm_start = warm_start
        self.verbose = verbose

    def _power(self) -> float:
        return 1.0


class GammaRegressor(GeneralisedLinearModel):
    """Regression of positive amounts whose deviation grows with their mean: prices, durations, claim sizes.

    Minimises half the mean gamma deviance with a penalty, each row counted by its weight,

        1/W sum_i s_i (y_i / mu_i + log mu_i + const) + alpha |w|^2 / 2,     mu_i = e^(x_i.w + b + offset_i),

    which judges errors relative to the mean, as least squares of log y does, yet predicts the mean itself and not
    the median. The objective is convex, and every solver name leads to its minimum.

    Parameters
    ----------
    alpha : float, default=1.0
        Strength of the penalty; 0 for none.
    fit_intercept : bool, default=True
        Whether the scores have a constant term b, which is not penalised.
    solver : {"lbfgs", "newton-cholesky", "irls"}, default="lbfgs"
        "irls" (iteratively reweighted least squares) is Newton's method with a Hessian each step, and
        "newton-cholesky" keeps a Hessian for as long as it serves; "lbfgs" leaves the choice to the shape of the
        data.
    max_iter : int, default=100
        Steps over all rows at most.
    tol : float, default=1e-4
        Largest gradient component at the solution.
    warm_start : bool, default=False
        Whether to start at the previous solution.
    verbose : int, default=0
        Without effect; watch a fit with callbacks (`set_callbacks`) or see `history_`.

    Attributes
    ----------
    coef_ : ndarray of shape (n_features,)
    intercept_ : float
    n_iter_ : int
        Steps over all rows.
    solver_ : str
        The method that was used: "newton" or "lbfgs".
    loss_ : float
        Half the mean deviance, with the penalty, at the solution.
    link_ : str
        "log".
    history_ : dict of lists
        step, loss, validation, seconds.
    n_features_in_ : int
    feature_names_in_ : ndarray of shape (n_features_in_,)
        For input with column names.

    References
    ----------
    P. McCullagh, J. Nelder, *Generalized Linear Models*, 2nd ed., chapter 8.

    Examples
    --------
    >>> import numpy as np
    >>> from tripos import GammaRegressor
    >>> X = np.array([[0.0], [0.0], [1.0], [1.0]])
    >>> model = GammaRegressor(alpha=0.0).fit(X, [80.0, 120.0, 150.0, 250.0])
    >>> model.predict(np.array([[0.0], [1.0]]))
    array([100., 200.])
    """

    target_domain: ClassVar[str] = "positive"

    def __init__(
        self,
        *,
        alpha: float = 1.0,
        fit_intercept: bool = True,
        solver: str = "lbfgs",
        max_iter: int = 100,
        tol: float = 1e-4,
        warm_start: bool = False,
        verbose: int = 0,
    ) -> None:
        self.alpha = alpha
        self.fit_intercept = fit_intercept
        self.solver = solver
        self.max_iter = max_iter
        self.tol = tol
        self.warm_start = warm_start
        self.verbose = verbose

    def _power(self) -> float:
        return 2.0


class TweedieRegressor(GeneralisedLinearModel):
    """Regression with a variance that is a power of the mean.

    Minimises half the mean deviance of the power p with a penalty, each row counted by its weight,

        1/(2W) sum_i s_i d_p(y_i, mu_i) + alpha |w|^2 / 2,
        d_p(y, mu) / 2 = max(y, 0)^(2-p) / ((1-p)(2-p)) - y mu^(1-p) / (1-p) + mu^(2-p) / (2-p).

    Powers between 1 and 2 are sums of a Poisson number of gamma amounts (insurance claims, rainfall): exactly 0
    in many rows, an amount in the others.

    Parameters
    ----------
    power : float, default=0.0
        0 normal, 1 Poisson (y >= 0), between 1 and 2 compound Poisson (y >= 0), 2 gamma (y > 0), 3 inverse
        Gaussian (y > 0), below 0 any y.
    alpha : float, default=1.0
        Strength of the penalty; 0 for none.
    fit_intercept : bool, default=True
        Whether the scores have a constant term b, which is not penalised.
    link : {"auto", "identity", "log"}, default="auto"
        mu = eta or mu = e^eta; "auto" is the identity for power <= 0 and the logarithm above.
    solver : {"lbfgs", "newton-cholesky", "irls"}, default="lbfgs"
        "irls" (iteratively reweighted least squares) is Newton's method with a Hessian each step, and
        "newton-cholesky" keeps a Hessian for as long as it serves; "lbfgs" leaves the choice to the shape of the
        data. For powers
        below 0 or above 2, where the objective is not convex, each name begins with the expected Hessian (Fisher
        scoring) and improves it by L-BFGS.
    max_iter : int, default=100
        Steps over all rows at most.
    tol : float, default=1e-4
        Largest gradient component at the solution.
    warm_start : bool, default=False
        Whether to start at the previous solution.
    verbose : int, default=0
        Without effect; watch a fit with callbacks (`set_callbacks`) or see `history_`.

    Attributes
    ----------
    coef_ : ndarray of shape (n_features,)
    intercept_ : float
    n_iter_ : int
        Steps over all rows; 1 for the normal model with the identity link, which has a closed form.
    solver_ : str
        The method that was used: "newton" or "lbfgs".
    loss_ : float
        Half the mean deviance, with the penalty, at the solution.
    link_ : str
        "log" or "identity".
    history_ : dict of lists
        step, loss, validation, seconds.
    n_features_in_ : int
    feature_names_in_ : ndarray of shape (n_features_in_,)
        For input with column names.

    References
    ----------
    B. Jorgensen, "Exponential dispersion models" (1987), doi:10.1111/j.2517-6161.1987.tb01685.x.

    Examples
    --------
    >>> import numpy as np
    >>> from tripos import TweedieRegressor
    >>> X = np.array([[0.0], [0.0], [1.0], [1.0]])
    >>> model = TweedieRegressor(power=1.5, alpha=0.0).fit(X, [0.0, 4.0, 0.0, 8.0])
    >>> model.predict(np.array([[0.0], [1.0]]))
    array([2., 4.])
    """

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        **GeneralisedLinearModel._parameter_constraints,
        "power": [Interval(Real, None, None, closed="neither")],
        "link": [StrOptions({"auto", "identity", "log"})],
    }

    def __init__(
        self,
        *,
        power: float = 0.0,
        alpha: float = 1.0,
        fit_intercept: bool = True,
        link: str = "auto",
        solver: str = "lbfgs",
        max_iter: int = 100,
        tol: float = 1e-4,
        warm_start: bool = False,
        verbose: int = 0,
    ) -> None:
        self.power = power
        self.alpha = alpha
        self.fit_intercept = fit_intercept
        self.link = link
        self.solver = solver
        self.max_iter = max_iter
        self.tol = tol
        self.warm_start = warm_start
        self.verbose = verbose

    def _power(self) -> float:
        return self.power

    def _uses_log(self) -> bool:
        return self.power > 0.0 if self.link == "auto" else self.link == "log"
