"""The networks as fast as NumPy goes, derived from the readable ones step by step.

``FastMLP(network)`` shares the parameters of ``network``, a ``reference_impls.networks.MLP``, and computes the same
loss and gradients up to rounding; ``InPlaceSGD``, ``InPlaceAdam`` and ``InPlaceAdamW`` are ``SGD``, ``Adam`` and
``AdamW`` to the last bit.
"""

from reference_impls.fast.adam import InPlaceAdam, InPlaceAdamW
from reference_impls.fast.lenet import FastLeNet
from reference_impls.fast.mlp import FastMLP
from reference_impls.fast.seldom_zero import SeldomZeroFirst
from reference_impls.fast.sgd import InPlaceSGD

__all__ = ["FastLeNet", "FastMLP", "InPlaceAdam", "InPlaceAdamW", "InPlaceSGD", "SeldomZeroFirst"]
