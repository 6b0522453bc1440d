"""The rules for `torch.func.vmap` that the `autograd.Function`s of a recorded forward bring."""

import inspect
import textwrap
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import TracebackType
from typing import TypeVar

from torch import Tensor
from torch.autograd import Function

from gradcheck_kit.adapters.torch_leaves import nodes_of
from gradcheck_kit.subject import VectorisedRuleError, VectorisedRuleLacksError

APPLY = Function.apply.__func__.__code__  # type: ignore[attr-defined]  # its frame knows which Function is applied
CHECKPOINT = "torch.utils.checkpoint"
Result = TypeVar("Result")
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

    def mapped(self, call: Callable[[], Result]) -> Result:
        """What a call under vmap returns.

        Raises:
            VectorisedRuleLacksError: a rule raised NotImplementedError.
            VectorisedRuleError: a rule raised anything else, or torch cannot use it.
        """
        try:
            return call()
        except Exception as error:
            if not self._raised(error.__traceback__):
                raise
            said = textwrap.shorten(f"{type(error).__name__}: {error}".rstrip(": "), LONGEST, placeholder=" …")
            lacks = isinstance(error, NotImplementedError)
            raise (VectorisedRuleLacksError if lacks else VectorisedRuleError)(said) from error

    def _raised(self, traceback: TracebackType | None) -> bool:
        """Whether it was raised where a Function with a rule is applied, or in its backward.

        Torch's own words do not tell: it asks any Function for a rule, or for setup_context. A checkpoint runs its part
        of the forward again in the backward, outside of vmap, and no rule can mend that.
        """
        functions = self._functions or ()
        backwards = {getattr(inspect.unwrap(f.backward), "__code__", None) for f in functions}
        ours = False
        while traceback is not None:
            frame = traceback.tb_frame
            if frame.f_globals.get("__name__") == CHECKPOINT:
                return False
            ours = ours or frame.f_code in backwards or (frame.f_code is APPLY and frame.f_locals["cls"] in functions)
            traceback = traceback.tb_next
        return ours


def _has_rule(function: type[Function]) -> bool:
    return bool(function.generate_vmap_rule) or function.vmap is not Function.vmap
