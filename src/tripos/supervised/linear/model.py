"""What linear models share once they are fitted: scores, figures, tables of coefficients.

eta = X w + b
"""

from __future__ import annotations

from dataclasses import replace
from math import isfinite
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

import numpy as np
import scipy.sparse as sp
from sklearn.utils.validation import check_is_fitted

from tripos.base import Estimator, Training
from tripos.inputs import FLOATS
from tripos.supervised.linear.family import Family

if TYPE_CHECKING:
    from tripos.supervised.linear.inference import Inference
    from tripos.supervised.linear.multinomial_inference import MultinomialInference

Self = TypeVar("Self", bound="LinearModel")

FEW_SCORES = 8192
# Of CSR that is an array in all but name: cells, and cells for each one stored.
FULL_CELLS, FULL_SHARE = 1 << 18, 2
COVERED = ("rows", "R2 on the training rows")  # facts that inference says again


class LinearModel(Estimator):
    """An estimator with `coef_` and `intercept_`.

    `coef_` has shape (n_features,) or (n_outputs, n_features); `intercept_` is a number or has shape
    (n_outputs,).
    """

    canonical_scores: ClassVar[bool] = False  # a sum over what is stored
    coef_: Any
    intercept_: Any

    def _start_fit(self, *args: Any, **options: Any) -> Training:
        """As every estimator's; few rows of CSR that has stored most of their cells come as the array that it is."""
        training = super()._start_fit(*args, **options)
        X = training.X
        if X is None or not sp.issparse(X) or X.shape[0] * X.shape[1] > min(FULL_CELLS, FULL_SHARE * X.nnz):
            return training
        return replace(training, X=X.toarray())

    def _scores(self, X: Any) -> np.ndarray:
        """Scores X w + b from whatever the user passed.

        Shape (n_rows,) where there is one output (a classifier's `coef_` of shape (1, n_features) counts as one),
        else (n_rows, n_outputs).

        One row takes some two microseconds: a product, a sum, and one look at the result, which is NaN or
        infinite wherever X is.
        """
        X = X if self._is_ready_csr(X) else self._input(X)
        coef, intercept = self._score_coefficients()
        product = X @ coef
        scores: np.ndarray = (
            product if type(product) is np.ndarray else product.toarray()
        )  # where both are sparse
        scores += intercept
        # Of more than some thousand numbers BLAS takes the product by threads, which wait for one another.
        if not isfinite(
            scores.item()
            if scores.size == 1
            else np.vdot(scores, scores)
            if scores.size < FEW_SCORES
            else scores.sum()
        ):
            self._reject_nonfinite(X)
        return scores

    def _is_ready_csr(self, X: Any) -> bool:
        """Whether these are CSR rows of which only the scores can tell that something is wrong."""
        known = self.__dict__
        return (
            sp.issparse(X)
            and X.ndim == 2
            and X.shape[1] == known.get("_width")
            and X.shape[0] > 0
            and X.format == "csr"
            and X.dtype in FLOATS
            and known.get("encoder_") is None
            and "feature_names_in_" not in known
            and "coef_" in known
        )

    def _score_coefficients(self) -> tuple[Any, Any]:
        """w of shape (n_features,) or W' of shape (n_features, n_outputs), and b."""
        return self.coef_.T, self.intercept_

    def _after_load(self) -> None:
        super()._after_load()
        if not isinstance(self.intercept_, np.ndarray):
            self.intercept_ = self.coef_.dtype.type(self.intercept_)

    def _check_state(self) -> None:
        super()._check_state()
        width = self.coef_.shape[-1]
        if width != self._n_inputs():
            raise ValueError(f"coef_ has {width} coefficients for {self._n_inputs()} features")

    # ---- hooks of the subclasses -----------------------------------------------------------------

    def _family(self) -> Family | None:
        """The distribution behind the loss; None where there is none, and so no inference."""
        return None

    def _path_of(
        self, X: Any, y: Any
    ) -> tuple[np.ndarray, np.ndarray, float | None, np.ndarray | None] | None:
        """The coefficients along the penalty, for the figure: strengths (n,), coefficients (n, n_features), the
        chosen strength or None, cross-validation errors (n, n_folds) or None. None where there is no path."""
        return None

    # ---- looking at it ---------------------------------------------------------------------------

    def _outputs(self) -> list[str]:
        """Names of the rows of `coef_`."""
        return [f"target {k}" for k in range(len(np.atleast_2d(self.coef_)))]

    def _facts(self) -> dict[str, str]:
        """What the head of `summary()` says: label -> value."""
        return {}

    def inference(
        self,
        X: Any = None,
        y: Any = None,
        sample_weight: Any = None,
        *,
        covariance: str = "classical",
        groups: Any = None,
        confidence: float = 0.95,
        offset: Any = None,
        exposure: Any = None,
    ) -> Inference | MultinomialInference:
        """Standard errors, tests and intervals of the coefficients, and measures of fit.

        Parameters
        ----------
        X : array-like or CSR matrix of shape (n_rows, n_features), table, or blocks of rows, optional
            The rows the model was fitted on. Without them `LinearRegression` answers from the moments it kept
            (classical errors only).
        y : array-like of shape (n_rows,)
        sample_weight : array-like of shape (n_rows,), optional
            A weight of k counts as k rows.
        covariance : {"classical", "HC0", "HC1", "HC2", "HC3", "clustered"}, default="classical"
            Robust to unequal variance (HC), or to dependence within groups (clustered).
        groups : array-like of shape (n_rows,), optional
            Labels, for "clustered".
        confidence : float, default=0.95
            Of the intervals.
        offset : array-like of shape (n_rows,), optional
            Added to the scores, as in the fit.
        exposure : array-like of shape (n_rows,), optional
            Its logarithm is added to the scores (logarithmic link): counts per unit of it.

        Returns
        -------
        Inference, or MultinomialInference for softmax regression of more than two classes
            `print` shows it as a table.

        Raises
        ------
        ValueError
            For a model without a likelihood (support vectors, quantiles), or several targets at once.
        """
        from tripos.supervised.linear import judge

        check_is_fitted(self)
        return judge.judge(
            self,
            X,
            y,
            sample_weight,
            covariance=covariance,
            groups=groups,
            confidence=confidence,
            offset=offset,
            exposure=exposure,
        )

    def summary(
        self,
        X: Any = None,
        y: Any = None,
        sample_weight: Any = None,
        *,
        covariance: str = "classical",
        groups: Any = None,
        confidence: float = 0.95,
        offset: Any = None,
        exposure: Any = None,
    ) -> str:
        """What was learned, as text: the coefficients by name, with all that `inference` says of them.

        Without rows and without kept moments: how the model was fitted, and the coefficients.

        Parameters
        ----------
        X, y, sample_weight, covariance, groups, confidence, offset, exposure
            As in `inference`.

        Returns
        -------
        str
        """
        from tripos.supervised.linear import judge

        check_is_fitted(self)
        asked = X is not None or covariance != "classical" or groups is not None
        reason = judge.why_no_inference(self, without_rows=not asked)
        if reason is None:
            from tripos.supervised.linear.inference import Inference
            from tripos.supervised.linear.summary import as_text, multinomial_text

            found = self.inference(
                X,
                y,
                sample_weight,
                covariance=covariance,
                groups=groups,
                confidence=confidence,
                offset=offset,
                exposure=exposure,
            )
            facts = {label: value for label, value in self._facts().items() if label not in COVERED}
            return as_text(found, facts) if isinstance(found, Inference) else multinomial_text(found, facts)
        return self._coefficient_table() + (f"\n\n{reason}" if asked else "")

    def _coefficient_table(self) -> str:
        W = np.atleast_2d(self.coef_.toarray() if sp.issparse(self.coef_) else self.coef_)
        b = np.broadcast_to(self.intercept_, len(W))
        names = ["intercept", *map(str, self.encoded_feature_names_)]
        table = np.column_stack([b, W])  # (n_outputs, n_features + 1)
        heads = self._outputs() if len(W) > 1 else ["coefficient"]
        width = max(len(name) for name in names)
        lines = [type(self).__name__, *(f"  {label}: {value}" for label, value in self._facts().items()), ""]
        lines.append(" " * width + "".join(f"  {head[:14]:>14}" for head in heads))
        lines += [
            f"{name:<{width}}" + "".join(f"  {value:>14.6g}" for value in column)
            for name, column in zip(names, table.T)
        ]
        return "\n".join(lines)

    def plot(
        self,
        kind: str | None = None,
        X: Any = None,
        y: Any = None,
        *,
        top: int = 20,
        confidence: float = 0.95,
        ax: Any = None,
    ) -> Any:
        """Draw the model.

        Parameters
        ----------
        kind : {"coefficients", "fit", "residuals", "path", "boundary", "odds"}, optional
            coefficients
                Those that are largest in size, by name (for several outputs their root mean square).
            fit
                One feature: the curve through the rows with the band of the mean and of a new row. More features:
                predicted against actual values.
            residuals
                Against fitted values with a smooth, and against the quantiles of the normal distribution.
            path
                Coefficients along the strength of the penalty, with the cross-validation that chose one.
            boundary
                Two features and the probability of the second class, or the predicted class; of more features the two
                that move the scores most, with the others at their mean.
            odds
                Odds ratios with their intervals.

            By default "coefficients" without rows, else "fit" or "boundary".
        X : array-like or CSR matrix of shape (n_rows, n_features), or table, optional
        y : array-like of shape (n_rows,), optional
        top : int, default=20
            How many coefficients or ratios are drawn.
        confidence : float, default=0.95
            Of bands and intervals.
        ax : matplotlib Axes, optional
            Where to draw; figures of two panels then draw the first alone.

        Returns
        -------
        matplotlib Axes
            Of the first panel.

        Raises
        ------
        ValueError
            For a kind that does not fit the model and the data; it lists those that do.
        """
        from tripos.supervised.linear import figures

        check_is_fitted(self)
        return figures.draw(self, kind, X, y, top=top, confidence=confidence, ax=ax)

    def _has_path(self) -> bool:
        return type(self)._path_of is not LinearModel._path_of


def cast(value: Any, dtype: Any) -> Any:
    """A number or array in the precision of the features."""
    return np.asarray(value).astype(dtype)[()]
