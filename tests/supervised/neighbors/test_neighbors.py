"""Nearest-neighbour models against scikit-learn's, and against what they promise of themselves."""

from __future__ import annotations

import matplotlib

matplotlib.use("Agg")

import numpy as np
import pytest
import sklearn.neighbors as peers
from sklearn.datasets import load_diabetes, load_digits, load_iris
from sklearn.model_selection import LeaveOneOut, cross_val_predict

from tripos.supervised.neighbors.classification import KNeighborsClassifier, RadiusNeighborsClassifier
from tripos.supervised.neighbors.regression import KNeighborsRegressor, RadiusNeighborsRegressor
from tripos.supervised.neighbors.unsupervised import NearestNeighbors


def nearer_counts_more(d):
    return 1.0 / (1.0 + d)


def name_of(settings):
    """Without addresses of functions, which differ from process to process."""
    return str({name: getattr(value, "__name__", value) for name, value in settings.items()})


SETTINGS = [
    {},
    {"weights": "distance", "n_neighbors": 7},
    {"weights": nearer_counts_more, "n_neighbors": 4},
    {"algorithm": "kd_tree", "p": 1},
    {"algorithm": "ball_tree", "p": 3},
    {"metric": "cosine"},
    {"metric": "chebyshev", "algorithm": "brute"},
    {"metric": "canberra"},
    {"metric": "minkowski", "p": 2, "metric_params": {"w": np.linspace(0.5, 2.0, 4)}},
]


@pytest.fixture(scope="module")
def digits():
    X, y = load_digits(return_X_y=True)
    return X, y


@pytest.mark.parametrize("settings", SETTINGS, ids=name_of)
def test_probabilities_are_those_of_scikit_learn(settings):
    X, y = load_iris(return_X_y=True)
    X = X + np.random.default_rng(0).normal(
        scale=1e-3, size=X.shape
    )  # without ties, which each breaks its own way
    ours = KNeighborsClassifier(**settings).fit(X[::2], y[::2])
    theirs = peers.KNeighborsClassifier(**settings).fit(X[::2], y[::2])
    np.testing.assert_allclose(ours.predict_proba(X), theirs.predict_proba(X), rtol=1e-8)
    assert (ours.predict(X) == theirs.predict(X)).all()
    assert ours.effective_metric_ == theirs.effective_metric_


@pytest.mark.parametrize("settings", SETTINGS[:4], ids=name_of)
@pytest.mark.parametrize("columns", [1, 2])
def test_means_are_those_of_scikit_learn(settings, columns):
    X, y = load_diabetes(return_X_y=True)
    X, target = X[:, :4], y if columns == 1 else np.column_stack([y, X[:, 8]])
    ours = KNeighborsRegressor(**settings).fit(X[::2], target[::2])
    theirs = peers.KNeighborsRegressor(**settings).fit(X[::2], target[::2])
    np.testing.assert_allclose(ours.predict(X), theirs.predict(X), rtol=1e-6)


def test_several_targets_are_classified_as_by_scikit_learn(digits):
    X, y = digits
    several = np.column_stack([y, y % 2])
    ours = KNeighborsClassifier().fit(X[:1000], several[:1000])
    theirs = peers.KNeighborsClassifier().fit(X[:1000], several[:1000])
    assert np.mean(ours.predict(X[1000:]) == theirs.predict(X[1000:])) > 0.998  # digits have ties
    assert len(ours.predict_proba(X[:5])) == 2


def test_neighbours_do_not_depend_on_the_algorithm_even_with_ties(digits):
    X = digits[0]
    found = [NearestNeighbors(algorithm=a).fit(X).kneighbors(X, 9) for a in ("brute", "kd_tree", "ball_tree")]
    for other in found[1:]:
        np.testing.assert_array_equal(found[0][1], other[1])
        np.testing.assert_array_equal(found[0][0], other[0])


def test_a_row_is_not_its_own_neighbour(digits):
    X = np.repeat(digits[0][:200], 3, axis=0)  # every row has two doubles
    distances, indices = NearestNeighbors().fit(X).kneighbors(n_neighbors=4)
    assert (indices != np.arange(600)[:, None]).all()
    assert (distances[:, :2] == 0).all()
    assert (distances[:, 2] > 0).all()


def test_graphs_are_those_of_scikit_learn():
    X = load_diabetes().data
    ours, theirs = NearestNeighbors(radius=0.08).fit(X), peers.NearestNeighbors(radius=0.08).fit(X)
    for mode in ("connectivity", "distance"):
        assert abs(ours.kneighbors_graph(X, mode=mode) - theirs.kneighbors_graph(X, mode=mode)).max() < 1e-7
        assert (
            abs(ours.radius_neighbors_graph(mode=mode) - theirs.radius_neighbors_graph(mode=mode)).max()
            < 1e-7
        )


def test_the_curve_is_that_of_leaving_one_out_for_each_k():
    X, y = load_iris(return_X_y=True)
    curve = KNeighborsClassifier().fit(X, y).choose_k(max_k=12)
    for k in (1, 5, 12):
        said = cross_val_predict(KNeighborsClassifier(n_neighbors=k), X, y, cv=LeaveOneOut())
        assert curve.scores[k - 1] == pytest.approx(np.mean(said == y))
    assert curve.k == 1 + np.argmax(curve.scores)


@pytest.mark.parametrize("weights", ["uniform", "distance"])
def test_the_curve_of_a_regression_is_that_of_leaving_one_out(weights):
    X, y = load_diabetes(return_X_y=True)
    model = KNeighborsRegressor(weights=weights).fit(X, y)
    curve = model.choose_k(max_k=20)
    for k in (1, 20):
        said = model.set_params(n_neighbors=k).predict(None)
        assert curve.scores[k - 1] == pytest.approx(1 - np.mean((said - y) ** 2) / np.var(y))


@pytest.mark.parametrize("weights", ["uniform", "distance"])
def test_votes_in_a_radius_are_those_of_scikit_learn(weights):
    X, y = load_iris(return_X_y=True)
    settings = {"radius": 0.6, "weights": weights, "outlier_label": "most_frequent", "algorithm": "kd_tree"}
    ours = RadiusNeighborsClassifier(**settings).fit(X[::2], y[::2])
    theirs = peers.RadiusNeighborsClassifier(**settings).fit(X[::2], y[::2])
    Q = np.concatenate([X, X[:3] + 50.0])
    np.testing.assert_allclose(ours.predict_proba(Q), theirs.predict_proba(Q), rtol=1e-7)
    assert (ours.predict(Q) == theirs.predict(Q)).all()


def test_means_in_a_radius_are_those_of_scikit_learn_and_nan_where_nobody_is():
    X, y = load_diabetes(return_X_y=True)
    ours = RadiusNeighborsRegressor(radius=0.1).fit(X, y)
    theirs = peers.RadiusNeighborsRegressor(radius=0.1).fit(X, y)
    np.testing.assert_allclose(ours.predict(X), theirs.predict(X))
    with pytest.warns(UserWarning, match="no neighbors"):
        assert np.isnan(ours.predict(X[:1] + 9.0)).all()


def test_a_precomputed_matrix_gives_what_its_metric_gives():
    X, y = load_iris(return_X_y=True)
    D = np.abs(X[:, None] - X[None]).sum(axis=2)
    ours = KNeighborsClassifier(metric="precomputed").fit(D, y)
    assert (ours.predict(D) == KNeighborsClassifier(metric="manhattan").fit(X, y).predict(X)).all()


def test_nobody_in_the_radius_is_given_the_most_frequent_label():
    y = np.array(["a", "b", "b"], dtype=object)
    model = RadiusNeighborsClassifier(radius=0.1, outlier_label="most_frequent").fit([[0.0], [1.0], [2.0]], y)
    assert model.predict([[9.0], [0.0]]).tolist() == ["b", "a"]


def test_nobody_in_the_radius_is_said_with_the_rows():
    model = RadiusNeighborsClassifier(radius=0.1).fit([[0.0], [1.0]], [0, 1])
    with pytest.raises(ValueError, match=r"\[1\].*outlier_label"):
        model.predict([[0.0], [0.5]])


def test_more_neighbours_than_rows_are_refused_with_the_numbers():
    model = KNeighborsClassifier(n_neighbors=5).fit([[0.0], [1.0]], [0, 1])
    with pytest.raises(ValueError, match="n_neighbors = 5, n_samples_fit = 2"):
        model.predict([[0.0]])


def test_distances_that_overflow_are_an_error_and_no_crash():
    model = KNeighborsClassifier(n_neighbors=1, metric="cosine").fit([[1e200, 1e200], [1e200, 0.0]], [0, 1])
    with pytest.raises(ValueError, match="rescale"):
        model.predict([[1e200, 1e200]])


def test_two_columns_are_drawn_as_regions():
    X, y = load_iris(return_X_y=True)
    axes = KNeighborsClassifier().fit(X[:, :2], y).plot()
    assert axes.collections or axes.images


def test_few_and_many_neighbours_are_drawn_side_by_side():
    X, y = load_iris(return_X_y=True)
    axes = KNeighborsClassifier().fit(X[:, 2:], y).plot(kind="few and many", ks=(1, 60))
    assert "k = 1" in axes.get_title(loc="left")
    assert "k = 60" in axes.figure.axes[1].get_title(loc="left")


def test_independent_columns_take_the_contrast_of_distances(digits):
    curve = NearestNeighbors().fit(digits[0]).concentration()
    assert curve.columns[-1] == 64
    assert curve.shuffled[-1] > curve.ratios[-1] > 0.1
    assert curve.shuffled[-1] > 0.5
    assert "64 columns" in str(curve)
    assert curve.plot().get_xlabel() == "columns used"


@pytest.mark.parametrize("metric", ["haversine", "hamming", "jaccard", "cosine", "gower", "canberra"])
def test_every_metric_is_served_by_the_models(metric):
    rng = np.random.default_rng(1)
    X = rng.integers(0, 2, (80, 2 if metric == "haversine" else 6)).astype(float)
    y = X[:, 0].astype(int)
    D, I = NearestNeighbors(metric=metric).fit(X).kneighbors(X[:20], 12)
    assert (np.diff(D, axis=1) >= 0).all()
    assert (np.diff(I, axis=1)[np.diff(D, axis=1) == 0] > 0).all()  # of equals the lower index comes first
    assert KNeighborsClassifier(metric=metric, n_neighbors=1).fit(X, y).score(X, y) > 0.9
    assert KNeighborsRegressor(metric=metric, n_neighbors=1).fit(X, y).score(X, y) > 0.5


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("algorithm", ["brute", "kd_tree"])
def test_one_row_that_is_not_finite_is_named(value, algorithm):
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(50, 3)), rng.integers(0, 2, 50)
    row = X[:1].copy()
    row[0, 1] = value
    for model in (
        KNeighborsClassifier(algorithm=algorithm),
        RadiusNeighborsClassifier(algorithm=algorithm),
    ):
        with pytest.raises(ValueError, match="row 0, column 1"):
            model.fit(X, y).predict(row)
