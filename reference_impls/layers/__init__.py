"""Layers with a hand-written backward pass, all on one protocol.

``forward(*inputs)`` computes the output; ``backward(cotangent)`` takes the derivative of some scalar with
respect to that output and returns its derivative with respect to the inputs. Parameters live in ``params``,
and after ``backward`` their gradients lie in ``grads``. ``Layer`` says what every layer promises.
"""

from reference_impls.layers.activations import LeakyReLU, ReLU, Sigmoid, Tanh
from reference_impls.layers.affine import Affine
from reference_impls.layers.arithmetic import Add, Mul
from reference_impls.layers.convolution import Conv2d
from reference_impls.layers.dropout import Dropout
from reference_impls.layers.embedding import Embedding
from reference_impls.layers.flatten import Flatten
from reference_impls.layers.layer import Layer
from reference_impls.layers.losses import BCELoss, BCEWithLogitsLoss, MSELoss, SoftmaxWithLoss
from reference_impls.layers.normalization import BatchNorm1d, BatchNorm2d, LayerNorm
from reference_impls.layers.pooling import AvgPool2d, MaxPool2d
from reference_impls.layers.softmax import LogSoftmax, Softmax

__all__ = [
    "Add",
    "Affine",
    "AvgPool2d",
    "BCELoss",
    "BCEWithLogitsLoss",
    "BatchNorm1d",
    "BatchNorm2d",
    "Conv2d",
    "Dropout",
    "Embedding",
    "Flatten",
    "Layer",
    "LayerNorm",
    "LeakyReLU",
    "LogSoftmax",
    "MSELoss",
    "MaxPool2d",
    "Mul",
    "ReLU",
    "Sigmoid",
    "Softmax",
    "SoftmaxWithLoss",
    "Tanh",
]
