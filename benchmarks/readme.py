"""The README's tables, written from the saved rows so that no number in them is older than its measurement."""

from __future__ import annotations

import fnmatch
import json
import re
from pathlib import Path
from typing import Any

from benchmarks import tree_quality

README = Path(__file__).parents[1] / "README.md"

# lecture topic, what does it, its file, patterns of the cases whose ratios are shown
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
        ["least-squares-*", "small-least-squares"],
    ),
    (
        "Ridge, L2 penalty, leave-one-out in closed form",
        "`Ridge`, `RidgeCV`, `RidgeClassifier`, `RidgeClassifierCV`",
        "supervised/linear/ridge.py",
        ["ridge-*", "small-ridge"],
    ),
    (
        "Lasso, elastic net, the path of coefficients",
        "`Lasso`, `ElasticNet`, `LassoCV`, `ElasticNetCV`, `lasso_path`, `enet_path`",
        "supervised/linear/lasso.py",
        ["lasso-path-*", "lasso-2k-*", "lasso-200k-*", "lasso-text-*", "lasso-diabetes", "lasso-cv-*"],
    ),
    (
        "Logistic and softmax regression; L1, L2, elastic net",
        "`LogisticRegression`, `LogisticRegressionCV`",
        "supervised/linear/logistic.py",
        ["logistic-*", "softmax-*", "small-logistic", "one-row-logistic-*"],
    ),
    (
        "Discriminant analysis, Fisher's projection",
        "`LinearDiscriminantAnalysis`, `QuadraticDiscriminantAnalysis`",
        "supervised/linear/lda.py",
        ["lda-*", "qda-*"],
    ),
    (
        "Perceptron: the learning rule, XOR",
        "`Perceptron`",
        "supervised/linear/perceptron.py",
        ["perceptron-*"],
    ),
    (
        "Stochastic gradient descent, row by row",
        "`SGDClassifier`, `SGDRegressor`",
        "supervised/linear/sgd.py",
        ["sgd-*"],
    ),
    (
        "Linear support vectors: hinge, margin, dual ascent",
        "`LinearSVC`, `LinearSVR`",
        "supervised/linear/svc.py",
        ["linear-sv*"],
    ),
    (
        "Generalised linear models: counts, positive targets, exposure",
        "`PoissonRegressor`, `GammaRegressor`, `TweedieRegressor`",
        "supervised/linear/glm.py",
        ["poisson-*", "gamma-*", "tweedie-*"],
    ),
    (
        "Robust regression: Huber, quantiles",
        "`HuberRegressor`, `QuantileRegressor`",
        "supervised/linear/huber.py",
        ["huber-*", "quantile-*"],
    ),
    (
        "Standard errors, tests, intervals, odds and risk ratios, VIF",
        "`summary`, `inference` of linear models ([docs](docs/inference.md))",
        "supervised/linear/inference.py",
        [],
    ),
    (
        "Gaussian naive Bayes",
        "`GaussianNB`",
        "supervised/bayes/gaussian.py",
        ["gaussian-nb-*"],
    ),
    (
        "Naive Bayes on counts, spam words",
        "`MultinomialNB`, `ComplementNB`, `BernoulliNB`",
        "supervised/bayes/counts.py",
        ["multinomial-nb-*", "complementnb-*", "bernoullinb-*"],
    ),
    (
        "Naive Bayes on categories, and on tables with gaps",
        "`CategoricalNB`, `NaiveBayes`",
        "supervised/bayes/mixed.py",
        ["categorical-nb-*"],
    ),
    (
        "Decision trees: CART and its pruning",
        "`DecisionTreeClassifier`, `DecisionTreeRegressor`",
        "supervised/trees/decision_tree.py",
        ["cart-*"],
    ),
    (
        "Decision trees as Quinlan gives them",
        "`ID3Classifier`, `C45Classifier`",
        "supervised/trees/c45.py",
        [],
    ),
    (
        "Random forests, extremely randomised trees",
        "`RandomForestClassifier`, `RandomForestRegressor`, `ExtraTreesClassifier`, `ExtraTreesRegressor`",
        "supervised/trees/random_forest.py",
        ["forest-*", "extra-trees-*", "one-row-forest*"],
    ),
    (
        "AdaBoost, bagging, voting, stacking",
        "`AdaBoostClassifier`, `AdaBoostRegressor`, `BaggingClassifier`, `BaggingRegressor`, `VotingClassifier`, "
        "`VotingRegressor`, `StackingClassifier`, `StackingRegressor`",
        "supervised/ensemble/ada_boost.py",
        ["adaboost-*"],
    ),
    (
        "Gradient boosting of trees: histograms, missing values, categories, ranking",
        "`BoostedTreesClassifier`, `BoostedTreesRegressor`, `BoostedTreesRanker`, `HistGradientBoostingClassifier`, "
        "`HistGradientBoostingRegressor`, `GradientBoostingClassifier`, `GradientBoostingRegressor`",
        "supervised/trees/boosting.py",
        ["boosting-*", "one-row-boosting-*"],
    ),
    (
        "Reading a tree: rules, importances, Shapley values; models of LightGBM and XGBoost",
        "`export_text`, `rules`, `plot`, `shap_values` of trees ([docs](docs/trees.md)), `load`",
        "supervised/trees/shap.py",
        ["tree-shap*", "loaded-*"],
    ),
    (
        "Neighbours, choice of k",
        "`KNeighborsClassifier`, `KNeighborsRegressor`, `RadiusNeighborsClassifier`, `RadiusNeighborsRegressor`, "
        "`NearestNeighbors`, `NearestCentroid`",
        "supervised/neighbors/classification.py",
        ["neighbors-*", "one-row-neighbors-*", "one-row-centroid"],
    ),
    (
        "Density, outliers and missing cells by neighbours",
        "`KernelDensity`, `LocalOutlierFactor`, `KNNImputer`",
        "unsupervised/anomaly/local_outlier_factor.py",
        ["local-outlier-factor", "knn-imputer", "kernel-density"],
    ),
    (
        "Kernel machines by SMO",
        "`SVC`, `SVR`, `NuSVC`, `NuSVR`, `OneClassSVM`",
        "supervised/svm/smo.py",
        ["svc-*", "svr-*", "one-row-svc*"],
    ),
    (
        "Kernels without SMO: ridge in closed form, landmarks, random features",
        "`KernelRidge`, `Nystroem`, `RBFSampler`",
        "supervised/svm/kernel_ridge.py",
        ["kernel-ridge*", "nystroem*", "rbf-sampler*"],
    ),
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
    (
        "Importance by permutation",
        "`permutation_importance`, `out_of_bag_importance`",
        "selection/permutation.py",
        [],
    ),
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
    parts = {}
    for case in (name for pattern in cases for name in fnmatch.filter(rows, pattern)):
        ratios = ", ".join(f"{ratio:.1f} × {peer}" for peer, ratio in rows[case]["ratio"].items())
        parts[case] = f"{rows[case]['title']}: {ratios}"
    return "<br>".join(parts.values()) or "-"


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
        ("tree-quality", tree_quality.table()),
    ):
        mark = re.compile(rf"(<!-- {name} -->\n).*?(<!-- /{name} -->)", re.S)
        text = mark.sub(lambda found, table=table: f"{found[1]}{table}\n{found[2]}", text)
    README.write_text(text, encoding="utf-8")
    return README
