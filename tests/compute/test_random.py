"""Claims about seeds and streams."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tripos.compute.random import derive, generator, streams
from tripos.compute.threads import parallel


@given(st.integers(0, 2**32 - 1), st.integers(1, 6), st.integers(1, 6))
def test_a_stream_depends_on_seed_and_number_alone(seed, few, many):
    shorter, longer = streams(seed, few), streams(seed, few + many)
    assert [s.random() for s in shorter] == [s.random() for s in longer[:few]]


def test_pieces_draw_the_same_numbers_for_any_number_of_threads():
    drawn = [parallel(lambda s: s.normal(size=50).sum(), streams(7, 20), n_jobs) for n_jobs in (1, 2, 4)]
    assert drawn[0] == drawn[1] == drawn[2]


def test_streams_of_a_seed_are_uncorrelated():
    draws = np.array([s.normal(size=4000) for s in streams(0, 20)])
    off_diagonal = np.corrcoef(draws)[~np.eye(20, dtype=bool)]
    assert abs(off_diagonal).max() < 5 / np.sqrt(4000)


def test_a_generator_is_used_as_it_is():
    given_one = np.random.default_rng(3)
    assert generator(given_one) is given_one


def test_a_random_state_is_drawn_from():
    state = np.random.RandomState(3)
    first, second = generator(state).random(), generator(state).random()
    again = generator(np.random.RandomState(3)).random()
    assert first == again != second


def test_numpys_global_seed_decides_when_nothing_is_given():
    np.random.seed(11)  # noqa: NPY002
    first = generator(None).random()
    np.random.seed(11)  # noqa: NPY002
    assert generator(None).random() == first


@given(st.integers(0, 2**31 - 1), st.text(), st.integers())
def test_derived_seeds_are_seeds_scikit_learn_takes(seed, key, number):
    assert 0 <= derive(seed, key, number) < 2**31


def test_derived_seeds_differ_by_key():
    assert len({derive(0, "fold", k) for k in range(2000)}) == 2000


@pytest.mark.parametrize(
    ("bad", "error"), [(-1, ValueError), ("7", TypeError), (1.5, TypeError), (True, TypeError)]
)
def test_what_is_no_seed_is_refused(bad, error):
    with pytest.raises(error, match="random_state"):
        generator(bad)
