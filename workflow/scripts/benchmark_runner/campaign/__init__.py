"""The campaign that a configuration describes: engines, identities, launches and their order."""
