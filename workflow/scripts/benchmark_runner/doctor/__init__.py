"""What this machine lets us measure, what it lacks, what that costs a result and how to get it.

Each module judges what the readers of the launch, the monitor and environment.json found; none reads a sensor itself.
"""
