"""Target statistics against scikit-learn's TargetEncoder, and that no row sees its own target."""

import numpy as np
import polars as pl
import pytest
from scipy.stats import spearmanr
from sklearn.preprocessing import TargetEncoder

from tripos import Encoder
from tripos.data.encoding.target_statistics import folds

WORDS = ["workclass", "education", "occupation", "country"]


@pytest.mark.parametrize("smoothing", ["auto", 20.0])
def test_binary_statistics_equal_scikit_learns(adult, smoothing):
    table, y = adult.select(WORDS).drop_nulls(), None
    y = adult.drop_nulls(WORDS)["income"].to_numpy()
    ours = Encoder(categories="target", smoothing=smoothing).fit(table, y)
    theirs = TargetEncoder(smooth=smoothing).fit(table.to_pandas(), y)
    np.testing.assert_allclose(ours.transform(table), theirs.transform(table.to_pandas()), rtol=1e-10)


@pytest.mark.parametrize("smoothing", ["auto", 5.0])
def test_statistics_of_a_quantity_equal_scikit_learns(ames, smoothing):
    table, y = ames.select("Neighborhood", "House.Style"), ames["price"].to_numpy()
    ours = Encoder(categories="target", smoothing=smoothing, task="regression").fit(table, y)
    theirs = TargetEncoder(smooth=smoothing, target_type="continuous").fit(table.to_pandas(), y)
    np.testing.assert_allclose(ours.transform(table), theirs.transform(table.to_pandas()), rtol=1e-10)


def test_more_classes_have_a_share_each(penguins):
    table, y = penguins.select("island"), penguins["species"].to_numpy()
    encoder = Encoder(categories="target", smoothing=0.0).fit(table, y)
    assert list(encoder.get_feature_names_out()) == [
        f"island: share of {s}" for s in ("Adelie", "Chinstrap", "Gentoo")
    ]
    encoded = encoder.transform(table)
    np.testing.assert_allclose(encoded.sum(axis=1), 1.0)
    torgersen = (table["island"] == "Torgersen").to_numpy()
    assert encoded[torgersen].tolist() == [[1.0, 0.0, 0.0]] * int(torgersen.sum())


def test_no_training_row_sees_its_own_target(adult):
    """Changing one row's target changes nothing in the encoding of that row, to the last bit."""
    table, y = adult.select(WORDS)[:500], (adult["income"][:500] == ">50K").to_numpy().astype(float)
    encoder = Encoder(categories="target", task="regression")
    before = encoder.fit_transform(table, y)
    for row in range(0, 500, 50):
        changed = y.copy()
        changed[row] = 1e6
        assert np.array_equal(encoder.fit_transform(table, changed)[row], before[row])


def test_levels_of_pure_noise_do_not_correlate_with_the_target_in_training():
    random = np.random.default_rng(0)
    levels = pl.DataFrame({"id": random.integers(0, 2000, 8000).astype(str)})
    y = random.normal(size=8000)
    encoder = Encoder(categories="target", smoothing=1.0, task="regression")
    out_of_fold = spearmanr(encoder.fit_transform(levels, y)[:, 0], y)
    in_sample = spearmanr(encoder.transform(levels)[:, 0], y)
    assert out_of_fold.pvalue > 0.01
    assert in_sample.statistic > 0.3  # what fit(X, y).transform(X) would have leaked


def test_fit_transform_and_transform_differ_only_in_target_statistics(titanic):
    table, y = titanic.drop("survived"), titanic["survived"].to_numpy()
    encoder = Encoder(categories="target")
    out_of_fold, full = encoder.fit_transform(table, y), encoder.transform(table)
    differs = np.array([": share of" in name for name in encoder.get_feature_names_out()])
    assert np.array_equal(out_of_fold[:, ~differs], full[:, ~differs])
    assert (out_of_fold[:, differs] != full[:, differs]).any(axis=0).all()


def test_folds_are_even_and_drawn_by_the_seed():
    fold = folds(103, 5, random_state=3)
    assert np.bincount(fold).tolist() == [21, 21, 21, 20, 20]
    assert np.array_equal(fold, folds(103, 5, random_state=3))
    assert not np.array_equal(fold, folds(103, 5, random_state=4))


def test_a_weight_of_k_counts_as_k_rows(ames):
    table, y = ames.select("Neighborhood"), ames["price"].to_numpy().astype(float)
    w = np.random.default_rng(0).integers(0, 4, table.height)
    repeated = np.repeat(np.arange(table.height), w)
    for smoothing in ("auto", 10.0):
        settings = {"categories": "target", "smoothing": smoothing, "task": "regression"}
        weighted = Encoder(**settings).fit(table, y, sample_weight=w).transform(table)
        plain = Encoder(**settings).fit(table[repeated], y[repeated]).transform(table)
        np.testing.assert_allclose(weighted, plain, rtol=1e-10)


def test_rows_of_weight_zero_are_encoded_but_teach_nothing(titanic):
    table, y = titanic.select("deck", "sex"), titanic["survived"].to_numpy().astype(float)
    w = np.ones(len(y))
    w[:300] = 0.0
    encoder = Encoder(categories="target", task="regression", target_folds=4)
    encoded = encoder.fit_transform(table, y, sample_weight=w)
    other = y.copy()
    other[:300] = 77.0
    assert np.array_equal(encoder.fit_transform(table, other, sample_weight=w), encoded)


def test_a_class_that_only_rows_of_weight_zero_have_is_not_learned(penguins):
    table, y = penguins.select("island"), penguins["species"].to_numpy()
    encoder = Encoder(categories="target")
    encoded = encoder.fit_transform(table, y, sample_weight=(y != "Gentoo").astype(float))
    assert list(encoder.get_feature_names_out()) == ["island: share of Chinstrap"]
    assert encoded.shape == (penguins.height, 1)


def test_one_row_and_one_class_do_not_divide_by_zero():
    assert np.isfinite(Encoder(categories="target").fit_transform(pl.DataFrame({"a": ["x"]}), [1])).all()
    same = Encoder(categories="target", smoothing="auto").fit_transform(
        pl.DataFrame({"a": ["x", "y"] * 4}), ["no"] * 8
    )
    assert np.isfinite(same).all()


def test_several_targets_are_refused(titanic):
    with pytest.raises(ValueError, match="one target"):
        Encoder(categories="target").fit(titanic, np.zeros((titanic.height, 2)))
