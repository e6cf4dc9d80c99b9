"""`Encoder` as a whole: its place in scikit-learn, in a learner, in an artifact; columns by name; the form of the result."""

import numpy as np
import pandas as pd
import polars as pl
import pytest
import scipy.sparse as sp
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin, clone
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.utils.estimator_checks import parametrize_with_checks

from tripos import Encoder, Schema, load, save
from tripos.data.needs import CHOICES, Needs
from tripos.errors import ArtifactError, BudgetError, TableError


@parametrize_with_checks(
    [
        Encoder(),
        Encoder(scale="standard", dtype="float32"),
        Encoder(numbers="bins"),
        Encoder(scale="min-max", sign="non-negative", missing="native"),
    ]
)
def test_scikit_learn_accepts_the_encoder(estimator, check):
    check(estimator)


def test_numbers_pass_unchanged_and_as_a_copy():
    X = np.random.default_rng(0).normal(size=(50, 3))
    encoded = Encoder().fit_transform(X)
    assert np.array_equal(encoded, X)
    assert not np.shares_memory(encoded, X)


def test_float32_arrays_stay_float32_unless_asked_otherwise():
    X = np.ones((5, 2), dtype=np.float32)
    assert Encoder().fit_transform(X).dtype == np.float32
    assert Encoder(dtype="float64").fit_transform(X).dtype == np.float64
    assert Encoder(dtype="float32").fit_transform(pl.DataFrame({"a": ["x", "y"]})).dtype == np.float32


def test_blocks_stand_in_the_documented_order(titanic):
    names = list(Encoder().fit(titanic.drop("survived")).get_feature_names_out())
    assert names[:8] == ["pclass", "age", "sibsp", "parch", "fare", "adult_male", "alone", "age is missing"]
    assert names[8:13] == ["sex=female", "sex=male", "embarked=C", "embarked=Q", "embarked=S"]


def test_each_output_names_its_source(titanic):
    encoder = Encoder().fit(titanic)
    for name, source in zip(encoder.get_feature_names_out(), encoder.sources_):
        assert name == source or name.startswith((f"{source}=", f"{source} is "))
    assert set(encoder.sources_) == set(titanic.columns)


@pytest.mark.parametrize("categories", CHOICES["categories"])
@pytest.mark.parametrize("missing", CHOICES["missing"])
def test_pandas_arrow_and_object_arrays_give_what_polars_gives(titanic, categories, missing):
    X, y = titanic.drop("survived"), titanic["survived"].to_numpy()
    encoder = Encoder(categories=categories, missing=missing).fit(X, y)
    expected = encoder.transform(X)
    for other in (X.to_pandas(), X.to_arrow(), X.to_pandas().astype(object)):
        assert np.array_equal(encoder.transform(other), expected, equal_nan=True)
    by_position = clone(encoder).fit(X.to_pandas().to_numpy(dtype=object), y)
    assert np.array_equal(
        by_position.transform(X.to_pandas().to_numpy(dtype=object)), expected, equal_nan=True
    )


def test_columns_are_found_by_name_in_any_order(adult):
    encoder = Encoder().fit(adult)
    assert np.array_equal(encoder.transform(adult.select(adult.columns[::-1])), encoder.transform(adult))


def test_a_missing_column_is_named_with_the_closest_one(titanic):
    encoder = Encoder().fit(titanic)
    with pytest.raises(TableError, match=r"now missing:\n- fare  \(Did you mean 'fares'\?\)"):
        encoder.transform(titanic.rename({"fare": "fares"}))


def test_an_extra_column_is_an_error_without_a_schema_and_ignored_with_one(titanic):
    wider = titanic.with_columns(note=pl.lit("x"))
    with pytest.raises(ValueError, match=r"unseen at fit time:\n- note"):
        Encoder().fit(titanic).transform(wider)
    by_schema = Encoder(Schema.infer(titanic)).fit(titanic)
    with pytest.warns(UserWarning, match="note"):
        encoded = by_schema.transform(wider)
    assert np.array_equal(encoded, by_schema.transform(titanic))


@pytest.mark.parametrize("name", ["^a.*$", "*", "", "a\nb", "x0", "naïve €", "level", "rows", "a" * 300])
def test_a_column_may_have_any_name(name):
    table = pl.DataFrame({name: ["u", "v", None], f"{name}2": [1.0, None, 3.5]})
    encoder = Encoder().fit(table)
    assert encoder.transform(table).tolist() == [[1, 0, 1, 0, 0], [2.25, 1, 0, 1, 0], [3.5, 0, 0, 0, 1]]


def test_output_names_are_distinct_even_if_a_column_is_called_like_an_indicator():
    table = pl.DataFrame({"age": [1.0, None], "age is missing": [5.0, 6.0]})
    assert list(Encoder().fit(table).get_feature_names_out()) == [
        "age",
        "age is missing",
        "age is missing (2)",
    ]


def test_two_columns_of_one_name_are_refused():
    with pytest.raises(ValueError, match="more than one column named 'a'"):
        Encoder().fit(pd.DataFrame([[1, 2]], columns=["a", "a"]))


@pytest.mark.parametrize("container", ["pandas", "polars"])
def test_set_output_gives_tables_with_the_encoded_names(titanic, container):
    encoder = Encoder().set_output(transform=container)
    table = encoder.fit_transform(titanic)
    assert type(table).__module__.startswith(container)
    assert list(table.columns) == list(encoder.get_feature_names_out())


def test_set_output_makes_sparse_results_dense():
    table = pl.DataFrame({"id": [f"level {i}" for i in range(200)]})
    encoder = Encoder().fit(table)
    assert sp.issparse(encoder.transform(table))
    assert encoder.set_output(transform="polars").transform(table).shape == (200, 200)


def test_wide_tables_of_levels_become_csr_unless_the_learner_takes_none(adult):
    wide = adult.select(pl.col("fnlwgt").cast(pl.String), "age")
    sparse, dense = Encoder().fit_transform(wide), Encoder(sparse=False, max_levels=300).fit_transform(wide)
    assert sp.issparse(sparse)
    assert sparse.has_sorted_indices
    assert isinstance(dense, np.ndarray)
    assert isinstance(Encoder().fit_transform(adult), np.ndarray)


def test_csr_and_dense_hold_the_same_numbers(titanic):
    encoder = Encoder(categories="one-hot-drop", scale="standard").fit(titanic)
    pieces = encoder.stages_.pieces(encoder.stages_.cells(encoder._opened(titanic)))
    assert np.array_equal(pieces.csr(np.dtype(float)).toarray(), pieces.dense(np.dtype(float)))


def test_a_dense_result_larger_than_memory_is_refused_with_what_to_do(monkeypatch):
    monkeypatch.setenv("TRIPOS_MEMORY_LIMIT", "1")
    table = pl.DataFrame({"id": np.arange(4000).astype(str)})
    with pytest.raises(BudgetError, match="max_levels"):
        Encoder(sparse=False).fit_transform(table)


def test_infinite_numbers_are_refused_with_column_and_row():
    with pytest.raises(ValueError, match="infinity.*'b', row 1"):
        Encoder().fit(pl.DataFrame({"a": [1.0, None], "b": [2.0, -np.inf]}))


def test_a_cell_that_is_no_scalar_is_refused_with_its_place():
    X = np.array([["a", 1], [{"b": 2}, 2]], dtype=object)
    with pytest.raises(TypeError, match="column 'x0', row 1: argument must be a string, a number.*dict"):
        Encoder().fit(X)
    with pytest.raises(TypeError, match="column 'l' holds List"):
        Encoder().fit(pl.DataFrame({"l": [[1], [2]]}))


def test_a_word_in_a_column_of_numbers_is_refused_with_its_place():
    encoder = Encoder().fit(pl.DataFrame({"age": [20, 30]}))
    with pytest.raises(ValueError, match="column 'age', row 1: 'old' is not a number"):
        encoder.transform(pl.DataFrame({"age": ["20", "old"]}))


@pytest.mark.parametrize(
    ("X", "error", "words"),
    [
        (sp.csr_matrix(np.eye(3)), TypeError, "Sparse data"),
        (pl.LazyFrame({"a": [1]}), TypeError, "collect"),
        (pl.DataFrame({"a": []}), ValueError, "0 sample"),
        (pl.DataFrame(), ValueError, "0 feature"),
        (np.array([1.0, 2.0]), ValueError, "Expected 2D array"),
    ],
)
def test_what_is_no_table_is_refused(X, error, words):
    with pytest.raises(error, match=words):
        Encoder().fit(X)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"scale": "log"}, "scale"),
        ({"n_bins": 1}, "n_bins"),
        ({"fill": "mode"}, "fill"),
        ({"min_frequency": 1.5}, "min_frequency"),
        ({"sign": "non-negative", "scale": "standard"}, "negative"),
        ({"categories": "target"}, "needs y"),
        ({"numbers": "bins", "binning": "tree"}, "needs y"),
    ],
)
def test_settings_that_cannot_be_are_refused(settings, words, titanic):
    with pytest.raises(ValueError, match=words):
        Encoder(**settings).fit(titanic)


@pytest.mark.parametrize("sample_weight", [[1.0], [-1.0, 1.0], [np.nan, 1.0], [0.0, 0.0]])
def test_weights_that_count_no_rows_are_refused(sample_weight):
    with pytest.raises(ValueError, match="sample_weight"):
        Encoder().fit(pl.DataFrame({"a": [1.0, 2.0]}), sample_weight=sample_weight)


EVERY_STAGE = [
    {"scale": "robust", "dates": "cyclic"},
    {"categories": "target"},
    {"categories": "frequency", "scale": "min-max", "sign": "non-negative"},
    {"categories": "native", "missing": "native"},
    {"categories": "one-hot-drop", "numbers": "bins", "min_frequency": 30},
]


def saved_and_loaded(encoder, path):
    save(encoder, path)
    return load(path)


@pytest.mark.parametrize("settings", EVERY_STAGE)
def test_a_saved_encoder_gives_the_same_bits(flights, messages, settings, tmp_path):
    table = flights.head(2000).drop("arr_delay", "tailnum").with_columns(text=messages["text"].head(2000))
    y = flights["arr_delay"].head(2000).fill_null(0).to_numpy().astype(float)
    encoder = Encoder(Schema.infer(table), **settings).fit(table, y)
    loaded = saved_and_loaded(encoder, tmp_path / "encoder")
    a, b = (sp.csr_matrix(e.transform(table)) for e in (encoder, loaded))
    assert np.array_equal(a.indices, b.indices)
    assert np.array_equal(a.data, b.data, equal_nan=True)
    assert list(loaded.get_feature_names_out()) == list(encoder.get_feature_names_out())


@pytest.mark.parametrize(
    ("stage", "change"),
    [
        ("levels", lambda levels: levels.starts.__setitem__(1, 99)),
        ("levels", lambda levels: levels.most_frequent.__setitem__(0, 99)),
        ("lookup", lambda lookup: lookup.starts.__setitem__(1, 1)),
        ("filler", lambda filler: object.__setattr__(filler, "fill", np.zeros(99))),
        ("dates", lambda dates: object.__setattr__(dates, "columns", ["sex"])),
    ],
)
def test_an_encoder_whose_parts_do_not_fit_is_refused(titanic, tmp_path, stage, change):
    encoder = Encoder(categories="ordinal").fit(titanic)
    change(getattr(encoder.stages_, stage))
    with pytest.raises(ArtifactError):
        saved_and_loaded(encoder, tmp_path / "encoder")


class Shown(BaseEstimator):
    needs = Needs(scale="standard", categories="one-hot-drop")


class ShownClassifier(ClassifierMixin, Shown):
    pass


class ShownRegressor(RegressorMixin, Shown):
    pass


@pytest.mark.parametrize("learner", [ShownClassifier, ShownClassifier()])
def test_for_a_learner_means_its_needs_its_task_and_guessed_kinds(learner):
    encoder = Encoder.for_(learner, n_bins=7)
    chosen = {name: getattr(encoder, name) for name in ("scale", "categories", "task", "schema", "n_bins")}
    assert chosen == {
        "scale": "standard",
        "categories": "one-hot-drop",
        "task": "classification",
        "schema": "infer",
        "n_bins": 7,
    }
    assert Encoder.for_(ShownRegressor).task == "regression"


def test_plain_leaves_numbers_alone_whatever_the_needs():
    table = pl.DataFrame({"a": [-5.0, 7.0, 900.0], "b": ["x", "y", "x"]})
    needs = Needs(scale="standard", numbers="bins", sign="non-negative")
    assert Encoder.plain(needs).fit_transform(table)[:, 0].tolist() == [-5.0, 7.0, 900.0]


def test_non_negative_needs_bring_every_column_to_zero_or_more(bikes):
    class Counts(BaseEstimator):
        needs = Needs(sign="non-negative")

    table = bikes.drop("cnt", "casual", "registered").with_columns(change=pl.col("temp") - 0.5)
    encoder = Encoder.for_(Counts, Schema.infer(table)).fit(table.head(9000))
    assert encoder.transform(table).min() == 0.0


def test_inferred_kinds_leave_identifiers_out_and_read_text(messages):
    table = messages.with_row_index("id").with_columns(pl.col("id").cast(pl.String) + "-x")
    encoder = Encoder("infer").fit(table)
    assert encoder.kinds_ == {"label": "boolean", "text": "text"} or encoder.kinds_["text"] == "text"
    assert "id" not in encoder.kinds_


def test_the_target_may_stay_in_the_table_of_a_schema(telco):
    schema = Schema.infer(telco, target="Churn")
    encoder = Encoder(schema).fit(telco)
    assert "Churn" not in encoder.sources_
    assert np.array_equal(encoder.transform(telco), encoder.transform(telco.drop("Churn")))


def test_a_table_without_usable_columns_is_refused():
    table = pl.DataFrame({"same": ["a"] * 30})
    with pytest.raises(ValueError, match="no column is left"):
        Encoder("infer").fit(table)


def test_a_pipeline_of_a_scikit_learn_learner_reads_adult(adult):
    X, y = adult.drop("income"), adult["income"].to_numpy()
    pipeline = make_pipeline(
        Encoder(scale="standard", categories="one-hot-drop"), LogisticRegression(max_iter=200)
    )
    assert pipeline.fit(X[:20_000], y[:20_000]).score(X[20_000:], y[20_000:]) > 0.845


def test_arrays_after_a_named_fit_are_taken_by_position_with_scikit_learns_warning(penguins):
    numbers = penguins.select(pl.col(pl.Float64)).drop_nulls()
    encoder = Encoder().fit(numbers)
    with pytest.warns(UserWarning, match="does not have valid feature names"):
        assert np.array_equal(encoder.transform(numbers.to_numpy()), encoder.transform(numbers))
    with pytest.warns(UserWarning, match="fitted without feature names"):
        Encoder().fit(numbers.to_numpy()).transform(numbers)
