"""Which URL leads to which view: one module, and one blueprint, for each part of the console."""
