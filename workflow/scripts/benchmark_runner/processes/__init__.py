"""Processes of an engine: started, watched, found and ended."""
