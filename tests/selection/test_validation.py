"""Cross-validation: scikit-learn's numbers on the same folds, on every kind of table, with failures named."""

from __future__ import annotations

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
import scipy.sparse as sp
import sklearn.metrics as peer
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.compose import make_column_transformer
from sklearn.datasets import load_breast_cancer, load_diabetes, load_iris
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LinearRegression, LogisticRegression, Ridge
from sklearn.model_selection import KFold, StratifiedKFold, cross_val_predict
from sklearn.model_selection import cross_validate as peer_validate
from sklearn.naive_bayes import GaussianNB, MultinomialNB
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

import tripos
from tripos.selection import FoldError, cross_validate

CANCER = load_breast_cancer(return_X_y=True)
IRIS = load_iris(return_X_y=True)
DIABETES = load_diabetes(return_X_y=True)


@pytest.mark.parametrize(
    ("model", "data", "names"),
    [
        (
            make_pipeline(StandardScaler(), LogisticRegression()),
            CANCER,
            ["accuracy", "roc_auc", "neg_log_loss", "f1"],
        ),
        (GaussianNB(), IRIS, ["accuracy", "f1_macro", "neg_log_loss", "roc_auc_ovr", "neg_brier_score"]),
        (Ridge(), DIABETES, ["r2", "neg_root_mean_squared_error", "neg_median_absolute_error"]),
    ],
)
def test_scores_equal_sklearns_on_the_same_folds(model, data, names):
    splitter = KFold(4, shuffle=True, random_state=1)
    found = cross_validate(model, *data, folds=splitter, scorers=names, train_scores=True)
    expected = peer_validate(model, *data, cv=splitter, scoring=names, return_train_score=True)
    for name in names:
        np.testing.assert_allclose(found.scores(name), expected[f"test_{name}"], rtol=1e-12)
        np.testing.assert_allclose(found.scores(name, train=True), expected[f"train_{name}"], rtol=1e-12)


def test_mean_and_standard_error_are_those_of_the_folds():
    found = cross_validate(Ridge(), *DIABETES, scorers="rmse")
    scores = found.scores()
    assert found.mean() == pytest.approx(scores.mean())
    assert found.standard_error() == pytest.approx(scores.std(ddof=1) / np.sqrt(5))
    assert found.to_dict()["mean"] == {"root_mean_squared_error": found.mean()}


def test_predictions_out_of_fold_equal_sklearns():
    splitter = StratifiedKFold(5, shuffle=True, random_state=0)
    model = GaussianNB()
    found = cross_validate(
        model, *CANCER, folds=splitter, scorers=["accuracy", "log_loss"], keep_predictions=True
    )
    proba = cross_val_predict(model, *CANCER, cv=splitter, method="predict_proba")
    np.testing.assert_allclose(found.predictions["predict_proba"], proba)
    np.testing.assert_array_equal(
        found.predictions["predict"], cross_val_predict(model, *CANCER, cv=splitter)
    )
    assert found.predicted.all()


def test_predictions_are_let_go_unless_asked_for():
    found = cross_validate(GaussianNB(), *IRIS)
    assert not found.predictions
    assert not any(fold.predictions for fold in found.folds)


def passenger_model():
    categories = make_pipeline(
        SimpleImputer(strategy="most_frequent"), OneHotEncoder(handle_unknown="ignore")
    )
    numbers = make_pipeline(SimpleImputer(), StandardScaler())
    columns = make_column_transformer(
        (categories, ["sex", "embarked"]), (numbers, ["age", "fare", "pclass", "sibsp"])
    )
    return make_pipeline(columns, LogisticRegression())


def test_polars_and_pandas_tables_give_the_same(titanic):
    frame, y = titanic
    survived = np.where(y == 1, "yes", "no")
    odd_index = frame.to_pandas().set_index(np.arange(len(frame))[::-1])
    found = [
        cross_validate(passenger_model(), X, y_, scorers=["roc_auc", "f1"], n_jobs=1)
        for X, y_ in (
            (frame.to_pandas(), survived),
            (odd_index, pd.Series(survived)),
            (frame.to_pandas(), pl.Series(survived)),
        )
    ]
    for name in ("roc_auc", "f1"):
        np.testing.assert_allclose(found[0].scores(name), found[1].scores(name))
        np.testing.assert_allclose(found[0].scores(name), found[2].scores(name))
    assert found[0].mean("roc_auc") > 0.8


@pytest.mark.parametrize("form", ["numpy", "csr", "polars", "pandas", "arrow"])
def test_every_kind_of_rows_gives_the_same(form):
    X, y = IRIS
    names = list("abcd")
    table = {
        "numpy": lambda: X,
        "csr": lambda: sp.csr_matrix(X),
        "polars": lambda: pl.DataFrame(X, schema=names),
        "pandas": lambda: pd.DataFrame(X, columns=names, index=np.arange(150)[::-1]),
        "arrow": lambda: pa.table(dict(zip(names, X.T))),
    }[form]()
    model = MultinomialNB()
    expected = cross_validate(model, X, y).scores()
    np.testing.assert_allclose(cross_validate(model, table, y).scores(), expected)


def test_a_list_of_texts_is_validated(spam):
    texts, y = spam
    found = cross_validate(
        make_pipeline(TfidfVectorizer(), MultinomialNB(alpha=0.1)),
        texts[:2000],
        y[:2000],
        folds=3,
        scorers="f1",
    )
    assert found.mean() > 0.8


def test_preparation_learns_from_training_rows_only():
    seen = []

    class Watching(StandardScaler):
        def fit(self, X, y=None, sample_weight=None):
            seen.append(len(X))
            return super().fit(X, y, sample_weight)

    cross_validate(make_pipeline(Watching(), GaussianNB()), *IRIS, folds=3, n_jobs=1)
    assert seen == [100, 100, 100]


def test_the_estimator_itself_is_left_unfitted():
    model = GaussianNB()
    cross_validate(model, *IRIS)
    assert not hasattr(model, "classes_")


def test_weights_of_zero_drop_rows_from_fit_and_score():
    X, y = DIABETES
    weight = np.ones(len(y))
    weight[::4] = 0
    kept = np.flatnonzero(weight)
    half = len(kept) // 2
    pairs = [(kept[:half], kept[half:])]
    with_zeros = [(np.arange(kept[half]), np.arange(kept[half], len(y)))]
    found = cross_validate(Ridge(), X, y, folds=with_zeros, sample_weight=weight)
    assert found.mean() == pytest.approx(cross_validate(Ridge(), X, y, folds=pairs).mean())


def test_weights_reach_every_step_of_a_pipeline():
    X, y = DIABETES
    weight = np.arange(len(y)) % 3 + 0.5
    (fold,) = [(np.arange(300), np.arange(300, len(y)))]
    model = make_pipeline(StandardScaler(), Ridge(alpha=100))
    scaled = StandardScaler().fit(X[:300], sample_weight=weight[:300])
    ridge = Ridge(alpha=100).fit(scaled.transform(X[:300]), y[:300], weight[:300])
    expected = peer.r2_score(y[300:], ridge.predict(scaled.transform(X[300:])), sample_weight=weight[300:])
    assert cross_validate(model, X, y, folds=[fold], sample_weight=weight).mean() == pytest.approx(expected)


def test_a_learner_without_weights_refuses_them():
    with pytest.raises(FoldError, match="KNeighborsClassifier.fit takes no sample_weight"):
        cross_validate(KNeighborsClassifier(), *IRIS, sample_weight=np.ones(150))


class FailsOnRow(ClassifierMixin, BaseEstimator):
    """Predicts the first class; cannot be fitted on rows that hold the value `poison` in the first column."""

    def __init__(self, poison=0.0):
        self.poison = poison

    def fit(self, X, y):
        if np.any(X[:, 0] == self.poison):
            raise ZeroDivisionError("poisoned")
        self.classes_ = np.unique(y)
        return self

    def predict(self, X):
        return np.full(len(X), self.classes_[0])


POISONED = (np.arange(10.0)[:, None], np.arange(10) % 2)
PAIRS = [(np.arange(5, 10), np.arange(5)), (np.arange(5), np.arange(5, 10))]


def test_a_failing_fold_is_named():
    with pytest.raises(FoldError, match="fold 2 of 2 failed: ZeroDivisionError: poisoned") as caught:
        cross_validate(FailsOnRow(), *POISONED, folds=PAIRS)
    assert isinstance(caught.value.__cause__, ZeroDivisionError)


def test_a_failing_fold_can_be_recorded_instead():
    found = cross_validate(FailsOnRow(), *POISONED, folds=PAIRS, on_error="record", keep_predictions=True)
    np.testing.assert_array_equal(np.isnan(found.scores()), [False, True])
    assert found.mean() == 0.6
    assert found.errors == ["fold 2: ZeroDivisionError: poisoned"]
    np.testing.assert_array_equal(found.predicted, np.arange(10) < 5)


def test_a_measure_the_model_cannot_serve_names_itself():
    with pytest.raises(FoldError, match="'log_loss' needs predict_proba, which FailsOnRow does not have"):
        cross_validate(FailsOnRow(poison=-1), *POISONED, folds=PAIRS, scorers="log_loss")


@pytest.mark.filterwarnings("ignore::tripos.errors.DataWarning")
def test_a_class_of_one_row_is_charged_and_does_not_end_the_run():
    X, y = IRIS
    labels = np.array(["a", "b", "c"], dtype=object)[y]
    labels[0] = "only one"
    found = cross_validate(GaussianNB(), X, labels, scorers=["accuracy", "log_loss"], keep_predictions=True)
    assert np.isfinite(found.scores("log_loss")).all()
    assert list(found.classes) == ["a", "b", "c", "only one"]
    assert found.predictions["predict_proba"].shape == (150, 4)
    np.testing.assert_allclose(found.predictions["predict_proba"].sum(axis=1), 1)


def test_each_fold_is_reported_and_may_be_the_last():
    heard = []
    found = cross_validate(
        GaussianNB(),
        *IRIS,
        folds=6,
        on_fold=lambda fold: heard.append(fold.number) or len(heard) == 2,
        n_jobs=1,
    )
    assert heard == [1, 2]
    assert len(found.folds) == 2
    assert np.isfinite(found.mean())


@pytest.mark.parametrize("threads", [2, 4])
def test_threads_do_not_change_the_scores(threads):
    model = make_pipeline(StandardScaler(), LogisticRegression())
    one = cross_validate(model, *CANCER, scorers="log_loss", n_jobs=1).scores()
    np.testing.assert_array_equal(
        cross_validate(model, *CANCER, scorers="log_loss", n_jobs=threads).scores(), one
    )


def test_groups_and_time_can_be_columns_of_the_table():
    rng = np.random.default_rng(0)
    frame = pl.DataFrame(
        {"x": rng.normal(size=60), "house": np.repeat([f"h{i}" for i in range(12)], 5), "day": np.arange(60)}
    )
    y = frame["x"].to_numpy() * 2
    model = make_pipeline(make_column_transformer(("passthrough", ["x"])), LinearRegression())
    found = cross_validate(model, frame, y, groups="house", folds=4)
    assert found.mean() == pytest.approx(1)
    by_time = cross_validate(model, frame, y, time="day", folds=4, keep_predictions=True)
    assert [fold.n_train for fold in by_time.folds] == [12, 24, 36, 48]
    np.testing.assert_array_equal(by_time.predicted, np.arange(60) >= 12)
    with pytest.raises(ValueError, match="groups='hous' names no column"):
        cross_validate(model, frame, y, groups="hous")


@pytest.mark.parametrize(
    ("y", "message"),
    [
        (np.zeros(3), "X has 150 rows but y has 3"),
        (np.r_[np.nan, np.zeros(149)], "y holds a missing value .* row 0"),
    ],
)
def test_a_target_that_does_not_fit_is_refused(y, message):
    with pytest.raises(ValueError, match=message):
        cross_validate(Ridge(), IRIS[0], y)


def test_house_prices_are_explained_by_location_and_income(housing):
    X, y = housing
    found = cross_validate(LinearRegression(), X, y, scorers=["r2", "rmse"])
    assert 0.6 < found.mean("r2") < 0.68
    assert "RMSE" in str(found)


def test_the_houses_own_learners_take_the_table_as_it_is(titanic):
    frame, y = titanic
    survived = np.where(y == 1, "yes", "no")
    found = cross_validate(
        tripos.LogisticRegression(), frame, survived, scorers=["roc_auc", "log_loss"], folds=3
    )
    assert found.mean("roc_auc") > 0.82
    baseline = cross_validate(
        tripos.DummyClassifier(), frame, survived, scorers=["roc_auc", "log_loss"], folds=3
    )
    assert baseline.mean("roc_auc") == 0.5
    assert baseline.mean("log_loss") > found.mean("log_loss")


def test_an_encoder_before_the_learner_is_learned_in_each_fold(titanic):
    frame, y = titanic
    encoded = make_pipeline(tripos.Encoder.for_(tripos.LogisticRegression), tripos.LogisticRegression())
    found = cross_validate(encoded, frame, y, scorers="roc_auc", folds=3, sample_weight=np.ones(len(y)))
    plain = cross_validate(encoded, frame, y, scorers="roc_auc", folds=3)
    np.testing.assert_allclose(found.scores(), plain.scores(), rtol=1e-6)
