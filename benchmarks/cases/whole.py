"""Whole processes: import, the command line, and `tripos run` from a table to a report."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from typing import Any

from benchmarks import sets
from benchmarks.cases.linear import SKL
from benchmarks.harness import OURS, Case


def _process(*arguments: str) -> Any:
    def run(data: Any) -> str:
        return subprocess.run([sys.executable, *arguments], check=True, capture_output=True, text=True).stdout

    return run


def _run_sms(data: Any) -> Any:
    import tripos

    with tempfile.TemporaryDirectory() as out:
        run = tripos.run(sets.ROOT / "examples" / "sms-spam" / "sms-spam.tsv.gz", "label", out=out, time=30)
        return dict(run.test_scores)


def _peer_sms(data: Any) -> Any:
    """What a careful scikit-learn user writes for the same table: TF-IDF, logistic regression, a search over C."""
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.metrics import accuracy_score
    from sklearn.model_selection import GridSearchCV, train_test_split
    from sklearn.pipeline import make_pipeline

    texts, y = sets.sms_texts()
    train, test, y_train, y_test = train_test_split(texts, y, test_size=0.2, random_state=0, stratify=y)
    pipeline = make_pipeline(
        TfidfVectorizer(sublinear_tf=True, ngram_range=(1, 2)), LogisticRegression(max_iter=1000)
    )
    search = GridSearchCV(pipeline, {"logisticregression__C": [0.1, 1, 10, 100, 1000]}, cv=5, n_jobs=2).fit(
        train, y_train
    )
    return {"accuracy": accuracy_score(y_test, search.predict(test))}


CASES = [
    Case(
        "import",
        "import the package",
        lambda: None,
        {OURS: _process("-c", "import tripos"), SKL: _process("-c", "import sklearn")},
        memory=False,
    ),
    Case(
        "help",
        "`tripos --help` against importing a scikit-learn model",
        lambda: None,
        {OURS: _process("-m", "tripos", "--help"), SKL: _process("-c", "import sklearn.linear_model")},
        memory=False,
    ),
    Case(
        "run-sms-spam",
        "`tripos run` on SMS spam, 30 s budget, against one grid search",
        lambda: None,
        {OURS: _run_sms, SKL: _peer_sms},
        quality=lambda data, result: {k: float(v) for k, v in result.items() if isinstance(v, (int, float))},
        memory=True,
        runs=2,
    ),
]
