"""Planted bugs, each beside the code that it was made from; and right torch functions that must not be flagged.

A mutant is a pair of subjects at the same random point that differ in the planted bug alone.
"""

from tests.mutants.functions import FUNCTIONS
from tests.mutants.planting import Mutant
from tests.mutants.reference_edits import REFERENCE_EDITS
from tests.mutants.right_torch import RIGHT, Right
from tests.mutants.stateful import STATEFUL
from tests.mutants.torch_functions import TORCH

MUTANTS: tuple[Mutant, ...] = (*REFERENCE_EDITS, *STATEFUL, *FUNCTIONS, *TORCH)

__all__ = ["MUTANTS", "RIGHT", "Mutant", "Right"]
