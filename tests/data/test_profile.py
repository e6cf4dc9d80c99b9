"""Claims about the profile: what columns hold, and which of them know the answer."""

from __future__ import annotations

import json
import warnings

import numpy as np
import polars as pl
import pytest
from scipy.stats import chi2_contingency, spearmanr
from sklearn.metrics import roc_auc_score

from tripos.data import profile_links as links
from tripos.data.profile import duplicates_across, profile
from tripos.data.profile_leaks import matching_pursuit
from tripos.data.read import read_table
from tripos.data.schema import Schema
from tripos.errors import TableWarning

RNG = np.random.default_rng(0)


def look_at(path, target=None):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", TableWarning)
        table = read_table(path)
    return profile(table, Schema.infer(table, target=target))


def suspects(found, kind):
    return {suspect.column for suspect in found.suspects if suspect.kind == kind}


def certain(found):
    return {suspect.column for suspect in found.suspects if suspect.certain}


def test_the_parts_of_a_sum_are_found(data_file):
    found = look_at(data_file("bike-sharing/hour.csv.gz"), "cnt")
    assert certain(found) == {"casual", "registered"}
    assert any(suspect.evidence == "casual + registered = cnt in every row." for suspect in found.suspects)


def test_a_column_that_is_the_target_by_another_name_is_found(data_file):
    found = look_at(data_file("titanic/titanic_seaborn.csv"), "survived")
    assert certain(found) == {"alive"}
    assert suspects(found, "repeats a column") == {"class", "embark_town"}


def test_columns_that_determine_the_class_together_are_found(data_file):
    found = look_at(data_file("mice-protein/mice.csv.gz"), "class")
    assert certain(found) == {"Genotype", "Treatment", "Behavior"}


def test_a_column_that_predicts_too_well_is_suspected_but_not_condemned(data_file):
    found = look_at(data_file("enron-spam/enron_spam.csv.xz"), "label")
    assert suspects(found, "predicts the target alone") == {"date"}
    assert certain(found) == set()


@pytest.mark.parametrize(
    ("name", "target"),
    [
        ("adult/adult-train.csv.gz", "column_15"),
        ("california-housing/housing.csv.gz", "median_house_value"),
        ("ames/ames.csv.gz", "price"),
        ("seaborn/penguins.csv", "species"),
        ("telco-churn/Telco-Customer-Churn.csv.gz", "Churn"),
        ("german-credit/german.csv", "column_21"),
        ("seaborn/diamonds.csv.gz", "price"),
        ("uci-small/mushrooms.csv.gz", "type"),
        ("seaborn/iris.csv", "species"),
        ("uci-small/wine.csv", "column_1"),
    ],
)
def test_honest_columns_are_not_condemned(name, target, data_file):
    assert certain(look_at(data_file(name), target)) == set()


def test_identifiers_are_named_and_said_to_follow_the_target_when_rows_are_sorted(data_file):
    iris = read_table(data_file("seaborn/iris.csv")).with_row_index("row_id")
    found = profile(iris, Schema.infer(iris, target="species"))
    evidence = next(suspect.evidence for suspect in found.suspects if suspect.kind == "identifier")
    assert "rows are in the order of the target" in evidence


def test_codes_for_missing_are_pointed_at(data_file):
    assert suspects(look_at(data_file("bank-marketing/bank-additional.csv.gz"), "y"), "code for missing") == {
        "pdays"
    }
    found = look_at(data_file("airquality/airquality.csv.gz"))
    assert "CO(GT)" in suspects(found, "code for missing")


def test_products_and_other_units_of_the_target_are_found():
    price, quantity, noise = RNG.uniform(1, 9, 400), RNG.integers(1, 50, 400), RNG.normal(size=400)
    table = pl.DataFrame({"price": price, "quantity": quantity, "noise": noise, "paid": price * quantity})
    found = profile(table, Schema.infer(table, target="paid"))
    assert certain(found) == {"price", "quantity"}
    assert found.suspects[0].evidence == "price * quantity = paid in every row."
    table = pl.DataFrame({"noise": noise, "fahrenheit": price * 1.8 + 32, "celsius": price})
    assert certain(profile(table, Schema.infer(table, target="celsius"))) == {"fahrenheit"}


def test_duplicates_are_counted(data_file):
    assert look_at(data_file("hr-employee/employee.csv.gz"), "left").duplicate_rows == 3008


def test_rows_in_two_parts_are_counted_missing_cells_alike():
    train = pl.DataFrame({"x": [1, 2, None, 2], "id": [1, 2, 3, 4]})
    test = pl.DataFrame({"x": [2, None, 7], "id": [5, 6, 7]})
    assert duplicates_across({"train": train, "test": test}) == []
    found = duplicates_across({"train": train, "test": test}, ["x"])
    assert [suspect.evidence for suspect in found] == ["2 rows of 3 in 'test' are in 'train' as well."]


def test_a_profile_is_plain_data_that_prints(data_file):
    found = look_at(data_file("titanic/kaggle_train.csv"), "Survived")
    record = json.loads(json.dumps(found.to_dict(), allow_nan=False))
    age = next(column for column in record["columns"] if column["name"] == "Age")
    assert age["missing"] == 177
    assert age["quantiles"]["50%"] == 28.0
    assert sum(age["sketch"]) == 891 - 177
    sex = next(column for column in record["columns"] if column["name"] == "Sex")
    assert sex["top"] == [["male", 577], ["female", 314]]
    assert "Age" in str(found)


def test_a_table_without_a_target_has_no_links(data_file):
    assert all(column["association"] is None for column in look_at(data_file("seaborn/penguins.csv")).columns)


def test_columns_without_values_or_finite_numbers_are_described():
    table = pl.DataFrame(
        {"empty": [None] * 30, "wild": [float("inf"), 1.5] * 15, "same": ["a"] * 30, "y": [0, 1] * 15}
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", TableWarning)
        found = profile(table, Schema.infer(table, target="y"))
    assert found.columns[0]["missing_share"] == 1.0
    assert found.columns[1]["missing"] == 15


def test_large_tables_are_compared_on_a_sample_and_that_is_said():
    n = 120_000
    table = pl.DataFrame({"x": RNG.normal(size=n), "y": RNG.integers(0, 2, n)})
    assert "100,000 of 120,000 rows" in profile(table, Schema.infer(table, target="y")).sampled


def test_associations_equal_those_of_scipy_and_scikit_learn():
    x, y = RNG.normal(size=300).round(1), RNG.normal(size=300).round(1)
    assert links.pearson(links.ranks(x), links.ranks(y)) == pytest.approx(spearmanr(x, y).statistic)
    positive = RNG.random(300) < 0.3
    assert links.rank_area(x, positive) == pytest.approx(roc_auc_score(positive, x))
    a, b = RNG.integers(0, 4, 300), RNG.integers(0, 3, 300)
    chi2 = chi2_contingency(
        np.array([[np.sum((a == i) & (b == j)) for j in range(3)] for i in range(4)])
    ).statistic
    assert links.cramers_v(a, b) == pytest.approx(np.sqrt(chi2 / (300 * 2)))


def test_the_score_of_a_column_is_out_of_sample():
    names = pl.Series("name", [f"n{i}" for i in range(2000)])  # a level per row says nothing about other rows
    y = pl.Series("y", RNG.integers(0, 2, 2000))
    column = Schema.infer(names.to_frame()).columns["name"]
    assert links.link(names, column, links.Target(y, "binary")).score == pytest.approx(0.5, abs=0.05)


def test_matching_pursuit_finds_the_terms_of_a_sum_among_others():
    X = RNG.normal(size=(500, 40))
    chosen, weights, explained = matching_pursuit(X, 2 * X[:, 7] - X[:, 31] + 3)
    assert dict(zip(chosen, weights.round(6))) == {7: 2.0, 31: -1.0}
    assert explained == pytest.approx(1.0)
