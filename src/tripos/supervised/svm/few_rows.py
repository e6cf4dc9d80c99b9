"""Decisions of a few rows in one call of a kernel: what Python does around a sum of microseconds would take longer.

f(x) = sum_v coef_v k(x, v) + b for each machine. All that a machine keeps lies in one table, since each array that is
handed to a kernel costs a tenth of a microsecond.
"""

from __future__ import annotations

import numpy as np

from tripos.compute import kernel
from tripos.supervised.svm.kernels import row_of_dots

STRIP = 512  # support vectors worked off at a time


@kernel
def values_of(x, table, code, gamma, coef0, degree, values):  # type: ignore[no-untyped-def]
    """values_v = k(x, v); returns 0, or NaN where x is not finite.

    The table has the support vectors as columns: features times strips of them vectorise, where a dot product of a short
    row is mostly its last sum. The row below the features is |v|^2.
    """
    zero, n, p = x.dtype.type(0), values.size, x.size
    filled, count = np.empty(p, np.int64), 0  # zeros cost nothing
    square, finite = zero, zero
    for j in range(p):
        square += x[j] * x[j]
        finite += x[j] * zero
        if x[j] != zero:
            filled[count] = j
            count += 1
    whole = count - count % 4
    for start in range(0, n, STRIP):
        end = min(start + STRIP, n)
        row = values[start:end]
        for v in range(row.size):
            row[v] = zero
        for k in range(0, whole, 4):
            j0, j1, j2, j3 = filled[k], filled[k + 1], filled[k + 2], filled[k + 3]
            x0, x1, x2, x3 = x[j0], x[j1], x[j2], x[j3]
            a, b, c, d = (
                table[j0, start:end],
                table[j1, start:end],
                table[j2, start:end],
                table[j3, start:end],
            )
            for v in range(row.size):
                row[v] += x0 * a[v] + x1 * b[v] + x2 * c[v] + x3 * d[v]
        for k in range(whole, count):
            xj, a = x[filled[k]], table[filled[k], start:end]
            for v in range(row.size):
                row[v] += xj * a[v]
        row_of_dots(row, square, table[p, start:end], code, gamma, coef0, degree)
    return np.float64(finite)


@kernel
def decide(values, table, p, starts, intercept, finite, sums, out):  # type: ignore[no-untyped-def]
    """out_m = f_m from kernel values; the coefficients begin below row p of the table. Says whether all are finite."""
    n_groups, n_coefs = sums.shape
    for g in range(n_groups):
        part = values[starts[g] : starts[g + 1]]
        for k in range(n_coefs):
            coef, total = table[p + 1 + k, starts[g] : starts[g + 1]], finite
            for v in range(part.size):
                total += np.float64(coef[v]) * np.float64(part[v])
            sums[g, k] = total
    machine = 0
    if n_groups == 1:
        for k in range(n_coefs):
            out[k] = sums[0, k] + intercept[k]
    else:
        for i in range(n_groups):
            for j in range(i + 1, n_groups):
                out[machine] = sums[i, j - 1] + sums[j, i] + intercept[machine]
                machine += 1
    sound = True
    for m in range(out.size):
        sound &= abs(out[m]) < np.inf
    return sound


@kernel("F[:, ::1], F[:, ::1], i8[::1], f8[::1], i8, F, F, i8, f8[:, ::1]")
def few_decisions(X, table, starts, intercept, code, gamma, coef0, degree, out):  # type: ignore[no-untyped-def]
    """out[r, m] = f_m(x_r), for one group of support vectors, for two classes, or for pairs of more; says whether all
    are finite.

    Below the features and |v|^2 the table holds the coefficients: row k of group g is that of g's pair with class k
    (k < g) or k + 1, as libsvm keeps them. With one group each row is a machine of its own, with two there is one machine.
    """
    p = X.shape[1]
    values, sums = np.empty(table.shape[1], X.dtype), np.empty((starts.size - 1, table.shape[0] - p - 1))
    sound = True
    for r in range(X.shape[0]):
        finite = values_of(X[r], table, code, gamma, coef0, degree, values)
        sound &= decide(values, table, p, starts, intercept, finite, sums, out[r])
    return sound


@kernel(
    "F[::1], i4[::1], i4[::1], F[::1], i4[::1], i4[::1], F[:, ::1], i8[::1], f8[::1], i8, F, F, i8, f8[:, ::1]"
)
def few_stored_decisions(  # type: ignore[no-untyped-def]
    data, indices, indptr, V_data, V_rows, V_starts, table, starts, intercept, code, gamma, coef0, degree, out
):
    """The same of CSR rows, with the support vectors by columns (CSC) and a table without the features. False as well
    where a row names a column twice, is not in order, or points outside: others look closer."""
    values, sums = np.empty(table.shape[1], data.dtype), np.empty((starts.size - 1, table.shape[0] - 1))
    zero, width = data.dtype.type(0), np.uint64(V_starts.size - 1)
    sound = True
    for r in range(out.shape[0]):
        if indptr[r] < 0 or indptr[r + 1] > min(data.size, indices.size):
            return False
        for v in range(values.size):
            values[v] = zero
        square, finite, before = zero, zero, np.int64(-1)
        for t in range(indptr[r], indptr[r + 1]):
            j, x = np.uint64(indices[t]), data[t]
            if j >= width or np.int64(j) <= before:
                return False
            before = np.int64(j)
            square += x * x
            finite += x * zero
            for s in range(V_starts[j], V_starts[j + np.uint64(1)]):
                values[np.uint64(V_rows[s])] += x * V_data[s]
        row_of_dots(values, square, table[0], code, gamma, coef0, degree)
        sound &= decide(values, table, 0, starts, intercept, np.float64(finite), sums, out[r])
    return sound


@kernel("f8[:, ::1], i8, i8[::1]")
def most_votes(decisions, n_classes, codes):  # type: ignore[no-untyped-def]
    """The class that wins most of its pairs, the first of those that tie; two classes: the second where f > 0."""
    votes = np.zeros(n_classes, np.int64)
    for r in range(decisions.shape[0]):
        if n_classes == 2:
            codes[r] = 1 if decisions[r, 0] > 0.0 else 0
            continue
        for k in range(n_classes):
            votes[k] = 0
        machine = 0
        for i in range(n_classes):
            for j in range(i + 1, n_classes):
                votes[i if decisions[r, machine] > 0.0 else j] += 1
                machine += 1
        best = 0
        for k in range(n_classes):
            best = k if votes[k] > votes[best] else best
        codes[r] = best
