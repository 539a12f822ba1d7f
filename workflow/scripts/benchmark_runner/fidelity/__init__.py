"""Does an engine compute the same model? Its greedy ids against those of a reference in 32-bit arithmetic.

compare holds the judgement; probe runs an adapter on the prompts; reference and check are the two commands.
"""
