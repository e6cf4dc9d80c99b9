"""The floors of the house: a room imports only from the floors below it, and heavy libraries only when used."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import tripos
from tripos._public import ESTIMATORS, PUBLIC

PACKAGE = Path(tripos.__file__).parent
FLOORS = (
    ("errors", "state", "_public"),
    ("compute",),
    ("labels",),
    ("geometry",),
    ("objective",),
    ("optimization",),
    ("metrics",),
    ("data",),
    ("plotting",),
    ("base", "inputs", "watch", "artifact"),
    ("supervised",),
    ("unsupervised",),
    ("neural",),
    ("reinforcement",),
    ("selection",),
    ("workflow",),
    ("serving",),
    ("cli", "__main__"),
)
FLOOR_OF = {room: level for level, rooms in enumerate(FLOORS) for room in rooms}
SOURCES = sorted(p for p in PACKAGE.rglob("*.py") if p != PACKAGE / "__init__.py")


def imported_rooms(path: Path) -> set[str]:
    rooms = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        names = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            names = (
                [node.module] if node.module != "tripos" else [f"tripos.{alias.name}" for alias in node.names]
            )
        rooms |= {name.split(".")[1] for name in names if name.startswith("tripos.")}
    return rooms & FLOOR_OF.keys()


@pytest.mark.parametrize("path", SOURCES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_no_import_runs_up_the_floors(path):
    room = path.relative_to(PACKAGE).parts[0].removesuffix(".py")
    assert room in FLOOR_OF, f"{room} is not a room of the house"
    upward = {other for other in imported_rooms(path) if FLOOR_OF[other] > FLOOR_OF[room]}
    assert not upward


def test_plotting_knows_no_estimator():
    for path in (PACKAGE / "plotting").rglob("*.py"):
        assert not imported_rooms(path) & {"base", "supervised", "selection"}


def modules_after(statement: str) -> set[str]:
    code = f"import sys; {statement}; print(*sys.modules)"
    return set(
        subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=True
        ).stdout.split()
    )


def test_import_tripos_brings_no_heavy_library():
    heavy = {"numpy", "numba", "sklearn", "scipy", "polars", "matplotlib", "optuna", "torch", "rich", "typer"}
    assert not heavy & modules_after("import tripos")


def test_the_command_line_brings_no_heavy_library_before_a_command_runs():
    heavy = {"numpy", "numba", "sklearn", "scipy", "polars", "matplotlib", "optuna", "torch"}
    assert not heavy & modules_after("import tripos.cli")


@pytest.mark.parametrize("name", PUBLIC)
def test_every_public_name_can_be_imported(name):
    assert getattr(tripos, name).__name__.split(".")[-1] == name or name not in ESTIMATORS


def test_nothing_compiles_at_import():
    code = (
        "import tripos; from tripos._public import PUBLIC; from tripos.compute.kernel import kernels; "
        "[getattr(tripos, name) for name in PUBLIC]; "
        "print(*[k.name for k in kernels() if len(k.call.overloads)])"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert out.strip() == ""
