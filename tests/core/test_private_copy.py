"""A copy of a layer shares nothing with it, and what were views of one array still are."""

import copy
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

import gradcheck_kit as gk
from gradcheck_kit.adapters.private_copy import private_copy
from gradcheck_kit.verdict import Verdict

Values = npt.NDArray[Any]
DTYPES = ["float16", "float32", "float64"]


class Held:
    """Whatever attributes it is given."""

    def __init__(self, **attributes: Any) -> None:
        vars(self).update(attributes)


def base(dtype: str) -> Values:
    return np.arange(24, dtype=dtype).reshape(4, 6) / 8


# The owner and an array that shares its memory (or not).
VIEWS: dict[str, Callable[[Values], Values]] = {
    "the array itself": lambda a: a,
    "transposed": lambda a: a.T,
    "one row": lambda a: a[1],
    "one column": lambda a: a[:, 2],
    "every second": lambda a: a[::2, 1::2],
    "backwards": lambda a: a[::-1, ::-1],
    "as it lies in memory": lambda a: a.ravel(order="K"),
    "broadcast": lambda a: np.broadcast_to(a[0], (3, 6)),
    "0-d": lambda a: a[1, 2, ...],
    "a view of a view": lambda a: a[1:].T[::2],
    "empty": lambda a: a[:0],
    "read-only": lambda a: _locked(a[2]),
}


def _locked(view: Values) -> Values:
    view.flags.writeable = False
    return view


@pytest.mark.parametrize("name", VIEWS)
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("float64", [False, True])
@pytest.mark.parametrize("order", ["C", "F"])
def test_a_view_is_still_that_view_of_the_copy(name: str, dtype: str, float64: bool, order: Any) -> None:
    owner = np.array(base(dtype), order=order)
    held = Held(owner=owner, view=VIEWS[name](owner))
    made = private_copy(held, float64=float64)
    wanted = VIEWS[name](np.array(owner, dtype="float64" if float64 else dtype, order=order))
    for found, original, like in ((made.owner, held.owner, held.owner), (made.view, held.view, wanted)):
        assert found.dtype == (np.float64 if float64 else dtype)
        assert found.flags.writeable == original.flags.writeable
        assert not np.shares_memory(found, owner)
        assert found.shape == like.shape
        np.testing.assert_array_equal(found, original)
    assert np.may_share_memory(made.view, made.owner) == np.may_share_memory(held.view, held.owner)
    made.owner += 1
    np.testing.assert_array_equal(made.view, VIEWS[name](np.array(owner) + np.array(1, dtype)))
    np.testing.assert_array_equal(owner, base(dtype))


def test_a_plain_deep_copy_cuts_the_view_loose() -> None:
    """So that the assertion above is known to see it."""
    owner = base("float64")
    made = copy.deepcopy(Held(owner=owner, view=owner.T))
    made.owner += 1
    assert not np.array_equal(made.view, made.owner.T)


def test_two_views_share_memory_where_their_owner_is_not_held() -> None:
    owner = base("float32")
    for float64 in (False, True):
        made = private_copy(Held(one=owner[0], both=owner[:2]), float64=float64)
        made.one[...] = -1
        assert (made.both[0] == -1).all()
        assert (made.both[1] != -1).all()


def test_arrays_in_lists_tuples_and_dicts_and_on_inner_objects_keep_their_views() -> None:
    owner = base("float32")
    held = Held(params={"W": owner}, parts=[owner[0], (owner[1],)], inner=Held(turned=owner.T))
    for float64 in (False, True):
        made = private_copy(held, float64=float64)
        made.params["W"][...] = 7
        for array in (made.parts[0], made.parts[1][0], made.inner.turned):
            assert (array == 7).all()
            assert array.dtype == (np.float64 if float64 else np.float32)
    assert (owner == base("float32")).all()


def test_one_array_held_twice_is_one_array_in_the_copy() -> None:
    shared = base("float32")
    for float64 in (False, True):
        made = private_copy(Held(one=shared, two=shared), float64=float64)
        assert made.one is made.two


@pytest.mark.parametrize("dtype", ["int64", "bool", "complex64", "U3"])
def test_what_is_no_float_keeps_its_dtype(dtype: str) -> None:
    array = np.array([0, 1, 1]).astype(dtype)
    made = private_copy(Held(array=array, view=array[1:]), float64=True)
    assert made.array.dtype == made.view.dtype == array.dtype
    assert (made.array == array).all()
    assert not np.shares_memory(made.array, array)


def test_a_view_of_other_bytes_is_copied_for_itself() -> None:
    """A byte view of float32 has no meaning in float64."""
    owner = base("float32")
    made = private_copy(Held(owner=owner, raw=owner.view(np.uint8)), float64=True)
    assert made.owner.dtype == np.float64
    np.testing.assert_array_equal(made.raw, owner.view(np.uint8))


def test_a_0_d_array_and_an_empty_one_are_copied() -> None:
    for array in (np.array(1.5, np.float32), np.zeros((0, 3), np.float32)):
        for float64 in (False, True):
            made = private_copy(Held(array=array), float64=float64).array
            assert isinstance(made, np.ndarray)
            assert made.shape == array.shape
            assert not np.shares_memory(made, array)


def test_an_object_that_holds_itself_is_copied_once() -> None:
    held = Held(array=base("float32"))
    held.own = held
    made = private_copy(held, float64=True)
    assert made.own is made
    assert made.array.dtype == np.float64


def test_a_structure_of_its_own_may_refuse_to_be_copied() -> None:
    class Refuses:
        def __deepcopy__(self, memo: Any) -> "Refuses":
            raise RuntimeError("not me")

    with pytest.raises(RuntimeError, match="not me"):
        private_copy(Held(inner=Refuses()))


# ---------------------------------------------------------------- layers that compute with views of their parameters


class Viewed:
    """y = x·W + b, computed with views of the parameters; `wrong` names the gradient that is half as large again."""

    def __init__(self, dtype: str, wrong: str | None = None) -> None:
        generator = np.random.default_rng(0)
        self.wrong = wrong
        self.buffer = np.asarray(generator.normal(size=12 + 4), dtype)
        self.params = {"W": self.buffer[:12].reshape(3, 4), "b": self.buffer[12:]}
        self.WT = self.params["W"].T
        self.columns = [self.params["W"][:, i] for i in range(4)]
        self.grads: dict[str, Values] = {}

    def off(self, name: str, gradient: Values) -> Values:
        return 1.5 * gradient if name == self.wrong else gradient

    def forward(self, x: Values) -> Values:
        self.x = x
        return np.stack([x @ column for column in self.columns], axis=1) + self.buffer[12:]

    def backward(self, u: Values) -> Values:
        self.grads = {"W": self.off("W", self.x.T @ u), "b": self.off("b", u.sum(0))}
        return self.off("x", u @ self.WT)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("wrong", [None, "x", "W", "b"])
def test_a_layer_that_computes_with_views_of_its_parameters_is_checked(dtype: str, wrong: str | None) -> None:
    x = np.random.default_rng(1).normal(size=(5, 3)).astype(dtype)
    layer = Viewed(dtype, wrong)
    before = layer.buffer.copy()
    report = gk.examine(layer, x)
    assert report.verdict is (Verdict.PASS if wrong is None else Verdict.FAIL), report
    assert [f.input for f in report.findings if f.verdict is Verdict.FAIL] == ([] if wrong is None else [wrong])
    assert report.reference == ("native" if dtype == "float64" else "float64")
    np.testing.assert_array_equal(layer.buffer, before)
