"""Linear models: a loss, a penalty and a solver each, put together from `objective` and `optimization`."""
