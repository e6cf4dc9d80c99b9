"""Dates to parts, waves and elapsed days, on real calendars."""

import datetime as dt

import numpy as np
import pandas as pd
import polars as pl
import pytest

from tripos import Encoder, Schema


def named(encoder, table):
    return dict(zip(encoder.get_feature_names_out(), encoder.transform(table).T))


def test_parts_of_a_flights_day_are_its_own_columns(flights):
    encoded = named(Encoder().fit(flights.select("day_of")), flights.select("day_of"))
    assert np.array_equal(encoded["day_of.month"], flights["month"])
    assert np.array_equal(encoded["day_of.day"], flights["day"])
    first = dt.date(2013, 1, 1)
    assert np.array_equal(encoded["day_of.elapsed days"], [(day - first).days for day in flights["day_of"]])


def test_parts_that_do_not_vary_are_left_out(flights, bikes):
    of_a_year = Encoder().fit(flights.select("day_of")).get_feature_names_out()
    assert "day_of.year" not in of_a_year
    assert "day_of.hour" not in of_a_year
    assert "dteday.year" in Encoder().fit(bikes.select("dteday")).get_feature_names_out()


def test_weekday_and_hour_agree_with_the_columns_of_bike_sharing(bikes):
    table = bikes.select(time=pl.col("dteday").cast(pl.Datetime) + pl.duration(hours="hr"))
    encoded = named(Encoder().fit(table), table)
    assert np.array_equal(encoded["time.weekday"] % 7, bikes["weekday"])
    assert np.array_equal(encoded["time.hour"], bikes["hr"])
    days = (bikes["dteday"] - bikes["dteday"].min()).dt.total_days() + bikes["hr"] / 24
    np.testing.assert_allclose(encoded["time.elapsed days"], days)


def test_waves_put_december_beside_january():
    table = pl.DataFrame({"t": [dt.date(2020, month, 15) for month in range(1, 13)]})
    encoded = named(Encoder(dates="cyclic").fit(table), table)
    points = np.stack([encoded["t.month.sin"], encoded["t.month.cos"]], axis=1)
    steps = np.linalg.norm(points - np.roll(points, 1, axis=0), axis=1)
    np.testing.assert_allclose(steps, steps[0])
    np.testing.assert_allclose(np.linalg.norm(points, axis=1), 1.0)


def test_a_missing_date_is_filled_and_shown_once():
    table = pl.DataFrame({"t": [dt.date(2020, 1, 1), dt.date(2020, 3, 3), None]})
    encoder = Encoder().fit(table)
    assert [name for name in encoder.get_feature_names_out() if "missing" in name] == ["t is missing"]
    assert named(encoder, table)["t is missing"].tolist() == [0, 0, 1]
    assert np.isfinite(encoder.transform(table)).all()


def test_times_are_read_on_the_clock_of_the_training_zone():
    noon = dt.datetime(2024, 7, 1, 12)
    table = pl.DataFrame({"t": [noon + dt.timedelta(hours=h) for h in range(5)]}).with_columns(
        pl.col("t").dt.replace_time_zone("America/New_York")
    )
    encoder = Encoder().fit(table)
    assert named(encoder, table)["t.hour"].tolist() == [12, 13, 14, 15, 16]
    in_tokyo = table.with_columns(pl.col("t").dt.convert_time_zone("Asia/Tokyo"))
    assert np.array_equal(encoder.transform(in_tokyo), encoder.transform(table))


@pytest.mark.parametrize("zone", [None, "UTC", "Europe/Berlin", dt.timezone(dt.timedelta(hours=3))])
def test_pandas_dates_of_any_zone_are_read(zone):
    table = pd.DataFrame({"t": pd.date_range("2024-01-01", periods=40, freq="7h", tz=zone)})
    encoded = Encoder().fit_transform(table)
    elapsed = (table["t"] - table["t"].min()).dt.total_seconds() / 86400
    np.testing.assert_allclose(encoded[:, -1], elapsed, atol=0.05)  # clocks change by an hour in Berlin


def test_cells_of_dates_in_an_object_array_are_dates():
    X = np.array([[dt.date(2020, 1, 1)], [None], [dt.datetime(2021, 1, 1, 6)]], dtype=object)
    encoder = Encoder().fit(X)
    assert encoder.kinds_ == {"x0": "date"}
    assert named(encoder, X)["x0.year"].tolist() == [2020, 2020.5, 2021]


def test_numpy_dates_and_durations_are_read():
    X = np.array([["2020-01-01"], ["2020-01-03"]], dtype="datetime64[D]")
    assert Encoder().fit_transform(X)[:, -1].tolist() == [0, 2]
    durations = pl.DataFrame(
        {"d": [dt.timedelta(minutes=1), dt.timedelta(days=1)], "t": [dt.time(1), dt.time(0, 0, 2)]}
    )
    assert Encoder().fit_transform(durations).tolist() == [[60.0, 3600.0], [86400.0, 2.0]]


def test_dates_written_as_text_are_parsed_by_the_schema(bikes):
    as_text = bikes.select(pl.col("dteday").dt.to_string("%d/%m/%Y"))
    encoder = Encoder(Schema.infer(as_text)).fit(as_text)
    assert encoder.kinds_ == {"dteday": "date"}
    assert np.array_equal(encoder.transform(as_text), Encoder().fit_transform(bikes.select("dteday")))


def test_text_that_is_no_date_is_refused_with_its_place(bikes):
    encoder = Encoder().fit(bikes.select("dteday"))
    with pytest.raises(ValueError, match="column 'dteday', row 1: 'soon' is not a date"):
        encoder.transform(pl.DataFrame({"dteday": ["2011-01-01", "soon"]}))
    with pytest.raises(ValueError, match="held dates when the encoder was fitted and now holds Int64"):
        encoder.transform(pl.DataFrame({"dteday": [3]}))


def test_dates_before_1970_and_far_ahead_are_numbers():
    table = pl.DataFrame({"t": [dt.date(1066, 10, 14), dt.date(2500, 1, 1)]})
    encoded = named(Encoder().fit(table), table)
    assert encoded["t.year"].tolist() == [1066, 2500]
    assert encoded["t.elapsed days"][1] == (dt.date(2500, 1, 1) - dt.date(1066, 10, 14)).days
