"""Predicting in chunks gives what predicting at once gives, from every format and to every format."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from tripos.errors import RunError, TableError
from tripos.workflow import predict
from tripos.workflow.predict import chunks, predict_table

WRITERS = {
    ".csv": pl.DataFrame.write_csv,
    ".parquet": pl.DataFrame.write_parquet,
    ".arrow": pl.DataFrame.write_ipc,
    ".jsonl": pl.DataFrame.write_ndjson,
}
READERS = {".csv": pl.read_csv, ".parquet": pl.read_parquet, ".jsonl": pl.read_ndjson}


@pytest.fixture
def new(messages) -> pl.DataFrame:
    return messages.select("text").head(230)


@pytest.mark.parametrize("suffix", WRITERS)
def test_every_format_is_predicted_as_the_frame_is(sms_run, new, tmp_path, monkeypatch, suffix):
    monkeypatch.setattr(predict, "ROWS", 100)  # three chunks
    WRITERS[suffix](new, tmp_path / f"new{suffix}")
    out = tmp_path / "out.parquet"
    done = predict_table(sms_run.path, str(tmp_path / f"new{suffix}"), out)
    assert done["rows"] == 230
    found = pl.read_parquet(out)
    np.testing.assert_array_equal(found["prediction"], sms_run.model.predict(new))
    np.testing.assert_allclose(found["p(spam)"], sms_run.model.predict_proba(new)[:, 1], rtol=1e-12)
    assert found["row"].to_list() == list(range(230))


@pytest.mark.parametrize("suffix", READERS)
def test_every_format_is_written(sms_run, new, tmp_path, monkeypatch, suffix):
    monkeypatch.setattr(predict, "ROWS", 100)
    new.write_csv(tmp_path / "new.csv")
    out = tmp_path / f"out{suffix}"
    predict_table(sms_run.path, str(tmp_path / "new.csv"), out, carry=["text"])
    found = READERS[suffix](out)
    assert found.columns == ["row", "text", "prediction", "p(ham)", "p(spam)"]
    assert found["text"].to_list() == new["text"].str.strip_chars().to_list()
    assert sorted(p.name for p in tmp_path.iterdir()) == ["new.csv", out.name]


def test_a_large_text_is_read_in_pieces_that_end_with_a_row(tmp_path, monkeypatch):
    monkeypatch.setattr(predict, "PIECE", 2_000)
    frame = pl.DataFrame({"a": range(1500), "b": [f'line one\nline "two"; {k}' for k in range(1500)]})
    frame.write_csv(tmp_path / "large.csv")
    pieces = list(chunks(str(tmp_path / "large.csv"), {}, ["a", "b"]))
    assert len(pieces) > 5
    assert pl.concat(pieces).equals(frame)


def test_a_columnar_file_gives_only_the_columns_that_are_wanted(tmp_path):
    pl.DataFrame({"a": [1], "b": [2]}).write_parquet(tmp_path / "t.parquet")
    (chunk,) = chunks(str(tmp_path / "t.parquet"), {}, ["b", "c"])
    assert chunk.columns == ["b"]


def test_a_prediction_that_fails_leaves_no_file(sms_run, tmp_path):
    pl.DataFrame({"words": ["hello"]}).write_csv(tmp_path / "new.csv")
    with pytest.raises(TableError, match="'text'"):
        predict_table(sms_run.path, str(tmp_path / "new.csv"), tmp_path / "out.csv")
    assert [p.name for p in tmp_path.iterdir()] == ["new.csv"]


@pytest.mark.parametrize(
    ("out", "carry", "says"),
    [
        ("out.xlsx", [], "written as .csv"),
        ("nowhere/out.csv", [], "does not exist"),
        ("out.csv", ["txt"], "'text'"),
    ],
)
def test_what_cannot_be_written_is_said(sms_run, new, tmp_path, out, carry, says):
    new.write_csv(tmp_path / "new.csv")
    with pytest.raises((RunError, TableError), match=says):
        predict_table(sms_run.path, str(tmp_path / "new.csv"), tmp_path / out, carry=carry)
