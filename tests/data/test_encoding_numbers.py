"""Gaps, scaling and binning of numbers against scikit-learn's SimpleImputer, scalers and KBinsDiscretizer."""

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.impute import SimpleImputer
from sklearn.preprocessing import KBinsDiscretizer, MinMaxScaler, StandardScaler
from sklearn.tree import DecisionTreeClassifier

from tripos import Encoder
from tripos.data.encoding.weighted import quantiles

STRATEGY = {"median": "median", "mean": "mean", "most-frequent": "most_frequent"}


@pytest.fixture(scope="module")
def numbers(ames):
    """The columns of numbers of ames, some with gaps."""
    return ames.select(pl.col(pl.Int64, pl.Float64)).cast(pl.Float64)


@pytest.mark.parametrize("fill", STRATEGY)
def test_fills_and_indicators_equal_scikit_learns(numbers, fill):
    train, test = numbers[:2000].to_numpy(), numbers[2000:].to_numpy()
    ours = Encoder(fill=fill).fit(train)
    theirs = SimpleImputer(strategy=STRATEGY[fill], add_indicator=True).fit(train)
    np.testing.assert_allclose(ours.transform(test), theirs.transform(test), rtol=1e-14)


def test_a_constant_fills_and_true_indicates_every_column():
    X = np.array([[1.0, np.nan], [2.0, 3.0]])
    encoded = Encoder(fill=-1.0, indicators=True).fit_transform(X)
    assert encoded.tolist() == [[1, -1, 0, 1], [2, 3, 0, 0]]
    assert Encoder(indicators=False).fit_transform(X).shape == (2, 2)


def test_a_gap_met_for_the_first_time_is_filled(penguins):
    table = penguins.select("bill_length_mm", "body_mass_g").drop_nulls()
    encoder = Encoder().fit(table)
    holes = table.with_columns(body_mass_g=None)
    assert np.unique(encoder.transform(holes)[:, -1]).tolist() == [table["body_mass_g"].median()]


def test_a_column_without_any_value_is_zero_and_stays_zero():
    X = np.array([[1.0, np.nan], [2.0, np.nan]])
    encoder = Encoder().fit(X)
    assert encoder.transform(X).tolist() == [[1, 0], [2, 0]]
    assert encoder.transform([[3.0, 9.0]]).tolist() == [[3, 0]]


def test_native_missing_leaves_gaps_to_the_learner(titanic):
    table = titanic.select("age", "deck")
    encoded = Encoder(missing="native", categories="native").fit_transform(table)
    assert np.array_equal(np.isnan(encoded), table.select(pl.all().is_null()).to_numpy())


@pytest.mark.parametrize(("scale", "Scaler"), [("standard", StandardScaler), ("min-max", MinMaxScaler)])
def test_scaling_equals_scikit_learns(numbers, scale, Scaler):
    train, test = numbers[:2000].fill_null(0).to_numpy(), numbers[2000:].fill_null(0).to_numpy()
    ours = Encoder(scale=scale).fit(train).transform(test)
    np.testing.assert_allclose(ours, Scaler().fit(train).transform(test), rtol=1e-9, atol=1e-12)


def test_standard_scaling_with_weights_equals_scikit_learns(numbers):
    X = numbers.fill_null(0).to_numpy()
    w = np.random.default_rng(0).random(len(X))
    ours = Encoder(scale="standard").fit(X, sample_weight=w).transform(X)
    np.testing.assert_allclose(
        ours, StandardScaler().fit(X, sample_weight=w).transform(X), rtol=1e-9, atol=1e-12
    )


def test_mean_range_and_robust_scaling_are_their_formulas(penguins):
    x = penguins["body_mass_g"].drop_nulls().to_numpy().astype(float)
    mean_range = Encoder(scale="mean-range").fit_transform(x[:, None])[:, 0]
    np.testing.assert_allclose(mean_range, (x - x.mean()) / (x.max() - x.min()), rtol=1e-12)
    robust = Encoder(scale="robust").fit_transform(x[:, None])[:, 0]
    q1, q3 = np.quantile(x, [0.25, 0.75], method="averaged_inverted_cdf")
    np.testing.assert_allclose(robust, (x - np.median(x)) / (q3 - q1), rtol=1e-12)


@pytest.mark.parametrize("scale", ["standard", "min-max", "mean-range", "robust"])
def test_constant_columns_become_zero_not_infinite(scale):
    X = np.array([[0.1, 5.0], [0.1, 6.0], [0.1, 7.0]]) * 3  # 0.1 * 3 has a deviation of rounding only
    encoded = Encoder(scale=scale).fit_transform(X)
    np.testing.assert_allclose(encoded[:, 0], 0.0, atol=1e-15)
    assert np.isfinite(Encoder(scale=scale).fit(X).transform(X + 1)).all()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("scale", ["standard", "min-max", "mean-range", "robust"])
def test_columns_of_denormal_range_do_not_make_infinity_of_later_numbers(scale, dtype):
    X = np.array([[0.0], [np.finfo(dtype).smallest_subnormal], [0.0]], dtype=dtype)
    assert np.isfinite(Encoder(scale=scale).fit(X).transform(np.full((1, 1), 1e6, dtype=dtype))).all()


def test_zeros_of_levels_and_indicators_are_not_scaled(titanic):
    encoder = Encoder(scale="standard").fit(titanic)
    names, encoded = encoder.get_feature_names_out(), encoder.transform(titanic)
    for j, name in enumerate(names):
        if "=" in name or " is " in name or name in ("alone", "adult_male"):
            assert set(np.unique(encoded[:, j])) <= {0.0, 1.0}


@pytest.mark.parametrize(
    ("binning", "strategy"), [("equal-frequency", "quantile"), ("equal-width", "uniform")]
)
def test_bins_equal_scikit_learns(numbers, binning, strategy):
    X = numbers.drop_nulls().to_numpy()
    rest = {"quantile_method": "averaged_inverted_cdf"} if strategy == "quantile" else {}
    theirs = KBinsDiscretizer(8, encode="onehot-dense", strategy=strategy, dtype=np.float64, **rest)
    distinct = [j for j in range(X.shape[1]) if len(np.unique(np.quantile(X[:, j], np.arange(9) / 8))) == 9]
    ours = Encoder(numbers="bins", binning=binning, n_bins=8, sparse=False).fit_transform(X[:, distinct])
    assert np.array_equal(ours, theirs.fit_transform(X[:, distinct]))


def test_tree_bins_predict_what_the_tree_predicts(adult):
    x, y = adult.select("age"), adult["income"].to_numpy()
    encoder = Encoder(numbers="bins", binning="tree", n_bins=6).fit(x, y)
    bins = encoder.transform(x).argmax(axis=1)
    tree = DecisionTreeClassifier(max_leaf_nodes=6, min_weight_fraction_leaf=0.01, random_state=0).fit(
        x.to_numpy(), y
    )
    leaves = tree.apply(x.to_numpy())
    assert len({*zip(bins, leaves)}) == len(set(bins)) == len(set(leaves)) == 6


def test_bins_are_named_by_their_ends():
    X = pl.DataFrame({"age": [10.0, 20.0, 30.0, 40.0]})
    names = Encoder(numbers="bins", binning="equal-width", n_bins=3).fit(X).get_feature_names_out()
    assert list(names) == ["age<20", "20<=age<30", "age>=30"]


def test_a_number_outside_of_training_falls_into_the_outer_bins():
    X = pl.DataFrame({"a": [0.0, 1.0, 2.0, 3.0]})
    encoder = Encoder(numbers="bins", binning="equal-width", n_bins=3).fit(X)
    assert encoder.transform(pl.DataFrame({"a": [-9.0, 9.0]})).tolist() == [[1, 0, 0], [0, 0, 1]]


def test_numbers_below_the_training_minimum_stay_at_zero_for_non_negative_learners():
    X = np.array([[1.0], [3.0]])
    encoder = Encoder(scale="min-max", sign="non-negative").fit(X)
    assert encoder.transform([[-5.0], [2.0], [5.0]]).tolist() == [[0.0], [0.5], [2.0]]


@pytest.mark.parametrize("fill", STRATEGY)
@pytest.mark.parametrize(
    "how",
    [{"scale": s} for s in ("standard", "min-max", "mean-range", "robust")]
    + [{"numbers": "bins", "binning": b} for b in ("equal-frequency", "equal-width", "tree")],
)
def test_a_weight_of_k_counts_as_k_rows(titanic, fill, how):
    table, y = titanic.select("age", "fare", "sibsp", "alone"), titanic["survived"].to_numpy()
    w = np.random.default_rng(1).integers(0, 4, len(y))
    repeated = np.repeat(np.arange(len(y)), w)
    weighted = Encoder(fill=fill, **how).fit(table, y, sample_weight=w)
    plain = Encoder(fill=fill, **how).fit(table[repeated], y[repeated])
    np.testing.assert_allclose(weighted.transform(table), plain.transform(table), rtol=1e-9, atol=1e-12)


@given(st.lists(st.tuples(st.integers(-5, 5), st.integers(1, 4)), min_size=1, max_size=30))
@settings(max_examples=100, deadline=None)
def test_weighted_quantiles_are_those_of_repeated_rows(rows):
    x, w = (np.array(v, dtype=float) for v in zip(*rows))
    q = np.array([0.0, 0.1, 0.25, 0.5, 0.75, 1.0])
    np.testing.assert_allclose(quantiles(x, q, w), quantiles(np.repeat(x, w.astype(int)), q))
    np.testing.assert_allclose(quantiles(x, q, 0.1 * w), quantiles(x, q, w))
