"""The baselines: scikit-learn's answers, whatever the table holds, with weights that mean rows."""

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn import dummy as peer

import tripos
from tripos import DummyClassifier, DummyRegressor
from tripos.supervised.dummy.regressor import weighted_quantile

STRATEGIES = [
    {"strategy": "most_frequent"},
    {"strategy": "prior"},
    {"strategy": "stratified", "random_state": 3},
    {"strategy": "uniform", "random_state": 3},
    {"strategy": "constant", "constant": "spam"},
]


@pytest.fixture(scope="module")
def messages(sms_spam_file):
    frame = pl.read_csv(sms_spam_file, separator="\t", quote_char=None)
    return frame[:, 1].to_list(), frame[:, 0].to_numpy()


@pytest.fixture(scope="module")
def diamonds(data_file):
    frame = pl.read_csv(data_file("seaborn/diamonds.csv.gz"), n_rows=3000)
    return frame.drop("price"), frame["price"].to_numpy()


@pytest.mark.parametrize("parameters", STRATEGIES, ids=lambda p: p["strategy"])
def test_every_strategy_answers_as_scikit_learn_does(messages, parameters):
    texts, y = messages
    ours, theirs = (
        DummyClassifier(**parameters).fit(texts, y),
        peer.DummyClassifier(**parameters).fit(texts, y),
    )
    np.testing.assert_array_equal(ours.predict(texts), theirs.predict(texts))
    np.testing.assert_array_equal(ours.predict_proba(texts), theirs.predict_proba(texts))
    with np.errstate(divide="ignore"):
        np.testing.assert_array_equal(ours.predict_log_proba(texts), theirs.predict_log_proba(texts))


@pytest.mark.parametrize("parameters", STRATEGIES, ids=lambda p: p["strategy"])
def test_several_outputs_answer_as_scikit_learn_does(parameters):
    y = np.array([["spam", "x"], ["ham", "y"], ["spam", "x"], ["spam", "z"]])
    if parameters["strategy"] == "constant":
        parameters = {"strategy": "constant", "constant": ["spam", "z"]}
    X = np.zeros((4, 2))
    ours, theirs = DummyClassifier(**parameters).fit(X, y), peer.DummyClassifier(**parameters).fit(X, y)
    np.testing.assert_array_equal(ours.predict(X), theirs.predict(X))
    for mine, other in zip(ours.predict_proba(X), theirs.predict_proba(X)):
        np.testing.assert_array_equal(mine, other)


@pytest.mark.parametrize(
    "parameters",
    [
        {},
        {"strategy": "median"},
        {"strategy": "quantile", "quantile": 0.9},
        {"strategy": "constant", "constant": 7.5},
    ],
)
def test_the_constant_of_a_regression_is_scikit_learns(diamonds, parameters):
    X, y = diamonds
    ours, theirs = (
        DummyRegressor(**parameters).fit(X, y),
        peer.DummyRegressor(**parameters).fit(np.zeros((len(y), 1)), y),
    )
    np.testing.assert_allclose(ours.constant_, theirs.constant_, rtol=1e-12)
    np.testing.assert_allclose(ours.predict(X[:3]), theirs.predict(np.zeros((3, 1))), rtol=1e-12)


def test_several_targets_have_a_constant_each():
    y = np.array([[1.0, 10.0], [3.0, 30.0]])
    model = DummyRegressor().fit(np.zeros((2, 1)), y)
    values, deviation = model.predict(np.zeros((5, 1)), return_std=True)
    np.testing.assert_array_equal(values, np.tile([2.0, 20.0], (5, 1)))
    assert not deviation.any()


@given(st.lists(st.tuples(st.floats(-1e3, 1e3), st.integers(1, 4)), min_size=1, max_size=30), st.floats(0, 1))
def test_a_weighted_quantile_is_that_of_repeated_rows(rows, q):
    y, weights = np.array([value for value, _ in rows]), np.array([weight for _, weight in rows])
    expected = np.quantile(np.repeat(y, weights), q)
    np.testing.assert_allclose(
        weighted_quantile(y[:, None], q, weights.astype(float)), [expected], rtol=1e-9, atol=1e-9
    )


def test_rows_of_weight_zero_are_not_there():
    model = DummyClassifier().fit(np.zeros((3, 1)), ["a", "b", "b"], sample_weight=[2.0, 1.0, 0.0])
    np.testing.assert_allclose(model.class_prior_, [2 / 3, 1 / 3])


def test_a_table_is_counted_and_its_columns_remembered(diamonds):
    X, y = diamonds
    model = DummyRegressor().fit(X, y)
    assert list(model.feature_names_in_) == X.columns
    with pytest.raises(ValueError, match="feature names"):
        model.predict(X[:, ::-1])


def test_a_file_larger_than_memory_is_read_for_its_target_only(tmp_path):
    pl.DataFrame({"a": [1, 2, 3, 4], "t": ["u", "v", "v", "v"]}).write_parquet(tmp_path / "t.parquet")
    model = DummyClassifier().fit(tripos.scan(tmp_path / "t.parquet", target="t", rows=2))
    np.testing.assert_array_equal(model.class_prior_, [0.25, 0.75])
    assert list(model.feature_names_in_) == ["a"]


@pytest.mark.parametrize(
    ("model", "error", "message"),
    [
        (DummyClassifier(strategy="constant"), ValueError, "has to be specified"),
        (
            DummyClassifier(strategy="constant", constant=5),
            ValueError,
            "must be present in the training data",
        ),
        (DummyClassifier(strategy="constant", constant=[0, 1]), ValueError, r"should have shape \(1, 1\)"),
        (DummyRegressor(strategy="constant"), TypeError, "has to be specified"),
        (DummyRegressor(strategy="constant", constant=[0, 1]), ValueError, r"should have shape \(1, 1\)"),
        (DummyRegressor(strategy="quantile"), ValueError, "specify the desired quantile"),
    ],
)
def test_what_a_strategy_lacks_is_said(model, error, message):
    with pytest.raises(error, match=message):
        model.fit(np.zeros((2, 1)), [0, 1])


def test_score_needs_no_rows(messages):
    texts, y = messages
    assert DummyClassifier().fit(texts, y).score(None, y) == pytest.approx(np.mean(y == "ham"))
    assert DummyRegressor().fit([0, 0], [1.0, 3.0]).score(None, [1.0, 3.0]) == 0.0


@pytest.mark.parametrize(
    "y", [["a", "b", "a"], np.array([["a", "x"], ["b", "x"], ["a", "y"]])], ids=["one", "two"]
)
def test_saved_and_loaded_it_predicts_the_same(y, tmp_path):
    model = DummyClassifier().fit(np.zeros((3, 2)), y)
    tripos.save(model, tmp_path / "m.tripos")
    np.testing.assert_array_equal(
        tripos.load(tmp_path / "m.tripos").predict(np.zeros((4, 2))), model.predict(np.zeros((4, 2)))
    )


def test_summary_says_what_is_predicted(messages):
    assert (
        DummyClassifier().fit(*messages).summary().splitlines()[0].endswith("predicts ham whatever the row")
    )
    assert "predicts 2 whatever" in DummyRegressor().fit([0, 0], [1.0, 3.0]).summary()
