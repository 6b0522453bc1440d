"""In which dtype can a layer be asked whose arrays are its own, and do not follow what is drawn?"""

from typing import Any

import numpy as np

from gradcheck_kit.adapters.held import held_by
from gradcheck_kit.adapters.parameters import layers_inside
from gradcheck_kit.space import FORMATS


class OwnDtypeError(Exception):
    """The example has another dtype than the arrays that the target made for itself."""


def own_dtypes(layer: Any) -> frozenset[str]:
    """The dtypes of the floating-point arrays that a layer, and the layers inside it, hold before they are called."""
    found = set[str]()
    for _, owner in layers_inside(layer):
        params = getattr(owner, "params", None)
        for value in ({"params": params} if isinstance(params, dict) else held_by(owner)).values():
            items = value.values() if isinstance(value, dict) else value if isinstance(value, list | tuple) else [value]
            found |= {str(item.dtype) for item in items if isinstance(item, np.ndarray) and item.ndim}
    return frozenset(found & FORMATS.keys())
