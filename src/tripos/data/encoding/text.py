"""Text to TF-IDF of its words and character n-grams.

For the term t in the document d of n documents, df of which have it,

    tf-idf(t, d) = (1 + ln count(t, d)) * (1 + ln((1 + n) / (1 + df(t)))),     each row then of length 1,

once for words and word pairs and once for character n-grams inside words.

References
----------
Salton and Buckley (1988), doi:10.1016/0306-4573(88)90021-0.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import polars as pl
import scipy.sparse as sp
from sklearn.feature_extraction.text import CountVectorizer

WORDS = {"analyzer": "word", "ngram_range": (1, 2), "token_pattern": r"(?u)\b\w+\b", "lowercase": True}
CHARACTERS = {"analyzer": "char_wb", "ngram_range": (3, 4), "lowercase": True}
FEW_CHARACTERS = (
    5_000_000  # character n-grams cost about 2 us a character and help most where texts are short
)


class Terms:
    """The vocabulary of one analyser and the weight of each term.

    Attributes
    ----------
    vocabulary_ : list of str
    idf_ : ndarray of shape (n_terms,)
    """

    def __init__(self, analyser: str, max_features: int) -> None:
        self.analyser, self.max_features = analyser, max_features

    def fit_transform(self, documents: list[str], w: np.ndarray | None) -> sp.csr_matrix:
        counter = CountVectorizer(**self._settings(), dtype=np.float64)
        try:
            counts = counter.fit_transform(documents)
        except ValueError:  # no document has a term
            self.vocabulary_, self.idf_ = [], np.empty(0)
            return sp.csr_matrix((len(documents), 0))
        terms = counter.get_feature_names_out()
        weights = np.ones(len(documents)) if w is None else w
        present = sp.csr_matrix(
            (np.ones_like(counts.data), counts.indices, counts.indptr), shape=counts.shape
        )
        df = present.T @ weights
        # a term of one document says nothing about the next one
        at_least = 2.0 if weights.sum() >= 20 else 0.0
        kept = np.flatnonzero(df >= at_least)
        if len(kept) > self.max_features:
            frequency = (counts.T @ weights)[kept]
            kept = np.sort(kept[np.argsort(-frequency, kind="stable")[: self.max_features]])
        self.vocabulary_ = terms[kept].tolist()
        self.idf_ = 1.0 + np.log((1.0 + weights.sum()) / (1.0 + df[kept]))
        return self._weigh(counts[:, kept])

    def transform(self, documents: list[str]) -> sp.csr_matrix:
        if not self.vocabulary_:
            return sp.csr_matrix((len(documents), 0))
        if not hasattr(self, "_counter"):
            self._counter = CountVectorizer(**self._settings(), dtype=np.float64, vocabulary=self.vocabulary_)
        return self._weigh(self._counter.transform(documents))

    def _settings(self) -> dict:
        return WORDS if self.analyser == "words" else CHARACTERS

    def _weigh(self, counts: sp.csr_matrix) -> sp.csr_matrix:
        counts.sort_indices()
        tf = 1.0 + np.log(counts.data)
        data = tf * self.idf_[counts.indices]
        lengths = np.sqrt(np.add.reduceat(np.append(data**2, 0.0), np.minimum(counts.indptr[:-1], len(data))))
        rows = np.diff(counts.indptr)
        data /= np.repeat(lengths, rows)
        return sp.csr_matrix((data, counts.indices, counts.indptr), shape=counts.shape)


class TfIdf:
    """One text column: words always, character n-grams where the training texts are not too long.

    Parameters
    ----------
    column : str
    max_features : int
        At most so many words, and as many n-grams, the most frequent.
    characters : "auto", True or False
    """

    def __init__(self, column: str, *, max_features: int, characters: bool | str = "auto") -> None:
        self.column, self.max_features, self.characters = column, max_features, characters

    def fit_transform(self, texts: pl.Series, w: np.ndarray | None) -> sp.csr_matrix:
        total = texts.str.len_chars().sum() or 0
        both = total <= FEW_CHARACTERS if self.characters == "auto" else self.characters
        self.terms_ = [
            Terms(analyser, self.max_features) for analyser in ("words", "characters")[: 1 + bool(both)]
        ]
        documents = _documents(texts)
        return sp.hstack([terms.fit_transform(documents, w) for terms in self.terms_], format="csr")

    def transform(self, texts: pl.Series) -> sp.csr_matrix:
        documents = _documents(texts)
        return sp.hstack([terms.transform(documents) for terms in self.terms_], format="csr")

    def names(self) -> list[str]:
        """`text: free` for words, `text: 'fre'` for character n-grams."""
        return [
            f"{self.column}: {term}" if terms.analyser == "words" else f"{self.column}: {term!r}"
            for terms in self.terms_
            for term in terms.vocabulary_
        ]


def _documents(texts: pl.Series) -> list[str]:
    return list(_filled(texts))


def _filled(texts: pl.Series) -> Iterable[str]:
    return texts.fill_null("").to_list()
