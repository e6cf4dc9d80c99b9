"""LightGBM's model files: the text of `Booster.save_model` and the JSON of `Booster.dump_model`.

A numeric split sends x <= threshold left. Missing cells are, by the split's missing type: none (NaN counts as 0), zero (NaN
and |x| <= 1e-35 go to the default side) or NaN (goes to the default side). Categories in the split's set go left, all
else goes right.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from tripos.errors import ArtifactError
from tripos.supervised.trees.foreign_trees import Foreign, Grove, whole

CATEGORICAL, DEFAULT_LEFT = 1, 2
NONE, ZERO, NAN = 0, 1, 2
MISSING_TYPES = {"None": NONE, "Zero": ZERO, "NaN": NAN}
EXPONENTIAL = ("poisson", "gamma", "tweedie")
PLAIN = (
    "regression", "regression_l1", "huber", "fair", "quantile", "mape", "lambdarank", "rank_xendcg", "custom", "none", "",
)  # fmt: skip
MOST_OUTPUTS = 1 << 16


def from_text(text: str) -> Foreign:
    """A model of the text format."""
    head, _, rest = text.partition("\nTree=")
    header = _fields(head)
    body, end, _ = ("Tree=" + rest).partition("\nend of trees")
    if rest and not end:
        raise ArtifactError("the file ends in the middle of its trees")
    reader = _Reader(header)
    for block in body.split("Tree=")[1:] if rest else []:
        reader.add_block(_fields(block.partition("\n")[2]))
    declared = len(header.get("tree_sizes", "").split())
    if declared != len(reader.grove.outputs):
        raise ArtifactError(f"the file has {len(reader.grove.outputs)} trees and says that it has {declared}")
    return reader.model()


def from_json(content: dict[str, Any]) -> Foreign:
    """A model of the JSON format."""
    header: dict[str, Any] = {
        key: content[key]
        for key in ("num_class", "num_tree_per_iteration", "max_feature_idx", "objective")
        if key in content
    }
    reader = _Reader(header)
    names = content.get("feature_names")
    reader.names = [str(name) for name in names] if isinstance(names, list) else None
    reader.average = bool(content.get("average_output", False))
    trees = content.get("tree_info")
    if not isinstance(trees, list):
        raise ArtifactError("tree_info is not a list of trees")
    for tree in trees:
        if not isinstance(tree, dict) or not isinstance(tree.get("tree_structure"), dict):
            raise ArtifactError("a tree has no tree_structure")
        reader.add_nested(tree["tree_structure"])
    return reader.model()


def _fields(block: str) -> dict[str, str]:
    """`name=value` lines; a line without `=` is a flag."""
    found: dict[str, str] = {}
    for line in block.split("\n"):
        name, _, value = line.strip().partition("=")
        if name and name not in found:
            found[name] = value
    return found


class _Reader:
    def __init__(self, header: dict[str, Any]) -> None:
        self.grove = Grove()
        self.n_columns = 1 + whole(header.get("max_feature_idx"), "max_feature_idx", 0, 1 << 24)
        self.K = whole(header.get("num_tree_per_iteration", 1), "num_tree_per_iteration", 1, MOST_OUTPUTS)
        self.n_classes = whole(header.get("num_class", 1), "num_class", 1, MOST_OUTPUTS)
        self.objective = str(header.get("objective", ""))
        names = header.get("feature_names")
        self.names: list[str] | None = names.split(" ") if isinstance(names, str) else None
        self.average = "average_output" in header
        self.missing_of: dict[int, set[int]] = {}

    # ---- text ------------------------------------------------------------------------------------

    def add_block(self, block: dict[str, str]) -> None:
        if block.get("is_linear", "0").strip() not in ("0", ""):
            raise ArtifactError(
                "its trees have linear models in their leaves (linear_tree), which are not read"
            )
        n_leaves = whole(block.get("num_leaves"), "num_leaves", 1, 1 << 28)
        m = n_leaves - 1
        inner, leaf = slice(0, m), slice(m, None)
        n = m + n_leaves
        features = np.full(n, -1, np.int64)
        children = {name: np.full(n, -1, np.int64) for name in ("left", "right")}
        thresholds, gains, weights, values = (np.zeros(n) for _ in range(4))
        missing_left, codes = np.zeros(n, dtype=bool), {}
        values[leaf] = _numbers(block, "leaf_value", n_leaves)
        values[inner] = np.nan
        if m:
            features[inner] = _numbers(block, "split_feature", m, whole_numbers=True)
            thresholds[inner] = _numbers(block, "threshold", m)
            kinds = _numbers(block, "decision_type", m, whole_numbers=True).astype(np.int64)
            for name, array in children.items():
                found = _numbers(block, f"{name}_child", m, whole_numbers=True).astype(np.int64)
                if (found < -n_leaves).any() or (found >= m).any():
                    raise ArtifactError(f"{name}_child names a node that is not there")
                array[inner] = np.where(found < 0, m - found - 1, found)
            if "split_gain" in block:
                gains[inner] = _numbers(block, "split_gain", m)
            missing_left[inner] = self._defaults(features[inner], thresholds[inner], kinds)
            codes = _category_sets(block, thresholds, kinds)
            thresholds[list(codes)] = 0.0
        weights[leaf] = _numbers(block, "leaf_count", n_leaves) if "leaf_count" in block else 1.0
        if m and "internal_count" in block:
            weights[inner] = _numbers(block, "internal_count", m)
        self._add(codes, features, thresholds, children, missing_left, values, weights, gains)

    def _defaults(self, features: np.ndarray, thresholds: np.ndarray, kinds: np.ndarray) -> np.ndarray:
        """Whether NaN goes left at each split."""
        types = (kinds >> 2) & 3
        plain = (kinds & CATEGORICAL) == 0
        for j, kind in {(int(j), int(k)) for j, k in zip(features[plain], types[plain])}:
            self.missing_of.setdefault(j, set()).add(kind)
        default = (kinds & DEFAULT_LEFT) != 0
        return np.asarray(np.where(types == NONE, thresholds >= 0, default) & plain)

    # ---- JSON ------------------------------------------------------------------------------------

    def add_nested(self, root: dict[str, Any]) -> None:
        rows: list[tuple[int, float, int, int, bool, float, float, float]] = []
        codes: dict[int, np.ndarray] = {}
        stack: list[tuple[Any, int, str]] = [(root, -1, "")]
        children: dict[int, dict[str, int]] = {}
        while stack:
            node, above, side = stack.pop()
            if not isinstance(node, dict):
                raise ArtifactError("a node of a tree is not an object")
            i = len(rows)
            if above >= 0:
                children[above][side] = i
            if "split_feature" not in node:
                if "leaf_coeff" in node or "leaf_const" in node:
                    raise ArtifactError(
                        "its trees have linear models in their leaves (linear_tree), which are not read"
                    )
                value = _real(node.get("leaf_value"), "leaf_value")
                rows.append(
                    (-1, 0.0, -1, -1, False, value, _real(node.get("leaf_count", 1), "leaf_count"), 0.0)
                )
                continue
            rows.append(self._split(node, i, codes))
            children[i] = {}
            stack += [(node.get("right_child"), i, "right"), (node.get("left_child"), i, "left")]
        columns = list(zip(*rows))
        left, right = (np.full(len(rows), -1, np.int64) for _ in range(2))
        for i, found in children.items():
            left[i], right[i] = found["left"], found["right"]
        self._add(
            codes, np.array(columns[0]), np.array(columns[1]), {"left": left, "right": right},
            np.array(columns[4]), np.array(columns[5]), np.array(columns[6]), np.array(columns[7]),
        )  # fmt: skip

    def _split(
        self, node: dict[str, Any], i: int, codes: dict[int, np.ndarray]
    ) -> tuple[int, float, int, int, bool, float, float, float]:
        j = whole(node["split_feature"], "split_feature", 0, self.n_columns - 1)
        gain = _real(node.get("split_gain", 0.0), "split_gain")
        count = _real(node.get("internal_count", 1), "internal_count")
        if node.get("decision_type") == "==":
            found = str(node.get("threshold")).split("||")
            codes[i] = np.array([whole(c, "a category", 0, 1 << 30) for c in found])
            return j, 0.0, 0, 0, False, np.nan, count, gain
        kind = MISSING_TYPES.get(str(node.get("missing_type", "None")))
        if kind is None or node.get("decision_type") != "<=":
            raise ArtifactError(f"a split is of an unknown kind: {str(node.get('decision_type'))[:40]!r}")
        threshold = _real(node.get("threshold"), "threshold")
        self.missing_of.setdefault(j, set()).add(kind)
        left = threshold >= 0 if kind == NONE else bool(node.get("default_left"))
        return j, threshold, 0, 0, left, np.nan, count, gain

    # ---- both ------------------------------------------------------------------------------------

    def _add(
        self,
        codes: dict[int, np.ndarray],
        features: np.ndarray,
        thresholds: np.ndarray,
        children: dict[str, np.ndarray],
        missing_left: np.ndarray,
        values: np.ndarray,
        weights: np.ndarray,
        gains: np.ndarray,
    ) -> None:
        self.grove.add(
            len(self.grove.outputs) % self.K,
            codes,
            features=features,
            thresholds=thresholds,
            missing_left=missing_left,
            values=values,
            weights=weights,
            gains=gains,
            **children,
        )

    def model(self) -> Foreign:
        link, slope = self._link()
        trees = len(self.grove.outputs)
        if trees == 0 or trees % self.K:
            raise ArtifactError(f"the file has {trees} trees, for {self.K} in each step")
        zero = np.zeros(self.n_columns, dtype=bool)
        for j, kinds in self.missing_of.items():
            if ZERO in kinds and len(kinds) > 1:
                raise ArtifactError(f"zero counts as missing in some splits on column {j} and not in others")
            if 0 <= j < self.n_columns:
                zero[j] = ZERO in kinds
        if self.average:
            self.grove.values = [v / (trees // self.K) for v in self.grove.values]
        nodes = self.grove.nodes(self.n_columns, self.K, set_goes_left=True)
        if zero.any():
            nodes = replace(nodes, zero_is_missing=zero)
        if self.names is not None and len(self.names) != self.n_columns:
            raise ArtifactError(f"feature_names has {len(self.names)} names for {self.n_columns} columns")
        by_chance = self.names == [f"Column_{j}" for j in range(self.n_columns)]
        many = max(self.n_classes, 2) if link in ("sigmoid", "softmax", "one-vs-all") else 0
        if self.objective.startswith("cross_entropy") or self.objective.startswith("xentropy"):
            many = 0
        if many and self.K != (1 if many == 2 and link == "sigmoid" else many):
            raise ArtifactError(f"{self.K} trees in each step do not fit {many} classes")
        return Foreign(
            nodes=nodes,
            base=np.zeros(self.K),
            link=link,
            slope=slope,
            n_columns=self.n_columns,
            names=None if by_chance else self.names,
            n_classes=many,
            steps=trees // self.K,
        )

    def _link(self) -> tuple[str, float]:
        words = self.objective.split()
        name = words[0] if words else ""
        options = dict(word.partition(":")[::2] for word in words[1:])
        slope = _real(options.get("sigmoid", 1.0), "sigmoid")
        if name == "binary":
            return "sigmoid", slope
        if name == "multiclass":
            return "softmax", 1.0
        if name == "multiclassova":
            return "one-vs-all", slope
        if name in ("cross_entropy", "xentropy"):
            return "sigmoid", 1.0
        if name in ("cross_entropy_lambda", "xentlambda"):
            return "log1p-exp", 1.0
        if name in EXPONENTIAL:
            return "exp", 1.0
        if name == "regression" and "sqrt" in words:
            return "square", 1.0
        if name in PLAIN:
            return "identity", 1.0
        raise ArtifactError(f"its objective {name[:40]!r} is not known")


def _numbers(block: dict[str, str], name: str, n: int, *, whole_numbers: bool = False) -> np.ndarray:
    """The n numbers of a line."""
    if name not in block:
        raise ArtifactError(f"a tree has no {name}")
    words = block[name].split()
    if len(words) != n:
        raise ArtifactError(f"{name} has {len(words)} entries; expected {n}")
    try:
        return np.array(words, dtype=np.int64 if whole_numbers else np.float64)
    except (ValueError, OverflowError):
        raise ArtifactError(f"{name} holds something that is not a number") from None


def _category_sets(block: dict[str, str], thresholds: np.ndarray, kinds: np.ndarray) -> dict[int, np.ndarray]:
    """Split -> codes that go left, out of 32-bit words."""
    splits = np.flatnonzero(kinds & CATEGORICAL)
    if not len(splits):
        return {}
    n_sets = whole(block.get("num_cat"), "num_cat", 1, 1 << 28)
    bounds = _numbers(block, "cat_boundaries", n_sets + 1, whole_numbers=True)
    if bounds[0] != 0 or (np.diff(bounds) < 0).any() or bounds[-1] > 1 << 26:
        raise ArtifactError("cat_boundaries do not part the words of the categories")
    words = _numbers(block, "cat_threshold", int(bounds[-1]), whole_numbers=True)
    if (words < 0).any() or (words >= 1 << 32).any():
        raise ArtifactError("cat_threshold holds something that is not a word of 32 bits")
    bits = np.unpackbits(words.astype("<u4").view(np.uint8), bitorder="little")
    found = {}
    for i in splits:
        k = whole(thresholds[i], "the set of a split on categories", 0, n_sets - 1)
        found[int(i)] = np.flatnonzero(bits[32 * bounds[k] : 32 * bounds[k + 1]])
    return found


def _real(value: Any, what: str) -> float:
    try:
        return float(value)
    except (TypeError, ValueError):
        raise ArtifactError(f"{what} is {str(value)[:40]!r}, not a number") from None
