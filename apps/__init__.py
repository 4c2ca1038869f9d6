"""The siblings: one package for each app, none of which imports another."""
