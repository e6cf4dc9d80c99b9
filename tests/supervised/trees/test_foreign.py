"""Model files of LightGBM and XGBoost predict here what they predict there; damaged ones are refused."""

from __future__ import annotations

import json

import numpy as np
import pytest

import tripos
from tripos import ArtifactError, LoadedTreesClassifier, LoadedTreesRegressor
from tripos.supervised.trees.foreign_xgboost import just_below
from tripos.supervised.trees.walk import predicted

lgb = pytest.importorskip("lightgbm")
xgb = pytest.importorskip("xgboost")


@pytest.fixture(scope="module")
def rows():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(700, 6))
    X[:, 3] = rng.integers(0, 90, 700)
    X[:, 5] = np.where(rng.random(700) < 0.5, 0.0, X[:, 5])
    X[rng.random(X.shape) < 0.06] = np.nan
    score = np.nan_to_num(X[:, 0]) + 2.0 * np.isin(X[:, 3] % 7, [1, 3]) + (X[:, 5] == 0)
    return X, score + 0.3 * rng.normal(size=700)


def close(ours, theirs):
    ours, theirs = np.asarray(ours, dtype=float), np.asarray(theirs, dtype=float)
    assert ours.shape == theirs.shape
    assert np.abs(ours - theirs).max() <= 1e-6 * max(1.0, np.abs(theirs).max())


def lightgbm_model(X, score, n_rounds=12, **params):
    """A booster for the objective in `params`, with column 3 as a category."""
    objective = params["objective"]
    y, group = score, None
    if objective in ("binary", "cross_entropy"):
        y = (score > 1).astype(float)
    elif objective.startswith("multiclass"):
        y, params["num_class"] = np.digitize(score, [0.5, 1.5]), 3
    elif objective in ("poisson", "gamma", "tweedie"):
        y = np.exp(score - score.max() + 2)
    elif objective == "lambdarank":
        y, group = np.digitize(score, [0.5, 1.5]), [100] * 7
    data = lgb.Dataset(X, y, group=group, categorical_feature=[3], free_raw_data=False)
    return lgb.train(
        {
            "verbose": -1,
            "min_data_in_leaf": 5,
            "min_data_per_group": 5,
            "cat_smooth": 1,
            "num_threads": 1,
            **params,
        },
        data,
        n_rounds,
    )


LIGHTGBM = {
    "binary": {"objective": "binary", "sigmoid": 1.3},
    "multiclass": {"objective": "multiclass"},
    "one-vs-all": {"objective": "multiclassova"},
    "regression": {"objective": "regression"},
    "square root": {"objective": "regression", "reg_sqrt": True},
    "absolute": {"objective": "regression_l1"},
    "poisson": {"objective": "poisson"},
    "tweedie": {"objective": "tweedie"},
    "shares": {"objective": "cross_entropy"},
    "ranks": {"objective": "lambdarank"},
    "dart": {"objective": "binary", "boosting": "dart"},
    "forest": {"objective": "binary", "boosting": "rf", "bagging_freq": 1, "bagging_fraction": 0.6},
    "zero is missing": {"objective": "regression", "zero_as_missing": True},
    "no missing": {"objective": "regression", "use_missing": False},
    "many bins": {"objective": "regression", "max_bin": 600, "num_leaves": 60, "min_data_in_bin": 1},
    "one level each": {"objective": "regression", "max_cat_to_onehot": 100},
}


@pytest.mark.parametrize(
    ("form", "case"),
    [("text", case) for case in LIGHTGBM]
    + [("json", case) for case in ("binary", "multiclass", "forest", "zero is missing", "no missing")],
)
def test_lightgbm_files_predict_the_same(rows, tmp_path, case, form):
    X, score = rows
    booster = lightgbm_model(X, score, **LIGHTGBM[case])
    path = tmp_path / f"model.{form}"
    if form == "text":
        booster.save_model(path)
    else:
        path.write_text(json.dumps(booster.dump_model()))
    model = tripos.load(path)
    unseen = np.concatenate([X, np.abs(X[:50]) * 40, np.zeros((2, 6)), -X[:50]])
    raw = booster.predict(unseen, raw_score=True)
    raw /= 12 if case == "forest" else 1  # LightGBM averages behind the raw score
    close(model.raw_scores(unseen), raw)
    close(predicted(model._nodes(), unseen[: len(X)]).squeeze(), raw[: len(X)])
    expected = booster.predict(unseen)
    if isinstance(model, LoadedTreesClassifier):
        found = model.predict_proba(unseen)
        close(found if expected.ndim > 1 else found[:, 1], expected)
    else:
        close(model.predict(unseen), expected)


def xgboost_model(X, score, n_rounds=8, categories=True, **params):
    objective = params["objective"]
    y, group = score, None
    if objective in ("binary:logistic", "reg:logistic", "binary:logitraw", "binary:hinge"):
        y = (score > 1).astype(float)
    elif objective.startswith("multi"):
        y, params["num_class"] = np.digitize(score, [0.5, 1.5]), 3
    elif objective in ("count:poisson", "reg:gamma", "reg:tweedie"):
        y = np.exp(score - score.max() + 2)
    elif objective.startswith("rank"):
        y, group = np.digitize(score, [0.5, 1.5]), [100] * 7
    kinds = ["q", "q", "q", "c" if categories else "q", "q", "q"]
    data = xgb.DMatrix(X, y, feature_types=kinds, enable_categorical=True)
    if group:
        data.set_group(group)
    return xgb.train({"max_depth": 4, "nthread": 1, **params}, data, n_rounds), kinds


XGBOOST = {
    "binary": {"objective": "binary:logistic"},
    "multiclass": {"objective": "multi:softprob"},
    "forest of classes": {"objective": "multi:softmax", "num_parallel_tree": 3, "subsample": 0.7},
    "regression": {"objective": "reg:squarederror"},
    "poisson": {"objective": "count:poisson"},
    "gamma": {"objective": "reg:gamma"},
    "tweedie": {"objective": "reg:tweedie"},
    "scores": {"objective": "binary:logitraw"},
    "hinge": {"objective": "binary:hinge"},
    "ranks": {"objective": "rank:ndcg"},
    "quantiles": {"objective": "reg:quantileerror", "quantile_alpha": [0.2, 0.7]},
    "dart": {"objective": "binary:logistic", "booster": "dart", "rate_drop": 0.3},
    "exact": {"objective": "reg:squarederror", "tree_method": "exact", "max_depth": 9, "categories": False},
    "base": {"objective": "binary:logistic", "base_score": 0.3},
}


@pytest.mark.parametrize(
    ("form", "case"),
    [("json", case) for case in XGBOOST] + [("ubj", case) for case in ("binary", "quantiles", "dart")],
)
def test_xgboost_files_predict_the_same(rows, tmp_path, case, form):
    X, score = rows
    booster, kinds = xgboost_model(X, score, **XGBOOST[case])
    path = tmp_path / f"model.{form}"
    booster.save_model(path)
    model = tripos.load(path)
    unseen = X.copy()
    unseen[:5, 3] = 200.0  # a category that no split knows
    data = xgb.DMatrix(unseen, feature_types=kinds, enable_categorical=True)
    raw = booster.predict(data, output_margin=True)
    close(model.raw_scores(unseen), raw)
    expected = booster.predict(data)
    if model.link_ == "softmax" and expected.ndim == 1:
        assert np.array_equal(model.predict(unseen), expected)
    elif isinstance(model, LoadedTreesClassifier) and model.link_ != "identity":
        found = model.predict_proba(unseen)
        close(found if expected.ndim > 1 else found[:, 1], expected)
    elif isinstance(model, LoadedTreesRegressor):
        close(model.predict(unseen), expected)


def test_xgboost_compares_in_float32(rows):
    t = np.array([0.5, 1.0, -3.25, 1e-45, 0.1, 3e38, 0.0], dtype=np.float32)
    rng = np.random.default_rng(1)
    t = np.concatenate([t, rng.normal(size=200).astype(np.float32)])
    limit = just_below(t)
    for x, side in ((limit, True), (np.nextafter(limit, np.inf), False)):
        assert ((x.astype(np.float32) < t) == side).all()


def test_rows_beside_thresholds_go_where_xgboost_sends_them(rows, tmp_path):
    X, score = rows
    booster, _ = xgboost_model(X, score, objective="reg:squarederror", categories=False)
    booster.save_model(tmp_path / "m.json")
    model = tripos.load(tmp_path / "m.json")
    cuts = model.nodes_.thresholds[model.nodes_.features >= 0]
    cells = np.concatenate(
        [
            cuts,
            np.nextafter(cuts, np.inf),
            cuts.astype(np.float32),
            np.nextafter(cuts.astype(np.float32), np.float32(9)),
        ]
    )
    Z = np.tile(cells[:, None], (1, 6))
    kinds = ["q"] * 6
    close(model.predict(Z), booster.predict(xgb.DMatrix(Z, feature_types=kinds)))
    Z = Z.astype(np.float32)
    close(model.predict(Z), booster.predict(xgb.DMatrix(Z, feature_types=kinds)))


def test_early_stopped_models_use_their_best_trees(rows, tmp_path):
    X, score = rows
    model = xgb.XGBRegressor(n_estimators=300, early_stopping_rounds=4, learning_rate=0.5, n_jobs=1)
    model.fit(X[:400], score[:400], eval_set=[(X[400:], score[400:])], verbose=False)
    model.save_model(tmp_path / "m.ubj")
    ours = tripos.load(tmp_path / "m.ubj")
    assert ours.best_iteration_ < ours.n_iter_
    close(ours.predict(X), model.predict(X))


def test_a_loaded_model_is_saved_and_explains_itself(rows, tmp_path):
    X, score = rows
    booster = lightgbm_model(X, score, objective="multiclass")
    booster.save_model(tmp_path / "m.txt")
    model = tripos.load(tmp_path / "m.txt")
    tripos.save(model, tmp_path / "m.tripos")
    again = tripos.load(tmp_path / "m.tripos")
    assert np.array_equal(again.predict_proba(X), model.predict_proba(X))
    assert again.rules(0)[0].conditions
    assert "rows" in again.export_text()
    with pytest.raises(TypeError, match="cannot be fitted"):
        again.fit(X, score)


def test_linear_trees_are_refused(rows, tmp_path):
    X, score = np.nan_to_num(rows[0]), rows[1]
    data = lgb.Dataset(X, score)
    booster = lgb.train({"objective": "regression", "linear_tree": True, "verbose": -1}, data, 3)
    booster.save_model(tmp_path / "m.txt")
    with pytest.raises(ArtifactError, match="linear"):
        tripos.load(tmp_path / "m.txt")
    (tmp_path / "m.json").write_text(json.dumps(booster.dump_model()))
    with pytest.raises(ArtifactError, match="linear"):
        tripos.load(tmp_path / "m.json")


def test_damaged_files_are_refused_and_never_walked(rows, tmp_path):
    X, score = rows
    booster = lightgbm_model(X, score, 3, objective="binary")
    text = booster.model_to_string()
    changes = [
        ("left_child=", "left_child=0 "), ("split_feature=", "split_feature=99 "), ("threshold=", "threshold=nan "),
        ("num_leaves=", "num_leaves=9"), ("max_feature_idx=5", "max_feature_idx=1"), ("end of trees", ""),
        ("leaf_value=", "leaf_value=x "), ("cat_boundaries=", "cat_boundaries=5 "), ("objective=binary", "objective=wish"),
    ]  # fmt: skip
    for old, new in changes:
        (tmp_path / "m.txt").write_text(text.replace(old, new))
        with pytest.raises(ArtifactError, match="cannot be loaded"):
            tripos.load(tmp_path / "m.txt")
    booster, _ = xgboost_model(X, score, 2, objective="binary:logistic")
    content = json.loads(booster.save_raw("json"))
    tree = content["learner"]["gradient_booster"]["model"]["trees"][0]
    kept = {
        name: list(values) if isinstance(values, list) else dict(values)
        for name, values in tree.items()
        if name != "id"
    }
    for name, value in (
        ("left_children", [0]),
        ("split_indices", [77]),
        ("split_conditions", [float("nan")] * 5),
    ):
        tree.update({k: list(v) if isinstance(v, list) else v for k, v in kept.items()})
        tree[name] = value + kept[name][len(value) :]
        (tmp_path / "m.json").write_text(json.dumps(content))
        with pytest.raises(ArtifactError, match="cannot be loaded"):
            tripos.load(tmp_path / "m.json")


@pytest.mark.parametrize("form", ["json", "ubj", "txt"])
def test_cut_and_altered_bytes_never_crash(rows, tmp_path, form):
    X, score = rows
    if form == "txt":
        data = lightgbm_model(X, score, 3, objective="binary").model_to_string().encode()
    else:
        data = bytes(xgboost_model(X, score, 2, objective="binary:logistic")[0].save_raw(form))
    rng, path = np.random.default_rng(0), tmp_path / "m"
    for k in range(60):
        damaged = bytearray(data[: rng.integers(10, len(data))] if k % 2 else data)
        for place in rng.integers(8, len(damaged), 3):
            damaged[place] = rng.integers(0, 256)
        path.write_bytes(damaged)
        try:
            found = tripos.load(path)
        except ArtifactError:
            continue
        assert len(found.raw_scores(np.zeros((3, found.n_features_in_)))) == 3
