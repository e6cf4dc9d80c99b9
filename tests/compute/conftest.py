"""Hypothesis without a deadline: the first example of a kernel compiles it."""

from hypothesis import settings

settings.register_profile("compiling", deadline=None)
settings.load_profile("compiling")
