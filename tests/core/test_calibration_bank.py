"""The calibration stands on its truths: they agree with autograd, in every library, and a wrong one would show."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from benchmarks.bank import KINKED, ODD, SMOOTH, Case
from benchmarks.calibration import MODES, one
from benchmarks.expert import OPINIONS
from benchmarks.truth import jvp, vjp

BANK = {**SMOOTH, **KINKED, **ODD}


@pytest.fixture(params=BANK.values(), ids=BANK.keys())
def case(request: pytest.FixtureRequest) -> Case:
    return request.param


def test_the_truth_agrees_with_torch_autograd(case: Case) -> None:
    generator = np.random.default_rng(0)
    x = case.draw(generator)
    v = generator.normal(size=x.shape)
    outputs, theirs = torch.autograd.functional.jvp(case.f, torch.from_numpy(x), torch.from_numpy(v))
    ours = jvp(case.f, x, v)
    np.testing.assert_allclose(np.asarray(case.f(x)), outputs.numpy(), rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(ours.astype(np.float64), theirs.numpy(), rtol=1e-8, atol=1e-12)


def test_the_true_gradient_and_the_true_derivative_are_adjoint(case: Case) -> None:
    generator = np.random.default_rng(1)
    x = case.draw(generator)
    v, u = generator.normal(size=x.shape), generator.normal(size=np.shape(case.f(x)))
    forward, backward = np.sum(u * jvp(case.f, x, v)), np.sum(vjp(case.f, u, x) * v)
    assert abs(forward - backward) <= 1e-12 * np.sum(abs(u * jvp(case.f, x, v))) + 1e-15


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float32, torch.float64])
def test_a_function_stays_in_its_precision(case: Case, dtype: torch.dtype) -> None:
    x = case.draw(np.random.default_rng(2))
    assert case.f(torch.from_numpy(x).to(dtype)).dtype == dtype
    if dtype != torch.bfloat16:
        name = str(dtype).removeprefix("torch.")
        with np.errstate(over="ignore"):
            assert case.f(x.astype(name)).dtype == name


def test_there_is_an_opinion_on_every_odd_function() -> None:
    assert OPINIONS.keys() == ODD.keys()
    assert all(mode in MODES for opinion in OPINIONS.values() for mode in opinion.modes)


@pytest.mark.parametrize("mode", MODES)
def test_a_draw_is_passed_and_its_bound_is_honest(mode: str) -> None:
    tally = one("square", SMOOTH["square"], mode, seed=0)
    assert list(tally.verdicts) == [("square", "PASS")]
    assert len(tally.ratios) >= 3
    assert max(tally.ratios) <= 1.0
    assert set(tally.probes) == {"plain", "aligned", "equalised"}


def test_a_function_that_is_not_its_truth_is_seen() -> None:
    """In complex arithmetic, where the truth is taken, this is another function than in float64."""
    square = SMOOTH["square"]
    deceptive = replace(square, f=lambda x: x * x * (1.5 if np.iscomplexobj(x) else 1.0))
    tally = one("deceptive", deceptive, "float64", seed=0)
    assert list(tally.verdicts) == [("deceptive", "FAIL")]
    assert min(tally.ratios) > 1e3
