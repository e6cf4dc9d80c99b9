"""Promise 8: saved whole, loaded bit for bit, and nothing that was altered reaches a kernel."""

from __future__ import annotations

import io
import pickle
from copy import deepcopy
from typing import Any

import numpy as np
import pytest
from sklearn.base import clone, is_classifier
from sklearn.exceptions import NotFittedError
from sklearn.pipeline import Pipeline

import tripos
from tripos.artifact.encode import state_of
from tripos.errors import ArtifactError
from tripos.state import Array, OneOf, declared

from ..artifact.forging import damaged, pack, replace_array, unpack
from . import cases

KINDS = {
    "float64": cases.arrays,
    "float32": lambda estimator: (cases.arrays(estimator)[0].astype(np.float32), cases.arrays(estimator)[1]),
    "sparse": cases.sparse,
    "table": cases.table,
}


KEPT: dict[tuple[str, str], tuple[Any, Any, Any]] = {}


def fitted(estimator: Any, kind: str) -> tuple[Any, Any, Any]:
    """A fitted clone, its input and its target; the last ones are kept, for no test here changes them."""
    name = (cases.named(estimator), kind)
    if name not in KEPT:
        if len(KEPT) > 8:
            KEPT.clear()
        KEPT[name] = fit(estimator, kind)
    return KEPT[name]


def fit(estimator: Any, kind: str) -> tuple[Any, Any, Any]:
    if kind == "sparse" and not estimator.needs.sparse:
        pytest.skip(f"{type(estimator).__name__} takes no sparse input")
    X, y = KINDS[kind](estimator)
    return clone(estimator).fit(X, y), X, y


def round_trip(model: Any, folder: Any, **options: Any) -> Any:
    return tripos.load(tripos.save(model, folder / "model.tripos", **options), **options)


@pytest.mark.parametrize("kind", KINDS)
@cases.every_estimator
def test_a_loaded_estimator_says_the_same_bit_for_bit(estimator, kind, tmp_path):
    model, X, _ = fitted(estimator, kind)
    found = round_trip(model, tmp_path)
    assert type(found) is type(model)
    cases.assert_same_outputs(cases.outputs(model, X), cases.outputs(found, X))
    cases.assert_same_outputs(cases.outputs(model, X[:1]), cases.outputs(found, X[:1]))


@pytest.mark.parametrize("kind", ["float64", "table"])
@cases.every_estimator
def test_parameters_and_state_come_back_with_their_types(estimator, kind, tmp_path):
    model, _, _ = fitted(estimator, kind)
    found = round_trip(model, tmp_path, key="secret")
    assert repr(found.get_params()) == repr(model.get_params())
    before, after = state_of(model), state_of(found)
    assert before.keys() == after.keys()
    for name, value in before.items():
        assert type(after[name]) is type(value), name
        if isinstance(value, np.ndarray):
            assert after[name].dtype == value.dtype, name
            np.testing.assert_array_equal(after[name], value, err_msg=name)


@pytest.mark.parametrize("kind", ["float64", "table"])
@cases.every_estimator
def test_a_loaded_estimator_shows_and_refits_like_the_saved_one(estimator, kind, tmp_path):
    model, X, y = fitted(estimator, kind)
    found = round_trip(model, tmp_path)
    assert found.summary() == model.summary()
    cases.assert_same_outputs(
        cases.outputs(clone(model).fit(X, y), X), cases.outputs(clone(found).fit(X, y), X)
    )


@cases.every_estimator
def test_an_estimator_that_was_not_fitted_comes_back_unfitted(estimator, tmp_path):
    found = round_trip(estimator, tmp_path)
    assert repr(found.get_params()) == repr(estimator.get_params())
    with pytest.raises(NotFittedError):
        found.predict(cases.arrays(estimator)[0])


@pytest.mark.parametrize("estimator", cases.merging(), ids=cases.named)
def test_learning_goes_on_after_loading(estimator, tmp_path):
    X, y = cases.arrays(estimator)
    options = {"classes": np.unique(y)} if is_classifier(estimator) else {}
    first = clone(estimator).partial_fit(X[:100], y[:100], **options)
    found = round_trip(first, tmp_path)
    for model in (first, found):
        model.partial_fit(X[100:], y[100:])
    cases.assert_same_outputs(cases.outputs(first, X), cases.outputs(found, X))


@cases.every_class
def test_a_pipeline_with_its_preparation_comes_back(cls, tmp_path):
    learner = cls()
    frame, y = cases.table(learner)
    model = Pipeline([("prepare", tripos.Encoder.for_(learner)), ("learn", learner)]).fit(frame, y)
    cases.assert_same_outputs(cases.outputs(model, frame), cases.outputs(round_trip(model, tmp_path), frame))


@pytest.mark.parametrize("kind", ["float64", "table"])
@cases.every_class
def test_no_array_cut_short_reaches_a_kernel(cls, kind, tmp_path):
    """Each array in turn loses its last entry along each axis, with fresh checksums: refused, or without effect."""
    model, X, _ = fitted(cls(), kind)
    content, entries = unpack(tripos.save(model, tmp_path / "model.tripos"))
    expected = cases.outputs(model, X)
    for part in content["parts"]:
        array = np.lib.format.read_array(io.BytesIO(entries[part["name"]]))
        for axis in range(array.ndim):
            if not array.shape[axis]:
                continue
            cut = {"parts": [dict(line) for line in content["parts"]]}
            changed = dict(entries)
            replace_array(cut, changed, part["name"], np.take(array, range(array.shape[axis] - 1), axis=axis))
            forged = pack(tmp_path / "forged.tripos", {**content, **cut}, changed)
            try:
                found = tripos.load(forged)
            except ArtifactError:
                continue
            cases.assert_same_outputs(expected, cases.outputs(found, X))


@cases.every_class
def test_a_nan_in_what_is_declared_finite_is_refused(cls, tmp_path):
    model, _, _ = fitted(cls(), "float64")
    content, entries = unpack(tripos.save(model, tmp_path / "model.tripos"))
    tried = 0
    for name, spec in declared(cls).items():
        options = spec.specs if isinstance(spec, OneOf) else (spec,)
        value = content["model"]["state"].get(name)
        finite = any(isinstance(option, Array) and option.finite for option in options)
        if not finite or not isinstance(value, dict) or value["$"] != "array":
            continue
        array = np.lib.format.read_array(io.BytesIO(entries[value["part"]])).copy()
        if array.dtype.kind != "f" or not array.size:
            continue
        array.flat[-1] = np.nan
        forged, changed = deepcopy(content), dict(entries)
        replace_array(forged, changed, value["part"], array)
        with pytest.raises(ArtifactError, match=f"{name} holds NaN or infinity"):
            tripos.load(pack(tmp_path / "forged.tripos", forged, changed))
        tried += 1
    assert tried


@cases.every_class
def test_a_damaged_file_is_refused_or_says_the_same(cls, tmp_path):
    model, X, _ = fitted(cls(), "table")
    raw = tripos.save(model, tmp_path / "model.tripos").read_bytes()
    rng = np.random.default_rng(0)
    refused = 0
    for _ in range(60):
        (tmp_path / "damaged.tripos").write_bytes(damaged(raw, rng))
        try:
            found = tripos.load(tmp_path / "damaged.tripos")
        except ArtifactError:
            refused += 1
        else:
            np.testing.assert_array_equal(found.predict(X), model.predict(X))
    assert refused > 50


@cases.every_class
def test_a_pickle_is_no_model(cls, tmp_path):
    (tmp_path / "model.tripos").write_bytes(pickle.dumps(cls()))
    with pytest.raises(ArtifactError, match="it is not a saved model"):
        tripos.load(tmp_path / "model.tripos")
