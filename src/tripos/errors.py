"""The errors and warnings Tripos raises on purpose; all are importable from `tripos`."""

from __future__ import annotations


class TriposError(Exception):
    """Base of every error that Tripos raises on purpose."""


class BudgetError(TriposError, MemoryError):
    """A method needs more memory than is free; the message gives the number and what fits instead."""


class ArtifactError(TriposError, ValueError):
    """A saved model is truncated, altered, foreign or of an unknown version."""


class TableError(TriposError, ValueError):
    """A table cannot be read or used as asked; the message names file, line or column."""


class SplitError(TriposError, ValueError):
    """A split was asked for that would leak or leave a part empty."""


class RunError(TriposError, RuntimeError):
    """A run cannot start or go on; the message says what to change."""


class TriposWarning(UserWarning):
    """Base of every warning that Tripos gives on purpose."""


class TableWarning(TriposWarning):
    """Something in a table was repaired while reading; the message says what and where."""


class DataWarning(TriposWarning):
    """Something in the data makes a result doubtful: collinear columns, separable classes, leakage."""
