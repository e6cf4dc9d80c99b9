"""Where rows lie densely: estimates of a probability density."""
