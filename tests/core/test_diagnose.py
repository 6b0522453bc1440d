"""A cause is named where the numbers prove it, and not where they do not."""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import pytest

import gradcheck_kit as gk

Array = npt.NDArray[np.float64]
SEEDS = range(5)


def finding(vjp: Callable[..., object], *inputs: Array, forward: Callable[..., Array], seed: int = 0) -> gk.Finding:
    report = gk.examine(gk.function(forward, *inputs, vjp=vjp), seed=seed)
    assert report.verdict is gk.Verdict.FAIL
    return next(f for f in report.findings if f.verdict is gk.Verdict.FAIL)


def square(x: Array) -> Array:
    return x**2 / 2


def spoiled_square(spoil: Callable[[Array], Array]) -> Callable[[Array, Array], Array]:
    return lambda u, x: spoil(u * x)


@pytest.mark.parametrize("seed", SEEDS)
def test_an_error_of_no_mechanism_gets_no_name(seed: int) -> None:
    noise = np.random.default_rng([seed, 1]).normal(size=(6, 5))
    x = np.random.default_rng(seed).normal(size=(6, 5))
    for size in (1.0, 1e-3, 1e-7):
        wrong = finding(spoiled_square(lambda g, s=size: g * (1 + s * noise)), x, forward=square, seed=seed)  # type: ignore[misc]
        assert wrong.cause is None


@pytest.mark.parametrize("seed", SEEDS)
def test_a_factor_of_a_single_element_is_no_evidence_but_its_sign_is(seed: int) -> None:
    x = np.random.default_rng(seed).normal(size=1)
    assert finding(spoiled_square(lambda g: 2 * g), x, forward=square, seed=seed).cause is None
    assert finding(spoiled_square(lambda g: -g), x, forward=square, seed=seed).cause == "sign-flip"
    among_zeros = np.concatenate([np.zeros(3), x, np.zeros(4)])
    assert finding(spoiled_square(lambda g: 2 * g), among_zeros, forward=square, seed=seed).cause is None
    assert finding(spoiled_square(lambda g: -g), among_zeros, forward=square, seed=seed).cause == "sign-flip"


@pytest.mark.parametrize(
    ("factor", "words"),
    [
        (2.0, "2 times"),
        (0.5, "1/2 times"),
        (-2.0, "-2 times"),
        (7.0, "7 (the length of axis 0 of x)"),
        (1 / 35, "1/35"),
    ],
)
def test_a_factor_is_named_after_a_length_where_it_is_one(factor: float, words: str) -> None:
    x = np.random.default_rng(0).normal(size=(7, 5))
    wrong = finding(spoiled_square(lambda g: factor * g), x, forward=square)
    assert wrong.cause == "constant-factor"
    assert words in wrong.message


def test_two_equal_gradients_are_not_called_exchanged() -> None:
    """x + y has the same gradient for both; of a wrong one it can only be said that it is not the other's."""
    noise = np.random.default_rng(1).normal(size=(6, 5))
    x, y = np.random.default_rng(0).normal(size=(2, 6, 5))
    wrong = finding(lambda u, x, y: (u * (1 + noise), u), x, y, forward=lambda x, y: x + y)
    assert (wrong.input, wrong.cause) == ("x", None)


def test_a_gradient_that_is_exact_in_float32_is_not_low_precision_for_that() -> None:
    x = np.random.default_rng(0).integers(1, 9, (6, 5)).astype(float)
    wrong = finding(lambda u, x: u * (x + 2.0**-10), x, forward=square)
    assert (wrong.question, wrong.cause) == ("directional", None)


@pytest.mark.parametrize("quantise", [lambda g: np.round(g) + 1e-3, lambda g: np.rint(g * 2**20) / 2**20])
def test_a_gradient_on_a_grid_is_not_linear_and_not_of_low_precision(quantise: Callable[[Array], Array]) -> None:
    """A grid has one spacing for numbers of every size, a format has not: it rounds 16·g to 16 times the rounded g."""
    x = np.random.default_rng(0).normal(size=(6, 5))
    wrong = finding(spoiled_square(quantise), x, forward=square)
    assert (wrong.question, wrong.cause) == ("linearity", "nonlinear-in-cotangent")


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize(("digits", "form"), [(24, "float32"), (11, "float16"), (8, "bfloat16")])
def test_the_format_that_a_backward_went_through_is_named(digits: int, form: str, seed: int) -> None:
    """Whether its result, its cotangent or a factor was rounded to that format."""

    def rounded(a: Array) -> Array:
        mantissa, exponent = np.frexp(a)
        return np.asarray(np.ldexp(np.rint(np.ldexp(mantissa, digits)), exponent - digits))

    x = np.random.default_rng(seed).normal(size=(6, 5))
    for vjp in (lambda u, x: rounded(u * x), lambda u, x: rounded(u) * x, lambda u, x: u * rounded(x)):
        wrong = finding(vjp, x, forward=square, seed=seed)
        assert wrong.cause == "low-precision"
        assert f" {form}: an intermediate is not in float64" in " ".join(wrong.message.split())


@pytest.mark.parametrize("seed", SEEDS)
def test_the_digits_of_the_output_itself_are_not_called_a_loss(seed: int) -> None:
    """A cotangent of a float32 output is rounded to float32 before the backward sees it; the bug is another."""

    def forward(x: Array) -> Array:
        return square(x).astype(np.float32)  # type: ignore[return-value]

    x = np.random.default_rng(seed).normal(size=(6, 5))
    wrong = finding(lambda u, x: x * u * (1 + abs(u) / np.linalg.norm(u)), x, forward=forward, seed=seed)
    assert (wrong.question, wrong.cause) == ("linearity", "nonlinear-in-cotangent")


def test_the_only_gathered_twice_of_few_is_no_evidence() -> None:
    def assigns(u: Array, x: Array, index: Array) -> tuple[Array, None]:
        gradient = np.zeros_like(x)
        gradient[index] = u
        return gradient, None

    x = np.random.default_rng(0).normal(size=5)
    few = finding(assigns, x, np.array([3, 0, 3]), forward=lambda x, index: x[index])  # type: ignore[arg-type]
    assert (few.place, few.cause) == ("x[3]", None)


def test_a_slice_that_is_the_others_by_right_is_not_called_stale() -> None:
    """The gradient of a total over rows is the same in every row; only a copy of one single other row is evidence."""
    x = np.random.default_rng(0).normal(size=(6, 5))

    def one_row_is_another(u: Array, x: Array) -> Array:
        gradient = np.tile(u, (6, 1))
        gradient[3] = np.roll(u, 1)
        return gradient

    def one_row_is_that_of_all(u: Array, x: Array) -> Array:
        return np.tile(u, (6, 1))

    def weighted(x: Array) -> Array:
        return np.asarray(x.sum(axis=0) + x[3] * x[3])

    assert finding(one_row_is_another, x, forward=lambda x: x.sum(axis=0)).cause != "stale-slice"
    wrong = finding(one_row_is_that_of_all, x, forward=weighted)
    assert (wrong.place, wrong.cause) == ("row 3 of x, x[3, :]", None)


def test_numbers_of_an_earlier_call_are_told_from_a_constant_that_ignores_the_cotangent() -> None:
    """Both are the same for every cotangent; what is left from an earlier call is so at every point, too."""
    x = np.random.default_rng(0).normal(size=(6, 5))
    left = np.random.default_rng(1).normal(size=5)

    def spoiled(row: Callable[[Array], Array]) -> Callable[[Array, Array], Array]:
        return lambda u, x: np.where(np.arange(6)[:, None] == 3, row(x), u * x)

    assert finding(spoiled(lambda _: left), x, forward=square).cause == "stale-slice"
    assert finding(spoiled(lambda x: x), x, forward=square).cause == "cotangent-ignored"
    both = finding(lambda u, x: u * x + left, x, forward=square)
    assert both.cause == "nonlinear-in-cotangent"


def test_a_report_of_many_wrong_inputs_still_fits_on_a_screen() -> None:
    arrays = [np.random.default_rng(i).normal(size=(4, 3)) for i in range(9)]

    def forward(a: Array, b: Array, c: Array, d: Array, e: Array, f: Array, g: Array, h: Array, i: Array) -> Array:
        return np.asarray(np.sin(a + b * c) + d * e + f * g + h * i)

    report = gk.examine(gk.function(forward, *arrays, vjp=lambda u, *inputs: tuple(u * np.cos(3 * a) for a in inputs)))
    text = str(report)
    assert len(report.findings) >= 9
    assert len(text.splitlines()) <= 25
    assert "and 1 more" in text


# ---------------------------------------------------------------- what two mechanisms explain, and what few numbers do


def softmax(x: Array) -> Array:
    e = np.exp(x - x.max(1, keepdims=True))
    return np.asarray(e / e.sum(1, keepdims=True))


def softmax_less(axis: int | None) -> Callable[[Array, Array], Array]:
    def vjp(u: Array, x: Array) -> Array:
        y = softmax(x)
        return np.asarray(y * (u - (u * y).sum(axis, keepdims=True)))

    return vjp


def log_softmax(x: Array) -> Array:
    return np.log(softmax(x))


def log_softmax_less(axis: int | None) -> Callable[[Array, Array], Array]:
    return lambda u, x: u - softmax(x) * u.sum(axis, keepdims=True)


@pytest.mark.parametrize("axis", [0, None])
@pytest.mark.parametrize("shape", [(4, 4), (4, 5)])
@pytest.mark.parametrize(("forward", "less"), [(softmax, softmax_less), (log_softmax, log_softmax_less)])
def test_the_sum_of_a_softmax_over_the_wrong_axes_is_named(
    forward: Callable[[Array], Array],
    less: Callable[[int | None], Callable[[Array, Array], Array]],
    shape: tuple[int, int],
    axis: int | None,
) -> None:
    x = np.random.default_rng(0).normal(size=shape)
    found = finding(less(axis), x, forward=forward)
    assert found.cause == "wrong-axis"
    assert "the derivative has that over axis 1 (" in " ".join(found.message.split())
    assert gk.check(forward, x, vjp=less(1))


def test_the_sum_of_a_product_over_the_wrong_axis_is_named() -> None:
    x, b = (np.random.default_rng(i).normal(size=shape) for i, shape in enumerate([(4, 4), (4,)]))

    def scaled(x: Array, b: Array) -> Array:
        return x * b

    found = finding(lambda u, x, b: (u * b, (u * x).sum(1)), x, b, forward=scaled)
    assert (found.input, found.cause) == ("b", "wrong-axis")
    assert "the cotangent times x summed over axis 1" in " ".join(found.message.split())


def test_a_term_that_is_there_but_wrong_is_not_told_as_simply_missing() -> None:
    def average_for_sum(u: Array, x: Array) -> Array:
        y = softmax(x)
        return np.asarray(y * (u - (u * y).mean(1, keepdims=True)))

    x = np.random.default_rng(0).normal(size=(4, 4))
    gone = finding(lambda u, x: u * softmax(x), x, forward=softmax)
    other = finding(average_for_sum, x, forward=softmax)
    assert (gone.cause, other.cause) == ("missing-term", "missing-term")
    assert "over axis 1 is missing (" in gone.message
    assert "is missing, or there with another sum" in " ".join(other.message.split())


@pytest.mark.parametrize(("part", "told"), [(0.0, False), (1.0, True)])
def test_a_sum_in_the_place_of_a_mean_is_not_told_as_a_mean_that_is_missing(part: float, told: bool) -> None:
    def centred(x: Array) -> Array:
        return np.asarray(x - x.mean(1, keepdims=True))

    x = np.random.default_rng(0).normal(size=(4, 6))
    found = finding(lambda u, x: u - part * u.sum(1, keepdims=True), x, forward=centred)
    assert found.cause == "missing-mean"
    assert ("a sum stands in the place of a mean" in found.message) == told


def test_gradients_of_each_other_are_named_so_where_a_factor_explains_them_too() -> None:
    a, b = (np.random.default_rng(i).normal(size=(4, 3)) for i in range(2))

    def growth(a: Array, b: Array) -> Array:
        return np.asarray(np.exp(a) * b)

    for seed in SEEDS:
        swapped = finding(lambda u, a, b: (u * np.exp(a), u * np.exp(a) * b), a, b, forward=growth, seed=seed)
        assert swapped.cause == "swapped-gradients"
    alone = finding(lambda u, a, b: (u * np.exp(a), u * np.exp(a)), a, b, forward=growth)
    assert alone.cause == "missing-factor"


@pytest.mark.parametrize("seed", SEEDS)
def test_a_few_wrong_elements_that_happen_to_be_the_largest_are_no_property(seed: int) -> None:
    """Wrong at the places of the two largest of seven: any two are among the large or the small ones by chance."""
    x = np.random.default_rng(seed).normal(size=7)
    places = np.argsort(-abs(x))[:2]
    spoil = np.where(np.isin(np.arange(7), places), 1.5, 1.0)
    cause = finding(lambda u, x: spoil * u * x, x, forward=square, seed=seed).cause
    assert not str(cause).startswith("wrong-where")


def test_enough_elements_on_both_sides_are_a_property() -> None:
    x = np.random.default_rng(0).normal(size=24)
    found = finding(lambda u, x: np.where(abs(x) > 0.8, 1.5, 1.0) * u * x, x, forward=square)
    assert found.cause == "wrong-where-large"


# ---------------------------------------------------------------- triangles


def lower_product(matrix: Array, b: Array) -> Array:
    return np.asarray(np.tril(matrix) @ b)


@pytest.mark.parametrize("n", [4, 9, 30])
def test_a_gradient_in_the_triangle_that_is_not_read_is_named_and_placed(n: int) -> None:
    matrix, b = np.random.default_rng(0).normal(size=(n, n)), np.random.default_rng(1).normal(size=(n, 3))

    def vjp(keep: Callable[[Array], Array]) -> Callable[..., object]:
        return lambda u, matrix, b: (keep(u @ b.T), np.tril(matrix).T @ u)

    unread = finding(vjp(lambda g: g), matrix, b, forward=lower_product)
    assert (unread.cause, unread.place) == ("wrong-triangle", "all above the diagonal of matrix")
    assert "return np.tril of the gradient" in unread.message
    doubled = finding(vjp(lambda g: np.tril(g) + np.tril(g, -1)), matrix, b, forward=lower_product)
    assert (doubled.cause, doubled.place) == ("wrong-triangle", "all below the diagonal of matrix")
    assert gk.check(lower_product, matrix, b, vjp=vjp(np.tril))
    one = np.zeros((n, n))
    one[0, n - 1] = 1.0
    assert finding(vjp(lambda g: np.tril(g) + one), matrix, b, forward=lower_product).cause != "wrong-triangle"
