"""Proposals: which settings to try next, and which trials to end early."""
