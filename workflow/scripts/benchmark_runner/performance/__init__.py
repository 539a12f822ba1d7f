"""From verdicts to an answer: headline figures, ranking, phases of a request, memory."""
