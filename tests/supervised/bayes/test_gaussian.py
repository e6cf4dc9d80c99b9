"""Gaussian naive Bayes: scikit-learn's numbers on real data, digits kept where they are easily lost."""

import numpy as np
import polars as pl
import pytest
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import naive_bayes as peer
from sklearn.exceptions import NotFittedError

import tripos
from tripos import GaussianNB
from tripos.supervised.bayes.gaussian import gaussian_joint, stored_gaussian_joint

real_tables = pytest.mark.parametrize("name", ["iris", "penguins", "adult", "spambase"])


def joint_twin(X, theta, var, prior):
    density = -0.5 * (
        np.log(2 * np.pi * var) + (X[:, None, :] - theta) ** 2 / var
    )  # (n_rows, n_classes, n_features)
    return np.log(prior) + density.sum(axis=2)


@real_tables
def test_log_probabilities_equal_scikit_learns(name, request):
    X, y = request.getfixturevalue(name)
    ours, theirs = GaussianNB().fit(X, y), peer.GaussianNB().fit(X, y)
    for method in ("predict_joint_log_proba", "predict_log_proba", "predict_proba"):
        np.testing.assert_allclose(getattr(ours, method)(X), getattr(theirs, method)(X), rtol=1e-9, atol=1e-9)
    np.testing.assert_array_equal(ours.predict(X), theirs.predict(X))


@real_tables
def test_fitted_attributes_equal_scikit_learns(name, request):
    X, y = request.getfixturevalue(name)
    ours, theirs = GaussianNB().fit(X, y), peer.GaussianNB().fit(X, y)
    np.testing.assert_array_equal(ours.classes_, theirs.classes_)
    for attribute in ("class_count_", "class_prior_", "epsilon_", "theta_", "var_"):
        np.testing.assert_allclose(
            getattr(ours, attribute), getattr(theirs, attribute), rtol=1e-9, err_msg=attribute
        )


def test_priors_replace_the_shares_of_the_classes(penguins):
    X, y = penguins
    priors = [0.2, 0.5, 0.3]
    ours, theirs = GaussianNB(priors=priors).fit(X, y), peer.GaussianNB(priors=priors).fit(X, y)
    np.testing.assert_allclose(ours.predict_log_proba(X), theirs.predict_log_proba(X), rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize(
    ("priors", "message"),
    [
        ([0.5, 0.5], "must match number of classes"),
        ([0.5, 0.5, 0.5], "should be 1, it is 1.5"),
        ([1.5, -0.5, 0.0], "non-negative"),
    ],
)
def test_impossible_priors_are_refused(iris, priors, message):
    with pytest.raises(ValueError, match=message):
        GaussianNB(priors=priors).fit(*iris)


def test_the_kernel_equals_its_twin():
    rng = np.random.default_rng(0)
    X, theta, var = rng.normal(size=(9, 5)), rng.normal(size=(3, 5)), rng.random((3, 5)) + 0.1
    prior, joint = np.array([0.2, 0.3, 0.5]), np.empty((9, 3))
    constant = np.log(prior) - 0.5 * np.log(2 * np.pi * var).sum(axis=1)
    gaussian_joint(X, theta, 0.5 / var, constant, joint)
    np.testing.assert_allclose(joint, joint_twin(X, theta, var, prior), rtol=1e-13)
    sparse = sp.csr_matrix(np.where(X > 0, X, 0.0))
    at_zero = joint_twin(np.zeros((1, 5)), theta, var, prior)[0]
    stored_gaussian_joint(
        sparse.data, sparse.indices, sparse.indptr, theta.T.copy(), (0.5 / var).T.copy(), at_zero, joint
    )
    np.testing.assert_allclose(joint, joint_twin(sparse.toarray(), theta, var, prior), rtol=1e-12)


def test_a_large_mean_does_not_eat_the_spread(iris):
    """Measured from the moon, the same flowers: 1e8 is a power of ten, so only the data's own last digits go."""
    X, y = iris
    near, far = GaussianNB(var_smoothing=0).fit(X, y), GaussianNB(var_smoothing=0).fit(X + 2.0**26, y)
    np.testing.assert_allclose(far.var_, near.var_, rtol=1e-6)
    np.testing.assert_allclose(far.predict_proba(X + 2.0**26), near.predict_proba(X), atol=1e-5)


def test_a_feature_without_variance_and_no_smoothing_still_decides():
    X, y = np.array([[0.0, 1.0], [0.0, 2.0], [1.0, 1.5], [1.0, 2.5]]), [0, 0, 1, 1]
    model = GaussianNB(var_smoothing=0).fit(X, y)
    np.testing.assert_allclose(model.predict_proba(X)[[0, 1, 2, 3], y], 1.0)


def test_a_row_beyond_the_reach_of_floats_is_refused(iris):
    X, y = iris
    model = GaussianNB().fit(X, y)
    with pytest.raises(ValueError, match="likelihood zero"):
        model.predict(np.full((1, 4), 1e200))


@settings(deadline=None, max_examples=25)
@given(cuts=st.lists(st.integers(1, 149), min_size=1, max_size=4), seed=st.integers(0, 99))
def test_partial_fits_and_merges_equal_one_fit(iris, cuts, seed):
    X, y = iris
    order = np.random.default_rng(seed).permutation(len(y))
    pieces = np.split(order, sorted(set(cuts)))
    whole, stepwise = GaussianNB().fit(X, y), GaussianNB()
    for rows in pieces:
        stepwise.partial_fit(X[rows], y[rows], classes=[0, 1, 2])
    merged = GaussianNB().fit(X[pieces[0]], y[pieces[0]])
    for rows in pieces[1:]:
        merged.merge(GaussianNB().fit(X[rows], y[rows]))
    for other in (stepwise, merged):
        np.testing.assert_array_equal(other.classes_, whole.classes_)
        np.testing.assert_allclose(other.theta_, whole.theta_, rtol=1e-10)
        np.testing.assert_allclose(other.var_, whole.var_, rtol=1e-9)
        np.testing.assert_allclose(
            other.predict_log_proba(X), whole.predict_log_proba(X), rtol=1e-8, atol=1e-9
        )


def test_sparse_rows_give_what_dense_rows_give(spambase):
    X, y = spambase
    dense, sparse = GaussianNB().fit(X, y), GaussianNB().fit(sp.csr_matrix(X), y)
    np.testing.assert_allclose(sparse.theta_, dense.theta_, rtol=1e-10)
    np.testing.assert_allclose(sparse.var_, dense.var_, rtol=1e-9)
    np.testing.assert_allclose(
        sparse.predict_joint_log_proba(sp.csr_matrix(X)), dense.predict_joint_log_proba(X), rtol=1e-7
    )


def test_any_number_of_threads_gives_the_same_bits(adult, monkeypatch):
    X, y = np.tile(adult[0], (12, 1)), np.tile(adult[1], 12)
    bits = []
    for threads in ("1", "3"):
        monkeypatch.setenv("TRIPOS_NUM_THREADS", threads)
        model = GaussianNB().fit(X, y)
        bits.append((model.theta_.tobytes(), model.var_.tobytes(), model.predict_proba(X).tobytes()))
    assert bits[0] == bits[1]


def test_a_parquet_file_in_blocks_gives_what_memory_gives(penguins, tmp_path):
    X, y = penguins
    pl.DataFrame(X, schema=list("abcd")).with_columns(species=pl.Series(y)).write_parquet(
        tmp_path / "p.parquet"
    )
    streamed = GaussianNB().fit(tripos.scan(tmp_path / "p.parquet", target="species", rows=50))
    np.testing.assert_allclose(streamed.var_, GaussianNB().fit(X, y).var_, rtol=1e-10)


def test_float32_rows_are_summed_in_float64(adult):
    X, y = adult
    single = GaussianNB().fit(X.astype(np.float32), y)
    np.testing.assert_allclose(
        single.var_, GaussianNB().fit(X.astype(np.float32).astype(float), y).var_, rtol=1e-12
    )


def test_the_smoothing_counts_weights_as_rows(iris):
    X, y = iris
    weights = np.arange(150) % 4
    weighted = GaussianNB(var_smoothing=0.1).fit(X, y, sample_weight=weights)
    repeated = GaussianNB(var_smoothing=0.1).fit(np.repeat(X, weights, axis=0), np.repeat(y, weights))
    np.testing.assert_allclose(weighted.epsilon_, repeated.epsilon_, rtol=1e-12)
    np.testing.assert_allclose(weighted.var_, repeated.var_, rtol=1e-12)


def test_merging_learns_classes_the_other_knew(penguins):
    X, y = penguins
    model = GaussianNB().fit(X[y != "Gentoo"], y[y != "Gentoo"])
    model.merge(GaussianNB().fit(X[y == "Gentoo"], y[y == "Gentoo"]))
    np.testing.assert_allclose(model.theta_, GaussianNB().fit(X, y).theta_, rtol=1e-12)


@pytest.mark.parametrize(
    ("other", "message"),
    [
        (peer.GaussianNB(), "got GaussianNB"),
        (GaussianNB(), "must be fitted"),
        (GaussianNB().fit([[1.0, 2.0]], [1]), "different features"),
        (GaussianNB().fit([[1.0] * 4], ["a"]), "different kinds of labels"),
    ],
)
def test_what_cannot_be_merged_is_refused_and_changes_nothing(iris, other, message):
    model = GaussianNB().fit(*iris)
    before = model.theta_.copy()
    with pytest.raises((TypeError, ValueError), match=message):
        model.merge(other)
    np.testing.assert_array_equal(model.theta_, before)


def test_partial_fit_asks_for_the_classes_at_first(iris):
    with pytest.raises(ValueError, match="classes must be passed on the first call"):
        GaussianNB().partial_fit(*iris)


def test_a_failed_first_call_leaves_nothing_behind(iris):
    X, y = iris
    model = GaussianNB()
    with pytest.raises(ValueError):
        model.partial_fit(X[:, :2], y[:-1], classes=[0, 1, 2, 3])
    with pytest.raises(NotFittedError):
        model.predict(X)
    model.partial_fit(X, y, classes=[0, 1, 2])
    np.testing.assert_allclose(model.theta_, GaussianNB().fit(X, y).theta_)


def test_explanation_adds_up_to_the_posterior_log_odds(penguins):
    X, y = penguins
    model = GaussianNB().fit(X, y)
    told = model.explain(X[3], label="Gentoo", against="Adelie")
    log_p = model.predict_log_proba(X[3:4])[0]
    assert told.log_odds == pytest.approx(log_p[2] - log_p[0], rel=1e-9)
    assert len(told.contributions) == 4


def test_explanation_compares_the_best_class_with_the_next(iris):
    X, y = iris
    model = GaussianNB().fit(X, y)
    told = model.explain(X[100:101])
    assert (told.label, told.against) == (2, 1)
    assert str(told).splitlines()[2].split()[0] in {"x0", "x1", "x2", "x3"}
    assert told.plot().get_xlabel() == "log-odds of 2 against 1"


def test_explaining_two_rows_or_an_unknown_class_is_refused(iris):
    model = GaussianNB().fit(*iris)
    with pytest.raises(ValueError, match="one row, got 2"):
        model.explain(iris[0][:2])
    with pytest.raises(ValueError, match="label=7 is not one of the classes"):
        model.explain(iris[0][0], label=7)


def test_summary_puts_the_best_separated_feature_first(iris):
    assert GaussianNB().fit(*iris).summary().splitlines()[3].startswith("x2")


def test_saved_and_loaded_it_predicts_the_same_bits_and_learns_on(penguins, tmp_path):
    X, y = penguins
    model = GaussianNB().fit(X[:200], y[:200])
    tripos.save(model, tmp_path / "m.tripos")
    loaded = tripos.load(tmp_path / "m.tripos")
    assert loaded.predict_proba(X).tobytes() == model.predict_proba(X).tobytes()
    rest = GaussianNB().fit(X[200:], y[200:])
    np.testing.assert_array_equal(loaded.merge(rest).var_, model.merge(rest).var_)
