"""Users: who there is, how they are stored, and what their names and passwords may be."""
