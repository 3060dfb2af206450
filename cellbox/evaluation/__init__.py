"""Evaluation: a model beside its baselines, on conditions it has not seen."""
