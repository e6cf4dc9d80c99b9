"""Fixtures every test file may use: where the real data lies, and reading it."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import settings

settings.register_profile(
    "compiling", deadline=None, derandomize=True
)  # the first example of a kernel compiles it
settings.load_profile("compiling")


def pytest_collection_modifyitems(items):
    """What belongs together runs in one process (`-n 2 --dist loadgroup`): the kernels of a class, the data of a file."""
    for item in items:
        about = getattr(item, "callspec", None)
        learner = None if about is None else about.params.get("estimator")
        if (
            learner is None and about is not None
        ):  # an ensemble has a length, so it is not asked for its truth
            learner = about.params.get("cls")
        if learner is None or "contract" not in item.nodeid:
            name = item.nodeid.split("::")[0]
        else:
            name = learner.__name__ if isinstance(learner, type) else type(learner).__name__
        item.add_marker(pytest.mark.xdist_group(name))


@pytest.fixture(autouse=True)
def _seeded():
    """NumPy's global state is where `random_state=None` draws from: a test meets the same draws each time."""
    np.random.seed(0)  # noqa: NPY002


REPOSITORY = Path(__file__).resolve().parents[1]


def find_data() -> Path | None:
    """The folder of real data sets: `TRIPOS_DATA`, or `shared/data` beside the checkout."""
    named = os.environ.get("TRIPOS_DATA")
    for folder in (
        [Path(named)] if named else [REPOSITORY.parent / "shared" / "data", REPOSITORY / "shared" / "data"]
    ):
        if folder.is_dir():
            return folder
    return None


@pytest.fixture(scope="session")
def data_dir() -> Path:
    folder = find_data()
    if folder is None:
        pytest.skip("the real data sets are not here: set TRIPOS_DATA to their folder")
    return folder


@pytest.fixture(scope="session")
def data_file(data_dir: Path):
    """`data_file("adult/adult-train.csv.gz")`: the path, or a skip that names what is absent."""

    def find(name: str) -> Path:
        path = data_dir / name
        if not path.exists():
            pytest.skip(f"data set {name} is not in the data folder")
        return path

    return find


@pytest.fixture(scope="session")
def sms_spam_file() -> Path:
    """The SMS Spam Collection that is bundled with the project."""
    return REPOSITORY / "examples" / "sms-spam" / "sms-spam.tsv.gz"
