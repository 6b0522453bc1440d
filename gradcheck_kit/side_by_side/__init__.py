"""Is a candidate the same computation as a reference? Asked of one pullback, and of a whole training run."""
