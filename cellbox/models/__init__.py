"""Models: what training leaves behind, alone or as an ensemble, on disk and in pictures."""
