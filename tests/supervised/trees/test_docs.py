"""The examples of docs/trees.md run."""

from __future__ import annotations

import re
from pathlib import Path

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
import pytest


def test_the_page_runs_from_top_to_bottom(tmp_path, monkeypatch, capsys):
    pytest.importorskip("lightgbm")
    monkeypatch.chdir(tmp_path)
    text = (Path(__file__).parents[3] / "docs" / "trees.md").read_text(encoding="utf-8")
    names: dict[str, object] = {}
    for block in re.findall(r"```python\n(.*?)```", text, re.DOTALL):
        exec(compile(block, "docs/trees.md", "exec"), names)
    assert "education" in capsys.readouterr().out
    assert np.allclose(names["total"], names["model"].decision_function(names["table"][:100]))
    assert np.allclose(names["loaded"].predict_proba(names["X"])[:, 1], names["booster"].predict(names["X"]))
    plt.close("all")
