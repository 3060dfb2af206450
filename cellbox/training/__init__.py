"""Training: from data and settings to a model."""
