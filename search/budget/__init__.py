"""Budget studies: the cheapest experiment that recovers a network, found by many simulated ones."""
