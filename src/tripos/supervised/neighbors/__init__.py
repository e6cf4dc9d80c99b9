"""Learners that remember their rows and ask those nearest to a new one."""
