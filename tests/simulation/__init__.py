"""Sweeps in a world that goes wrong: seeded histories whose end must be the undisturbed study."""
