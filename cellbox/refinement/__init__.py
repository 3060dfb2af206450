"""Refinement: least squares with a selection of edges, and intervals for each."""
