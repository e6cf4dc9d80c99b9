"""The README's tables, written from the saved rows so that no number in them is older than its measurement."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

README = Path(__file__).parents[1] / "README.md"

# lecture topic, what does it, its file, the cases whose ratios are shown
TOPICS: list[tuple[str, str, str, list[str]]] = [
    ("From a table to a tested model", "`tripos run`, `tripos.run`", "workflow/run.py", ["run-sms-spam"]),
    ("Experience E: reading any table", "`read_table`", "data/read.py", ["read-and-encode-adult"]),
    ("Kinds of columns, types of a task", "`Schema`", "data/schema.py", []),
    ("Exploring data, leakage", "`profile`", "data/profile.py", []),
    ("Training, validation and test parts", "`split`", "data/split.py", []),
    (
        "Missing values, one-hot, ordinal, target statistics, dates, TF-IDF, scaling, binning",
        "`Encoder`",
        "data/encoder.py",
        ["encode-one-row-adult"],
    ),
    (
        "Linear regression: normal equation, gradient descent",
        "`LinearRegression`",
        "supervised/linear/least_squares.py",
        ["least-squares-1m-x-50"],
    ),
    (
        "Ridge, L2 penalty, leave-one-out in closed form",
        "`Ridge`, `RidgeCV`, `RidgeClassifier`, `RidgeClassifierCV`",
        "supervised/linear/ridge.py",
        [
            "ridge-1m-x-50",
            "ridge-cv-10000-x-100",
            "ridge-cv-200000-x-50",
            "ridge-cv-2000-x-5000",
            "ridge-text-sms",
            "ridge-text-enron",
        ],
    ),
    (
        "Lasso, elastic net, the path of coefficients",
        "`Lasso`, `ElasticNet`, `LassoCV`, `ElasticNetCV`, `lasso_path`, `enet_path`",
        "supervised/linear/lasso.py",
        [
            "lasso-path-2k-x-20k",
            "lasso-path-200k-x-100",
            "lasso-2k-x-20k-medium",
            "lasso-200k-x-100",
            "lasso-text-sms",
            "lasso-cv-200k-x-100",
        ],
    ),
    (
        "Logistic and softmax regression; L1, L2, elastic net",
        "`LogisticRegression`, `LogisticRegressionCV`",
        "supervised/linear/logistic.py",
        [
            "logistic-500k-x-30",
            "logistic-5k-x-2k",
            "logistic-text-sms",
            "logistic-text-enron",
            "logistic-l1-sms",
            "logistic-l1-spambase",
            "softmax-letter",
            "logistic-cv-spambase",
            "one-row-logistic-predict",
            "one-row-logistic-probability",
        ],
    ),
    (
        "Discriminant analysis, Fisher's projection",
        "`LinearDiscriminantAnalysis`, `QuadraticDiscriminantAnalysis`",
        "supervised/linear/lda.py",
        ["lda-fit", "lda-predict", "qda-fit", "qda-predict"],
    ),
    (
        "Perceptron: the learning rule, XOR",
        "`Perceptron`",
        "supervised/linear/perceptron.py",
        ["perceptron-500k-x-30", "perceptron-text-sms", "perceptron-text-enron"],
    ),
    (
        "Stochastic gradient descent, row by row",
        "`SGDClassifier`, `SGDRegressor`",
        "supervised/linear/sgd.py",
        [
            "sgd-hinge-l2-500k-x-30",
            "sgd-log-elasticnet-500k-x-30",
            "sgd-hinge-l2-text-sms",
            "sgd-hinge-l2-text-enron",
            "sgd-log-l2-text-enron",
            "sgd-regressor-500k-x-30",
        ],
    ),
    (
        "Linear support vectors: hinge, margin, dual ascent",
        "`LinearSVC`, `LinearSVR`",
        "supervised/linear/svc.py",
        ["linear-svc-500k-x-30", "linear-svc-hinge-20k-x-30", "linear-svc-text-sms", "linear-svr-20k-x-50"],
    ),
    (
        "Generalised linear models: counts, positive targets, exposure",
        "`PoissonRegressor`, `GammaRegressor`, `TweedieRegressor`",
        "supervised/linear/glm.py",
        [
            "poisson-500k-x-30-lbfgs",
            "poisson-500k-x-30-newton-cholesky",
            "gamma-500k-x-30-newton-cholesky",
            "tweedie-500k-x-30-newton-cholesky",
            "poisson-bikes",
        ],
    ),
    (
        "Robust regression: Huber, quantiles",
        "`HuberRegressor`, `QuantileRegressor`",
        "supervised/linear/huber.py",
        ["huber-200k-x-20", "quantile-5k-x-10"],
    ),
    (
        "Standard errors, tests, intervals, odds ratios, VIF",
        "`summary`, `inference` of linear models ([docs](docs/inference.md))",
        "supervised/linear/inference.py",
        [],
    ),
    (
        "Gaussian naive Bayes",
        "`GaussianNB`",
        "supervised/bayes/gaussian.py",
        ["gaussian-nb-fit", "gaussian-nb-predict"],
    ),
    (
        "Naive Bayes on counts, spam words",
        "`MultinomialNB`, `ComplementNB`, `BernoulliNB`",
        "supervised/bayes/counts.py",
        [
            "multinomial-nb-fit-enron",
            "multinomial-nb-predict-enron",
            "complementnb-fit-enron",
            "complementnb-predict-enron",
            "bernoullinb-fit-enron",
            "bernoullinb-predict-enron",
        ],
    ),
    (
        "Naive Bayes on categories, and on tables with gaps",
        "`CategoricalNB`, `NaiveBayes`",
        "supervised/bayes/mixed.py",
        ["categorical-nb-fit", "categorical-nb-predict"],
    ),
    (
        "Gradient boosting of trees: histograms, missing values, categories",
        "`HistGradientBoostingClassifier`, `HistGradientBoostingRegressor`, `BoostedTreesClassifier`, `BoostedTreesRegressor`",
        "supervised/trees/boosting.py",
        [],
    ),
    (
        "Neighbours, choice of k",
        "`KNeighborsClassifier`, `KNeighborsRegressor`, `RadiusNeighborsClassifier`, `RadiusNeighborsRegressor`, `NearestNeighbors`",
        "supervised/neighbors/classification.py",
        [],
    ),
    ("Kernel machines by SMO", "`SVC`, `SVR`", "supervised/svm/smo.py", []),
    (
        "Baselines",
        "`DummyClassifier`, `DummyRegressor`",
        "supervised/dummy/baseline.py",
        ["dummy-classifier", "dummy-regressor"],
    ),
    ("Losses and penalties", "`tripos.objective`", "objective/losses.py", []),
    (
        "Gradient descent and its kin, Newton, BFGS, L-BFGS, coordinate descent, dual ascent",
        "`minimize`",
        "optimization/facade.py",
        [],
    ),
    ("Is the gradient right?", "`check_gradient`", "optimization/check.py", []),
    (
        "Performance P: confusion matrix, precision, recall, ...",
        "`tripos.metrics`",
        "metrics/classification.py",
        [],
    ),
    (
        "ROC curve and its area",
        "`roc_auc_score`",
        "metrics/roc_auc.py",
        ["auc-1m", "auc-1m-float32", "auc-1m-ties"],
    ),
    ("Cross-validation", "`tripos.selection.cross_validate`", "selection/validation.py", []),
    ("Learning curve, bias and variance", "`learning_curve`, `diagnose_fit`", "selection/diagnosis.py", []),
    ("Importance by permutation", "`permutation_importance`", "selection/importance.py", []),
    ("Calibration", "`calibration_curve`", "selection/calibrate.py", []),
    (
        "Is one model better? Bootstrap, corrected t-test",
        "`compare`, `compare_folds`",
        "selection/comparison.py",
        [],
    ),
    ("Keeping a model safely", "`save`, `load`", "artifact/__init__.py", []),
    ("Larger than memory", "`scan`, `partial_fit`, `merge`", "compute/scan.py", []),
    (
        "Kernels, threads, memory budget",
        "`@kernel`, `tripos warm`, `tripos doctor`",
        "compute/kernel.py",
        ["import", "help"],
    ),
]


def _ratios(rows: dict[str, dict[str, Any]], cases: list[str]) -> str:
    parts = []
    for case in cases:
        if case in rows:
            ratios = ", ".join(f"{ratio:.1f} × {peer}" for peer, ratio in rows[case]["ratio"].items())
            parts.append(f"{rows[case]['title']}: {ratios}")
    return "<br>".join(parts) or "-"


def measured_table(rows: list[dict[str, Any]]) -> str:
    """One line per case: seconds, ratios with their spread, memory, first call."""
    lines = [
        "| case | ours | times faster than (lowest to highest pair) | peak memory, ours / peer | first call cold / cached |",
        "|---|---|---|---|---|",
    ]
    for row in rows:
        spread = row["ratio_spread"]
        ratios = "<br>".join(
            f"{peer} **{ratio:.1f}** ({spread[peer][0]:.1f} to {spread[peer][1]:.1f})"
            for peer, ratio in row["ratio"].items()
        )
        memory = "-"
        if "peak_mib" in row:
            peak = dict(row["peak_mib"])
            memory = f"{peak.pop('tripos'):.0f} / {', '.join(f'{mib:.0f}' for mib in peak.values())} MiB"
        first = f"{row['cold_seconds']:.1f} / {row['cached_seconds']:.2f} s" if "cold_seconds" in row else "-"
        lines.append(
            f"| {row['title']} | {_seconds(row['seconds']['tripos'])} | {ratios} | {memory} | {first} |"
        )
    return "\n".join(lines)


def _seconds(value: float) -> str:
    for unit, scale in (("s", 1.0), ("ms", 1e-3)):
        if value >= scale:
            return f"{value / scale:.3g} {unit}"
    return f"{value / 1e-6:.3g} µs"


def topics_table(rows: list[dict[str, Any]]) -> str:
    """Lecture topic -> class -> file -> measured ratio."""
    known = {row["case"]: row for row in rows}
    lines = ["| lecture topic | class | file | times faster |", "|---|---|---|---|"]
    for topic, name, file, cases in TOPICS:
        lines.append(f"| {topic} | {name} | [{file}](src/tripos/{file}) | {_ratios(known, cases)} |")
    return "\n".join(lines)


def real_tables_table() -> str:
    """`tripos run` on real tables beside a scikit-learn pipeline on the same split."""
    path = Path(__file__).parent / "results" / "tables" / "real-tables.json"
    if not path.exists():
        return ""
    lines = [
        "| table | rows | P | test score (95 % interval) | baseline | scikit-learn's pipeline | winner | left out | seconds |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for row in json.loads(path.read_text(encoding="utf-8"))["tables"]:
        score = f"**{row['score']:.3f}** ({row['low']:.3f} to {row['high']:.3f})"
        left_out = ", ".join(f"`{name}`" for name in row["left_out"]) or "-"
        lines.append(
            f"| {row['table']} | {row['rows']:,} | {row['metric']} | {score} | {row['baseline']:.3f} | "
            f"{row['scikit-learn']:.3f} | {row['winner']} | {left_out} | {row['seconds']:.0f} |"
        )
    return "\n".join(lines)


def write(rows: list[dict[str, Any]]) -> Path:
    """Replaces what stands between the README's `<!-- name -->` and `<!-- /name -->` marks."""
    text = README.read_text(encoding="utf-8")
    for name, table in (
        ("topics", topics_table(rows)),
        ("measured", measured_table(rows)),
        ("tables", real_tables_table()),
    ):
        mark = re.compile(rf"(<!-- {name} -->\n).*?(<!-- /{name} -->)", re.S)
        text = mark.sub(lambda found, table=table: f"{found[1]}{table}\n{found[2]}", text)
    README.write_text(text, encoding="utf-8")
    return README
