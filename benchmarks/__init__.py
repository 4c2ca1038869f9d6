"""What the README claims, measured: each figure beside its alternative, in one run, in turn."""
