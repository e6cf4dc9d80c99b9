"""A file is written whole or not at all, where it was asked for; what cannot be saved is named."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap

import numpy as np
import pytest
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler

from tripos import artifact
from tripos.artifact.container import ContainerWriter
from tripos.errors import ArtifactError

from . import toys


class Interrupted(ContainerWriter):
    """Fails after the first parts are on disk."""

    error: BaseException = OSError(28, "No space left on device")

    def close(self) -> None:
        self.file.flush()
        raise self.error


@pytest.mark.parametrize(
    "error", [OSError(28, "No space left on device"), KeyboardInterrupt(), MemoryError()]
)
def test_an_interrupted_save_leaves_the_old_file_and_nothing_else(error, line, tmp_path, monkeypatch):
    file = artifact.save(line, tmp_path / "m.tripos")
    before = file.read_bytes()
    monkeypatch.setattr(Interrupted, "error", error)
    monkeypatch.setattr("tripos.artifact.saving.ContainerWriter", Interrupted)
    expected = ArtifactError if isinstance(error, OSError) else type(error)
    with pytest.raises(expected):
        artifact.save(toys.Line(), file)
    assert file.read_bytes() == before
    assert os.listdir(tmp_path) == ["m.tripos"]


@pytest.mark.skipif(sys.platform == "win32", reason="limits of a process are POSIX")
def test_a_full_disk_is_named_and_leaves_nothing_behind(tmp_path):
    # a limit on the size of files makes the system itself refuse the write, in the middle of a part
    program = f"""
        import resource, signal, numpy as np
        from tripos import _public, artifact
        from tests.artifact import toys
        _public.PARTS["Line"] = "tests.artifact.toys"
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, 1 << 20))
        model = toys.Line(extra=np.random.default_rng(0).normal(size=1 << 20))
        try:
            artifact.save(model, {str(tmp_path / "m.tripos")!r})
        except artifact.saving.ArtifactError as error:
            print(error, type(error.__cause__).__name__)
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program)], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip().endswith("m.tripos could not be written: File too large OSError")
    assert os.listdir(tmp_path) == []


def test_a_folder_gets_the_model_under_its_usual_name(line, tmp_path):
    assert artifact.save(line, tmp_path) == tmp_path / "model.tripos"
    assert artifact.save(line, f"{tmp_path}/new/model/") == tmp_path / "new" / "model" / "model.tripos"
    assert artifact.load(tmp_path / "new" / "model").C == line.C


@pytest.mark.parametrize("name", ["m", "m.tripos", "m.zip", "größe 1.v2", "a" * 255])
def test_a_file_gets_exactly_the_name_it_was_given(name, line, tmp_path):
    assert artifact.save(line, tmp_path / name) == tmp_path / name
    assert os.listdir(tmp_path) == [name]
    assert artifact.load(os.fsencode(tmp_path / name)).C == line.C


def test_a_missing_folder_is_named(line, tmp_path):
    with pytest.raises(ArtifactError, match="nowhere/m.tripos could not be written: No such file"):
        artifact.save(line, tmp_path / "nowhere" / "m.tripos")


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX permissions")
def test_permissions_follow_the_users_mask(line, tmp_path):
    old = os.umask(0o027)
    try:
        file = artifact.save(line, tmp_path / "m.tripos")
    finally:
        os.umask(old)
    assert file.stat().st_mode & 0o777 == 0o640


@pytest.mark.skipif(sys.platform == "win32", reason="needs privileges there")
def test_a_link_keeps_pointing_at_its_target(line, tmp_path):
    (tmp_path / "versions").mkdir()
    link = tmp_path / "current.tripos"
    link.symlink_to(tmp_path / "versions" / "1.tripos")
    artifact.save(line, link)
    assert link.is_symlink()
    assert artifact.load(tmp_path / "versions" / "1.tripos").C == line.C


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes here")
def test_a_pipe_is_neither_written_nor_waited_for(line, tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(ArtifactError, match="is not a plain file"):
        artifact.save(line, tmp_path / "pipe")
    with pytest.raises(ArtifactError, match="is not a plain file"):
        artifact.load(tmp_path / "pipe")


def cyclic() -> list:
    items: list = [1]
    items.append(items)
    return items


def deep() -> list:
    items: list = []
    for _ in range(200):
        items = [items]
    return items


UNSAVEABLE = [
    (lambda: 1, "Line.extra is function, which cannot be saved; register the function"),
    (
        np.random.RandomState(0),
        "Line.extra is numpy.random.mtrand.RandomState, .* give random_state as an integer",
    ),
    (
        np.random.default_rng(0),
        "Line.extra is numpy.random._generator.Generator, .* give random_state as an integer",
    ),
    ({1, 2}, "Line.extra is set, which cannot be saved"),
    (b"bytes", "Line.extra is bytes"),
    (1j, "Line.extra is complex"),
    (object(), "Line.extra is object"),
    ([{"a": object()}], r"Line.extra\[0\]\['a'\] is object"),
    ({frozenset(): 1}, "Line.extra has a key of type frozenset"),
    (np.array([object()]), r"Line.extra\[0\] is object"),
    (np.array([["a", None]], dtype=object), "Line.extra has dtype object and 2 axes"),
    (np.array([1j]), "Line.extra has dtype complex128"),
    (np.zeros(2, "f4,i4"), "which cannot be saved"),
    (np.array([b"x"]), r"Line.extra has dtype \|S1"),
    (np.longdouble(1), "Line.extra is numpy.longdouble"),
    (np.ma.masked_array([1.0]), "Line.extra is numpy.ma.MaskedArray"),
    (np.dtype("O"), "Line.extra is dtype"),
    (dict, "Line.extra is type"),
    (2**20000, "Line.extra is an integer of 20001 bits"),
    (cyclic(), r"Line.extra\[1\] contains itself"),
    (deep(), "nested too deep"),
    (StandardScaler(), "Line.extra is sklearn.preprocessing._data.StandardScaler"),
]


@pytest.mark.parametrize(
    ("value", "message"), UNSAVEABLE, ids=lambda item: item if isinstance(item, str) else ""
)
def test_a_parameter_that_cannot_be_saved_is_named(value, message, tmp_path):
    with pytest.raises(ArtifactError, match=message):
        artifact.save(toys.Line(extra=value), tmp_path / "m.tripos")
    assert os.listdir(tmp_path) == []


def test_an_attribute_that_would_be_lost_is_named(line, tmp_path):
    line.note_ = "remember"
    with pytest.raises(ArtifactError, match="Line has the attribute note_, which its state does not declare"):
        artifact.save(line, tmp_path / "m.tripos")


def test_a_state_that_breaks_its_declaration_is_named(line, tmp_path):
    line.coef_[1, 1] = np.nan
    with pytest.raises(ArtifactError, match="Line: coef_ holds NaN or infinity"):
        artifact.save(line, tmp_path / "m.tripos")


def test_a_parameter_outside_its_constraints_is_named(line, tmp_path):
    with pytest.raises(ArtifactError, match="The 'C' parameter of Line must be"):
        artifact.save(line.set_params(C=-1.0), tmp_path / "m.tripos")


@pytest.mark.parametrize("model", [StandardScaler(), toys.Line, {"a": 1}, None, "model.tripos"], ids=repr)
def test_only_public_objects_are_models(model, tmp_path):
    with pytest.raises(ArtifactError, match="cannot be saved: only objects of tripos's public classes"):
        artifact.save(model, tmp_path / "m.tripos")


def test_a_class_with_a_public_name_that_is_not_the_public_class_is_refused(tmp_path):
    pretender = type("Line", (toys.Line,), {"__module__": "elsewhere"})
    with pytest.raises(ArtifactError, match="elsewhere.Line is not the public class Line"):
        artifact.save(pretender(), tmp_path / "m.tripos")


def test_a_step_that_cannot_be_saved_is_named(tmp_path):
    with pytest.raises(
        ArtifactError, match=r"Pipeline.steps\['std'\] is sklearn.preprocessing._data.StandardScaler"
    ):
        artifact.save(Pipeline([("std", StandardScaler()), ("line", toys.Line())]), tmp_path / "m.tripos")


def test_a_pipelines_cache_folder_is_not_saved(tmp_path):
    with pytest.raises(ArtifactError, match=r"set_params\(memory=None\)"):
        artifact.save(Pipeline([("line", toys.Line())], memory="/tmp/cache"), tmp_path / "m.tripos")
