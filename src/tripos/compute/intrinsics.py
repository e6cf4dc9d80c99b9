"""Functions for use inside kernels that Numba lacks or has slowly: `exp` and its kin, `prefetch`, bit casts.

Numba calls the C library's `exp` and `log`, one number at a time, which keeps a loop from vectorising. The ones here
are polynomials without branches or table look-ups, so LLVM turns a loop over them into vector code. They take
float32 and float64 (integers as float64) and answer in the same type; NaN, infinities, zeros and denormals come
out as IEEE 754 has them.

    exp      x = n ln 2 + r, |r| <= ln(2)/2:    e^x = 2^n (1 + r + r^2 q(r))
    log      x = 2^k m, m in [sqrt(1/2), sqrt 2):  log x = k ln 2 + log m,
             log m = 2 atanh s = 2 s + s^3 (2/3 + 2/5 s^2 + ...),  s = (m - 1) / (m + 1)

q and the bracket are interpolated at Chebyshev nodes in 60 digits: relative errors of 1.7e-17 and 4e-18 in float64,
1e-8 and 2e-11 in float32, below rounding. The reductions follow Cody and Waite, Software Manual for the Elementary
Functions, 1980.

Outside kernels, and with `NUMBA_DISABLE_JIT=1`, each is the NumPy function of that name.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic, overload, register_jitable

# Rounding steps below depend on the order of operations, so these functions allow fused multiply-add alone,
# whatever the kernel that calls them allows itself.
EXACT = {"error_model": "numpy", "boundscheck": False, "fastmath": {"contract"}, "forceinline": True}


def _singles(*values: float) -> tuple[np.float32, ...]:
    return tuple(np.float32(value) for value in values)


# --- bit casts ---------------------------------------------------------------------------------------------


def float_bits(x: Any) -> Any:
    """The bits of a float32 or float64 as uint32 or uint64."""
    return np.float32(x).view(np.uint32) if isinstance(x, np.float32) else np.float64(x).view(np.uint64)


def bits_float(u: Any) -> Any:
    """The float whose bits are a 32- or 64-bit integer."""
    if isinstance(u, (np.uint32, np.int32)):
        return u.view(np.float32)
    return np.uint64(int(u) & 0xFFFFFFFFFFFFFFFF).view(np.float64)


CASTS = {
    types.float32: types.uint32,
    types.float64: types.uint64,
    types.uint32: types.float32,
    types.int32: types.float32,
    types.uint64: types.float64,
    types.int64: types.float64,
}


@intrinsic
def _cast(context: Any, value: Any) -> Any:
    if value not in CASTS:
        return None

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.bitcast(arguments[0], context.get_value_type(signature.return_type))

    return CASTS[value](value), generate


@overload(float_bits, jit_options=EXACT)
def _float_bits(x: Any) -> Any:
    def cast(x: Any) -> Any:
        return _cast(x)

    return cast if isinstance(x, types.Float) else None


@overload(bits_float, jit_options=EXACT)
def _bits_float(u: Any) -> Any:
    def cast(u: Any) -> Any:
        return _cast(u)

    return cast if isinstance(u, types.Integer) else None


# --- prefetch ----------------------------------------------------------------------------------------------


def prefetch(array: Any, index: Any) -> None:
    """Ask the processor to load `array[index]` (the row's first element in two dimensions) into its caches.

    Worth it where addresses come from an index array: a histogram over a subset of rows went from 0.87 to 0.39 ns
    an update. An index past the end does no harm.
    """


@intrinsic
def _prefetch(context: Any, array: Any, index: Any) -> Any:
    if not isinstance(array, types.Array) or not isinstance(index, types.Integer):
        return None

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        array_type, index_type = signature.args
        view = context.make_array(array_type)(context, builder, arguments[0])
        row = context.cast(builder, arguments[1], index_type, types.intp)
        zero = context.get_constant(types.intp, 0)
        place = cgutils.get_item_pointer(
            context, builder, array_type, view, [row] + [zero] * (array_type.ndim - 1), wraparound=False
        )
        byte, flag = ir.IntType(8).as_pointer(), ir.IntType(32)
        kind = ir.FunctionType(ir.VoidType(), [byte, flag, flag, flag])
        function = cgutils.get_or_insert_function(builder.module, kind, "llvm.prefetch.p0")
        read, keep, data = (ir.Constant(flag, value) for value in (0, 3, 1))
        builder.call(function, [builder.bitcast(place, byte), read, keep, data])
        return context.get_dummy_value()

    return types.void(array, index), generate


@overload(prefetch, jit_options=EXACT)
def _prefetch_overload(array: Any, index: Any) -> Any:
    def ask(array: Any, index: Any) -> None:
        _prefetch(array, index)

    return ask


# --- exp ---------------------------------------------------------------------------------------------------


def exp(x: Any) -> Any:
    """e^x, within 1.2 ulp: inf above 709.78 (float32: 88.72), 0 below -708.39 (-87.33).

    What would be a denormal is 0: processors take 100 times as long over a denormal, and a kernel exp(-gamma d^2)
    of distant points is full of them.
    """
    with np.errstate(all="ignore"):
        return np.exp(x)


# Adding 1.5 * 2^52 rounds to an integer n and leaves it in the low bits; shifted by 52 and added to the bits of a
# float these multiply it by 2^n. Unlike a conversion to int64 this vectorises without AVX-512.
LOG2_E = 1.4426950408889634
LN2_HIGH, LN2_LOW = 6.93147180369123816490e-01, 1.90821492927058770002e-10  # the high part times n is exact
ROUND, SHIFT = 1.5 * 2.0**52, np.uint64(52)
EXP_LEAST, EXP_MOST = -708.3964, 709.782712893384
E0, E1, E2, E3, E4, E5, E6, E7, E8, E9 = (
    0.5, 0.16666666666666669, 0.04166666666662413, 0.008333333333330062, 0.0013888888917213717,
    0.00019841269863053618, 2.4801521295954376e-05, 2.7557268459997064e-06, 2.7620088445409746e-07,
    2.510038549551032e-08,
)  # fmt: skip


def _exp64(x: Any) -> Any:
    z = x * LOG2_E + ROUND
    n = z - ROUND
    r = (x - n * LN2_HIGH) - n * LN2_LOW
    q = E6 + r * (E7 + r * (E8 + r * E9))
    q = E0 + r * (E1 + r * (E2 + r * (E3 + r * (E4 + r * (E5 + r * q)))))
    p = (r * r * q + r) + 1.0
    y = bits_float(float_bits(p) + (float_bits(z) << SHIFT))
    y = 0.0 if x < EXP_LEAST else y
    return y if x <= EXP_MOST else x * math.inf  # NaN stays NaN


LOG2_E_F, LN2_HIGH_F, LN2_LOW_F = _singles(LOG2_E, 0.693359375, -2.12194440e-4)
ROUND_F, SHIFT_F = np.float32(1.5 * 2**23), np.uint32(23)
EXP_LEAST_F, EXP_MOST_F, ZERO_F, ONE_F, HALF_F, TWO_F, INF_F = _singles(
    -87.3365, 88.72283, 0, 1, 0.5, 2, math.inf
)
E0_F, E1_F, E2_F, E3_F, E4_F = _singles(
    0.5, 0.16666576989698775, 0.041666554617204574, 0.008363179052722578, 0.0013926183587713494
)


def _exp32(x: Any) -> Any:
    z = x * LOG2_E_F + ROUND_F
    n = z - ROUND_F
    r = (x - n * LN2_HIGH_F) - n * LN2_LOW_F
    q = E0_F + r * (E1_F + r * (E2_F + r * (E3_F + r * E4_F)))
    p = (r * r * q + r) + ONE_F
    # Numba widens the sum of 32-bit integers to 64 bits; cut it back.
    y = bits_float(np.uint32(float_bits(p) + (float_bits(z) << SHIFT_F)))
    y = ZERO_F if x < EXP_LEAST_F else y
    return y if x <= EXP_MOST_F else x * INF_F


@overload(exp, jit_options=EXACT)
def _exp(x: Any) -> Any:
    return _for_type(x, _exp32, _exp64)


def _for_type(x: Any, single: Any, double: Any) -> Any:
    if x == types.float32:
        return single
    return double if x == types.float64 or isinstance(x, (types.Integer, types.Boolean)) else None


# --- log ---------------------------------------------------------------------------------------------------


def log(x: Any) -> Any:
    """Natural logarithm, within 1 ulp; -inf at 0, NaN below, denormals exact as any other number."""
    with np.errstate(all="ignore"):
        return np.log(x)


TINY, UPSCALE, UPSCALE_LOG2 = 2.0**-1022, 2.0**54, 54.0
# Adding this to the bits moves sqrt(1/2) to a power of two: above bit 52 stands k + 1023.
TO_POWER = np.uint64(0x3FF0000000000000 - 0x3FE6A09E667F3BCD)
MANTISSA, ROOT_HALF = np.uint64(0x000FFFFFFFFFFFFF), np.uint64(0x3FE6A09E667F3BCD)
# The float with these high bits and an integer i in the low ones is 2^52 + i.
INTEGER, INTEGER_BIASED = np.uint64(0x4330000000000000), 2.0**52 + 1023.0
L0, L1, L2, L3, L4, L5, L6 = (
    0.666666666666667, 0.3999999999989938, 0.28571428626031065, 0.22222211125723262, 0.1818288978615799,
    0.15331699634642276, 0.146167211662876,
)  # fmt: skip


@register_jitable(**EXACT)
def _log_of_parts64(k: Any, f: Any) -> Any:
    """k ln 2 + log(1 + f) for f in [sqrt(1/2) - 1, sqrt 2 - 1], summed from small to large."""
    s = f / (2.0 + f)
    z = s * s
    tail = z * (L0 + z * (L1 + z * (L2 + z * (L3 + z * (L4 + z * (L5 + z * L6))))))
    square = 0.5 * f * f
    return k * LN2_HIGH - ((square - (s * (square + tail) + k * LN2_LOW)) - f)


def _log64(x: Any) -> Any:
    x = x * 1.0
    small = x < TINY
    bits = float_bits(x * UPSCALE if small else x) + TO_POWER
    k = bits_float((bits >> SHIFT) | INTEGER) - INTEGER_BIASED
    k = k - UPSCALE_LOG2 if small else k
    y = _log_of_parts64(k, bits_float((bits & MANTISSA) + ROOT_HALF) - 1.0)
    y = x if x == math.inf else y
    y = -math.inf if x == 0.0 else y
    return y if x >= 0.0 else math.nan


TINY_F, UPSCALE_F, UPSCALE_LOG2_F, NAN_F = _singles(2**-126, 2**25, 25, math.nan)
TO_POWER_F = np.uint32(0x3F800000 - 0x3F3504F3)
MANTISSA_F, ROOT_HALF_F = np.uint32(0x007FFFFF), np.uint32(0x3F3504F3)
INTEGER_F, INTEGER_BIASED_F = np.uint32(0x4B000000), np.float32(2**23 + 127)
LOG_HIGH_F, LOG_LOW_F = _singles(0.693138122558594, 9.05800061445916e-06)
L0_F, L1_F, L2_F, L3_F = _singles(
    0.6666666655440618, 0.4000012191414556, 0.28550812383011837, 0.23330696660983466
)


@register_jitable(**EXACT)
def _log_of_parts32(k: Any, f: Any) -> Any:
    s = f / (TWO_F + f)
    z = s * s
    tail = z * (L0_F + z * (L1_F + z * (L2_F + z * L3_F)))
    square = HALF_F * f * f
    return k * LOG_HIGH_F - ((square - (s * (square + tail) + k * LOG_LOW_F)) - f)


def _log32(x: Any) -> Any:
    small = x < TINY_F
    bits = np.uint32(float_bits(x * UPSCALE_F if small else x) + TO_POWER_F)
    k = bits_float(np.uint32((bits >> SHIFT_F) | INTEGER_F)) - INTEGER_BIASED_F
    k = k - UPSCALE_LOG2_F if small else k
    y = _log_of_parts32(k, bits_float(np.uint32((bits & MANTISSA_F) + ROOT_HALF_F)) - ONE_F)
    y = x if x == INF_F else y
    y = -INF_F if x == ZERO_F else y
    return y if x >= ZERO_F else NAN_F


@overload(log, jit_options=EXACT)
def _log(x: Any) -> Any:
    return _for_type(x, _log32, _log64)


# --- from exp and log --------------------------------------------------------------------------------------


def log1p(x: Any) -> Any:
    """log(1 + x) without loss for small x; -inf at -1, NaN below."""
    with np.errstate(all="ignore"):
        return np.log1p(x)


def _log1p64(x: Any) -> Any:
    # What 1 + x loses in rounding to u comes back to first order: log(1 + x) = log(u) + (1 + x - u) / u.
    u = 1.0 + x
    y = log(u)
    back = (x - (u - 1.0)) / u
    return y + back if abs(y) < math.inf else y


def _log1p32(x: Any) -> Any:
    u = ONE_F + x
    y = log(u)
    back = (x - (u - ONE_F)) / u
    return y + back if abs(y) < INF_F else y


@overload(log1p, jit_options=EXACT)
def _log1p(x: Any) -> Any:
    return _for_type(x, _log1p32, _log1p64)


def expit(x: Any) -> Any:
    """The logistic function 1 / (1 + e^-x), without overflow at either end."""
    with np.errstate(all="ignore"):
        e = np.exp(-abs(x))
        return (e if x < 0 else type(e)(1)) / (type(e)(1) + e)


def _expit64(x: Any) -> Any:
    e = exp(-abs(x))
    return (e if x < 0.0 else 1.0) / (1.0 + e)


def _expit32(x: Any) -> Any:
    e = exp(-abs(x))
    return (e if x < ZERO_F else ONE_F) / (ONE_F + e)


@overload(expit, jit_options=EXACT)
def _expit(x: Any) -> Any:
    return _for_type(x, _expit32, _expit64)


def log1pexp(x: Any) -> Any:
    """log(1 + e^x), the softplus: what the log loss of a margin -x is; without overflow."""
    with np.errstate(all="ignore"):
        return np.logaddexp(type(x)(0), x)


ROOT_LESS_1, ROOT_LESS_1_F = math.sqrt(2.0) - 1.0, np.float32(math.sqrt(2.0) - 1.0)


def _log1pexp64(x: Any) -> Any:
    # For e in [0, 1] the parts of 1 + e come without rounding 1 + e, and with one division instead of log1p's two.
    e = exp(-abs(x))
    high = e > ROOT_LESS_1
    y = _log_of_parts64(1.0 if high else 0.0, (e - 1.0) * 0.5 if high else e)
    return (x if x > 0.0 else 0.0) + y


def _log1pexp32(x: Any) -> Any:
    e = exp(-abs(x))
    high = e > ROOT_LESS_1_F
    y = _log_of_parts32(ONE_F if high else ZERO_F, (e - ONE_F) * HALF_F if high else e)
    return (x if x > ZERO_F else ZERO_F) + y


@overload(log1pexp, jit_options=EXACT)
def _log1pexp(x: Any) -> Any:
    return _for_type(x, _log1pexp32, _log1pexp64)
