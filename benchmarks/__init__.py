"""Side by side with the peers, and against the truth; every table prints its own settings."""
