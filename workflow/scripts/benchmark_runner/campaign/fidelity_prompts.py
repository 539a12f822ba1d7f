"""The texts on which engines are compared with the reference when the configuration names none."""

from __future__ import annotations

from typing import Final

DEFAULT_PROMPTS: Final = (
    "Hello",
    "The capital of France is",
    "Write a short story about AI",
    "def fibonacci(n):\n    ",
    "SELECT name, COUNT(*) FROM orders WHERE",
    "Les énergies renouvelables sont",
    "Die Geschwindigkeit des Lichts beträgt",
    "人工知能とは",
    "1, 1, 2, 3, 5, 8, 13,",
    "Q: What is the boiling point of water at sea level?\nA:",
    '{"name": "Ada", "languages": ["',
    "Dear Sir or Madam,\n\nI am writing to you because",
)
"""A dozen: prose, code, other languages, numbers and markup, to meet the corners of tokenizer and model."""
