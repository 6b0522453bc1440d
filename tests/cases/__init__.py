"""One table of every reference layer and network, one family a file: a layer is added by adding a row."""

from tests.cases.case import KINDS, LAYOUTS, NORMAL, Array, Case, Example
from tests.cases.elementwise import ELEMENTWISE
from tests.cases.images import IMAGES
from tests.cases.losses import LOSSES
from tests.cases.networks import NETWORKS
from tests.cases.normalization import NORMALIZATION
from tests.cases.rows import ROW_LAYERS

CASES: tuple[Case, ...] = (*ELEMENTWISE, *ROW_LAYERS, *IMAGES, *NORMALIZATION, *LOSSES, *NETWORKS)

__all__ = ["CASES", "KINDS", "LAYOUTS", "NORMAL", "Array", "Case", "Example"]
