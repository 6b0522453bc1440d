"""The networks as fast as NumPy goes, derived from the readable ones step by step.

``FastMLP(network)`` shares the parameters of ``network``, a ``reference_impls.networks.MLP``, and computes the same
loss and gradients up to rounding; ``InPlaceSGD`` is ``SGD`` to the last bit.
"""

from reference_impls.fast.lenet import FastLeNet
from reference_impls.fast.mlp import FastMLP
from reference_impls.fast.sgd import InPlaceSGD
from reference_impls.fast.sparse_affine import seldom_zero_first

__all__ = ["FastLeNet", "FastMLP", "InPlaceSGD", "seldom_zero_first"]
