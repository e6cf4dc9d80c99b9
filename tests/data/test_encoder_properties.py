"""What holds for any table: finite results, no influence of test rows, no error for levels never seen, order of columns."""

import datetime as dt

import numpy as np
import polars as pl
import pytest
import scipy.sparse as sp
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tripos import Encoder
from tripos.data.needs import CHOICES

any_time = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])

numbers = st.none() | st.floats(-1e12, 1e12) | st.sampled_from([0.0, 1.0, float("nan"), 5e-324])
words = st.none() | st.sampled_from(["a", "b", ""]) | st.text(max_size=3)
dates = st.none() | st.datetimes(dt.datetime(1900, 1, 1), dt.datetime(2200, 1, 1))
booleans = st.none() | st.booleans()
encoders = st.builds(
    Encoder,
    categories=st.sampled_from(CHOICES["categories"]),
    scale=st.sampled_from(CHOICES["scale"]),
    numbers=st.sampled_from(CHOICES["numbers"]),
    dates=st.sampled_from(CHOICES["dates"]),
    fill=st.sampled_from(["median", "mean", "most-frequent", 3.0]),
    indicators=st.sampled_from(["auto", True, False]),
    min_frequency=st.sampled_from([None, 2, 0.3]),
    max_levels=st.sampled_from([None, 2]),
    binning=st.sampled_from(["equal-frequency", "equal-width", "tree"]),
    n_bins=st.integers(2, 5),
)


@st.composite
def tables(draw, min_rows=1):
    n = draw(st.integers(min_rows, 12))
    column = lambda cells, dtype: pl.Series(draw(st.lists(cells, min_size=n, max_size=n)), dtype=dtype)  # noqa: E731
    return pl.DataFrame(
        {
            "number": column(numbers, pl.Float64),
            "word": column(words, pl.String),
            "date": column(dates, pl.Datetime("us")),
            "boolean": column(booleans, pl.Boolean),
        }
    )


def dense(X):
    return X.toarray() if sp.issparse(X) else X


@given(encoders, tables(), tables())
@any_time
def test_what_was_learned_applies_to_any_later_table(encoder, train, later):
    """Levels never seen, gaps where there were none, extreme numbers: finite numbers of the same width, no error."""
    y = np.arange(train.height) % 2
    fitted = dense(encoder.fit_transform(train, y))
    encoded = dense(encoder.transform(later))
    assert (
        fitted.shape[1] == encoded.shape[1] == len(encoder.get_feature_names_out()) == len(encoder.sources_)
    )
    assert np.isfinite(fitted).all()
    assert np.isfinite(encoded).all()


@given(encoders, tables(min_rows=2))
@any_time
def test_permuting_columns_by_name_changes_nothing(encoder, table):
    encoder.fit(table, np.arange(table.height) % 2)
    permuted = table.select("boolean", "date", "number", "word")
    assert np.array_equal(dense(encoder.transform(permuted)), dense(encoder.transform(table)))


@given(encoders, tables(), tables())
@any_time
def test_a_row_is_encoded_alike_alone_and_among_others(encoder, train, later):
    encoder.fit(train, np.arange(train.height) % 2)
    together = dense(encoder.transform(later))
    alone = np.vstack([dense(encoder.transform(later[i])) for i in range(later.height)])
    assert np.array_equal(together, alone)


@given(tables(min_rows=2))
@any_time
def test_polars_pandas_and_objects_are_encoded_alike(table):
    encoder = Encoder().fit(table)
    expected = encoder.transform(table)
    assert np.array_equal(encoder.transform(table.to_pandas()), expected)
    assert np.array_equal(encoder.transform(table.to_pandas().astype(object)), expected)


@pytest.mark.parametrize("categories", CHOICES["categories"])
def test_test_rows_teach_nothing(adult, categories):
    """The encoding of the training rows is the same, whatever lies in the rows held back."""
    y = (adult["income"] == ">50K").to_numpy()
    train, rest = adult[:5000].drop("income"), adult[5000:9000].drop("income")
    encoder = Encoder(categories=categories, scale="standard", random_state=1)
    before = dense(encoder.fit_transform(train, y[:5000]))
    for held_back in (rest, rest.reverse(), rest.with_columns(age=pl.lit(1e9), workclass=pl.lit("new"))):
        encoder.transform(held_back)
        assert np.array_equal(dense(encoder.fit_transform(train, y[:5000])), before)
    state = encoder.stages_
    encoder.transform(rest)
    assert encoder.stages_ is state
