"""Baselines: predictions that look at no feature. What a learner must beat before it has learned anything."""
