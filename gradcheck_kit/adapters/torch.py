"""torch: a module, an `autograd.Function`, or any callable on tensors. Autograd supplies the VJP."""

import inspect
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import torch
from torch import Tensor

from gradcheck_kit.adapters.signature import Arguments, given_names, named_arguments
from gradcheck_kit.adapters.torch_graph import Graph, Installed
from gradcheck_kit.adapters.torch_leaves import Strangers
from gradcheck_kit.adapters.torch_library import FrozenTorchRandomness, Torch
from gradcheck_kit.adapters.torch_modules import modules_of
from gradcheck_kit.adapters.torch_poison import POISONS
from gradcheck_kit.adapters.torch_substitution import places_of, shell_of, substituted
from gradcheck_kit.adapters.torch_vmap import stacked, vectorised
from gradcheck_kit.space import FORMATS, Arrays
from gradcheck_kit.subject import ForwardMode, Origin, Subject, UsageError, Vectorised


def subject_of(
    target: Any,
    inputs: Sequence[Any],
    *,
    names: Sequence[str] | None = None,
    name: str | None = None,
    batch: Sequence[str] = (),
    vmap: bool = False,
    detached: bool = True,
) -> Subject:
    """The subject of `target(*inputs)`.

    A module's parameters that require gradients join the inputs under their own names; the others are held fixed.
    What is called is a private copy of the module, in which a point's parameters take the place of its own until the
    backward has run: its parameters, buffers and gradients stay as they are. torch's random state is the same in every
    evaluation, so dropout is one fixed function.

    Args:
        target: an `nn.Module`, a subclass of `torch.autograd.Function` or its `apply`, or a callable on tensors.
        inputs: tensors, on their own device and in their own dtype; integer and boolean ones are held fixed.
        names: names for the inputs, by default those of the forward's signature.
        name: what messages call the subject.
        batch: the inputs whose first axis is the batch; by default the forward is asked.
        vmap: whether the steps of a derivative are evaluated in one call of `torch.func.vmap`: faster where a single
            point does not fill the device, at the price of as many copies of what moves.
        detached: whether outputs that autograd does not record count: each is then to have a gradient of zero.

    Raises:
        UsageError: an input is no tensor (or plain number), there is nothing to differentiate, or the target is a
            module's class.
    """
    target = _function_of(target)
    title = name or str(getattr(target, "__name__", type(target).__name__))
    if inspect.isclass(target) and issubclass(target, torch.nn.Module):
        raise UsageError(f"{title} is a class; pass an instance, such as {title}(...)")
    library = Torch()
    if torch.is_inference_mode_enabled():
        raise UsageError("torch.inference_mode() is on, and autograd is off with it; check outside of it")
    _expect_dense(title, inputs)
    private = None
    if isinstance(target, torch.nn.Module):
        arguments = named_arguments(title, target.forward, inputs, names, library)
        _expect_plain(target, title)
        private = _Private.of(target, arguments)
        parameters, call, owner, kept = private.parameters, private.call, private.module, [target]
        strangers, replaced = Strangers(title, [owner], private.originals), {id(p) for p in target.parameters()}
    else:
        function = inspect.isclass(target) and issubclass(target, torch.autograd.Function)
        signature = without_context(target) if function else target
        arguments = named_arguments(title, signature, inputs, names, library)
        apply = target.apply if function else target
        parameters, call, owner = {}, lambda point: apply(*arguments.placed(point)), target
        kept = modules_of(target)
        strangers, replaced = Strangers(title, [target, *kept]), set[int]()
    point = {**arguments.arrays, **parameters}
    randomness = FrozenTorchRandomness(point.values(), kept, replaced)  # the modules are put back too
    randomness.adopt(owner)
    own = dict(zip(parameters, trainable(target), strict=True))
    graph = Graph(title, call, arguments, _floating(point), randomness, strangers, hooks=_hooks_of(target, own))
    graph = graph if private is None else replace(graph, installed=private.installer())
    graph = graph if detached else graph.without_detached(point)
    subject = _subject(graph, point, tuple(parameters))
    places = {public: (None, name) for public, name in own.items()}
    origin = Origin("module", target, names=given_names(names), constants=arguments.constants, places=places)
    return replace(subject, batch=tuple(batch), stacked=subject.stacked if vmap else None, origin=origin)


def _function_of(target: Any) -> Any:
    """The `autograd.Function` whose bound `apply` this is: it has a name and the inputs' names; else the target."""
    owner = getattr(target, "__self__", None)
    of_function = inspect.isclass(owner) and issubclass(owner, torch.autograd.Function)
    return owner if of_function and getattr(target, "__name__", "") == "apply" else target


def trainable(target: Any) -> list[str]:
    """The names of a module's parameters that require gradients; none of anything else."""
    if not isinstance(target, torch.nn.Module):
        return []
    return [name for name, parameter in target.named_parameters() if parameter.requires_grad]


def _floating(point: Arrays) -> tuple[str, ...]:
    return tuple(n for n, tensor in point.items() if Torch().dtype(tensor) in FORMATS)


def _hooks_of(target: Any, own: Mapping[str, str]) -> dict[str, list[Callable[[Tensor], Tensor | None]]]:
    """What a module's parameters have been told to do with their gradients, by `Tensor.register_hook`."""
    held = dict(target.named_parameters()) if own else {}
    return {public: list((held[name]._backward_hooks or {}).values()) for public, name in own.items()}


def _subject(graph: Graph, point: Arrays, parameters: tuple[str, ...]) -> Subject:
    arguments = graph.arguments
    return Subject(
        graph.title,
        Torch(),
        point,
        graph.differentiable,
        graph.forward,
        graph.pullback,
        reference=graph.forward,
        reference_pullback=graph.pullback,
        parameters=parameters,
        call=arguments.names,
        positional=arguments.placed,
        session=graph.randomness.session,
        stacked=partial(stacked, graph),
        vectorised=Vectorised(
            graph.rules.names, partial(graph.randomness.draws, "pullback"), partial(vectorised, graph)
        ),
        pullback_of=lambda names: replace(graph, differentiable=names).pullback,
        forward_mode=ForwardMode(graph.differentiable, graph.pushforward),
        recorded=graph.as_recorded(point),
        poisoned=POISONS,
        strangers=graph.strangers.names,
    )


def _expect_dense(title: str, inputs: Sequence[Any]) -> None:
    for i, value in enumerate(inputs):
        if isinstance(value, Tensor) and value.layout is not torch.strided:
            raise UsageError(
                f"input {i} of {title} is {value.layout}; pass its values as a dense tensor, and make it sparse "
                "inside: lambda values: target(torch.sparse_coo_tensor(indices, values, size))"
            )


def _expect_plain(module: torch.nn.Module, title: str) -> None:
    """Raise a UsageError for a module that cannot be given other parameters."""
    if isinstance(module, torch.jit.ScriptModule):
        raise UsageError(
            f"{title} is compiled by torch.jit and cannot be called with other parameters; pass the module that it was "
            "made of, or a function for its inputs alone: lambda *inputs: module(*inputs)"
        )
    lazy = [name for name, parameter in module.named_parameters() if torch.nn.parameter.is_lazy(parameter)]
    if lazy:
        raise UsageError(f"{title} has no values for {lazy[0]} yet; call it once on an input like yours")


@dataclass(frozen=True)
class _Private:
    """A module's private copy, and the parameters of it that are checked, under names that no input has.

    Attributes:
        module: the copy.
        public: the module's names of its parameters → those in the point.
        parameters: copies of their values, by public name.
        originals: the caller's own, by public name.
    """

    module: torch.nn.Module
    arguments: Arguments
    public: Mapping[str, str]
    parameters: dict[str, Tensor]
    originals: dict[str, Tensor]

    @classmethod
    def of(cls, module: torch.nn.Module, arguments: Arguments) -> "_Private":
        own = {n: p for n, p in module.named_parameters() if p.requires_grad}
        public = {n: f"param.{n}" if n in arguments.names else n for n in own}
        copies = {public[n]: p.detach().clone() for n, p in own.items()}
        return cls(shell_of(module), arguments, public, copies, {public[n]: p for n, p in own.items()})

    def call(self, point: Mapping[str, Tensor]) -> Any:
        return self.module(*self.arguments.placed(point))

    def installer(self) -> Installed:
        """Contexts in which the copy's parameters are a point's, and its buffers begin where the module's are now."""
        places, held = places_of(self.module), dict(self.module.named_parameters())
        fixed = [t for n, t in (*held.items(), *self.module.named_buffers()) if n not in self.public]
        dtypes = {n: a.dtype for n, a in {**self.arguments.arrays, **self.parameters}.items()}

        def installed(point: Mapping[str, Tensor]) -> AbstractContextManager[None]:
            wide = any(tensor.dtype != dtypes[n] for n, tensor in point.items())  # the forward as a float64 reference
            state = {id(t): _as_wide(t.detach()) if wide else t.detach().clone() for t in fixed}
            state.update({id(held[n]): point[public] for n, public in self.public.items()})
            return substituted(places, state)

        return installed


def _as_wide(tensor: Tensor) -> Tensor:
    """A fresh tensor, float64 if it is floating-point: what stands beside float64 inputs has to be so too."""
    return tensor.to(torch.float64, copy=True) if tensor.is_floating_point() else tensor.clone()


def without_context(function: type[torch.autograd.Function]) -> Callable[..., Any]:
    """A callable with the signature of `Function.forward` less its `ctx`."""
    parameters = list(inspect.signature(function.forward).parameters.values())
    combined = function.setup_context is torch.autograd.Function.setup_context

    def signature(*_: Any) -> None:
        raise UsageError("only the signature of this is read")

    signature.__signature__ = inspect.Signature(parameters[1:] if combined else parameters)  # type: ignore[attr-defined]
    return signature
