"""What apps use: errors, logging, links, neighbours."""

__version__ = "0.1.0"
