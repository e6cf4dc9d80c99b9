"""What is minimised: a loss of the scores plus a penalty on the coefficients.

    F(w, b) = 1/W sum_i s_i L(y_i, x_i.w + b) + R(w),        W = sum_i s_i

`losses` and `penalties` hold L and R with their derivatives, each written once; `rows` evaluates the sum over
a block of rows in one read; `risk` adds the blocks up. Networks and boosting use the same losses.
"""
