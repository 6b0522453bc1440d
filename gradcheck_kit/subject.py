"""Subject: what is being checked, as named arrays in, named arrays out. All that adapters make, all that checks see."""

import math
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field, replace
from typing import Any

from gradcheck_kit.arguments import UsageError as UsageError  # noqa: PLC0414 - adapters, which know the subject, raise it
from gradcheck_kit.arguments import as_integer
from gradcheck_kit.space import BLOCK, Array, Arrays, Library

Forward = Callable[[Arrays], Mapping[str, Array]]
Pullback = Callable[[Arrays, Arrays], Mapping[str, Array | None]]
Stacked = Callable[[Arrays, Arrays], Mapping[str, Array]]
"""(point, moving) → outputs: the forward at several points in one call. Each array of `moving` replaces that of the
point and holds its values along a new first axis, as do the outputs."""


class BudgetSpentError(Exception):
    """The evaluations or seconds allowed to a check are spent; it ends with what it knows."""


def in_words(error: BaseException, longest: int | None = 120) -> str:
    """The class of an exception and the first line of what it says, if anything, or so many characters of that."""
    first = first_line(error)[:longest]
    return f"{type(error).__name__}: {first}" if first else type(error).__name__


def first_line(error: BaseException) -> str:
    """Of what an exception says; empty where it says nothing."""
    return (str(error).splitlines() or [""])[0]


@dataclass(frozen=True)
class Shared:
    """The gradient of `gradient` shares memory with `name`, an "input", "parameter", "cotangent" or "gradient"."""

    gradient: str
    kind: str
    name: str


@dataclass(frozen=True)
class ForwardMode:
    """A JVP of the subject, hand-written or by forward-mode differentiation.

    Attributes:
        names: the inputs that may move; the others stand still.
        pushforward: (point, tangents by input) → the outputs' tangents by name.

    `pushforward` raises `NoForwardModeError` where there is no JVP after all, and `ForwardModeError` where a
    hand-written one raises, or returns what is no tangent.
    """

    names: tuple[str, ...]
    pushforward: Callable[[Arrays, Arrays], Mapping[str, Array]]


class NoForwardModeError(Exception):
    """A part of the function has no JVP; the message says which, in a few words."""


class ForwardModeError(Exception):
    """A hand-written JVP cannot be used; the message is what was raised, in a few words."""


@dataclass(frozen=True)
class Vectorised:
    """The subject under a vmap, where parts of it bring a rule of their own for that (JAX: batching rule).

    Attributes:
        rules: → the names of such parts, once a backward was asked for.
        draws: → whether a recorded forward was seen to draw random numbers. A rule may draw for all points at once.
        pulled: (points, cotangents, axes) → the outputs and the gradients of one mapped call, with a cotangent for each
            point. The inputs in `axes` are stacked along a new axis there, 0 or −1, and the others are those of the
            first point. The outputs, and the gradients of what is mapped, come with the points along their first axis;
            the gradients of the others are sums over the points. There are no gradients where an output has not the
            shape of its cotangents.

    `pulled` raises `VectorisedRuleLacksError` where a rule says that it is not implemented for this,
    `VectorisedRuleError` where it raises otherwise, and anything else where another part cannot be mapped.
    """

    rules: Callable[[], Sequence[str]]
    draws: Callable[[], bool]
    pulled: Callable[
        [Sequence[Arrays], Sequence[Arrays], Mapping[str, int]],
        tuple[Mapping[str, Array], Mapping[str, Array | None]],
    ]


class VectorisedRuleError(Exception):
    """A part's own rule for vmap cannot be used; the message is what was raised, in a few words."""


class VectorisedRuleLacksError(Exception):
    """A part's own rule for vmap says that it is not implemented for what is mapped; the message says how."""


class MalformedGradientError(Exception):
    """The backward returned what is no gradient of its inputs, as the library that ran it says: a wrong gradient."""


@dataclass(frozen=True)
class Recorded:
    """What can be asked of a backward that runs on a recorded graph.

    Attributes:
        partial: (point, cotangents, names) → the gradients of these inputs, all others frozen. An output that has no
            entry in the cotangents is given an undefined one.
        repeated: (point, cotangents, names) → the gradients of a first and of a second backward on one retained graph.
        interleaved: (point, elsewhere, cotangents, names) → the gradients at the point, of a backward that runs only
            after another forward elsewhere.
        gradient: (cotangents, names) → the subject that the gradients of these inputs are: its inputs are this
            subject's and the cotangents, its outputs their gradients, its pullback the double backward.
    """

    partial: Callable[[Arrays, Arrays, Sequence[str]], Mapping[str, Array | None]]
    repeated: Callable[[Arrays, Arrays, Sequence[str]], tuple[Mapping[str, Array | None], Mapping[str, Array | None]]]
    interleaved: Callable[[Arrays, Arrays, Arrays, Sequence[str]], Mapping[str, Array | None]]
    gradient: Callable[[Arrays, Sequence[str]], "Subject"]


@dataclass(frozen=True)
class Origin:
    """What a subject was made of, so that a report can say how to make it again.

    Attributes:
        builder: which verb makes it: "layer", "function" or "module".
        target: the layer, function, module or class.
        vjp, jvp: of a function.
        names: those that were given for its inputs.
        constants: the arguments of the call that are no arrays.
        places: for each parameter the attribute that holds it, or a container in an attribute and the key there.
    """

    builder: str
    target: Any
    vjp: Callable[..., Any] | None = None
    jvp: Callable[..., Any] | None = None
    names: tuple[str, ...] | None = None
    constants: Mapping[str, Any] = field(default_factory=dict)
    places: Mapping[str, tuple[str | None, Any]] = field(default_factory=dict)


@dataclass(frozen=True)
class Subject:
    """A differentiable function at a point, with the pullback (VJP) that is under suspicion.

    Attributes:
        name: what messages call it.
        library: the array library of every array here.
        point: the primal: every input and parameter by name, private copies of the caller's arrays.
        differentiable: the names, in order, whose gradients are checked; the others are held fixed.
        forward: point → outputs by name. Must not depend on earlier calls and may receive any point of the same
            shapes and dtypes.
        pullback: (point, cotangents by output name) → gradients by input name, one for each differentiable
            input; None stands for "no gradient", which claims that the derivative is zero.
        reference: the same function where it takes every floating-point array as float64, to differentiate in its
            place; None if there is no way to evaluate it so. Whether it really does is tried before it is used.
        reference_pullback: the same backward where it takes float64; asked before low precision is called wrong.
        parameters: the names in `point` that are parameters and not inputs.
        call: the names of everything in the call, constants too, in order; positions in `wrt` count these.
        positional: point → the inputs as the caller passed them, in order; by default all of the point.
        session: a context around all evaluations of a check, which puts back what they may change globally.
        pullback_of: names → a pullback that differentiates these inputs alone; None where the backward is one piece.
        sharing: (point, cotangents) → which gradients, as the backward returned them, share memory with what; None
            where they are not arrays of the backward's own making.
        forward_mode: the JVP, if there is one.
        recorded: what a recorded graph can be asked, if there is one.
        poisoned: for each kind of poison a context in which uninitialised memory is filled with it.
        stacked: the forward at several points in one call, where that has been asked for.
        vectorised: the forward and the backward at several points in one call, if the library can.
        batch: the inputs whose first axis is the batch; where none is named the forward is asked.
        unpaired: arrays of a layer that its forward reads and that have no gradient beside them: not checked.
        strangers: → the names of tensors that require gradients and that the forward was seen to read, though they are
            neither inputs nor parameters: not checked.
        origin: what it was made of; None for one that was put together by hand.
    """

    name: str
    library: Library
    point: Arrays
    differentiable: tuple[str, ...]
    forward: Forward
    pullback: Pullback
    reference: Forward | None = None
    reference_pullback: Pullback | None = None
    parameters: tuple[str, ...] = ()
    call: tuple[str, ...] = ()
    positional: Callable[[Arrays], Sequence[Any]] | None = None
    session: Callable[[], AbstractContextManager[None]] = nullcontext
    pullback_of: Callable[[tuple[str, ...]], Pullback] | None = None
    sharing: Callable[[Arrays, Arrays], Sequence["Shared"]] | None = None
    forward_mode: ForwardMode | None = None
    recorded: Recorded | None = None
    poisoned: Mapping[str, Callable[[], AbstractContextManager[Any]]] = field(default_factory=dict)
    stacked: Stacked | None = None
    vectorised: Vectorised | None = None
    batch: tuple[str, ...] = ()
    unpaired: tuple[str, ...] = ()
    strangers: Callable[[], Sequence[str]] = tuple
    origin: Origin | None = None

    def __post_init__(self) -> None:
        if not self.differentiable:
            kinds = ", ".join(f"{name}: {self.library.dtype(a)}" for name, a in self.point.items()) or "no inputs"
            raise UsageError(
                f"{self.name} has no floating-point input to differentiate ({kinds}); pass at least one float array"
            )

    @property
    def large(self) -> bool:
        """Whether any differentiable input has several blocks, so that copies of it are to be spared."""
        return any(math.prod(self.library.shape(self.point[name])) > BLOCK for name in self.differentiable)

    def restricted_to(self, wrt: object) -> "Subject":
        """The same subject with only the inputs in `wrt` (names or positions, one or several) differentiated.

        Raises:
            UsageError: `wrt` names no input, or one that is held fixed.
        """
        if wrt is None:
            return self
        wanted = wrt if isinstance(wrt, list | tuple) else [wrt]
        chosen = [self._named(item) for item in wanted]
        for name in chosen:
            if name not in self.differentiable:
                raise UsageError(
                    f"wrt={name!r}: {self.name} holds {name} fixed ({self.library.dtype(self.point[name])}); "
                    f"choose from {', '.join(self.differentiable)}"
                )
        names = tuple(name for name in self.differentiable if name in chosen)
        if self.pullback_of is None:
            return replace(self, differentiable=names)
        pullback = self.pullback_of(names)
        wide = None if self.reference_pullback is None else pullback
        return replace(self, differentiable=names, pullback=pullback, reference_pullback=wide)

    def _named(self, item: object) -> str:
        names = [*self.call, *(name for name in self.point if name not in self.call)]
        position = as_integer(item, -len(names))
        if position is not None and position < len(names):
            item = names[position]
        if isinstance(item, str) and item in self.point:
            return item
        raise UsageError(f"wrt={item!r} is no input of {self.name}; its inputs are {', '.join(names)}")
