"""Data sets for the reference implementations, as plain NumPy arrays. See `mnist.load`."""
