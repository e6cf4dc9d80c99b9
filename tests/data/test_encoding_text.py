"""TF-IDF against scikit-learn's TfidfVectorizer, on real messages."""

import numpy as np
import polars as pl
import pytest
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

from tripos import Encoder, Schema
from tripos.data.encoding import text as text_stage
from tripos.data.encoding.text import TfIdf

COMMON = {"sublinear_tf": True, "min_df": 2}
ANALYSERS = {
    "words": {"token_pattern": r"(?u)\b\w+\b"},
    "characters": {"analyzer": "char_wb", "ngram_range": (3, 4)},
}


def split_columns(stage, X):
    """The columns of words and those of characters."""
    at = len(stage.terms[0].vocabulary)
    return X[:, :at], X[:, at:]


@pytest.fixture(scope="module")
def train_and_test(messages):
    return messages["text"][:2000], messages["text"][2000:3000]


def test_words_and_characters_equal_scikit_learns(train_and_test):
    train, test = train_and_test
    stage, fitted = TfIdf.learn("text", train, None, max_features=10**6)
    for terms, (analyser, settings), ours, new in zip(
        stage.terms,
        ANALYSERS.items(),
        split_columns(stage, fitted),
        split_columns(stage, stage.transform(test)),
    ):
        theirs = TfidfVectorizer(**COMMON, **settings).fit(train)
        assert list(terms.vocabulary) == list(theirs.get_feature_names_out()), analyser
        assert abs(ours - theirs.transform(train)).max() < 1e-12
        assert abs(new - theirs.transform(test)).max() < 1e-12


def test_max_features_keeps_the_most_frequent_terms(train_and_test):
    train, _ = train_and_test
    stage, _ = TfIdf.learn("text", train, None, max_features=50)
    theirs = TfidfVectorizer(max_features=50, **ANALYSERS["words"]).fit(train)
    counts = TfidfVectorizer(use_idf=False, norm=None, **ANALYSERS["words"]).fit(train)
    frequency = dict(zip(counts.get_feature_names_out(), np.asarray(counts.transform(train).sum(axis=0))[0]))
    kept, expected = set(stage.terms[0].vocabulary), set(theirs.get_feature_names_out())
    assert min(frequency[term] for term in kept) == min(frequency[term] for term in expected)
    assert [len(terms.vocabulary) for terms in stage.terms] == [50, 50]


def test_long_texts_have_words_only(train_and_test, monkeypatch):
    monkeypatch.setattr(text_stage, "FEW_CHARACTERS", 1000)
    stage, _ = TfIdf.learn("text", train_and_test[0], None, max_features=1000)
    assert [terms.analyser for terms in stage.terms] == ["words"]


def test_rows_have_length_one_or_are_empty(train_and_test):
    train, test = train_and_test
    stage, _ = TfIdf.learn("text", train, None, max_features=1000)
    for X in split_columns(stage, stage.transform(test)):
        lengths = np.sqrt(np.asarray(X.multiply(X).sum(axis=1)))[:, 0]
        assert np.all(np.isclose(lengths, 1.0) | (lengths == 0.0))


def test_texts_that_are_missing_empty_or_blank_are_rows_of_zeros(train_and_test):
    stage, _ = TfIdf.learn("text", train_and_test[0], None, max_features=1000)
    assert stage.transform(pl.Series([None, "", " \n\t "], dtype=pl.String)).nnz == 0


def test_a_column_without_a_term_makes_no_columns():
    stage, X = TfIdf.learn("text", pl.Series(["", None, "!"]), None, max_features=10)
    assert (X.shape[0], len(stage.terms[0].vocabulary)) == (3, 0)
    assert stage.transform(pl.Series(["new words"])).shape[1] == X.shape[1]


def test_a_weight_of_k_counts_as_k_rows(train_and_test):
    train, test = train_and_test
    w = np.random.default_rng(0).integers(0, 4, len(train)).astype(float)
    here = np.flatnonzero(w)
    weighted, _ = TfIdf.learn("text", train[here], w[here], max_features=300)
    repeated, _ = TfIdf.learn(
        "text", train[np.repeat(np.arange(len(train)), w.astype(int))], None, max_features=300
    )
    assert weighted.names() == repeated.names()
    np.testing.assert_allclose(
        weighted.transform(test).toarray(), repeated.transform(test).toarray(), rtol=1e-12
    )


def test_names_tell_words_from_characters(messages):
    encoder = Encoder(Schema.infer(messages.select("text"), kinds={"text": "text"})).fit(
        messages.select("text")
    )
    names = set(encoder.get_feature_names_out())
    assert {"text: free", "text: ' fre'", "text: 'ree'"} <= names
    assert set(encoder.sources_) == {"text"}


def test_free_text_is_left_out_for_learners_that_do_not_read_it(messages):
    table = messages.select("text", length=pl.col("text").str.len_chars())
    schema = Schema.infer(table, kinds={"text": "text", "length": "number"})
    assert list(Encoder(schema, text="none").fit(table).get_feature_names_out()) == ["length"]


def test_spam_is_found(messages):
    X, y = messages.select("text"), (messages["label"] == "spam").to_numpy()
    schema = Schema.infer(X, kinds={"text": "text"})
    model = make_pipeline(Encoder(schema), LogisticRegression(C=10.0)).fit(X[:4000], y[:4000])
    assert model.score(X[4000:], y[4000:]) > 0.98


def test_other_scripts_and_white_spaces_are_read_as_scikit_learn_reads_them():
    texts = pl.Series(["Ünïcode\u00a0ÇASE straße", "日本語 テキスト 日本語", "a\x1cb\u2003c", "ΣΑΣ σας"] * 5)
    stage, X = TfIdf.learn("text", texts, None, max_features=1000)
    for terms, settings, ours in zip(stage.terms, ANALYSERS.values(), split_columns(stage, X)):
        theirs = TfidfVectorizer(**COMMON, **settings)
        assert abs(ours - theirs.fit_transform(texts)).max() < 1e-12
        assert list(terms.vocabulary) == list(theirs.get_feature_names_out())
