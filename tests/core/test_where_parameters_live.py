"""Parameters in unusual places are found, checked and left alone; a wrong gradient of each is named."""

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

import gradcheck_kit as gk
from gradcheck_kit.engine import UNPAIRED
from gradcheck_kit.verdict import Verdict
from reference_impls.layers import Affine

Array = np.ndarray[Any, Any]
Keep = Callable[[Any, Array], None]
RNG = np.random.default_rng(0)
X, W = RNG.normal(size=(4, 5)), RNG.normal(size=(5, 5))
STORE = {"W": W.copy()}


class Dense:
    """x @ W, wherever the subclass keeps W; the gradient is scaled."""

    def __init__(self, scale: float = 1.0) -> None:
        self.scale = scale

    def forward(self, x: Array) -> Array:
        self.x = x
        return x @ self.weights()

    def backward(self, dout: Array) -> Array:
        self.keep(self.scale * (self.x.T @ dout))
        return dout @ self.weights().T

    def weights(self) -> Array:
        raise NotImplementedError

    def keep(self, gradient: Array) -> None:
        raise NotImplementedError


class OfTheClass(Dense):
    params, grads = {"W": W.copy()}, dict[str, Any]()

    def weights(self) -> Array:
        return self.params["W"]

    def keep(self, gradient: Array) -> None:
        self.grads["W"] = gradient


class AttributeOfTheClass(Dense):
    W = W.copy()
    dW = None  # noqa: N815

    def weights(self) -> Array:
        return self.W

    def keep(self, gradient: Array) -> None:
        self.dW = gradient  # type: ignore[assignment]


class OfTheModule(Dense):
    @property
    def W(self) -> Array:  # noqa: N802
        return STORE["W"]

    def __init__(self, scale: float = 1.0) -> None:
        super().__init__(scale)
        self.dW = None

    def weights(self) -> Array:
        return self.W

    def keep(self, gradient: Array) -> None:
        self.dW = gradient


class OfTheFirstForward(Dense):
    def weights(self) -> Array:
        if not hasattr(self, "W"):
            self.W, self.dW = W.copy(), None
        return self.W

    def keep(self, gradient: Array) -> None:
        self.dW = gradient  # type: ignore[assignment]


class DeclaredByTheFirstForward(Dense):
    def __init__(self, scale: float = 1.0) -> None:
        super().__init__(scale)
        self.params: dict[str, Any] = {}
        self.grads: dict[str, Any] = {}

    def weights(self) -> Array:
        held: Array = self.params.setdefault("W", W.copy())
        return held

    def keep(self, gradient: Array) -> None:
        self.grads["W"] = gradient


class Variable:
    def __init__(self, data: Array) -> None:
        self.data, self.grad = data, None


class OfAnObject(Dense):
    def __init__(self, scale: float = 1.0) -> None:
        super().__init__(scale)
        self.W = Variable(W.copy())

    def weights(self) -> Array:
        return self.W.data

    def keep(self, gradient: Array) -> None:
        self.W.grad = gradient  # type: ignore[assignment]


class OfObjectsInParams(Dense):
    def __init__(self, scale: float = 1.0) -> None:
        super().__init__(scale)
        self.params = [Variable(W.copy())]

    def weights(self) -> Array:
        return self.params[0].data

    def keep(self, gradient: Array) -> None:
        self.params[0].grad = gradient  # type: ignore[assignment]


class OfALIst(Dense):
    def __init__(self, scale: float = 1.0) -> None:
        super().__init__(scale)
        self.weights_, self.dweights_ = [W.copy()], [np.zeros_like(W)]
        self.buffers, self.dbuffers = [np.zeros((4, 5))], [np.zeros((4, 5))]

    def weights(self) -> Array:
        self.buffers[0][...] = self.x  # written by each forward and never read: no parameter
        return self.weights_[0]

    def keep(self, gradient: Array) -> None:
        self.dweights_[0] = gradient


def holding(made: Callable[[Array], dict[str, Any]], read: Callable[[Any], Array], store: Keep) -> type[Dense]:
    """A layer with these attributes."""

    class Holding(Dense):
        def __init__(self, scale: float = 1.0) -> None:
            super().__init__(scale)
            vars(self).update(made(W.copy()))

        def weights(self) -> Array:
            return read(self)

        def keep(self, gradient: Array) -> None:
            store(self, gradient)

    return Holding


def set_item(container: str, key: str) -> Keep:
    return lambda layer, gradient: getattr(layer, container).update({key: gradient})


NAMED = {
    "gradients under the key dW": holding(
        lambda w: {"params": {"W": w}, "grads": {}}, lambda layer: layer.params["W"], set_item("grads", "dW")
    ),
    "gradients in dparams": holding(
        lambda w: {"params": {"W": w}, "dparams": {}}, lambda layer: layer.params["W"], set_item("dparams", "W")
    ),
    "gradients beside parameters": holding(
        lambda w: {"parameters": {"W": w}, "grads": {}}, lambda layer: layer.parameters["W"], set_item("grads", "dW")
    ),
}


def called(array: str, gradient: str, *, at_first: bool) -> type[Dense]:
    """A layer with these two attributes; the gradient is there from the first, or made by the first backward."""
    return holding(
        lambda w: {array: w, **({gradient: np.zeros_like(w)} if at_first else {})},
        lambda layer: getattr(layer, array),
        lambda layer, value: setattr(layer, gradient, value),
    )


def in_one_dict(attribute: str, *, at_first: bool) -> type[Dense]:
    """A layer that keeps W and dW in one dict."""
    return holding(
        lambda w: {attribute: {"W": w, **({"dW": np.zeros_like(w)} if at_first else {})}},
        lambda layer: getattr(layer, attribute)["W"],
        set_item(attribute, "dW"),
    )


PAIRS = [("W", "gW"), ("W", "W_gradient"), ("W", "gradient_W"), ("W", "Wgrad"), ("W", "dw"), ("w", "dW")]
PAIRS += [("weight", "gradWeight"), ("_W", "_dW"), ("_W", "dW"), ("W", "nabla_W")]
OTHERWISE = {
    f"{array} and {gradient}, {when}": (called(array, gradient, at_first=when == "there at first"), array)
    for array, gradient in PAIRS
    for when in ("there at first", "made late")
}
OTHERWISE |= {
    f"W and dW in one dict {attribute}, {when}": (in_one_dict(attribute, at_first=when == "there at first"), "W")
    for attribute in ("params", "weights_and_gradients")
    for when in ("there at first", "made late")
}
OTHERWISE |= {
    "an attribute beside a dict grads": (
        holding(lambda w: {"W": w, "grads": {}}, lambda layer: layer.W, set_item("grads", "W")),
        "W",
    ),
    "a dict beside a dict g": (
        holding(lambda w: {"p": {"W": w}, "g": {}}, lambda layer: layer.p["W"], set_item("g", "W")),
        "W",
    ),
}
NESTED = {
    "params['first'].W": holding(
        lambda w: {"params": {"first": {"W": w}}, "grads": {"first": {}}},
        lambda layer: layer.params["first"]["W"],
        lambda layer, gradient: layer.grads["first"].update(W=gradient),
    ),
    "params[0][0]": holding(
        lambda w: {"params": [(w,)], "grads": []},
        lambda layer: layer.params[0][0],
        lambda layer, gradient: setattr(layer, "grads", [(gradient,)]),
    ),
    "blocks[0][0].W": holding(
        lambda w: {"blocks": [[AttributeOfTheClass()]]},
        lambda layer: layer.blocks[0][0].W,
        lambda layer, gradient: setattr(layer.blocks[0][0], "dW", gradient),
    ),
}
ELSEWHERE = {
    "held.W": holding(
        lambda w: {"held": SimpleNamespace(W=w)}, lambda layer: layer.held.W, lambda layer, gradient: None
    ),
    "tables['a']['b'].W": holding(
        lambda w: {"tables": {"a": {"b": {"W": w}}}},
        lambda layer: layer.tables["a"]["b"]["W"],
        lambda layer, gradient: None,
    ),
}

PLACES: dict[str, tuple[type[Dense], str]] = {
    **{place: (layer, "W") for place, layer in NAMED.items()},
    **{name: (layer, name) for name, layer in NESTED.items()},
    **OTHERWISE,
    "a dict of the class": (OfTheClass, "W"),
    "an attribute of the class": (AttributeOfTheClass, "W"),
    "a module, behind a property": (OfTheModule, "W"),
    "made by the first forward": (OfTheFirstForward, "W"),
    "declared by the first forward": (DeclaredByTheFirstForward, "W"),
    "an object with data and grad": (OfAnObject, "W.data"),
    "such objects in params": (OfObjectsInParams, "params[0].data"),
    "a list with a list of gradients": (OfALIst, "weights_[0]"),
}


def numbers() -> list[Array]:
    return [OfTheClass.params["W"], AttributeOfTheClass.W, STORE["W"]]


@pytest.mark.parametrize("place", PLACES)
def test_a_parameter_is_found_where_it_lives_and_keeps_its_numbers(place: str) -> None:
    layer, name = PLACES[place]
    for scale, verdict in ((1.0, Verdict.PASS), (1.001, Verdict.FAIL)):
        report = gk.examine(layer(scale), X)
        assert report.verdict is verdict, str(report)
        assert [finding.input for finding in report.findings if finding.question == "directional"] == ["x", name]
        assert all(f.input == name for f in report.findings if f.verdict is Verdict.FAIL)
    assert all(np.array_equal(array, W) for array in numbers())
    assert OfTheClass.grads == {}


def test_numbers_of_a_module_are_as_before_after_an_exception_too() -> None:
    class Late(OfTheModule):
        def backward(self, dout: Array) -> Array:
            if not np.array_equal(STORE["W"], W):
                raise ZeroDivisionError("late")
            return super().backward(dout)

    with pytest.raises(ZeroDivisionError):
        gk.examine(Late(), X)
    assert np.array_equal(STORE["W"], W)


def test_a_layer_whose_copy_is_itself_is_refused() -> None:
    class Single(OfTheFirstForward):
        def __deepcopy__(self, memo: Any) -> Any:
            return self

    with pytest.raises(gk.UsageError, match="__deepcopy__ returns the layer itself"):
        gk.examine(Single(), X)


def test_an_array_in_a_nested_dict_is_named_as_not_asked() -> None:
    class Nested(Dense):
        def __init__(self) -> None:
            super().__init__()
            self.p = {"w": {"W": W.copy()}}

        def weights(self) -> Array:
            return self.p["w"]["W"]

        def keep(self, gradient: Array) -> None:
            pass

    assert any(item.startswith("p['w'].W ") for item in gk.examine(Nested(), X).not_asked)


@pytest.mark.parametrize("name", ELSEWHERE)
def test_an_array_that_is_read_in_an_object_of_any_kind_is_named_as_not_asked(name: str) -> None:
    told = [item for item in gk.check(ELSEWHERE[name](), X).not_asked if UNPAIRED in item]
    assert told == [f"{name} ({UNPAIRED})"]


def test_a_parameter_without_a_gradient_is_told_where_one_is_looked_for() -> None:
    layer = holding(lambda w: {"params": {"W": w}}, lambda layer: layer.params["W"], lambda layer, gradient: None)()
    assert "keep one beside it, as self.dW" in str(gk.examine(layer, X)).replace("\n      ", " ")


@pytest.mark.parametrize("wrong", [False, True])
def test_a_bare_grad_is_that_of_a_lone_array_of_a_shape_of_its_own(wrong: bool) -> None:
    class Theta:
        def __init__(self) -> None:
            self.theta, self.grad = W[:, :2].copy(), None

        def forward(self, x: Array) -> Array:
            self.x = x
            return x @ self.theta

        def backward(self, dout: Array) -> Array:
            self.grad = (self.x.T @ dout) * (1.001 if wrong else 1.0)
            return dout @ self.theta.T

    report = gk.examine(Theta(), X)
    failed = [finding.input for finding in report.findings if finding.verdict is Verdict.FAIL]
    assert (report.verdict, failed) == ((Verdict.FAIL, ["theta"]) if wrong else (Verdict.PASS, []))


class Constant:
    """Scales by numbers that are not learnt, and keeps what stands in `kept`."""

    def __init__(self, kept: str) -> None:
        self.scale, self.kept = np.abs(X) + 1.0, kept
        setattr(self, kept, np.zeros_like(X))

    def forward(self, x: Array) -> Array:
        setattr(self, self.kept, np.array(getattr(self, self.kept)))
        return x * self.scale

    def backward(self, dout: Array) -> Array:
        if self.kept == "grad":
            self.grad = 2.0 * dout
        return dout * self.scale


class KeepsWhatItReturns(Constant):
    def backward(self, dout: Array) -> Array:
        self.gscale = super().backward(dout)
        return self.gscale


@pytest.mark.parametrize(
    "layer",
    [Constant("grad"), Constant("scale_gradient"), KeepsWhatItReturns("kept_")],
    ids=["grad", "old", "returned"],
)
def test_what_is_no_gradient_for_certain_is_told_as_not_asked(layer: Any) -> None:
    """One has the cotangent's shape too, one is never written by the backward, and one is the gradient of the input."""
    report = gk.examine(layer, X)
    assert report.verdict is Verdict.PASS, str(report)
    assert [item for item in report.not_asked if UNPAIRED in item] == [f"scale ({UNPAIRED})"]


@pytest.mark.parametrize("other", ["gW", "grad"])
def test_two_gradients_that_one_array_may_have_are_none(other: str) -> None:
    class Twice(Dense):
        def __init__(self) -> None:
            super().__init__()
            self.W = W[:, :2].copy()

        def weights(self) -> Array:
            return self.W

        def keep(self, gradient: Array) -> None:
            setattr(self, other, gradient)
            self.nabla_W = -0.1 * gradient

    assert [item for item in gk.check(Twice(), X).not_asked if UNPAIRED in item] == [f"W ({UNPAIRED})"]


def test_entries_called_as_gradients_beside_a_dict_of_gradients_are_parameters() -> None:
    class Odd:
        def __init__(self) -> None:
            self.params, self.grads = {"t": X[0].copy(), "dt": X[1].copy()}, dict[str, Array]()

        def forward(self, x: Array) -> Array:
            self.x = x
            return x * self.params["t"] + self.params["dt"]

        def backward(self, dout: Array) -> Array:
            self.grads = {"t": (dout * self.x).sum(0), "dt": dout.sum(0)}
            return dout * self.params["t"]

    report = gk.check(Odd(), X)
    assert {finding.input for finding in report.findings if finding.input} == {"x", "t", "dt"}


@pytest.mark.parametrize("wrong", [None, "W", "gW"])
def test_an_entry_that_the_forward_reads_is_no_gradient_though_it_is_called_so(wrong: str | None) -> None:
    """gW is a gate's weight; the dict of gradients is made by the backward only."""

    class Gated:
        def __init__(self) -> None:
            self.params = {"W": W.copy(), "gW": W[::-1].copy()}

        def forward(self, x: Array) -> Array:
            self.x, self.h, self.gate = x, x @ self.params["W"], np.tanh(x @ self.params["gW"])
            return self.h * self.gate

        def backward(self, dout: Array) -> Array:
            dh, dz = dout * self.gate, dout * self.h * (1 - self.gate**2)
            self.dparams = {"W": self.x.T @ dh, "gW": self.x.T @ dz}
            if wrong is not None:
                self.dparams[wrong] *= 1.001
            return dh @ self.params["W"].T + dz @ self.params["gW"].T

    report = gk.examine(Gated(), X)
    assert {finding.input for finding in report.findings if finding.input} == {"x", "W", "gW"}
    assert {f.input for f in report.findings if f.verdict is Verdict.FAIL} == ({wrong} if wrong else set())


# ---------------------------------------------------------------- tied weights


class Tied:
    """x @ W @ W.T: one array in two places, of which each has its part of the gradient."""

    def __init__(self, view: str, share: float = 1.0) -> None:
        first = W.copy()
        self.params = [first, {"same": first, "transposed": first.T, "part": first[1:]}[view]]
        self.grads: list[Any] = [None, None]
        self.view, self.share = view, share

    def forward(self, x: Array) -> Array:
        self.x, self.h = x, x @ self.params[0]
        return self.h @ (self.params[0] if self.view == "same" else self.params[1])

    def backward(self, dout: Array) -> Array:
        second = self.params[0] if self.view == "same" else self.params[1]
        dh = dout @ second.T
        self.grads = [self.x.T @ dh, self.share * (self.h.T @ dout)]
        return dh @ self.params[0].T


@pytest.mark.parametrize("view", ["same", "transposed"])
def test_tied_weights_are_one_parameter_whose_gradient_is_the_sum_of_its_parts(view: str) -> None:
    assert gk.examine(Tied(view), X).verdict is Verdict.PASS
    report = gk.examine(Tied(view, share=0.99), X)
    assert [f.input for f in report.findings if f.verdict is Verdict.FAIL] == ["params[0]"]


def test_a_gradient_that_is_the_whole_and_stands_in_both_places_counts_once() -> None:
    class Whole(Tied):
        def backward(self, dout: Array) -> Array:
            dx = super().backward(dout)
            self.grads = [self.grads[0] + self.grads[1]] * 2
            return dx

    assert gk.examine(Whole("same"), X).verdict is Verdict.PASS


def test_parameters_that_share_a_part_of_their_memory_are_refused_by_name() -> None:
    with pytest.raises(gk.UsageError, match=r"params\[0\] and params\[1\] share a part of their memory"):
        gk.examine(Tied("part"), X)


def test_views_of_one_flat_vector_are_parameters_of_their_own() -> None:
    class Flat:
        def __init__(self) -> None:
            flat = np.arange(10.0)
            self.params, self.grads = [flat[::2], flat[1::2]], [np.zeros(5)] * 2

        def forward(self, x: Array) -> Array:
            self.x = x
            return x * self.params[0] + self.params[1]

        def backward(self, dout: Array) -> Array:
            self.grads = [(dout * self.x).sum(0), dout.sum(0)]
            return dout * self.params[0]

    report = gk.examine(Flat(), X)
    assert (report.verdict, len(report.findings) >= 3) == (Verdict.PASS, True)


# ---------------------------------------------------------------- forwards that overwrite, backwards that draw


class OverwritesItsInput:
    def forward(self, x: Array) -> Array:
        np.abs(x, out=x)
        return x * 2.0

    def backward(self, dout: Array) -> Array:
        return dout * 2.0  # the sign is missing


class OverwritesItsParameter(Dense):
    def __init__(self) -> None:
        super().__init__()
        self.W, self.dW = W.copy(), np.zeros_like(W)

    def weights(self) -> Array:
        return np.abs(self.W, out=self.W)

    def keep(self, gradient: Array) -> None:
        self.dW = gradient


@pytest.mark.parametrize("layer", [OverwritesItsInput, OverwritesItsParameter])
def test_what_a_forward_overwrites_is_the_point_of_before(layer: Any) -> None:
    assert gk.examine(layer(), X).verdict is Verdict.FAIL


@pytest.mark.parametrize("keeps", [True, False], ids=["the forward's mask", "a mask drawn again"])
def test_a_mask_that_the_backward_draws_again_is_another_one(keeps: bool) -> None:
    class Dropout:
        def forward(self, x: Array) -> Array:
            self.mask = np.random.rand(*x.shape) > 0.5  # noqa: NPY002
            return x * self.mask

        def backward(self, dout: Array) -> Array:
            return dout * (self.mask if keeps else np.random.rand(*dout.shape) > 0.5)  # noqa: NPY002

    for seed in range(3):
        report = gk.examine(Dropout(), X, seed=seed)
        assert report.verdict is (Verdict.PASS if keeps else Verdict.FAIL), str(report)


def test_a_backward_that_alone_draws_is_wrong_and_not_random() -> None:
    class Noisy:
        def forward(self, x: Array) -> Array:
            return x * 2.0

        def backward(self, dout: Array) -> Array:
            return dout * 2.0 + 0.1 * np.random.rand(*dout.shape)  # noqa: NPY002

    questions = {f.question for f in gk.examine(Noisy(), X).findings if f.verdict is Verdict.FAIL}
    assert questions
    assert "determinism" not in questions


def test_what_each_forward_makes_anew_is_no_parameter() -> None:
    class Recording:
        """Keeps its output as an object with data and grad, as a small autograd library does."""

        def forward(self, x: Array) -> Array:
            self.input, self.output = Variable(x), Variable(x * x)
            return self.output.data

        def backward(self, dout: Array) -> Array:
            self.input.grad = 2 * self.input.data * dout
            return np.array(self.input.grad)

    report = gk.examine(Recording(), X)
    assert report.verdict is Verdict.PASS, str(report)
    assert {finding.input for finding in report.findings if finding.input} == {"x"}


def test_thousands_of_numbers_in_lists_are_no_obstacle() -> None:
    class Remembers(Affine):
        def __init__(self) -> None:
            super().__init__(np.ones((3, 2)), np.ones(2))
            self.data = [[0.5] * 200 for _ in range(100)]  # quadratic time would be minutes

    report = gk.examine(Remembers(), np.random.default_rng(0).normal(size=(4, 3)))
    assert report.verdict is gk.Verdict.PASS
    assert {"W", "b"} <= {finding.input for finding in report.findings}
