"""What a user hands to a training stays as it was, targets arrive whole, and errors say what to pass."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from gradcheck_kit.side_by_side.parity_report import ParityReport
from gradcheck_kit.side_by_side.schedule import Schedule
from gradcheck_kit.side_by_side.torch_trainee import TorchTrainee
from gradcheck_kit.side_by_side.training import train_parity
from gradcheck_kit.subject import UsageError
from gradcheck_kit.verdict import Verdict

Array = np.ndarray[Any, Any]
GENERATOR = np.random.default_rng(0)
X = GENERATOR.normal(size=(40, 3))
Y = np.sin(X[:, :2])  # all of it is 0 as an integer
START = {"W": GENERATOR.normal(size=(3, 2)), "b": np.zeros(2)}


class Linear:
    """Least squares by hand. `kept` keeps the loaded arrays, `in_place` works on the batch itself."""

    device = "cpu"

    def __init__(self, dtype: str = "float64", kept: bool = False, in_place: bool = False, factor: float = 1.0) -> None:
        self.name, self.dtype = "by hand", dtype
        self._kept, self._in_place, self._factor = kept, in_place, factor

    def load(self, parameters: Any) -> None:
        self.p = dict(parameters) if self._kept else {n: np.array(v, self.dtype) for n, v in parameters.items()}

    def parameters(self) -> Any:
        return self.p

    def loss_and_gradients(self, inputs: Array, labels: Array) -> float:
        if self._in_place:
            np.subtract(inputs @ self.p["W"] + self.p["b"], labels, out=labels)
            apart = labels
        else:
            inputs, labels = inputs.astype(self.dtype), labels.astype(self.dtype)
            apart = inputs @ self.p["W"] + self.p["b"] - labels
        cotangent = 2 * apart / apart.dtype.type(apart.size)
        self.g = {"W": inputs.T @ cotangent, "b": cotangent.sum(0) * apart.dtype.type(self._factor)}
        loss = float(np.square(apart).mean())
        if self._in_place:
            inputs *= 0
        return loss

    def step(self) -> None:
        for name, values in self.p.items():
            values -= values.dtype.type(0.1) * self.g[name]

    def gradients(self) -> Any:
        return self.g


def by_torch(dtype: torch.dtype = torch.float64) -> TorchTrainee:
    module = nn.Linear(3, 2, dtype=dtype)
    layout = {"W": ("weight", True), "b": ("bias", False)}
    return TorchTrainee("torch", module, torch.optim.SGD(module.parameters(), lr=0.1), nn.functional.mse_loss, layout)


def trained(reference: Any, candidate: Any, batch: Any = lambda i: (X[i], Y[i])) -> ParityReport:
    return train_parity(reference, candidate, Schedule(START, 40, 10, 3, 0), batch)


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_a_regression_is_trained_on_its_targets_and_not_on_their_whole_parts(dtype: str) -> None:
    report = trained(by_torch(getattr(torch, dtype)), Linear(dtype))
    assert report.verdict is Verdict.PASS
    wrong = trained(by_torch(getattr(torch, dtype)), Linear(dtype, factor=0.5))
    assert wrong.verdict is not Verdict.PASS
    assert wrong.divergence is not None
    assert (wrong.divergence.stage, wrong.divergence.tensor) == ("gradients", "b")


@pytest.mark.parametrize("first", [True, False], ids=["reference", "candidate"])
def test_a_side_that_keeps_what_it_was_given_to_load_changes_no_start(first: bool) -> None:
    """The start would move with the training: the fingerprint, and how far the weights moved, would be of another."""
    before = {name: values.copy() for name, values in START.items()}
    sides = (Linear(kept=True), by_torch()) if first else (by_torch(), Linear(kept=True))
    report, usual = trained(*sides), trained(by_torch(), Linear())
    assert all(np.array_equal(before[name], START[name]) for name in START)
    assert report.schedule["fingerprint"] == usual.schedule["fingerprint"]
    assert report.verdict is Verdict.PASS


@pytest.mark.parametrize("first", [True, False], ids=["reference", "candidate"])
def test_a_side_that_works_on_the_batch_itself_changes_neither_the_data_nor_the_other_side(first: bool) -> None:
    x, y = X.copy(), Y.copy()
    sides = (Linear(in_place=True), by_torch()) if first else (by_torch(), Linear(in_place=True))

    def views(indices: Array) -> tuple[Array, Array]:
        return x[10:20], y[10:20]

    assert trained(*sides, batch=views).verdict is Verdict.PASS
    assert np.array_equal(x, X)
    assert np.array_equal(y, Y)


def test_a_side_that_works_on_the_test_examples_changes_neither_them_nor_the_other_sides_score() -> None:
    class Scored(Linear):
        def accuracy(self, inputs: Array, labels: Array) -> float:
            inputs += labels[:, :1]
            return float(inputs.sum())

    x, y = X.copy(), Y.copy()
    report = train_parity(Scored(), Scored(), Schedule(START, 40, 10, 2, 0), lambda i: (X[i], Y[i]), test=(x, y))
    assert np.array_equal(x, X)
    scores = [score for side in (report.reference, report.candidate) for score in side.test_accuracy]
    assert scores == scores[:1] * 4


class Unfinished:
    name, dtype = "unfinished", "float64"

    def load(self, parameters: Any) -> None: ...


@pytest.mark.parametrize(
    ("candidate", "told"),
    [
        pytest.param(Linear, "candidate is the class Linear; pass an instance, such as Linear(...)", id="class"),
        pytest.param(nn.Linear(3, 2), "pass gradcheck_kit.torch.TorchTrainee(name, module,", id="module"),
        pytest.param(Unfinished(), "lacks parameters, loss_and_gradients, step, device; a trainee", id="unfinished"),
    ],
)
def test_what_is_no_trainee_is_told_with_what_to_pass(candidate: Any, told: str) -> None:
    with pytest.raises(UsageError) as caught:
        trained(by_torch(), candidate)
    assert told in str(caught.value)


@pytest.mark.parametrize(
    ("batch", "told"),
    [((X, Y), "batch is a tuple"), (lambda i: X[i], "returned a ndarray"), (lambda i: (X, Y, i), "returned 3 values")],
    ids=["arrays", "one array", "three"],
)
def test_what_is_no_batch_function_is_told_with_what_to_pass(batch: Any, told: str) -> None:
    with pytest.raises(UsageError) as caught:
        trained(by_torch(), Linear(), batch)
    assert told in str(caught.value)
    assert "lambda i: (x[i], y[i])" in str(caught.value)


def test_a_regression_has_no_share_of_right_answers() -> None:
    """Its targets are no classes: the accuracy is told as not known, and the run goes on."""
    reference = by_torch()
    assert np.isnan(reference.accuracy(X, Y))
    assert np.isfinite(reference.accuracy(X, np.zeros(len(X), np.int64)))
    report = train_parity(reference, Linear(), Schedule(START, 40, 10, 3, 0), lambda i: (X[i], Y[i]), test=(X, Y))
    assert report.verdict is Verdict.PASS


class Odd(Linear):
    """By hand, but for one method that returns `told` of what it should."""

    def __init__(self, method: str, told: Callable[[Any], Any], kept: bool = False) -> None:
        super().__init__(kept=kept)
        self.method, self.told = method, told

    def _odd(self, method: str, usual: Any) -> Any:
        return self.told(usual) if method == self.method else usual

    def parameters(self) -> Any:
        return self._odd("parameters", super().parameters())

    def loss_and_gradients(self, inputs: Array, labels: Array) -> Any:
        return self._odd("loss_and_gradients", super().loss_and_gradients(inputs, labels))

    def gradients(self) -> Any:
        return self._odd("gradients", super().gradients())


ODD: dict[str, tuple[str, Callable[[Any], Any], tuple[str, ...]]] = {
    "a parameter too few": ("parameters", lambda p: {"W": p["W"]}, ("by hand lacks b (2,)",)),
    "one too many": ("parameters", lambda p: {**p, "c": np.ones(3)}, ("The schedule lacks c.",)),
    "transposed": (
        "parameters",
        lambda p: {**p, "W": p["W"].T},
        ("W has shape (2, 3), the schedule's (3, 2)", "transp"),
    ),
    "flat": (
        "parameters",
        lambda p: {n: v.ravel() for n, v in p.items()},
        ("W has shape (6,), the schedule's (3, 2)",),
    ),
    "no parameters": ("parameters", lambda p: None, ("parameters() returned a NoneType; return a dict",)),
    "flat gradients": ("gradients", lambda g: {n: v.ravel() for n, v in g.items()}, ("W has shape (6,)", "has (3, 2)")),
    "turned gradients": ("gradients", lambda g: {n: v.T for n, v in g.items()}, ("W has shape (2, 3)", "has (3, 2)")),
    "no loss": ("loss_and_gradients", lambda loss: None, ("returned None; return one number",)),
    "losses": ("loss_and_gradients", lambda loss: np.array([loss]), ("an array of shape (1,); return one number",)),
    "a list": ("loss_and_gradients", lambda loss: [loss], ("an array of shape (1,); return one number",)),
    "words": ("loss_and_gradients", lambda loss: "low", ("returned 'low'; return one number",)),
    "a graph": (
        "loss_and_gradients",
        lambda loss: torch.tensor(loss, requires_grad=True),
        ("a tensor that requires grad; return one number", "float(loss.detach())"),
    ),
}


@pytest.mark.parametrize("wrong", [False, True], ids=["same", "another rate"])
@pytest.mark.parametrize("name", ODD)
def test_what_a_side_returns_in_another_form_is_told_with_what_to_return(name: str, wrong: bool) -> None:
    method, told, words = ODD[name]
    candidate = Odd(method, told)
    reference = by_torch()
    for group in reference._optimizer.param_groups:
        group["lr"] *= 1.1 if wrong else 1.0
    for sides in ((reference, candidate), (candidate, by_torch())):
        with pytest.raises(UsageError) as caught:
            trained(*sides)
        assert all(word in str(caught.value) for word in words), caught.value


@pytest.mark.parametrize(
    "form", [np.float64, np.asarray, lambda loss: torch.from_numpy(np.array(loss))], ids=["scalar", "array", "tensor"]
)
def test_a_loss_of_any_kind_that_is_one_number_is_taken(form: Any) -> None:
    assert trained(by_torch(), Odd("loss_and_gradients", form)).verdict is Verdict.PASS


def test_a_row_for_a_column_of_equal_numbers_is_told() -> None:
    """Flat they are the same, so that no distance shows it."""

    class Column(Linear):
        def parameters(self) -> Any:
            return {**self.p, "b": self.p["b"].reshape(2, 1)}

    with pytest.raises(UsageError, match=r"b has shape \(2, 1\), the schedule's \(2,\)"):
        trained(by_torch(), Column())


@pytest.mark.parametrize(("made", "what"), [((X, None), "labels"), ((None, Y), "inputs")])
def test_a_batch_of_nothing_is_told_with_what_to_return(made: Any, what: str) -> None:
    with pytest.raises(UsageError, match=rf"None for the {what}; return an array of each, such as \(x\[i\], x\[i\]\)"):
        trained(by_torch(), Linear(), lambda i: made)


@pytest.mark.parametrize(
    ("number", "value", "told"),
    [
        *(("examples", value, "pass a positive integer") for value in (130.5, 40.0, "40", None, 0, True)),
        ("batch_size", 2.5, "pass a positive integer"),
        ("epochs", 1.0, "pass a positive integer"),
        *(("seed", value, "pass a non-negative integer") for value in (-1, 0.5, None)),
    ],
)
def test_a_schedule_of_something_else_than_whole_numbers_says_which(number: str, value: Any, told: str) -> None:
    numbers: dict[str, Any] = {"examples": 40, "batch_size": 10, "epochs": 3, "seed": 0, number: value}
    with pytest.raises(UsageError) as caught:
        Schedule(START, **numbers)
    assert str(caught.value).startswith(f"{number}={value!r}; {told}, such as {number}=")


def test_a_schedule_takes_numpy_s_integers() -> None:
    numbers = {name: np.int64(n) for name, n in (("examples", 40), ("batch_size", 10), ("epochs", 3), ("seed", 0))}
    usual = Schedule(START, 40, 10, 3, 0)
    assert Schedule(START, **numbers).fingerprint == usual.fingerprint  # type: ignore[arg-type]


def test_one_object_on_both_sides_is_a_usage_error() -> None:
    side = Linear()
    with pytest.raises(UsageError, match="are one object, by hand; pass two"):
        trained(side, side)


def test_two_trainees_of_one_network_are_a_usage_error_and_not_a_difference() -> None:
    module = nn.Linear(3, 2, dtype=torch.float64)
    layout = {"W": ("weight", True), "b": ("bias", False)}
    sides = [
        TorchTrainee(name, module, torch.optim.SGD(module.parameters(), lr=0.1), nn.functional.mse_loss, layout)
        for name in ("one", "other")
    ]
    with pytest.raises(UsageError, match="W, b of other moved when the reference made its first step: the two share"):
        trained(*sides)


MISTAKEN = {
    "no schedule": ({"schedule": None}, "schedule is a NoneType; pass gradcheck_kit.Schedule"),
    "a list of parameters": ({"schedule": Schedule([X], 40, 10, 3, 0)}, "parameters are a list"),  # type: ignore[arg-type]
    "inputs alone to test": ({"test": X}, "test is a ndarray; pass inputs and labels"),
    "three arrays to test": ({"test": (X, Y, Y)}, "test is 3 values"),
}


@pytest.mark.parametrize("name", MISTAKEN)
def test_what_is_no_schedule_or_no_test_set_is_a_usage_error(name: str) -> None:
    given, told = MISTAKEN[name]
    arguments: dict[str, Any] = {"schedule": Schedule(START, 40, 10, 3, 0), "test": None, **given}
    with pytest.raises(UsageError, match=told):
        train_parity(by_torch(), Linear(), batch=lambda i: (X[i], Y[i]), **arguments)


class Telling(Linear):
    """Tells something else than arrays by name, or no number, from its first step on."""

    def __init__(self, **told: Any) -> None:
        super().__init__()
        self.told, self.begun = told, False

    def step(self) -> None:
        super().step()
        self.begun = True

    def parameters(self) -> Any:
        return self.told.get("parameters", self.p) if self.begun else self.p

    def gradients(self) -> Any:
        return self.told.get("gradients", self.g)

    def loss_and_gradients(self, inputs: Array, labels: Array) -> Any:
        return self.told.get("loss", super().loss_and_gradients(inputs, labels))


@pytest.mark.parametrize(
    ("told", "words"),
    [
        ({"parameters": [X]}, r"parameters\(\) returned a list"),
        ({"gradients": [X]}, r"gradients\(\) returned a list"),
        ({"parameters": {"W": nn.Parameter(torch.ones(3, 2)), "b": X}}, r"returned W as tensors that require grad"),
        ({"loss": "1.0"}, r"loss_and_gradients\(\) returned '1.0'"),
    ],
)
@pytest.mark.parametrize("as_reference", [True, False])
def test_a_trainee_that_tells_no_arrays_or_no_number_is_a_usage_error(
    told: dict[str, Any], words: str, as_reference: bool
) -> None:
    sides = (Telling(**told), by_torch()) if as_reference else (by_torch(), Telling(**told))
    with pytest.raises(UsageError, match=words):
        trained(*sides)


# ---------------------------------------------------------------- data that do not fit


def classifying(*, tied: bool = False, name: str = "torch") -> TorchTrainee:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        module = nn.Sequential(nn.Linear(3, 3, bias=False), nn.Linear(3, 3, bias=False)).double()
    if tied:
        module[1].weight = module[0].weight
    return TorchTrainee(name, module, torch.optim.SGD(module.parameters(), lr=0.1), nn.functional.cross_entropy)


CLASSES = np.arange(40) % 3
BAD_DATA: dict[str, tuple[Any, Any, int, list[str]]] = {
    "labels that are objects": (X, CLASSES.astype(object), 40, ["labels", "dtype object", "labels.astype(np.int64)"]),
    "labels that are strings": (X, np.array(["a", "b", "c"])[CLASSES], 40, ["labels", "dtype <U1", "by their number"]),
    "inputs that are objects": (X.astype(object), CLASSES, 40, ["inputs", "dtype object", "inputs.astype(np.float32)"]),
    "fewer examples than the schedule": (X, CLASSES, 50, ["IndexError", "the schedule has 50 examples", "as many as"]),
}


@pytest.mark.parametrize("name", BAD_DATA)
def test_data_that_cannot_be_trained_on_are_a_usage_error_that_says_what_to_pass(name: str) -> None:
    x, labels, examples, words = BAD_DATA[name]
    sides = classifying(), classifying(name="other")
    start = {n: np.array(p) for n, p in sides[0].parameters().items()}
    with pytest.raises(UsageError) as caught:
        train_parity(*sides, Schedule(start, examples, 10, 1, 0), lambda i: (x[i], labels[i]))
    assert all(word in str(caught.value) for word in words), caught.value


def test_labels_that_are_objects_are_no_test_set_either() -> None:
    with pytest.raises(UsageError, match="labels are an array of dtype object"):
        classifying().accuracy(X, CLASSES.astype(object))


@pytest.mark.parametrize("tied", [False, True])
def test_tied_weights_beside_untied_ones_are_told_as_such(tied: bool) -> None:
    """The schedule is made of the one side, and the other has other names."""
    start = {n: np.array(p) for n, p in classifying(tied=not tied).parameters().items()}
    with pytest.raises(UsageError) as caught:
        classifying(tied=tied).load(start)
    assert ("torch ties 1.weight to 0.weight" in str(caught.value)) is tied
    assert "tied and untied weights are two networks" in str(caught.value)
    other = {n: np.zeros(5) for n in ("0.weight", "another")}
    with pytest.raises(UsageError) as caught:
        classifying(tied=tied).load(other)
    assert "tied" not in str(caught.value)
