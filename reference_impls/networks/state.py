"""What are a network's arrays called in torch, and how do they lie there?

A chain of layers corresponds to a ``torch.nn.Sequential`` of as many modules, whose state is named "3.weight": the
position of the module and the name of its array. An affine layer computes ``x @ W`` and torch ``x @ weight.T``, so
its W is torch's weight transposed; all other arrays lie alike.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from reference_impls.layers import Affine
from reference_impls.layers.arguments import float_array, same_dtype
from reference_impls.layers.layer import Array

if TYPE_CHECKING:
    from reference_impls.networks.network import ChainedLayer

TORCH_NAMES = {"W": "weight", "b": "bias", "gamma": "weight", "beta": "bias"}


def torch_state(layers: "Sequence[ChainedLayer]") -> dict[str, Array]:
    """Return copies of all parameters and buffers, in C order, under torch's names and in torch's layout."""
    return {name: np.array(array, order="C") for name, array in _in_torchs_layout(layers)}


def load_torch_state(owner: str, layers: "Sequence[ChainedLayer]", state: Mapping[str, Array]) -> None:
    """Copy ``state`` into the layers' own arrays; if this raises, none has changed.

    Raises:
        TypeError: an array is no float array of the parameter's dtype.
        ValueError: a name is missing or unknown, a shape is another, or a parameter is read-only.
    """
    own = dict(_in_torchs_layout(layers))
    if state.keys() != own.keys():
        missing, unknown = sorted(own.keys() - state.keys()), sorted(state.keys() - own.keys())
        raise ValueError(
            f"{owner}: the state lacks {missing} and names the unknown {unknown}; pass the state_dict() of such a "
            "network, or of its torch twin with each tensor as .numpy()"
        )
    for name, array in own.items():
        new = float_array(owner, f"state[{name!r}]", state[name])
        if new.shape != array.shape:
            raise ValueError(
                f"{owner}: state[{name!r}] has shape {new.shape}, torch's layout of the parameter is {array.shape}; "
                "pass the state of a network of the same sizes"
            )
        same_dtype(owner, f"state[{name!r}]", new, "the parameter", array)
        if not array.flags.writeable:
            raise ValueError(f"{owner}: the array of {name!r} is read-only; make the network from writable copies")
    for name, array in own.items():
        array[...] = state[name]


def _in_torchs_layout(layers: "Sequence[ChainedLayer]") -> Iterator[tuple[str, Array]]:
    """Every array of the layers as a view in torch's layout, with its name there."""
    for position, layer in enumerate(layers):
        for name, array in {**layer.params, **layer.buffers}.items():
            transposed = isinstance(layer, Affine) and name == "W"
            yield f"{position}.{TORCH_NAMES.get(name, name)}", array.T if transposed else array
