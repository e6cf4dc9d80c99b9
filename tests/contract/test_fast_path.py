"""A plain float row reaches the kernel without validation, and the kernels meet only the types they declare."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from sklearn.base import clone

from tripos.base import Estimator
from tripos.compute.kernel import kernels

from . import cases

REPOSITORY = Path(__file__).resolve().parents[2]


def compiled_forms() -> dict[str, int]:
    return {kernel.name: len(kernel.call.overloads) for kernel in kernels("tripos") if kernel.compiled}


@pytest.mark.parametrize(
    "estimator", [e for e in cases.instances() if "content" not in e.exceptions], ids=cases.named
)
def test_a_float_row_is_predicted_without_validation_and_in_few_calls(estimator, monkeypatch):
    X, y = cases.arrays(estimator)
    model = clone(estimator).fit(X, y)
    row = np.ascontiguousarray(X[:1])
    model.predict(row)

    def refuse(self, X):
        raise AssertionError("the slow path was taken")

    monkeypatch.setattr(Estimator, "_check_input", refuse)
    calls = 0

    def count(frame, event, argument):
        nonlocal calls
        calls += event == "call"

    sys.setprofile(count)
    try:
        model.predict(row)
    finally:
        sys.setprofile(None)
    assert calls <= 16, "Python calls between the user and the kernel"


@cases.every_estimator
def test_read_only_strided_and_mapped_arrays_compile_nothing_new(estimator, tmp_path):
    X, y = cases.arrays(estimator, n_features=6)
    model = clone(estimator).fit(X, y)
    cases.outputs(model, X)
    model.predict(X.tolist())  # the way of everything that is not a plain float array
    compiled = compiled_forms()
    frozen = X.copy()
    frozen.setflags(write=False)
    np.save(tmp_path / "x.npy", X)
    expected = model.predict(X)
    for other in (
        frozen,
        np.asfortranarray(X),
        np.repeat(X, 2, axis=1)[:, ::2],
        np.load(tmp_path / "x.npy", mmap_mode="r"),
    ):
        np.testing.assert_array_equal(clone(estimator).fit(other, y).predict(other), expected)
    assert compiled_forms() == compiled


# Imports once and forks for each class, so that nothing but this estimator has called the kernels.
FIT_EVERY_WAY = """
import os, sys, warnings
import numpy as np
from sklearn.base import clone
from tests.contract import cases
from tripos.compute.kernel import kernels

warnings.simplefilter("ignore")

def fit_every_way(name):
    for estimator in (e for e in cases.instances() if type(e).__name__ == name):
        for dtype in (np.float64, np.float32):
            X, y = cases.arrays(estimator)
            cases.outputs(clone(estimator).fit(X.astype(dtype), y), X.astype(dtype))
            if cases.takes_weights(estimator):
                clone(estimator).fit(X.astype(dtype), y, sample_weight=np.arange(len(y)))
            if estimator.needs.sparse:
                S, t = cases.sparse(estimator)
                cases.outputs(clone(estimator).fit(S.astype(dtype), t), S.astype(dtype))
        frame, y = cases.table(estimator)
        cases.outputs(clone(estimator).fit(frame, y), frame)
    return [f"{kernel.name} {kernel.undeclared()}" for kernel in kernels("tripos") if kernel.undeclared()]

for line in sys.stdin:
    child = os.fork()
    if not child:
        try:
            found = fit_every_way(line.strip())
        except BaseException as error:
            found = [" ".join(repr(error).split())]
        print("; ".join(found), flush=True)
        os._exit(0)
    if os.waitpid(child, 0)[1]:
        print("the process died", flush=True)
"""


@pytest.fixture(scope="module")
def fits_apart():
    """name of a class -> what its kernels met that they do not declare, found in a process of its own."""
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with subprocess.Popen([sys.executable, "-c", FIT_EVERY_WAY], cwd=REPOSITORY, **pipes) as server:

        def ask(name: str) -> str:
            server.stdin.write(name + "\n")
            server.stdin.flush()
            answer = server.stdout.readline()
            return answer.strip() if answer else "the process died"

        yield ask
        server.stdin.close()


@cases.every_class
def test_kernels_meet_only_the_types_they_declare(cls, fits_apart):
    assert fits_apart(cls.__name__) == ""
