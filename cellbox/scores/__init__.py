"""Scores: how well responses are predicted and a network is recovered; the simplest predictors."""
