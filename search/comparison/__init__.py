"""Comparing CellBox with simpler models, split by split; and two results with each other."""
