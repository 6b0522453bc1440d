"""Planted bugs, each beside the code that it was made from; and right torch functions that must not be flagged.

A mutant is a pair of subjects at the same random point that differ in the planted bug alone.
"""

from tests.mutants.functions import FUNCTIONS
from tests.mutants.graph_edits import GRAPH_EDITS
from tests.mutants.mechanisms import MECHANISMS
from tests.mutants.places import PLACES
from tests.mutants.planting import Mutant
from tests.mutants.question_adjoint import ADJOINT
from tests.mutants.question_batch import BATCH
from tests.mutants.question_contract_and_purity import CONTRACT_AND_PURITY
from tests.mutants.question_frozen_subsets import FROZEN_SUBSETS
from tests.mutants.question_layout import LAYOUT
from tests.mutants.question_linearity import LINEARITY
from tests.mutants.question_poison import POISON
from tests.mutants.question_vmap import VMAP
from tests.mutants.reference_edits import REFERENCE_EDITS
from tests.mutants.reference_images import REFERENCE_IMAGES
from tests.mutants.reference_layers import REFERENCE_LAYERS
from tests.mutants.right_layers import RIGHT_IN_FLOAT32_ALONE, RIGHT_LAYERS
from tests.mutants.right_torch import RIGHT_FUNCTIONS, Right
from tests.mutants.stale import STALE
from tests.mutants.stateful import STATEFUL
from tests.mutants.torch_functions import TORCH
from tests.mutants.values import VALUES

ONE_QUESTION_ONLY: tuple[Mutant, ...] = (
    *CONTRACT_AND_PURITY,
    *LINEARITY,
    *LAYOUT,
    *BATCH,
    *ADJOINT,
    *POISON,
    *FROZEN_SUBSETS,
    *VMAP,
)
"""Mutants that pass every question but their own."""

MUTANTS: tuple[Mutant, ...] = (
    *REFERENCE_EDITS,
    *REFERENCE_LAYERS,
    *REFERENCE_IMAGES,
    *GRAPH_EDITS,
    *STATEFUL,
    *FUNCTIONS,
    *TORCH,
    *PLACES,
    *MECHANISMS,
    *VALUES,
    *STALE,
    *ONE_QUESTION_ONLY,
)
RIGHT: tuple[Right, ...] = (*RIGHT_LAYERS, *RIGHT_FUNCTIONS)

__all__ = ["MUTANTS", "ONE_QUESTION_ONLY", "RIGHT", "RIGHT_IN_FLOAT32_ALONE", "Mutant", "Right"]
