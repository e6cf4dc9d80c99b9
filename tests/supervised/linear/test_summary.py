"""What `summary()` prints and what `plot()` draws of linear models."""

from __future__ import annotations

import re
import warnings

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
import statsmodels.api as sm

import tripos
from tripos import LinearRegression, LogisticRegression, Ridge


@pytest.fixture(autouse=True)
def _close_figures():
    yield
    plt.close("all")


@pytest.fixture(scope="module")
def titanic(data_file):
    frame = pd.read_csv(data_file("titanic/kaggle_train.csv")).dropna(subset=["Age"])
    X = frame[["Pclass", "Age", "SibSp", "Fare"]].assign(female=frame["Sex"] == "female").astype(float)
    return X, np.where(frame["Survived"] == 1, "survived", "lost")


@pytest.fixture(scope="module")
def survival(titanic):
    return LogisticRegression(C=np.inf, tol=1e-10).fit(*titanic)


@pytest.fixture(scope="module")
def line(diabetes):
    return LinearRegression().fit(diabetes.X, diabetes.y)


# ---- summary -------------------------------------------------------------------------------------


def row(text, name):
    """The cells of a coefficient's line."""
    return next(entry for entry in text.splitlines() if entry.startswith(f"{name} ")).split()


def test_summary_prints_the_numbers_of_statsmodels(line, diabetes):
    peer = sm.OLS(diabetes.y, sm.add_constant(diabetes.X)).fit()
    text = line.summary(diabetes.X, diabetes.y)
    cells = row(text, "x2")
    expected = [peer.params[3], peer.bse[3], peer.tvalues[3]]
    np.testing.assert_allclose([float(cell) for cell in cells[1:4]], expected, rtol=1e-3)
    for label, value in {
        "R2": peer.rsquared,
        "AIC": peer.aic,
        "BIC": peer.bic,
        "Log-likelihood": peer.llf,
    }.items():
        shown = re.search(rf"{label}: +([-\d,.]+)", text)[1].replace(",", "")
        assert float(shown) == pytest.approx(value, rel=1e-3)


def test_summary_without_rows_is_the_one_with_rows(line, diabetes):
    def numbers(text):
        return [float(cell) for cell in re.findall(r"-?\d+\.\d+", text)]

    np.testing.assert_allclose(
        numbers(line.summary()), numbers(line.summary(diabetes.X, diabetes.y)), rtol=1e-4
    )


def test_summary_is_aligned_and_fits_a_terminal(survival, titanic):
    lines = survival.summary(*titanic).splitlines()
    assert max(map(len, lines)) <= 100
    head = next(k for k, text in enumerate(lines) if "std err" in text)
    table = lines[head : head + 8]
    assert len({len(text) for text in table if "std err" in text or text.startswith(("Age", "Fare"))}) == 1
    assert not any(text.endswith(" ") for text in lines)


def test_summary_of_logistic_has_odds_ratios_of_the_second_class(survival, titanic):
    text = survival.summary(*titanic)
    assert "log odds of survived" in text
    odds = text[text.index("odds ratio") :]
    assert float(row(odds, "female")[1]) == pytest.approx(np.exp(survival.coef_[0, 4]), rel=1e-3)


def test_tiny_p_values_are_not_printed_as_zero(survival, titanic):
    assert row(survival.summary(*titanic), "female")[4] == "<0.001"


def test_confidence_heads_the_interval(line, diabetes):
    text = line.summary(diabetes.X, diabetes.y, confidence=0.9)
    assert "[0.05" in text
    assert "0.95]" in text


@pytest.mark.parametrize("kind", ["HC1", "HC3"])
def test_summary_says_which_errors_it_prints(line, diabetes, kind):
    text = line.summary(diabetes.X, diabetes.y, covariance=kind)
    assert re.search(rf"Covariance: +{kind}", text)
    assert f"({kind}" in text


def test_summary_of_a_penalised_fit_says_why_it_has_no_p_values(titanic):
    text = LogisticRegression().fit(*titanic).summary(*titanic)
    assert "C=np.inf fits without a penalty" in " ".join(text.split())
    assert "std err" not in text
    assert "Pseudo R2" in text


def test_summary_of_a_model_without_a_likelihood_shows_coefficients_and_says_why(letters):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = LogisticRegression(max_iter=5, multi_class="ovr").fit(letters.X, letters.y)
    text = model.summary(letters.X, letters.y)
    assert "fit one model for each class" in text
    assert model.summary() == text[: text.index("\n\nLogisticRegression told each")]


def test_inference_prints_itself(line):
    assert str(line.inference()).startswith("LinearRegression\n=====")


# ---- plot ----------------------------------------------------------------------------------------


def test_plot_without_rows_draws_the_coefficients(line):
    assert line.plot().get_xlabel() == "coefficient"


def test_one_feature_is_drawn_with_its_bands(diabetes):
    X = diabetes.X[:, [2]]
    model = LinearRegression().fit(X, diabetes.y)
    ax = model.plot(X=X, y=diabetes.y)
    peer = sm.OLS(diabetes.y, sm.add_constant(X)).fit()
    grid = ax.lines[1].get_xdata()
    expected = peer.get_prediction(sm.add_constant(grid)).summary_frame()
    np.testing.assert_allclose(ax.lines[2].get_ydata(), expected["obs_ci_lower"], rtol=1e-6)
    np.testing.assert_allclose(ax.lines[3].get_ydata(), expected["obs_ci_upper"], rtol=1e-6)
    band = ax.collections[0].get_paths()[0].vertices
    assert expected["mean_ci_lower"].min() == pytest.approx(band[:, 1].min(), rel=1e-6)


def test_several_features_are_drawn_as_predicted_against_actual(line, diabetes):
    assert line.plot("fit", diabetes.X, diabetes.y).get_ylabel() == "predicted target"


def test_residuals_are_drawn_in_two_panels(line, diabetes):
    assert len(line.plot("residuals", diabetes.X, diabetes.y).figure.axes) == 2


def test_the_boundary_names_what_is_held_at_its_mean(survival, titanic):
    ax = survival.plot("boundary", *titanic)
    assert ax.get_title(loc="left") == "the other 3 features at their mean"
    assert {ax.get_xlabel(), ax.get_ylabel()} == {"Pclass", "female"}


def test_two_features_are_drawn_with_their_probability(titanic):
    X, y = titanic
    model = LogisticRegression(C=np.inf, tol=1e-10).fit(X[["Age", "Fare"]], y)
    even = model.plot(None, X[["Age", "Fare"]], y).collections[0].get_paths()[0].vertices
    shares = model.predict_proba(pd.DataFrame(even, columns=["Age", "Fare"]))[:, 1]
    np.testing.assert_allclose(shares, 0.5, atol=0.01)


def test_three_classes_are_drawn_as_regions(letters):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = LogisticRegression(max_iter=20).fit(letters.X, letters.y)
    assert model.plot("boundary", letters.X, letters.y).images


def test_sparse_rows_are_drawn_without_the_columns_that_do_not_show(titanic):
    X, y = titanic
    model = LogisticRegression(C=np.inf, tol=1e-10).fit(sp.csr_array(X.to_numpy()), y)
    assert model.plot("boundary", sp.csr_array(X.to_numpy()), y).images


def test_tables_with_strings_are_drawn(data_file):
    frame = pd.read_csv(data_file("titanic/kaggle_train.csv"))[["Sex", "Embarked", "Age", "Fare", "Survived"]]
    y = frame.pop("Survived")
    model = LogisticRegression(C=np.inf, max_iter=1000)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # one-hot columns follow from one another
        model.fit(frame, y)
    assert model.plot("boundary", frame, y).images


def test_odds_are_those_of_the_summary(survival, titanic):
    ax = survival.plot("odds", *titanic, top=3)
    assert len(ax.get_yticklabels()) == 3
    assert ax.get_yticklabels()[0].get_text() == "female"


@pytest.mark.parametrize("name", ["Lasso", "LassoCV", "RidgeCV", "ElasticNetCV", "LogisticRegressionCV"])
def test_paths_are_drawn(name, diabetes):
    if not hasattr(tripos, name):
        pytest.skip(f"{name} is not there yet")
    X = (diabetes.X - diabetes.X.mean(axis=0)) / diabetes.X.std(axis=0)
    y = diabetes.y > 140 if "Logistic" in name else diabetes.y
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        ax = getattr(tripos, name)().fit(X, y).plot("path", X, y)
    assert ax.get_xscale() == "log"
    assert len(ax.texts) == 8


@pytest.mark.parametrize(
    ("kind", "listed"),
    [("boundary", "coefficients, fit, residuals"), ("odds", "fit"), ("pie", "coefficients")],
)
def test_a_figure_that_does_not_fit_lists_those_that_do(line, diabetes, kind, listed):
    with pytest.raises(ValueError, match=f"kind={kind!r} does not fit this LinearRegression.*{listed}"):
        line.plot(kind, diabetes.X, diabetes.y)


def test_figures_of_rows_ask_for_them(line, diabetes):
    with pytest.raises(ValueError, match="most figures need X and y"):
        line.plot("fit")
    with pytest.raises(ValueError, match="go together"):
        line.plot("fit", diabetes.X)


def test_a_penalised_model_has_no_odds_and_a_line_without_bands(titanic, diabetes):
    model = LogisticRegression().fit(*titanic)
    with pytest.raises(ValueError, match="kind='odds' does not fit"):
        model.plot("odds", *titanic)
    X = diabetes.X[:, [2]]
    ax = Ridge().fit(X, diabetes.y).plot("fit", X, diabetes.y)
    assert not ax.collections
