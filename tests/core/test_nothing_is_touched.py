"""Whatever a subject does, its check ends with a verdict or a clear error, and all of the caller's is as it was."""

import copy
import os
import random
import subprocess
import sys
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial, singledispatch
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch
from torch import Tensor, nn

import gradcheck_kit as gk
from gradcheck_kit.adapters.torch_modules import modules_of
from gradcheck_kit.verdict import Verdict

ROOT = Path(__file__).resolve().parents[2]
Values = npt.NDArray[Any]
PASS, FAIL, INCONCLUSIVE = Verdict.PASS, Verdict.FAIL, Verdict.INCONCLUSIVE
X = np.linspace(-1.0, 1.5, 6).reshape(2, 3) + 0.05
W = np.linspace(0.5, 2.0, 6).reshape(2, 3)
TX, TW = torch.tensor(X), torch.tensor(W)
ROWS = torch.tensor(np.random.default_rng(1).normal(size=(5, 3)))


# ---------------------------------------------------------------- what subjects do


class PlantedError(Exception):
    """What a caller's code raises."""


@dataclass
class Act:
    """What a subject does in its calls: by default nothing but compute.

    Attributes:
        forward: (the number of the call, the inputs, the output) → what the forward returns.
        backward: the number of the call → None; may raise.
        surroundings: called in every forward with the output and the modules at hand.
    """

    forward: Callable[[int, Sequence[Any], Any], Any] = lambda call, inputs, output: output
    backward: Callable[[int], None] = lambda call: None
    surroundings: Callable[[Any, Sequence[nn.Module]], None] = lambda output, modules: None
    forwards: int = field(default=0)
    backwards: int = field(default=0)

    def __deepcopy__(self, memo: dict[int, Any]) -> "Act":
        return self

    def returned(self, inputs: Sequence[Any], output: Any, *modules: nn.Module) -> Any:
        self.forwards += 1
        self.surroundings(output, modules)
        if isinstance(output, Tensor) and output.requires_grad:
            output.register_hook(lambda gradient: self.pulled())
        return self.forward(self.forwards, inputs, output)

    def pulled(self) -> None:
        self.backwards += 1
        self.backward(self.backwards)


def raising(error: type[BaseException], after: int) -> Callable[..., Any]:
    """Raises from the `after`-th call on; else returns the last of what it is given, if there is more than a number."""

    def act(call: int, *given: Any) -> Any:
        if call >= after:
            raise error("planted")
        return given[-1] if given else None

    return act


def as_float32(output: Any) -> Any:
    return output.float() if isinstance(output, Tensor) else np.float32(output)


def everything_drawn(call: int, inputs: Sequence[Any], output: Any) -> Any:
    """As dropout would, from the global generators of its own libraries."""
    of_torch = float(torch.rand(1)) if isinstance(output, Tensor) else 0.0
    return output + 0.25 * (random.random() + float(np.random.rand()) + of_torch)  # noqa: NPY002


def overwritten(call: int, inputs: Sequence[Any], output: Any) -> Any:
    for array in inputs:
        array *= 2
    return output


def overwritten_unseen(call: int, inputs: Sequence[Any], output: Any) -> Any:
    """Where autograd does not notice."""
    return overwritten(call, [array.data if isinstance(array, Tensor) else array for array in inputs], output)


def slept(call: int, inputs: Sequence[Any], output: Any) -> Any:
    time.sleep(0.02)
    return output


def resettled(output: Any, modules: Sequence[nn.Module]) -> None:
    """Every setting of the process that a careless function touches."""
    np.seterr(all="ignore")
    warnings.simplefilter("ignore")
    if not isinstance(output, Tensor):
        return
    torch.set_default_dtype(torch.float32 if torch.get_default_dtype() == torch.float64 else torch.float64)
    torch.backends.cuda.matmul.allow_tf32 = True
    torch.set_float32_matmul_precision("medium")


def disturbed(output: Any, modules: Sequence[nn.Module]) -> None:
    """Everything that a module has, but for what its output depends on."""
    for module in modules:
        module.train(not module.training)
        module.calls = getattr(module, "calls", 0) + 1  # type: ignore[assignment, operator]
        module.register_buffer("extra", torch.ones(2))
        for buffer in module.buffers():
            buffer += 1
        for parameter in module.parameters():
            if parameter.grad is not None:
                parameter.grad += 1
                parameter.requires_grad_(False)
            parameter.grad = torch.ones_like(parameter) if parameter.is_leaf else None


Outcome = Verdict | type[BaseException]


@dataclass(frozen=True)
class Behaviour:
    """An act, how the check may end, and the budget that it is given."""

    make: Callable[[], Act]
    ends: tuple[Outcome, ...]
    budget: Any = None


UNSTEADY = (INCONCLUSIVE, gk.UsageError, FAIL)
BEHAVIOURS: dict[str, Behaviour] = {
    "nothing": Behaviour(Act, (PASS,)),
    "draws": Behaviour(lambda: Act(everything_drawn), (PASS,)),
    "NaN always": Behaviour(lambda: Act(lambda call, inputs, y: y * float("nan")), (INCONCLUSIVE,)),
    "infinity always": Behaviour(lambda: Act(lambda call, inputs, y: y + float("inf")), (INCONCLUSIVE,)),
    "NaN in every second call": Behaviour(
        lambda: Act(lambda call, inputs, y: y * float("nan") if call % 2 else y), UNSTEADY
    ),
    "NaN in every tenth call": Behaviour(
        lambda: Act(lambda call, inputs, y: y * float("nan") if call % 10 == 9 else y), (PASS, FAIL, INCONCLUSIVE)
    ),
    "another shape each time": Behaviour(lambda: Act(lambda call, inputs, y: y[: 1 + call % 2]), UNSTEADY),
    "another rank each time": Behaviour(lambda: Act(lambda call, inputs, y: y if call % 2 else y[0]), UNSTEADY),
    "another dtype each time": Behaviour(
        lambda: Act(lambda call, inputs, y: as_float32(y) if call % 2 else y), UNSTEADY
    ),
    "another number of outputs each time": Behaviour(
        lambda: Act(lambda call, inputs, y: (y,) * (1 + call % 2)), UNSTEADY
    ),
    "sleeps": Behaviour(lambda: Act(slept), (INCONCLUSIVE,), 0.05),
    "writes to its inputs": Behaviour(lambda: Act(overwritten), (FAIL, RuntimeError)),  # where autograd notices
    "writes to its inputs unseen": Behaviour(lambda: Act(overwritten_unseen), (FAIL,)),
    "changes settings": Behaviour(lambda: Act(surroundings=resettled), (PASS,)),
    "disturbs its modules": Behaviour(lambda: Act(surroundings=disturbed), (PASS, INCONCLUSIVE)),
}
for planted in (PlantedError, KeyboardInterrupt):
    for count in (1, 2, 3, 5, 8, 20):
        BEHAVIOURS[f"{planted.__name__} in forward {count}"] = Behaviour(
            partial(lambda error, after: Act(raising(error, after)), planted, count),
            (planted,) if planted is KeyboardInterrupt else (planted, INCONCLUSIVE),
        )
    for count in (1, 2, 4):
        BEHAVIOURS[f"{planted.__name__} in backward {count}"] = Behaviour(
            partial(lambda error, after: Act(backward=raising(error, after)), planted, count), (planted,)
        )


# ---------------------------------------------------------------- subjects that do it


class Layer:
    """y = W·x + b."""

    def __init__(self, act: Act, **parameters: Any) -> None:
        self.act, self.params, self.grads = act, parameters, dict.fromkeys(parameters)

    def forward(self, x: Any) -> Any:
        self.saved = +x
        return self.act.returned([x], self.params["W"] * x + self.params["b"])

    def backward(self, u: Any) -> Any:
        if not isinstance(self.saved, Tensor):  # on tensors the hook of the output tells
            self.act.pulled()
        self.grads.update(W=u * self.saved, b=+u)
        return u * self.params["W"]


class LayerOnTensors(Layer):
    def backward(self, u: Any) -> Any:
        self.act.pulled()
        self.grads.update(W=u * self.saved, b=+u)
        return u * self.params["W"]


class Module(nn.Module):
    def __init__(self, act: Act) -> None:
        super().__init__()
        self.act = act
        with torch.random.fork_rng():
            torch.manual_seed(0)
            self.body = nn.Sequential(nn.Linear(3, 3), nn.BatchNorm1d(3), nn.Linear(3, 2)).double()
        self.body[2].eval()
        self.body(ROWS).sum().backward()  # so that there are gradients to disturb
        self.body[0].bias.requires_grad_(False)
        self.idle = nn.BatchNorm1d(2).double()  # what an act may disturb without changing the output
        self.idle(ROWS[:, :2]).sum().backward()

    def forward(self, x: Tensor) -> Any:
        return self.act.returned([x], self.body(x), self.idle)

    def call(self, x: Tensor) -> Any:
        return self(x)


class Cubed(torch.autograd.Function):
    act = Act()

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Any:
        ctx.save_for_backward(+x)
        returned = Cubed.act.returned([x], x**3)
        ctx.several = isinstance(returned, tuple)
        return returned

    @staticmethod
    def backward(ctx: Any, *u: Tensor) -> Any:
        Cubed.act.pulled()
        (x,) = ctx.saved_tensors
        return 3 * sum(u) * x**2


class Holder:
    """A callable object with a module in a list."""

    def __init__(self, module: nn.Module) -> None:
        self.stages = [module]

    def __call__(self, x: Tensor) -> Any:
        return self.stages[0](x)


@dataclass(frozen=True)
class Scene:
    """What is checked at which inputs, and everything of the caller's there is."""

    target: Any
    inputs: tuple[Any, ...]
    options: dict[str, Any] = field(default_factory=dict)
    mine: tuple[Any, ...] = ()


def product(act: Act, *inputs: Any) -> Scene:
    def vjp(u: Any, x: Any, y: Any) -> Any:
        act.pulled()
        return (u[0] + u[-1] if isinstance(u, tuple) else u) * y, u * x if not isinstance(u, tuple) else u[0] * x

    return Scene(lambda x, y: act.returned([x, y], x * y), inputs, {"vjp": vjp})


def layer_on(kind: type[Layer], act: Act, x: Any, **parameters: Any) -> Scene:
    layer = kind(act, **parameters)
    return Scene(layer, (x,), mine=(layer.params, layer.grads))


def cubed(act: Act) -> Scene:
    Cubed.act = act
    return Scene(Cubed, (TX.clone().requires_grad_(True),))


def running(wrap: Callable[[Module], Any], act: Act) -> Scene:
    module = Module(act)
    return Scene(wrap(module), (ROWS.clone(),), mine=(module,))


def on_tensors(act: Act) -> Scene:
    return Scene(lambda x, y: act.returned([x, y], x * y), (TX.clone().requires_grad_(True), TW.clone()))


SCENES: dict[str, Callable[[Act], Scene]] = {
    "layer": lambda act: layer_on(Layer, act, X.copy(), W=W.copy(), b=-W),
    "layer on tensors": lambda act: layer_on(LayerOnTensors, act, TX.clone(), W=TW.clone(), b=-TW),
    "layer on tensors that require gradients": lambda act: layer_on(
        LayerOnTensors, act, TX.clone(), W=TW.clone().requires_grad_(True), b=nn.Parameter(-TW)
    ),
    "function": lambda act: product(act, X.copy(), W.copy()),
    "function on tensors": lambda act: product(act, TX.clone(), TW.clone()),
    "autograd function": cubed,
    "module": partial(running, lambda module: module),
    "torch callable": on_tensors,
    "closure over a module": partial(running, lambda module: lambda x, **_: module(x)),
    "bound method of a module": partial(running, lambda module: module.call),
    "partial of a closure": partial(running, lambda module: partial(lambda _, x: module(x), None)),
    "callable that holds a module": partial(running, Holder),
}


# ---------------------------------------------------------------- what must be as before


@singledispatch
def frozen(value: Any) -> Any:
    """The bits of anything that users pass, comparable with ==."""
    return value


@frozen.register
def _(value: np.ndarray) -> Any:
    return str(value.dtype), value.shape, value.tobytes(), value.flags.writeable


@frozen.register
def _(value: Tensor) -> Any:
    bits = str(value.dtype), tuple(value.shape), value.detach().contiguous().numpy().tobytes()
    return (*bits, value.requires_grad, id(value.grad), frozen(value.grad)) if value.is_leaf else bits


@frozen.register
def _(value: nn.Module) -> Any:
    attributes = [
        (name, sorted(vars(module)), module.training, list(module._buffers), getattr(module, "calls", 0))
        for name, module in value.named_modules()
    ]
    parameters = [(name, id(p), frozen(p)) for name, p in value.named_parameters()]
    return attributes, parameters, {name: frozen(t) for name, t in value.state_dict(keep_vars=True).items()}


@frozen.register
def _(value: dict) -> Any:
    return {key: frozen(inner) for key, inner in value.items()}


@frozen.register(list)
@frozen.register(tuple)
def _(value: Sequence[Any]) -> Any:
    return [frozen(inner) for inner in value]


def settings() -> Any:
    """Of the process: generators, precision, grad mode, error handling, filters, the working directory."""
    name, keys, *rest = np.random.get_state()  # noqa: NPY002
    generators = random.getstate(), name, np.asarray(keys).tobytes(), rest, torch.get_rng_state().numpy().tobytes()
    matmul = torch.backends.cuda.matmul
    precision = (
        torch.get_float32_matmul_precision(),
        matmul.allow_tf32,
        matmul.allow_fp16_reduced_precision_reduction,
        matmul.allow_bf16_reduced_precision_reduction,
        torch.backends.cudnn.allow_tf32,
    )
    of_torch = torch.get_default_dtype(), torch.is_grad_enabled(), torch.is_inference_mode_enabled()
    return generators, precision, of_torch, np.geterr(), list(warnings.filters), sorted(os.listdir()), os.getcwd()


@contextmanager
def settings_put_back() -> Iterator[None]:
    """So that a check that fails to do so fails its own test only."""
    errors, dtype, recorded = np.geterr(), torch.get_default_dtype(), torch.get_float32_matmul_precision()
    tf32 = torch.backends.cuda.matmul.allow_tf32
    with warnings.catch_warnings():
        try:
            yield
        finally:
            np.seterr(**errors)
            torch.set_default_dtype(dtype)
            torch.backends.cuda.matmul.allow_tf32 = tf32
            torch.set_float32_matmul_precision(recorded)


def visit(scene: Scene, budget: Any = None) -> BaseException | gk.Report:
    """Examine, and compare all that was passed, and all settings, with what they were before."""
    before, around = copy.deepcopy(frozen([*scene.mine, *scene.inputs])), settings()
    result: BaseException | gk.Report
    try:
        result = gk.examine(scene.target, *scene.inputs, budget=budget, **scene.options)
    except (PlantedError, KeyboardInterrupt, gk.UsageError, RuntimeError) as error:
        result = error
    assert settings() == around
    assert frozen([*scene.mine, *scene.inputs]) == before
    return result


@pytest.mark.parametrize("scene", SCENES)
@pytest.mark.parametrize("behaviour", BEHAVIOURS)
def test_a_check_ends_and_everything_is_as_before(scene: str, behaviour: str, tmp_path: Path) -> None:
    wanted, here = BEHAVIOURS[behaviour], Path.cwd()
    act = wanted.make()
    os.chdir(tmp_path)
    try:
        with settings_put_back():
            result = visit(SCENES[scene](act), wanted.budget)
    finally:
        os.chdir(here)
    if isinstance(result, gk.Report):
        assert result.verdict in wanted.ends, result
    else:
        assert isinstance(result, tuple(end for end in wanted.ends if not isinstance(end, Verdict))), result
        assert str(result)


def test_the_comparison_can_fail() -> None:
    array = X.copy()
    before = frozen([array])
    array[0, 0] = np.nextafter(array[0, 0], 9)
    assert frozen([array]) != before
    around = settings()
    with torch.random.fork_rng():
        torch.rand(1)
        assert settings() != around
    for act in (partial(resettled, TX), partial(disturbed, TX)):
        module = Module(Act())
        with settings_put_back():
            held = copy.deepcopy(frozen(module)), settings()
            act([module.idle, module.body[1]])
            assert (frozen(module), settings()) != held
    assert settings() == around


def test_every_behaviour_really_happens() -> None:
    """What is planted in the n-th call is reached in some scene, and every way to end is seen somewhere."""
    seen: dict[str, set[Any]] = {}
    for name, behaviour in BEHAVIOURS.items():
        with settings_put_back():
            results = [
                visit(SCENES[scene](behaviour.make()), behaviour.budget) for scene in ("layer", "torch callable")
            ]
        seen[name] = {r.verdict if isinstance(r, gk.Report) else type(r) for r in results}
    assert [name for name in seen if name.startswith(("PlantedError", "Keyboard")) and seen[name] == {PASS}] == []
    assert set().union(*seen.values()) == {PASS, FAIL, INCONCLUSIVE, gk.UsageError, PlantedError, KeyboardInterrupt} | {
        RuntimeError
    }


# ---------------------------------------------------------------- Ctrl-C

CTRL_C = """
import os, signal, sys
import numpy as np
import torch
import gradcheck_kit as gk

calls, after = 0, int(sys.argv[1])
layer = torch.nn.BatchNorm1d(3).double()
x = torch.randn(4, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
before = [tensor.clone() for tensor in (x, *layer.state_dict().values())], torch.get_rng_state(), np.geterr()

def forward(x):
    global calls
    calls += 1
    np.seterr(all="ignore")
    torch.rand(1)
    if calls == after:
        signal.signal(signal.SIGINT, signal.default_int_handler)  # where the tests run in the background it is ignored
        os.kill(os.getpid(), signal.SIGINT)
        for _ in range(10**9):  # where Python hands the signal over
            pass
    return layer(x)

try:
    gk.examine(forward, x)
except KeyboardInterrupt:
    now = [x, *layer.state_dict().values()], torch.get_rng_state(), np.geterr()
    assert all(torch.equal(one, other) for one, other in zip(before[0], now[0], strict=True))
    assert torch.equal(before[1], now[1])
    assert before[2] == now[2]
    print("interrupted in call", calls)
"""


@pytest.mark.skipif(os.name == "nt", reason="a process cannot send itself Ctrl-C on Windows: not run")
@pytest.mark.parametrize("call", [1, 12])
def test_ctrl_c_ends_a_check_at_once_and_everything_is_as_before(call: int) -> None:
    command = [sys.executable, "-c", CTRL_C, str(call)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT, timeout=120)
    assert done.returncode == 0, done.stderr
    assert done.stdout == f"interrupted in call {call}\n"


# ---------------------------------------------------------------- what cannot be copied


class RefusesToBeCopied:
    def __deepcopy__(self, memo: dict[int, Any]) -> Any:
        raise PlantedError("not me")


def test_what_refuses_to_be_copied_is_told_and_untouched() -> None:
    layer, module = Layer(Act(), W=W.copy(), b=-W), Module(Act())
    layer.inner = module.inner = RefusesToBeCopied()  # type: ignore[attr-defined, assignment]
    for target, x in ((layer, X), (module, ROWS)):
        before = frozen(layer.params), copy.deepcopy(frozen(module.body))
        with pytest.raises(gk.UsageError, match=r"cannot be (deep-)?copied .*not me"):
            gk.examine(target, x)
        assert (frozen(layer.params), frozen(module.body)) == before


def test_the_call_that_is_recommended_where_a_layer_cannot_be_copied_works_though_its_backward_needs_its_forward() -> (
    None
):
    layer = Layer(Act(), W=W.copy(), b=-W)
    layer.inner = RefusesToBeCopied()  # type: ignore[attr-defined]
    with pytest.raises(gk.UsageError) as caught:
        gk.examine(layer, X)
    recommended = "vjp=lambda u, *x: (layer.forward(*x), layer.backward(u))[1]"
    assert recommended in str(caught.value)
    vjp = eval(recommended.removeprefix("vjp="), {"layer": layer})
    report = gk.examine(layer.forward, X, vjp=vjp)
    assert report.verdict is PASS
    assert layer.act.forwards == report.cost.forward + report.cost.vjp
    stale = gk.examine(layer.forward, X, vjp=lambda u, x: layer.backward(u) + 0 * x, names=["x"])
    assert stale.verdict is PASS  # W·u needs no input: only what is saved goes stale
    square = Squared()
    assert gk.examine(square.forward, X, vjp=lambda u, x: square.backward(u)).verdict is not PASS
    assert gk.examine(square.forward, X, vjp=lambda u, x: (square.forward(x), square.backward(u))[1]).verdict is PASS


class Squared:
    """Keeps the input of its latest forward for its backward."""

    def forward(self, x: Values) -> Values:
        self.x = x
        return x * x

    def backward(self, u: Values) -> Values:
        return 2 * self.x * u


# ---------------------------------------------------------------- modules that a callable runs

GLOBAL = nn.Linear(2, 2)


def runs_a_global(x: Tensor) -> Any:
    return GLOBAL(x)


def in_a_default(x: Tensor, module: nn.Module = GLOBAL) -> Any:
    return module(x)


def later(x: Tensor) -> Any:
    return [(lambda factor: factor * GLOBAL(x))(factor) for factor in (1.0, 2.0)]  # noqa: PLC3002


def keyword_only(x: Tensor, *, module: nn.Module = GLOBAL) -> Any:
    return module(x)


def unbound() -> Any:
    if len(sys.argv) < 0:
        never = GLOBAL
    return lambda x: +never(x)


def one_of(modules: list[nn.Module]) -> Any:
    return lambda x: modules[0](x) + modules[1](x)


class Outer(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.inner = GLOBAL


FINDS: dict[str, tuple[Any, int]] = {
    "a global": (runs_a_global, 1),
    "a global in an inner function": (later, 1),
    "a default": (in_a_default, 1),
    "a keyword default": (keyword_only, 1),
    "a function that calls one": (lambda x: 2 * runs_a_global(x), 1),
    "a bound method": (Outer().forward, 1),
    "a list in a closure": (one_of([nn.Linear(1, 1), GLOBAL]), 2),
    "a dict in a partial": (partial(lambda modules, x: modules["a"](x), {"a": GLOBAL}), 1),
    "an object": (Holder(GLOBAL), 1),
    "a variable not bound yet": (unbound(), 0),
    "none": (torch.sin, 0),
    "a builtin": (max, 0),
}


@pytest.mark.parametrize("name", FINDS)
def test_the_modules_that_a_callable_holds_are_found(name: str) -> None:
    target, count = FINDS[name]
    assert len(modules_of(target)) == count


# ---------------------------------------------------------------- wrt, and dtypes of one's own


@pytest.mark.parametrize("wrt", ["x", "w", None])
def test_autograd_is_asked_for_the_inputs_in_wrt_alone(wrt: str | None) -> None:
    seen: set[tuple[bool, bool]] = set()

    def function(x: Tensor, w: Tensor) -> Tensor:
        seen.add((x.requires_grad, w.requires_grad))
        return x * w

    assert gk.check(function, TX, TW, wrt=wrt, questions="directional")
    assert seen == {(False, False), (wrt != "w", wrt != "x")}


def test_an_input_that_autograd_must_not_reach_is_left_alone_by_wrt() -> None:
    class Refuses(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: Tensor) -> Tensor:
            return x.clone()

        @staticmethod
        def backward(ctx: Any, *u: Tensor) -> Any:
            raise PlantedError("no derivative here")

    assert gk.check(lambda x, mask: x * Refuses.apply(mask), TX, TW, wrt="x")
    with pytest.raises(PlantedError):
        gk.examine(lambda x, mask: x * Refuses.apply(mask), TX, TW)


class Mixed(nn.Module):
    """A frozen layer in float32 within a module in float64."""

    def __init__(self) -> None:
        super().__init__()
        with torch.random.fork_rng():
            torch.manual_seed(0)
            self.features, self.head = nn.Linear(3, 3).requires_grad_(False), nn.Linear(3, 2).double()

    def forward(self, x: Tensor) -> Any:
        return self.head(self.features(x.float()).double())


def test_a_frozen_float32_layer_in_a_float64_module_stays_float32() -> None:
    report = gk.examine(Mixed(), ROWS, wrt=["head.weight", "head.bias"])
    assert report.verdict is PASS, report
    assert gk.examine(Mixed(), ROWS).verdict is not FAIL


def test_the_parameters_of_a_textbook_layer_on_tensors_may_require_gradients() -> None:
    scene = SCENES["layer on tensors that require gradients"](Act())
    report = gk.examine(scene.target, *scene.inputs)
    assert report.verdict is PASS, report
    assert [f.input for f in report.findings if f.question == "directional"] == ["x", "W", "b"]
