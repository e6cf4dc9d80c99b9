"""What is saved comes back: the same type, the same dtype, the same bits."""

from __future__ import annotations

import math

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from sklearn.pipeline import Pipeline
from sklearn.utils.validation import check_is_fitted

import tripos
from tripos import artifact
from tripos.artifact.classes import _functions
from tripos.errors import ArtifactError

from . import toys


def round_trip(model, folder):
    return artifact.load(artifact.save(model, folder / "model.tripos"))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("artifacts")


def same(a, b) -> bool:
    """Equal with equal types all the way down; NaN is NaN, and -0.0 is not 0.0."""
    if type(a) is not type(b):
        return False
    if isinstance(a, np.ndarray) and a.dtype == object:
        return a.shape == b.shape and all(map(same, a.tolist(), b.tolist()))
    if isinstance(a, (np.ndarray, np.generic)):
        return a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == b.tobytes()
    if isinstance(a, dict):
        return len(a) == len(b) and all(same(x, y) for x, y in zip(a.items(), b.items()))
    if isinstance(a, (list, tuple)):
        return len(a) == len(b) and all(map(same, a, b))
    if isinstance(a, float):
        return math.isnan(a) and math.isnan(b) or (a == b and math.copysign(1, a) == math.copysign(1, b))
    return bool(a == b)


VALUES = [
    None,
    True,
    2**53,
    -(2**53),
    2**53 - 1,
    -(2**200),
    -0.0,
    5e-324,
    1.7976931348623157e308,
    float("nan"),
    float("-inf"),
    "",
    'größe \u2028 \U0001f600 \ud800 \x00 " \\ $',
    [],
    (),
    {},
    [1, (2.0, [None, "x"])],
    {"$": 1, "$$": {"$": "object"}},
    {1: "a", 2.5: "b", None: "c", False: "d", ("x", 1): "e", np.int8(3): "f"} | {"s": 0},
    np.float32(0.1),
    np.float64("nan"),
    np.float16(65504),
    np.int8(-128),
    np.uint64(2**64 - 1),
    np.bool_(True),
    np.str_("é"),
    np.datetime64("2024-02-29T12:00:00.123456789"),
    np.datetime64("NaT", "D"),
    np.timedelta64(-5, "h"),
    np.dtype("float32"),
    np.dtype("M8[us]"),
    np.dtype("U7"),
    np.float64,
    float,
    np.array(3.5),
    np.empty((0, 4), np.float32),
    np.arange(6.0).reshape(2, 3),
    np.asfortranarray(np.arange(6).reshape(2, 3)),
    np.arange(24, dtype=np.int16).reshape(2, 3, 4).transpose(2, 0, 1),
    np.arange(10)[::-3],
    np.array([True, False]),
    np.array(["a", "longer", "\U0001f600"]),
    np.array(["2024-01-01", "NaT"], dtype="M8[D]"),
    np.array(["a", "", "\x00b\x00", "\ud83d", "日本"], dtype=object),
    np.array([], dtype=object),
    np.array([1, "a", None, 2.5, float("nan"), True, np.float32(1.5)], dtype=object),
]


@pytest.mark.parametrize("value", VALUES, ids=lambda value: repr(value)[:50])
def test_a_parameter_keeps_its_value_and_type(value, folder):
    model = round_trip(toys.Line(extra=value), folder)
    if isinstance(value, np.ndarray):
        value = value.copy(order="K")
    assert same(model.extra, value)


json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**300), 2**300)
    | st.floats()
    | st.text(st.characters(codec=None)),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.tuples(inner, inner)
        | st.dictionaries(st.text(max_size=3) | st.integers(), inner, max_size=4)
    ),
    max_leaves=20,
)


@settings(max_examples=150, deadline=None)
@given(json_values)
def test_any_plain_value_comes_back(folder, value):
    assert same(round_trip(toys.Line(extra=value), folder).extra, value)


any_array = hnp.arrays(
    st.sampled_from(["?", "i1", "u2", "<i4", ">i8", "u8", "f2", "f4", "<f8", ">f8", "M8[s]", "m8[ns]", "U3"]),
    hnp.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=5),
)


@settings(max_examples=150, deadline=None)
@given(any_array, st.booleans())
def test_any_array_comes_back_in_its_memory_order(folder, array, transpose):
    array = array.T if transpose else array
    found = round_trip(toys.Line(extra=array), folder).extra
    native = array.astype(array.dtype.newbyteorder("="))
    assert same(found, native.copy(order="K"))
    assert found.flags.f_contiguous or not array.flags.f_contiguous
    assert found.flags.writeable


def test_an_array_of_variable_width_strings_comes_back(folder):
    value = np.array(["a", "日本" * 40, ""], dtype=np.dtypes.StringDType())
    found = round_trip(toys.Line(extra=value), folder).extra
    assert found.dtype == value.dtype
    assert found.tolist() == value.tolist()


@pytest.mark.parametrize("kind", [sp.csr_matrix, sp.csc_matrix, sp.csr_array, sp.csc_array])
def test_a_sparse_matrix_comes_back_as_the_same_class(kind, folder):
    model = toys.Scale().fit(np.eye(3) + 1)
    model.graph_ = kind(sp.random(7, 5, 0.4, random_state=0))
    found = round_trip(model, folder).graph_
    assert type(found) is kind
    assert (found != model.graph_).nnz == 0


@pytest.mark.parametrize(
    "labels",
    [
        np.array([False, True]),
        np.array([3, 7], dtype=np.int8),
        np.array([0.5, 1.5], dtype=np.float32),
        np.array(["no", "yes"]),
        np.array(["nein", "jä"], dtype=object),
    ],
    ids=lambda labels: labels.dtype.str,
)
def test_class_labels_keep_their_dtype(labels, folder):
    X, y = toys.data()
    model = toys.Line().fit(X, labels[(y > 0).astype(int)])
    model.classes_ = model.classes_.astype(labels.dtype)
    found = round_trip(model, folder)
    assert same(found.classes_, model.classes_)
    assert same(found.predict(X), model.predict(X))


def test_predictions_are_bit_equal_and_caches_are_rebuilt(line, folder):
    X, _ = toys.data(seed=9)
    found = round_trip(line, folder)
    assert same(found.decision_function(X), line.decision_function(X))
    assert same(found._norms, line._norms)


def test_objects_inside_objects_come_back(folder):
    X, y = toys.data()
    model = toys.Vote(base=toys.Line(C=3.0)).fit(X, y)
    found = round_trip(model, folder)
    assert same(found.predict(X), model.predict(X))
    assert found.base.C == 3.0
    assert [name for name, _ in found.named_] == ["a"]


def test_a_pipeline_comes_back_with_its_steps_and_its_output_format(folder):
    X, y = toys.data()
    inner = Pipeline([("scale", toys.Scale()), ("nothing", "passthrough")])
    model = Pipeline([("inner", inner), ("none", None), ("line", toys.Line())], verbose=False).fit(X, y)
    inner.set_output(transform="pandas")
    found = round_trip(model, folder)
    assert [name for name, _ in found.steps] == ["inner", "none", "line"]
    assert same(found[:-1].transform(X).to_numpy(), model[:-1].transform(X).to_numpy())
    assert same(found[-1].decision_function(X), model[-1].decision_function(X))


def test_an_estimator_that_was_never_fitted_comes_back_unfitted(folder):
    found = round_trip(toys.Line(C=7.0), folder)
    assert found.C == 7.0
    with pytest.raises(ValueError, match="not fitted"):
        check_is_fitted(found)


def test_a_frozen_object_without_parameters_comes_back(folder):
    assert round_trip(toys.Point(1.5, ["a", "b"]), folder) == toys.Point(1.5, ["a", "b"])


def test_a_class_may_save_something_else_than_its_attributes(folder):
    assert round_trip(toys.Log(), folder).text == "one\ntwo"


def test_a_function_is_saved_by_the_name_it_is_registered_under(folder, monkeypatch):
    monkeypatch.setitem(_functions, "log1p", np.log1p)
    file = artifact.save(toys.Line(extra=np.log1p), folder / "f.tripos")
    assert artifact.load(file).extra is np.log1p
    monkeypatch.delitem(_functions, "log1p")
    with pytest.raises(ArtifactError, match="'log1p', which is not registered here"):
        artifact.load(file)


def test_a_name_cannot_be_registered_for_two_functions(monkeypatch):
    monkeypatch.setitem(_functions, "log1p", np.log1p)
    artifact.register_callable("log1p", np.log1p)
    with pytest.raises(ValueError, match="another function is registered as 'log1p'"):
        artifact.register_callable("log1p", np.exp)


def test_the_same_model_gives_the_same_bytes(line, folder):
    first, second = (artifact.save(line, folder / name) for name in ("a.tripos", "b.tripos"))
    assert first.read_bytes() == second.read_bytes()


def test_a_signed_file_loads_with_its_key_and_without_one(line, folder):
    file = artifact.save(line, folder / "signed.tripos", key="schlüssel")
    assert artifact.load(file, key="schlüssel".encode()).C == line.C
    assert artifact.load(file).C == line.C


def test_save_and_load_are_public_names(line, folder):
    assert tripos.load(tripos.save(line, folder / "public.tripos")).C == line.C
