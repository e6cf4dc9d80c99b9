"""What a cross-validated logistic regression remembers of its grid, in both forms that scikit-learn 1.9 knows.

The grid is kept as three arrays over (fold, share of L1, C): scores, steps and coefficients. `scores_`,
`coefs_paths_`, `n_iter_`, `C_` and `l1_ratio_` are views of them: by class in dicts (``use_legacy_attributes=True``)
or as they are.
"""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
from sklearn.metrics import get_scorer
from sklearn.utils.metadata_routing import MetadataRouter, MethodMapping

from tripos.state import Array, Flag, Number, Text
from tripos.supervised.linear.logistic_model import LogisticModel


class LogisticGrid(LogisticModel):
    """A logistic regression with the scores and coefficients of every fold for every penalty tried."""

    exceptions: ClassVar[dict[str, str]] = {
        "weights across folds": "rows are dealt to folds by their number, so that k copies of a row may fall into "
        "several folds where one row of weight k stays in one; with the folds given (`cv`) a weight of k is k rows"
    }

    Cs_: np.ndarray
    cv: Any
    scoring: Any
    refit: bool
    fit_intercept: bool
    use_legacy_attributes: Any
    loss_: float
    _ratios: np.ndarray
    _ratios_given: bool
    _best: np.ndarray
    _scores_grid: np.ndarray
    _paths_grid: np.ndarray

    state: ClassVar[dict[str, Any]] = {
        "Cs_": Array("f", ("cs",), low=0.0, finite=False),
        "solver_": Text(max_length=32),
        "loss_": Number("f"),
        "_ratios": Array("f", ("ratios",), low=0.0, high=1.0),
        "_ratios_given": Flag(),
        "_best": Array("f", (2,), low=0.0, finite=False),
        "_scores_grid": Array("f", ("folds", "ratios", "cs"), finite=False),
        "_steps_grid": Array("i", ("folds", "ratios", "cs"), low=0),
        "_paths_grid": Array("f", ("folds", "ratios", "cs", "outputs", None), finite=False),
    }

    # ---- using it --------------------------------------------------------------------------------

    def _scorer(self) -> Any:
        return get_scorer("accuracy" if self.scoring in (None, "warn") else self.scoring)

    def score(self, X: Any, y: Any, sample_weight: Any = None, **score_params: Any) -> float:
        """The score on some rows, by the measure of `scoring`.

        Parameters
        ----------
        X : array-like or CSR matrix of shape (n_rows, n_features), or table
        y : array-like of shape (n_rows,)
        sample_weight : array-like of shape (n_rows,), optional

        Returns
        -------
        float
        """
        weight = {} if sample_weight is None else {"sample_weight": sample_weight}
        return float(self._scorer()(self, X, y, **weight, **score_params))

    @property
    def _legacy(self) -> bool:
        return self.use_legacy_attributes is not False

    @property
    def _named_outputs(self) -> np.ndarray:
        return self.classes_ if len(self.classes_) > 2 else self.classes_[1:]

    @property
    def l1_ratios_(self) -> np.ndarray:
        """Shares of L1 of the grid, shape (n_l1_ratios,); [None] where none were given."""
        ratios = self._fitted("_ratios")
        return ratios if self._ratios_given else np.array([None])

    @property
    def C_(self) -> Any:
        """The chosen C."""
        C = float(self._fitted("_best")[0])
        return np.full(len(self._named_outputs), C) if self._legacy else C

    @property
    def l1_ratio_(self) -> Any:
        """The chosen share of L1."""
        ratio = float(self._fitted("_best")[1])
        if not self._legacy:
            return ratio
        given = self._ratios_given or not self.refit
        return np.full(len(self._named_outputs), ratio if given else None)

    @property
    def scores_(self) -> Any:
        """Scores of the folds over the grid."""
        grid = self._fitted("_scores_grid")
        if not self._legacy:
            return grid
        scores = self._without_ratios(grid.swapaxes(1, 2))
        return {label: scores for label in self._named_outputs}

    @property
    def coefs_paths_(self) -> Any:
        """Coefficients of the folds over the grid, the intercept last."""
        grid = self._fitted("_paths_grid")  # (n_folds, n_ratios, n_cs, n_outputs, n_dof)
        if not self._legacy:
            return grid
        paths = grid.swapaxes(1, 2)
        return {label: self._without_ratios(paths[..., k, :]) for k, label in enumerate(self._named_outputs)}

    @property
    def n_iter_(self) -> np.ndarray:
        """Steps of each fit of the grid."""
        grid: np.ndarray = self._fitted("_steps_grid")
        return self._without_ratios(grid.swapaxes(1, 2))[None] if self._legacy else grid

    def _without_ratios(self, grid: np.ndarray) -> np.ndarray:
        """(n_folds, n_cs, n_ratios, ...) without the axis of the ratios where none were given."""
        return grid if self._ratios_given else grid[:, :, 0]

    def _fitted(self, name: str) -> Any:
        if name not in vars(self):
            raise AttributeError(f"{type(self).__name__} has no such attribute before it is fitted")
        return vars(self)[name]

    # ---- looking at it ---------------------------------------------------------------------------

    def _facts(self) -> dict[str, str]:
        C, ratio = self._best
        means = self._scores_grid.mean(axis=0)
        chosen = np.unravel_index(np.where(np.isnan(means.T), -np.inf, means.T).argmax(), means.T.shape)
        measure = self.scoring if isinstance(self.scoring, str) and self.scoring != "warn" else "score"
        return {
            **self._class_facts(),
            "C": f"{C:g} of {len(self.Cs_)} from {self.Cs_.min():g} to {self.Cs_.max():g}",
            **({"l1_ratio": f"{ratio:g}"} if ratio or self._ratios_given else {}),
            f"{measure} in cross-validation": f"{means.T[chosen]:.4g} (mean of {len(self._scores_grid)} folds)",
            "mean loss with penalty": f"{self.loss_:.6g}",
            **self._sparsity_facts(),
        }

    def _path_of(
        self, X: Any, y: Any
    ) -> tuple[np.ndarray, np.ndarray, float | None, np.ndarray | None] | None:
        """Strengths 1 / C with the folds' mean coefficients at the chosen share of L1 (their root mean square over
        the classes where there are more than two), and the folds' scores as errors."""
        r = int(np.abs(self._ratios - self._best[1]).argmin())
        paths = self._paths_grid[:, r].mean(axis=0)  # (n_cs, n_outputs, n_dof)
        if self.fit_intercept:
            paths = paths[:, :, :-1]
        coefs = paths[:, 0] if paths.shape[1] == 1 else np.sqrt(np.mean(paths**2, axis=1))
        scores = self._scores_grid[:, r].T
        accuracy = self.scoring in (None, "warn", "accuracy")
        return 1.0 / self.Cs_, coefs, 1.0 / float(self._best[0]), 1.0 - scores if accuracy else -scores

    def _check_state(self) -> None:
        super()._check_state()
        dof = self._n_inputs() + bool(self.fit_intercept)
        if self._paths_grid.shape[-1] != dof:
            raise ValueError(f"the paths have {self._paths_grid.shape[-1]} coefficients for {dof}")

    def get_metadata_routing(self) -> Any:
        """Which methods the splitter's and the scorer's arguments go to, for scikit-learn's metadata routing."""
        to_splitter = MethodMapping().add(caller="fit", callee="split")
        to_scorer = MethodMapping().add(caller="score", callee="score").add(caller="fit", callee="score")
        router = MetadataRouter(owner=self).add_self_request(self)
        return router.add(splitter=self.cv, method_mapping=to_splitter).add(
            scorer=self._scorer(), method_mapping=to_scorer
        )
