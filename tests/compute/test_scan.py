"""Claims about streaming tables from files: the same numbers as in memory, in bounded memory, errors that name."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import polars as pl
import pytest

from tripos.compute.executor import reduce_blocks
from tripos.compute.scan import scan
from tripos.errors import TableError

N = 1000
WRITERS = {
    "parquet": lambda frame, path: frame.write_parquet(path, row_group_size=130),
    "csv": lambda frame, path: frame.write_csv(path),
    "tsv": lambda frame, path: frame.write_csv(path, separator="\t"),
    "arrow": lambda frame, path: frame.write_ipc(path, record_batch_size=70),
    "feather": lambda frame, path: frame.write_ipc(path, compression="zstd"),
    "jsonl": lambda frame, path: frame.write_ndjson(path),
}


@pytest.fixture(scope="module")
def frame():
    random = np.random.default_rng(0)
    return pl.DataFrame(
        {
            "height": random.normal(size=N),
            "count": random.integers(0, 9, N),
            "member": random.integers(0, 2, N).astype(bool),
            "weight": random.uniform(size=N),
            "label": random.choice(["ham", "spam"], N),
        }
    )


@pytest.fixture(params=WRITERS)
def path(request, frame, tmp_path):
    target = tmp_path / f"table.{request.param}"
    WRITERS[request.param](frame, target)
    return target


def test_a_streamed_table_is_the_table(path, frame):
    blocks = scan(path, target="label", sample_weight="weight", rows=64)
    X = np.vstack([b.X for b in blocks])
    np.testing.assert_array_equal(X, frame.select("height", "count", "member").cast(pl.Float64).to_numpy())
    assert np.concatenate([b.y for b in blocks]).tolist() == frame["label"].to_list()
    np.testing.assert_array_equal(
        np.concatenate([b.sample_weight for b in blocks]), frame["weight"].to_numpy()
    )
    assert blocks.feature_names == ["height", "count", "member"]


def test_blocks_do_not_depend_on_how_the_file_is_stored(path):
    blocks = list(scan(path, target="label", sample_weight="weight", rows=64))
    assert [(b.start, b.n_rows) for b in blocks] == [(k, min(64, N - k)) for k in range(0, N, 64)]
    assert all(b.X.flags.carray for b in blocks)


def test_a_streamed_sum_has_the_bits_of_the_sum_in_memory(path, frame):
    def partial(block):
        return block.X.T @ block.X

    def add(a, b):
        return a + b

    columns = ["height", "count"]
    streamed = reduce_blocks(partial, add, scan(path, columns=columns, rows=100), n_jobs=2)
    in_memory = reduce_blocks(partial, add, scan(frame, columns=columns, rows=100), n_jobs=1)
    assert streamed.tobytes() == in_memory.tobytes()


def test_rows_are_counted_where_the_file_says_so(frame, tmp_path):
    for name in ("parquet", "csv"):
        WRITERS[name](frame, tmp_path / f"t.{name}")
    stored, unknown = (scan(tmp_path / f"t.{name}", columns=["height"]) for name in ("parquet", "csv"))
    assert (stored.n_rows, len(stored), unknown.n_rows) == (N, 1, None)
    with pytest.raises(TypeError, match="only after a pass"):
        len(unknown)


def test_several_files_and_a_glob_are_one_table(frame, tmp_path):
    paths = [tmp_path / f"part-{k}.parquet" for k in range(3)]
    for k, path in enumerate(paths):
        frame[k * 300 : (k + 1) * 300].write_parquet(path)
    for source in (paths, tmp_path / "part-*.parquet", str(tmp_path)):
        heights = np.concatenate([b.X[:, 0] for b in scan(source, columns=["height"], rows=128)])
        np.testing.assert_array_equal(heights, frame["height"][:900].to_numpy())


def test_float32_columns_stay_float32():
    assert scan(pl.DataFrame({"x": [1.0]}, schema={"x": pl.Float32})).dtype == np.float32


def test_a_lazy_frame_is_filtered_on_the_way(frame):
    blocks = scan(frame.lazy().filter(pl.col("count") > 4), columns=["count"], rows=50)
    assert min(b.X.min() for b in blocks) == 5


def test_missing_numbers_are_nan_and_can_be_refused():
    blocks = scan(pl.DataFrame({"x": [1.0, None, 3.0], "n": [1, 2, None]}), rows=2)
    assert np.argwhere(np.isnan(np.vstack([b.X for b in blocks]))).tolist() == [[1, 0], [2, 1]]
    with pytest.raises(ValueError, match="row 1, column 'x'"):
        list(blocks.require_finite())


def test_a_column_that_begins_with_integers_may_go_on_with_fractions(tmp_path):
    (tmp_path / "t.csv").write_text("x\n" + "1\n" * 20_000 + "2.5\n")
    assert max(b.X.max() for b in scan(tmp_path / "t.csv")) == 2.5


def test_several_targets_come_as_columns():
    block = next(iter(scan(pl.DataFrame({"x": [0.0], "a": [1.0], "b": [2.0]}), target=["a", "b"])))
    assert block.y.tolist() == [[1.0, 2.0]]


def test_a_column_may_have_any_name():
    name = 'a,b "quoted" \n{}'
    block = next(iter(scan(pl.DataFrame({name: [1.0], "y": [1]}), target="y")))
    assert block.X.tolist() == [[1.0]]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"target": "lable"}, "no column 'lable'; the closest is 'label'"),
        ({"columns": ["height", "weigth"]}, "no column 'weigth'"),
        ({}, r"not numeric: label \(String\)"),
        ({"columns": []}, "no column left"),
        ({"sample_weight": "label", "columns": ["height"]}, "not numeric: label"),
    ],
)
def test_wrong_columns_are_named(frame, options, message):
    with pytest.raises(TableError, match=message):
        scan(frame, **options)


@pytest.mark.parametrize("column", ["y", "w"])
def test_a_missing_target_or_weight_is_found_in_its_row(column):
    values = {"x": [0.0] * 5, "y": [1, 2, 3, 4, 5], "w": [1.0] * 5}
    values[column] = [*values[column][:3], None, values[column][4]]
    with pytest.raises(TableError, match=f"Column '{column}' is missing a value in row 3"):
        list(scan(pl.DataFrame(values), target="y", sample_weight="w", rows=2))


def test_files_that_cannot_be_read_are_named(tmp_path):
    (tmp_path / "broken.parquet").write_text("not parquet")
    (tmp_path / "table.xyz").write_text("")
    for source, message in [
        (tmp_path / "absent.csv", "no such file"),
        (tmp_path / "broken.parquet", "could not be read"),
        (tmp_path / "table.xyz", "must end in one of"),
        ([], "list of paths is empty"),
        ([tmp_path / "a.csv", tmp_path / "b.parquet"], "several formats"),
    ]:
        with pytest.raises(TableError, match=message):
            scan(source)


def test_damage_in_the_middle_of_a_file_is_an_error_of_ours(tmp_path):
    (tmp_path / "t.csv").write_text("x\n" + "1.5\n" * 30_000 + "oops\n")
    with pytest.raises(TableError, match="oops"):
        list(scan(tmp_path / "t.csv"))


MEASURE = """
import sys
from tripos.compute.executor import reduce_blocks
from tripos.compute.scan import scan

def anonymous():
    lines = open("/proc/self/status").read().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("RssAnon")) // 1024

start, peak = anonymous(), 0
def partial(block):
    global peak
    peak = max(peak, anonymous())
    return block.X.sum()
for _ in range(2):
    reduce_blocks(partial, lambda a, b: a + b, scan(sys.argv[1], rows=20_000), n_jobs=2)
print(peak - start)
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
def test_a_file_passes_through_in_less_memory_than_it_takes(tmp_path):
    """240 MB of numbers in row groups of 8 MB: two passes, a dozen blocks and row groups in flight."""
    path = tmp_path / "large.parquet"
    part = pl.DataFrame({f"x{k}": np.random.default_rng(k).normal(size=100_000) for k in range(10)})
    pl.concat([part] * 30).write_parquet(path, row_group_size=100_000, compression="uncompressed")
    environment = {"POLARS_MAX_THREADS": "2", "PATH": ""}
    done = subprocess.run(
        [sys.executable, "-c", MEASURE, str(path)],
        capture_output=True,
        text=True,
        check=True,
        env=environment,
    )
    assert int(done.stdout) < 180
