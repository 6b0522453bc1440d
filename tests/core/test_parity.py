"""Is a candidate's pullback the reference's? Right pairs in two libraries agree, planted differences are named."""

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch
from torch import Tensor, nn

import gradcheck_kit as gk
from gradcheck_kit.side_by_side.subjects import parity
from gradcheck_kit.verdict import Verdict
from tests.refusals import expect_refusal

Values = npt.NDArray[Any]


def _softplus(x: Values, w: Values) -> Values:
    return np.asarray(np.logaddexp(0, x @ w))


def _softplus_vjp(u: Values, x: Values, w: Values) -> tuple[Values, Values]:
    inner = u / (1 + np.exp(-(x @ w)))
    return inner @ w.T, x.T @ inner


FORMULAS: dict[str, tuple[Callable[..., Any], Callable[..., Any], Callable[..., Tensor]]] = {
    "product": (lambda x, w: x @ w, lambda u, x, w: (u @ w.T, x.T @ u), lambda x, w: x @ w),
    "softplus": (_softplus, _softplus_vjp, lambda x, w: nn.functional.softplus(x @ w, threshold=1e9)),
    "tanh": (
        lambda x, w: np.tanh(x @ w),
        lambda u, x, w: ((u / np.cosh(x @ w) ** 2) @ w.T, x.T @ (u / np.cosh(x @ w) ** 2)),
        lambda x, w: torch.tanh(x @ w),
    ),
}
DTYPES = ["float32", "float64"]


def drawn(seed: int, dtype: str) -> tuple[Values, Values]:
    generator = np.random.default_rng(seed)
    return generator.normal(size=(4, 3)).astype(dtype), generator.normal(size=(3, 5)).astype(dtype)


def sides(
    name: str, seed: int = 0, dtype: str = "float64", spoil: Callable[[Any, Any], Any] = lambda dx, dw: (dx, dw)
) -> tuple[gk.Subject, gk.Subject]:
    """The torch callable, and the NumPy function whose gradients `spoil` changes."""
    forward, vjp, twin = FORMULAS[name]
    x, w = drawn(seed, dtype)
    reference = gk.module(twin, torch.tensor(x), torch.tensor(w), names=["x", "w"], name="twin")
    candidate = gk.function(forward, x, w, vjp=lambda u, x, w: spoil(*vjp(u, x, w)), names=["x", "w"], name="candidate")
    return reference, candidate


@pytest.mark.parametrize("name", FORMULAS)
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("seed", range(8))
def test_the_same_function_in_numpy_and_torch_agrees(name: str, dtype: str, seed: int) -> None:
    reference, candidate = sides(name, seed, dtype)
    report = parity(reference, candidate, seed=seed)
    assert report.verdict is Verdict.PASS, report
    assert [f.input for f in report.findings] == ["x", "w"]
    assert report.dtype == dtype
    assert "candidate beside twin" in str(report)


@pytest.mark.parametrize("name", FORMULAS)
@pytest.mark.parametrize("dtype", DTYPES)
def test_a_subject_agrees_with_itself_and_the_sides_can_be_exchanged(name: str, dtype: str) -> None:
    reference, candidate = sides(name, 0, dtype)
    for one, other in ((candidate, candidate), (reference, reference), (candidate, reference)):
        assert parity(one, other)


@pytest.mark.parametrize("name", FORMULAS)
@pytest.mark.parametrize(("dtype", "factor"), [("float64", 1 + 1e-10), ("float32", 1 + 1e-3), ("float64", -1.0)])
@pytest.mark.parametrize("seed", range(3))
def test_a_factor_fails_and_names_input_and_element(name: str, dtype: str, factor: float, seed: int) -> None:
    report = parity(*sides(name, seed, dtype, lambda dx, dw: (dx, dw * dw.dtype.type(factor))))
    assert report.verdict is Verdict.FAIL
    (finding,) = [f for f in report.findings if f.verdict is Verdict.FAIL]
    assert finding.input == "w"
    assert finding.index is not None
    assert len(finding.index) == 2
    assert f"w[{finding.index[0]}, {finding.index[1]}]" in finding.message


@pytest.mark.parametrize("name", FORMULAS)
@pytest.mark.parametrize("seed", range(3))
def test_a_factor_within_rounding_is_never_a_failure(name: str, seed: int) -> None:
    """One unit in the last place is what two orders of summation may differ by."""
    report = parity(*sides(name, seed, spoil=lambda dx, dw: (dx, dw * (1 + 2.0**-52))))
    assert report.verdict is Verdict.PASS, report


@pytest.mark.parametrize("name", FORMULAS)
@pytest.mark.parametrize("index", [(0, 0), (2, 4), (1, 3)])
def test_one_wrong_element_is_the_one_named(name: str, index: tuple[int, int]) -> None:
    def spoil(dx: Values, dw: Values) -> tuple[Values, Values]:
        dw = dw.copy()
        dw[index] *= 1.001
        return dx, dw

    report = parity(*sides(name, spoil=spoil))
    assert report.verdict is Verdict.FAIL
    assert [(f.input, f.index) for f in report.findings if f.verdict is Verdict.FAIL] == [("w", index)]


def _with_nan(dx: Any, dw: Any) -> Any:
    dw = +dw
    dw[1, 2] = math.nan
    return dx, dw


def _one_sided() -> list[gk.Report]:
    reference, candidate = sides("product", spoil=_with_nan)
    _, right = sides("product")
    return [parity(reference, candidate), parity(candidate, right)]


def test_nan_on_one_side_is_no_pass_whichever_it_is() -> None:
    assert all(report.verdict is not Verdict.PASS for report in _one_sided())


def test_nan_on_one_side_fails_and_names_its_element_whichever_it_is() -> None:
    for report in _one_sided():
        assert report.verdict is Verdict.FAIL
        assert [(f.input, f.index) for f in report.findings if f.verdict is Verdict.FAIL] == [("w", (1, 2))]


def test_nan_on_both_sides_is_no_pass() -> None:
    _, candidate = sides("product", spoil=_with_nan)
    assert parity(candidate, candidate).verdict is not Verdict.PASS


def test_a_wrong_element_is_found_beside_nan_on_both_sides() -> None:
    def worse(dx: Any, dw: Any) -> Any:
        return _with_nan(2 * dx, dw)

    _, one = sides("product", spoil=_with_nan)
    _, other = sides("product", spoil=worse)
    report = parity(one, other)
    assert report.verdict is Verdict.FAIL
    assert "x" in [f.input for f in report.findings if f.verdict is Verdict.FAIL]


def test_a_missing_gradient_is_the_zero_that_it_claims() -> None:
    assert parity(*sides("product", spoil=lambda dx, dw: (None, dw))).verdict is Verdict.FAIL
    _, zero = sides("product", spoil=lambda dx, dw: (0 * dx, dw))
    _, none = sides("product", spoil=lambda dx, dw: (None, dw))
    assert parity(zero, none).verdict is Verdict.PASS


def test_a_cotangent_clamped_to_one_fails() -> None:
    reference, candidate = sides("product")
    clamped = replace(
        candidate, pullback=lambda p, u: candidate.pullback(p, {n: np.clip(a, -1, 1) for n, a in u.items()})
    )
    assert parity(reference, clamped).verdict is Verdict.FAIL


def test_another_output_is_told_before_any_gradient() -> None:
    reference, candidate = sides("product")
    shifted = replace(candidate, forward=lambda p: {n: y + 1e-9 for n, y in candidate.forward(p).items()})
    report = parity(reference, shifted)
    assert report.verdict is Verdict.FAIL
    assert "the output differs at output[" in report.findings[0].message
    turned = replace(candidate, forward=lambda p: {n: y[:2] for n, y in candidate.forward(p).items()})
    report = parity(reference, turned)
    assert report.verdict is Verdict.FAIL
    assert report.findings[0].cause == "wrong-shape"
    assert "(2, 5)" in report.findings[0].message


def _elsewhere(seed: int = 0, names: tuple[str, str] = ("x", "w")) -> gk.Subject:
    x, w = drawn(seed, "float64")
    return gk.function(lambda x, w: x @ w, x, w, vjp=lambda u, x, w: (u @ w.T, x.T @ u), names=names)


@pytest.mark.parametrize(
    ("reference", "candidate", "words"),
    [
        (_elsewhere(1), _elsewhere(0), ["x has different values", "same arrays"]),
        (_elsewhere(0, ("a", "b")), _elsewhere(0), ["no input x", "a, b", "names="]),
        (np.sin, _elsewhere(0), ["reference is a ufunc", "gk.function"]),
        (_elsewhere(0), 3, ["candidate is a int", "gk.layer"]),
    ],
)
def test_subjects_that_cannot_be_compared_are_told_apart(reference: Any, candidate: Any, words: list[str]) -> None:
    expect_refusal(lambda: parity(reference, candidate), gk.UsageError, words)


@pytest.mark.parametrize("seed", [-1, 0.5, True])
def test_a_bad_seed_is_a_usage_error(seed: Any) -> None:
    with pytest.raises(gk.UsageError, match="seed"):
        parity(*sides("product"), seed=seed)


def test_parity_is_repeated_exactly_by_its_seed() -> None:
    one, other = (parity(*sides("tanh"), seed=5) for _ in range(2))
    assert one.findings == other.findings
    assert one.findings != parity(*sides("tanh"), seed=6).findings
