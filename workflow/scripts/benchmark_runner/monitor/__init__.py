"""Samples the machine, the engine's processes and the GPU while a launch runs, as a process of its own."""
