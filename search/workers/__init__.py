"""Workers: where trainings run, each on a device of its own."""
