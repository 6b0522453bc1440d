"""How do gradients change the parameters? SGD with momentum, RMSProp, Adam, AdamW, with torch's conventions.

``optimizer = Adam(network.params)``, then ``optimizer.step(network.grads)`` after every backward. Names, defaults and
the order of operations are those of ``torch.optim``, so that the same gradients make the same steps, up to rounding.
"""

from reference_impls.optimizers.adam import Adam, AdamW
from reference_impls.optimizers.optimizer import Optimizer
from reference_impls.optimizers.rmsprop import RMSProp
from reference_impls.optimizers.sgd import SGD

__all__ = ["SGD", "Adam", "AdamW", "Optimizer", "RMSProp"]
