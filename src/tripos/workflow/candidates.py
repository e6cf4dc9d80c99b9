"""Who takes part in a run: every public learner that fits the task, each with its own preparation.

A learner that is added to `_public.ESTIMATORS` takes part from then on: its class says whether it classifies or
regresses, what it needs from a table and its target, and which parameters are worth searching. Tables here add what a
class cannot say: `VARIANTS`, second preparations of the same learner, `LIMITS`, sizes and measures at which a method
is not worth starting, and `CHOOSES_ITSELF`, learners whose own search the run would only repeat. A candidate that does not fit the data is listed with the reason, never left out in silence.
"""

from __future__ import annotations

import importlib
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from sklearn.base import is_classifier, is_regressor
from sklearn.pipeline import Pipeline

from tripos._public import ESTIMATORS
from tripos.data.encoder import Encoder
from tripos.data.encoding.stages import CATEGORIES
from tripos.data.needs import Needs
from tripos.errors import RunError
from tripos.metrics.scorers import scorer
from tripos.workflow.task import Task

BASELINES = ("DummyClassifier", "DummyRegressor")
#: Who usually wins first, then the cheap and then the dear; who is not named follows in the order of the public list.
#: Time cuts the end off, so the order decides who is not tried.
OF_TABLES = (
    *BASELINES,
    *("LogisticRegression", "Ridge"),
    *("HistGradientBoostingClassifier", "HistGradientBoostingRegressor"),
    *("LogisticRegression (tree bins)", "Ridge (tree bins)"),
    *("RandomForestClassifier", "RandomForestRegressor", "ExtraTreesClassifier", "ExtraTreesRegressor"),
    *("GaussianNB", "NaiveBayes", "LinearDiscriminantAnalysis", "QuadraticDiscriminantAnalysis"),
    *("KNeighborsClassifier", "KNeighborsRegressor", "SVC", "SVR", "LinearRegression"),
)
OF_TEXT = (
    *BASELINES,
    *("MultinomialNB", "LogisticRegression", "Ridge", "LinearSVC", "LinearSVR", "ComplementNB"),
    *("SGDClassifier", "SGDRegressor", "RidgeClassifier", "BernoulliNB", "Lasso", "ElasticNet", "Perceptron"),
)


@dataclass(frozen=True)
class Variant:
    """A second preparation of a learner.

    Attributes
    ----------
    name : str
        Shown in parentheses after the learner's name.
    settings : mapping
        Arguments of `Encoder` that differ from what the learner's own `needs` give.
    requires : str, optional
        A kind of column ("number", "category", "text") without which the variant equals the learner itself.
    """

    name: str
    settings: Mapping[str, Any]
    requires: str | None = None


#: Numbers cut into intervals let a linear model bend: on adult the error falls from 14.8 to 13.7 %, on
#: california-housing R2 rises from 0.65 to 0.74. A tree finds the cuts that matter, thirty equal ones follow any curve.
BINNED = (
    Variant("tree bins", {"numbers": "bins", "scale": "none", "binning": "tree"}, requires="number"),
    Variant("30 bins", {"numbers": "bins", "scale": "none", "n_bins": 30}, requires="number"),
)
VARIANTS: dict[str, tuple[Variant, ...]] = {"LogisticRegression": BINNED, "Ridge": BINNED}


@dataclass(frozen=True)
class Limit:
    """Where a learner is not worth starting, and why."""

    why: str
    classes: int | None = None  # the most it is tried on
    rows: int | None = None
    text: bool = True  # whether it is tried on free text
    measures: tuple[str, ...] = ()  # the only ones it is tried for; none named: all


#: Learners that choose a parameter by folds of their own: the run does that, on the same folds for everybody.
CHOOSES_ITSELF = {
    "RidgeCV": "Ridge",
    "RidgeClassifierCV": "RidgeClassifier",
    "LassoCV": "Lasso",
    "ElasticNetCV": "ElasticNet",
    "LogisticRegressionCV": "LogisticRegression",
}
#: Learners that another one covers on a table, and what that one adds.
COVERED = {
    "CategoricalNB": "NaiveBayes counts categories in the same way, and takes numbers as well",
    "BoostedTreesClassifier": "HistGradientBoostingClassifier grows the same trees",
    "BoostedTreesRegressor": "HistGradientBoostingRegressor grows the same trees",
    "GradientBoostingClassifier": "HistGradientBoostingClassifier grows its trees by curvature too",
    "GradientBoostingRegressor": "HistGradientBoostingRegressor grows its trees by curvature too",
}
#: Measures that the conditional median minimises, which least squares does not aim at.
OF_THE_MEDIAN = (
    *("mean_absolute_error", "median_absolute_error", "d2_absolute_error_score", "mean_pinball_loss"),
    *("neg_mean_absolute_error", "neg_median_absolute_error", "neg_mean_pinball_loss"),
)
#: What a loss asks of the target (`target_domain` of the class): the lowest value that is too low, and in words.
DOMAINS = {"non-negative": "no negative targets", "positive": "positive targets only"}
COVARIANCE = "words make more columns than a covariance of all pairs has room for"
LIMITS: dict[str, Limit] = {
    "LogisticRegression": Limit("each step costs rows x columns x classes", classes=200),
    "LinearRegression": Limit(
        "words make more columns than there are rows, which only a penalty tells apart: see Ridge", text=False
    ),
    "LinearDiscriminantAnalysis": Limit(COVARIANCE, text=False),
    "QuadraticDiscriminantAnalysis": Limit(COVARIANCE, text=False),
    "QuantileRegressor": Limit("aims at the median", rows=250_000, measures=OF_THE_MEDIAN),
    "SVC": Limit("time grows with the square of the rows: see LinearSVC", rows=20_000, classes=50),
    "SVR": Limit("time grows with the square of the rows: see LinearSVR", rows=20_000),
    "NuSVR": Limit("time grows with the square of the rows: see LinearSVR", rows=20_000),
    "KernelRidge": Limit(
        "time grows with the cube of the rows and memory with their square: see Ridge after Nystroem",
        rows=5_000,
    ),
    "KNeighborsClassifier": Limit("each prediction looks at all rows", rows=200_000),
    "KNeighborsRegressor": Limit("each prediction looks at all rows", rows=200_000),
}


@dataclass(frozen=True)
class Shape:
    """What a candidate is chosen by.

    Attributes
    ----------
    rows : int
    kinds : mapping of str to int
        How many feature columns there are of each kind.
    lowest : float
        The smallest target of a regression.
    """

    rows: int
    kinds: Mapping[str, int]
    lowest: float = -math.inf

    def has(self, kind: str) -> bool:
        """Whether there is such a column; "category" is all that is neither number, date nor text."""
        alone = ("number", "date", "text")
        if kind in alone:
            return self.kinds.get(kind, 0) > 0
        return any(count for name, count in self.kinds.items() if name not in alone)


@dataclass(frozen=True)
class Candidate:
    """A learner with one preparation.

    Attributes
    ----------
    learner : str
        Public class name.
    variant : Variant or None
    """

    learner: str
    variant: Variant | None = None
    fixed: Mapping[str, Any] = field(default_factory=dict)

    @property
    def name(self) -> str:
        return self.learner if self.variant is None else f"{self.learner} ({self.variant.name})"

    @property
    def cls(self) -> Any:
        return learner_class(self.learner)

    @property
    def is_baseline(self) -> bool:
        return self.learner in BASELINES

    @property
    def preparation(self) -> tuple[tuple[str, str], ...]:
        """What is asked of the encoder: candidates with equal preparations share one encoded table."""
        settings = self.encoder(None).get_params(deep=False)
        return tuple(sorted((name, repr(value)) for name, value in settings.items() if name != "schema"))

    @property
    def interpretability(self) -> str:
        return str(self.cls.interpretability)

    @property
    def _reads_codes(self) -> bool:
        return self.cls.needs.categories == "native" and "categorical_features" in self.cls._get_param_names()

    def gives_probabilities(self, params: Mapping[str, Any]) -> bool:
        """Whether the classifier with these parameters has `predict_proba` (some losses have no likelihood)."""
        return hasattr(self.estimator(params, 0), "predict_proba")

    def space(self) -> dict[str, Any]:
        """Parameters worth searching."""
        return dict(self.cls.search_space())

    def encoder(self, schema: Any) -> Encoder:
        return Encoder.for_(self.cls, schema, **(self.variant.settings if self.variant else {}))

    def estimator(self, params: Mapping[str, Any], seed: int, schema: Any = None) -> Any:
        """The learner alone, for a table that is encoded already.

        A learner that reads categories as codes is told where they stand: the encoder puts them last.
        """
        chosen = {**self.fixed, **params}
        if schema is not None and self._reads_codes:
            categories = sum(schema.columns[name].kind in CATEGORIES for name in schema.features)
            chosen["categorical_features"] = list(range(-categories, 0))
        if "random_state" in self.cls._get_param_names():
            chosen.setdefault("random_state", seed)
        return self.cls(**chosen)

    def pipeline(self, schema: Any, params: Mapping[str, Any], seed: int) -> Pipeline:
        """Preparation and learner as one estimator that takes the raw table."""
        return Pipeline(
            [("encoder", self.encoder(schema)), ("learner", self.estimator(params, seed, schema))]
        )

    def objection(self, task: Task, shape: Shape) -> str | None:
        """Why the candidate does not fit these data, or None when it does."""
        needs: Needs = self.cls.needs
        if self.is_baseline:
            return None
        if needs.text == "none" and set(shape.kinds) <= {"text"}:
            return "uses no text, and text is all there is"
        if self.variant is not None and self.variant.requires and not shape.has(self.variant.requires):
            return f"there is no {self.variant.requires} column: same as {self.learner}"
        if self.learner in CHOOSES_ITSELF:
            return f"chooses its penalty by folds of its own: the run does that with {CHOOSES_ITSELF[self.learner]}"
        if self.learner in COVERED:
            return COVERED[self.learner]
        if scorer(task.metric).needs == "probabilities" and not self.gives_probabilities({}):
            return f"gives no probabilities, which {task.metric} needs"
        return self._beyond_domain(shape) or self._beyond_limit(task, shape)

    def _beyond_domain(self, shape: Shape) -> str | None:
        domain = getattr(self.cls, "target_domain", "real")
        if (domain == "positive" and shape.lowest <= 0.0) or (
            domain == "non-negative" and shape.lowest < 0.0
        ):
            return f"takes {DOMAINS[domain]}, and the lowest is {shape.lowest:g}"
        return None

    def _beyond_limit(self, task: Task, shape: Shape) -> str | None:
        limit = LIMITS.get(self.learner)
        if limit is not None and limit.measures and task.metric not in limit.measures:
            return f"{limit.why}, which {task.metric} does not measure"
        if limit is not None and limit.rows is not None and shape.rows > limit.rows:
            return f"{shape.rows:,} rows: {limit.why}; tried up to {limit.rows:,}"
        if limit is not None and limit.classes is not None and len(task.classes) > limit.classes:
            return f"{len(task.classes):,} classes: {limit.why}; tried up to {limit.classes}"
        if limit is not None and not limit.text and shape.has("text"):
            return limit.why
        return None


@dataclass(frozen=True)
class Refusal:
    """A candidate that is not tried, and why."""

    candidate: str
    reason: str


def learner_class(name: str) -> Any:
    return getattr(importlib.import_module(ESTIMATORS[name]), name)


def candidates_for(
    task: Task, shape: Shape, wanted: tuple[str, ...] = ()
) -> tuple[list[Candidate], list[Refusal]]:
    """The baseline and every candidate for a task, the most promising first, and those that do not fit.

    Parameters
    ----------
    task : Task
    shape : Shape
    wanted : tuple of str
        Names the user limits the run to; a name without its variant means all variants. Empty means all.

    Raises
    ------
    RunError
        When a wanted name is no candidate for the task, or none of the wanted fits the data.
    """
    everyone = [c for c in _in_order(shape) if _does(c, task)]
    names = {c.name for c in everyone} | {c.learner for c in everyone}
    unknown = [name for name in wanted if name not in names]
    if unknown:
        raise RunError(
            f"no candidate for {task.kind} is called {', '.join(unknown)}; there are: {', '.join(sorted(names))}"
        )
    if wanted:
        everyone = [c for c in everyone if c.is_baseline or c.name in wanted or c.learner in wanted]
    objections = [(c, c.objection(task, shape)) for c in everyone]
    fitting = [c for c, objection in objections if objection is None]
    refused = [Refusal(c.name, objection) for c, objection in objections if objection is not None]
    if all(c.is_baseline for c in fitting):
        reasons = "; ".join(f"{r.candidate}: {r.reason}" for r in refused)
        raise RunError(f"no learner fits these data ({reasons})" if reasons else "no learner is left to try")
    return fitting, refused


def _in_order(shape: Shape) -> list[Candidate]:
    order = OF_TEXT if shape.has("text") else OF_TABLES
    place = {name: i for i, name in enumerate(order)}
    everyone = [c for name in ESTIMATORS for c in _variants_of(name)]
    return sorted(everyone, key=lambda c: place.get(c.name, len(order)))


def _variants_of(name: str) -> list[Candidate]:
    return [Candidate(name), *(Candidate(name, variant) for variant in VARIANTS.get(name, ()))]


def _does(candidate: Candidate, task: Task) -> bool:
    learner = candidate.cls()
    if task.kind == "regression":
        return bool(is_regressor(learner))
    return bool(is_classifier(learner))
