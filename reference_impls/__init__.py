"""Readable NumPy layers and small networks with hand-written backward passes.

Maths on top, code below: every class states its formula and the derivative that its ``backward`` computes.

- ``reference_impls.layers``: arithmetic, activations, affine, convolution, pooling, norms, dropout, embedding,
  softmax, losses
- ``reference_impls.networks``: MLP, XORNet
- ``reference_impls.optimizers``: SGD
- ``reference_impls.datasets``: the data they learn
- ``reference_impls.examples``: runnable examples
"""
