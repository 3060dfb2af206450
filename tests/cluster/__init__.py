"""A cluster of real processes on this machine: PostgreSQL, MLflow's server, and nodes of Ray."""
