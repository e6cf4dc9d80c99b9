"""The lasso family against scikit-learn, the optimality conditions and its own other roads."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
import scipy.sparse as sp
import sklearn.linear_model as peer
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import ShuffleSplit
from sklearn.preprocessing import StandardScaler

from tripos import ElasticNet, ElasticNetCV, Lasso, LassoCV, LinearRegression, Ridge, enet_path, lasso_path
from tripos.objective.penalties import ElasticNet as Penalty

EXACT = {"tol": 1e-12, "max_iter": 200_000}


def wide(seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """More columns than rows, columns correlated and far from zero."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(120, 700)) + 0.7 * rng.normal(size=(120, 1)) + 5.0
    return X, X[:, :6] @ rng.normal(size=6) + 0.3 * rng.normal(size=120)


def objective(X, y, model, alpha: float, ratio: float = 1.0, s=None) -> float:
    residual = y - X @ model.coef_ - model.intercept_
    penalty = Penalty(alpha, ratio).value(np.asarray(model.coef_, float))
    return 0.5 * float(np.average(residual * residual, weights=s)) + penalty


def violation(X, y, model, alpha: float, ratio: float = 1.0) -> float:
    """Largest distance of 0 from the subdifferential of the objective, as a share of the gradient at zero."""
    residual = y - X @ model.coef_ - model.intercept_
    assert abs(residual.mean()) < 1e-8 * np.abs(y).max()
    g = -(X - X.mean(axis=0)).T @ residual / len(y)
    g0 = np.abs((X - X.mean(axis=0)).T @ (y - y.mean())).max() / len(y)
    return float(Penalty(alpha, ratio).subdifferential_distance(model.coef_, g).max()) / g0


def standardised(data) -> tuple[np.ndarray, np.ndarray]:
    return StandardScaler().fit_transform(data.X), (data.y - data.y.mean()) / data.y.std()


@pytest.fixture(scope="module")
def ames(data_file):
    """Ames house prices: numbers standardised and filled, categories one-hot, 2,930 x about 300."""
    pd = pytest.importorskip("pandas")
    frame = pd.read_csv(data_file("ames/ames.csv.gz"))
    frame = frame.drop(columns=[name for name in ("rownames", "Order", "PID") if name in frame])
    y = np.log(frame.pop("price").to_numpy(float))
    numbers = frame.select_dtypes("number")
    frame[numbers.columns] = ((numbers - numbers.mean()) / numbers.std()).fillna(0.0)
    return pd.get_dummies(frame).to_numpy(float), y


@pytest.mark.parametrize("alpha", [1.0, 0.1, 0.01])
@pytest.mark.parametrize("kind", ["lasso", "elastic net"])
@pytest.mark.parametrize("data", ["diabetes", "california"])
def test_coefficients_are_those_of_scikit_learn(request, data, kind, alpha):
    X, y = standardised(request.getfixturevalue(data))
    ours, theirs = (Lasso, peer.Lasso) if kind == "lasso" else (ElasticNet, peer.ElasticNet)
    model = ours(alpha=alpha, **EXACT).fit(X, y)
    other = theirs(alpha=alpha, precompute=True, **EXACT).fit(X, y)
    np.testing.assert_allclose(model.coef_, other.coef_, atol=1e-6)
    np.testing.assert_allclose(model.intercept_, other.intercept_, atol=1e-6)


@pytest.mark.parametrize("alpha", [0.1, 0.01, 0.003])
def test_ames_is_solved_to_its_optimality_conditions(ames, alpha):
    X, y = ames
    model = Lasso(alpha=alpha, **EXACT).fit(X, y)
    assert violation(X, y, model, alpha) < 1e-7
    other = peer.Lasso(alpha=alpha).fit(X, y)
    default = Lasso(alpha=alpha).fit(X, y)
    assert objective(X, y, default, alpha) <= objective(X, y, other, alpha) * (1 + 1e-9)


@pytest.mark.parametrize("alpha", [3e-3, 1e-3, 3e-4])
def test_text_in_csr_gives_scikit_learns_coefficients(sms, alpha):
    y = (sms.y == "spam").astype(float)
    model, other = Lasso(alpha=alpha, **EXACT).fit(sms.X, y), peer.Lasso(alpha=alpha, **EXACT).fit(sms.X, y)
    np.testing.assert_allclose(model.coef_, other.coef_, atol=1e-6)


@pytest.mark.parametrize("ratio", [1.0, 0.5])
@pytest.mark.parametrize("share", [0.5, 0.1, 0.02])
@pytest.mark.parametrize(
    "make", [np.asarray, np.asfortranarray, sp.csr_array], ids=["rows", "columns", "csr"]
)
def test_at_default_tolerance_the_objective_is_never_above_scikit_learns(make, share, ratio):
    X, y = wide()
    alpha = share * np.abs((X - X.mean(axis=0)).T @ (y - y.mean())).max() / len(y) / ratio
    model = ElasticNet(alpha=alpha, l1_ratio=ratio).fit(make(X), y)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        other = peer.ElasticNet(alpha=alpha, l1_ratio=ratio).fit(X, y)
    assert objective(X, y, model, alpha, ratio) <= objective(X, y, other, alpha, ratio) * (1 + 1e-9)


@pytest.mark.parametrize("share", [0.3, 0.03, 0.003])
@pytest.mark.parametrize(
    "make", [np.asarray, np.asfortranarray, sp.csr_array], ids=["rows", "columns", "csr"]
)
def test_the_optimality_conditions_hold_with_more_columns_than_rows(make, share):
    X, y = wide(1)
    alpha = share * np.abs((X - X.mean(axis=0)).T @ (y - y.mean())).max() / len(y)
    model = Lasso(alpha=alpha, **EXACT).fit(make(X), y)
    assert violation(X, y, model, alpha) < 1e-6


def test_rows_and_columns_in_memory_and_working_sets_or_products_agree(diabetes):
    X, y = standardised(diabetes)
    X = np.hstack([X, X**2, X[:, :5] * X[:, 5:]])
    answers = [
        Lasso(alpha=0.02, precompute=choice, **EXACT).fit(form(X), y).coef_
        for choice in (True, False)
        for form in (np.asarray, np.asfortranarray, sp.csr_array)
    ]
    for answer in answers[1:]:
        np.testing.assert_allclose(answer, answers[0], atol=1e-7)


def test_a_given_gram_matrix_is_used_and_a_wrong_one_is_refused():
    X, y = wide()
    X, y = X[:, :40] - X[:, :40].mean(axis=0), y - y.mean()
    expected = Lasso(alpha=0.1, **EXACT).fit(X, y).coef_
    np.testing.assert_allclose(
        Lasso(alpha=0.1, precompute=X.T @ X, **EXACT).fit(X, y).coef_, expected, atol=1e-7
    )
    with pytest.raises(ValueError, match="Gram"):
        Lasso(precompute=2 * X.T @ X).fit(X, y)
    with pytest.raises(ValueError, match="shape"):
        Lasso(precompute=np.eye(3)).fit(X, y)
    with pytest.warns(UserWarning, match="recomputing"):
        Lasso(alpha=0.1, precompute=X.T @ X).fit(X + 3.0, y)


def test_the_path_begins_at_zero_and_ends_at_least_squares(diabetes):
    X, y = standardised(diabetes)
    alphas, coefs, gaps = lasso_path(X, y, eps=1e-8, alphas=60, tol=1e-10, max_iter=100_000)
    assert not coefs[:, 0].any()
    np.testing.assert_allclose(coefs[:, -1], LinearRegression().fit(X, y).coef_, atol=1e-5)
    assert (np.diff(alphas) < 0).all()
    assert (gaps >= 0).all()


@pytest.mark.parametrize("ratio", [1.0, 0.3])
def test_the_path_is_that_of_scikit_learn(diabetes, ratio):
    X, y = standardised(diabetes)
    ours = enet_path(X, y, l1_ratio=ratio, return_n_iter=True, **EXACT)
    theirs = peer.enet_path(X, y, l1_ratio=ratio, return_n_iter=True, **EXACT)
    np.testing.assert_allclose(ours[0], theirs[0], rtol=1e-12)
    np.testing.assert_allclose(ours[1], theirs[1], atol=1e-6)
    assert len(ours[3]) == len(theirs[3])


def test_each_solution_of_a_wide_path_is_optimal():
    X, y = wide(2)
    X, y = X - X.mean(axis=0), y - y.mean()
    alphas, coefs, _ = lasso_path(X, y, alphas=20, eps=1e-2, tol=1e-10, max_iter=50_000)
    g0 = np.abs(X.T @ y).max() / len(y)
    for alpha, w in zip(alphas, coefs.T):
        g = X.T @ (X @ w - y) / len(y)
        assert Penalty(alpha, 1.0).subdifferential_distance(w, g).max() < 1e-5 * g0


def test_duplicate_columns_share_without_harm_and_constant_columns_stay_zero():
    X, y = wide()
    X = np.hstack([X[:, :30], X[:, :30], np.full((len(X), 2), 7.0)])
    model = Lasso(alpha=0.05, **EXACT).fit(X, y)
    once = Lasso(alpha=0.05, **EXACT).fit(X[:, :30], y)
    np.testing.assert_allclose(model.predict(X), once.predict(X[:, :30]), atol=1e-6)
    assert not model.coef_[60:].any()


@pytest.mark.parametrize("columns", [8, 700])
@pytest.mark.parametrize("sparse", [False, True])
def test_a_weight_of_k_is_k_rows(columns, sparse):
    X, y = wide()
    X = X[:, :columns]
    counts = np.random.default_rng(0).integers(0, 4, len(y))
    form = sp.csr_array if sparse else np.asarray
    weighted = ElasticNet(alpha=0.1, **EXACT).fit(form(X), y, sample_weight=counts)
    repeated = ElasticNet(alpha=0.1, **EXACT).fit(form(np.repeat(X, counts, axis=0)), np.repeat(y, counts))
    np.testing.assert_allclose(weighted.coef_, repeated.coef_, atol=1e-7)
    np.testing.assert_allclose(weighted.intercept_, repeated.intercept_, atol=1e-6)


@pytest.mark.parametrize("columns", [8, 700])
def test_float32_is_close_to_float64_and_stays_float32(columns):
    X, y = wide()
    X = X[:, :columns]
    model = Lasso(alpha=0.1).fit(X.astype(np.float32), y.astype(np.float32))
    assert model.coef_.dtype == np.float32
    np.testing.assert_allclose(model.coef_, Lasso(alpha=0.1).fit(X, y).coef_, atol=2e-4)


@pytest.mark.parametrize("columns", [8, 700])
def test_positive_coefficients_are_those_of_scikit_learn(columns):
    X, y = wide()
    X = X[:, :columns]
    model = Lasso(alpha=0.1, positive=True, **EXACT).fit(X, y)
    assert (model.coef_ >= 0).all()
    other = peer.Lasso(alpha=0.1, positive=True, **EXACT).fit(X, y)
    np.testing.assert_allclose(model.coef_, other.coef_, atol=1e-6)


def test_a_random_order_finds_the_same_minimum_and_the_same_bits_from_the_same_seed():
    X, y = wide()
    first, second = (Lasso(alpha=0.1, selection="random", random_state=3).fit(X, y).coef_ for _ in range(2))
    np.testing.assert_array_equal(first, second)
    exact = Lasso(alpha=0.1, selection="random", random_state=3, **EXACT).fit(X, y)
    np.testing.assert_allclose(exact.coef_, Lasso(alpha=0.1, **EXACT).fit(X, y).coef_, atol=1e-6)


def test_each_of_several_targets_is_fitted_apart():
    X, y = wide()
    Y = np.column_stack([y, -2 * y + X[:, 9]])
    model = Lasso(alpha=0.1, **EXACT).fit(X, Y)
    for k in range(2):
        np.testing.assert_allclose(model.coef_[k], Lasso(alpha=0.1, **EXACT).fit(X, Y[:, k]).coef_, atol=1e-8)
    assert model.predict(X).shape == Y.shape
    assert model.dual_gap_.shape == (2,)
    assert model.sparse_coef_.shape == (2, X.shape[1])


def test_a_warm_start_begins_where_the_last_fit_ended():
    X, y = wide()
    model = Lasso(alpha=0.05, warm_start=True).fit(X, y)
    first = model.n_iter_
    assert model.fit(X, y).n_iter_ < first
    np.testing.assert_allclose(model.coef_, Lasso(alpha=0.05, **EXACT).fit(X, y).coef_, atol=1e-4)


def test_without_a_penalty_the_solution_is_least_squares_and_a_warning_says_so(diabetes):
    with pytest.warns(UserWarning, match="LinearRegression"):
        model = Lasso(alpha=0.0).fit(diabetes.X, diabetes.y)
    np.testing.assert_allclose(model.coef_, LinearRegression().fit(diabetes.X, diabetes.y).coef_, rtol=1e-9)


def test_without_an_l1_term_the_elastic_net_is_ridge_regression(diabetes):
    model = ElasticNet(alpha=0.5, l1_ratio=0.0).fit(diabetes.X, diabetes.y)
    expected = Ridge(alpha=0.5 * len(diabetes.y)).fit(diabetes.X, diabetes.y)
    np.testing.assert_allclose(model.coef_, expected.coef_, rtol=1e-9)
    assert model.dual_gap_ < 1e-8


def test_too_few_sweeps_are_said_with_the_gap_reached():
    X, y = wide()
    with pytest.warns(ConvergenceWarning, match=r"max_iter=1 .*gap: \d"):
        Lasso(alpha=0.01, max_iter=1).fit(X, y)


def test_the_duality_gap_bounds_what_the_objective_is_above_its_minimum():
    X, y = wide()
    exact = objective(X, y, Lasso(alpha=0.05, **EXACT).fit(X, y), 0.05)
    for sweeps in (1, 3, 10):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            model = Lasso(alpha=0.05, max_iter=sweeps).fit(X, y)
        assert -1e-12 <= objective(X, y, model, 0.05) - exact <= model.dual_gap_ + 1e-12


@pytest.mark.parametrize("cv", [None, 3, ShuffleSplit(3, random_state=0)], ids=["five", "three", "shuffled"])
@pytest.mark.parametrize("columns", [12, 700])
def test_cross_validation_finds_what_scikit_learn_finds(cv, columns):
    X, y = wide()
    X = X[:, :columns]
    options = {"cv": cv, "alphas": 15, "eps": 0.02, "tol": 1e-9, "max_iter": 50_000}
    model, other = LassoCV(**options).fit(X, y), peer.LassoCV(**options).fit(X, y)
    np.testing.assert_allclose(model.alphas_, other.alphas_, rtol=1e-10)
    np.testing.assert_allclose(model.mse_path_, other.mse_path_, rtol=1e-5)
    assert model.alpha_ == pytest.approx(other.alpha_, rel=1e-10)
    np.testing.assert_allclose(model.coef_, other.coef_, atol=1e-5)


def test_the_share_of_the_l1_penalty_is_chosen_too(diabetes):
    X, y = standardised(diabetes)
    options = {"l1_ratio": [0.2, 0.8, 1.0], "alphas": 20, "tol": 1e-9, "max_iter": 50_000}
    model, other = ElasticNetCV(**options).fit(X, y), peer.ElasticNetCV(**options).fit(X, y)
    assert (model.l1_ratio_, model.mse_path_.shape) == (other.l1_ratio_, other.mse_path_.shape)
    np.testing.assert_allclose(model.mse_path_, other.mse_path_, rtol=1e-6)
    np.testing.assert_allclose(model.alphas_, other.alphas_, rtol=1e-10)


def test_cross_validation_counts_a_weight_of_k_as_k_rows():
    X, y = wide()
    counts = np.random.default_rng(0).integers(0, 4, len(y))
    for columns in (6, 700):
        weighted = LassoCV(alphas=10, eps=0.05, **EXACT).fit(X[:, :columns], y, sample_weight=counts)
        repeated = LassoCV(alphas=10, eps=0.05, **EXACT).fit(
            np.repeat(X[:, :columns], counts, axis=0), np.repeat(y, counts)
        )
        np.testing.assert_allclose(weighted.mse_path_, repeated.mse_path_, rtol=1e-6)
        np.testing.assert_allclose(weighted.coef_, repeated.coef_, atol=1e-6)


def test_the_path_for_the_figure_holds_the_chosen_strength(diabetes):
    X, y = standardised(diabetes)
    alphas, coefs, chosen, errors = LassoCV(alphas=12, cv=4).fit(X, y)._path_of(X, y)
    assert (coefs.shape, errors.shape) == ((12, X.shape[1]), (12, 4))
    assert chosen in alphas
    alphas, coefs, chosen, errors = Lasso(alpha=0.1).fit(X, y)._path_of(X, y)
    assert (coefs.shape, chosen, errors) == ((len(alphas), X.shape[1]), 0.1, None)


def test_several_targets_and_unknown_parameters_of_a_path_are_refused():
    X, y = wide()
    with pytest.raises(ValueError, match="one target"):
        lasso_path(X, np.column_stack([y, y]))
    with pytest.raises(ValueError, match="Unexpected.*speed"):
        lasso_path(X, y, speed=3)


def test_folds_of_sparse_rows_choose_what_those_of_the_array_do():
    X, y = sp.random_array((60, 30), density=0.3, rng=np.random.default_rng(0), format="csr"), np.arange(60.0)
    sparse, dense = (
        LassoCV(alphas=5, cv=3).fit(rows, y + X[:, [0]].toarray()[:, 0] * 50) for rows in (X, X.toarray())
    )
    np.testing.assert_allclose(sparse.mse_path_, dense.mse_path_, rtol=1e-3)
