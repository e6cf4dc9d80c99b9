"""Complement and Bernoulli naive Bayes: scikit-learn's numbers on real text, and what it leaves undefined."""

import numpy as np
import pytest
import scipy.sparse as sp
from sklearn import naive_bayes as peer

from tripos import BernoulliNB, ComplementNB
from tripos.supervised.bayes.bernoulli import (
    class_presence,
    presence,
    stored_class_presence,
    stored_presence,
)

PAIRS = [
    (ComplementNB, {}),
    (ComplementNB, {"alpha": 0.01, "norm": True}),
    (BernoulliNB, {}),
    (BernoulliNB, {"alpha": 0.1, "binarize": 1.0, "fit_prior": False}),
    (BernoulliNB, {"class_prior": [0.9, 0.1]}),
]
pairs = pytest.mark.parametrize(("cls", "parameters"), PAIRS, ids=lambda v: getattr(v, "__name__", str(v)))


@pairs
@pytest.mark.parametrize("form", [sp.csr_array, lambda X: X.toarray()], ids=["csr", "dense"])
def test_log_probabilities_equal_scikit_learns_on_text(sms, cls, parameters, form):
    X, y = form(sms[0][:1500, :3000].astype(float)), sms[1][:1500]
    ours, theirs = cls(**parameters).fit(X, y), getattr(peer, cls.__name__)(**parameters).fit(X, y)
    for method in ("predict_joint_log_proba", "predict_log_proba"):
        np.testing.assert_allclose(getattr(ours, method)(X), getattr(theirs, method)(X), rtol=1e-9, atol=1e-9)
    np.testing.assert_array_equal(ours.predict(X), theirs.predict(X))


@pairs
def test_fitted_attributes_equal_scikit_learns(spambase, cls, parameters):
    X, y = spambase
    ours, theirs = cls(**parameters).fit(X, y), getattr(peer, cls.__name__)(**parameters).fit(X, y)
    learned = {name for name in vars(theirs) if name.endswith("_")} - {"classes_", "n_features_in_"}
    for name in learned:
        np.testing.assert_allclose(getattr(ours, name), getattr(theirs, name), rtol=1e-9, err_msg=name)


@pairs
def test_halves_merged_equal_the_whole(spambase, cls, parameters):
    X, y = spambase
    whole = cls(**parameters).fit(X, y)
    merged = cls(**parameters).fit(X[::2], y[::2]).merge(cls(**parameters).fit(X[1::2], y[1::2]))
    np.testing.assert_allclose(merged.feature_log_prob_, whole.feature_log_prob_, rtol=1e-12)


def test_presence_kernels_equal_their_twins():
    rng = np.random.default_rng(0)
    X, y, w = rng.normal(size=(30, 6)) * (rng.random((30, 6)) < 0.5), rng.integers(0, 3, 30), rng.random(30)
    S = sp.csr_array(X)
    own = np.eye(3)[y] * w[:, None]
    n, count = np.zeros(3), np.zeros((3, 6))
    class_presence(X, y, w, 0.2, n, count)
    np.testing.assert_allclose(count, own.T @ (X > 0.2))
    n, count = np.zeros(3), np.zeros((3, 6))
    assert stored_class_presence(S.data, S.indices, S.indptr, y, w, 0.2, n, count, np.zeros(6, np.int32))
    np.testing.assert_allclose(count, own.T @ (X > 0.2))
    out, stored = np.empty_like(X), np.empty_like(S.data)
    presence(X, 0.2, out)
    stored_presence(S.data, 0.2, stored)
    np.testing.assert_array_equal(out, X > 0.2)
    np.testing.assert_array_equal(stored, S.data > 0.2)


def test_presence_keeps_what_is_no_number():
    out = np.empty((1, 3))
    presence(np.array([[np.nan, np.inf, 1.0]]), 0.0, out)
    np.testing.assert_array_equal(out, [[np.nan, np.nan, 1.0]])


def test_unsmoothed_bernoulli_rules_out_a_class_without_losing_the_others():
    X = np.array([[1.0, 0.0, 1.0], [1.0, 1.0, 0.0], [0.0, 1.0, 0.0], [0.0, 1.0, 1.0], [0.0, 0.0, 1.0]])
    model = BernoulliNB(alpha=0.0).fit(X, [0, 0, 1, 1, 1])
    found = model.predict_joint_log_proba(np.array([[1.0, 1.0, 1.0]]))[0]
    assert found[0] == pytest.approx(np.log(0.4 * 1.0 * 0.5 * 0.5), abs=1e-6)
    assert found[1] < -1e7


def test_binarize_none_refuses_what_is_not_zero_or_one():
    with pytest.raises(ValueError, match="set binarize"):
        BernoulliNB(binarize=None).fit(np.array([[0.0, 3.0], [1.0, 0.0]]), [0, 1])


@pytest.mark.parametrize("model", [ComplementNB(), BernoulliNB()], ids=lambda m: type(m).__name__)
def test_contributions_add_up_to_the_log_odds(sms, model):
    X, y, _ = sms
    model.fit(X, y)
    why = model.explain(X[3])
    joint = model.predict_joint_log_proba(X[3])[0]
    expected = joint[list(model.classes_).index(why.label)] - joint[list(model.classes_).index(why.against)]
    assert why.log_odds == pytest.approx(expected, rel=1e-9)


def test_complement_beats_multinomial_on_unequal_classes(sms):
    """What the model is for: with 30 spam among 4,500 messages its recall of spam is far better."""
    from tripos import MultinomialNB

    X, y, _ = sms
    spam, ham = np.flatnonzero(y == "spam"), np.flatnonzero(y == "ham")
    train, test = np.concatenate([ham[:2000], spam[:20]]), np.concatenate([ham[2000:], spam[20:]])
    recall = [
        np.mean(model.fit(X[train], y[train]).predict(X[test][y[test] == "spam"]) == "spam")
        for model in (ComplementNB(), MultinomialNB())
    ]
    assert recall[0] > recall[1]
