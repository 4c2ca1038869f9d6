"""What the host is made of: settings, building, routing and its own pages. Not for apps."""
