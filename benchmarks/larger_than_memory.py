"""Fits of a file larger than memory: seconds and peak memory of the whole process, each fit in a process of its own.

    python -m benchmarks.larger_than_memory [--rows 20000000] [--columns 20] [--folder DIRECTORY] [--float32]

writes a Parquet file of standard normal columns with four targets (a number, a count, a class), fits least squares,
ridge, Poisson and logistic regression and boosted trees on `tripos.scan(file)`, prints a line each, and takes the
file away again.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

MODELS: dict[str, tuple[str, dict[str, object], str]] = {
    "least squares": ("LinearRegression", {}, "number"),
    "ridge": ("Ridge", {"alpha": 10.0}, "number"),
    "poisson": ("PoissonRegressor", {"alpha": 1e-4}, "count"),
    "logistic": ("LogisticRegression", {}, "class"),
    "boosted trees": ("BoostedTreesClassifier", {"n_estimators": 20}, "class"),
}
CHUNK = 250_000


def write(path: Path, n_rows: int, n_columns: int, dtype: type) -> None:
    """The file, row group by row group."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    rng = np.random.default_rng(0)
    w = rng.normal(size=n_columns) * 0.2
    writer = None
    for start in range(0, n_rows, CHUNK):
        n = min(CHUNK, n_rows - start)
        X = rng.standard_normal((n, n_columns)).astype(dtype)
        eta = X @ w
        columns = {f"x{j}": X[:, j] for j in range(n_columns)}
        columns["number"] = (eta + rng.standard_normal(n)).astype(dtype)
        columns["count"] = rng.poisson(np.exp(eta)).astype(np.int32)
        columns["class"] = (eta + rng.logistic(size=n) > 0).astype(np.int8)
        table = pa.table(columns)
        writer = writer or pq.ParquetWriter(path, table.schema, compression="none", use_dictionary=False)
        writer.write_table(table)
    assert writer is not None
    writer.close()


FIT = """
import json, resource, sys, time
import tripos
name, parameters, target, path, n_columns = json.loads(sys.argv[1])
begin = time.perf_counter()
blocks = tripos.scan(path, target=target, columns=[f"x{j}" for j in range(n_columns)])
model = getattr(tripos, name)(**parameters).fit(blocks)
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
steps = getattr(model, "n_iter_", 1)
print(json.dumps({"seconds": time.perf_counter() - begin, "peak_mib": peak / 1024, "steps": str(steps),
                  "first": float(model.coef_.ravel()[0] if hasattr(model, "coef_") else model.history_["loss"][-1])}))
"""


def fit(path: Path, n_columns: int, model: str) -> dict[str, object]:
    """Seconds and peak memory of one fit, in a process of its own."""
    command = [sys.executable, "-c", FIT, json.dumps([*MODELS[model], str(path), n_columns])]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{model}: {done.stderr[-2000:]}")
    return dict(json.loads(done.stdout.splitlines()[-1]))


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", type=int, default=20_000_000)
    parser.add_argument("--columns", type=int, default=20)
    parser.add_argument(
        "--folder", type=Path, default=None, help="where the file is written; default: temporary"
    )
    parser.add_argument("--float32", action="store_true")
    parser.add_argument("--models", nargs="*", default=list(MODELS), choices=list(MODELS))
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        path = Path(folder) / "rows.parquet"
        write(path, options.rows, options.columns, np.float32 if options.float32 else np.float64)
        print(f"{options.rows:,} x {options.columns}, {path.stat().st_size / 2**30:.2f} GiB", flush=True)
        for model in options.models:
            found = fit(path, options.columns, model)
            print(
                f"{model:<14} {found['seconds']:8.1f} s {found['peak_mib']:8.0f} MiB  steps {found['steps']}"
                f"  first coefficient or last loss {found['first']:.9f}",
                flush=True,
            )


if __name__ == "__main__":
    main()
