"""Ridge regression."""

from __future__ import annotations

from typing import Any

import numpy as np

from tripos.base import Regressor
from tripos.supervised.linear.ridge_roads import PenalisedModel


class Ridge(PenalisedModel, Regressor):
    """Least squares with a penalty on the size of the coefficients.

    Minimises, each row counted by its weight and the intercept b free,

        sum_i s_i (y_i - x_i.w - b)^2 + alpha |w|^2

    The problem has one solution for alpha > 0, and every solver name leads to it; the names choose the road.
    The usual one is a Cholesky factor of the penalised normal equations in centred columns; with more columns
    than rows the same in the space of the rows; for wide sparse data, products with X alone.

    Parameters
    ----------
    alpha : float or array-like of shape (n_targets,), default=1.0
        Strength of the penalty; one number, or one for each target. With 0 the solution is that of least
        squares.
    fit_intercept : bool, default=True
        Whether the model has a constant term b, which is not penalised.
    copy_X : bool, default=True
        Without effect: X is never written to.
    max_iter : int, optional
        Steps of the iterative roads at most; by default 1000, or four times the smaller side of X if that is
        more.
    tol : float, default=1e-4
        Precision of the iterative roads; the closed forms have none to set.
    solver : {"auto", "svd", "cholesky", "lsqr", "sparse_cg", "sag", "saga", "lbfgs"}, default="auto"
        "cholesky" solves the normal equations, "svd" takes the singular values of X (dense only),
        "sparse_cg", "lsqr", "sag" and "saga" iterate by conjugate gradients, "lbfgs" is accepted with
        `positive` alone, as in scikit-learn.
    positive : bool, default=False
        Whether coefficients must not be negative.
    random_state : int or RandomState, optional
        Without effect: no road is random.

    Attributes
    ----------
    coef_ : ndarray of shape (n_features,) or (n_targets, n_features)
    intercept_ : float or ndarray of shape (n_targets,)
    n_iter_ : ndarray of shape (n_targets,)
        Steps of an iterative road; 1 for a closed form.
    solver_ : str
        The road taken: "cholesky", "svd", "sparse_cg" or, with `positive`, "pivoting".
    n_features_in_ : int
    feature_names_in_ : ndarray of shape (n_features_in_,)
        For input with column names.
    n_rows_, row_weight_, column_mean_, column_scatter_
        Number of rows, sum of weights, mean and scatter of the columns [X, y]: what `partial_fit` and `merge`
        continue.

    References
    ----------
    A. Hoerl, R. Kennard (1970), doi:10.1080/00401706.1970.10488634.
    Hastie, Tibshirani, Friedman, *The Elements of Statistical Learning*, 2nd ed., section 3.4.1.

    See Also
    --------
    LinearRegression : without penalty.

    Examples
    --------
    >>> import numpy as np
    >>> from tripos import Ridge
    >>> X = np.array([[0.0], [1.0], [2.0], [3.0]])
    >>> Ridge(alpha=5.0).fit(X, [0.0, 1.0, 2.0, 3.0]).coef_
    array([0.5])
    """

    def __init__(
        self,
        alpha: Any = 1.0,
        *,
        fit_intercept: bool = True,
        copy_X: bool = True,
        max_iter: int | None = None,
        tol: float = 1e-4,
        solver: str = "auto",
        positive: bool = False,
        random_state: Any = None,
    ) -> None:
        self.alpha = alpha
        self.fit_intercept = fit_intercept
        self.copy_X = copy_X
        self.max_iter = max_iter
        self.tol = tol
        self.solver = solver
        self.positive = positive
        self.random_state = random_state

    @classmethod
    def search_space(cls) -> dict[str, Any]:
        return {"alpha": (1e-3, 1e4, "log")}

    def fit(self, X: Any, y: Any = None, sample_weight: Any = None) -> Ridge:
        """Fit the model.

        Parameters
        ----------
        X : array-like or CSR matrix of shape (n_rows, n_features), table, or blocks of rows (`tripos.scan`)
        y : array-like of shape (n_rows,) or (n_rows, n_targets)
        sample_weight : array-like of shape (n_rows,), optional
            A weight of k counts as k rows.

        Returns
        -------
        self
        """
        self._fit(X, y, sample_weight)
        return self

    def _family(self) -> Any:
        from tripos.supervised.linear.family import GAUSSIAN

        return GAUSSIAN

    def predict(self, X: Any) -> np.ndarray:
        """Predicted values.

        Parameters
        ----------
        X : array-like or CSR matrix of shape (n_rows, n_features), or table

        Returns
        -------
        ndarray of shape (n_rows,) or (n_rows, n_targets)
        """
        return self._scores(X)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags
