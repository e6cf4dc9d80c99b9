"""Supervised learning: from pairs (x, y) to a function that predicts y."""
