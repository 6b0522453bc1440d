"""Every hand-written backward below some paths. The source is parsed; nothing of it runs."""

from collections.abc import Sequence
from pathlib import Path

from gradcheck_kit.inventory.backward import Backward
from gradcheck_kit.inventory.classes import backwards_of_classes
from gradcheck_kit.inventory.modules import read
from gradcheck_kit.inventory.names import Names
from gradcheck_kit.inventory.registrations import Registrations


def backwards(paths: Sequence[Path]) -> list[Backward]:
    """Each once, by file and line.

    Listed are: `backward` (or `vjp`) of subclasses of `torch.autograd.Function`, through any chain of classes in the
    files read; `backward` of classes that have a `forward` of something too, their own or inherited; what
    `defvjp` gives to a `jax.custom_vjp` function; what `torch.library.register_autograd` gives to an operator, by its
    name or on an operator made by `torch.library.custom_op` or `triton_op`.

    Raises:
        UsageError: a path does not exist, or a file does not parse; the message names file and line.
    """
    modules = read(paths)
    names = Names(modules)
    found = [*backwards_of_classes(modules, names), *Registrations(modules, names).backwards()]
    once: dict[tuple[str, int, str], Backward] = {}
    for backward in found:
        once.setdefault((backward.file, backward.line, backward.name), backward)
    return [once[place] for place in sorted(once)]
