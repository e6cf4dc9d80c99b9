"""Thousands of generated files: damaged at random, and forged with fresh checksums by someone who knows the format.

A damaged file is an `ArtifactError` or loads to bit-equal predictions (a flip in bits that deflate does not use). A forged
one is an `ArtifactError` or an object whose prediction returns or raises one of Python's ordinary errors; a crash of the
interpreter would end the test run. Neither takes memory beyond a bound that does not depend on what the file declares.
"""

from __future__ import annotations

import copy
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.pipeline import Pipeline

import tripos
from tripos import _public, artifact
from tripos.errors import ArtifactError

from ..contract import cases
from . import toys
from .forging import damaged, forge_array, forge_manifest, pack, unpack

pytestmark = pytest.mark.filterwarnings("ignore::RuntimeWarning")  # forged numbers overflow

MEMORY = 64 << 20  # the files are a few KB; the rest is for what is imported or compiled in between
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


def learners() -> dict[str, tuple[Any, Any]]:
    """The same for estimators people use."""
    return {
        "linear regression": (tripos.LinearRegression().fit(X, Y), X),
        "logistic regression": (tripos.LogisticRegression().fit(X, Y), X),
        "gaussian naive Bayes": (tripos.GaussianNB().fit(X, Y), X),
        "multinomial naive Bayes": (tripos.MultinomialNB().fit(COUNTS, Y), COUNTS),
        "dummy": (tripos.DummyClassifier().fit(X, Y), X),
        "strings": (tripos.GaussianNB().fit(WORDS, Y), WORDS),
    }


def encoders() -> dict[str, tuple[Any, Any]]:
    """The same for tables of every kind of column on their way into a learner."""
    table = cases.table(tripos.Ridge(), n_rows=40)[0].assign(
        text=[f"free words {k % 7} and more" for k in range(40)]
    )
    settings = [
        tripos.Encoder(),
        tripos.Encoder("infer", categories="one-hot-drop", scale="standard"),
        tripos.Encoder(categories="target", missing="native", scale="robust", numbers="bins"),
        tripos.Encoder(categories="ordinal", dates="cyclic", scale="min-max", dtype="float32"),
        tripos.Encoder(categories="frequency", fill="most-frequent"),
    ]
    return {
        f"encoder {k}": (Pipeline([("encode", encoder), ("learn", tripos.GaussianNB())]).fit(table, Y), table)
        for k, encoder in enumerate(settings)
    }


@pytest.fixture(scope="module", params=[toy_models, learners, encoders], ids=lambda models: models.__name__)
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


@contextmanager
def bounded_memory() -> Iterator[None]:
    """The resident memory of this process, native code included, does not rise beyond the bound inside the block."""
    status = Path("/proc/self/status")
    if not status.exists():  # measured where the system tells
        yield
        return

    def resident(field: str) -> int:
        return int(status.read_text().split(f"{field}:")[1].split()[0]) * 1024

    Path("/proc/self/clear_refs").write_text("5")  # the peak starts anew
    before = resident("VmRSS")
    yield
    assert resident("VmHWM") - before < MEMORY


def loaded(path: Path) -> Any:
    """The model, or None when it is refused; memory stays bounded either way."""
    with bounded_memory():
        try:
            return artifact.load(path)
        except ArtifactError:
            return None


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
    n_files = 600
    assert check_damage(corpus, tmp_path, n_files, seed=0) > 0.9 * n_files


def test_a_flip_of_a_bit_in_any_byte_is_refused_or_predicts_the_same(tmp_path):
    model = toys.Line().fit(X, np.array(["no", "maybe", "yes"], dtype=object)[Y])
    expected = model.predict(X)
    path = tmp_path / "flipped.tripos"
    raw = artifact.save(model, path).read_bytes()
    for position in range(len(raw)):
        changed = bytearray(raw)
        changed[position] ^= 1 << (position * 5 % 8)
        path.write_bytes(changed)
        found = loaded(path)
        if found is not None:
            np.testing.assert_array_equal(found.predict(X), expected)


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
    with bounded_memory(), warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        try:
            assert len(model.predict(inputs)) == len(inputs)
        except (ValueError, AttributeError):  # a Pipeline whose last step went has no `predict`
            pass


def test_a_forged_file_is_refused_or_harmless(corpus, tmp_path):
    n_files = 1000
    assert check_forgery(corpus, tmp_path, n_files, seed=1) > 0.5 * n_files


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(2))
def test_many_more_files_are_refused_or_harmless(corpus, tmp_path, seed):
    n_files = 3_000
    assert check_damage(corpus, tmp_path, n_files, seed=100 + seed) > 0.9 * n_files
    assert check_forgery(corpus, tmp_path, n_files, seed=200 + seed) > 0.5 * n_files
