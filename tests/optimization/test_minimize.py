"""Every method ends at the optimum that linear algebra or scikit-learn finds on real data."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.sparse import csr_array
from sklearn.datasets import load_diabetes, load_iris
from sklearn.preprocessing import scale

from tripos import minimize
from tripos.objective.linear import linear_risk
from tripos.objective.penalties import L1, L2
from tripos.optimization.lipschitz import lipschitz
from tripos.optimization.rules import Adam

EXACT = ("newton", "irls", "bfgs", "lbfgs")
# method -> options, and how close to the optimum it ends: in the parameters for exact gradients
DESCENTS = {
    "gradient-descent": ({"max_iter": 10_000}, 1e-5),
    "momentum": ({"max_iter": 3000}, 1e-5),
    "nesterov": ({"max_iter": 3000}, 1e-5),
    "adagrad": ({"learning_rate": 0.5, "max_iter": 10_000}, 1e-5),
    "rmsprop": ({"schedule": "cosine", "max_iter": 4000}, 1e-3),
    "adam": ({"schedule": "cosine", "max_iter": 4000}, 1e-3),
    "adamw": ({"schedule": "cosine", "max_iter": 4000}, 1e-2),
}
# mini-batches: share of the decrease from the start to the minimum that is still to be had
STOCHASTIC = {
    "sgd": ({"schedule": "cosine", "max_iter": 100}, 1e-3),
    "gradient-descent": ({"batch_size": 8, "schedule": "cosine", "max_iter": 100}, 1e-3),
    "momentum": ({"batch_size": 16, "schedule": "cosine", "max_iter": 100}, 2e-3),
    "nesterov": ({"batch_size": 16, "schedule": "cosine", "max_iter": 100}, 2e-3),
    "adagrad": ({"batch_size": 16, "max_iter": 100}, 1e-2),
    "rmsprop": ({"batch_size": 16, "schedule": "cosine", "max_iter": 100}, 5e-3),
    "adam": ({"batch_size": 16, "schedule": "cosine", "max_iter": 100}, 2e-3),
    "adamw": ({"batch_size": 16, "schedule": "cosine", "max_iter": 100}, 2e-3),
}


@pytest.fixture(scope="module")
def diabetes():
    """Ridge on standardised diabetes: the risk, and its minimum in closed form."""
    X, y = load_diabetes(return_X_y=True)
    X, y = scale(X), (y - y.mean()) / y.std()
    n, d = X.shape
    w = np.linalg.solve(X.T @ X / n + 0.01 * np.eye(d), X.T @ y / n)
    return linear_risk(X, y, penalty=L2(0.01)), np.append(w, 0.0)


@pytest.fixture(scope="module")
def spambase(data_file):
    """1,000 mails of spambase: words as logarithms, a third of them spam."""
    table = np.loadtxt(data_file("pmlb/spambase.tsv.gz"), delimiter="\t", skiprows=1)[::4][:1000]
    return scale(np.log1p(table[:, :-1])), table[:, -1]


@pytest.fixture(scope="module")
def spam(spambase):
    """Penalised logistic regression: the risk, and its minimum by scikit-learn."""
    from sklearn.linear_model import LogisticRegression

    X, y = spambase
    peer = LogisticRegression(C=1 / (0.02 * len(y)), solver="newton-cholesky", tol=1e-12).fit(X, y)
    return linear_risk(X, y, "log", penalty=L2(0.02)), np.append(peer.coef_, peer.intercept_)


@pytest.mark.parametrize("method", EXACT)
def test_second_order_methods_end_at_least_squares(diabetes, method):
    risk, minimum = diabetes
    result = minimize(risk, np.zeros(11), method, tol=1e-9)
    assert result.converged
    np.testing.assert_allclose(result.x, minimum, atol=1e-7)


@pytest.mark.parametrize("method", EXACT)
def test_second_order_methods_end_at_scikit_learns_logistic_regression(spam, method):
    risk, minimum = spam
    result = minimize(risk, np.zeros(58), method, tol=1e-9)
    assert result.converged
    np.testing.assert_allclose(result.x, minimum, atol=1e-6)


@pytest.mark.parametrize("method", DESCENTS)
def test_descent_on_all_rows_ends_at_least_squares(diabetes, method):
    risk, minimum = diabetes
    options, close = DESCENTS[method]
    np.testing.assert_allclose(
        minimize(risk, np.zeros(11), method, tol=1e-8, **options).x, minimum, atol=close
    )


@pytest.mark.parametrize("method", DESCENTS)
def test_descent_on_all_rows_ends_at_scikit_learns_logistic_regression(spam, method):
    risk, minimum = spam
    options, close = DESCENTS[method]
    np.testing.assert_allclose(
        minimize(risk, np.zeros(58), method, tol=1e-8, **options).x, minimum, atol=10 * close
    )


@pytest.mark.parametrize("problem", ["diabetes", "spam"])
@pytest.mark.parametrize("method", STOCHASTIC)
def test_descent_on_batches_of_rows_brings_nearly_all_there_is(request, problem, method):
    risk, minimum = request.getfixturevalue(problem)
    options, left = STOCHASTIC[method]
    start = np.zeros(len(minimum))
    least, first = (risk.value_gradient(x)[0] for x in (minimum, start))
    result = minimize(risk, start, method, **options)
    assert result.fun - least <= left * (first - least)


def test_a_method_run_to_its_tolerance_says_so_and_keeps_its_history(diabetes):
    result = minimize(diabetes[0], np.zeros(11), "nesterov", tol=1e-6)
    assert result.converged
    assert "within tol=1e-06" in result.reason
    assert result.history_["step"] == list(range(result.n_iter + 1))
    assert result.history_["loss"][-1] == result.fun < result.history_["loss"][0]
    assert np.all(np.diff(result.history_["seconds"]) >= 0)


def test_steps_that_were_not_enough_are_counted(diabetes):
    result = minimize(diabetes[0], np.zeros(11), "gradient-descent", max_iter=3)
    assert not result.converged
    assert "max_iter=3 steps were not enough" in result.reason


# ---- batches -------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["sgd", "adam"])
def test_the_same_seed_gives_the_same_bits_and_another_seed_another_way(spam, method):
    options = {"batch_size": 4, "max_iter": 2}
    ends = [minimize(spam[0], np.zeros(58), method, random_state=seed, **options).x for seed in (3, 3, 4)]
    np.testing.assert_array_equal(ends[0], ends[1])
    assert not np.array_equal(ends[0], ends[2])


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("loss", ["log", "squared hinge", "huber"])
def test_csr_rows_give_what_dense_rows_give(spambase, loss, dtype):
    X, y = spambase
    X = (X * (X > 0)).astype(dtype)
    ends = [
        minimize(
            linear_risk(rows, y, loss, penalty=L2(0.1)), np.zeros(58), "adam", batch_size=32, max_iter=2
        ).x
        for rows in (X, csr_array(X))
    ]
    np.testing.assert_allclose(ends[0], ends[1], atol=1e-9 if dtype == np.float64 else 1e-3)


@pytest.mark.parametrize("fit_intercept", [False, True])
@pytest.mark.parametrize(("alpha", "rate"), [(0.1, 0.05), (5.0, 0.19), (0.0, 0.05), (5.0, 0.2)])
def test_plain_steps_on_csr_rows_that_shrink_lazily_are_the_steps_on_dense_rows(
    spambase, alpha, rate, fit_intercept
):
    X, y = spambase
    X = X[:400] * (X[:400] > 0)
    ends = []
    for rows in (X, csr_array(X)):
        risk = linear_risk(rows, y[:400], "log", penalty=L2(alpha), fit_intercept=fit_intercept)
        start = np.linspace(-0.1, 0.1, risk.n_parameters)
        ends.append(minimize(risk, start, "sgd", batch_size=3, learning_rate=rate, max_iter=2).x)
    np.testing.assert_allclose(ends[0], ends[1], rtol=1e-9, atol=1e-12)


class ByHand:
    """Logistic regression with weights, an L2 penalty and no intercept, in NumPy."""

    def __init__(self, X, y, s, alpha):
        self.X, self.y, self.s, self.alpha, self.n_rows = X, y, s, alpha, len(y)

    def value_gradient(self, w):
        eta = self.X @ w
        value = self.s @ (np.logaddexp(0, eta) - self.y * eta) / self.s.sum() + self.alpha / 2 * w @ w
        return value, self.batch_gradient(w, np.arange(self.n_rows))

    def batch_gradient(self, w, rows):
        p = 1 / (1 + np.exp(-self.X[rows] @ w))
        scale = self.n_rows / (self.s.sum() * len(rows))
        return scale * self.X[rows].T @ (self.s[rows] * (p - self.y[rows])) + self.alpha * w


@pytest.mark.parametrize("options", [{}, {"clip_norm": 0.3}, {"clip_value": 0.05}], ids=str)
def test_an_epoch_in_the_kernel_is_the_epoch_in_numpy(spambase, options):
    X, y = spambase
    s = np.random.default_rng(0).random(len(y))
    theirs = ByHand(X[:200], y[:200], s[:200], 0.1)
    ours = linear_risk(X[:200], y[:200], "log", penalty=L2(0.1), sample_weight=s[:200], fit_intercept=False)
    ends = []
    for objective in (ours, theirs):
        rng = np.random.default_rng(0)
        if objective is theirs:
            rng.permutation(1)  # ours draws the order of its one block first
        settings = dict(learning_rate=0.1, batch_size=7, max_iter=1, random_state=rng, **options)
        ends.append(minimize(objective, np.zeros(57), "momentum", **settings).x)
    np.testing.assert_allclose(ends[0], ends[1], rtol=1e-9, atol=1e-12)


def test_softmax_goes_by_batches_too():
    X, y = load_iris(return_X_y=True)
    risk = linear_risk(scale(X), y, "softmax", penalty=L2(0.1))
    least = minimize(risk, np.zeros(15), "newton").fun
    found = minimize(risk, np.zeros(15), "sgd", batch_size=10, schedule="cosine", max_iter=60)
    assert found.fun - least < 1e-3


def test_an_l1_penalty_is_followed_by_its_subgradient_and_refused_by_line_searches(diabetes):
    X, y = load_diabetes(return_X_y=True)
    risk = linear_risk(scale(X), (y - y.mean()) / y.std(), penalty=L1(0.05))
    from sklearn.linear_model import Lasso

    w = Lasso(alpha=0.05).fit(scale(X), (y - y.mean()) / y.std()).coef_
    found = minimize(risk, np.zeros(11), "adam", schedule="cosine", max_iter=3000)
    np.testing.assert_allclose(found.x[:10], w, atol=1e-3)
    with pytest.raises(ValueError, match="kink at 0"):
        minimize(risk, np.zeros(11), "lbfgs")


# ---- divergence ----------------------------------------------------------------------------------


def advised(reason):
    return float(reason.split("learning_rate=")[1].split()[0])


@pytest.mark.parametrize(
    ("method", "options"),
    [
        ("gradient-descent", {}),
        ("momentum", {}),
        ("nesterov", {}),
        ("sgd", {"max_iter": 50}),
        ("momentum", {"batch_size": 8, "max_iter": 50}),
    ],
)
@pytest.mark.parametrize("problem", ["diabetes", "spam"])
def test_a_rate_that_is_too_large_is_said_with_one_that_works(request, problem, method, options):
    risk, minimum = request.getfixturevalue(problem)
    start = np.zeros(len(minimum))
    failed = minimize(risk, start, method, learning_rate=100.0, **options)
    assert not failed.converged
    assert "diverged" in failed.reason
    assert failed.fun <= risk.value_gradient(start)[0]
    works = minimize(risk, start, method, learning_rate=advised(failed.reason), **options)
    assert "diverged" not in works.reason
    assert works.fun < risk.value_gradient(start)[0]


@pytest.mark.parametrize("method", ["gradient-descent", "sgd"])
def test_the_rate_advised_for_counts_works_although_their_curvature_grows_on_the_way(method):
    """At the start every mean is 1; at the minimum it is 152, and so is the curvature."""
    X, y = load_diabetes(return_X_y=True)
    risk = linear_risk(scale(X), y, "poisson")
    failed = minimize(risk, np.zeros(11), method, learning_rate=1.0, max_iter=200)
    assert "diverged" in failed.reason
    works = minimize(risk, np.zeros(11), method, learning_rate=advised(failed.reason), max_iter=200)
    least, first = minimize(risk, np.zeros(11), "irls").fun, risk.value_gradient(np.zeros(11))[0]
    assert works.fun - least < 0.05 * (first - least)


def test_the_rate_found_for_counts_does_not_diverge():
    X, y = load_diabetes(return_X_y=True)
    risk = linear_risk(scale(X), y, "poisson")
    result = minimize(risk, np.zeros(11), "nesterov", max_iter=5000, tol=1e-4)
    assert result.converged
    np.testing.assert_allclose(result.x, minimize(risk, np.zeros(11), "irls").x, atol=1e-3)


def test_unscaled_features_diverge_at_a_rate_that_suits_scaled_ones(data_file):
    table = np.loadtxt(data_file("pmlb/spambase.tsv.gz"), delimiter="\t", skiprows=1)[:500]
    risk = linear_risk(table[:, :-1], table[:, -1], "squared")
    result = minimize(risk, np.zeros(58), "gradient-descent", learning_rate=0.1)
    assert "Scaling the features" in result.reason


def test_the_lipschitz_constant_is_the_largest_eigenvalue_of_the_hessian(diabetes, spam):
    for risk, x in (diabetes, spam):
        hessian = risk.value_gradient_hessian(x)[2]
        assert lipschitz(risk, x) == pytest.approx(np.linalg.eigvalsh(hessian)[-1], rel=0.02)


# ---- what is asked wrongly -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "error", "says"),
    [
        ({"method": "magic"}, ValueError, "method must be one of"),
        ({"method": "sgd", "batch_size": 0}, ValueError, "batch_size must be a positive integer, got 0"),
        ({"method": "adam", "learning_rate": -1.0}, ValueError, "learning_rate must be a positive"),
        ({"method": "adam", "schedule": "linear"}, ValueError, "schedule must be one of"),
        ({"method": "adam", "clip_norm": -1.0}, ValueError, "clip_norm must be larger than 0"),
    ],
)
def test_what_cannot_be_done_is_said(diabetes, options, error, says):
    with pytest.raises(error, match=says):
        minimize(diabetes[0], np.zeros(11), **options)


def test_batches_of_a_plain_function_are_refused():
    with pytest.raises(TypeError, match="rows can be taken apart"):
        minimize(lambda x: float(x @ x), [1.0], "sgd", gradient=lambda x: 2 * x)


def test_irls_refuses_a_loss_without_a_likelihood(spambase):
    with pytest.raises(TypeError, match="irls.*the hinge loss"):
        minimize(linear_risk(*spambase, "hinge"), np.zeros(58), "irls")


def test_a_plain_function_is_minimised_by_rules_as_well():
    result = minimize(lambda x: float((x - 3) @ (x - 3)), [0.0], "nesterov", gradient=lambda x: 2 * (x - 3))
    np.testing.assert_allclose(result.x, [3.0], atol=1e-6)


def test_a_rule_with_its_own_numbers_and_rates_can_be_given(diabetes):
    settings = dict(rule=Adam(beta1=0.5), learning_rate=lambda t: 0.05 / (1 + t / 200), max_iter=3000)
    from tripos.optimization.descent import descend
    from tripos.optimization.result import Stopping

    stopping = Stopping(tol=1e-5, max_iter=settings.pop("max_iter"))
    result = descend(diabetes[0], np.zeros(11), stopping, **settings)
    np.testing.assert_allclose(result.x, diabetes[1], atol=1e-3)


def test_a_callback_stops_a_descent(diabetes):
    result = minimize(diabetes[0], np.zeros(11), "adam", on_step=lambda step, value, x: step == 5)
    assert result.n_iter == 5
    assert "callback" in result.reason
