"""Running trainings somewhere: in this process, or by Ray actors that each own a device."""
