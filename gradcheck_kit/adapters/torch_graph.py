"""A call recorded by autograd, and all the ways in which its graph can be asked for gradients."""

import re
import sys
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import torch
from torch import Tensor
from torch.autograd import forward_ad
from torch.autograd.function import BackwardCFunction

from gradcheck_kit.adapters.signature import Arguments, expect_outputs, named_outputs
from gradcheck_kit.adapters.torch_copies import dual, fresh, same_layout
from gradcheck_kit.adapters.torch_leaves import Strangers, nodes_of
from gradcheck_kit.adapters.torch_library import FrozenTorchRandomness, Torch
from gradcheck_kit.adapters.torch_rules import Rules
from gradcheck_kit.space import Arrays
from gradcheck_kit.subject import (
    ForwardModeError,
    MalformedGradientError,
    NoForwardModeError,
    Recorded,
    Subject,
    UsageError,
    in_words,
)

Call = Callable[[Mapping[str, Tensor]], Any]
Gradients = dict[str, Tensor | None]
Installed = Callable[[Mapping[str, Tensor]], AbstractContextManager[None]]
ASKS_FOR_A_GRAPH = re.compile(r"requires?[_ ]grad")  # what torch raises where a hook or a gradient needs one
MALFORMED = re.compile(
    r"[Ff]unction \w+ returned an (invalid gradient|incorrect number of gradients)|expected Variable or None"
    r"|Expected isFloatingType\(grad"  # of a complex gradient for a real input
)  # what torch raises where the backward of an autograd.Function returns what is no gradient of its inputs

NONE_AS_TANGENT = re.compile("forward grad to be floating point")
"""What torch's assertion says where a `Function.jvp` returns None, which claims that the derivative is zero."""

NO_TANGENT = re.compile(
    r"Function's jvp returned an invalid number|expected Variable or None|forward gradient that has a different size"
)
"""What torch raises where a `Function.jvp` returns what is no tangent of its outputs."""


@dataclass(frozen=True)
class Graph:
    """A call on tensors.

    Attributes:
        title: what messages call it.
        call: point → whatever the target returns.
        arguments: the inputs by name; what else is in the point are parameters.
        differentiable: the names of the floating-point tensors.
        randomness: replayed in every evaluation.
        installed: point → a context in which a module's parameters are the point's, and its buffers are copies: it is
            left only after the backward, which may run parts of the forward again.
        strangers: sees the leaves of what is recorded.
        rules: sees which parts of what is recorded bring a rule for vmap.
        hooks: what the user has registered on the gradient of a parameter, to be called on ours too.
    """

    title: str
    call: Call
    arguments: Arguments
    differentiable: tuple[str, ...]
    randomness: FrozenTorchRandomness
    strangers: Strangers
    rules: Rules = field(default_factory=Rules)
    installed: Installed = lambda _: nullcontext()
    hooks: Mapping[str, Sequence[Callable[[Tensor], Tensor | None]]] = field(default_factory=dict)

    def forward(self, at: Arrays) -> dict[str, Tensor]:
        """The outputs; recorded only where the call itself asks for a gradient, or hooks into one."""
        try:
            with self.randomness.replayed("forward"), torch.enable_grad(), self.installed(at):
                outputs = named_outputs(Torch(), self.call(at))
        except RuntimeError as error:
            if not ASKS_FOR_A_GRAPH.search(str(error)):
                raise
            with self._recorded(at, self.differentiable, "forward") as (_, outputs):
                pass
        for name, output in outputs.items():
            if output.layout is not torch.strided:
                raise UsageError(f"{self.title}: {name} is {output.layout}; return a dense tensor, by .to_dense()")
        return {n: o.detach() for n, o in outputs.items()}

    def without_detached(self, at: Arrays) -> "Graph":
        """The same without the outputs that autograd does not record, where it records another.

        Such are statistics that are returned detached, and what `mark_non_differentiable` names.
        """
        with self.randomness.session(), self._recorded(at, self.differentiable, "forward") as (_, outputs):
            recorded = {n for n, output in outputs.items() if output.requires_grad}
        if len(recorded) in (0, len(outputs)):
            return self

        def call(point: Mapping[str, Tensor]) -> dict[str, Tensor]:
            return {n: output for n, output in named_outputs(Torch(), self.call(point)).items() if n in recorded}

        return replace(self, call=call)

    def pullback(self, at: Arrays, cotangents: Arrays) -> Gradients:
        """The gradients of `differentiable`; every output must be as large as its cotangent."""
        with self._recorded(at, self.differentiable) as (leaves, outputs):
            expect_outputs(self.title, Torch(), outputs, cotangents)
            return dense(leaves, pulled_from(leaves, outputs, cotangents))

    def partial(self, at: Arrays, cotangents: Arrays, names: Sequence[str]) -> Gradients:
        """The gradients of some inputs, the others frozen; an output without a cotangent is not used."""
        with self._recorded(at, names) as (leaves, outputs):
            return dense(leaves, pulled_from(leaves, outputs, cotangents))

    def repeated(self, at: Arrays, cotangents: Arrays, names: Sequence[str]) -> tuple[Gradients, Gradients]:
        with self._recorded(at, names) as (leaves, outputs):
            first = dense(leaves, pulled_from(leaves, outputs, cotangents, retain_graph=True))
            return first, dense(leaves, pulled_from(leaves, outputs, cotangents))

    def interleaved(self, at: Arrays, elsewhere: Arrays, cotangents: Arrays, names: Sequence[str]) -> Gradients:
        with self._recorded(at, names) as (leaves, outputs):
            with self._recorded(elsewhere, names):
                pass
            return dense(leaves, pulled_from(leaves, outputs, cotangents))

    def pushforward(self, at: Arrays, tangents: Arrays) -> dict[str, Tensor]:
        """The outputs' tangents by forward-mode differentiation (Baydin et al. 2018, section 3.1).

        The primals require gradients, so that the forward takes the same branches as where it is recorded.

        Raises:
            NoForwardModeError: a part has no JVP, or torch gives no output a tangent, as it does without a word.
            ForwardModeError: a `Function.jvp` raises, or returns what is no tangent.
        """
        with self.randomness.replayed("forward"), torch.enable_grad(), forward_ad.dual_level():
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", DeprecationWarning)  # torch's own, from its first use of forward mode
                moving = {n: dual(at[n], v, leaf=n not in self.arguments.arrays) for n, v in tangents.items()}
            point = {**at, **moving}
            try:
                with self.installed(point):
                    outputs = named_outputs(Torch(), self.call(point))
            except Exception as error:
                if NONE_AS_TANGENT.search(str(error)):
                    return {}
                if NO_TANGENT.search(str(error)) or (
                    raised_in_jvp(error) and not isinstance(error, NotImplementedError)
                ):
                    raise ForwardModeError(in_words(error)) from error
                if not isinstance(error, RuntimeError):  # what torch raises for a part without a JVP
                    raise
                lacking = re.search(r"forward AD with (\w+)", str(error))
                raise NoForwardModeError(f"no JVP of {lacking[1]}" if lacking else "no JVP") from None
            pushed = {n: forward_ad.unpack_dual(output).tangent for n, output in outputs.items()}  # type: ignore[no-untyped-call]
        if all(t is None for t in pushed.values()):
            raise NoForwardModeError("torch gives no output a tangent")
        return {n: t.detach() for n, t in pushed.items() if t is not None}

    def gradient(self, point: Arrays, cotangents: Arrays, names: Sequence[str]) -> Subject:
        """The gradients of `names` as a function of the point and the cotangents; its pullback is a double backward."""
        given = {f"the cotangent of {n}": u for n, u in cotangents.items()}

        def pulled(at: Mapping[str, Tensor]) -> dict[str, Tensor]:
            leaves = {n: _leaf(at[n]) for n in names}
            # Only a cotangent that requires a gradient makes once_differentiable leave its mark.
            u = {n: _leaf(at[name]) for n, name in zip(cotangents, given, strict=True)}
            inner = {**{n: at[n] for n in point}, **self.given(leaves)}
            with self.installed(inner):
                gradients = pulled_from(leaves, named_outputs(Torch(), self.call(inner)), u, create_graph=True)
            if any(_once_differentiable(g) for g in gradients if g is not None):
                raise RuntimeError("a part of it is marked once_differentiable")
            found = zip(names, gradients, strict=True)
            return {f"the gradient of {n}": torch.zeros_like(leaves[n]) if g is None else g for n, g in found}

        def installed(at: Mapping[str, Tensor]) -> AbstractContextManager[None]:
            return self.installed({n: at[n] for n in point})

        title, differentiable = f"the gradient of {self.title}", (*self.differentiable, *given)
        again = replace(self, title=title, call=pulled, differentiable=differentiable, installed=installed)
        return Subject(title, Torch(), {**point, **given}, (*names, *given), again.forward, again.pullback)

    def as_recorded(self, point: Arrays) -> Recorded:
        """What the questions may ask of the graph at a point."""
        return Recorded(self.partial, self.repeated, self.interleaved, partial(self.gradient, point))

    @contextmanager
    def _recorded(
        self, at: Arrays, names: Sequence[str], replay: str = "pullback"
    ) -> Iterator[tuple[dict[str, Tensor], dict[str, Tensor]]]:
        """The leaves and the outputs of the call, recorded for these inputs."""
        leaves = {n: at[n].detach().requires_grad_(True) for n in names}
        for name, leaf in leaves.items():
            for hook in self.hooks.get(name, ()):
                leaf.register_hook(hook)
        with self.randomness.replayed(replay), torch.enable_grad(), ExitStack() as until_pulled:
            frozen = self._frozen(at, names)
            point = {**at, **frozen, **self.given(leaves)}
            until_pulled.enter_context(self.installed(point))
            try:
                outputs = self.call(point)
            except RuntimeError as error:
                if not frozen or not ASKS_FOR_A_GRAPH.search(str(error)):
                    raise
                # A forward that differentiates by an input itself cannot be run with it frozen.
                recorded = {n: tensor.requires_grad_() for n, tensor in self._frozen(at, names).items()}
                again = {**at, **recorded, **self.given(leaves)}
                until_pulled.enter_context(self.installed(again))
                with self.randomness.replayed(replay):
                    outputs = self.call(again)
            named = named_outputs(Torch(), outputs)
            self.strangers.look(leaves, named)
            self.rules.look(named)
            yield leaves, named

    def _frozen(self, at: Arrays, names: Sequence[str]) -> dict[str, Tensor]:
        """The inputs that are not differentiated by, in memory of their own."""
        return {n: same_layout(at[n]) for n in self.differentiable if n not in names and n in self.arguments.arrays}

    def given(self, leaves: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """A forward may work in place on what it is given, which autograd forbids on a leaf."""
        return {n: fresh(leaf) if n in self.arguments.arrays else leaf for n, leaf in leaves.items()}


def pulled_from(
    leaves: Mapping[str, Tensor], outputs: Mapping[str, Tensor], cotangents: Arrays, **options: bool
) -> Sequence[Tensor | None]:
    pulled = [n for n, output in outputs.items() if output.requires_grad and n in cotangents]
    if not pulled:
        return [None] * len(leaves)
    try:
        seeds, given = _seeded([outputs[n] for n in pulled], [cotangents[n].to(outputs[n].dtype) for n in pulled])
        found: Sequence[Tensor | None] = torch.autograd.grad(
            seeds, list(leaves.values()), given, allow_unused=True, **options
        )
    except RuntimeError as error:
        if not MALFORMED.match(str(error)):
            raise
        raise MalformedGradientError(str(error)) from error
    return found


def _seeded(outputs: list[Tensor], given: list[Tensor]) -> tuple[list[Tensor], list[Tensor] | None]:
    """Outputs and cotangents as `torch.autograd.grad` is to be given them.

    To be given cotangents it imports all of sympy, which takes a quarter of a second and 33 MB. Where that is done, its
    own way is the quicker one.
    """
    if "sympy" in sys.modules:
        return outputs, given
    return [_Seed.apply(given, *outputs)], None  # type: ignore[no-untyped-call]


class _Seed(torch.autograd.Function):
    """A number whose backward hands these cotangents to the outputs."""

    @staticmethod
    def forward(ctx: Any, cotangents: Sequence[Tensor], *outputs: Tensor) -> Tensor:
        ctx.cotangents = cotangents
        return outputs[0].new_zeros((), dtype=torch.float32)

    @staticmethod
    def backward(ctx: Any, _: Tensor) -> tuple[Tensor | None, ...]:
        return None, *ctx.cotangents


def raised_in_jvp(error: Exception) -> bool:
    """Whether it was raised in the user's own `Function.jvp`."""
    traceback = error.__traceback__
    while traceback is not None and traceback.tb_frame.f_code is not BackwardCFunction.apply_jvp.__code__:
        traceback = traceback.tb_next
    return traceback is not None


def _leaf(tensor: Tensor) -> Tensor:
    """The tensor where it is recorded, else one that is."""
    return tensor if tensor.requires_grad else tensor.detach().requires_grad_()


def _once_differentiable(gradient: Tensor) -> bool:
    """Whether its graph holds the node that once_differentiable puts there to raise, on a path that is never taken."""
    return any(node.name() == "torch::autograd::Error" for node in nodes_of({"": gradient}))


def dense(leaves: Mapping[str, Tensor], gradients: Sequence[Tensor | None]) -> Gradients:
    pairs = zip(leaves, gradients, strict=True)
    return {n: g.to_dense() if g is not None and g.is_sparse else g for n, g in pairs}
