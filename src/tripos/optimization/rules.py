"""Update rules of first-order methods: what one step does with a gradient.

    gradient descent   x -= rate g
    momentum           v = mu v + g;  x -= rate v
    Nesterov           v = mu v + g;  x -= rate (g + mu v)
    AdaGrad            v += g^2;  x -= rate g / (sqrt v + eps)
    RMSProp            v = rho v + (1 - rho) g^2;  x -= rate g / (sqrt v + eps)
    Adam               m, v: running means of g, g^2, corrected for their start;  x -= rate m / (sqrt v + eps)
    AdamW              x *= 1 - rate decay, then Adam

A rule holds its numbers, `Memory` what it remembers from step to step; networks use the same ones on their
weights.

References
----------
H. Robbins, S. Monro (1951), doi:10.1214/aoms/1177729586 (steps along an estimate of the gradient);
B. Polyak (1964), doi:10.1016/0041-5553(64)90137-5 (momentum);
I. Sutskever et al. (2013), https://proceedings.mlr.press/v28/sutskever13 (Nesterov's method as momentum);
J. Duchi, E. Hazan, Y. Singer (2011), https://jmlr.org/papers/v12/duchi11a (AdaGrad);
T. Tieleman, G. Hinton (2012), https://www.cs.toronto.edu/~tijmen/csc321/slides/lecture_slides_lec6.pdf (RMSProp);
D. Kingma, J. Ba (2015), arXiv:1412.6980 (Adam); I. Loshchilov, F. Hutter (2019), arXiv:1711.05101 (AdamW).
"""

from __future__ import annotations

from dataclasses import astuple, dataclass
from typing import ClassVar

import numpy as np

from tripos.compute import kernel

N_NUMBERS = 4  # of any rule


@kernel("F[::1], F[::1], f8")
def gradient_step(x, g, rate):  # type: ignore[no-untyped-def]
    """Cauchy's step, or Robbins and Monro's where g is an estimate."""
    a = x.dtype.type(rate)
    for j in range(x.size):
        x[j] -= a * g[j]


@kernel("F[::1], F[::1], F[::1], f8, f8")
def momentum_step(x, g, v, mu, rate):  # type: ignore[no-untyped-def]
    """Polyak's heavy ball: v is a sum of past gradients that fades by mu a step."""
    a, mu = x.dtype.type(rate), x.dtype.type(mu)
    for j in range(x.size):
        v[j] = mu * v[j] + g[j]
        x[j] -= a * v[j]


@kernel("F[::1], F[::1], F[::1], f8, f8")
def nesterov_step(x, g, v, mu, rate):  # type: ignore[no-untyped-def]
    """The heavy ball that looks ahead, in the variables of its lookahead points."""
    a, mu = x.dtype.type(rate), x.dtype.type(mu)
    for j in range(x.size):
        v[j] = mu * v[j] + g[j]
        x[j] -= a * (g[j] + mu * v[j])


@kernel("F[::1], F[::1], F[::1], f8, f8")
def adagrad_step(x, g, v, epsilon, rate):  # type: ignore[no-untyped-def]
    """Each component is divided by the length of all its gradients so far."""
    a, eps = x.dtype.type(rate), x.dtype.type(epsilon)
    for j in range(x.size):
        v[j] += g[j] * g[j]
        x[j] -= a * g[j] / (np.sqrt(v[j]) + eps)


@kernel("F[::1], F[::1], F[::1], f8, f8, f8")
def rmsprop_step(x, g, v, rho, epsilon, rate):  # type: ignore[no-untyped-def]
    """AdaGrad with a memory that fades by rho a step."""
    a, eps = x.dtype.type(rate), x.dtype.type(epsilon)
    keep, take = x.dtype.type(rho), x.dtype.type(1.0 - rho)
    for j in range(x.size):
        v[j] = keep * v[j] + take * g[j] * g[j]
        x[j] -= a * g[j] / (np.sqrt(v[j]) + eps)


@kernel("F[::1], F[::1], F[::1], F[::1], f8, f8, f8, f8, i8, f8")
def adam_step(x, g, m, v, beta1, beta2, epsilon, decay, t, rate):  # type: ignore[no-untyped-def]
    """Adam's t-th step, t = 1, 2, ...; with a decay, AdamW's."""
    a = x.dtype.type(rate / (1.0 - beta1**t))  # the correction of m for its start at 0
    c = x.dtype.type(1.0 / np.sqrt(1.0 - beta2**t))  # and of sqrt v
    b1, b2, eps = x.dtype.type(beta1), x.dtype.type(beta2), x.dtype.type(epsilon)
    n1, n2, shrink = x.dtype.type(1.0 - beta1), x.dtype.type(1.0 - beta2), x.dtype.type(1.0 - rate * decay)
    for j in range(x.size):
        m[j] = b1 * m[j] + n1 * g[j]
        v[j] = b2 * v[j] + n2 * g[j] * g[j]
        x[j] = shrink * x[j] - a * m[j] / (c * np.sqrt(v[j]) + eps)


GRADIENT, MOMENTUM, NESTEROV, ADAGRAD, RMSPROP, ADAM = range(6)


@kernel("i8, f8[::1], F[::1], F[::1], F[::1], F[::1], i8, f8")
def update(rule, h, x, g, m, v, t, rate):  # type: ignore[no-untyped-def]
    """The t-th step, t = 1, 2, ..., of the rule with this code and the numbers h."""
    if rule == GRADIENT:
        gradient_step(x, g, rate)
    elif rule == MOMENTUM:
        momentum_step(x, g, m, h[0], rate)
    elif rule == NESTEROV:
        nesterov_step(x, g, m, h[0], rate)
    elif rule == ADAGRAD:
        adagrad_step(x, g, v, h[0], rate)
    elif rule == RMSPROP:
        rmsprop_step(x, g, v, h[0], h[1], rate)
    else:
        adam_step(x, g, m, v, h[0], h[1], h[2], h[3], t, rate)


@dataclass
class Memory:
    """What a rule remembers: running means of the gradient and of its square, and the steps taken."""

    m: np.ndarray
    v: np.ndarray
    t: int = 0

    @classmethod
    def like(cls, x: np.ndarray) -> Memory:
        return cls(np.zeros_like(x), np.zeros_like(x))


@dataclass(frozen=True)
class Rule:
    """Base of the rules; `rate` is used where none is given (None: found from the objective)."""

    code: ClassVar[int]
    rate: ClassVar[float | None] = None

    @property
    def numbers(self) -> np.ndarray:
        """The rule's parameters in the order of its fields, as kernels take them."""
        own = astuple(self)
        return np.array(own + (0.0,) * (N_NUMBERS - len(own)), dtype=np.float64)

    def step(self, x: np.ndarray, g: np.ndarray, memory: Memory, rate: float) -> None:
        """Moves x, in place, by one step along the gradient g.

        Examples
        --------
        >>> import numpy as np
        >>> x = np.array([1.0])
        >>> GradientDescent().step(x, np.array([2.0]), Memory.like(x), rate=0.25)
        >>> x
        array([0.5])
        """
        memory.t += 1
        update(self.code, self.numbers, x, g, memory.m, memory.v, memory.t, rate)


@dataclass(frozen=True)
class GradientDescent(Rule):
    code: ClassVar[int] = GRADIENT


@dataclass(frozen=True)
class Momentum(Rule):
    momentum: float = 0.9
    code: ClassVar[int] = MOMENTUM


@dataclass(frozen=True)
class Nesterov(Rule):
    momentum: float = 0.9
    code: ClassVar[int] = NESTEROV


@dataclass(frozen=True)
class AdaGrad(Rule):
    epsilon: float = 1e-10
    code: ClassVar[int] = ADAGRAD
    rate: ClassVar[float | None] = 0.1


@dataclass(frozen=True)
class RMSProp(Rule):
    rho: float = 0.9
    epsilon: float = 1e-8
    code: ClassVar[int] = RMSPROP
    rate: ClassVar[float | None] = 0.01


@dataclass(frozen=True)
class Adam(Rule):
    beta1: float = 0.9
    beta2: float = 0.999
    epsilon: float = 1e-8
    code: ClassVar[int] = ADAM
    rate: ClassVar[float | None] = 0.01


@dataclass(frozen=True)
class AdamW(Rule):
    """Adam with weights that shrink towards zero beside the gradient's step, the intercept's included."""

    beta1: float = 0.9
    beta2: float = 0.999
    epsilon: float = 1e-8
    weight_decay: float = 0.01
    code: ClassVar[int] = ADAM
    rate: ClassVar[float | None] = 0.01


RULES: dict[str, type[Rule]] = {
    "gradient-descent": GradientDescent,
    "momentum": Momentum,
    "nesterov": Nesterov,
    "adagrad": AdaGrad,
    "rmsprop": RMSProp,
    "adam": Adam,
    "adamw": AdamW,
}
