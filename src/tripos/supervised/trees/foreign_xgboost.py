"""XGBoost's model files: JSON and UBJSON of `Booster.save_model`.

A numeric split sends float32(x) < float32(condition) left, NaN to the default side. In terms of x <= t that is a t
halfway between the condition and the float32 below, where rounding to even decides the middle. Categories in the
split's set go right, all else left, NaN to the default side.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from tripos.errors import ArtifactError
from tripos.supervised.trees.foreign_trees import Foreign, Grove, whole

SIGMOID = ("binary:logistic", "reg:logistic")
EXPONENTIAL = ("count:poisson", "reg:gamma", "reg:tweedie", "survival:cox", "survival:aft")
PLAIN = (
    "reg:squarederror", "reg:linear", "reg:squaredlogerror", "reg:pseudohubererror", "reg:absoluteerror",
    "reg:quantileerror", "reg:expectileerror", "rank:pairwise", "rank:ndcg", "rank:map", "binary:logitraw",
)  # fmt: skip


def from_content(content: dict[str, Any]) -> Foreign:
    """A model out of the parsed file."""
    learner = _part(content, "learner", dict)
    booster = _part(learner, "gradient_booster", dict)
    kind = booster.get("name", "gbtree")
    if kind not in ("gbtree", "dart"):
        raise ArtifactError(f"its booster {str(kind)[:40]!r} is not made of trees")
    drop = _floats(_part(booster, "weight_drop", (list, np.ndarray))) if kind == "dart" else None
    model = _part(_part(booster, "gbtree", dict) if "gbtree" in booster else booster, "model", dict)
    params = _part(learner, "learner_model_param", dict)
    n_columns = whole(params.get("num_feature"), "num_feature", 1, 1 << 24)
    n_classes = whole(params.get("num_class", 0), "num_class", 0, 1 << 16)
    K = max(n_classes, whole(params.get("num_target", 1), "num_target", 0, 1 << 16), 1)
    objective = str(_part(learner, "objective", dict).get("name", ""))
    trees, outputs = _part(model, "trees", list), _ints(_part(model, "tree_info", (list, np.ndarray)))
    if len(trees) != len(outputs) or (drop is not None and len(drop) != len(trees)):
        raise ArtifactError(f"{len(trees)} trees, but tree_info of {len(outputs)}")
    grove = Grove()
    for t, tree in enumerate(trees):
        if not isinstance(tree, dict):
            raise ArtifactError("a tree is not an object")
        _add(grove, tree, int(outputs[t]), 1.0 if drop is None else float(drop[t]))
    if not trees:
        raise ArtifactError("the file has no trees")
    nodes = grove.nodes(n_columns, K, set_goes_left=False)
    link = _link(objective)
    names = learner.get("feature_names")
    named = isinstance(names, list) and len(names) == n_columns
    many = n_classes if n_classes > 1 else 2 if objective.startswith("binary:") else 0
    return Foreign(
        nodes=nodes,
        base=_base(params.get("base_score", "0.5"), objective, K),
        link=link,
        slope=1.0,
        n_columns=n_columns,
        names=[str(name) for name in names] if named and names else None,
        n_classes=many,
        steps=_steps(learner, model, nodes.n_trees // K),
        unseen_left=True,
    )


def _link(objective: str) -> str:
    if objective in SIGMOID:
        return "sigmoid"
    if objective.startswith("multi:"):
        return "softmax"
    if objective in EXPONENTIAL:
        return "exp"
    if objective == "binary:hinge":
        return "sign"
    if objective in PLAIN:
        return "identity"
    raise ArtifactError(f"its objective {objective[:40]!r} is not known")


def _base(text: Any, objective: str, K: int) -> np.ndarray:
    """What scores start from: `base_score` is on the scale of the prediction, one number or one per output."""
    try:
        found = np.array([float(word) for word in str(text).strip("[] ").split(",")], dtype=np.float32)
    except ValueError:
        raise ArtifactError(f"base_score is {str(text)[:40]!r}, not a number") from None
    if len(found) not in (1, K) or not np.isfinite(found).all():
        raise ArtifactError(f"base_score has {len(found)} numbers for {K} outputs")
    base = np.broadcast_to(found.astype(np.float64), K)
    if objective in SIGMOID:
        if not ((base > 0) & (base < 1)).all():
            raise ArtifactError(f"base_score is {base[0]}, not a probability")
        base = np.log(base / (1 - base))
    elif objective in EXPONENTIAL:
        if not (base > 0).all():
            raise ArtifactError(f"base_score is {base[0]}, and has no logarithm")
        base = np.log(base)
    return np.array(base)


def _steps(learner: dict[str, Any], model: dict[str, Any], rounds: int) -> int:
    """Rounds of trees that predictions use: up to `best_iteration`, as the scikit-learn interface of XGBoost does."""
    attributes = learner.get("attributes")
    best = attributes.get("best_iteration") if isinstance(attributes, dict) else None
    if best is None:
        return rounds
    boosting = model.get("gbtree_model_param")
    parallel = boosting.get("num_parallel_tree", 1) if isinstance(boosting, dict) else 1
    each = max(whole(parallel, "num_parallel_tree", 0, 1 << 20), 1)
    return min((whole(best, "best_iteration") + 1) * each, rounds)


def _add(grove: Grove, tree: dict[str, Any], output: int, factor: float) -> None:
    size = _part(tree, "tree_param", dict).get("size_leaf_vector", "1")
    if whole(size, "size_leaf_vector", 0, 1 << 20) > 1:
        raise ArtifactError(
            "its leaves hold a vector each (multi_strategy='multi_output_tree'), which is not read"
        )
    left, right = (_ints(_part(tree, f"{side}_children", (list, np.ndarray))) for side in ("left", "right"))
    n = len(left)
    conditions = _floats(_part(tree, "split_conditions", (list, np.ndarray))).astype(np.float32)
    features = _ints(_part(tree, "split_indices", (list, np.ndarray)))
    defaults = _ints(_part(tree, "default_left", (list, np.ndarray))) != 0
    covers, gains = (_floats(tree.get(name, np.ones(n))) for name in ("sum_hessian", "loss_changes"))
    if len(conditions) != n or len(features) != n or len(right) != n:
        raise ArtifactError("the arrays of a tree have different lengths")
    leaf = (left < 0) & (right < 0)
    codes = _category_sets(tree, n, leaf)
    thresholds = just_below(conditions)
    thresholds[list(codes)] = 0.0
    grove.add(
        output,
        codes,
        features=np.where(leaf, -1, features),
        thresholds=np.where(leaf, 0.0, thresholds),
        left=left,
        right=right,
        missing_left=defaults & ~leaf,
        values=np.where(leaf, factor * conditions.astype(np.float64), np.nan),
        weights=covers,
        gains=gains,
    )


def just_below(conditions: np.ndarray) -> np.ndarray:
    """The largest float64 t of which float32(t) < condition holds."""
    with np.errstate(over="ignore", invalid="ignore"):
        below = np.nextafter(conditions, np.float32(-np.inf))
        middle = below.astype(np.float64) / 2 + conditions.astype(np.float64) / 2
        rounds_up = middle.astype(np.float32) >= conditions
    return np.asarray(np.where(rounds_up, np.nextafter(middle, -np.inf), middle))


def _category_sets(tree: dict[str, Any], n: int, leaf: np.ndarray) -> dict[int, np.ndarray]:
    """Split -> codes that go right."""
    kinds = _ints(tree.get("split_type", np.zeros(n, np.int64)))
    by_levels = np.flatnonzero((kinds == 1) & ~leaf[: len(kinds)]) if len(kinds) == n else None
    if by_levels is None or not np.isin(kinds, (0, 1)).all():
        raise ArtifactError("split_type is not 0 or 1 for each node")
    if not len(by_levels):
        return {}
    names = ("categories", "categories_nodes", "categories_segments", "categories_sizes")
    codes, at, starts, sizes = (_ints(_part(tree, name, (list, np.ndarray))) for name in names)
    if not len(at) == len(starts) == len(sizes):
        raise ArtifactError("categories_nodes, _segments and _sizes have different lengths")
    found = {}
    for node, start, size in zip(at.tolist(), starts.tolist(), sizes.tolist()):
        if start < 0 or size < 0 or start + size > len(codes):
            raise ArtifactError("a split's categories lie outside of the list")
        found[node] = codes[start : start + size]
    if set(found) != set(by_levels.tolist()):
        raise ArtifactError("categories_nodes are not the splits on categories")
    return found


def _part(content: dict[str, Any], name: str, kind: Any) -> Any:
    value = content.get(name)
    if not isinstance(value, kind):
        raise ArtifactError(f"the file has no {name}, or not as a model of XGBoost has it")
    return value


def _floats(values: Any) -> np.ndarray:
    try:
        found = np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError, OverflowError):
        raise ArtifactError("a list holds something that is not a number") from None
    if found.ndim != 1:
        raise ArtifactError("a list of numbers is nested")
    return found


def _ints(values: Any) -> np.ndarray:
    found = _floats(values)
    if found.size and (
        np.abs(found).max() >= 2**53 or (found != np.round(found)).any() or np.isnan(found).any()
    ):
        raise ArtifactError("a list holds something that is not a whole number")
    return found.astype(np.int64)
