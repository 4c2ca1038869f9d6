"""Settings: the schema of every file, the mistakes found in them, and the mount table they make."""
