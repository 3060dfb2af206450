"""The paper's experiment again: known networks, simulated experiments, and what is learned of them.

`running` is the entry; `training` is one task, `worker` the process it runs in.
"""
