"""The one place that turns a table into arrays: `Encoder`."""

from __future__ import annotations

from dataclasses import asdict
from numbers import Integral, Real
from typing import Any, ClassVar

import numpy as np
from sklearn import get_config
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin, TransformerMixin
from sklearn.utils._param_validation import HasMethods, Interval, StrOptions
from sklearn.utils.validation import check_is_fitted

from tripos.data.encoding import binning, learning, missing, opening
from tripos.data.encoding.output import Pieces
from tripos.data.encoding.stages import Cells, Rows
from tripos.data.encoding.table import Table
from tripos.data.needs import CHOICES, Needs
from tripos.data.schema import Schema
from tripos.state import Flag, Nested, Number, Spec, Strings


class Encoder(TransformerMixin, BaseEstimator):
    """Turns a table into the array of numbers that a learner needs; all it knows is learned from the training rows.

    Numbers come first in the result, then one indicator for each column that had gaps, then categories, then text:

    - numbers and booleans pass; ordered categories become their rank; dates become calendar parts and elapsed days;
    - categories become one column per level, a code, a smoothed mean of the target, or a share of the rows;
    - text becomes TF-IDF of its words and character n-grams;
    - gaps in numbers are filled (0 where a column had no value at all); a missing category is a level of its own;
    - numbers are scaled or cut into bins.

    Parameters
    ----------
    schema : Schema, "infer" or None
        What the columns are. None takes the types as they are and guesses nothing: every string is a category.
        "infer" lets `Schema.infer` find integer codes, dates, free text and identifiers in the training table.
    categories, missing, scale, numbers, sign, text, dates, sparse
        What the learner needs, as in `tripos.data.needs.Needs`. With `sign="non-negative"` and `scale="none"` numbers
        pass unchanged, and the columns made here are brought to [0, 1].
    fill : "median", "mean", "most-frequent" or a number
        What fills gaps in numbers.
    indicators : "auto" or bool
        Whether a column `age is missing` is added: "auto" for columns with gaps in training.
    min_frequency : int, float or None
        Levels of fewer rows (int) or a smaller share of the rows (float) share the column `city is rare`.
    max_levels : int or None
        At most so many levels of a column, the most frequent ones, stand for themselves.
    smoothing : "auto" or float
        Rows of the prior that are added to each level of `categories="target"`.
    target_folds : int
        Folds in which `fit_transform` computes target statistics, so that no row sees its own target.
    task : "auto", "classification" or "regression"
        How the target is read for target statistics and tree bins.
    binning : "equal-frequency", "equal-width" or "tree"
    n_bins : int
    max_text_features : int
        At most so many words, and as many character n-grams, per text column.
    dtype : "float64", "float32" or None
        None keeps float32 arrays and makes float64 of everything else.
    random_state : int, Generator or None
        Draws the folds of target statistics.

    Attributes
    ----------
    n_features_in_ : int
    feature_names_in_ : ndarray of str
        Only when fitted on a table whose columns have names.
    kinds_ : dict of str to str
        The columns that are used, with their kinds.
    schema_ : Schema
        Only when a schema is used.
    sources_ : ndarray of shape (n_outputs,)
        For each column of the result the name of the input column that it is made from.
    sparse_output_ : bool
        Whether `transform` returns CSR.

    Examples
    --------
    >>> import polars as pl
    >>> from tripos import Encoder
    >>> table = pl.DataFrame({"age": [22.0, None, 30.0], "sex": ["male", "female", "female"]})
    >>> encoder = Encoder()
    >>> encoder.fit_transform(table)
    array([[22.,  0.,  0.,  1.],
           [26.,  1.,  1.,  0.],
           [30.,  0.,  1.,  0.]])
    >>> list(encoder.get_feature_names_out())
    ['age', 'age is missing', 'sex=female', 'sex=male']
    """

    state: ClassVar[dict[str, Spec]] = {
        "n_features_in_": Number("i", low=1),
        "feature_names_in_": Strings(unique=True, optional=True),
        "schema_": Nested("Schema", optional=True),
        "stages_": Nested("Stages"),
        "sparse_output_": Flag(),
        "float32_": Flag(),
    }

    _parameter_constraints: ClassVar[dict] = {
        "schema": [None, StrOptions({"infer"}), HasMethods("conform")],
        **{name: [StrOptions(set(choices))] for name, choices in CHOICES.items() if name != "sparse"},
        "sparse": ["boolean"],
        "fill": [StrOptions(set(missing.HOW)), Interval(Real, None, None, closed="neither")],
        "indicators": [StrOptions({"auto"}), "boolean"],
        "min_frequency": [
            None,
            Interval(Integral, 1, None, closed="left"),
            Interval(Real, 0, 1, closed="neither"),
        ],
        "max_levels": [None, Interval(Integral, 1, None, closed="left")],
        "smoothing": [StrOptions({"auto"}), Interval(Real, 0, None, closed="left")],
        "target_folds": [Interval(Integral, 2, None, closed="left")],
        "task": [StrOptions({"auto", "classification", "regression"})],
        "binning": [StrOptions(set(binning.HOW))],
        "n_bins": [Interval(Integral, 2, None, closed="left")],
        "max_text_features": [Interval(Integral, 1, None, closed="left")],
        "dtype": [None, StrOptions({"float32", "float64"})],
        "random_state": ["random_state"],
    }

    def __init__(
        self,
        schema: Any = None,
        *,
        categories: str = "one-hot",
        missing: str = "impute",
        scale: str = "none",
        numbers: str = "as-is",
        sign: str = "any",
        text: str = "tf-idf",
        dates: str = "parts",
        sparse: bool = True,
        fill: str | float = "median",
        indicators: str | bool = "auto",
        min_frequency: float | None = None,
        max_levels: int | None = None,
        smoothing: str | float = 10.0,
        target_folds: int = 5,
        task: str = "auto",
        binning: str = "equal-frequency",
        n_bins: int = 10,
        max_text_features: int = 20_000,
        dtype: str | None = None,
        random_state: Any = 0,
    ) -> None:
        self.schema = schema
        self.categories = categories
        self.missing = missing
        self.scale = scale
        self.numbers = numbers
        self.sign = sign
        self.text = text
        self.dates = dates
        self.sparse = sparse
        self.fill = fill
        self.indicators = indicators
        self.min_frequency = min_frequency
        self.max_levels = max_levels
        self.smoothing = smoothing
        self.target_folds = target_folds
        self.task = task
        self.binning = binning
        self.n_bins = n_bins
        self.max_text_features = max_text_features
        self.dtype = dtype
        self.random_state = random_state

    @classmethod
    def plain(cls, needs: Needs) -> Encoder:
        """What an estimator uses inside: nothing is guessed, and columns of numbers pass unchanged."""
        return cls(**{**asdict(needs), "scale": "none", "numbers": "as-is"})

    @classmethod
    def for_(cls, learner: Any, schema: Any = None, **overrides: Any) -> Encoder:
        """The whole preparation that a learner (class or object) states in `needs`; guesses kinds without a schema."""
        settings = asdict(getattr(learner, "needs", Needs()))
        kind = learner if isinstance(learner, type) else type(learner)
        for base, task in ((ClassifierMixin, "classification"), (RegressorMixin, "regression")):
            if issubclass(kind, base):
                settings["task"] = task
        if settings["sign"] == "non-negative" and settings["scale"] == "none":
            settings["scale"] = "min-max"
        return cls("infer" if schema is None else schema, **{**settings, **overrides})

    def fit(self, X: Any, y: Any = None, sample_weight: Any = None) -> Encoder:
        """Learn levels, fills and ranges from the training rows.

        Parameters
        ----------
        X : table or array of shape (n_rows, n_columns)
        y : array of shape (n_rows,), needed by `categories="target"` and `binning="tree"`
        sample_weight : array of shape (n_rows,)
            A weight of k counts as k equal rows, a weight of 0 as none.
        """
        self._learn(X, y, sample_weight)
        return self

    def fit_transform(self, X: Any, y: Any = None, sample_weight: Any = None) -> Any:
        """As `fit` and `transform`, but target statistics of a row are those of the folds that it is not in."""
        rows, cells, pieces = self._learn(X, y, sample_weight)
        if self.categories == "target" and self.stages_.levels.columns:
            learning.out_of_fold(self.stages_, cells, rows, self)
            pieces = self.stages_.pieces(cells)
        return self._array(pieces)

    def transform(self, X: Any) -> Any:
        """The table as an array of shape (n_rows, n_outputs), or as CSR where `sparse_output_`."""
        check_is_fitted(self)
        return self._array(self.stages_.pieces(self.stages_.cells(self._opened(X))))

    def get_feature_names_out(self, input_features: Any = None) -> np.ndarray:
        """The name of each column of the result: `age`, `age is missing`, `sex=female`, `joined.month`, `text: free`."""
        check_is_fitted(self)
        return np.asarray(distinct(self.stages_.names()[0]), dtype=object)

    @property
    def kinds_(self) -> dict[str, str]:
        """The columns that are used, with their kinds."""
        return dict(zip(self.stages_.columns, self.stages_.kinds))

    @property
    def sources_(self) -> np.ndarray:
        """For each column of the result the name of the input column that it is made from."""
        return np.asarray(self.stages_.names()[1], dtype=object)

    def _learn(self, X: Any, y: Any, sample_weight: Any) -> tuple[Rows, Cells, Pieces]:
        """Fit; returns the given rows and what they say."""
        self._validate_params()
        if self.sign == "non-negative" and self.scale not in ("none", "min-max"):
            raise ValueError(
                f"scale={self.scale!r} makes negative numbers: sign='non-negative' takes 'min-max' or 'none'"
            )
        table = self._opened_for_fit(X)
        rows = Rows(table, opening.target(y, table), opening.weights(sample_weight, table))
        used = rows if rows.w is None or rows.w.all() else rows.take(rows.w > 0)
        kinds, orders = self._kinds(used.table)
        self.stages_, cells = learning.learn(used, kinds, orders, self)
        if used is not rows:
            cells = self.stages_.cells(table)
        pieces = self.stages_.pieces(cells)
        if not pieces.width:
            raise ValueError(
                f"no column is left to learn from: {kinds or 'all are identifiers or constants'}"
            )
        self.sparse_output_ = self.sparse and pieces.worth_csr()
        given = table.matrix.dtype if table.matrix is not None else np.dtype(np.float64)
        self.float32_ = self.dtype == "float32" or (self.dtype is None and given == np.float32)
        return rows, cells, pieces

    def _opened_for_fit(self, X: Any) -> Table:
        """The training table, in the types of the schema if there is one."""
        table = opening.opened_for_fit(self, X)
        self.__dict__.pop("schema_", None)
        if self.schema is None:
            return table
        self.schema_ = Schema.infer(table.frame()) if isinstance(self.schema, str) else self.schema
        names = [name for name in self.schema_.columns if name != self.schema_.target]
        opening.set_names(self, names, named=table.named)
        return Table.read(self.schema_.conform(table.frame()))

    def _opened(self, X: Any) -> Table:
        """A later table with the columns that were fitted."""
        if not hasattr(self, "schema_"):
            return opening.opened(self, X)
        return Table.read(self.schema_.conform(opening.opened(self, X, by_schema=True).frame()))

    def _kinds(self, table: Table) -> tuple[dict[str, str], dict[str, list[str]]]:
        """The kind of each used column, and the order of levels where the schema states one."""
        if not hasattr(self, "schema_"):
            return {name: table.kind(name) for name in table.names}, {}
        columns = {name: self.schema_.columns[name] for name in self.schema_.features}
        ordered = [column for column in columns.values() if column.kind == "ordered category"]
        orders = {column.name: list(column.levels) for column in ordered if column.levels}
        return {name: column.kind for name, column in columns.items()}, orders

    def _array(self, pieces: Pieces) -> Any:
        dtype = np.dtype(np.float32 if self.float32_ else np.float64)
        # a pandas or polars table, which set_output may ask for, cannot hold CSR
        config = getattr(self, "_sklearn_output_config", {})
        makes_tables = config.get("transform", get_config()["transform_output"]) != "default"
        return pieces.csr(dtype) if self.sparse_output_ and not makes_tables else pieces.dense(dtype)

    def _check_state(self) -> None:
        """Every column that a stage reads has to be one that `transform` finds."""
        opening.check_names(self, self.stages_.columns)
        if hasattr(self, "schema_") and not set(self.stages_.columns) <= set(self.schema_.columns):
            raise ValueError("the stages read a column that is not in the schema")

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        tags.input_tags.categorical = True
        by_tree = self.numbers == "bins" and self.binning == "tree"
        tags.target_tags.required = self.categories == "target" or by_tree
        tags.transformer_tags.preserves_dtype = [self.dtype] if self.dtype else ["float64", "float32"]
        return tags


def distinct(names: list[str]) -> list[str]:
    """The names, a second "a" as "a (2)": a column may itself be called "age is missing".

    >>> distinct(["a", "b", "a"])
    ['a', 'b', 'a (2)']
    """
    if len(set(names)) == len(names):
        return names
    taken, seen, out = set(names), dict.fromkeys(names, 0), []
    for name in names:
        seen[name] = n = seen[name] + 1
        while n > 1 and f"{name} ({n})" in taken:
            n += 1
        out.append(name if n == 1 else f"{name} ({n})")
        taken.add(out[-1])
    return out
