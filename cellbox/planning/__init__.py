"""Planning: what to measure next, or first, and what it is expected to tell."""
