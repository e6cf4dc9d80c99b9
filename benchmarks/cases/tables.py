"""From a file to an array: reading and encoding against pandas with scikit-learn's ColumnTransformer."""

from __future__ import annotations

from typing import Any

import numpy as np

from benchmarks import sets
from benchmarks.harness import OURS, Case

PANDAS = "pandas + scikit-learn"


def _ours(path: Any) -> Any:
    import tripos
    from tripos.data.needs import Needs

    frame = tripos.read_table(path, header=False)
    frame = frame.drop(frame.columns[-1])
    return tripos.Encoder.plain(Needs()).fit_transform(frame)


def _pandas(path: Any) -> Any:
    import pandas as pd
    from sklearn.compose import make_column_selector, make_column_transformer
    from sklearn.preprocessing import OneHotEncoder

    frame = pd.read_csv(path, header=None, skipinitialspace=True, na_values="?")
    frame = frame.drop(columns=frame.columns[-1])
    encoder = make_column_transformer(
        (OneHotEncoder(handle_unknown="ignore"), make_column_selector(dtype_exclude="number")),
        remainder="passthrough",
        sparse_threshold=0.0,
    )
    return encoder.fit_transform(frame)


def _same_totals(data: Any, results: dict[str, Any]) -> None:
    sums = [np.sort(np.asarray(result.sum(axis=0)).ravel())[-30:] for result in results.values()]
    np.testing.assert_allclose(sums[0], sums[1], rtol=1e-9)


def _model(path: Any) -> Any:
    import tripos

    frame = tripos.read_table(path, header=False)
    y = (frame[frame.columns[-1]] == frame[frame.columns[-1]].max()).to_numpy().astype(np.int64)
    frame = frame.drop(frame.columns[-1])
    encoder = tripos.Encoder.for_(tripos.LogisticRegression)
    return encoder.fit(frame, y), frame.head(1)


def _peer_model(path: Any) -> Any:
    import pandas as pd
    from sklearn.compose import make_column_selector, make_column_transformer
    from sklearn.preprocessing import OneHotEncoder, StandardScaler

    frame = pd.read_csv(path, header=None, skipinitialspace=True, na_values="?")
    frame = frame.drop(columns=frame.columns[-1])
    frame.columns = [f"c{name}" for name in frame.columns]
    encoder = make_column_transformer(
        (OneHotEncoder(handle_unknown="ignore"), make_column_selector(dtype_exclude="number")),
        remainder=StandardScaler(),
    )
    return encoder.fit(frame), frame.head(1)


def _transform(data: Any) -> Any:
    return data[0].transform(data[1])


CASES = [
    Case(
        "read-and-encode-adult",
        "read and encode adult (32,561 × 14, one-hot)",
        lambda: sets.real("adult/adult-train.csv.gz"),
        {OURS: _ours, PANDAS: _pandas},
        agree=_same_totals,
    ),
    Case(
        "encode-one-row-adult",
        "encode one row of adult",
        lambda: sets.real("adult/adult-train.csv.gz"),
        {OURS: _transform, PANDAS: _transform},
        prepare={OURS: _model, PANDAS: _peer_model},
        calls=20,
        memory=False,
    ),
]
