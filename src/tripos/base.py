"""The contract every estimator keeps: what DESIGN promises 1 to 9 mean in code.

An estimator states as class data what it needs from a table (`needs`), what its saved state is (`state`),
whether fits can be merged (`mergeable`) and which promise it cannot keep (`exceptions`). Its `fit` begins with
`self._start_fit(X, y, sample_weight)`, which turns whatever the user passed into one `Training`; its `predict`
begins with `self._input(X)`, which returns a float array of the right width untouched in well under a
microsecond. Everything else here serves those two calls.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import scipy.sparse as sp
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
from sklearn.callback import CallbackSupportMixin
from sklearn.callback._callback_support import callback_management_context
from sklearn.utils import _safe_indexing
from sklearn.utils.multiclass import _check_partial_fit_first_call
from sklearn.utils.validation import (
    _check_sample_weight,
    _num_samples,
    check_consistent_length,
    check_is_fitted,
    column_or_1d,
    validate_data,
)

from tripos import inputs, labels
from tripos.compute.arrays import kernel_array
from tripos.compute.blocks import Blocks, row_blocks
from tripos.data.encoder import Encoder
from tripos.data.needs import Needs
from tripos.errors import TableError
from tripos.state import Json, Labels, Nested, Number, Strings
from tripos.watch import Progress

_FLOAT64, _FLOAT32 = inputs.FLOATS
_SIMPLE = frozenset({bool, int, float, str, type(None)})  # types of parameters that are what they compare as
_REMEMBERED = 256  # sets of parameters of a class that are known to be valid


@dataclass(frozen=True)
class Training:
    """What a fit works on, whichever way it was passed.

    Attributes
    ----------
    X : ndarray or CSR matrix of shape (n_rows, n_features), or None
        C-contiguous float32 or float64; None when the rows are streamed.
    y : ndarray or None
        Regressors: floats of X's dtype, shape (n_rows,) or (n_rows, n_outputs). Classifiers: int64 positions in `classes_`.
    sample_weight : float64 ndarray of shape (n_rows,), or None
        Strictly positive: rows of weight zero were dropped.
    given_blocks : Blocks or None
        Where the rows came in blocks, those.
    n_features : int
        Columns after encoding.
    """

    X: Any
    y: Any
    sample_weight: np.ndarray | None
    given_blocks: Blocks | None
    n_features: int

    @functools.cached_property
    def blocks(self) -> Blocks:
        """The same rows in blocks, for learners written as partial / merge / solve; cut when first asked for."""
        if self.given_blocks is not None:
            return self.given_blocks
        return row_blocks(self.X, self.y, self.sample_weight)

    @property
    def dtype(self) -> np.dtype:
        return np.dtype(self.X.dtype) if self.in_memory else self.blocks.dtype

    @property
    def in_memory(self) -> bool:
        return self.X is not None


def _watched(fit: Callable) -> Callable:
    """Runs `fit` inside scikit-learn's callback protocol when callbacks are set; costs nothing when not."""

    @functools.wraps(fit)
    def watched_fit(self: Estimator, *args: Any, **kwargs: Any) -> Any:
        listening = hasattr(self, "_skl_callbacks") or hasattr(self, "_parent_callback_ctx")
        if not listening or hasattr(self, "_callback_fit_ctx"):
            return fit(self, *args, **kwargs)
        with callback_management_context(self):
            result = fit(self, *args, **kwargs)
            if not hasattr(self, "_callback_fit_ctx"):  # closed form: the whole fit is one task
                Progress.report_single_task(self)
            return result

    return watched_fit


class Estimator(CallbackSupportMixin, BaseEstimator):
    """Base of every Tripos estimator: scikit-learn's protocol plus the house contract.

    Class attributes
    ----------------
    needs : Needs
        What the learner wants from an encoder: categories, missing values, scale, sign, text, dates.
    state : dict of str to spec
        The fitted attributes that are saved, and what each must look like (see `tripos.state`).
    mergeable : bool
        Whether two fitted instances can be merged into what one fit on all rows gives.
    exceptions : dict of str to str
        Promises this estimator cannot keep -> the reason, shown in the documentation.
    interpretability : {"high", "medium", "low"}
    canonical_csr : bool
        Whether a CSR matrix is sorted and its duplicates summed before the learner sees it.
    canonical_scores : bool
        Whether that is needed at prediction too, where `canonical_csr` asks for it.
    """

    needs: ClassVar[Needs] = Needs()
    state: ClassVar[Mapping[str, Any]] = {
        "n_features_in_": Number("i", low=1),
        "feature_names_in_": Strings("features_in", optional=True),
        "encoder_": Nested("Encoder", optional=True),
        "history_": Json(max_bytes=1 << 22, optional=True),  # what `_progress` leaves; some 50,000 steps
    }
    mergeable: ClassVar[bool] = False
    exceptions: ClassVar[Mapping[str, str]] = {}
    interpretability: ClassVar[str] = "medium"
    canonical_csr: ClassVar[bool] = True
    canonical_scores: ClassVar[bool] = True

    _param_names: ClassVar[list[str]]
    _accepted: ClassVar[set[tuple[Any, ...]]] = set()  # values of all parameters that passed their checks
    _width: int = -1  # columns a plain float array must have to pass unchecked; -1: always check
    _encoded_width: int = -1  # columns that `encoder_` makes, which is what the parameters are for

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        cls._accepted = set()
        if "fit" in cls.__dict__:
            cls.fit = _watched(cls.__dict__["fit"])  # type: ignore[attr-defined]
        if cls.exceptions and cls.__doc__:
            kept_back = (f"    {promise}: {reason}" for promise, reason in cls.exceptions.items())
            cls.__doc__ = "\n".join(
                [cls.__doc__.rstrip(), "", "    Promises this estimator does not keep:", "", *kept_back, ""]
            )

    @classmethod
    def _get_param_names(cls) -> list[str]:
        """As scikit-learn's, which reads the signature of `__init__` anew for every fit and clone."""
        if "_param_names" not in cls.__dict__:
            cls._param_names = super()._get_param_names()
        return list(cls._param_names)

    def _validate_params(self) -> None:
        """As scikit-learn's; parameters that were accepted once are accepted at once."""
        params = self.get_params(deep=False)
        key = tuple(map(_simple, params.values()))
        known = None not in key
        if known and key in self._accepted:
            return
        super()._validate_params()
        if known:
            if len(self._accepted) >= _REMEMBERED:
                self._accepted.clear()
            self._accepted.add(key)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = self.needs.sparse
        tags.input_tags.allow_nan = True
        tags.input_tags.positive_only = self.needs.sign == "non-negative"
        return tags

    @classmethod
    def search_space(cls) -> dict[str, Any]:
        """Parameters worth searching: name -> list of choices, or (low, high, "log" or "linear")."""
        return {}

    @property
    def encoded_feature_names_(self) -> np.ndarray:
        """Names of the columns that coefficients refer to, shape (n_features,): the input's, or the encoder's."""
        check_is_fitted(self)
        if getattr(self, "encoder_", None) is not None:
            return np.asarray(self.encoder_.get_feature_names_out(), dtype=object)
        names = getattr(self, "feature_names_in_", None)
        if names is not None:
            return np.asarray(names, dtype=object)
        return np.array([f"x{j}" for j in range(self.n_features_in_)], dtype=object)

    # ---- fit time -------------------------------------------------------------------------------

    def _start_fit(
        self,
        X: Any,
        y: Any = None,
        sample_weight: Any = None,
        *,
        reset: bool = True,
        multi_output: bool = False,
        classes: Any = None,
        check_finite: bool = True,
    ) -> Training:
        """Checks parameters and data and brings them to the form kernels take.

        Parameters
        ----------
        X : array-like, CSR matrix, table, `Blocks`, or list of 2-d arrays (blocks)
        y : array-like of shape (n_rows,) or (n_rows, n_outputs)
        sample_weight : array-like of shape (n_rows,), optional
        reset : bool
            False in the second and later calls of `partial_fit`.
        multi_output : bool
            Whether `y` may have several columns.
        classes : array-like, optional
            All class labels, for the first call of `partial_fit`.
        check_finite : bool
            False for learners whose statistics show NaN and infinity by themselves; they then call
            `_start_fit` once more with True, which encodes missing values or names the bad cell.
        """
        self._validate_params()
        if isinstance(X, Blocks) or _is_list_of_blocks(X):
            return self._start_streamed_fit(X, y, sample_weight, reset=reset, classes=classes)
        if sample_weight is not None:
            X, y, sample_weight = self._checked_weights(X, y, sample_weight)
        target = self._target(y, multi_output=multi_output, reset=reset, classes=classes)
        array = self._training_input(X, target, sample_weight, reset=reset, check_finite=check_finite)
        if target is not None:
            if array.shape[0] != len(target):
                check_consistent_length(array, target)
            if target.dtype.kind == "f":
                target = kernel_array(target, array.dtype)
        return Training(
            X=array,
            y=target,
            sample_weight=sample_weight,
            given_blocks=None,
            n_features=array.shape[1],
        )

    def _checked_weights(self, X: Any, y: Any, sample_weight: Any) -> tuple[Any, Any, np.ndarray]:
        """Valid weights; rows of weight zero leave, since a weight of zero means the row is not there."""
        sample_weight = _check_sample_weight(sample_weight, X, dtype=np.float64, ensure_non_negative=True)
        if sample_weight.all():
            return X, y, kernel_array(sample_weight)
        if y is not None:
            check_consistent_length(X, y)
        keep = np.flatnonzero(sample_weight)
        return _safe_indexing(X, keep), None if y is None else _safe_indexing(y, keep), sample_weight[keep]

    def _target(self, y: Any, *, multi_output: bool, reset: bool, classes: Any) -> np.ndarray | None:
        """The target in numbers; unsupervised estimators have none."""
        return None

    def _training_input(
        self,
        X: Any,
        y: np.ndarray | None,
        sample_weight: np.ndarray | None,
        *,
        reset: bool,
        check_finite: bool,
    ) -> Any:
        if reset:
            self._width = -1
            self.__dict__.pop("encoder_", None)
        if getattr(self, "encoder_", None) is not None:
            return self._encoded(X)
        X = _as_array_like(X)
        array = self._plain_numbers(X, reset=reset)
        if array is None:
            return self._fit_encoder(X, y, sample_weight, reset=reset)
        missing = self.needs.missing == "native"
        if check_finite and not inputs.acceptable(array, missing=missing):
            if sp.issparse(array) or np.isinf(array).any() or not reset:
                raise ValueError(inputs.describe_nonfinite(array, missing=missing))
            return self._fit_encoder(X, y, sample_weight, reset=reset)
        self._width = array.shape[1]
        return array

    def _plain_numbers(self, X: Any, *, reset: bool, canonical: bool = True) -> Any:
        """X as a float array or CSR matrix (possibly with NaN), or None where it needs an encoder."""
        if self._needs_no_checks(X, reset):
            self.n_features_in_ = X.shape[1]
            return inputs.as_kernel_input(X, canonical=canonical and self.canonical_csr)
        if inputs.is_table(X):
            validate_data(self, X, reset=reset, skip_check_array=True)
            self._check_some_rows(X)
            return inputs.table_as_floats(X)
        if isinstance(X, np.ndarray) and X.ndim == 2 and inputs.needs_encoding(X):
            validate_data(self, X, reset=reset, skip_check_array=True)
            self._check_some_rows(X)
            return None
        array = validate_data(
            self,
            inputs.float_csr(X) if sp.issparse(X) else X,
            reset=reset,
            accept_sparse="csr" if self.needs.sparse else False,
            dtype=inputs.FLOATS,
            order="C",
            ensure_all_finite=False,
        )
        return inputs.as_kernel_input(array, canonical=canonical and self.canonical_csr)

    def _needs_no_checks(self, X: Any, reset: bool) -> bool:
        """Whether `validate_data` would only find what it expects; it takes longer than many a fit on a small table."""
        if not (inputs.is_plain(X) or (self.needs.sparse and inputs.is_plain_csr(X))):
            return False
        if "feature_names_in_" in self.__dict__:
            return False
        return reset or X.shape[1] == self.__dict__.get("n_features_in_")

    def _check_some_rows(self, X: Any) -> None:
        if _num_samples(X) == 0:
            raise ValueError(
                f"Found array with 0 sample(s): the table has no rows; {type(self).__name__} needs at least one"
            )

    def _fit_encoder(
        self, X: Any, y: np.ndarray | None, sample_weight: np.ndarray | None, *, reset: bool
    ) -> Any:
        if not reset:
            raise ValueError(
                "X holds strings, categories or missing values, but the first batch held plain numbers only: "
                "encode the batches with one `tripos.Encoder` fitted beforehand"
            )
        self.encoder_ = Encoder.plain(self.needs)
        encoded = self.encoder_.fit_transform(X, y, sample_weight=sample_weight)
        self._encoded_width = encoded.shape[1]
        return inputs.as_kernel_input(encoded)

    def _encoded(self, X: Any) -> Any:
        """A table at predict time, through the encoder learned at fit."""
        X = _as_array_like(X)
        validate_data(self, X, reset=False, skip_check_array=True)
        encoded = inputs.as_kernel_input(self.encoder_.transform(X))
        if encoded.shape[1] != self._encoded_width:  # kernels do not check; only an altered file gets here
            raise ValueError(
                f"the encoder makes {encoded.shape[1]} columns, {type(self).__name__} was fitted on {self._encoded_width}"
            )
        return encoded

    def _start_streamed_fit(
        self, X: Any, y: Any, sample_weight: Any, *, reset: bool, classes: Any
    ) -> Training:
        """A fit over blocks of rows that need not fit in memory together."""
        blocks = X if isinstance(X, Blocks) else row_blocks(X, y, sample_weight)
        if isinstance(X, Blocks) and (y is not None or sample_weight is not None):
            raise ValueError(
                "blocks carry their own target and weights: name them in `tripos.scan(...)` and pass blocks alone"
            )
        if reset:
            self.__dict__.pop("encoder_", None)
            self.__dict__.pop("feature_names_in_", None)
            self.n_features_in_ = blocks.n_features
            if blocks.feature_names is not None:
                self.feature_names_in_ = np.asarray(blocks.feature_names, dtype=object)
            self._width = self.n_features_in_
        elif blocks.n_features != self.n_features_in_:
            raise ValueError(
                f"the blocks have {blocks.n_features} features, {type(self).__name__} was fitted on {self.n_features_in_}"
            )
        blocks = self._stream_target(blocks, reset=reset, classes=classes)
        return Training(X=None, y=None, sample_weight=None, given_blocks=blocks, n_features=blocks.n_features)

    def _stream_target(self, blocks: Blocks, *, reset: bool, classes: Any) -> Blocks:
        return blocks

    # ---- predict time ---------------------------------------------------------------------------

    def _input(self, X: Any) -> Any:
        """X in the form kernels take. A plain float array of the right width comes back untouched and
        UNCHECKED for NaN and infinity: whoever computes scores from it must see that the scores are finite and
        call `_reject_nonfinite(X)` where they are not."""
        if (
            type(X) is np.ndarray
            and (X.dtype is _FLOAT64 or X.dtype is _FLOAT32)
            and X.ndim == 2
            and X.shape[1] == self._width
            and X.flags.carray
            and X.shape[0]
        ):
            return X
        return self._check_input(X)

    def _check_input(self, X: Any) -> Any:
        check_is_fitted(self)
        if getattr(self, "encoder_", None) is not None:
            return self._encoded(X)
        array = self._plain_numbers(_as_array_like(X), reset=False, canonical=self.canonical_scores)
        if array is None:
            raise ValueError(self._describe_unexpected_cells(X))
        self._reject_nonfinite(array)
        return array

    def _describe_unexpected_cells(self, X: Any) -> str:
        found = "strings, dates or missing values"
        if inputs.is_table(X):
            columns = inputs.columns_to_encode(X)
            found = f"{found} in the columns {columns[:5]}"
        return (
            f"X holds {found}, but {type(self).__name__} was fitted on complete numbers: "
            "fit it on a table that has such values, or put `tripos.Encoder` before it"
        )

    def _reject_nonfinite(self, X: Any) -> None:
        """Raises the error for the first NaN (unless it is one more value to the learner) or infinity in X; returns
        when there is none."""
        if isinstance(X, Blocks):
            for block in X:
                self._reject_nonfinite(block.X)
            return
        missing = self.needs.missing == "native"
        if not inputs.acceptable(X, missing=missing):
            raise ValueError(inputs.describe_nonfinite(X, missing=missing))

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Unpickles; read-only memory (joblib's memory maps) takes the form that kernels are compiled for."""
        super().__setstate__(state)
        for name, value in state.items():
            if isinstance(value, np.ndarray) and value.dtype.kind in "biuf" and not value.flags.writeable:
                self.__dict__[name] = kernel_array(value)

    # ---- watching, saving -----------------------------------------------------------------------

    def _progress(self, max_steps: int | None) -> Progress:
        """Context of a watched fit: `with self._progress(n) as progress: ... progress.step(loss)`."""
        return Progress(self, max_steps)

    def _n_inputs(self) -> int:
        """Columns that the parameters are for: the input's, or what the encoder makes of them."""
        encoder = getattr(self, "encoder_", None)
        return self.n_features_in_ if encoder is None else len(encoder.get_feature_names_out())

    def _check_state(self) -> None:
        """Checks across attributes of a fitted estimator that is loaded; subclasses extend."""
        names = getattr(self, "feature_names_in_", None)
        if names is not None and len(names) != self.n_features_in_:
            raise ValueError(f"feature_names_in_ has {len(names)} names for {self.n_features_in_} features")
        encoder = getattr(self, "encoder_", None)
        if encoder is not None and encoder.n_features_in_ != self.n_features_in_:
            raise ValueError(f"encoder_ reads {encoder.n_features_in_} of {self.n_features_in_} columns")

    def _after_load(self) -> None:
        """Rebuilds what is derived from the state."""
        encoded = getattr(self, "encoder_", None) is not None
        self._width, self._encoded_width = (-1, self._n_inputs()) if encoded else (self.n_features_in_, -1)


class Classifier(ClassifierMixin, Estimator):
    """Base of classifiers: `classes_` in sorted order, targets as positions in it."""

    state: ClassVar[Mapping[str, Any]] = {"classes_": Labels("classes")}
    classes_: np.ndarray

    def _target(self, y: Any, *, multi_output: bool, reset: bool, classes: Any) -> np.ndarray:
        self._require_target(y)
        found = labels.as_label_array(y)
        if classes is not None or not reset:
            _check_partial_fit_first_call(self, classes)
            return labels.codes_of(found, self.classes_)
        self.classes_, codes = labels.encode_labels(found)
        return codes

    def _require_target(self, y: Any) -> None:
        if y is None:
            raise ValueError(
                f"This {type(self).__name__} estimator requires y to be passed, but the target y is None."
            )

    def _stream_target(self, blocks: Blocks, *, reset: bool, classes: Any) -> Blocks:
        if classes is not None or not reset:
            _check_partial_fit_first_call(self, classes)
        else:
            found = [np.unique(labels.as_label_array(self._block_target(block))) for block in blocks]
            self.classes_ = np.unique(np.concatenate(found))
        known = self.classes_
        return blocks.with_target(lambda y: labels.codes_of(labels.as_label_array(y), known))

    def _block_target(self, block: Any) -> Any:
        if block.y is None:
            raise TableError("the blocks carry no target: name it, `tripos.scan(source, target=...)`")
        return block.y

    def _labels(self, codes: np.ndarray) -> np.ndarray:
        """Class labels of the codes, shape (n_rows,)."""
        return self.classes_.take(codes)


class Regressor(RegressorMixin, Estimator):
    """Base of regressors: a finite float target."""

    def _target(self, y: Any, *, multi_output: bool, reset: bool, classes: Any) -> np.ndarray:
        if y is None:
            raise ValueError(
                f"This {type(self).__name__} estimator requires y to be passed, but the target y is None."
            )
        if hasattr(y, "to_numpy") and not isinstance(y, np.ndarray):
            y = y.to_numpy()
        target = np.asarray(y)
        if target.dtype.kind == "c":
            raise ValueError("Complex data not supported: y must hold real numbers")
        if target.ndim != 1 and not (multi_output and target.ndim == 2):
            target = column_or_1d(target, warn=True)
        if target.dtype not in inputs.FLOATS:
            target = _as_floats(target)
        target = kernel_array(target)
        if not inputs.all_finite(target):
            raise ValueError(inputs.describe_nonfinite(target, "y"))
        return target


def _as_floats(target: np.ndarray) -> np.ndarray:
    try:
        return target.astype(np.float64)
    except (TypeError, ValueError) as error:
        raise ValueError(
            f"y must hold numbers for a regressor, found dtype {target.dtype} ({error}): use a classifier for labels"
        ) from None


def _simple(value: Any) -> tuple[Any, ...] | None:
    """A parameter with its type, as something to look up; None for what may change or compare in its own way."""
    if type(value) in _SIMPLE:
        return type(value), value
    if type(value) is tuple and all(type(part) in _SIMPLE for part in value):
        return tuple(map(type, value)), value
    return None


def _is_list_of_blocks(X: Any) -> bool:
    if not isinstance(X, list) or not X:
        return False
    first = X[0][0] if isinstance(X[0], tuple) and X[0] else X[0]
    return (isinstance(first, np.ndarray) and first.ndim == 2) or sp.issparse(first)


def _as_array_like(X: Any) -> Any:
    """Lists with strings become object arrays: numbers among them stay numbers."""
    if isinstance(X, (list, tuple)):
        array = np.asarray(X)
        return np.array(X, dtype=object) if array.dtype.kind in "US" else array
    return X
