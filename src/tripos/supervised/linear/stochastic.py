"""What stochastic learners share: parameters, epochs, early stopping, averages, and what to say when a walk blows up.

    F(w, b) = (1 / S) sum_i s_i L(y_i, w'x_i + b) + alpha (r |w|_1 + (1 - r) |w|^2 / 2),    S = sum_i s_i

A row of weight s counts as s rows: its step, its share of the penalty and its part in the learning rate's count are
s times those of a row of weight 1.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from functools import partial
from numbers import Integral, Real
from typing import Any, ClassVar

import numpy as np
import scipy.sparse as sp
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import ShuffleSplit, StratifiedShuffleSplit
from sklearn.utils._param_validation import Interval, StrOptions

from tripos.base import Training
from tripos.compute.random import derive, generator
from tripos.compute.threads import parallel
from tripos.data.needs import Needs
from tripos.errors import DataWarning
from tripos.state import Array, Number
from tripos.supervised.linear import stochastic_kernels as kernels
from tripos.supervised.linear.model import LinearModel
from tripos.supervised.linear.stochastic_losses import LOSSES
from tripos.supervised.linear.stochastic_walk import Piece, Recipe, Walk

SCHEDULES = {
    "constant": kernels.CONSTANT,
    "optimal": kernels.OPTIMAL,
    "invscaling": kernels.INVSCALING,
    "adaptive": kernels.ADAPTIVE,
    "pa1": kernels.PA1,
    "pa2": kernels.PA2,
}
WITH_EPSILON = ("huber", "epsilon_insensitive", "squared_epsilon_insensitive")
BLOWN_UP = 1e6  # times the loss of w = 0: no step length that works ends there
TRIALS = 12  # quarterings of a rate until an epoch with it brings the loss down
# Where few cells are not zero the intercept takes a hundredth of the step: every row moves it, the coefficient of a
# word only the few rows that hold the word. On SMS spam, 5 epochs: objective 0.0403 with it, 0.0509 without.
# scikit-learn does so for CSR rows; here it depends on the numbers alone, so that CSR and dense rows agree.
FEW, LOOKED_AT, SLOW_INTERCEPT = 0.1, 1000, 0.01
PARALLEL_WORK = 1_000_000  # numbers read in an epoch from which on threads pay

# What an average carries from call to call.
CARRIED = ("_standard_coef", "_standard_intercept", "_average_sums", "_average_intercept_sums", "_averaged")

CONSTRAINTS: dict[str, Any] = {
    "penalty": [StrOptions({"l2", "l1", "elasticnet"}), None],
    "alpha": [Interval(Real, 0, None, closed="left")],
    "l1_ratio": [Interval(Real, 0, 1, closed="both"), None],
    "fit_intercept": ["boolean"],
    "max_iter": [Interval(Integral, 1, None, closed="left")],
    "tol": [Interval(Real, 0, None, closed="left"), None],
    "shuffle": ["boolean"],
    "verbose": ["verbose"],
    "random_state": ["random_state"],
    "warm_start": ["boolean"],
    "eta0": [Interval(Real, 0, None, closed="neither")],
    "early_stopping": ["boolean"],
    "validation_fraction": [Interval(Real, 0, 1, closed="neither")],
    "n_iter_no_change": [Interval(Integral, 1, None, closed="left")],
}
RATE_CONSTRAINTS: dict[str, Any] = {
    "power_t": [Interval(Real, None, None, closed="neither")],
    "epsilon": [Interval(Real, 0, None, closed="left")],
    "learning_rate": [StrOptions(set(SCHEDULES))],
    "average": [Interval(Integral, 0, None, closed="neither"), "boolean"],
}
WEIGHTS_REASON = "rows are visited one at a time in random order, so that a row of weight k and k rows agree in distribution only"
MERGE_REASON = "each step starts where the one before it ended, so that two walks cannot be joined"


class StochasticModel(LinearModel):
    """Base of the learners that step from row to row."""

    needs: ClassVar[Needs] = Needs(scale="standard")
    interpretability: ClassVar[str] = "high"
    canonical_csr: ClassVar[bool] = (
        False  # a step does not mind the order of a row's entries, nor parts of one
    )
    exceptions: ClassVar[dict[str, str]] = {"weights": WEIGHTS_REASON, "merge": MERGE_REASON}
    state: ClassVar[dict[str, Any]] = {
        "n_iter_": Number("i", low=1),
        "t_": Number("f", low=1.0),
        "_standard_coef": Array("f", (("features",), ("outputs", "features")), optional=True),
        "_standard_intercept": Array("f", ("outputs",), optional=True),
        "_average_sums": Array("f", ("outputs", "features"), optional=True),
        "_average_intercept_sums": Array("f", ("outputs",), optional=True),
        "_averaged": Number("f", low=0.0, optional=True),
    }
    aggressive_loss: ClassVar[str] = "epsilon_insensitive"  # what passive-aggressive steps are made for
    loss: str
    n_iter_: int
    t_: float

    def _loss_name(self) -> str:
        return self.loss

    # ---- settings ----------------------------------------------------------------------------------

    def _check_settings(self, *, partial_fit: bool = False) -> None:
        """Refuses pairs of parameters that contradict each other."""
        schedule = getattr(self, "learning_rate", "constant")
        if self.early_stopping and partial_fit:
            raise ValueError(
                "early_stopping should be False with partial_fit: there is no epoch to stop after"
            )
        if schedule == "optimal" and self.alpha == 0:
            raise ValueError(
                "alpha must be > 0 since learning_rate is 'optimal': its rates are 1 / (alpha (t + t0)). Choose "
                "learning_rate='invscaling', or a small alpha"
            )
        if schedule in ("pa1", "pa2") and self._loss_name() != self.aggressive_loss:
            raise ValueError(f"Learning rate '{schedule}' only works with loss '{self.aggressive_loss}'.")
        if self.penalty == "elasticnet" and self.l1_ratio is None:
            raise ValueError("l1_ratio must be set when penalty is 'elasticnet'")

    def _recipe(self, training: Training) -> Recipe:
        """The parameters in the kernels' terms."""
        loss = LOSSES[self._loss_name()]
        share = {"l2": 0.0, "l1": 1.0, "elasticnet": self.l1_ratio, None: 0.0}[self.penalty]
        strength = 0.0 if self.penalty is None else float(self.alpha)
        settings = np.zeros(kernels.N_SETTINGS)
        settings[kernels.L1], settings[kernels.L2] = strength * share, strength * (1.0 - share)
        settings[kernels.ALPHA], settings[kernels.ETA0] = self.alpha, self.eta0
        settings[kernels.POWER] = getattr(self, "power_t", 0.5)
        settings[kernels.POSITIVE] = settings[kernels.NEGATIVE] = 1.0
        average = getattr(self, "average", False)
        settings[kernels.AVERAGE] = float(average) if average else np.inf
        settings[kernels.INTERCEPT_STEP] = float(self.fit_intercept) * _intercept_step(training)
        settings[kernels.CLASS] = -1.0
        settings[kernels.LOW] = loss.low
        settings[kernels.TOL] = -np.inf if self.tol is None else self.tol
        settings[kernels.PATIENCE] = self.n_iter_no_change
        schedule = getattr(self, "learning_rate", "constant")
        if schedule == "optimal":  # the first rate is the size that coefficients have, 1 / alpha^(1/4)
            settings[kernels.T0] = 1.0 / (self.alpha**-0.25 * self.alpha)
        return Recipe(
            loss,
            float(self.epsilon) if self._loss_name() in WITH_EPSILON else 0.0,
            SCHEDULES[schedule],
            settings,
            bool(self.shuffle),
        )

    # ---- walking -----------------------------------------------------------------------------------

    def _walk(
        self, training: Training, make: Callable[..., list[Walk]], max_iter: int, *, fitting: bool
    ) -> list[Walk]:
        """Starts walks, takes them through epochs, and sets what all of these learners have in common."""
        seed: Any = self.random_state
        if not fitting and isinstance(seed, (int, np.integer)):
            seed = derive(int(seed), "partial_fit", self.t_)  # each call in an order of its own
        rng = generator(seed)
        piece, held_out = self._pieces(training, rng)
        walks = make(rng, held_out)
        with self._progress(max_iter) as progress:
            listened = progress._context is not None or held_out is not None or piece is None
            at_once = 1 if listened or piece is None else piece.epochs_at_once
            active, epoch, stopped = walks, 0, False
            while active and epoch < max_iter and not stopped:
                self._epochs(active, training, piece, min(at_once, max_iter - epoch))
                for walk in active:
                    if not walk.finite:
                        what = "left the range of numbers (floating-point overflow)"
                        raise self._blown_up(walk, training, what)
                attributes = partial(self._attributes, walks)
                for k in range(epoch, max(walk.n_iter for walk in active)):
                    loss = sum(walk.objectives[min(k, walk.n_iter - 1)] for walk in walks) / len(walks)
                    stopped = progress.step(loss, _mean_validation(walks), attributes)
                    epoch += 1
                active = [walk for walk in active if not walk.done]
        for name, value in self._attributes(walks, ended=True).items():
            setattr(self, name, value)
        if fitting:
            self._check_end(walks, training, finished=stopped or not active)
        return walks

    def _pieces(self, training: Training, rng: np.random.Generator) -> tuple[Piece | None, Any]:
        """The rows to learn from, and those held out (X, y, s) for early stopping."""
        if not training.in_memory:
            if self.early_stopping:
                raise ValueError(
                    "early_stopping=True needs the rows in memory: streamed blocks have no rows to hold out"
                )
            return None, None
        X = training.X
        if (
            getattr(self, "learning_rate", "") in ("pa1", "pa2")
            and sp.issparse(X)
            and not X.has_canonical_format
        ):
            X = X.copy()  # the length of a row does mind entries in two parts
            X.sum_duplicates()
        if not self.early_stopping:
            return Piece.of(X, training.y, training.sample_weight), None
        classes = training.y.dtype.kind == "i"
        splitter = (StratifiedShuffleSplit if classes else ShuffleSplit)(
            1, test_size=self.validation_fraction, random_state=int(rng.integers(1 << 31))
        )
        learn, hold = next(splitter.split(np.zeros((len(training.y), 1)), training.y))
        weights = training.sample_weight
        held = (X[hold], training.y[hold], None if weights is None else weights[hold])
        return Piece.of(X, training.y, weights, np.sort(learn)), held

    def _epochs(self, walks: list[Walk], training: Training, piece: Piece | None, most: int) -> None:
        """Passes of each walk over the rows; walks do not share anything, so threads change no bit."""
        if piece is None:
            for walk in walks:
                walk.begin_epoch()
            for block in training.blocks:
                assert block.y is not None  # `_start_fit` has refused blocks without a target
                part = Piece.of(block.X, block.y, block.sample_weight)
                parallel(partial(Walk.take, piece=part), walks, getattr(self, "n_jobs", None))
            for walk in walks:
                walk.end_epoch()
        elif len(walks) == 1 or len(walks) * piece.work * most < PARALLEL_WORK:
            for walk in walks:
                walk.epochs(piece, most)
        else:
            parallel(partial(Walk.epochs, piece=piece, most=most), walks, getattr(self, "n_jobs", None))

    def _start(
        self, n_outputs: int, training: Training, coef: Any, intercept: Any
    ) -> tuple[np.ndarray, np.ndarray]:
        """W of shape (n_outputs, n_features) and b of shape (n_outputs,) to start from, copies."""
        shape = (n_outputs, training.n_features)
        dtype = training.blocks.dtype
        if coef is not None and hasattr(coef, "toarray"):
            coef = coef.toarray()
        W = np.zeros(shape, dtype) if coef is None else np.array(coef, dtype)
        b = np.zeros(n_outputs, dtype) if intercept is None else np.array(intercept, dtype)
        if W.size != shape[0] * shape[1] or W.shape[-1] != shape[1]:
            raise ValueError(f"coef_init has shape {W.shape}, but this fit needs {shape}")
        if b.size != n_outputs:
            raise ValueError(f"intercept_init has shape {b.shape}, but this fit needs ({n_outputs},)")
        return W.reshape(shape), b.reshape(n_outputs)

    def _forget(self) -> None:
        """Takes away what a fit from the beginning must not know."""
        self.t_ = 1.0
        for name in ("coef_", "intercept_", *CARRIED):
            self.__dict__.pop(name, None)

    def _where_it_was(self) -> tuple[Any, Any]:
        """W and b to go on from: those of the last step, not their average."""
        if getattr(self, "_standard_coef", None) is not None:
            return self._standard_coef, self._standard_intercept
        return getattr(self, "coef_", None), getattr(self, "intercept_", None)

    def _resume(self, walks: list[Walk]) -> None:
        """Gives walks that go on the sums of their average."""
        if getattr(self, "_average_sums", None) is None or not walks[0].recipe.averages:
            return
        for k, walk in enumerate(walks):
            walk.sums[0] = self._average_sums[k]
            walk.state[kernels.SUM_INTERCEPT] = self._average_intercept_sums[k]
            walk.state[kernels.AVERAGED] = self._averaged

    def _attributes(self, walks: list[Walk], *, ended: bool = False) -> dict[str, Any]:
        """The fitted attributes as of now; with an average, also what it takes to go on.

        Walks that have `ended` leave their coefficients without a copy.
        """
        dtype = walks[0].u.dtype
        W = walks[0].u[None] if ended and len(walks) == 1 else np.array([walk.u for walk in walks])
        b = np.array([walk.intercept for walk in walks], dtype)
        found: dict[str, Any] = {
            "n_iter_": max(walk.n_iter for walk in walks),
            "t_": max(float(walk.state[kernels.T]) for walk in walks),
        }
        if walks[0].recipe.averages:
            found["_standard_coef"], found["_standard_intercept"] = self._shaped(W), b
            found["_average_sums"] = np.array([walk.sums[0] for walk in walks])
            found["_average_intercept_sums"] = np.array([w.state[kernels.SUM_INTERCEPT] for w in walks])
            found["_averaged"] = float(walks[0].state[kernels.AVERAGED])
            if found["_averaged"] > 0.0:
                means = [walk.average() for walk in walks]
                W, b = np.array([w for w, _ in means]), np.array([b for _, b in means], dtype)
        return {**found, "coef_": self._shaped(W), "intercept_": b}

    def _shaped(self, W: np.ndarray) -> np.ndarray:
        """W of shape (n_outputs, n_features) as `coef_` has it."""
        return W

    # ---- how it ended ------------------------------------------------------------------------------

    def _check_end(self, walks: list[Walk], training: Training, *, finished: bool) -> None:
        worst = max(walks, key=lambda walk: walk.objective)
        if worst.recipe.loss.quadratic and training.in_memory:
            y = training.y
            at_zero = float(np.mean(np.square(y, dtype=np.float64))) if y.dtype.kind == "f" else 1.0
            if worst.objective > BLOWN_UP * at_zero:
                what = f"went from about {at_zero:.3g} to {worst.objective:.3g} and stayed there"
                warnings.warn(str(self._blown_up(worst, training, what)), DataWarning, stacklevel=5)
                return
        if not finished and self.tol is not None:
            warnings.warn(
                f"{type(self).__name__} did not converge: after max_iter={self.max_iter} epochs the objective is "
                f"{worst.objective:.6g} and still falls by more than tol={self.tol:g} in {self.n_iter_no_change} "
                "epochs. Raise max_iter, or scale the features.",
                ConvergenceWarning,
                stacklevel=5,
            )
        if getattr(self, "power_t", 0.0) < 0:
            warnings.warn(
                "Negative values for `power_t` are deprecated in scikit-learn 1.8 and will be refused: rates "
                "would grow. Use values in the range [0.0, inf).",
                FutureWarning,
                stacklevel=5,
            )

    def _blown_up(self, walk: Walk, training: Training, what: str) -> ValueError:
        """Says what happened, and a rate that was tried and works."""
        used = kernels.first_rate(walk.recipe.schedule, walk.settings)
        message = (
            f"{type(self).__name__} diverged: in {walk.n_iter} epochs the objective {what}, with a "
            f"first learning rate of {float(used):.3g}. Scaling the features (StandardScaler) makes such rates possible"
        )
        if training.in_memory:
            piece = Piece.of(training.X, training.y, training.sample_weight)
            rate, largest = self._rate_that_works(walk, piece, float(used))
            message += (
                f"; on these rows, of squared length up to {largest:.3g}, "
                f"learning_rate='constant' with eta0={rate:.2g} works"
            )
        return ValueError(message + ".")

    def _rate_that_works(self, walk: Walk, piece: Piece, used: float) -> tuple[float, float]:
        """A constant rate with which an epoch from w = 0 brings the loss down, and max |[x, 1]|^2."""
        largest = piece.largest_row()
        rate = min(0.1 * used, 0.5 / (max(walk.recipe.loss.bend, 0.1) * largest))
        for _ in range(TRIALS):
            settings = walk.settings.copy()
            settings[kernels.ETA0] = rate
            recipe = Recipe(walk.recipe.loss, walk.recipe.parameter, kernels.CONSTANT, settings, shuffle=True)
            trial = Walk.start(recipe, np.zeros_like(walk.u), 0.0, generator(0))
            first, second = trial.epochs(piece, 1).objective, trial.epochs(piece, 1).objective
            if trial.finite and second <= first:
                break
            rate *= 0.25
        return rate, largest


def _intercept_step(training: Training) -> float:
    """The intercept's part of a step."""
    X = training.X if training.in_memory else next(iter(training.blocks)).X
    n = min(X.shape[0], LOOKED_AT)
    values = X.data[: X.indptr[n]] if sp.issparse(X) else X[:n]
    return SLOW_INTERCEPT if np.count_nonzero(values) < FEW * n * X.shape[1] else 1.0


def _mean_validation(walks: list[Walk]) -> float:
    return sum(walk.validation for walk in walks) / len(walks)
