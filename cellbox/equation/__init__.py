"""Eq. 1: its solution, its gradient, and the check that both are right."""
