"""Categories against scikit-learn's OneHotEncoder and OrdinalEncoder, and what each kind of level becomes."""

import numpy as np
import pandas as pd
import polars as pl
import pytest
import scipy.sparse as sp
from sklearn.linear_model import LinearRegression
from sklearn.preprocessing import OneHotEncoder, OrdinalEncoder

from tripos import Encoder, Schema
from tripos.data.encoding.categories import _FEW_ROWS

WORDS = ["workclass", "education", "marital", "occupation", "relationship", "race", "sex", "country"]


def dense(X):
    return X.toarray() if sp.issparse(X) else X


@pytest.fixture(scope="module")
def words(adult):
    """Train and test rows of adult's categories without gaps."""
    table = adult.select(WORDS).drop_nulls()
    return table[:20_000], table[20_000:]


@pytest.mark.filterwarnings("ignore:Found unknown categories")
@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        ({"categories": "one-hot"}, {"handle_unknown": "ignore"}),
        ({"categories": "one-hot-drop"}, {"handle_unknown": "ignore", "drop": "first"}),
        ({"min_frequency": 300}, {"handle_unknown": "infrequent_if_exist", "min_frequency": 300}),
        ({"min_frequency": 0.02}, {"handle_unknown": "infrequent_if_exist", "min_frequency": 0.02}),
    ],
)
def test_one_hot_equals_scikit_learns(words, ours, theirs):
    train, test = words
    ours, theirs = Encoder(**ours).fit(train), OneHotEncoder(**theirs).fit(train.to_pandas())
    assert np.array_equal(dense(ours.transform(test)), dense(theirs.transform(test.to_pandas())))


def test_max_levels_keeps_the_most_frequent(words):
    encoder = Encoder(max_levels=2).fit(words[0].select("race"))
    assert list(encoder.get_feature_names_out()) == ["race=Black", "race=White", "race is rare"]


def test_ordinal_codes_equal_scikit_learns(words):
    train, test = words
    theirs = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1).fit(train.to_pandas())
    ours = Encoder(categories="ordinal").fit(train)
    assert np.array_equal(ours.transform(test), theirs.transform(test.to_pandas()))


def test_few_rows_and_many_rows_are_coded_alike(adult):
    """Two look-ups, one by dictionary and one by polars, have to agree, on missing and unseen levels too."""
    table = adult.select(WORDS)[: 5 * _FEW_ROWS]
    encoder = Encoder(categories="ordinal", min_frequency=3).fit(table[:_FEW_ROWS])
    together = encoder.transform(table)
    apart = np.vstack([encoder.transform(table[i : i + 7]) for i in range(0, table.height, 7)])
    assert np.array_equal(together, apart)


def test_a_missing_category_is_a_level_of_its_own(titanic):
    table = titanic.select("deck")
    encoder = Encoder().fit(table)
    assert encoder.get_feature_names_out()[-1] == "deck is missing"
    assert np.array_equal(encoder.transform(table)[:, -1], table["deck"].is_null().to_numpy())


def test_a_category_missing_for_the_first_time_becomes_the_most_frequent_level():
    encoder = Encoder().fit(pl.DataFrame({"a": ["x", "y", "y"]}))
    assert encoder.transform(pl.DataFrame({"a": [None, "x"]})).tolist() == [[0, 1], [1, 0]]


def test_where_the_learner_knows_missing_values_a_first_missing_category_stays_missing():
    kind = pd.CategoricalDtype(["low", "high"], ordered=True)
    table = pd.DataFrame({"a": ["x", "y", "y"], "b": pd.Series(["low", "high", "low"], dtype=kind)})
    encoder = Encoder(categories="native", missing="native").fit(table)
    gaps = pd.DataFrame({"a": [None, "x"], "b": pd.Series([None, "high"], dtype=kind)})
    for rows in (gaps, pd.concat([gaps] * 50)):  # few cells are looked up one by one
        found = pd.DataFrame(encoder.transform(rows), columns=encoder.get_feature_names_out())[["a", "b"]]
        assert found[:2].isna().to_numpy().tolist() == [[True, True], [False, False]]
        assert found.iloc[1].tolist() == [0.0, 1.0]


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"categories": "one-hot"}, [0.0, 0.0]),
        ({"categories": "one-hot-drop"}, [0.0]),
        ({"categories": "ordinal"}, [-1.0]),
        ({"categories": "frequency"}, [0.0]),
        ({"categories": "target", "smoothing": 0.0}, [0.5]),
        ({"categories": "native", "missing": "native"}, [np.nan]),
        ({"categories": "one-hot", "min_frequency": 2}, [0.0, 1.0]),
    ],
)
def test_an_unseen_level_says_nothing(settings, expected):
    table = pl.DataFrame({"a": ["x", "x", "x", "y"]})
    encoder = Encoder(**settings).fit(table, np.array([0, 1, 1, 0]))
    assert np.array_equal(encoder.transform(pl.DataFrame({"a": ["new"]}))[0], expected, equal_nan=True)


def test_dropping_the_first_level_leaves_columns_of_full_rank_beside_an_intercept(titanic):
    table = titanic.select("sex", "class", "embarked", "deck")
    X = Encoder(categories="one-hot-drop").fit_transform(table)
    beside_intercept = np.hstack([np.ones((len(X), 1)), X])
    assert np.linalg.matrix_rank(beside_intercept) == beside_intercept.shape[1]
    both = Encoder(categories="one-hot").fit_transform(table)
    y = titanic["survived"].to_numpy()
    predictions = [LinearRegression().fit(Z, y).predict(Z) for Z in (X, both)]
    np.testing.assert_allclose(*predictions, atol=1e-10)


def test_frequency_is_the_share_of_the_training_rows(adult):
    encoder = Encoder(categories="frequency").fit(adult.select("workclass"))
    encoded = encoder.transform(adult.select("workclass"))[:, 0]
    for level in ("Private", None):
        rows = adult["workclass"].eq_missing(level).to_numpy()
        np.testing.assert_allclose(encoded[rows], rows.mean())


def test_ordered_categories_keep_the_order_of_the_schema():
    sizes = pl.DataFrame({"size": ["M", "L", "S", "M", None, "S"] * 5})
    encoder = Encoder(Schema.infer(sizes)).fit(sizes)
    assert encoder.kinds_ == {"size": "ordered category"}
    assert encoder.transform(pl.DataFrame({"size": ["S", "M", "L", None]})).tolist() == [
        [0, 0],
        [1, 0],
        [2, 0],
        [1, 1],
    ]


def test_ordered_categories_keep_the_order_of_pandas():
    kind = pd.CategoricalDtype(["low", "middle", "high"], ordered=True)
    table = pd.DataFrame({"a": pd.Series(["high", "low", None], dtype=kind)})
    encoder = Encoder(missing="native").fit(table)
    assert np.array_equal(encoder.transform(table)[:, 0], [2.0, 0.0, np.nan], equal_nan=True)


def test_an_enum_orders_its_codes_but_keeps_one_column_per_level():
    table = pl.DataFrame({"a": pl.Series(["b", "a", "b"], dtype=pl.Enum(["b", "c", "a"]))})
    assert list(Encoder().fit(table).get_feature_names_out()) == ["a=b", "a=a"]
    assert Encoder(categories="ordinal").fit_transform(table)[:, 0].tolist() == [0, 1, 0]


def test_integer_codes_are_levels_in_order_of_size_whatever_type_they_come_in(bikes):
    table = bikes.select("hr", "cnt")
    schema = Schema.infer(table, target="cnt", kinds={"hr": "integer code"})
    encoder = Encoder(schema).fit(table)
    assert list(encoder.get_feature_names_out()) == [f"hr={hour}" for hour in range(24)]
    as_floats = table.with_columns(pl.col("hr").cast(pl.Float64))
    assert np.array_equal(encoder.transform(as_floats), encoder.transform(table))


def test_booleans_are_one_column_filled_with_the_more_frequent_value():
    table = pl.DataFrame({"a": [True, False, True, None]})
    assert Encoder().fit_transform(table).tolist() == [[1, 0], [0, 0], [1, 0], [1, 1]]


def test_seventy_thousand_levels_stay_sparse(adult):
    ids = pl.DataFrame({"id": (np.arange(140_000) % 70_000).astype(str)})
    encoded = Encoder().fit_transform(ids)
    assert (encoded.shape, encoded.nnz) == ((140_000, 70_000), 140_000)


@pytest.mark.parametrize("categories", ["one-hot", "ordinal", "frequency"])
def test_a_weight_of_k_counts_as_k_rows(titanic, categories):
    table = titanic.select("sex", "deck", "embark_town")
    w = np.random.default_rng(0).integers(0, 4, table.height)
    settings = {"categories": categories, "min_frequency": 20, "max_levels": 5}
    weighted = Encoder(**settings).fit(table, sample_weight=w)
    repeated = Encoder(**settings).fit(table[np.repeat(np.arange(table.height), w)])
    np.testing.assert_allclose(weighted.transform(table), repeated.transform(table), rtol=1e-12)
    assert list(weighted.get_feature_names_out()) == list(repeated.get_feature_names_out())
