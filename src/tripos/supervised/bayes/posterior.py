"""What all naive Bayes classifiers share: Bayes' rule at prediction, and statistics that merge at fit.

    P(y = k | x) = P(k) P(x | k) / sum_c P(c) P(x | c),        P(x | k) = prod_j P(x_j | k)

A learner gives the statistics of a block of rows, solves them for its parameters, and gives the joint log-likelihood
log P(k) + log P(x | k) of rows; everything else stands here once.
"""

from __future__ import annotations

import abc
from functools import partial
from typing import Any, ClassVar, Self

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp

from tripos.base import Classifier, Training
from tripos.compute import kernel
from tripos.compute.blocks import BLOCK_BYTES, Block, row_blocks
from tripos.compute.budget import require
from tripos.compute.executor import reduce_blocks
from tripos.compute.intrinsics import exp, log
from tripos.compute.threads import parallel
from tripos.supervised.bayes.explanation import Explanation

Floats = npt.NDArray[np.float64]
ONE_PIECE = 1 << 18  # bytes of X below which handing pieces to threads costs more than it saves
MERGED_SHARE = 16  # bytes of X for each byte of statistics, at least
COPIES = 8  # of the statistics that lie in memory at once while blocks are merged
LARGE = 1 << 24  # bytes of statistics from which the memory budget is asked first


@kernel("f8[:, ::1], i8[::1]")
def best_class(joint, codes):  # type: ignore[no-untyped-def]
    """codes_i = argmax_k joint_ik; False when some row has no finite score."""
    sound = True
    for i in range(joint.shape[0]):
        best = 0
        for k in range(1, joint.shape[1]):
            if joint[i, k] > joint[i, best]:
                best = k
        codes[i] = best
        sound &= abs(joint[i, best]) < np.inf
    return sound


@kernel("f8[:, ::1], f8[:, ::1]")
def log_posterior(joint, out):  # type: ignore[no-untyped-def]
    """out_ik = joint_ik - log sum_c exp(joint_ic); False when some row has no finite score."""
    sound = True
    for i in range(joint.shape[0]):
        top = joint[i, 0]
        for k in range(1, joint.shape[1]):
            top = max(top, joint[i, k])
        total = 0.0
        for k in range(joint.shape[1]):
            total += exp(joint[i, k] - top)
        evidence = top + log(total)
        for k in range(joint.shape[1]):
            out[i, k] = joint[i, k] - evidence
        sound &= abs(evidence) < np.inf
    return sound


@kernel("f8[:, ::1], f8[:, ::1]")
def posterior(joint, out):  # type: ignore[no-untyped-def]
    """out_ik = exp(joint_ik) / sum_c exp(joint_ic); False when some row has no finite score."""
    sound = True
    for i in range(joint.shape[0]):
        top = joint[i, 0]
        for k in range(1, joint.shape[1]):
            top = max(top, joint[i, k])
        total = 0.0
        for k in range(joint.shape[1]):
            out[i, k] = exp(joint[i, k] - top)
            total += out[i, k]
        for k in range(joint.shape[1]):
            out[i, k] /= total
        sound &= abs(top) < np.inf
    return sound


@kernel("f8[:, ::1], f8[:, ::1]")
def copied(joint, out):  # type: ignore[no-untyped-def]
    """out = joint; False when some row has no finite score."""
    sound = True
    for i in range(joint.shape[0]):
        some = False
        for k in range(joint.shape[1]):
            out[i, k] = joint[i, k]
            some |= abs(joint[i, k]) < np.inf
        sound &= some
    return sound


class BayesClassifier(Classifier, abc.ABC):
    """A classifier by Bayes' rule over features taken as independent inside a class."""

    mergeable: ClassVar[bool] = True
    interpretability: ClassVar[str] = "high"

    class_count_: Floats

    # ---- what a learner gives ------------------------------------------------------------------

    @abc.abstractmethod
    def _partial(self, block: Block, n_classes: int) -> Any:
        """Statistics of one block (with `merge`, `spread_over` and `finite`)."""

    @abc.abstractmethod
    def _solve(self, statistics: Any) -> None:
        """Sets the fitted attributes from the statistics of all rows."""

    @abc.abstractmethod
    def _statistics(self) -> Any:
        """The statistics back from the fitted attributes, for more rows to be added."""

    @abc.abstractmethod
    def _joint(self, X: Any) -> Floats:
        """log P(k) + log P(x | k), shape (n_rows, n_classes)."""

    @abc.abstractmethod
    def _evidence(self, x: Floats, label: int, against: int) -> tuple[Floats, float]:
        """What each feature of one row adds to the log-odds of two classes, shape (n_features,); and the prior's part."""

    @abc.abstractmethod
    def _n_parameters(self) -> int:
        """Columns that the fitted parameters are for."""

    # ---- fit -----------------------------------------------------------------------------------

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "class_count_")  # a first call that failed may have set `classes_`

    def fit(self, X: Any, y: Any = None, sample_weight: Any = None) -> Self:
        """Learn the density of each class.

        Parameters
        ----------
        X : array-like or CSR matrix of shape (n_rows, n_features), table, list of arrays, or `tripos.scan(...)`
            Training rows. Blocks of rows may be larger than memory together.
        y : array-like of shape (n_rows,)
            Class labels; left out for blocks, which bring their own.
        sample_weight : array-like of shape (n_rows,), optional
            A weight of k counts as k rows.

        Returns
        -------
        self
        """
        self._solve(self._gather(X, y, sample_weight, reset=True, classes=None))
        return self

    def partial_fit(self, X: Any, y: Any = None, classes: Any = None, sample_weight: Any = None) -> Self:
        """Learn from more rows; any number of calls gives what one `fit` on all rows gives.

        Parameters
        ----------
        X, y, sample_weight
            As in `fit`.
        classes : array-like of shape (n_classes,), optional
            All labels that will ever occur; required in the first call.

        Returns
        -------
        self
        """
        first = not hasattr(self, "class_count_")
        if first:
            self.__dict__.pop("classes_", None)  # of a first call that failed half way
            if classes is None:
                raise ValueError("classes must be passed on the first call to partial_fit.")
        statistics = self._gather(X, y, sample_weight, reset=first, classes=classes)
        self._solve(statistics if first else self._statistics().merge(statistics))
        return self

    def merge(self, other: Self) -> Self:
        """Take in what another model learned from other rows: the result is what one fit on all rows gives.

        Parameters
        ----------
        other : fitted estimator of this class
            With the same features; it may know other classes.

        Returns
        -------
        self
        """
        self._check_mergeable(other)
        classes = np.union1d(self.classes_, other.classes_)
        mine, theirs = (
            model._statistics().spread_over(np.searchsorted(classes, model.classes_), len(classes))
            for model in (self, other)
        )
        self._solve(mine.merge(theirs))
        self.classes_ = classes
        return self

    def _check_mergeable(self, other: Any) -> None:
        if type(other) is not type(self):
            raise TypeError(
                f"a {type(self).__name__} merges with another {type(self).__name__}, got {type(other).__name__}"
            )
        for model in (self, other):
            if not hasattr(model, "class_count_"):
                raise ValueError("both models must be fitted before they are merged")
            if getattr(model, "encoder_", None) is not None:
                raise ValueError(
                    "models that encoded their tables apart cannot be merged: encode with one `tripos.Encoder` first"
                )
        names = [list(model.encoded_feature_names_) for model in (self, other)]
        if names[0] != names[1]:
            raise ValueError(f"the models know different features: {names[0][:5]}... and {names[1][:5]}...")
        if (self.classes_.dtype.kind in "biuf") != (other.classes_.dtype.kind in "biuf"):
            raise ValueError(
                f"the models know different kinds of labels: {self.classes_} and {other.classes_}"
            )

    def _gather(self, X: Any, y: Any, sample_weight: Any, *, reset: bool, classes: Any) -> Any:
        """Statistics of all rows. NaN and infinity show in them, so X is not read once more to look for them;
        where there are some, the second start encodes them or says where they stand."""
        start = partial(self._start_fit, X, y, sample_weight, reset=reset, classes=classes)
        training = start(check_finite=False)
        statistics = self._reduce(training)
        if statistics.finite:
            return statistics
        if not training.in_memory:
            self._reject_nonfinite(training.blocks)
        statistics = self._reduce(start(check_finite=True))
        if not statistics.finite:
            raise ValueError("X holds numbers so large that their squares overflow: rescale it")
        return statistics

    def _reduce(self, training: Training) -> Any:
        n_classes = len(self.classes_)
        size = 8 * n_classes * training.n_features
        if size > LARGE:
            name = type(self).__name__
            require(COPIES * size, what=f"{name} with {n_classes} classes and {training.n_features} features")
        blocks, share = training.blocks, MERGED_SHARE * size
        if (
            training.in_memory and share > BLOCK_BYTES
        ):  # larger blocks, else merging takes longer than counting
            X = training.X
            count = int((X.data.nbytes + X.indices.nbytes if sp.issparse(X) else X.nbytes) / share)
            count = 1 << max(count, 1).bit_length() - 1  # a power of two: the threads finish together
            blocks = row_blocks(X, training.y, training.sample_weight, rows=-(-X.shape[0] // count))
        return reduce_blocks(partial(self._partial, n_classes=n_classes), _merge, blocks)

    # ---- predict -------------------------------------------------------------------------------

    def predict(self, X: Any) -> npt.NDArray[Any]:
        """The most probable class of each row.

        Parameters
        ----------
        X : array-like or CSR matrix of shape (n_rows, n_features), or table

        Returns
        -------
        ndarray of shape (n_rows,)
        """
        X = self._input(X)
        codes = np.empty(X.shape[0], np.int64)
        self._by_pieces(X, best_class, codes)
        return self._labels(codes)

    def predict_joint_log_proba(self, X: Any) -> Floats:
        """log P(k) + log P(x | k) of each row and class, shape (n_rows, n_classes)."""
        return self._scores(X, copied)

    def predict_log_proba(self, X: Any) -> Floats:
        """log P(k | x) of each row and class, shape (n_rows, n_classes)."""
        return self._scores(X, log_posterior)

    def predict_proba(self, X: Any) -> Floats:
        """P(k | x) of each row and class, shape (n_rows, n_classes); columns in the order of `classes_`."""
        return self._scores(X, posterior)

    def _scores(self, X: Any, finish: Any) -> Floats:
        X = self._input(X)
        out = np.empty((X.shape[0], len(self.classes_)))
        self._by_pieces(X, finish, out)
        return out

    def _by_pieces(self, X: Any, finish: Any, out: npt.NDArray[Any]) -> None:
        """`finish` turns the joint log-likelihood of some rows into those rows of `out`."""
        if X.shape[1] != self._n_parameters():
            raise ValueError(f"X has {X.shape[1]} encoded columns, the model is for {self._n_parameters()}")

        if (X if isinstance(X, np.ndarray) else X.data).nbytes <= ONE_PIECE:
            sound = finish(self._joint(X), out)
        else:

            def work(block: Block) -> bool:
                return bool(finish(self._joint(block.X), out[block.start : block.stop]))

            sound = all(parallel(work, row_blocks(X)))
        if not sound:
            self._reject_nonfinite(X)
            raise ValueError("X holds numbers so large that every class has likelihood zero: rescale it")

    # ---- explain -------------------------------------------------------------------------------

    def explain(self, x: Any, label: Any = None, against: Any = None) -> Explanation:
        """Why one row is taken for one class rather than another: what each feature adds to the log-odds.

            log P(a | x) / P(b | x) = log P(a) / P(b) + sum_j log P(x_j | a) / P(x_j | b)

        Parameters
        ----------
        x : array-like of shape (n_features,), or a table or matrix of one row
        label, against : class labels, optional
            The classes a and b; the most probable class of the row and the next by default.

        Returns
        -------
        Explanation
            Prints as a table, largest contributions first.
        """
        if len(self.classes_) < 2:
            raise ValueError(f"there is nothing to explain with one class, {self.classes_[0]}")
        row = self._input(np.atleast_2d(x) if isinstance(x, (np.ndarray, list)) else x)
        if row.shape[0] != 1:
            raise ValueError(f"explain takes one row, got {row.shape[0]}")
        order = np.argsort(-self._joint(row)[0], kind="stable")
        a = order[0] if label is None else self._code(label, "label")
        b = next(k for k in order if k != a) if against is None else self._code(against, "against")
        values = (row.toarray() if sp.issparse(row) else row)[0].astype(np.float64)
        contributions, prior = self._evidence(values, int(a), int(b))
        return Explanation(
            label=self.classes_[a],
            against=self.classes_[b],
            prior=prior,
            names=self.encoded_feature_names_,
            values=values,
            contributions=contributions,
            levels=self._levels(),
        )

    def _levels(self) -> dict[str, list[str]]:
        """Of columns that the encoder gave codes: what each code stands for."""
        encoder = getattr(self, "encoder_", None)
        if encoder is None or encoder.categories not in ("ordinal", "native"):
            return {}
        known, found = encoder.stages_.levels, {}
        for j, column in enumerate(known.columns):
            found[column] = [str(level) for level in known.levels[known.starts[j] : known.starts[j + 1]]]
            found[column] += ["missing"] * bool(known.has_missing[j]) + ["rare"] * bool(known.has_rare[j])
        return found

    def _code(self, label: Any, argument: str) -> int:
        found = np.flatnonzero(self.classes_ == label)
        if not len(found):
            raise ValueError(f"{argument}={label!r} is not one of the classes {list(self.classes_)[:10]}")
        return int(found[0])

    # ---- keep ----------------------------------------------------------------------------------

    def _check_state(self) -> None:
        super()._check_state()
        if self._n_parameters() != self._n_inputs():
            raise ValueError(f"the parameters are for {self._n_parameters()} of {self._n_inputs()} features")


def _merge(a: Any, b: Any) -> Any:
    return a.merge(b)


def checked_priors(priors: Any, n_classes: int) -> Floats:
    """Class probabilities given by the user, shape (n_classes,)."""
    given = np.asarray(priors, dtype=np.float64)
    if given.shape != (n_classes,):
        raise ValueError(
            f"Number of priors must match number of classes. Got shape {given.shape} for {n_classes} classes."
        )
    if not np.all(given >= 0):
        raise ValueError(f"Priors must be non-negative, got {given.tolist()}")
    if not np.isclose(given.sum(), 1.0):
        raise ValueError(f"The sum of the priors should be 1, it is {given.sum():.6g}")
    return given
