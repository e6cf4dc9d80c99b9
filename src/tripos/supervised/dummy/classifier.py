"""The baseline of classification: the share of each class, P(k) = sum_i w_i [y_i = k] / sum_i w_i."""

from __future__ import annotations

from collections.abc import Mapping
from numbers import Integral
from typing import Any, ClassVar, Self

import numpy as np
import numpy.typing as npt
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import StrOptions

from tripos import labels, plotting
from tripos.base import Classifier
from tripos.state import Array, Flag, Labels, ListOf, Number, OneOf
from tripos.supervised.dummy.baseline import READS_NOTHING, Baseline

Floats = npt.NDArray[np.float64]


class DummyClassifier(Baseline, Classifier):
    """A classifier that ignores the features: the baseline of every classification.

        P(k) = sum_i w_i [y_i = k] / sum_i w_i

    Parameters
    ----------
    strategy : {"most_frequent", "prior", "stratified", "uniform", "constant"}, default="prior"
        "most_frequent" and "prior" predict the most frequent class, with probability 1 or with the classes'
        shares as probabilities; "stratified" draws a class by these shares; "uniform" draws any
        class; "constant" predicts the class given.
    random_state : int, RandomState or None, default=None
        For the two strategies that draw.
    constant : int, str or array-like of shape (n_outputs,), default=None
        The class (of each output) for "constant".

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,), or list of such
        Class labels in sorted order; a list over the outputs when y has several columns, as all attributes below.
    n_classes_ : int
        Their number.
    class_prior_ : ndarray of shape (n_classes,)
        P(k).
    class_count_ : ndarray of shape (n_classes,)
        Rows (or sum of weights) of each class.
    n_outputs_ : int
        Columns of y.
    sparse_output_ : bool
        Always False: predictions are arrays.
    n_features_in_ : int
        Columns of the input.
    feature_names_in_ : ndarray of str
        Their names, where it was a table.

    See Also
    --------
    DummyRegressor : the baseline of every regression.

    References
    ----------
    scikit-learn's user guide, section "Dummy estimators".
    https://scikit-learn.org/stable/modules/model_evaluation.html#dummy-estimators

    Examples
    --------
    >>> from tripos import DummyClassifier
    >>> messages, y = ["hi", "win!", "see you"], ["ham", "spam", "ham"]
    >>> model = DummyClassifier().fit(messages, y)
    >>> model.predict(["anything"])
    array(['ham'], dtype='<U4')
    >>> print(model.summary())
    DummyClassifier (prior): predicts ham whatever the row
    ham   66.7%
    spam  33.3%
    """

    exceptions: ClassVar[Mapping[str, str]] = READS_NOTHING
    state: ClassVar[Mapping[str, Any]] = {
        "classes_": OneOf(Labels("classes"), ListOf(Labels(), "outputs")),
        "n_classes_": OneOf(Number("i", low=1), ListOf(Number("i", low=1), "outputs")),
        "class_prior_": OneOf(
            Array("f", ("classes",), low=0.0, high=1.0),
            ListOf(Array("f", (None,), low=0.0, high=1.0), "outputs"),
        ),
        "class_count_": OneOf(
            Array("f", ("classes",), low=0.0), ListOf(Array("f", (None,), low=0.0), "outputs")
        ),
        "sparse_output_": Flag(),
    }
    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "strategy": [StrOptions({"most_frequent", "prior", "stratified", "uniform", "constant"})],
        "random_state": ["random_state"],
        "constant": [Integral, str, "array-like", None],
    }

    def __init__(self, *, strategy: str = "prior", random_state: Any = None, constant: Any = None) -> None:
        self.strategy = strategy
        self.random_state = random_state
        self.constant = constant

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.poor_score = True
        return tags

    def fit(self, X: Any, y: Any = None, sample_weight: Any = None) -> Self:
        """Count the classes.

        Parameters
        ----------
        X : any table, array, sequence, or `tripos.scan(...)`
            Only its length and its column names are looked at.
        y : array-like of shape (n_rows,) or (n_rows, n_outputs)
            Class labels.
        sample_weight : array-like of shape (n_rows,), optional
            A weight of k counts as k rows.

        Returns
        -------
        self
        """
        y, w = self._start(X, y, sample_weight)
        columns = list(y.T) if y.ndim == 2 and y.shape[1] > 1 else [y]
        encoded = [labels.encode_labels(labels.as_label_array(column)) for column in columns]
        counts = [np.bincount(codes, w, len(classes)).astype(np.float64) for classes, codes in encoded]
        self._check_constant([classes for classes, _ in encoded])
        one = len(columns) == 1
        self.n_outputs_ = len(columns)
        self.classes_ = encoded[0][0] if one else [classes for classes, _ in encoded]  # type: ignore[assignment]
        self.n_classes_ = len(encoded[0][0]) if one else [len(classes) for classes, _ in encoded]
        self.class_count_ = counts[0] if one else counts
        priors = [count / count.sum() for count in counts]
        self.class_prior_ = priors[0] if one else priors
        self.sparse_output_ = False
        return self

    def _check_constant(self, classes: list[npt.NDArray[Any]]) -> None:
        if self.strategy != "constant":
            return
        if self.constant is None:
            raise ValueError("Constant target value has to be specified when the constant strategy is used.")
        wanted = np.atleast_1d(np.asarray(self.constant, dtype=object)).ravel()
        if len(wanted) != len(classes):
            raise ValueError(f"Constant target value should have shape ({len(classes)}, 1).")
        for value, known in zip(wanted, classes):
            if not any(value == label for label in known):
                raise ValueError(
                    "The constant target value must be present in the training data. "
                    f"You provided constant={self.constant}. Possible values are: {known.tolist()[:20]}."
                )

    def _outputs(self) -> list[tuple[npt.NDArray[Any], Floats]]:
        """(classes, prior) of each output."""
        if self.n_outputs_ == 1:
            return [(self.classes_, self.class_prior_)]  # type: ignore[list-item]
        return list(zip(self.classes_, self.class_prior_))

    def _constant_code(self, output: int, classes: npt.NDArray[Any], prior: Floats) -> int:
        """The class that is predicted for every row, by the strategies that do not draw."""
        if self.strategy != "constant":
            return int(prior.argmax())
        wanted = np.atleast_1d(np.asarray(self.constant, dtype=object)).ravel()[output]
        return int(np.flatnonzero(classes == wanted)[0])

    def predict(self, X: Any) -> npt.NDArray[Any]:
        """A class for each row.

        Parameters
        ----------
        X : any table, array or sequence
            Only its length is looked at.

        Returns
        -------
        ndarray of shape (n_rows,) or (n_rows, n_outputs)
        """
        n = self._n_rows(X)
        columns = []
        if self.strategy == "stratified":
            drawn = self._probabilities(n)
            columns = [
                classes[one_hot.argmax(axis=1)] for (classes, _), one_hot in zip(self._outputs(), drawn)
            ]
        elif self.strategy == "uniform":
            draw = check_random_state(self.random_state)
            columns = [classes[draw.randint(len(classes), size=n)] for classes, _ in self._outputs()]
        else:
            for k, (classes, prior) in enumerate(self._outputs()):
                columns.append(np.repeat(classes[[self._constant_code(k, classes, prior)]], n))
        return columns[0] if len(columns) == 1 else np.column_stack(columns)

    def predict_proba(self, X: Any) -> Any:
        """P(k) of each row and class, shape (n_rows, n_classes); a list over the outputs if there are several."""
        probabilities = self._probabilities(self._n_rows(X))
        return probabilities[0] if self.n_outputs_ == 1 else probabilities

    def _probabilities(self, n: int) -> list[Floats]:
        draw = check_random_state(self.random_state)
        found = []
        for k, (classes, prior) in enumerate(self._outputs()):
            if self.strategy == "stratified":
                found.append(draw.multinomial(1, prior, size=n).astype(np.float64))
                continue
            if self.strategy == "prior":
                row = prior
            elif self.strategy == "uniform":
                row = np.full(len(classes), 1.0 / len(classes))
            else:
                row = np.zeros(len(classes))
                row[self._constant_code(k, classes, prior)] = 1.0
            found.append(np.tile(row, (n, 1)))
        return found

    def predict_log_proba(self, X: Any) -> Any:
        """log P(k) of each row and class; a list over the outputs if there are several."""
        probabilities = self._probabilities(self._n_rows(X))
        with np.errstate(divide="ignore"):
            logs = [np.log(p) for p in probabilities]
        return logs[0] if self.n_outputs_ == 1 else logs

    def summary(self) -> str:
        """What is predicted, and the shares of the classes."""
        does = {"stratified": "draws by the shares of the classes", "uniform": "draws any class"}
        lines = []
        for k, (classes, prior) in enumerate(self._outputs()):
            what = does.get(
                self.strategy, f"predicts {classes[self._constant_code(k, classes, prior)]} whatever the row"
            )
            where = f", output {k}" if self.n_outputs_ > 1 else ""
            lines.append(f"DummyClassifier ({self.strategy}{where}): {what}")
            order = np.argsort(-prior, kind="stable")[:20]
            width = max(len(str(classes[c])) for c in order)
            lines += [f"{classes[c]!s:<{width}}  {prior[c]:.1%}" for c in order]
        return "\n".join(lines)

    def plot(self, ax: Any = None, output: int = 0) -> Any:
        """How many rows each class has; returns matplotlib Axes."""
        counts = self.class_count_ if self.n_outputs_ == 1 else self.class_count_[output]
        return plotting.class_balance(self._outputs()[output][0], counts, ax=ax)  # type: ignore[arg-type]

    def _check_state(self) -> None:
        super()._check_state()
        for (classes, prior), count in zip(
            self._outputs(), [self.class_count_] if self.n_outputs_ == 1 else self.class_count_
        ):
            if not len(classes) == len(prior) == len(count):  # type: ignore[arg-type]
                raise ValueError(f"{len(classes)} classes with {len(prior)} probabilities")
        if self.strategy == "constant":
            self._check_constant([classes for classes, _ in self._outputs()])
