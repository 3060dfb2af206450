"""Comparing CellBox with simpler models on a folder of data, split by split."""
