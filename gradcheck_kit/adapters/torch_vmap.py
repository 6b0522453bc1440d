"""A recorded call at several points in one, by `torch.func.vmap`."""

import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from gradcheck_kit.adapters.signature import named_outputs
from gradcheck_kit.adapters.torch_graph import Gradients, Graph, dense, pulled_from
from gradcheck_kit.adapters.torch_library import Torch
from gradcheck_kit.space import Arrays
from gradcheck_kit.subject import UsageError, in_words


def stacked(graph: Graph, at: Arrays, moving: Arrays) -> dict[str, Tensor]:
    """The forward alone, as `Stacked` says.

    Raises:
        UsageError: vmap cannot be applied to the call.
    """
    with graph.randomness.replayed("forward"), torch.enable_grad():
        try:
            outputs = torch.func.vmap(_at(graph, at), randomness="same")(dict(moving))
        except Exception as error:
            message = f"vmap=True: {graph.title} cannot be vectorised ({in_words(error)}); leave vmap out"
            raise UsageError(message) from error
    return {n: o.detach() for n, o in outputs.items()}


def vectorised(
    graph: Graph, points: Sequence[Arrays], cotangents: Sequence[Arrays], axes: Mapping[str, int]
) -> tuple[dict[str, Tensor], Gradients]:
    """The forward and its backward, as `Vectorised.pulled` says."""
    still = [n for n in graph.differentiable if n not in axes]
    leaves = {n: torch.stack([p[n].detach() for p in points], axis) for n, axis in axes.items()}
    leaves |= {n: points[0][n].detach().clone() for n in still}
    u = {n: torch.stack([each[n] for each in cotangents]) for n in cotangents[0]}

    def pulled() -> tuple[dict[str, Tensor], Gradients]:
        for leaf in leaves.values():
            leaf.requires_grad_()
        given = graph.given(leaves)
        at = {**points[0], **{n: given[n] for n in still}}
        mapped = torch.func.vmap(_at(graph, at), in_dims=(dict(axes),), randomness="same")
        outputs = mapped({n: given[n] for n in axes})
        fit = all(outputs[n].shape == u[n].shape for n in u)
        return outputs, dense(leaves, pulled_from(leaves, outputs, u)) if fit else {}

    with graph.randomness.replayed("pullback"), torch.enable_grad(), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "There is a performance drop", UserWarning)  # of parts without a rule
        outputs, gradients = graph.rules.mapped(pulled)
    for name, axis in axes.items():
        gradient = gradients.get(name)
        if gradient is not None:
            gradients[name] = gradient.movedim(axis, 0)
    return {n: o.detach() for n, o in outputs.items()}, gradients


def _at(graph: Graph, at: Arrays) -> Callable[[Mapping[str, Tensor]], Any]:
    def one(moved: Mapping[str, Tensor]) -> dict[str, Tensor]:
        point = {**at, **moved}
        with graph.installed(point):
            return named_outputs(Torch(), graph.call(point))

    return one
