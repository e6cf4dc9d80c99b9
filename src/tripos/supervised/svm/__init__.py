"""Kernel machines: support vector machines solved by sequential minimal optimisation."""
