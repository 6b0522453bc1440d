"""What is for JAX: `JaxTrainee` for `gk.train_parity`, and `plain_sgd`, an update for it."""

from gradcheck_kit.side_by_side.jax_trainee import JaxTrainee, plain_sgd

__all__ = ["JaxTrainee", "plain_sgd"]
