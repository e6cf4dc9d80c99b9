"""SGDRegressor beside scikit-learn's, on real data; and what it says when a walk blows up."""

from __future__ import annotations

import re

import numpy as np
import pytest
import sklearn.linear_model
from sklearn.preprocessing import StandardScaler

from tripos import SGDRegressor
from tripos.errors import DataWarning

SEEDS = range(6)
PLAIN = {"shuffle": False, "max_iter": 3, "tol": None, "random_state": 0}


@pytest.fixture(scope="module")
def houses(california):
    y = california.y
    # Some blocks have 40,000 people: rows that long make the default rate of 0.01 run away, here as at scikit-learn.
    return np.clip(StandardScaler().fit_transform(california.X), -3.0, 3.0), (y - y.mean()) / y.std()


@pytest.fixture(scope="module")
def few(houses):
    return np.ascontiguousarray(houses[0][::40]), houses[1][::40]


def losses(cls, X, y, **parameters):
    models = [cls(random_state=s, **parameters).fit(X, y) for s in SEEDS]
    return np.array([0.5 * np.mean((m.predict(X) - y) ** 2) for m in models])


@pytest.mark.parametrize("penalty", ["l2", "elasticnet"])
def test_equal_epochs_lead_to_a_loss_that_is_not_worse(houses, penalty):
    ours, theirs = (
        losses(cls, *houses, penalty=penalty, max_iter=6, tol=None)
        for cls in (SGDRegressor, sklearn.linear_model.SGDRegressor)
    )
    assert ours.mean() <= theirs.mean() + 3.0 * np.sqrt((ours.var() + theirs.var()) / len(SEEDS)) + 1e-5


def test_the_walk_ends_near_least_squares(houses):
    X, y = houses
    best = sklearn.linear_model.LinearRegression().fit(X, y).score(X, y)
    assert SGDRegressor(random_state=0, average=True).fit(X, y).score(X, y) > best - 0.005


@pytest.mark.parametrize(
    "parameters",
    [
        {},
        {"penalty": "l1", "alpha": 0.01},
        {"loss": "huber", "learning_rate": "adaptive", "tol": 1e-3, "max_iter": 40},
        {"loss": "epsilon_insensitive", "learning_rate": "pa1"},
        {"loss": "epsilon_insensitive", "learning_rate": "pa2"},
        {"loss": "squared_epsilon_insensitive", "average": 50},
        {"learning_rate": "optimal", "alpha": 1.0},
    ],
    ids=str,
)
def test_rows_in_the_same_order_give_the_same_coefficients(few, parameters):
    ours = SGDRegressor(**{**PLAIN, **parameters}).fit(*few)
    theirs = sklearn.linear_model.SGDRegressor(**{**PLAIN, **parameters}).fit(*few)
    assert ours.n_iter_ == theirs.n_iter_
    np.testing.assert_allclose(ours.coef_, theirs.coef_, rtol=1e-6, atol=1e-8)
    np.testing.assert_allclose(ours.intercept_, theirs.intercept_, rtol=1e-6, atol=1e-8)


def test_an_l1_penalty_leaves_exact_zeros(houses):
    model = SGDRegressor(penalty="l1", alpha=0.05, random_state=0).fit(*houses)
    assert np.count_nonzero(model.coef_ == 0.0) >= 4
    assert model.score(*houses) > 0.5


def test_epochs_by_partial_fit_are_the_epochs_of_fit(few):
    whole, stepwise = SGDRegressor(**PLAIN, average=True).fit(*few), SGDRegressor(**PLAIN, average=True)
    for _ in range(3):
        stepwise.partial_fit(*few)
    np.testing.assert_allclose(stepwise.coef_, whole.coef_, rtol=1e-9)


def test_early_stopping_watches_r2_on_rows_held_out(houses):
    model = SGDRegressor(early_stopping=True, random_state=0).fit(*houses)
    assert model.history_["validation"][-1] == pytest.approx(model.score(*houses), abs=0.05)


# ---- blowing up -----------------------------------------------------------------------------------------------


def rate_named(message: str) -> float:
    found = re.search(r"eta0=(\S+) works", message)
    assert found, message
    return float(found[1])


def test_features_that_are_not_scaled_are_named_with_a_rate_that_works(california):
    y = california.y / california.y.std()
    with pytest.warns(DataWarning, match="StandardScaler") as caught:
        SGDRegressor(random_state=0, max_iter=20, tol=None).fit(california.X, y)
    rate = rate_named(str(caught[0].message))
    model = SGDRegressor(learning_rate="constant", eta0=rate, random_state=0, max_iter=20, tol=None)
    loss = model.fit(california.X, y).history_["loss"]
    assert loss[-1] < 0.5 * np.mean(y**2)


def test_overflow_is_an_error_with_a_rate_that_works(few):
    X, y = few[0] * 1e160, few[1]
    with pytest.raises(ValueError, match=r"diverged.*overflow.*StandardScaler.*eta0=.* works"):
        SGDRegressor(random_state=0, tol=None, max_iter=50).fit(X, y)
