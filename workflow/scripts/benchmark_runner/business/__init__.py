"""What it costs to run each engine, from what was measured and from dated prices; what is not known stays unknown."""
