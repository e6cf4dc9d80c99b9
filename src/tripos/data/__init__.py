"""Experience E: tables are read, typed, profiled, split and encoded here.

`read_table` and `Schema` take a table in; `profile` looks at it; `split` and `Encoder` bring it to a learner.
Import the names from `tripos`: this package itself imports nothing heavy.
"""
