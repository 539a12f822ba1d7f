"""The model under test: its files, its identity, and prompts as its token ids."""
