"""Each spec accepts what it declares and says of anything else which attribute it is, what it found and what it expected."""

from __future__ import annotations

import re

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from tripos import state
from tripos.state import (
    Array,
    Flag,
    Json,
    Labels,
    ListOf,
    Nested,
    NestedList,
    Number,
    OneOf,
    Strings,
    Text,
)


class Model:
    state = {"coef_": Array("f", ("features",))}


class Child(Model):
    state = {"n_iter_": Number("i"), "coef_": None}


MATRIX = sp.csr_array(np.eye(3))

ACCEPTED = [
    (Array("f", ("n", 2)), np.ones((3, 2), np.float32)),
    (Array("e", (2,)), np.ones(2, np.float16)),
    (Array("iu", (None,)), np.arange(3, dtype=np.uint8)),
    (Array("f", (("n",), ("k", "n"))), np.ones((2, 3))),
    (Array("f", None, finite=False), np.array([np.nan, np.inf])),
    (Array("f", ("n", "n"), sparse=True, low=0.0), MATRIX),
    (Array("i", (None,), low=-1, below=3), np.array([-1, 2])),
    (Array("f", (0,), low=1.0), np.empty(0)),
    (Number("i", low=0), np.int32(0)),
    (Number("f"), 3),
    (Number("f", finite=False, low=0.0), np.float32("nan")),
    (Flag(), np.bool_(True)),
    (Text(choices=("a", "b")), "b"),
    (Labels("classes"), np.array(["a", "ü"], dtype=object)),
    (Labels("classes"), np.array([False, True])),
    (Strings(2), ["x", "x"]),
    (Strings(2), np.array(["x", "y"])),
    (Json(), {"a": [1, 2.5, None, "x", True]}),
    (Nested("Model"), Model()),
    (Nested(), Child()),
    (NestedList("Model", length=2), [("first", Model()), Model()]),
    (ListOf(Labels()), [np.array([1, 2]), np.array(["a"])]),
    (OneOf(Number("f"), Array("f", ("targets",))), np.zeros(2)),
    (Array("f", ("n",), optional=True), None),
]

REFUSED = [
    (Array("f", ("n",)), [1.0], "x is list; expected an array of kind 'f'"),
    (Array("f", ("n",)), np.arange(2), "x has dtype int64; expected kind 'f'"),
    (Array("f", ("n", "n")), np.ones((2, 3)), "x has 3 n; the attributes before it have 2"),
    (Array("f", ("n",)), np.ones(2, np.float16), "x has dtype float16; expected kind 'f'"),
    (Array("f", (2,)), np.ones(3), "x has length 3 along axis 0; expected 2"),
    (Array("f", (("n",), ("k", "n"))), np.ones((1, 1, 1)), "x has shape (1, 1, 1); expected (n) or (k, n)"),
    (Array("f", ("n",)), np.array([1.0, np.nan]), "x holds NaN or infinity"),
    (Array("f", ("n",)), np.array([np.inf, -np.inf]), "x holds NaN or infinity"),
    (Array("f", ("n",), low=0.0), np.array([-1e-300]), "x holds -1e-300; expected at least 0.0"),
    (
        Array("f", ("n",), high=1.0, finite=False),
        np.array([np.nan, 2.0]),
        "x holds 2.0; expected at most 1.0",
    ),
    (Array("i", ("n",), below=3), np.array([3]), "x holds 3; expected indices below 3"),
    (Array("i", ("n",), below="rows"), np.array([0]), "length 'rows' is not known"),
    (Array("f", ("n", "n"), sparse=True), sp.csr_array([[np.nan]]), "x holds NaN or infinity"),
    (Array("f", ("n",)), None, "x is NoneType"),
    (Number("i"), 1.0, "x is float; expected an integer"),
    (Number("i"), True, "x is bool; expected an integer"),
    (Number("f"), float("inf"), "x is inf; expected a finite number"),
    (Number("f", high=1.0), 2, "x holds 2; expected at most 1.0"),
    (Flag(), 1, "x is int; expected True or False"),
    (Text(choices=("a",)), "c", "x is 'c'; expected one of 'a'"),
    (Text(max_length=3), "abcd", "x has 4 characters; expected at most 3"),
    (Text(), b"a", "x is bytes; expected a string"),
    (Labels(2), np.array([1, 2, 3]), "x has length 3 along axis 0; expected 2"),
    (Labels(), np.array([1, 1]), "x holds the same label twice"),
    (Labels(), np.array(["a", 1], dtype=object), "x[1] is int; expected a string"),
    (Labels(), np.array([0.0, np.nan]), "x holds NaN or infinity"),
    (Labels(), np.array([1j]), "x has dtype complex128"),
    (Labels(), [1], "x is list; expected an array of labels"),
    (Strings(), ["a", None], "x[1] is NoneType; expected a string"),
    (Strings(unique=True), ["a", "a"], "x holds the same string twice"),
    (Strings(), np.arange(2), "x[0] is int64; expected a string"),
    (Strings(), "ab", "x is str; expected strings"),
    (Json(), {"a": (1,)}, "x['a'] is tuple; expected plain data"),
    (Json(), {"a": [np.float64(1)]}, "x['a'][0] is float64; expected plain data"),
    (Json(), {1: 2}, "x has a key of type int"),
    (Json(max_bytes=10), ["0123456789"], "x takes 14 bytes as JSON; expected at most 10"),
    (Nested("Encoder"), Model(), "x is Model; expected Encoder"),
    (Nested(), object(), "x is object; expected an object that can be saved"),
    (NestedList("Model"), [Model(), 3], "x[1] is int; expected Model"),
    (NestedList("Model"), Model(), "x is Model; expected a list of objects"),
    (ListOf(Number("i")), [1, "a"], "x[1] is str; expected an integer"),
    (ListOf(Number("i"), 1), [1, 2], "x has length 2 along axis 0; expected 1"),
    (OneOf(Number("f"), Flag()), "a", "x is str; expected a number / x is str; expected True or False"),
]


def readable(item: object) -> str:
    """A name for a case, the same in every process: no addresses."""
    return re.sub(r" at 0x[0-9a-f]+", "", str(item))[:60]


@pytest.mark.parametrize(("spec", "value"), ACCEPTED, ids=readable)
def test_what_a_spec_declares_passes(spec, value):
    assert spec.validate(value, {}, "x") is None


@pytest.mark.parametrize(("spec", "value", "message"), REFUSED, ids=readable)
def test_what_a_spec_does_not_declare_is_named_with_what_was_expected(spec, value, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        spec.validate(value, {}, "x")


def test_a_symbol_has_one_length_in_the_whole_object():
    specs = {"coef_": Array("f", ("classes", "features")), "classes_": Labels("classes")}
    values = {"coef_": np.ones((2, 5)), "classes_": np.array([0, 1])}
    assert state.check(values, specs) == {"classes": 2, "features": 5}
    with pytest.raises(ValueError, match="classes_ has 3 classes; the attributes before it have 2"):
        state.check({**values, "classes_": np.array([0, 1, 2])}, specs)


def test_a_number_can_bind_the_length_that_arrays_have():
    specs = {"n_features_in_": Number("i", binds="features"), "mean_": Array("f", ("features",))}
    with pytest.raises(ValueError, match="mean_ has 4 features; the attributes before it have 3"):
        state.check({"n_features_in_": 3, "mean_": np.zeros(4)}, specs)


def test_an_alternative_that_fails_binds_nothing():
    either = OneOf(Array("f", ("k", "n"), high=0.0), Array("f", ("n", "k")))
    dims: dict[str, int] = {}
    either.validate(np.ones((2, 3)), dims, "x")
    assert dims == {"n": 2, "k": 3}


def test_missing_and_undeclared_attributes_are_named():
    specs = {"a_": Flag(), "b_": Flag(optional=True)}
    with pytest.raises(ValueError, match="a_ is missing"):
        state.check({"b_": None}, specs)
    with pytest.raises(ValueError, match="c_: not declared"):
        state.check({"a_": True, "c_": 1}, specs)


def test_a_subclass_adds_to_its_bases_state_and_takes_away_with_none():
    assert list(state.declared(Child)) == ["n_iter_"]


@given(arrays(np.float64, (7,), elements=st.floats(allow_nan=True, allow_infinity=True)))
def test_finite_means_what_numpy_says(values):
    try:
        Array("f", (7,)).validate(values, {}, "x")
        accepted = True
    except ValueError:
        accepted = False
    assert accepted == np.isfinite(values).all()


@given(arrays(np.int64, (5,)), st.integers(-(2**63), 2**63 - 1))
def test_below_means_every_value(values, limit):
    try:
        Array("i", (5,), below=limit).validate(values, {}, "x")
        accepted = True
    except ValueError:
        accepted = False
    assert accepted == bool((values < limit).all())
