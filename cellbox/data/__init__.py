"""Data: what was measured or simulated, how it is split, and the formats it is read from."""
