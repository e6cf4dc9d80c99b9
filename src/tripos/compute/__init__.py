"""How work gets done, and no machine learning: compiled kernels, threads, blocks of rows, partial-and-merge,
memory and time budget, random streams.

`kernel` is the one place with Numba's settings; Numba itself is imported when the first kernel is declared, so
that `import tripos.compute` stays cheap.
"""

from tripos.compute.kernel import kernel

__all__ = ["kernel"]
