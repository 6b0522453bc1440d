"""Small networks of the reference layers, themselves on the layers' protocol."""

from reference_impls.networks.mlp import MLP
from reference_impls.networks.xor import XORNet

__all__ = ["MLP", "XORNet"]
