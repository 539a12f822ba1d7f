"""One launch: a fresh engine process, watched, ended and recorded."""
