"""ID3 and C4.5 on the examples of the literature."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from tripos import C45Classifier, ID3Classifier
from tripos.supervised.trees.c45_prune import extra_errors
from tripos.supervised.trees.multiway import Branching

# Quinlan (1986), table 1: outlook, temperature, humidity, wind, class
SATURDAY_MORNINGS = """
sunny hot high weak no        sunny hot high strong no      overcast hot high weak yes   rain mild high weak yes
rain cool normal weak yes     rain cool normal strong no    overcast cool normal strong yes   sunny mild high weak no
sunny cool normal weak yes    rain mild normal weak yes     sunny mild normal strong yes  overcast mild high strong yes
overcast hot normal weak yes  rain mild high strong no
"""
TREE = """
outlook = overcast: yes (4)
outlook = rain:
|   wind = strong: no (2)
|   wind = weak: yes (3)
outlook = sunny:
|   humidity = high: no (3)
|   humidity = normal: yes (2)
""".strip()


@pytest.fixture(scope="module")
def tennis() -> tuple[pd.DataFrame, pd.Series]:
    cells = np.array(SATURDAY_MORNINGS.split()).reshape(14, 5)
    frame = pd.DataFrame(cells, columns=["outlook", "temperature", "humidity", "wind", "play"]).astype(object)
    return frame, frame.pop("play")


@pytest.mark.parametrize("learner", [ID3Classifier, C45Classifier])
def test_the_tree_for_playing_tennis_is_quinlans(learner, tennis):
    assert learner().fit(*tennis).export_text() == TREE


def test_the_golf_tree_has_quinlans_threshold(tennis):
    X, y = tennis
    X = X.assign(humidity=[85, 90, 78, 96, 80, 70, 65, 95, 70, 80, 70, 90, 75, 80])
    assert "humidity <= 75: yes (2)" in C45Classifier().fit(X, y).export_text()


def test_rules_cover_what_their_leaves_say(tennis):
    X, y = tennis
    model = C45Classifier().fit(X, y)
    assert len(model.rules()) == 5
    assert all(rule.errors == 0 for rule in model.rules())
    assert "outlook = overcast then yes" in str(model.rules(X, y)[0])


def test_numbers_are_refused_where_asked():
    with pytest.raises(ValueError, match="holds numbers"):
        ID3Classifier(numbers="error").fit([[1.0], [2.0]], [0, 1])


def test_a_missing_cell_goes_down_all_branches(tennis):
    model = C45Classifier().fit(*tennis)
    row = model._input(tennis[0][:1].replace({"sunny": "snow"}))  # a level that training did not have
    assert np.isnan(row[0, 0])
    # 4/14 of overcast, 5/14 of rain with weak wind: yes; 5/14 of sunny with high humidity: no
    np.testing.assert_allclose(model.multiway_.probabilities(row)[0], [[5 / 14, 9 / 14]])


def test_gaps_in_training_are_shared_among_branches():
    """Quinlan (1993), section 3.2: one of 14 rows does not know its outlook; 3, 5 and 5 do."""
    leaf = Branching(np.zeros(2), np.zeros(2))
    node = Branching(np.zeros(2), np.zeros(2), feature=0, children=[leaf, leaf, leaf])
    x = np.array([0.0] * 3 + [1.0] * 5 + [2.0] * 5 + [np.nan])
    weights = [part.sum() for _, part in node.parts(x, np.ones(14))]
    np.testing.assert_allclose(weights, [3 + 3 / 13, 5 + 5 / 13, 5 + 5 / 13])


@pytest.mark.parametrize(("N", "E", "expected"), [(6, 0, 1.238), (9, 0, 1.285), (1, 0, 0.75)])
def test_extra_errors_are_those_of_the_book(N, E, expected):
    assert extra_errors(N, E, 0.25) == pytest.approx(expected, abs=2e-3)


@pytest.mark.slow
def test_c45_on_adult_errs_no_more_than_quinlans(adult_table):
    data = adult_table
    complete = data.X.notna().all(axis=1).to_numpy()
    test = data.X_test.notna().all(axis=1).to_numpy()
    model = C45Classifier().fit(data.X[complete], data.y[complete])
    error = 1.0 - model.score(data.X_test[test], data.y_test[test])
    assert error <= 0.156, f"{error:.2%}; adult.names says 15.54 %"
