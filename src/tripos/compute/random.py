"""Random numbers: one seed, and from it as many independent streams as there are pieces of work.

A piece draws from the stream of its own number, never from one that pieces share, so the answer is the same for
any number of threads and any order of work.
"""

from __future__ import annotations

import hashlib
from typing import TypeAlias

import numpy as np

RandomState: TypeAlias = int | np.integer | np.random.RandomState | np.random.Generator | None


def generator(random_state: RandomState = None) -> np.random.Generator:
    """Turn a `random_state` as scikit-learn has it into a Generator.

    Parameters
    ----------
    random_state : int, RandomState, Generator or None
        An int gives the same numbers each time. A Generator is used as it is, a RandomState is drawn from. None
        draws from NumPy's global state, so that `np.random.seed` holds here too.

    Returns
    -------
    numpy.random.Generator
    """
    if isinstance(random_state, np.random.Generator):
        return random_state
    return np.random.default_rng(_sequence(random_state))


def streams(random_state: RandomState, n: int) -> list[np.random.Generator]:
    """Independent generators for `n` pieces; stream k depends on the seed and on k alone, not on `n`.

    Notes
    -----
    `SeedSequence.spawn`: children differ in their spawn key, which is hashed together with the seed.
    """
    return [np.random.default_rng(child) for child in _sequence(random_state).spawn(n)]


def derive(seed: int, *keys: object) -> int:
    """A seed for a named purpose, in [0, 2^31): the same for the same seed and keys, unrelated to any other.

    >>> derive(0, "fold", 3) == derive(0, "fold", 3) != derive(0, "fold", 4)
    True
    """
    digest = hashlib.sha256(repr((int(seed), *keys)).encode()).digest()
    return int.from_bytes(digest[:4], "little") >> 1


def _sequence(random_state: RandomState) -> np.random.SeedSequence:
    if isinstance(random_state, np.random.Generator):
        return np.random.SeedSequence(random_state.integers(0, 2**32, size=4, dtype=np.uint32).tolist())
    if isinstance(random_state, np.random.RandomState):
        return np.random.SeedSequence(random_state.randint(0, 2**32, size=4, dtype=np.uint32).tolist())
    if random_state is None:
        legacy = np.random.randint(0, 2**32, size=4, dtype=np.uint32)  # noqa: NPY002
        return np.random.SeedSequence(legacy.tolist())
    if isinstance(random_state, (int, np.integer)) and not isinstance(random_state, bool):
        if random_state < 0:
            raise ValueError(f"random_state must be a non-negative integer, got {random_state}.")
        return np.random.SeedSequence(int(random_state))
    raise TypeError(
        f"random_state must be an int, a numpy RandomState or Generator, or None; got {type(random_state).__name__}."
    )
