"""Data that several cases share: synthetic at the sizes of the published comparisons, and real sets."""

from __future__ import annotations

import gzip
import os
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).parents[1]


def real(name: str) -> Path:
    """A file of the real data sets; says where they are looked for when it is absent."""
    folder = Path(os.environ.get("TRIPOS_DATA", ROOT.parent / "shared" / "data"))
    if not (folder / name).exists():
        raise SystemExit(f"{name} is not in {folder}: set TRIPOS_DATA to the folder of the real data sets")
    return folder / name


def regression(n_rows: int, n_features: int) -> tuple[np.ndarray, np.ndarray]:
    """Gaussian X with mean 3 and a linear target with noise 0.1."""
    rng = np.random.default_rng(0)
    X = rng.normal(3.0, 1.0, (n_rows, n_features))
    return X, X @ rng.normal(size=n_features) + rng.normal(0.0, 0.1, n_rows) + 5.0


def binary(n_rows: int, n_features: int) -> tuple[np.ndarray, np.ndarray]:
    """Gaussian X and labels drawn from a logistic model of scale 2."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(n_rows, n_features))
    margin = X @ rng.normal(size=n_features) + 2.0 * rng.logistic(size=n_rows) + 0.3
    return X, (margin > 0).astype(np.int64)


def gaussians(n_rows: int, n_features: int, n_classes: int) -> tuple[np.ndarray, np.ndarray]:
    """Unit Gaussians whose means lie 0.3 apart."""
    rng = np.random.default_rng(0)
    y = rng.integers(0, n_classes, n_rows)
    return rng.normal(size=(n_rows, n_features)) + 0.3 * y[:, None], y


def sms_texts() -> tuple[list[str], np.ndarray]:
    """The bundled SMS Spam Collection: texts, and 1 for spam."""
    path = ROOT / "examples" / "sms-spam" / "sms-spam.tsv.gz"
    lines = gzip.decompress(path.read_bytes()).decode("utf-8").splitlines()[1:]
    pairs = [line.split("\t", 1) for line in lines]
    return [text for _, text in pairs], np.array([label == "spam" for label, _ in pairs], dtype=np.int64)


def enron_texts() -> tuple[list[str], np.ndarray]:
    """The Enron spam mails: texts, and 1 for spam."""
    import polars as pl

    frame = pl.read_csv(__import__("lzma").decompress(real("enron-spam/enron_spam.csv.xz").read_bytes()))
    text = next(name for name in frame.columns if name.lower() in ("message", "text", "body"))
    return frame[text].fill_null("").to_list(), (
        frame["label"].cast(pl.String) == _spam_label(frame["label"])
    ).to_numpy().astype(np.int64)


def _spam_label(labels: Any) -> str:
    return "spam" if "spam" in labels.cast(str).unique().to_list() else "1"


def tfidf(texts: list[str]) -> Any:
    """TF-IDF of words as CSR, from scikit-learn."""
    from sklearn.feature_extraction.text import TfidfVectorizer

    return TfidfVectorizer(sublinear_tf=True).fit_transform(texts)


def word_counts(texts: list[str]) -> Any:
    """Counts of words as CSR, from scikit-learn."""
    from sklearn.feature_extraction.text import CountVectorizer

    return CountVectorizer(dtype=np.float64).fit_transform(texts)
