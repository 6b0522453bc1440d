"""What the inventory lists: a hand-written backward, and where it is written."""

from dataclasses import dataclass
from enum import Enum


class Kind(Enum):
    """How a backward is made known; the value is what a person reads."""

    TORCH_FUNCTION = "autograd.Function"
    LAYER = "forward/backward"
    JAX = "jax.custom_vjp"
    TORCH_LIBRARY = "register_autograd"


@dataclass(frozen=True)
class Backward:
    """A hand-written backward.

    Attributes:
        file: relative where it lies below the working directory.
        line: of its `def`; of the registration, where the function itself is not in the files read.
        name: its qualified name, such as "Affine.backward".
        kind: how it is made known.
        abstract: whether its body does nothing but demand another one in a subclass.
        of: the operator it belongs to, where that has a name of its own.
    """

    file: str
    line: int
    name: str
    kind: Kind
    abstract: bool = False
    of: str | None = None

    @property
    def key(self) -> str:
        """As a waiver names it."""
        return f"{self.file}::{self.name}"
