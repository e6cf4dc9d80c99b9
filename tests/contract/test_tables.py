"""Promise 2: tables as they are."""

from __future__ import annotations

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from sklearn.base import clone

from . import cases

FRAMES = {
    "pandas": lambda frame: frame,
    "polars": lambda frame: pl.from_pandas(frame),
    "arrow": lambda frame: pa.Table.from_pandas(frame, preserve_index=False),
}


@cases.every_estimator
@pytest.mark.parametrize("kind", FRAMES)
def test_a_table_of_strings_dates_and_gaps_is_fitted_and_predicted(estimator, kind):
    frame, y = cases.table(estimator)
    X = FRAMES[kind](frame)
    model = clone(estimator).fit(X, y)
    assert model.n_features_in_ == frame.shape[1]
    assert list(model.feature_names_in_) == list(X.column_names if kind == "arrow" else X.columns)
    for name, values in cases.outputs(model, X).items():
        assert type(values) is np.ndarray
        assert len(values) == len(frame), name


@cases.every_estimator
def test_the_frame_library_does_not_change_the_answer(estimator):
    frame, y = cases.table(estimator)
    answers = [cases.outputs(clone(estimator).fit(make(frame), y), make(frame)) for make in FRAMES.values()]
    cases.assert_same_outputs(answers[0], answers[1], rtol=1e-10, atol=1e-12)
    cases.assert_same_outputs(answers[0], answers[2], rtol=1e-10, atol=1e-12)


@cases.every_estimator
def test_levels_unseen_in_training_are_predicted(estimator):
    frame, y = cases.table(estimator)
    model = clone(estimator).fit(frame, y)
    strange = frame.head(4).assign(**{"colour <b>": "ultraviolet", "": pd.Categorical(["medium"] * 4)})
    assert len(model.predict(strange)) == 4


@cases.every_estimator
def test_a_missing_value_in_a_float_array_is_taken(estimator):
    X, y = cases.arrays(estimator)
    X[5, 2] = np.nan
    model = clone(estimator).fit(X, y)
    assert len(model.predict(X)) == len(X)


@cases.every_estimator
def test_an_object_array_with_strings_is_taken(estimator):
    X, y = cases.arrays(estimator)
    mixed = X.astype(object)
    mixed[:, 4] = np.where(X[:, 3] > np.median(X[:, 3]), "above", "below")
    model = clone(estimator).fit(mixed, y)
    assert len(model.predict(mixed)) == len(X)


@cases.every_estimator
def test_a_numeric_table_gives_what_its_array_gives(estimator):
    X, y = cases.arrays(estimator)
    frame = pl.DataFrame(X, schema=list("abcde"))
    cases.assert_same_outputs(
        cases.outputs(clone(estimator).fit(X, y), X), cases.outputs(clone(estimator).fit(frame, y), frame)
    )


@pytest.mark.parametrize("estimator", [e for e in cases.instances() if not e.needs.sparse], ids=cases.named)
def test_a_learner_of_dense_arrays_refuses_sparse_ones(estimator):
    X, y = cases.sparse(estimator)
    with pytest.raises(TypeError, match="[Ss]parse"):
        clone(estimator).fit(X, y)


@pytest.mark.parametrize("estimator", [e for e in cases.instances() if e.needs.sparse], ids=cases.named)
def test_sparse_gives_what_dense_gives(estimator):
    X, y = cases.sparse(estimator)
    dense = cases.outputs(clone(estimator).fit(X.toarray(), y), X.toarray())
    cases.assert_same_outputs(dense, cases.outputs(clone(estimator).fit(X, y), X), rtol=1e-4, atol=1e-4)


@cases.every_estimator
def test_columns_in_another_order_are_refused_by_name(estimator):
    frame, y = cases.table(estimator)
    model = clone(estimator).fit(frame, y)
    with pytest.raises(ValueError, match="feature names"):
        model.predict(frame[frame.columns[::-1]])


@cases.every_estimator
def test_a_numpy_array_goes_to_a_model_fitted_on_a_table_without_a_warning(estimator, recwarn):
    X, y = cases.arrays(estimator)
    model = clone(estimator).fit(pd.DataFrame(X, columns=list("abcde")), y)
    recwarn.clear()
    model.predict(X)
    assert not [w for w in recwarn if "feature names" in str(w.message)]
