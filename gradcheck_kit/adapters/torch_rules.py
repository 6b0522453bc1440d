"""The rules for `torch.func.vmap` that the `autograd.Function`s of a recorded forward bring."""

import inspect
import re
import textwrap
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any

from torch import Tensor
from torch.autograd import Function

from gradcheck_kit.adapters.torch_leaves import nodes_of
from gradcheck_kit.subject import VectorisedRuleError

OF_A_RULE = re.compile("vmap staticmethod|setup_context|generate_vmap_rule")  # what torch says of a rule it cannot use
RULE = ("vmap", "forward", "setup_context", "backward")  # the last three are what a generated rule is made of
LONGEST = 200  # characters of what was raised


@dataclass
class Rules:
    """The `autograd.Function`s with a vmap rule, written or generated, that the first recorded forward ran."""

    _functions: list[type[Function]] | None = field(default=None, init=False)

    def look(self, outputs: Mapping[str, Tensor]) -> None:
        if self._functions is None:
            run = {getattr(type(node), "_forward_cls", None) for node in nodes_of(outputs)}
            self._functions = sorted((f for f in run if f is not None and _has_rule(f)), key=lambda f: f.__qualname__)

    def names(self) -> tuple[str, ...]:
        return tuple(function.__name__ for function in self._functions or ())

    def mapped(self, call: Callable[..., Any], *arrays: Any) -> Any:
        """`call(*arrays)`, a call under vmap.

        Raises:
            VectorisedRuleError: a rule raised, or torch cannot use it.
        """
        try:
            return call(*arrays)
        except Exception as error:
            if not OF_A_RULE.search(str(error)) and not self._ran(error.__traceback__):
                raise
            said = textwrap.shorten(str(error), LONGEST, placeholder=" …")
            raise VectorisedRuleError(f"{type(error).__name__}: {said}") from error

    def _ran(self, traceback: TracebackType | None) -> bool:
        """Whether a function of a rule is on the stack."""
        own = {inspect.unwrap(getattr(f, name)).__code__ for f in self._functions or () for name in RULE}
        while traceback is not None:
            if traceback.tb_frame.f_code in own:
                return True
            traceback = traceback.tb_next
        return False


def _has_rule(function: type[Function]) -> bool:
    return bool(function.generate_vmap_rule) or function.vmap is not Function.vmap
