"""One exact decision tree: fit, predict and one row beside scikit-learn, on real tables."""

from __future__ import annotations

from typing import Any

import numpy as np

from benchmarks import sets
from benchmarks.cases.linear import SKL, _fit
from benchmarks.harness import OURS, Case


def _california() -> Any:
    import pandas as pd

    frame = pd.read_csv(sets.real("california-housing/housing.csv.gz")).dropna()
    y = frame.pop("median_house_value").to_numpy(float)
    return frame.select_dtypes("number").to_numpy(float), y


def _covertype() -> Any:
    import pandas as pd

    frame = pd.read_csv(next(sets.real("covertype-15k").glob("*.csv.gz")))
    y = frame.pop("Cover_Type").to_numpy()
    return np.ascontiguousarray(frame.drop(columns="Id").to_numpy(float)), y


def _adult() -> Any:
    import pandas as pd

    frame = pd.read_csv(sets.real("adult/adult-train.csv.gz"), header=None, skipinitialspace=True)
    y = (frame.pop(14) == ">50K").to_numpy().astype(np.int64)
    return np.ascontiguousarray(pd.get_dummies(frame).to_numpy(float)), y


def _runs(name: str) -> dict[str, Any]:
    return {OURS: _fit("tripos", name), SKL: _fit("sklearn.tree", name)}


def _size(data: Any, model: Any) -> dict[str, float]:
    return {"nodes": float(model.tree_.node_count), "score": float(model.score(*data))}


def _same_size(data: Any, results: dict[str, Any]) -> None:
    ours, theirs = (_size(data, results[name]) for name in (OURS, SKL))
    assert abs(ours["nodes"] - theirs["nodes"]) <= 0.02 * theirs["nodes"], (ours, theirs)
    assert ours["score"] >= theirs["score"] - 1e-6, (ours, theirs)


def _fitted(runs: dict[str, Any], who: str, rows: int | None) -> Any:
    return lambda data: (runs[who](data), np.ascontiguousarray(data[0][:rows]))


def _cases(short: str, title: str, data: Any, name: str) -> list[Case]:
    runs = _runs(name)
    said = {who: (lambda data: data[0].predict(data[1])) for who in runs}
    return [
        Case(f"cart-{short}-fit", f"decision tree fit, {title}", data, runs, quality=_size, agree=_same_size, goals={SKL: 1.5}),
        Case(
            f"cart-{short}-predict",
            f"decision tree predict, {title}",
            data,
            said,
            prepare={who: _fitted(runs, who, None) for who in runs},
            goals={SKL: 1.0},
            memory=False,
        ),
        Case(
            f"cart-{short}-one-row",
            f"decision tree, predict one row, {title}",
            data,
            said,
            prepare={who: _fitted(runs, who, 1) for who in runs},
            calls=300,
            goals={SKL: 10.0},
            memory=False,
        ),
    ]  # fmt: skip


CASES = [
    *_cases("california", "california-housing (20k × 8)", _california, "DecisionTreeRegressor"),
    *_cases("covertype", "covertype (15k × 54, 7 classes)", _covertype, "DecisionTreeClassifier"),
    *_cases("adult", "adult one-hot (33k × 108)", _adult, "DecisionTreeClassifier"),
]
