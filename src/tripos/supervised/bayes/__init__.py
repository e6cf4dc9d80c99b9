"""Naive Bayes: a density per class and feature, combined by Bayes' rule as if features were independent."""
