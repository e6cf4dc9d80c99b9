"""Thousands of generated files: damaged at random, and forged with fresh checksums by someone who knows the format.

A damaged file is an `ArtifactError` or loads to bit-equal predictions (a flip in bits that deflate does not use). A forged
one is an `ArtifactError` or an object whose prediction returns or raises one of Python's ordinary errors; a crash of the
interpreter would end the test run. Neither takes memory beyond a bound that does not depend on what the file declares.
"""

from __future__ import annotations

import copy
import tracemalloc
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.pipeline import Pipeline

import tripos
from tripos import _public, artifact
from tripos.errors import ArtifactError

from . import toys
from .forging import damaged, forge_array, forge_manifest, pack, unpack

pytestmark = pytest.mark.filterwarnings("ignore::RuntimeWarning")  # forged numbers overflow

MEMORY = 24 << 20  # the saved files are a few KB; 1 MiB chunks and Python objects make up the rest
X, Y = toys.data(40, 4, seed=3)
COUNTS = np.abs(np.round(X))
WORDS = np.array([["red", 1.0], ["blue", np.nan], ["red", 3.0], [None, 2.0]] * 10, dtype=object)


def toy_models() -> dict[str, tuple[Any, np.ndarray]]:
    """Fitted models and the input they predict on."""
    pipeline = Pipeline([("scale", toys.Scale()), ("line", toys.Line(C=2.0))])
    return {
        "line": (toys.Line(extra={"a": [1, 2.5, (None, "x")], "b": np.arange(3)}).fit(X, Y), X),
        "labels": (toys.Line().fit(X, np.array(["no", "maybe", "yes"], dtype=object)[Y]), X),
        "tree": (toys.Tree().fit(X, Y), X),
        "vote": (toys.Vote(base=toys.Line()).fit(X, Y), X),
        "pipeline": (pipeline.fit(X, Y), X),
    }


def learners() -> dict[str, tuple[Any, np.ndarray]]:
    """The same for estimators people use."""
    encoded = Pipeline([("encode", tripos.Encoder()), ("learn", tripos.Ridge())])
    return {
        "linear regression": (tripos.LinearRegression().fit(X, Y), X),
        "logistic regression": (tripos.LogisticRegression().fit(X, Y), X),
        "gaussian naive Bayes": (tripos.GaussianNB().fit(X, Y), X),
        "multinomial naive Bayes": (tripos.MultinomialNB().fit(COUNTS, Y), COUNTS),
        "dummy": (tripos.DummyClassifier().fit(X, Y), X),
        "strings": (tripos.LogisticRegression().fit(WORDS, Y), WORDS),
        "encoder and learner": (encoded.fit(WORDS, Y), WORDS),
    }


@pytest.fixture(scope="module", params=[toy_models, learners], ids=lambda models: models.__name__)
def corpus(request, tmp_path_factory) -> dict[str, tuple[Path, np.ndarray, np.ndarray]]:
    """Name -> saved file, input, predictions before saving."""
    folder = tmp_path_factory.mktemp("corpus")
    with pytest.MonkeyPatch.context() as patch:
        for cls in toys.CLASSES:
            patch.setitem(_public.PARTS, cls.__name__, cls.__module__)
        return {
            name: (artifact.save(model, folder / f"{name}.tripos"), inputs, model.predict(inputs))
            for name, (model, inputs) in request.param().items()
        }


@pytest.fixture(autouse=True)
def watched_memory() -> Iterator[None]:
    tracemalloc.start()
    yield
    tracemalloc.stop()


def loaded(path: Path) -> Any:
    """The model, or None when it is refused; memory stays bounded either way."""
    tracemalloc.reset_peak()
    before = tracemalloc.get_traced_memory()[0]
    try:
        model = artifact.load(path)
    except ArtifactError:
        model = None
    assert tracemalloc.get_traced_memory()[1] - before < MEMORY
    return model


# ---- damage: what disks, networks and editors do ---------------------------------------------------------------


def check_damage(corpus, folder: Path, n_files: int, seed: int) -> int:
    rng = np.random.default_rng(seed)
    path, refused = folder / "damaged.tripos", 0
    for k in range(n_files):
        file, inputs, expected = list(corpus.values())[k % len(corpus)]
        path.write_bytes(damaged(file.read_bytes(), rng))
        model = loaded(path)
        if model is None:
            refused += 1
        else:
            np.testing.assert_array_equal(model.predict(inputs), expected)
    return refused


def test_a_damaged_file_is_refused_or_predicts_the_same(corpus, tmp_path):
    n_files = 2000
    assert check_damage(corpus, tmp_path, n_files, seed=0) > 0.9 * n_files


def test_a_flip_of_any_single_bit_is_refused_or_predicts_the_same(corpus, tmp_path):
    file, inputs, expected = list(corpus.values())[1]
    raw = file.read_bytes()
    path = tmp_path / "flipped.tripos"
    for position in range(0, len(raw)):
        changed = bytearray(raw)
        changed[position] ^= 1 << (position * 5 % 8)
        path.write_bytes(changed)
        model = loaded(path)
        if model is not None:
            np.testing.assert_array_equal(model.predict(inputs), expected)


# ---- forgery: checksums, lengths and directory are right, the content is not -------------------------------------


def check_forgery(corpus, folder: Path, n_files: int, seed: int) -> int:
    rng = np.random.default_rng(seed)
    path, refused = folder / "forged.tripos", 0
    opened = {name: unpack(file) for name, (file, _, _) in corpus.items()}
    for k in range(n_files):
        name = list(corpus)[k % len(corpus)]
        content, entries = copy.deepcopy(opened[name])
        if rng.random() < 0.5 or not content["parts"]:
            forge_manifest(content, rng)
        else:
            forge_array(content, entries, rng)
        model = loaded(pack(path, content, entries))
        refused += model is None
        if model is not None:
            try_out(model, corpus[name][1])
    return refused


def try_out(model: Any, inputs: np.ndarray) -> None:
    """Predicts; numbers may be wild where the file says so, but nothing crashes, hangs or grows."""
    tracemalloc.reset_peak()
    before = tracemalloc.get_traced_memory()[0]
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        try:
            assert len(model.predict(inputs)) == len(inputs)
        except (ValueError, AttributeError):  # a Pipeline whose last step went has no `predict`
            pass
    assert tracemalloc.get_traced_memory()[1] - before < MEMORY


def test_a_forged_file_is_refused_or_harmless(corpus, tmp_path):
    n_files = 2000
    assert check_forgery(corpus, tmp_path, n_files, seed=1) > 0.5 * n_files


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3))
def test_many_more_files_are_refused_or_harmless(corpus, tmp_path, seed):
    n_files = 5_000
    assert check_damage(corpus, tmp_path, n_files, seed=100 + seed) > 0.9 * n_files
    assert check_forgery(corpus, tmp_path, n_files, seed=200 + seed) > 0.5 * n_files
