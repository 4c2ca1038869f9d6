"""The changes, in the order of their dates."""
