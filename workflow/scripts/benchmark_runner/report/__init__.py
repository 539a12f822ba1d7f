"""report.html: one file that answers first, then shows what the answer rests on and what could be wrong with it."""
