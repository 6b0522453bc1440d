"""Runnable examples: ``python -m reference_impls.examples.apple_and_orange_shop``."""
