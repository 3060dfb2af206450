"""Whether a machine is fit for sweeps: versions, disk, network, devices, memory, speed."""
