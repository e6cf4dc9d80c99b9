"""Families of distributions behind the linear models: what turns a fit into inference.

A generalised linear model says of each row, with eta = x.w + b (+ offset),

    mu = E[y | x] = g^-1(eta),      Var[y | x] = phi V(mu)

| family    | V(mu)       | usual link | phi       |
|-----------|-------------|------------|-----------|
| Gaussian  | 1           | identity   | estimated |
| Bernoulli | mu (1 - mu) | logit      | 1         |
| Poisson   | mu          | log        | 1         |
| Gamma     | mu^2        | log        | estimated |
| Tweedie   | mu^power    | log        | estimated |

Weights count rows: a weight of k gives the terms of k equal rows.

References
----------
P. McCullagh, J. A. Nelder, *Generalized Linear Models*, 2nd ed. (1989), chapter 2.
P. K. Dunn, G. K. Smyth, "Series evaluation of Tweedie exponential dispersion model densities", Statistics and
Computing 15 (2005), doi:10.1007/s11222-005-4070-y.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import expit, gammaln, wright_bessel, xlog1py, xlogy

LINKS = ("identity", "logit", "log")


@dataclass(frozen=True)
class Family:
    """A distribution with its link.

    Attributes
    ----------
    name : {"gaussian", "bernoulli", "poisson", "gamma", "tweedie"}
    link : {"identity", "logit", "log"}
        The scale on which the model is linear: eta = link(mu).
    power : float
        Of the variance V(mu) = mu^power; without meaning for "bernoulli".
    dispersion_estimated : bool
        Whether phi is estimated from the rows; else it is 1.

    Examples
    --------
    >>> import numpy as np
    >>> from tripos.supervised.linear.family import POISSON
    >>> eta = np.array([0.0, 1.0])
    >>> POISSON.mean(eta).round(3), POISSON.variance(POISSON.mean(eta)).round(3)
    (array([1.   , 2.718]), array([1.   , 2.718]))
    """

    name: str
    link: str
    power: float
    dispersion_estimated: bool

    def mean(self, eta: np.ndarray) -> np.ndarray:
        """mu = g^-1(eta)."""
        if self.link == "identity":
            return eta
        mu: np.ndarray = expit(eta) if self.link == "logit" else np.exp(eta)
        return mu

    def mean_derivative(self, eta: np.ndarray) -> np.ndarray:
        """d mu / d eta."""
        if self.link == "identity":
            return np.ones_like(eta)
        if self.link == "log":
            return np.asarray(np.exp(eta))
        slope: np.ndarray = expit(eta) * expit(-eta)
        return slope

    def linear(self, mu: np.ndarray) -> np.ndarray:
        """eta = g(mu)."""
        mu = np.asarray(mu, dtype=np.float64)
        if self.link == "identity":
            return mu
        with np.errstate(divide="ignore"):
            return np.asarray(np.log(mu) if self.link == "log" else np.log(mu) - np.log1p(-mu))

    def variance(self, mu: np.ndarray) -> np.ndarray:
        """V(mu)."""
        if self.name == "bernoulli":
            return np.asarray(mu * (1.0 - mu))
        return np.asarray(np.ones_like(mu) if self.power == 0 else mu**self.power)

    def score(self, y: np.ndarray, eta: np.ndarray, mu: np.ndarray) -> np.ndarray:
        """d log-likelihood / d eta of each row, times phi: (y - mu) mu' / V(mu)."""
        if self.canonical:
            return np.asarray(y - mu)
        return np.asarray((y - mu) * self.mean_derivative(eta) / self.variance(mu))

    def information(self, eta: np.ndarray, mu: np.ndarray) -> np.ndarray:
        """Expected curvature of each row's log-likelihood in eta, times phi: mu'^2 / V(mu)."""
        if self.canonical:
            return self.variance(mu)
        slope = self.mean_derivative(eta)
        return np.asarray(slope * slope / self.variance(mu))

    def observed_information(self, y: np.ndarray, eta: np.ndarray, mu: np.ndarray) -> np.ndarray:
        """The curvature at y itself, times phi; under the canonical link the expected one."""
        if self.canonical:
            return self.information(eta, mu)
        slope, p = self.mean_derivative(eta), self.power  # Bernoulli comes with its canonical link only
        bend = slope if self.link == "log" else np.zeros_like(slope)  # mu''
        first = slope * slope / self.variance(mu)
        return np.asarray(first - (y - mu) * (bend - p * slope * slope / mu) / self.variance(mu))

    @property
    def canonical(self) -> bool:
        """Whether expected and observed curvature agree at every y."""
        return self.link == {"gaussian": "identity", "bernoulli": "logit", "poisson": "log"}.get(self.name)

    def deviance(self, y: np.ndarray, mu: np.ndarray, weights: np.ndarray | None = None) -> float:
        """Twice what the likelihood falls short of that of a model which predicts every row exactly,
        without phi."""
        return _total(self.deviance_rows(y, mu), weights)

    def log_likelihood(
        self, y: np.ndarray, mu: np.ndarray, weights: np.ndarray | None = None, dispersion: float = 1.0
    ) -> float:
        """Log of the density of y, summed over the rows.

        Parameters
        ----------
        y, mu : ndarray of shape (n_rows,)
        weights : ndarray of shape (n_rows,), optional
        dispersion : float, default=1.0
            phi.

        Returns
        -------
        float
            NaN where the density is not known: powers below 0, and between 0 and 1.
        """
        return _total(self.log_density_rows(y, mu, dispersion), weights)

    def deviance_rows(self, y: np.ndarray, mu: np.ndarray) -> np.ndarray:
        """`deviance` of each row."""
        p = self.power
        if self.name == "bernoulli":
            return np.asarray(-2.0 * (xlogy(y, mu) + xlog1py(1.0 - y, -mu)))
        if p == 0:
            return np.asarray((y - mu) ** 2)
        if p == 1:
            return np.asarray(2.0 * (xlogy(y, y / mu) - y + mu))
        if p == 2:
            return np.asarray(2.0 * (y / mu - 1.0 - np.log(y / mu)))
        saturated = np.maximum(y, 0.0) ** (2 - p) / ((1 - p) * (2 - p))
        return np.asarray(2.0 * (saturated - y * mu ** (1 - p) / (1 - p) + mu ** (2 - p) / (2 - p)))

    def log_density_rows(self, y: np.ndarray, mu: np.ndarray, phi: float) -> np.ndarray:
        """`log_likelihood` of each row."""
        p = self.power
        if self.name == "bernoulli":
            return np.asarray(xlogy(y, mu) + xlog1py(1.0 - y, -mu))
        if p == 0:
            return np.asarray(-0.5 * ((y - mu) ** 2 / phi + np.log(2 * np.pi * phi)))
        if p == 1:
            return np.asarray(xlogy(y, mu) - mu - gammaln(y + 1.0))
        if p == 2:
            shape = 1.0 / phi
            return np.asarray(xlogy(shape, shape * y / mu) - shape * y / mu - np.log(y) - gammaln(shape))
        if p == 3:
            return np.asarray(
                -0.5 * ((y - mu) ** 2 / (y * mu**2 * phi) + np.log(2 * np.pi * phi) + 3 * np.log(y))
            )
        if 1 < p < 2:
            return self._compound_poisson(y, mu, phi)
        return np.full(len(y), np.nan)

    def _compound_poisson(self, y: np.ndarray, mu: np.ndarray, phi: float) -> np.ndarray:
        """Tweedie with 1 < power < 2: a mass at zero and a density above, by Wright's Bessel function."""
        p = self.power
        density = (y * mu ** (1 - p) / (1 - p) - mu ** (2 - p) / (2 - p)) / phi
        above = np.flatnonzero(y > 0)
        alpha = (2 - p) / (1 - p)
        x = ((p - 1) * phi / y[above]) ** alpha / ((2 - p) * phi)
        with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
            density[above] += np.log(wright_bessel(-alpha, 0, x)) - np.log(y[above])
        return np.asarray(density)


def _total(rows: np.ndarray, weights: np.ndarray | None) -> float:
    return float(rows.sum() if weights is None else rows @ weights)


GAUSSIAN = Family("gaussian", "identity", 0.0, dispersion_estimated=True)
BERNOULLI = Family("bernoulli", "logit", np.nan, dispersion_estimated=False)
POISSON = Family("poisson", "log", 1.0, dispersion_estimated=False)
GAMMA = Family("gamma", "log", 2.0, dispersion_estimated=True)


def tweedie(power: float, link: str | None = None) -> Family:
    """The family with variance mu^power.

    Parameters
    ----------
    power : float
        0 (Gaussian), 1 (Poisson), 2 (Gamma), 3 (inverse Gaussian), or another number outside (0, 1).
    link : {"identity", "log"}, optional
        By default the identity up to power 0, else the logarithm.

    Examples
    --------
    >>> tweedie(1.5).link, tweedie(0).name
    ('log', 'gaussian')
    """
    chosen = link or ("identity" if power <= 0 else "log")
    if chosen not in ("identity", "log"):
        raise ValueError(f"link must be 'identity' or 'log', got {link!r}")
    known = {0.0: "gaussian", 1.0: "poisson", 2.0: "gamma"}
    return Family(known.get(float(power), "tweedie"), chosen, float(power), dispersion_estimated=power != 1)
