"""Half the product of a matrix with itself, from inside a kernel.

    C <- C + Z'Z,   or   C <- C + Z Z',        its lower triangle alone

is BLAS's `syrk`. Numba's `np.dot` takes `gemm` for it, which computes the upper triangle as well: 222 against 142 ns a
row of 52 columns, 740 against 400 of 102 (one thread). The symbol is known to LLVM by name, as those that Numba calls
are, so that a kernel that calls it is kept in the cache like any other.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from llvmlite import binding, ir
from numba import types
from numba.core import cgutils
from numba.extending import get_cython_function_address, intrinsic, overload

from tripos.compute.intrinsics import EXACT
from tripos.compute.kernel import kernel

ROUTINES = {types.float32: "ssyrk", types.float64: "dsyrk"}

for _name in ROUTINES.values():  # before a kernel comes out of the cache, which asks for it by this name
    binding.add_symbol(f"tripos_{_name}", get_cython_function_address("scipy.linalg.cython_blas", _name))


def add_half_product(Z: Any, C: Any) -> None:
    """C <- C + Z'Z in the lower triangle of C, the rest of which is left alone; float32 rows are added to float64 sums.

    Both in C's order.
    """
    lower = np.tril_indices(len(C))
    C[lower] += (Z.T @ Z)[lower]


def add_half_outer(Z: Any, C: Any) -> None:
    """C <- C + Z Z' in the lower triangle of C: the products of Z's rows with one another.

    Both in C's order and in one precision.
    """
    lower = np.tril_indices(len(C))
    C[lower] += (Z @ Z.T)[lower]


def _generator(Z: Any, C: Any, kept: Any, *, across: bool) -> Any:
    """The call of `syrk` for Z'Z, or for Z Z' where `across`; None for types it is not for."""
    if not (Z.dtype in ROUTINES and Z.dtype == C.dtype and Z.layout == C.layout == "C"):
        return None

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        z_type, c_type, kept_type = signature.args
        z = context.make_array(z_type)(context, builder, arguments[0])
        c = context.make_array(c_type)(context, builder, arguments[1])
        real, whole, letter = context.get_value_type(z_type.dtype), ir.IntType(32), ir.IntType(8)
        rows, columns = (builder.trunc(n, whole) for n in cgutils.unpack_tuple(builder, z.shape, 2))
        order, depth = (rows, columns) if across else (columns, rows)
        scalars = [
            ir.Constant(letter, ord("U")),  # Fortran reads C by columns: its upper triangle is our lower one
            ir.Constant(letter, ord("T" if across else "N")),
            order,
            depth,
            ir.Constant(real, 1.0),
            columns,
            context.cast(builder, arguments[2], kept_type, z_type.dtype),
        ]
        places = []
        for value in scalars:
            place = cgutils.alloca_once(builder, value.type)
            builder.store(value, place)
            places.append(place)
        uplo, trans, n, k, one, lead, beta = places
        given = [uplo, trans, n, k, one, z.data, lead, beta, c.data, n]
        kind = ir.FunctionType(ir.VoidType(), [value.type for value in given])
        name = f"tripos_{ROUTINES[z_type.dtype]}"
        builder.call(cgutils.get_or_insert_function(builder.module, kind, name), given)
        return context.get_dummy_value()

    return types.void(Z, C, kept), generate


@intrinsic
def _syrk(context: Any, Z: Any, C: Any, kept: Any) -> Any:
    return _generator(Z, C, kept, across=False)


@intrinsic
def _syrk_across(context: Any, Z: Any, C: Any, kept: Any) -> Any:
    return _generator(Z, C, kept, across=True)


@overload(add_half_outer, jit_options=EXACT)
def _add_half_outer(Z: Any, C: Any) -> Any:
    def add(Z: Any, C: Any) -> None:
        _syrk_across(Z, C, 1.0)

    return add


@overload(add_half_product, jit_options=EXACT)
def _add_half_product(Z: Any, C: Any) -> Any:
    def add(Z: Any, C: Any) -> None:
        _syrk(Z, C, 1.0)

    def add_converted(Z: Any, C: Any) -> None:
        product = np.empty(C.shape, Z.dtype)
        _syrk(Z, product, 0.0)
        for j in range(C.shape[0]):
            for l in range(j + 1):
                C[j, l] += product[j, l]

    return add if Z.dtype == C.dtype else add_converted


@kernel
def mirror_lower(C):  # type: ignore[no-untyped-def]
    """The upper triangle of C as the lower one is."""
    for j in range(C.shape[0]):
        for l in range(j):
            C[l, j] = C[j, l]
