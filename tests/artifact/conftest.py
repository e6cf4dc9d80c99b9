"""The toys stand in the public list while a test of the artifact runs."""

from __future__ import annotations

import pytest

from tripos import _public

from . import toys


@pytest.fixture(autouse=True)
def public_toys(monkeypatch):
    for cls in toys.CLASSES:
        monkeypatch.setitem(_public.PARTS, cls.__name__, cls.__module__)


@pytest.fixture
def line():
    return toys.Line(C=0.5).fit(*toys.data())
