"""Layers with a hand-written backward pass, all on one protocol.

``forward(*inputs)`` computes the output; ``backward(cotangent)`` takes the derivative of some scalar with
respect to that output and returns its derivative with respect to the inputs. Parameters live in ``params``,
and after ``backward`` their gradients lie in ``grads``. ``Layer`` says what every layer promises.
"""

from reference_impls.layers.activations import ReLU, Sigmoid
from reference_impls.layers.affine import Affine
from reference_impls.layers.arithmetic import Add, Mul
from reference_impls.layers.layer import Layer
from reference_impls.layers.losses import BCELoss, MSELoss, SoftmaxWithLoss

__all__ = ["Add", "Affine", "BCELoss", "Layer", "MSELoss", "Mul", "ReLU", "Sigmoid", "SoftmaxWithLoss"]
