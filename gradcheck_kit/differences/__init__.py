"""Numerical derivatives that come with their own error: a directional derivative in, an `Estimate` out."""
