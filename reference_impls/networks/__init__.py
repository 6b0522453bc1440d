"""Small networks of the reference layers, themselves on the layers' protocol."""

from reference_impls.networks.lenet import LeNet
from reference_impls.networks.mlp import MLP, SimpleNet
from reference_impls.networks.xor import XORNet

__all__ = ["MLP", "LeNet", "SimpleNet", "XORNet"]
