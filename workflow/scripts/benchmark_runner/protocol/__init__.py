"""What runner and adapters say to each other."""
