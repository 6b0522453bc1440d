"""Readable NumPy layers and small networks with hand-written backward passes.

Maths on top, code below: every class states its formula and the derivative that its ``backward`` computes.

- ``reference_impls.layers``: arithmetic, activations, affine, convolution, pooling, norms, dropout, embedding,
  softmax, losses
- ``reference_impls.networks``: MLP, SimpleNet, XORNet, LeNet
- ``reference_impls.autograd``: the same derivatives from a graph that records itself: Variable, Function
- ``reference_impls.optimizers``: SGD, RMSProp, Adam, AdamW
- ``reference_impls.datasets``: the data they learn
- ``reference_impls.examples``: runnable examples
"""
