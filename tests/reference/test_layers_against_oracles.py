"""Every reference layer and network against two independent oracles, and against what any VJP must satisfy."""

import copy
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import Phase, given, note, settings
from hypothesis import strategies as st

import gradcheck_kit as gk
import reference_impls.layers
import reference_impls.networks
from gradcheck_kit.cli.catalogue import CATALOGUE, LARGE
from gradcheck_kit.cli.torch_twins import twin_of
from reference_impls.layers import Layer, ReLU
from tests.cases import CASES, LAYOUTS, NORMAL, Array, Case, Example

every_case = pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
SEEDS = st.integers(0, 2**32 - 1)
ROUNDING = 64.0  # units in the last place of the largest intermediate: what another order of summation may change

Run = tuple[Array, list[Array]]
Property = Callable[[Case, Example, int], None]


def run(layer: Any, inputs: tuple[Any, ...], cotangent: Array) -> Run:
    """The output, and every gradient: of the inputs in their order, then of the parameters."""
    layer = drawing_the_same(layer)
    output = np.asarray(layer.forward(*inputs))
    returned = layer.backward(cotangent)
    pulled = list(returned) if isinstance(returned, tuple) else [returned]
    return output, [gradient for gradient in [*pulled, *layer.grads.values()] if gradient is not None]


def drawing_the_same(layer: Any) -> Any:
    """The layer, with its own parameters; one that draws random numbers draws the same ones each time."""
    layer = copy.copy(layer)
    if hasattr(layer, "rng"):
        layer.rng = copy.deepcopy(layer.rng)
    return layer


def cotangent_of(example: Example, seed: int) -> Array:
    output = np.asarray(drawing_the_same(example.layer).forward(*example.inputs))
    return np.asarray(np.random.default_rng(seed).normal(size=output.shape), output.dtype)


def rounding(case: Case, example: Example, *cotangents: Array) -> float:
    """A bound on the rounding error of any sum of products that the layer can form at this point."""
    arrays = [*example.inputs, *example.layer.params.values(), *cotangents]
    floats = [a for a in map(np.asarray, arrays) if a.dtype.kind == "f" and a.size]
    if case.divides_by is not None and not example.empty:
        floats.append(1 / case.divides_by(example))
    size = np.prod([max(1.0, float(abs(a).max())) for a in floats]) * max((a.size for a in floats), default=1)
    return float(ROUNDING * np.finfo(example.draw.dtype).eps * size)


def assert_equal_to_rounding(mine: list[Array], theirs: list[Array], bound: float) -> None:
    for one, other in zip(mine, theirs, strict=True):
        np.testing.assert_allclose(one, other, rtol=0, atol=bound)


# --- two oracles ---


@every_case
def test_gradients_agree_with_numerical_differences_at_ordinary_float64_values(case: Case) -> None:
    seen: Counter[gk.Verdict] = Counter()

    @given(case.examples(dtypes=("float64",), kinds=(NORMAL,)), SEEDS)
    def agree(example: Example, seed: int) -> None:
        report = gk.examine(case.subject(example), seed=seed)
        note(str(report))
        assert report.verdict is not gk.Verdict.FAIL
        if not example.empty:
            seen[report.verdict] += 1
            # Where a ReLU lies inside, some unit may be so near its kink that differences cannot tell.
            assert report or not case.smooth

    agree()
    assert seen[gk.Verdict.PASS] >= 0.8 * seen.total(), seen


@every_case
def test_numerical_differences_never_accuse_a_right_gradient(case: Case) -> None:
    """At kinks, where nothing is left to compare, and at scales where rounding hides the derivative, INCONCLUSIVE."""
    seen: Counter[tuple[str, bool, gk.Verdict]] = Counter()

    @given(case.examples(), SEEDS)
    def never_fail(example: Example, seed: int) -> None:
        report = gk.examine(case.subject(example), seed=seed)
        note(str(report))
        assert report.verdict is not gk.Verdict.FAIL
        seen[example.draw.kind, example.empty, report.verdict] += 1

    never_fail()
    normal = Counter({verdict: n for (kind, empty, verdict), n in seen.items() if kind == NORMAL and not empty})
    assert normal[gk.Verdict.INCONCLUSIVE] <= normal[gk.Verdict.PASS], seen


@every_case
def test_output_and_gradients_agree_with_torch_autograd(
    case: Case, device: str, needs_device: Callable[[str, str], None]
) -> None:
    needs_device(device, f"{case.name} beside torch.autograd")

    @given(case.examples(), SEEDS)
    def agree(example: Example, seed: int) -> None:
        subject = case.subject(example)
        report = gk.parity(twin_of(subject, device, case.twin_at(example)), subject, seed=seed)
        note(str(report))
        if np.isfinite(example.layer.forward(*example.inputs)).all():
            assert report
        else:  # the mean of nothing: both say nan, which is no evidence
            assert example.empty
            assert report.verdict is gk.Verdict.INCONCLUSIVE

    agree()


# --- what every VJP satisfies ---


def for_every_example(test: Property, **which: Any) -> Callable[[Case], None]:
    """The property `test` at examples of each case, with a seed for whatever else it draws."""

    @every_case
    def every_example(case: Case) -> None:
        @given(case.examples(**which), SEEDS)
        def holds(example: Example, seed: int) -> None:
            test(case, example, seed)

        holds()

    return every_example


def _layout(case: Case, example: Example, seed: int) -> None:
    u = cotangent_of(example, seed)
    plain = case.contiguous(example)
    # A copy: a cotangent already overwritten here would look untouched below.
    output, gradients = run(plain.layer, plain.inputs, u.copy())
    arguments = [*map(np.asarray, example.inputs), *example.layer.params.values(), LAYOUTS[example.draw.layout](u)]
    before = [argument.tobytes() for argument in arguments]
    laid_output, laid_gradients = run(example.layer, example.inputs, arguments[-1])
    bound = rounding(case, example, u)
    assert_equal_to_rounding([laid_output, *laid_gradients], [output, *gradients], bound)
    assert [argument.tobytes() for argument in arguments] == before


test_every_memory_layout_gives_what_a_contiguous_copy_gives_and_stays_untouched = for_every_example(
    _layout, layouts=tuple(LAYOUTS)
)


def _apart(case: Case, example: Example, seed: int) -> None:
    u = cotangent_of(example, seed)
    output, gradients = run(example.layer, example.inputs, u)
    given = [*map(np.asarray, example.inputs), *example.layer.params.values(), u]
    made = [output, *gradients]
    for i, array in enumerate(made):
        assert not any(np.shares_memory(array, other) for other in [*given, *made[:i]])


test_outputs_and_gradients_share_no_memory_with_anything_else = for_every_example(_apart)


def _dtype(case: Case, example: Example, seed: int) -> None:
    output, gradients = run(example.layer, example.inputs, cotangent_of(example, seed))
    assert {array.dtype for array in [output, *gradients]} == {np.dtype(example.draw.dtype)}


test_output_and_gradients_keep_the_dtype = for_every_example(_dtype)


def _linear(case: Case, example: Example, seed: int) -> None:
    u, w = cotangent_of(example, seed), cotangent_of(example, seed + 1)
    a, b = np.random.default_rng(seed + 2).normal(size=2).astype(u.dtype)
    mixed = np.asarray(a * u + b * w, u.dtype)
    _, of_u = run(example.layer, example.inputs, u)
    _, of_w = run(example.layer, example.inputs, w)
    _, of_mixed = run(example.layer, example.inputs, mixed)
    bound = rounding(case, example, u, w) * (1 + abs(a) + abs(b))
    assert_equal_to_rounding(of_mixed, [a * x + b * y for x, y in zip(of_u, of_w, strict=True)], bound)


test_the_vjp_is_linear_in_its_cotangent = for_every_example(_linear)


def _odd(case: Case, example: Example, seed: int) -> None:
    u = cotangent_of(example, seed)
    _, forth = run(example.layer, example.inputs, u)
    _, back = run(example.layer, example.inputs, -u)
    for one, other in zip(forth, back, strict=True):
        np.testing.assert_array_equal(one, -other)


test_the_vjp_of_the_negative_cotangent_is_exactly_the_negative = for_every_example(_odd)


def permuted(case: Case, example: Example, order: Array) -> tuple[Any, ...]:
    head, tail = example.inputs[: case.batched], example.inputs[case.batched :]
    return (*(value[order] for value in head), *tail)


def _equivariant(case: Case, example: Example, seed: int) -> None:
    if case.batched == 0 or np.ndim(example.inputs[0]) == 0:
        return  # no batch
    order = np.random.default_rng(seed).permutation(len(example.inputs[0]))
    u = cotangent_of(example, seed)
    output, (dx, *of_parameters) = run(example.layer, example.inputs, u)
    loss = output.ndim == 0
    mine = run(example.layer, permuted(case, example, order), u if loss else u[order])
    expected = [output if loss else output[order], dx[order], *of_parameters]
    assert_equal_to_rounding([mine[0], *mine[1]], expected, rounding(case, example, u))


test_a_permuted_batch_has_the_permuted_output_and_gradients = for_every_example(_equivariant)


# --- the properties reject what they are there to reject ---


class ReLUOfMemoryOrder(ReLU):
    def forward(self, x: Array) -> Array:
        return super().forward(x.ravel(order="K").reshape(x.shape))


class ReLUOverwritesCotangent(ReLU):
    def backward(self, cotangent: Array) -> Array:
        gradient = super().backward(cotangent)
        if cotangent.flags.writeable:
            cotangent[...] = gradient
        return gradient


class ReLUHandsTheCotangentOn(ReLU):
    def backward(self, cotangent: Array) -> Array:
        gradient = super().backward(cotangent)
        return cotangent if np.array_equal(gradient, cotangent) else gradient


class ReLUInFloat64(ReLU):
    def backward(self, cotangent: Array) -> Array:
        return super().backward(cotangent).astype(np.float64)


class ReLUOfClampedCotangent(ReLU):
    def backward(self, cotangent: Array) -> Array:
        return super().backward(np.clip(cotangent, -0.5, 0.5))


class ReLUOfCotangentMagnitude(ReLU):
    def backward(self, cotangent: Array) -> Array:
        return super().backward(abs(cotangent))


class ReLUFlipsFirstRow(ReLU):
    def backward(self, cotangent: Array) -> Array:
        gradient = super().backward(cotangent)
        if gradient.ndim:
            gradient[:1] *= -1
        return gradient


BROKEN: dict[str, tuple[Property, type[ReLU]]] = {
    "layout": (_layout, ReLUOfMemoryOrder),
    "untouched": (_layout, ReLUOverwritesCotangent),
    "apart": (_apart, ReLUHandsTheCotangentOn),
    "dtype": (_dtype, ReLUInFloat64),
    "linear": (_linear, ReLUOfClampedCotangent),
    "odd": (_odd, ReLUOfCotangentMagnitude),
    "permuted batch": (_equivariant, ReLUFlipsFirstRow),
}


@pytest.mark.parametrize(("holds", "layer"), BROKEN.values(), ids=BROKEN.keys())
def test_a_layer_with_a_planted_bug_breaks_the_property(holds: Property, layer: type[ReLU]) -> None:
    case = next(case for case in CASES if case.of is ReLU)
    broken = replace(case, build=lambda values, shape: (layer(), (values.real(*shape),)))

    # Enough that none is missed by chance: what is drawn depends on the modules that are loaded, too.
    @settings(max_examples=1000, derandomize=True, database=None, phases=[Phase.generate])
    @given(broken.examples(layouts=tuple(LAYOUTS)), SEEDS)
    def find(example: Example, seed: int) -> None:
        holds(broken, example, seed)

    with pytest.raises(AssertionError):
        find()


# --- the table itself ---


@pytest.mark.parametrize("package", [reference_impls.layers, reference_impls.networks], ids=lambda p: p.__name__)
def test_every_exported_layer_is_in_the_table_and_in_the_catalogue(package: Any) -> None:
    exported = {name for name in package.__all__ if getattr(package, name) is not Layer}
    assert exported <= {case.of.__name__ for case in CASES}
    assert exported <= {entry.name.split(" ")[0] for entry in (*CATALOGUE, *LARGE)}


def test_the_names_in_the_table_are_unique() -> None:
    assert len({case.name for case in CASES}) == len(CASES)
