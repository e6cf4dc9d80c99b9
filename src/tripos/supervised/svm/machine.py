"""What kernel machines share: parameters, checks before a fit, decisions, figures.

f(x) = sum_i beta_i k(x_i, x) + b,     a sum over support vectors, the rows with beta_i != 0
"""

from __future__ import annotations

import warnings
from numbers import Integral, Real
from typing import Any, ClassVar

import numpy as np
import scipy.sparse as sp
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.sparsefuncs import min_max_axis

from tripos import plotting
from tripos.base import Estimator, Training
from tripos.compute.arrays import kernel_array
from tripos.compute.budget import free_memory, require
from tripos.compute.threads import parallel, thread_count
from tripos.data.needs import Needs
from tripos.errors import DataWarning
from tripos.state import Array, Number, OneOf
from tripos.supervised.svm.dual import Machine
from tripos.supervised.svm.few_rows import few_decisions, few_stored_decisions
from tripos.supervised.svm.kernels import CODES, GIVEN, Kernel, dots, scale_of, squared_norms
from tripos.supervised.svm.polish import polish
from tripos.supervised.svm.rows import BLOCK
from tripos.supervised.svm.solver import Dual, Solution, Solver, solve

FEW = 4  # rows up to which decisions come from one kernel call
CSR = (sp.csr_matrix, sp.csr_array)
VALUES = 1 << 20  # kernel values in a block of decisions
SMALL = 2000  # rows up to which a given matrix is checked for negative eigenvalues
TINY, TIGHTER = 500, 1e-2  # rows up to which the tolerance is tightened, and how much
UNEVEN = 100.0  # ratio of the columns' ranges from which on rbf sees only some of them
LONG = 600.0  # seconds from which on a fit is announced


class KernelMachine(Estimator):
    """Base of the five machines; `_groups` of support vectors (classes) have coefficients of their own pairs."""

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        "kernel": [StrOptions({"linear", "poly", "rbf", "sigmoid", "precomputed"}), callable],
        "degree": [Interval(Integral, 0, None, closed="left")],
        "gamma": [StrOptions({"scale", "auto"}), Interval(Real, 0.0, None, closed="left")],
        "coef0": [Interval(Real, None, None, closed="neither")],
        "tol": [Interval(Real, 0.0, None, closed="neither")],
        "shrinking": ["boolean"],
        "cache_size": [Interval(Real, 0, None, closed="neither")],
        "verbose": ["verbose"],
        "max_iter": [Interval(Integral, -1, None, closed="left")],
    }
    needs: ClassVar[Needs] = Needs(scale="standard")
    interpretability: ClassVar[str] = "low"
    state: ClassVar[dict[str, Any]] = {
        "rows_fit_": Number("i", low=1, binds="rows"),
        "support_": Array("i", ("support",), low=0, below="rows"),
        "support_vectors_": OneOf(Array("f", ("support", None), sparse=True), Array("f", (0, 0))),
        "n_support_": Array("i", ("groups",), low=0),
        "dual_coef_": Array("f", (None, "support")),
        "intercept_": Array("f", (None,)),
        "fit_status_": Number("i", low=0, high=1),
        "gamma_": Number("f", low=0.0),
    }

    kernel: Any
    degree: int
    gamma: Any
    coef0: float
    tol: float
    shrinking: bool
    cache_size: float
    max_iter: int
    support_vectors_: Any
    _table: Any

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.pairwise = self.kernel == "precomputed"
        tags.input_tags.sparse = self.kernel != "precomputed"
        return tags

    @property
    def shape_fit_(self) -> tuple[int, int]:
        """Shape of the training input, (n_rows, n_columns)."""
        return self.rows_fit_, self._n_inputs()

    @property
    def coef_(self) -> np.ndarray:
        """Weights of the features, shape (n_machines, n_features); for the linear kernel alone."""
        if self.kernel != "linear":
            raise AttributeError("coef_ is only available when using a linear kernel")
        coef = self._linear_coefficients()
        coef.flags.writeable = False
        return coef

    def _linear_coefficients(self) -> np.ndarray:
        return np.asarray(self.dual_coef_ @ self.support_vectors_)

    # ---- before a fit ----------------------------------------------------------------------------

    def _begin(self, X: Any, y: Any, sample_weight: Any) -> Training:
        """Checked input; remembers where the kept rows stood, since `support_` counts the rows as given."""
        training = self._start_fit(X, y, sample_weight)
        if not training.in_memory:
            raise TypeError(
                f"{type(self).__name__} needs its rows in memory; for files larger than that use LogisticRegression "
                "or Ridge, which read blocks"
            )
        given = None if sample_weight is None else np.asarray(sample_weight, dtype=np.float64).reshape(-1)
        kept = np.arange(training.X.shape[0])
        if given is not None and given.size > 1:
            kept = np.flatnonzero(given)
        self._kept = kept
        self.rows_fit_ = int(training.X.shape[0] if given is None or given.size < 2 else len(given))
        return training

    def _kernel_and_rows(self, training: Training) -> tuple[Kernel, Any]:
        """The kernel of a fit, and what its rows are made of: features, or a given matrix."""
        X = training.X
        if self.kernel in CODES:
            self.gamma_ = scale_of(self.gamma, X, training.sample_weight)
            if self.kernel == "rbf":
                self._warn_of_uneven_ranges(X)
            return Kernel(CODES[self.kernel], self.gamma_, float(self.coef0), int(self.degree)), X
        self.gamma_ = 0.0
        if self.kernel == "precomputed":
            if sp.issparse(X):
                raise TypeError("Sparse precomputed kernels are not supported.")
            if X.shape[1] != self.rows_fit_:
                raise ValueError(
                    f"Precomputed matrix must be a square matrix. Input is a {self.rows_fit_}x{X.shape[1]} matrix."
                )
            values = X[:, self._kept]
        else:
            values = np.asarray(self.kernel(X, X), dtype=np.float64)
            if values.shape != (X.shape[0], X.shape[0]):
                raise ValueError(
                    f"the kernel function returned shape {values.shape} for {X.shape[0]} rows; it must return (n_A, n_B)"
                )
        self._warn_of_negative_eigenvalues(values)
        return Kernel(GIVEN), values

    def _warn_of_uneven_ranges(self, X: Any) -> None:
        least, most = min_max_axis(X, axis=0) if sp.issparse(X) else (X.min(axis=0), X.max(axis=0))
        spread = np.asarray(most, np.float64) - np.asarray(least, np.float64)
        spread = spread[spread > 0]
        if len(spread) > 1 and spread.max() > UNEVEN * spread.min():
            warnings.warn(
                f"{type(self).__name__}: the widest feature ranges {spread.max() / spread.min():.3g} times as far as the "
                "narrowest, so the RBF kernel hardly sees the narrow ones; scale the features (StandardScaler, or "
                "Encoder.for_(...))",
                DataWarning,
                stacklevel=5,
            )

    def _warn_of_negative_eigenvalues(self, values: np.ndarray) -> None:
        if not 1 < len(values) <= SMALL:
            return
        eigenvalues = np.linalg.eigvalsh(0.5 * (values + values.T))
        if eigenvalues[0] < -1e-6 * max(eigenvalues[-1], -eigenvalues[0]):
            warnings.warn(
                f"{type(self).__name__}: the kernel is not positive semi-definite (Mercer's condition): its most negative "
                f"eigenvalue on the training rows is {eigenvalues[0]:.4g}, the largest {eigenvalues[-1]:.4g}; the problem "
                "may have several local minima",
                DataWarning,
                stacklevel=5,
            )

    def _room(self, sizes: list[int], n_features: int, given: bool) -> float:
        """Bytes for kernel rows of each problem; refuses what does not fit and announces what takes long."""
        instead = (
            "LinearSVC or LinearSVR after Nystroem(n_components=300), whose work grows with the rows alone."
        )
        n, name, wanted = max(sizes), type(self).__name__, self.cache_size * 2**20
        together = min(len(sizes), thread_count())
        if len(sizes) > 1:
            wanted = max(wanted / 2, 1)  # fixed whatever the threads: another room could round rows otherwise
        room = min(wanted, 4.0 * n * (n + 256))  # rows are padded
        least = together * n * (8.0 * BLOCK + 4.0 * n_features * (not given) + 100.0)
        require(least, what=f"a fit of {name} on {n} rows", instead=instead)
        seconds = sum(float(m) * m for m in sizes) * (3e-9 + 4e-11 * n_features) / together
        if seconds > LONG:
            warnings.warn(
                f"{name} on {sum(sizes)} rows will take about {seconds / 60:.0f} minutes, since its work grows with the "
                f"square of the rows. Instead: {instead}",
                DataWarning,
                stacklevel=5,
            )
        return room if room < 1e8 else min(room, 0.5 * free_memory() / together)

    @property
    def _tiny(self) -> bool:
        """Whether a millisecond buys many digits; of many small pairs they would add up."""
        return self.rows_fit_ <= TINY

    def _solve(
        self, X: Any, kernel: Kernel, dual: Dual, room: float, on_step: Any = None, prepared: bool = False
    ) -> Solution:
        tiny = self._tiny
        return solve(
            X,
            kernel,
            dual,
            tol=self.tol * (TIGHTER if tiny else 1.0),
            max_iter=self.max_iter,
            room=room,
            shrinking=self.shrinking,
            prepared=prepared,
            on_step=on_step,
            at_end=polish if tiny else None,
        )

    def _solve_watched(self, X: Any, kernel: Kernel, dual: Dual, room: float) -> Solution:
        with self._progress(None) as progress:

            def on_step(solver: Solver) -> bool:
                return progress.step(solver.objective)

            found = self._solve(X, kernel, dual, room, on_step)
        self._stopped = progress.stopped
        return found

    def _keep_machines(
        self, machines: list[Machine], rows: np.ndarray, n_support: Any, coef: Any, X: Any
    ) -> None:
        """Sets the fitted attributes; `rows` are the support vectors' positions among the kept rows."""
        real = X.dtype.type
        self.support_ = self._kept[rows].astype(np.int32)
        self.n_support_ = np.asarray(n_support, dtype=np.int32)
        self.support_vectors_ = np.empty((0, 0), real) if self.kernel == "precomputed" else X[rows]
        self.dual_coef_ = np.ascontiguousarray(coef, dtype=np.float64)
        self.intercept_ = np.array([machine.intercept for machine in machines])
        failed = [machine for machine in machines if not machine.converged]
        self.fit_status_ = int(bool(failed) and not self._stopped)
        if self.fit_status_:
            warnings.warn(
                f"{type(self).__name__} stopped at max_iter={self.max_iter} with a violation of "
                f"{failed[0].violation:.3g} (tol={self.tol:g}). Solver terminated early: scale the features (each to mean 0 "
                "and variance 1), choose a smaller C, or raise max_iter.",
                ConvergenceWarning,
                stacklevel=4,
            )
        if not (np.isfinite(self.dual_coef_).all() and np.isfinite(self.intercept_).all()):
            raise ValueError(
                "The dual coefficients or intercepts are not finite. The input data may contain large values and need "
                "to be preprocessed."
            )
        del self._kept, self._stopped
        self._prepare()

    def _prepare(self) -> None:
        """What decisions need of the fitted attributes."""
        V = self.support_vectors_
        self._table = None  # made when single rows are asked for
        self._starts = np.concatenate([[0], np.cumsum(self.n_support_, dtype=np.int64)])
        self._coef = np.ascontiguousarray(self.dual_coef_, dtype=V.dtype)
        self._plain = self.kernel in CODES and isinstance(V, np.ndarray)
        self._squares = squared_norms(V) if self.kernel in CODES else np.empty(0, V.dtype)
        code = CODES.get(self.kernel, GIVEN) if isinstance(self.kernel, str) else GIVEN
        function = self.kernel if callable(self.kernel) else None
        self._kernel = Kernel(code, self.gamma_, float(self.coef0), int(self.degree), function)
        real = V.dtype.type
        self._settings = (code, real(self.gamma_), real(self.coef0), int(self.degree))

    def _check_state(self) -> None:
        super()._check_state()
        if self.n_support_.sum() != len(self.support_):
            raise ValueError(
                f"n_support_ counts {self.n_support_.sum()} support vectors, there are {len(self.support_)}"
            )
        V = self.support_vectors_
        shape = (0, 0) if self.kernel == "precomputed" else (len(self.support_), self._n_inputs())
        if V.shape != shape:
            raise ValueError(f"support_vectors_ has shape {V.shape}; expected {shape}")

    def _after_load(self) -> None:
        super()._after_load()
        self._prepare()

    # ---- decisions -------------------------------------------------------------------------------

    def _decisions(self, X: Any) -> np.ndarray:
        """f of each machine, shape (n_rows, n_machines)."""
        if type(X) in CSR and 0 < X.shape[0] <= FEW:
            found = self._few_stored_decisions(X)
            if found is not None:
                return found
        X = self._input(X)
        if X.shape[0] <= FEW and self._plain and type(X) is np.ndarray:
            return self._few_decisions(X)
        self._reject_nonfinite(X)
        step = max(FEW + 1, VALUES // max(len(self.support_), 1))
        blocks = [X[start : start + step] for start in range(0, X.shape[0], step)]
        sums = np.concatenate(parallel(self._block_sums, blocks)) if len(blocks) > 1 else self._block_sums(X)
        return np.ascontiguousarray(self._of_machines(sums) + self.intercept_)

    def _of_machines(self, sums: np.ndarray) -> np.ndarray:
        """f without the intercepts, (n_rows, n_machines), from the sums over each group's support vectors."""
        return sums[:, 0]

    def _few_decisions(self, X: np.ndarray) -> np.ndarray:
        if self._table is None:
            V = self.support_vectors_
            self._table = np.ascontiguousarray(np.vstack([V.T, self._squares, self._coef]))
        if X.dtype is not self._table.dtype:
            X = X.astype(self._table.dtype)
        out = np.empty((X.shape[0], len(self.intercept_)))
        if not few_decisions(X, self._table, self._starts, self.intercept_, *self._settings, out):
            self._reject_nonfinite(X)
        return out

    def _few_stored_decisions(self, X: Any) -> np.ndarray | None:
        """The same of CSR rows by a machine of CSR rows; None where it takes a closer look at them."""
        V: Any = self.__dict__.get("support_vectors_")
        if type(V) not in CSR or self.kernel not in CODES or X.shape[1] != self._width:
            return None
        if self._table is None:
            columns = V.tocsc()
            parts = columns.data, columns.indices.astype(np.int32), columns.indptr.astype(np.int32)
            self._table = *parts, np.ascontiguousarray(np.vstack([self._squares, self._coef]))
        data, indices, indptr = X.data, X.indices, X.indptr
        if data.dtype != V.dtype or indices.dtype != np.int32 or indptr.dtype != np.int32:
            return None
        out = np.empty((X.shape[0], len(self.intercept_)))
        row = kernel_array(data), kernel_array(indices), kernel_array(indptr)
        what: Any = (*row, *self._table, self._starts, self.intercept_, *self._settings, out)
        return out if few_stored_decisions(*what) else None

    def _block_sums(self, X: Any) -> np.ndarray:
        """sum_v coef_cv k(x, v) for each group of support vectors: shape (n_rows, n_groups, n_coefs)."""
        values = self._values(X)
        spans = list(zip(self._starts[:-1], self._starts[1:]))
        out = np.empty((X.shape[0], len(spans), len(self._coef)))
        for g, (a, b) in enumerate(spans):
            out[:, g] = values[:, a:b] @ self._coef[:, a:b].T
        return out

    def _values(self, X: Any) -> np.ndarray:
        """k(x, v) for the rows of X and the support vectors."""
        if self.kernel == "precomputed":
            return np.asarray(X[:, self.support_])
        V = self.support_vectors_
        if callable(self.kernel):
            return np.asarray(self.kernel(X, V), dtype=np.float64)
        if sp.issparse(X) and not sp.issparse(V):
            G = np.ascontiguousarray(X.astype(V.dtype) @ V.T)
        elif sp.issparse(V) and not sp.issparse(X):
            G = np.ascontiguousarray((V @ X.astype(V.dtype).T).T)
        else:
            G = dots(X.astype(V.dtype, copy=False), V)
        return self._kernel.from_dots(G, squared_norms(X).astype(V.dtype, copy=False), self._squares)

    def plot(self, ax: Any = None) -> Any:
        """How far the fit had come after each step; returns matplotlib Axes."""
        history = self.history_
        return plotting.loss_curve(history["step"], history["loss"], loss_name="dual objective", ax=ax)

    def _facts(self) -> list[str]:
        names = [str(name) for name in self.encoded_feature_names_]
        shown = ", ".join(names[:8]) + (f" and {len(names) - 8} more" if len(names) > 8 else "")
        name = self.kernel if isinstance(self.kernel, str) else getattr(self.kernel, "__name__", "a function")
        return [
            f"{type(self).__name__}: {len(self.support_)} support vectors of {self.rows_fit_} rows",
            f"kernel    {name}, gamma {self.gamma_:.4g}",
            f"features  {shown}",
            f"steps     {int(np.sum(self.n_iter_))}",
        ]

    def summary(self) -> str:
        """Support vectors, kernel and steps in text."""
        return "\n".join(self._facts())
