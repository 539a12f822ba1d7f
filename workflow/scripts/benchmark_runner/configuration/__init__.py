"""The configuration: from what a user wrote to one complete, checked mapping."""
