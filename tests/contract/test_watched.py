"""Promise 7: fits can be watched and stopped."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.base import clone

from tripos.watch import COLUMNS

from . import cases


class Recorder:
    """A scikit-learn callback that notes every event; stops after `stop_after` steps."""

    def __init__(self, stop_after: int | None = None) -> None:
        self.events: list[str] = []
        self.stop_after = stop_after

    def setup(self, estimator, context):
        self.events.append("setup")

    def teardown(self, estimator, context):
        self.events.append("teardown")

    def on_fit_task_begin(self, estimator, context):
        self.events.append(f"begin {context.task_name}")

    def on_fit_task_end(self, estimator, context):
        self.events.append(f"end {context.task_name}")
        return self.stop_after is not None and self.events.count("end step") >= self.stop_after


@cases.every_estimator
def test_callbacks_hear_the_beginning_and_the_end_of_a_fit(estimator):
    X, y = cases.arrays(estimator)
    recorder = Recorder()
    clone(estimator).set_callbacks(recorder).fit(X, y)
    assert recorder.events[:2] == ["setup", "begin fit"]
    assert recorder.events[-2:] == ["end fit", "teardown"]


@cases.every_estimator
def test_callbacks_are_torn_down_when_a_fit_fails(estimator):
    recorder = Recorder()
    with pytest.raises(ValueError):
        clone(estimator).set_callbacks(recorder).fit(np.full((5, 2), np.inf), None)
    assert recorder.events.count("setup") == recorder.events.count("teardown")


@cases.every_estimator
def test_an_iterative_fit_keeps_its_history_and_stops_when_asked(estimator):
    X, y = cases.arrays(estimator, n_rows=400)
    full = clone(estimator).fit(X, y)
    # scikit-learn's checks want n_iter_ >= 1 even where the solution has a closed form (Ridge)
    steps = {"max_iter", "n_estimators"} & estimator.get_params().keys()
    made = full.n_iter_ if hasattr(full, "n_iter_") else getattr(full, "n_estimators_", 1)
    iterative = bool(steps) and np.max(made) > 1
    assert hasattr(full, "history_") == iterative, "iterative learners keep a history, closed forms have none"
    if iterative:
        assert tuple(full.history_) == COLUMNS
        assert len({len(column) for column in full.history_.values()}) == 1
        later = full.history_["loss"][
            1:
        ]  # who visits rows in random order may end on a worse step than its best
        assert (np.min(later) if cases.draws(estimator) else later[-1]) <= full.history_["loss"][0]
        stopped = clone(estimator).set_callbacks(Recorder(stop_after=1)).fit(X, y)
        assert len(stopped.history_["step"]) < len(full.history_["step"])
