"""Drives the program `chat` of lm.rs from outside: what it reads, what it writes, when, and how it ends."""
