"""How strong are the tests of the reference library? Bugs are put into its source one by one: which does a test catch?

No existing tool fits. mutmut 3 forks as this does, but its operators are a fixed list without reductions, axes,
transposes and dropped terms, and it collects the tests anew for every mutant. cosmic-ray takes operators as plugins,
but starts a process for every mutant, and importing torch takes longer than the test that kills. mutatest does the
same and has stood still since Python 3.8.

Here one process imports and collects once. Every mutant is a fork of it, in which the function's code object is
replaced and the tests that call the function run, those first that killed its other mutants, then from the fastest on.
"""
