"""Text to TF-IDF of its words and of the character n-grams inside them.

For the term t in the document d of n documents, df(t) of which have it,

    tf-idf(t, d) = (1 + ln count(t, d)) (1 + ln((1 + n) / (1 + df(t)))),     each row then of length 1.

Both kinds of terms lie inside pieces of text without white space. With D the counts of such pieces per document and
G the counts of terms per piece, the counts per document are D G: scikit-learn's analyser, which is Python, sees each
different piece once, and the rest is polars and a sparse product (n-grams of 3,000 mails in a third of the time).

References
----------
Salton and Buckley (1988), doi:10.1016/0306-4573(88)90021-0.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar

import numpy as np
import polars as pl
import scipy.sparse as sp
from sklearn.feature_extraction.text import CountVectorizer

from tripos.state import Array, NestedList, Spec, Strings, Text

ANALYSERS: dict[str, dict[str, Any]] = {
    "words": {"analyzer": "word", "token_pattern": r"(?u)\b\w+\b"},
    "characters": {"analyzer": "char_wb", "ngram_range": (3, 4)},
}
FEW_CHARACTERS = 5_000_000  # character n-grams help where texts are short, and are six times as many as words
FEW_ROWS = 20  # from here on a term of a single training row is left out: it says nothing about the next one


@dataclass(frozen=True, eq=False)
class Terms:
    """The vocabulary of one analyser and the weight of each term."""

    analyser: str
    vocabulary: np.ndarray  # (n_terms,) of str
    idf: np.ndarray  # (n_terms,)

    state: ClassVar[dict[str, Spec]] = {
        "analyser": Text(choices=tuple(ANALYSERS)),
        "vocabulary": Strings("terms", unique=True),
        "idf": Array("f", ("terms",), low=0.0),
    }

    @classmethod
    def learn(
        cls, analyser: str, pieces: list[str], D: sp.csr_matrix, w: np.ndarray, max_features: int
    ) -> tuple[Terms, sp.csr_matrix]:
        """Learn from the pieces and their counts D (n_documents, n_pieces); returns the documents' TF-IDF too."""
        counter = CountVectorizer(**ANALYSERS[analyser], dtype=np.float64)
        try:
            counts = D @ counter.fit_transform(pieces)  # (n_documents, n_terms)
        except ValueError:  # scikit-learn's word for a text without a term
            return cls(analyser, np.empty(0, dtype=object), np.empty(0)), sp.csr_matrix((D.shape[0], 0))
        df = (counts != 0).T @ w
        kept = np.flatnonzero(df >= (2.0 if w.sum() >= FEW_ROWS else 0.0))
        if len(kept) > max_features:
            frequency = (counts.T @ w)[kept]
            kept = np.sort(kept[np.argsort(-frequency, kind="stable")[:max_features]])
        idf = 1.0 + np.log((1.0 + w.sum()) / (1.0 + df[kept]))
        terms = cls(analyser, counter.get_feature_names_out()[kept].astype(object), idf)
        return terms, terms._weighed(counts[:, kept])

    def transform(self, pieces: list[str], D: sp.csr_matrix) -> sp.csr_matrix:
        """TF-IDF of later documents, (n_documents, n_terms)."""
        if not len(self.vocabulary) or not pieces:
            return sp.csr_matrix((D.shape[0], len(self.vocabulary)))
        return self._weighed(sp.csr_matrix(D @ self._counter.transform(pieces)))

    @cached_property
    def _counter(self) -> CountVectorizer:
        vocabulary = {term: i for i, term in enumerate(self.vocabulary)}
        return CountVectorizer(**ANALYSERS[self.analyser], dtype=np.float64, vocabulary=vocabulary)

    def _weighed(self, counts: sp.csr_matrix) -> sp.csr_matrix:
        counts.sort_indices()
        data = (1.0 + np.log(counts.data)) * self.idf[counts.indices]
        rows = np.repeat(np.arange(counts.shape[0]), np.diff(counts.indptr))
        data /= np.sqrt(np.bincount(rows, weights=data**2, minlength=counts.shape[0]))[rows]
        return sp.csr_matrix((data, counts.indices, counts.indptr), shape=counts.shape)


@dataclass(frozen=True, eq=False)
class TfIdf:
    """One column of text: its words, and character n-grams where the training texts are not too long."""

    column: str
    terms: list[Terms]

    state: ClassVar[dict[str, Spec]] = {"column": Text(), "terms": NestedList("Terms")}

    @classmethod
    def learn(
        cls, column: str, texts: pl.Series, w: np.ndarray | None, *, max_features: int
    ) -> tuple[TfIdf, sp.csr_matrix]:
        """Learn the terms of a column, at most `max_features` of each kind; returns the rows' TF-IDF too."""
        short = (texts.str.len_chars().sum() or 0) <= FEW_CHARACTERS
        pieces, D = _piece_counts(texts)
        weights = np.ones(len(texts)) if w is None else w
        learned = [
            Terms.learn(analyser, pieces, D, weights, max_features)
            for analyser in ANALYSERS
            if analyser == "words" or short
        ]
        rows = sp.hstack([rows for _, rows in learned], format="csr")
        return cls(column, [terms for terms, _ in learned]), rows

    def transform(self, texts: pl.Series) -> sp.csr_matrix:
        """TF-IDF of shape (n_rows, number of terms)."""
        pieces, D = _piece_counts(texts)
        return sp.hstack([terms.transform(pieces, D) for terms in self.terms], format="csr")

    def names(self) -> list[str]:
        """`text: free` for words, `text: 'fre'` for character n-grams."""
        return [
            f"{self.column}: {term if terms.analyser == 'words' else repr(term)}"
            for terms in self.terms
            for term in terms.vocabulary
        ]


def _piece_counts(texts: pl.Series) -> tuple[list[str], sp.csr_matrix]:
    """The different pieces between white space, and how often each document has each."""
    lists = texts.fill_null("").str.extract_all(r"\S+")
    indptr = np.concatenate([[0], np.cumsum(lists.list.len().to_numpy(), dtype=np.int64)])
    found = lists.explode().drop_nulls()
    pieces = found.unique().sort()
    codes = found.cast(pl.Enum(pieces)).to_physical().to_numpy().astype(np.int32)
    D = sp.csr_matrix((np.ones(len(codes)), codes, indptr), shape=(len(texts), len(pieces)))
    D.sum_duplicates()
    return pieces.to_list(), D
