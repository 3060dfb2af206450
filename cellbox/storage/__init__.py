"""Files on disk: written whole or not at all, kept between runs, compiled once, read as tables."""
