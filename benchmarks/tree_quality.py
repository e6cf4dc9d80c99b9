"""`python -m benchmarks.tree_quality`: how well boosted trees predict real tables, beside four libraries at equal settings.

    python -m benchmarks.tree_quality [--sets NAME ...] [--seeds 5] [--seconds 280] [--again CONTESTANT ...]

100 trees (a class) of at most 31 leaves with 20 rows, learning rate 0.1, 255 bins, L2 penalty 1, every row and column
for each tree, and no noise on the scores of splits (CatBoost's default); for classes the least hessian of a leaf is 1 where a library knows one (tripos, LightGBM, XGBoost). XGBoost
knows no least number of rows: for numbers it has the least hessian 20, which is the same. A seed draws the test rows and
is the models' seed. CatBoost grows the same leaf-wise trees, and trees of its own kind (symmetric, 6 levels). Categories go to each library as it wants them; scikit-learn, which takes 255
levels, has columns of more as numbers.

Each fit is noted in `results/tree_quality/<set>.json` when it is done, so a run that was stopped goes on where it was.
"""

from __future__ import annotations

import argparse
import json
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from benchmarks import harness
from benchmarks.tree_sets import FEWER_SEEDS, SETS, Table

FOLDER = harness.RESULTS / "tree_quality"
TREES, RATE, LEAVES, ROWS, BINS, L2, HESSIAN = 100, 0.1, 31, 20, 255, 1.0, 1.0
LEAST_IS_BEST = ("log_loss", "rmse")
FIRST = {"classes": "log_loss", "regression": "rmse", "ranking": "ndcg@10"}
Fitted = Callable[[pd.DataFrame], np.ndarray]  # probabilities, numbers or scores of rows
Part = tuple[pd.DataFrame, np.ndarray, "np.ndarray | None"]  # X, y, sizes of the queries


def ours(table: Table, train: Part, seed: int, **extra: Any) -> Fitted:
    import tripos

    X, y, sizes = train
    settings = {
        "n_estimators": TREES,
        "learning_rate": RATE,
        "max_leaves": LEAVES,
        "min_child_samples": ROWS,
        "max_bins": BINS,
        "reg_lambda": L2,
        "random_state": seed,
        **extra,
    }
    if table.task == "ranking":
        return tripos.BoostedTreesRanker(**settings).fit(X, y, group=sizes).predict
    if table.task == "regression":
        return tripos.BoostedTreesRegressor(**settings).fit(X, y).predict
    return tripos.BoostedTreesClassifier(**{"min_child_weight": HESSIAN} | settings).fit(X, y).predict_proba


def ordered(table: Table, train: Part, seed: int) -> Fitted:
    return ours(table, train, seed, categories="ordered")


def symmetric(table: Table, train: Part, seed: int) -> Fitted:
    """Beside CatBoost's own kind of trees: six levels, categories as ordered statistics."""
    return ours(table, train, seed, categories="ordered", growth="symmetric", max_depth=6)


def lightgbm(table: Table, train: Part, seed: int) -> Fitted:
    import lightgbm as lgb

    X, y, sizes = train
    settings = {
        "n_estimators": TREES,
        "learning_rate": RATE,
        "num_leaves": LEAVES,
        "min_child_samples": ROWS,
        "max_bin": BINS,
        "reg_lambda": L2,
        "random_state": seed,
        "n_jobs": 1,
        "verbose": -1,
    }
    if table.task == "ranking":
        return lgb.LGBMRanker(**settings).fit(X, y, group=sizes).predict
    if table.task == "regression":
        return lgb.LGBMRegressor(**settings).fit(X, y).predict
    return lgb.LGBMClassifier(min_child_weight=HESSIAN, **settings).fit(X, y).predict_proba


def xgboost(table: Table, train: Part, seed: int) -> Fitted:
    import xgboost as xgb

    X, y, sizes = train
    settings = {
        "n_estimators": TREES,
        "learning_rate": RATE,
        "max_leaves": LEAVES,
        "max_depth": 0,
        "grow_policy": "lossguide",
        "tree_method": "hist",
        "max_bin": BINS,
        "reg_lambda": L2,
        "min_child_weight": ROWS if table.task == "regression" else HESSIAN,
        "enable_categorical": True,
        "random_state": seed,
        "n_jobs": 1,
    }
    if table.task == "ranking":
        ranker = xgb.XGBRanker(
            objective="rank:ndcg",
            lambdarank_pair_method="topk",
            lambdarank_num_pair_per_sample=30,
            **settings,
        )
        return ranker.fit(X, y, group=sizes).predict
    if table.task == "regression":
        return xgb.XGBRegressor(**settings).fit(X, y).predict
    return xgb.XGBClassifier(**settings).fit(X, y).predict_proba


def _as_words(X: pd.DataFrame, categories: list[str]) -> pd.DataFrame:
    words = {name: X[name].astype(object).fillna("missing").astype(str) for name in categories}
    return X.assign(**words)


def catboost(table: Table, train: Part, seed: int, **growth: Any) -> Fitted:
    import catboost as cb

    X, y, sizes = train
    settings = {
        "iterations": TREES,
        "learning_rate": RATE,
        "border_count": BINS - 1,
        "l2_leaf_reg": L2,
        "bootstrap_type": "No",
        "random_seed": seed,
        "random_strength": 0,  # noise on the scores of splits; nobody draws here
        "thread_count": 1,
        "verbose": False,
        "allow_writing_files": False,
        **growth,
    }
    words = table.categories
    if table.task == "ranking":
        query = np.repeat(np.arange(len(sizes)), sizes) if sizes is not None else None
        return cb.CatBoostRanker(loss_function="YetiRank", **settings).fit(X, y, group_id=query).predict
    if table.task == "regression":
        model = cb.CatBoostRegressor(cat_features=words, **settings).fit(_as_words(X, words), y)
        return lambda Z: model.predict(_as_words(Z, words))
    model = cb.CatBoostClassifier(cat_features=words, **settings).fit(_as_words(X, words), y)
    return lambda Z: model.predict_proba(_as_words(Z, words))


def catboost_leafwise(table: Table, train: Part, seed: int) -> Fitted:
    return catboost(table, train, seed, grow_policy="Lossguide", max_leaves=LEAVES, min_data_in_leaf=ROWS)


def scikit_learn(table: Table, train: Part, seed: int) -> Fitted:
    from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

    X, y, _ = train
    kind = HistGradientBoostingRegressor if table.task == "regression" else HistGradientBoostingClassifier
    model = kind(
        learning_rate=RATE,
        max_iter=TREES,
        max_leaf_nodes=LEAVES,
        min_samples_leaf=ROWS,
        max_bins=BINS,
        l2_regularization=L2,
        early_stopping=False,
        random_state=seed,
    )
    wide = [name for name in table.categories if X[name].cat.categories.size > BINS]

    def narrowed(Z: pd.DataFrame) -> pd.DataFrame:
        return Z.assign(**{name: Z[name].cat.codes.replace(-1, np.nan).astype(float) for name in wide})

    model.fit(narrowed(X), y)
    predict = model.predict if table.task == "regression" else model.predict_proba
    return lambda Z: predict(narrowed(Z))


CONTESTANTS: dict[str, Callable[[Table, Part, int], Fitted]] = {
    "tripos": ours,
    "tripos ordered": ordered,
    "tripos symmetric": symmetric,
    "LightGBM": lightgbm,
    "XGBoost": xgboost,
    "HistGB": scikit_learn,
    "CatBoost": catboost_leafwise,
    "CatBoost symmetric": catboost,
}


def contestants_of(table: Table) -> list[str]:
    """Who takes part: scikit-learn ranks nothing, and what is about categories needs some."""
    absent = {"HistGB"} if table.task == "ranking" else set()
    absent |= set() if table.categories else {"tripos ordered", "tripos symmetric", "CatBoost symmetric"}
    return [who for who in CONTESTANTS if who not in absent]


def quality(table: Table, rows: np.ndarray, predicted: np.ndarray) -> dict[str, float]:
    """The measures of one model on its test rows."""
    from sklearn.metrics import accuracy_score, log_loss, r2_score, roc_auc_score

    y = table.y[rows]
    if table.task == "regression":
        return {"rmse": float(np.sqrt(np.mean((y - predicted) ** 2))), "r2": float(r2_score(y, predicted))}
    if table.task == "ranking":
        from tripos.metrics import ndcg_score

        assert table.query is not None
        return {"ndcg@10": float(ndcg_score(y, predicted, groups=table.query[rows], k=10, exponential=True))}
    p = np.asarray(predicted, np.float64)
    p /= p.sum(axis=1, keepdims=True)
    known = np.arange(p.shape[1])
    found = {
        "log_loss": float(log_loss(y, p, labels=known)),
        "accuracy": float(accuracy_score(y, p.argmax(axis=1))),
    }
    return found | ({"auc": float(roc_auc_score(y, p[:, 1]))} if len(known) == 2 else {})


def fit_and_measure(table: Table, who: str, seed: int) -> dict[str, float]:
    """Quality and seconds of one contestant on one split."""
    train, test = table.parts(seed)
    if table.query is not None:
        train, test = np.sort(train), np.sort(test)
    sizes = None if table.query is None else np.unique(table.query[train], return_counts=True)[1]
    X, y = table.X.iloc[train].reset_index(drop=True), table.y[train]
    begin = time.perf_counter()
    predict = CONTESTANTS[who](table, (X, y, sizes), seed)
    seconds = time.perf_counter() - begin
    return quality(table, test, predict(table.X.iloc[test])) | {"seconds": round(seconds, 2)}


def _path(name: str) -> Path:
    return FOLDER / f"{name.replace(' ', '-')}.json"


def saved(name: str) -> dict[str, Any]:
    """What is known of a set."""
    path = _path(name)
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else {"set": name, "fits": {}}


def save(row: dict[str, Any]) -> None:
    """Writes a set's file in one step: a run that is stopped leaves the old file or the new one."""
    from tripos.workflow.store import write_json

    FOLDER.mkdir(parents=True, exist_ok=True)
    write_json(_path(row["set"]), row)


def run(name: str, n_seeds: int, until: float, only: list[str], again: list[str]) -> bool:
    """Fits what is missing of a set; False where the time was over before."""
    table, row = SETS[name](), saved(name)
    train, test = table.parts(0)
    row |= {
        "task": table.task,
        "rows": [len(train), len(test)],
        "columns": [table.X.shape[1], len(table.categories)],
    }
    row["machine"] = harness.machine()
    for who in again:
        row["fits"].pop(who, None)
    seeds = range(min(n_seeds, FEWER_SEEDS.get(name, n_seeds)))
    for who in [who for who in contestants_of(table) if who in only]:
        known = row["fits"].setdefault(who, {})
        for seed in (seed for seed in seeds if str(seed) not in known):
            if time.monotonic() > until:
                return False
            known[str(seed)] = fit_and_measure(table, who, seed)
            save(row)
            print(f"{name} {seed} {who}: {known[str(seed)]}", flush=True)
    return True


def summary(row: dict[str, Any]) -> dict[str, tuple[float, float, int]]:
    """Contestant -> mean, spread (standard deviation) and number of seeds of the first measure."""
    measure = FIRST[row["task"]]
    values = {who: [fit[measure] for fit in fits.values()] for who, fits in row["fits"].items() if fits}
    return {
        who: (float(np.mean(v)), float(np.std(v, ddof=1)) if len(v) > 1 else 0.0, len(v))
        for who, v in values.items()
    }


def table() -> str:
    """The saved figures as a table in Markdown."""
    rows = [saved(name) for name in SETS if _path(name).exists()]
    lines = [
        "| set | training rows x columns (categories) | measure, seeds | " + " | ".join(CONTESTANTS) + " |",
        "|---" * (3 + len(CONTESTANTS)) + "|",
    ]
    for row in rows:
        measure, found = FIRST[row["task"]], summary(row)
        best = (min if measure in LEAST_IS_BEST else max)(found.values())[0]
        cells = []
        for who in CONTESTANTS:
            if who not in found:
                cells.append("-")
                continue
            mean, spread, _ = found[who]
            digits = 0 if mean > 1000 else 4
            text = f"{mean:,.{digits}f}"
            cells.append(f"{f'**{text}**' if mean == best else text} ± {spread:,.{digits}f}")
        n_rows, (n_columns, n_words) = row["rows"][0], row["columns"]
        seeds = max(count for *_, count in found.values())
        shape = f"{n_rows:,} x {n_columns}" + (f" ({n_words})" if n_words else "")
        lines.append(f"| {row['set']} | {shape} | {measure}, {seeds} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--sets", nargs="*", default=list(SETS), choices=list(SETS))
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=float("inf"), help="start no fit after so long")
    parser.add_argument("--only", nargs="*", default=list(CONTESTANTS), choices=list(CONTESTANTS))
    parser.add_argument("--again", nargs="*", default=[], choices=list(CONTESTANTS), help="forget their fits")
    options = parser.parse_args()
    warnings.filterwarnings("ignore")
    until = time.monotonic() + options.seconds
    for name in options.sets:
        if not run(name, options.seeds, until, options.only, options.again):
            print(f"{name} is not finished: run it again", flush=True)
            break
    print(table())


if __name__ == "__main__":
    main()
