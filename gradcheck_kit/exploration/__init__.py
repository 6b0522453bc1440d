"""Is there any input at which the backward is wrong? Property-based search, and its shrinking."""
