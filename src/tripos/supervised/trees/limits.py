"""The limits on growing a tree that scikit-learn's trees share: which values they take, and what these come to.

A limit on rows is a number of them or a share of all; one on columns is a number, a share, or a rule of thumb.
"""

from __future__ import annotations

import math
from numbers import Integral, Real
from typing import Any

import numpy as np
from sklearn.utils._param_validation import Interval, RealNotInt, StrOptions

LIMITS: dict[str, list[Any]] = {
    "max_depth": [Interval(Integral, 1, None, closed="left"), None],
    "min_samples_split": [
        Interval(Integral, 2, None, closed="left"),
        Interval(RealNotInt, 0.0, 1.0, closed="right"),
    ],
    "min_samples_leaf": [
        Interval(Integral, 1, None, closed="left"),
        Interval(RealNotInt, 0.0, 1.0, closed="neither"),
    ],
    "min_weight_fraction_leaf": [Interval(Real, 0.0, 0.5, closed="both")],
    "max_features": [
        Interval(Integral, 1, None, closed="left"),
        Interval(RealNotInt, 0.0, 1.0, closed="right"),
        StrOptions({"sqrt", "log2"}),
        None,
    ],
    "random_state": ["random_state"],
    "max_leaf_nodes": [Interval(Integral, 2, None, closed="left"), None],
    "min_impurity_decrease": [Interval(Real, 0.0, None, closed="left")],
    "ccp_alpha": [Interval(Real, 0.0, None, closed="left")],
}


def rows_meant(limit: int | float, n_rows: int) -> int:
    """A number of rows, given as such or as a share.

    Examples
    --------
    >>> rows_meant(5, 100), rows_meant(0.025, 100)
    (5, 3)
    """
    return int(limit) if isinstance(limit, Integral) else math.ceil(limit * n_rows)


def columns_tried(max_features: Any, n_columns: int) -> int:
    """From how many columns a split chooses; a number stays as it is, also above `n_columns`.

    Examples
    --------
    >>> columns_tried("sqrt", 54), columns_tried(0.5, 54), columns_tried(None, 54), columns_tried(100, 54)
    (7, 27, 54, 100)
    """
    if max_features is None:
        return n_columns
    if isinstance(max_features, Integral):
        return int(max_features)
    if max_features == "sqrt":
        return max(1, int(np.sqrt(n_columns)))
    if max_features == "log2":
        return max(1, int(np.log2(n_columns)))
    return max(1, int(max_features * n_columns))
