"""Whatever a subject does, its check ends with a verdict or a clear error, and all of the caller's is as it was."""

import copy
import os
import random
import subprocess
import sys
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial, singledispatch
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch
from torch import Tensor, nn

import gradcheck_kit as gk
from gradcheck_kit.verdict import Verdict
from tests.acts import BEHAVIOURS, FAIL, INCONCLUSIVE, PASS, Act, PlantedError, disturbed, resettled
from tests.scenes import ROWS, SCENES, TX, Layer, Module, Scene, W, X

Values = npt.NDArray[Any]


ROOT = Path(__file__).resolve().parents[2]


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
