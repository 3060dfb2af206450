"""The command line: a thin shell around `cellbox` and `search`."""
