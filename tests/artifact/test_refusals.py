"""Files written by someone who knows the format: every checksum is fresh and true, and still nothing gets through."""

from __future__ import annotations

import io
import json
import os
import pickle
from typing import Any

import joblib
import numpy as np
import pytest
import scipy.sparse as sp
from sklearn.pipeline import Pipeline

from tripos import artifact
from tripos.artifact import manifest
from tripos.errors import ArtifactError

from . import toys
from .forging import declare, npy, pack, part_of, replace_array, unpack


@pytest.fixture
def opened(line, tmp_path):
    """The manifest and the entries of a saved classifier."""
    return unpack(artifact.save(line, tmp_path / "m.tripos"))


@pytest.fixture
def refused(tmp_path):
    """`refused(manifest, entries, message)`: packs the file again and expects that message."""

    def check(content: Any, entries: dict[str, bytes], message: str) -> None:
        with pytest.raises(ArtifactError, match=message):
            artifact.load(pack(tmp_path / "forged.tripos", content, entries))

    return check


def opened_model(model: Any, tmp_path) -> tuple[dict[str, Any], dict[str, bytes]]:
    return unpack(artifact.save(model, tmp_path / "other.tripos"))


# ---- the manifest ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"version": 2, "tripos": "9.1", "news": 1},
            "format version 2, written by tripos 9.1; .* update tripos",
        ),
        ({"version": 0}, "fields of format version 1"),
        ({"version": True}, "fields of format version 1"),
        ({"version": "1"}, "fields of format version 1"),
        ({"version": 1.0}, "fields of format version 1"),
        ({"format": "skops"}, "not that of a saved model of tripos"),
        ({"extra": 1}, "fields of format version 1"),
        ({"parts": {}}, "no list of parts"),
        ({"parts": [1]}, "does not have the fields"),
        ({"parts": []}, "which its manifest does not declare"),
        ({"model": None}, "describes no model"),
        ({"model": [1, 2]}, "describes no model"),
        ({"model": {"$": "tuple", "items": []}}, "describes no model"),
    ],
    ids=str,
)
def test_a_manifest_of_another_form_is_refused(opened, refused, changes, message):
    content, entries = opened
    refused({**content, **changes}, entries, message)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b"", "not valid JSON"),
        (b"[1]", "not that of a saved model"),
        (b"null", "not that of a saved model"),
        (b'{"a":1,"a":2}', "same key twice"),
        (b'{"a":NaN}', "token NaN"),
        (b'{"a":-Infinity}', "token -Infinity"),
        (b'{"a":1e999}', "the number 1e999, too long or too large"),
        (b'{"a":' + b"1" * 41 + b"}", "too large for a plain number"),
        (b'{"a":9007199254740992}', "too large for a plain number"),
        (b'{"a":1.' + b"0" * 5000 + b"}", "too long or too large"),
        (b"[" * 100_000, "nested more than 128 deep"),
        (b'{"a":' * 200, "nested more than 128 deep"),
        (b'["\\\\",' * 200, "nested more than 128 deep"),
        (b"[" + b"[]," * (1 << 20), "lists and objects, more than"),
        (b" " * (manifest.MAX_BYTES + 1), "more than 16777216"),
        ('{"a":"é"}'.encode(), "not valid JSON"),
        ('{"format":"tripos-artifact"}'.encode("utf-16"), "not valid JSON"),
        (b"\xef\xbb\xbf{}", "not valid JSON"),
        (b"{} trailing", "not valid JSON"),
        (pickle.dumps({"format": "tripos-artifact"}), "not valid JSON"),
    ],
    ids=lambda item: item if isinstance(item, str) else "",
)
def test_a_manifest_that_is_not_bounded_json_is_refused(refused, text, message):
    refused(text, {}, message)


def test_brackets_inside_strings_are_no_nesting(line, tmp_path):
    line.extra = '[[[["{\\' * 100
    assert artifact.load(artifact.save(line, tmp_path / "m.tripos")).extra == line.extra


def test_an_entry_that_no_one_declares_is_refused(opened, refused):
    content, entries = opened
    refused(
        content, {**entries, "more.npy": npy(np.ones(3))}, "'more.npy', which its manifest does not declare"
    )


# ---- classes, parameters, state -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name",
    ["os.system", "builtins.eval", "Nothing", "run", "save", "ArtifactError", "tripos.errors.ArtifactError", "__class__", 3, None, ["Line"]],
)  # fmt: skip
def test_only_public_classes_with_a_state_are_loaded(opened, refused, name):
    content, entries = opened
    content["model"]["class"] = name
    refused(content, entries, "is not a class that this version of tripos can load")


def test_a_swapped_class_is_refused(opened, refused):
    content, entries = opened
    content["model"] |= {"class": "Tree", "params": {}}
    refused(content, entries, "Tree: .*not declared in the class's state")


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"C": -1.0}, "The 'C' parameter of Line must be"),
        ({"C": "large"}, "The 'C' parameter of Line must be"),
        ({"C": {"$": "float", "value": "nan"}}, "The 'C' parameter of Line must be"),
        ({"C": 1.0, "D": 1.0}, "Line has no parameter 'D'"),
        ({"self": 1.0}, "Line has no parameter 'self'"),
        ([], "no dict of parameters or state"),
        ({"$": "int", "hex": "0x1"}, "no dict of parameters or state"),
    ],
    ids=str,
)
def test_parameters_pass_the_constructor_and_its_constraints(opened, refused, params, message):
    content, entries = opened
    content["model"]["params"] = params
    refused(content, entries, message)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"predict": 1}, "predict: not declared"),
        ({"_norms": 1}, "_norms: not declared"),
        ({"__class__": 1}, "__class__: not declared"),
        ({"__dict__": {}}, "__dict__: not declared"),
        ({"n_features_in_": 5}, "has 5 features; the attributes before it have 4"),
        ({"n_features_in_": 0}, "n_features_in_ holds 0; expected at least 1"),
        ({"n_features_in_": True}, "n_features_in_ is bool"),
        ({"intercept_": "high"}, "intercept_ is str; expected an array"),
        ({"_sklearn_output_config": {"transform": "os"}}, "expected transform = default, pandas or polars"),
        ({"_sklearn_output_config": [1]}, "expected transform = default, pandas or polars"),
        ({"feature_names_in_": ["a"]}, "feature_names_in_ has 1 features"),
        ({"history_": {"$": "tuple", "items": []}}, "history_ is tuple; expected plain data"),
    ],
    ids=str,
)
def test_state_follows_its_declaration(opened, refused, changes, message):
    content, entries = opened
    content["model"]["state"] |= changes
    refused(content, entries, message)


def test_a_missing_attribute_is_refused(opened, refused):
    content, entries = opened
    content["model"]["state"]["n_iter_"] = content["model"]["state"].pop("n_features_in_")
    refused(content, entries, "n_iter_: not declared")
    content["model"]["state"].pop("n_iter_")
    refused(content, entries, "n_features_in_ is missing")


@pytest.mark.parametrize(
    ("ending", "change", "message"),
    [
        ("coef_", lambda a: a[:, :-1], "the attributes before it have"),
        ("coef_", lambda a: a[0], r"coef_ has shape \(4\); expected \(classes, features\)"),
        ("coef_", lambda a: a.astype(int), "coef_ has dtype int64; expected kind 'f'"),
        ("coef_", lambda a: np.full_like(a, np.nan), "coef_ holds NaN or infinity"),
        ("coef_", lambda a: np.full_like(a, -np.inf), "coef_ holds NaN or infinity"),
        ("coef_", lambda a: a.view("M8[s]"), "coef_ has dtype datetime64"),
        ("coef_", lambda a: np.empty((3, 0)), "the attributes before it have"),
        ("classes_", lambda a: np.array([0, 0, 1]), "classes_ holds the same label twice"),
        ("classes_", lambda a: np.arange(4), "the attributes before it have"),
    ],
    ids=lambda item: item if isinstance(item, str) else "",
)
def test_arrays_with_fresh_checksums_are_validated(opened, refused, ending, change, message):
    content, entries = opened
    name = part_of(content, ending)
    array = np.lib.format.read_array(io.BytesIO(entries[name]))
    replace_array(content, entries, name, change(array))
    refused(content, entries, message)


@pytest.mark.parametrize(
    ("attribute", "values", "message"),
    [
        ("left_", [5, 3, -1, -1, -1], "left_ holds 5; expected indices below 5"),
        ("left_", [-2, 3, -1, -1, -1], "left_ holds -2; expected at least -1"),
        ("left_", [0, 3, -1, -1, -1], "a child stands before its parent"),
        ("right_", [2, 0, -1, -1, -1], "a child stands before its parent"),
        ("right_", [-1, 4, -1, -1, -1], "a node has one child"),
        ("feature_", [4, 1, 0, 0, 0], "splits on a feature that is not there"),
        ("feature_", [-1, 1, 0, 0, 0], "feature_ holds -1"),
        ("feature_", [2**62, 1, 0, 0, 0], "splits on a feature that is not there"),
    ],
)
def test_a_tree_that_would_crash_or_never_return_is_refused(attribute, values, message, refused, tmp_path):
    content, entries = opened_model(toys.Tree().fit(*toys.data()), tmp_path)
    replace_array(content, entries, part_of(content, attribute), np.array(values))
    refused(content, entries, message)


# ---- parts ---------------------------------------------------------------------------------------------------


class Fire:
    """Runs when it is unpickled."""

    def __init__(self, place: str) -> None:
        self.place = place

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (self.place,)


def test_no_pickle_is_ever_opened(opened, refused, tmp_path):
    fire = Fire(str(tmp_path / "fire"))
    content, entries = opened
    name = part_of(content, "coef_")
    objects = np.array([fire], dtype=object)
    for raw, dtype in (
        (npy(objects, allow_pickle=True), "|O"),
        (pickle.dumps(fire), "|O"),
        (pickle.dumps(fire), "|u1"),
    ):
        entries[name] = raw
        line = {**declare(name, objects, raw), "dtype": dtype, "shape": [max(0, len(raw) - 128)]}
        content["parts"] = [line if part["name"] == name else part for part in content["parts"]]
        refused(content, entries, "|".join(["is not allowed", "do not give", "contradicts the manifest"]))
    for dump in (pickle.dump, joblib.dump):
        with open(tmp_path / "model.tripos", "wb") as file:
            dump(fire, file)
        with pytest.raises(ArtifactError, match="it is not a saved model|too short"):
            artifact.load(tmp_path / "model.tripos")
    np.save(tmp_path / "fire.npy", objects, allow_pickle=True)
    with pytest.raises(ArtifactError, match="it is not a saved model"):
        artifact.load(tmp_path / "fire.npy")
    assert not (tmp_path / "fire").exists()


@pytest.mark.parametrize(
    "dtype",
    [
        "|O",
        "|V8",
        "|S4",
        ">f8",
        "<f16",
        "<c16",
        "f8",
        "<U0",
        "float64",
        "<f8,<i4",
        "<M8[x]",
        "",
        "<U1000000000",
    ],
)
def test_a_part_of_another_dtype_is_refused(opened, refused, dtype):
    content, entries = opened
    content["parts"][0]["dtype"] = dtype
    refused(content, entries, "which is not allowed")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"shape": [2**40, 2**40]}, "do not give"),
        ({"shape": [2**53 - 1] * 32}, "holds 224 bytes"),
        ({"shape": [0, 2**52]}, "header that contradicts the manifest"),
        ({"shape": [-3, -4]}, "no valid shape"),
        ({"shape": [3.0, 4]}, "no valid shape"),
        ({"shape": [True, 12]}, "no valid shape"),
        ({"shape": [1] * 33}, "no valid shape"),
        ({"shape": "12"}, "no valid shape"),
        ({"shape": [12]}, "header that contradicts the manifest"),
        ({"shape": [4, 3]}, "header that contradicts the manifest"),
        ({"order": "F"}, "header that contradicts the manifest"),
        ({"order": "K"}, "which is not allowed"),
        ({"dtype": "<i8"}, "header that contradicts the manifest"),
        ({"bytes": 10**15}, "do not give"),
        ({"bytes": -1}, "field of the wrong type"),
        ({"bytes": "224"}, "field of the wrong type"),
        ({"sha256": "0" * 64}, "is damaged"),
        ({"sha256": None}, "field of the wrong type"),
        ({"name": "../coef.npy"}, "missing from the file"),
        ({"name": "manifest.json"}, "do not give"),
        ({"more": 1}, "does not have the fields"),
    ],
    ids=str,
)
def test_a_declaration_that_contradicts_its_part_is_refused(opened, refused, changes, message):
    content, entries = opened
    name = part_of(content, "coef_")
    content["parts"] = [part | changes if part["name"] == name else part for part in content["parts"]]
    refused(content, entries, message)


def test_a_declared_terabyte_costs_no_memory(opened, refused):
    content, entries = opened
    name = part_of(content, "coef_")
    shape = (1 << 20, 1 << 20)
    header = f"{{'descr': '<f8', 'fortran_order': False, 'shape': {shape}, }}".ljust(117) + "\n"
    raw = b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header.encode() + bytes(100)
    entries[name] = raw
    line = declare(name, np.empty((1, 1)), raw) | {"shape": list(shape)}
    for n_bytes in (len(raw), 128 + 8 * (1 << 40)):
        lines = [line | {"bytes": n_bytes} if part["name"] == name else part for part in content["parts"]]
        refused(content | {"parts": lines}, entries, "do not give")


@pytest.mark.parametrize(
    "header",
    [
        b"{'descr': '<f8', 'fortran_order': False, 'shape': (3, 4), 'x': __import__('os').mkdir('fire'), }",
        b"{'descr': '|O', 'fortran_order': False, 'shape': (3, 4), }",
        b"{'fortran_order': False, 'descr': '<f8', 'shape': (3, 4), }",
        b"(" * 90,
        b"",
    ],
)
def test_a_header_is_compared_and_never_evaluated(opened, refused, header):
    content, entries = opened
    name = part_of(content, "coef_")
    padded = header.ljust(117) + b"\n"
    raw = b"\x93NUMPY\x01\x00" + len(padded).to_bytes(2, "little") + padded + entries[name][-96:]
    entries[name] = raw
    line = declare(name, np.empty((3, 4)), raw)
    content["parts"] = [line if part["name"] == name else part for part in content["parts"]]
    refused(content, entries, "header that contradicts the manifest")


def test_a_part_by_numpys_own_writer_is_read(opened, tmp_path):
    content, entries = opened
    replace_array(
        content, entries, part_of(content, "coef_"), np.asfortranarray(np.arange(12.0).reshape(3, 4))
    )
    found = artifact.load(pack(tmp_path / "numpy.tripos", content, entries))
    np.testing.assert_array_equal(found.coef_, np.arange(12.0).reshape(3, 4))


def test_a_part_belongs_to_exactly_one_attribute(opened, refused):
    content, entries = opened
    state = content["model"]["state"]
    content["model"]["params"]["extra"] = state["coef_"]
    refused(content, entries, "is used twice")
    content["model"]["params"]["extra"] = None
    content["parts"].append(declare("more.npy", np.ones(3), npy(np.ones(3))))
    refused(content, {**entries, "more.npy": npy(np.ones(3))}, "part 'more.npy' belongs to no attribute")


def test_truth_values_are_zero_or_one(refused, tmp_path):
    content, entries = opened_model(toys.Line(extra=np.array([True, False])), tmp_path)
    name = content["parts"][0]["name"]
    entries[name] = entries[name][:-2] + b"\x02\xff"
    content["parts"] = [declare(name, np.ones(2, bool), entries[name])]
    refused(content, entries, "truth values other than 0 and 1")


def test_characters_are_those_of_unicode(refused, tmp_path):
    content, entries = opened_model(toys.Line(extra=np.array(["ab"])), tmp_path)
    name = content["parts"][0]["name"]
    entries[name] = entries[name][:-4] + b"\xff\xff\xff\xff"
    content["parts"] = [declare(name, np.array(["ab"]), entries[name])]
    refused(content, entries, "characters outside Unicode")


@pytest.mark.parametrize(
    ("ending", "array", "message"),
    [
        ("offsets", np.array([0, 5, 2, 3]), "run backwards"),
        ("offsets", np.array([0, 1, 2, 2**60]), "do not fit its bytes"),
        ("offsets", np.array([1, 1, 2, 3]), "do not fit its bytes"),
        ("offsets", np.array([], dtype=np.int64), "do not fit its bytes"),
        ("offsets", np.array([0.0, 1.0, 2.0, 3.0]), "do not fit its bytes"),
        ("offsets", np.array([0, -(2**63), 2**63 - 1, 3]), "backwards|UnicodeDecodeError|utf-8"),
        ("bytes", np.array([0xFF, 0xFF, 0xFF], np.uint8), "utf-8"),
        ("bytes", np.zeros((3, 1), np.uint8), "do not fit its bytes"),
    ],
)
def test_strings_lie_inside_their_bytes(ending, array, message, refused, tmp_path):
    content, entries = opened_model(toys.Line(extra=np.array(["a", "b", "c"], dtype=object)), tmp_path)
    replace_array(content, entries, part_of(content, f"extra-{ending}"), array)
    refused(content, entries, message)


@pytest.mark.parametrize(
    ("ending", "array", "message"),
    [
        ("indices", np.array([0, 1, 3], np.int32), "indices outside its shape"),
        ("indices", np.array([0, -1, 2], np.int32), "indices outside its shape"),
        ("indices", np.array([0, 1, 2], np.int64), "wrong dtype"),
        ("indptr", np.array([0, 1, 2, 9], np.int32), "row pointers that do not fit"),
        ("indptr", np.array([0, 2, 1, 3], np.int32), "row pointers that do not fit"),
        ("indptr", np.array([0, 3], np.int32), "row pointers that do not fit"),
        ("data", np.array([1.0, np.nan, 1.0]), "graph_ holds NaN"),
        ("data", np.ones(2), "row pointers that do not fit"),
    ],
)
def test_a_sparse_matrix_has_its_indices_inside_its_shape(ending, array, message, refused, tmp_path):
    model = toys.Scale().fit(np.eye(3))
    model.graph_ = sp.csr_array(np.eye(3))
    content, entries = opened_model(model, tmp_path)
    replace_array(content, entries, part_of(content, f"graph_-{ending}"), array)
    refused(content, entries, message)


# ---- values --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("node", "message"),
    [
        ({"$": "eval", "code": "1"}, "unknown kind 'eval'"),
        ({"$": None}, "unknown kind"),
        ({"$": "tuple"}, "has not the fields items"),
        ({"$": "tuple", "items": [], "more": 1}, "has not the fields items"),
        ({"$": "tuple", "items": {"a": 1}}, "has no list of items"),
        ({"$": "dict", "items": [[1]]}, "not a pair"),
        ({"$": "dict", "items": [[[], 1]]}, "a key that cannot be one"),
        ({"$": "int", "hex": "0x" + "f" * 5000}, "not hexadecimal text"),
        ({"$": "int", "hex": "1e5"}, "not hexadecimal text"),
        ({"$": "int", "hex": 5}, "not hexadecimal text"),
        ({"$": "int", "hex": "0x10"}, "small integer"),
        ({"$": "float", "value": "1e400"}, "not nan, inf or -inf"),
        ({"$": "scalar", "dtype": "<f4", "value": 1}, "is int, not float32"),
        ({"$": "scalar", "dtype": "|i1", "value": 300}, "out of bounds"),
        ({"$": "scalar", "dtype": "<f4", "value": 0.1}, "is 0.1, which float32 cannot hold"),
        ({"$": "scalar", "dtype": "<f4", "value": 1e300}, "is 1e\\+300, which float32 cannot hold"),
        ({"$": "scalar", "dtype": "|O", "value": 1}, "the dtype '|O', which is not allowed"),
        ({"$": "scalar", "dtype": "<U8", "value": "a"}, "is str, not <U8"),
        ({"$": "dtype", "name": "O"}, "the dtype 'O', which is not allowed"),
        ({"$": "type", "name": "os.system"}, "the type 'os.system', which is not allowed"),
        ({"$": "callable", "name": "os.system"}, "'os.system', which is not registered here"),
        ({"$": "callable", "name": ["a"]}, "which is not registered here"),
        ({"$": "array", "part": "../../etc/passwd"}, "is not declared"),
        ({"$": "array", "part": None}, "is not declared"),
        ({"$": "objects", "items": [[1]]}, "something that is no scalar"),
        ({"$": "object", "class": "Popen", "params": {}, "state": {}}, "is not a class that this version"),
    ],
    ids=str,
)
def test_a_value_of_another_form_is_refused(opened, refused, node, message):
    content, entries = opened
    content["model"]["params"]["extra"] = node
    refused(content, entries, message)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda node: node["params"].update(memory="/tmp/cache"), "names a cache folder"),
        (lambda node: node["params"].update(verbose="loud"), "'verbose' parameter of Pipeline"),
        (lambda node: node["params"].update(hooks=[]), "Pipeline has no parameter 'hooks'"),
        (lambda node: node.update(steps=[]), "The pipeline is empty"),
        (lambda node: node.update(steps={}), "no list of steps"),
        (lambda node: node["steps"].reverse(), "should be transformers"),
        (lambda node: node["steps"].append(["more"]), "not a name and an object"),
        (lambda node: node["steps"].append([1, None]), "not a name and an object"),
        (
            lambda node: node["steps"].append(["more", "exec"]),
            "'more' of a Pipeline in the manifest is not an object",
        ),
        (lambda node: node["steps"].append(["more", {"$": "callable", "name": "f"}]), "is not an object"),
        (lambda node: node["steps"].append(["a__b", None]), "must not contain __"),
        (lambda node: node["steps"].insert(0, ["line", None]), "not unique"),
    ],
)
def test_a_pipeline_of_another_form_is_refused(change, message, refused, tmp_path):
    model = Pipeline([("scale", toys.Scale()), ("line", toys.Line())]).fit(*toys.data())
    content, entries = opened_model(model, tmp_path)
    change(content["model"])
    refused(content, entries, message)


# ---- keys, memory, files ----------------------------------------------------------------------------------------


def test_a_key_refuses_every_other_file(line, tmp_path):
    signed = artifact.save(line, tmp_path / "signed.tripos", key=b"right")
    with pytest.raises(ArtifactError, match="the file was altered, or saved with another key"):
        artifact.load(signed, key=b"wrong")
    with pytest.raises(ArtifactError, match="it is not signed, and a key was given"):
        artifact.load(artifact.save(line, tmp_path / "plain.tripos"), key=b"right")
    content, entries = unpack(signed)
    for signature in (entries["manifest.hmac"], b"0" * 64, b"short", "é".encode() * 32):
        content["model"]["params"]["C"] = 2.0
        forged = pack(tmp_path / "forged.tripos", content, entries | {"manifest.hmac": signature})
        with pytest.raises(ArtifactError, match="the signature does not match|not 64 characters"):
            artifact.load(forged, key=b"right")


def test_a_key_guards_the_parts_through_their_checksums(line, tmp_path):
    content, entries = unpack(artifact.save(line, tmp_path / "signed.tripos", key=b"right"))
    text = json.dumps(content, separators=(",", ":")).encode()
    entries[part_of(content, "coef_")] = npy(line.coef_ * 2)
    with pytest.raises(ArtifactError, match="SHA-256"):
        artifact.load(pack(tmp_path / "forged.tripos", text, entries), key=b"right")


def test_an_empty_key_is_refused(line, tmp_path):
    with pytest.raises(ArtifactError, match="the key is empty"):
        artifact.save(line, tmp_path / "m.tripos", key="")
    file = artifact.save(line, tmp_path / "m.tripos")
    with pytest.raises(ArtifactError, match="the key is empty|not signed"):
        artifact.load(file, key=b"")


def test_a_model_larger_than_the_free_memory_is_refused(line, tmp_path, monkeypatch):
    line.extra = np.random.default_rng(0).normal(size=200_000)
    file = artifact.save(line, tmp_path / "m.tripos")
    monkeypatch.setattr("tripos.artifact.decode.free_memory", lambda: 1 << 20)
    with pytest.raises(ArtifactError, match="the model needs 1.5 MiB, but 1.0 MiB of memory is free"):
        artifact.load(file)


def test_strings_larger_than_the_free_memory_are_refused(tmp_path, monkeypatch):
    file = artifact.save(toys.Line(extra=np.array(["x"] * 100_000, dtype=object)), tmp_path / "m.tripos")
    monkeypatch.setattr("tripos.artifact.decode.free_memory", lambda: 2 << 20)
    with pytest.raises(ArtifactError, match="an array of strings needs 6.5 MiB"):
        artifact.load(file)


def test_a_message_from_the_file_is_cut(opened, tmp_path):
    content, entries = opened
    content["model"]["params"]["C"] = "x" * 100_000
    with pytest.raises(ArtifactError) as caught:
        artifact.load(pack(tmp_path / "forged.tripos", content, entries))
    assert len(str(caught.value)) < 1000


@pytest.mark.parametrize("name", ["missing.tripos", "folder", "folder/", "\0"])
def test_a_file_that_is_not_there_is_an_artifact_error(name, tmp_path):
    (tmp_path / "folder").mkdir()
    with pytest.raises(ArtifactError):
        artifact.load(f"{tmp_path}/{name}")
