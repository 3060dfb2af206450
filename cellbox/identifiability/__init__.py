"""Identifiability: what a design and its data can determine of a network."""
