"""Trees written out go where the packed ones do; text, rules and pictures say what they hold."""

from __future__ import annotations

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
import polars as pl
import pytest

from tripos import BoostedTreesRegressor, HistGradientBoostingClassifier, HistGradientBoostingRegressor
from tripos.supervised.trees.walk import predicted


def twin(nodes, X):
    """Row by row, node by node, in plain Python."""
    Z = nodes.cells(X)
    out = np.zeros((len(X), nodes.n_outputs))
    for r, row in enumerate(Z):
        for t in range(nodes.n_trees):
            i = int(nodes.starts[t])
            while nodes.features[i] >= 0:
                x, bits = row[nodes.features[i]], nodes.levels[i]
                if np.isnan(x):
                    left = nodes.missing_left[i]
                elif bits >= 0:
                    left = int(nodes.level_bits[bits, int(x) // 64]) >> (int(x) % 64) & 1
                else:
                    left = x <= nodes.thresholds[i]
                i = int(nodes.left[i] if left else nodes.right[i])
            out[r, t % nodes.n_outputs] += nodes.values[i, 0]
    return out


@pytest.fixture(scope="module")
def numbers():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(900, 6))
    X[:, 4] = rng.integers(0, 30, 900) * 1.5 - 3.0  # categories that are not 0, 1, 2
    X[rng.random(X.shape) < 0.1] = np.nan
    score = np.nan_to_num(X[:, 0]) + np.isin(X[:, 4], [-3, 1.5, 9.0]) - np.isnan(X[:, 1])
    y = np.digitize(score + 0.2 * rng.normal(size=900), [-0.5, 0.8])
    return HistGradientBoostingClassifier(max_iter=6, categorical_features=[4]).fit(X, y), X, y


@pytest.fixture(scope="module")
def people():
    rng = np.random.default_rng(1)
    table = pl.DataFrame(
        {
            "age": rng.integers(18, 80, 1200).astype(float),
            "education": rng.choice(["School", "Bachelors", "Masters", "Doctorate"], 1200),
            "town": rng.choice(["A", "B", None], 1200),
        }
    )
    y = (table["age"].to_numpy() > 40) & table["education"].is_in(["Masters", "Doctorate"]).to_numpy()
    label = np.where(y ^ (rng.random(1200) < 0.05), "rich", "poor")
    return HistGradientBoostingClassifier(max_iter=5).fit(table, label), table, label


def test_trees_written_out_predict_what_bins_do(numbers):
    model, X, _ = numbers
    expected = model._scores(X) - model.baseline_
    assert np.abs(twin(model._nodes(), X[:120]) - expected[:120]).max() < 1e-12
    assert np.abs(predicted(model._nodes(), X) - expected).max() < 1e-12


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_every_float_beside_a_threshold_goes_where_its_bin_does(numbers, dtype):
    model, X, _ = numbers
    cuts = model.binning_.cuts[: model.binning_.starts[4]].astype(dtype)
    cells = np.concatenate([cuts, np.nextafter(cuts, dtype(np.inf)), np.nextafter(cuts, dtype(-np.inf))])
    rows = np.tile(cells[:, None], (1, X.shape[1])).astype(dtype)
    assert np.array_equal(predicted(model._nodes(), rows), model._scores(rows) - model.baseline_) or (
        np.abs(predicted(model._nodes(), rows) - model._scores(rows) + model.baseline_).max() < 1e-12
    )


def test_leaves_and_paths_agree(numbers):
    model, X, _ = numbers
    nodes, at = model._nodes(), model.apply(X)
    indicator, starts = model.decision_path(X)
    assert at.shape == (900, 18)
    assert indicator.shape == (900, starts[-1])
    row, t = 5, 7
    passed = indicator[row].indices
    passed = passed[(passed >= starts[t]) & (passed < starts[t + 1])]
    depth = nodes.depths()
    assert passed[-1] == starts[t] + at[row, t] or starts[t] + at[row, t] in passed
    assert sorted(depth[passed].tolist()) == list(range(len(passed)))


def test_predictions_with_the_first_trees_are_explained_by_them():
    rng = np.random.default_rng(2)
    X = rng.normal(size=(400, 3))
    y = X[:, 0] + rng.normal(size=400)
    model = BoostedTreesRegressor(n_estimators=60, early_stopping_rounds=3)
    model.fit(X[:200], y[:200], eval_set=(X[200:], y[200:]))
    assert model.best_iteration_ < model.n_iter_
    assert np.abs(predicted(model._nodes(), X)[:, 0] + model.baseline_[0] - model.predict(X)).max() < 1e-12


def test_rules_name_columns_and_levels(people):
    model, table, label = people
    rules = model.rules(0, table, label)
    assert abs(sum(rule.coverage for rule in rules) - 1) < 1e-12
    text = "\n".join(map(str, rules))
    assert "education in {" in text or "education is " in text
    assert "age > 40" in text or "age <= 40" in text
    surest = max(rules, key=lambda rule: rule.values[0])
    assert surest.confidence > 0.85
    assert "mostly rich" in surest.answer


def test_rules_hold_for_the_rows_they_cover(people):
    model, table, _ = people
    at = model.apply(table)[:, 0]
    for rule in model.rules(0):
        rows = table.filter(at == rule.leaf)
        assert len(rows) == rule.rows
        for condition in rule.conditions:
            if condition.startswith("age > "):
                assert (rows["age"] > float(condition.split()[2])).all()
            if condition.startswith("education in {"):
                inside = condition[condition.index("{") + 1 : condition.index("}")].split(", ")
                assert rows["education"].is_in(inside).all()


def test_text_lists_every_leaf(people):
    model, _, _ = people
    text = model.export_text(0)
    n_leaves = int((model._nodes().features[: model.forest_.starts[1]] < 0).sum())
    assert text.count(" rows)") == n_leaves
    assert "..." in model.export_text(0, max_depth=1)
    with pytest.raises(ValueError, match="tree must lie between"):
        model.export_text(99)


@pytest.mark.parametrize("kind", ["gain", "splits", "tree", "history", "shap", "waterfall"])
def test_pictures_are_drawn(people, kind):
    model, table, _ = people
    ax = model.plot(kind=kind, X=table[:50])
    ax.figure.canvas.draw()
    assert ax.lines or ax.patches or ax.collections
    plt.close("all")


def test_a_stump_that_cannot_split_is_one_box():
    model = HistGradientBoostingRegressor(max_iter=1).fit(np.zeros((30, 2)), np.arange(30.0))
    assert "0" in model.export_text()
    assert model.rules()[0].conditions == ()
    ax = model.plot(kind="tree")
    assert ax.patches
    plt.close("all")
