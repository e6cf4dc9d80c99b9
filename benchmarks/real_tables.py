"""`python -m benchmarks.real_tables`: `tripos run` on real tables, beside scikit-learn's matching pipeline on the same split.

The pipeline is what a careful user writes by hand: impute, scale, one-hot (TF-IDF for text), a regularised linear model at
its default strength. Both learn from the same rows of the same columns and are scored once on the same test rows.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
import warnings
from typing import Any

import numpy as np
import polars as pl

from benchmarks import harness, sets

# name, file, target, columns that are no experience (row numbers of the collection)
TABLES: list[tuple[str, str, str]] = [
    ("SMS spam", "", "label"),
    ("adult", "adult/adult-train.csv.gz", "column_15"),
    ("California housing", "california-housing/housing.csv.gz", "median_house_value"),
    ("Ames", "ames/ames.csv.gz", "price"),
    ("Titanic", "titanic/titanic_seaborn.csv", "survived"),
    ("penguins", "seaborn/penguins.csv", "species"),
    ("Telco churn", "telco-churn/Telco-Customer-Churn.csv.gz", "Churn"),
    ("German credit", "german-credit/credit_decoded.csv", "default"),
    ("diamonds", "seaborn/diamonds.csv.gz", "price"),
    ("bike sharing by hour", "bike-sharing/hour.csv.gz", "cnt"),
    ("Enron spam", "enron-spam/enron_spam.csv.xz", "label"),
]


def _pipeline(schema: Any, features: list[str], regression: bool) -> Any:
    from sklearn.compose import ColumnTransformer
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.impute import SimpleImputer
    from sklearn.linear_model import LogisticRegression, Ridge
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder, StandardScaler

    kinds = {name: schema.columns[name].kind for name in features}
    numbers = [name for name, kind in kinds.items() if kind == "number"]
    texts = [name for name, kind in kinds.items() if kind == "text"]
    words = [name for name in features if name not in numbers and name not in texts and kinds[name] != "date"]
    parts: list[tuple[str, Any, Any]] = [
        ("numbers", make_pipeline(SimpleImputer(strategy="median"), StandardScaler()), numbers),
        ("levels", make_pipeline(_AsText(), OneHotEncoder(handle_unknown="ignore")), words),
        *((f"text {name}", TfidfVectorizer(sublinear_tf=True), name) for name in texts),
    ]
    learner = Ridge() if regression else LogisticRegression(max_iter=2000)
    return make_pipeline(ColumnTransformer([part for part in parts if len(part[2])]), learner)


class _AsText:
    """Levels as strings, missing ones as a level of their own."""

    def fit(self, X: Any, y: Any = None) -> _AsText:
        return self

    def transform(self, X: Any) -> Any:
        return X.astype(object).where(X.notna(), "missing").astype(str)

    def fit_transform(self, X: Any, y: Any = None) -> Any:
        return self.transform(X)


def compare(name: str, file: str, target: str, seconds: float) -> dict[str, Any]:
    """One table: our test score and the pipeline's, on the same rows."""
    import tripos
    from tripos.metrics.scorers import scorer

    path = sets.real(file) if file else sets.ROOT / "examples" / "sms-spam" / "sms-spam.tsv.gz"
    begin = time.perf_counter()
    with tempfile.TemporaryDirectory() as out:
        run = tripos.run(path, target, out=out, time=seconds, verbose=False)
        rows = pl.read_parquet(run.path / "predictions.parquet")["row"].to_numpy()
        schema = tripos.Schema.from_dict(json.loads((run.path / "schema.json").read_text()))
    took = time.perf_counter() - begin
    record = run.record
    frame = tripos.read_table(path)
    frame = frame.with_row_index("row of the table").filter(pl.col(target).is_not_null())
    is_test = np.isin(frame["row of the table"].to_numpy(), rows)
    features = list(record["features"])
    X = schema.conform(frame.select(features)).to_pandas()
    regression = record["task"]["kind"] == "regression"
    y = (
        frame[target].cast(pl.Float64).to_numpy()
        if regression
        else np.array(frame[target].cast(pl.String).to_list())
    )
    for column in (c for c in features if schema.columns[c].kind == "text"):
        X[column] = X[column].fillna("")
    peer = _pipeline(schema, features, regression).fit(X[~is_test], y[~is_test])
    measure = scorer(record["metric"])
    prediction = (
        getattr(peer, measure.method(peer))(X[is_test])
        if callable(measure.method)
        else peer.predict(X[is_test])
    )
    theirs = measure.measure(y[is_test], prediction, classes=None if regression else list(peer.classes_))
    return {
        **{
            "table": name,
            "rows": record["rows"]["read"],
            "task": record["task"]["kind"],
            "metric": record["metric_title"],
        },
        **{"winner": record["winner"], "score": record["test"]["score"], "low": record["test"]["low"]},
        **{
            "high": record["test"]["high"],
            "baseline": record["test"]["baseline"],
            "scikit-learn": float(theirs),
        },
        **{
            "left_out": [row["column"] for row in record["left_out"]],
            "seconds": took,
            "split": record["split"]["text"],
        },
    }


def main() -> None:
    from tripos.workflow.store import write_json

    argparse.ArgumentParser(prog="python -m benchmarks.real_tables", description=__doc__).parse_args()
    warnings.filterwarnings("ignore")
    results = []
    for name, file, target in TABLES:
        try:
            results.append(compare(name, file, target, seconds=20.0))
            print(json.dumps(results[-1]), flush=True)
        except Exception as error:  # one table must not end the comparison
            print(f"{name}: {type(error).__name__}: {error}", flush=True)
    path = harness.RESULTS / "tables" / "real-tables.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    write_json(path, {"machine": harness.machine(), "tables": results})


if __name__ == "__main__":
    main()
