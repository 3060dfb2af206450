"""Studies: a folder with everything a sweep knows, and its data."""
