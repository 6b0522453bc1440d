"""Two trainees of the user's own, and the data that the reference's module gives for them."""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from gradcheck_kit.cli.parity_options import with_defaults
from gradcheck_kit.cli.target import Module, imported, own_frames, split
from gradcheck_kit.side_by_side.checkpoint import obstacle
from gradcheck_kit.side_by_side.given import lack
from gradcheck_kit.side_by_side.scene import Batch
from gradcheck_kit.side_by_side.schedule import Indices, Schedule
from gradcheck_kit.side_by_side.trainee import Trainee, Values
from gradcheck_kit.side_by_side.training import TrainingRun
from gradcheck_kit.subject import UsageError

DATA = "data = inputs, labels"


@dataclass(frozen=True)
class Pair:
    """What the user's modules say.

    Attributes:
        reference, candidate: fresh.
        schedule, batch, test: from the reference's module.
        sources: SHA-256 of each side's file, and of those beside it that were imported: a run that is taken up again
            must be of the same code.
    """

    reference: Trainee
    candidate: Trainee
    schedule: Schedule
    batch: Batch
    test: tuple[Values, Values] | None
    sources: dict[str, str]

    @property
    def not_kept(self) -> str | None:
        """Why the progress of this pair, once its training was made, cannot be saved; None if it can."""
        return obstacle(self.reference) or obstacle(self.candidate)

    def training(self, precision: str | None = None) -> TrainingRun:
        """Both sides at the start; their first step is made twice, to note what is not deterministic."""
        sides = self.reference, self.candidate
        return TrainingRun(*sides, self.schedule, self.batch, test=self.test, repeat=True, precision=precision)


@contextmanager
def imported_pair(spelled: Sequence[str], typed: Mapping[str, int | None]) -> Iterator[Pair]:
    """Both sides, their modules imported as long as this lasts.

    Args:
        spelled: where the reference and the candidate are.
        typed: epochs, batch and seed, None where they were not typed.

    Raises:
        UsageError: a name that is not there, an object that is no trainee, no data; and what the user's code raises.
    """
    (place, name), (other_place, other_name) = (split(text) for text in spelled)
    with ExitStack() as stack:
        module = stack.enter_context(imported(place))
        other = module if other_place == place else stack.enter_context(imported(other_place))
        with told_as_usage():
            reference = _trainee(module.get(name), spelled[0])
            candidate = _trainee(other.get(other_name), spelled[1])
            if candidate is reference:
                raise UsageError(f"{' and '.join(spelled)} are one trainee; name two, or a function that makes one")
            batch, examples = _batch(module)
            schedule = _schedule(module, reference, examples, typed)
            test = _called(module, "test")
        sources = dict(zip(spelled, (_source(module.module.__file__), _source(other.module.__file__)), strict=True))
        sources |= _imported_beside(module) | _imported_beside(other)
        yield Pair(reference, candidate, schedule, batch, _checked_test(module, test), sources)


@contextmanager
def told_as_usage() -> Iterator[None]:
    """An error in the user's code is one of the call's, with the user's own last line."""
    try:
        yield
    except UsageError:
        raise
    except Exception as error:
        own = own_frames(error)
        at = f"\n  {Path(own[-1].filename).name}, line {own[-1].lineno}: {own[-1].line}" if own else ""
        raise UsageError(f"{type(error).__name__}: {error}{at}") from error


def _trainee(found: Any, spelled: str) -> Trainee:
    """The object, or what it makes when it is called."""
    trainee = found() if callable(found) and (isinstance(found, type) or not hasattr(found, "step")) else found
    missing = lack(trainee)
    if missing is not None:
        raise UsageError(f"{spelled} gives a {type(trainee).__name__}, which {missing}")
    made: Trainee = trainee
    return made


def _batch(module: Module) -> tuple[Batch, int | None]:
    """Positions of examples → (inputs, labels), and how many examples there are where that is known."""
    function, data = getattr(module.module, "batch", None), _called(module, "data")
    if callable(function):
        return function, None
    if data is None:
        raise UsageError(f"{module.spelled} gives no data; write {DATA} (arrays with the examples on the first axis)")
    inputs, labels = (np.asarray(values) for values in _two(module, "data", data))
    if len(inputs) != len(labels):
        raise UsageError(f"{module.spelled}: data has {len(inputs)} inputs and {len(labels)} labels; give one for each")

    def taken(indices: Indices) -> tuple[Values, Values]:
        return inputs[indices], labels[indices]

    return taken, len(labels)


def _schedule(module: Module, reference: Trainee, examples: int | None, typed: Mapping[str, int | None]) -> Schedule:
    """The module's own, else one from the reference's own parameters."""
    given = _called(module, "schedule")
    if isinstance(given, Schedule):
        unheeded = [f"--{name}" for name, value in typed.items() if value is not None]
        if unheeded:
            raise UsageError(f"{', '.join(unheeded)}: {module.spelled} brings its own schedule; leave it out")
        if examples is not None and given.examples != examples:
            raise UsageError(f"{module.spelled}: the schedule is of {given.examples} examples, data has {examples}")
        return given
    if given is not None:
        raise UsageError(f"{module.spelled}: schedule is a {type(given).__name__}; give a Schedule, or leave it out")
    if examples is None:
        raise UsageError(f"{module.spelled} gives a batch function and no schedule; write one, or {DATA}")
    start = {name: np.array(values, np.float64) for name, values in _start(module, reference).items()}
    numbers = with_defaults(typed)
    return Schedule(start, examples, numbers["batch"], numbers["epochs"], numbers["seed"])


def _start(module: Module, reference: Trainee) -> Any:
    """`start` of the module, else the parameters that the reference was made with."""
    given = _called(module, "start")
    try:
        return reference.parameters() if given is None else given
    except AttributeError as error:
        raise UsageError(
            f"{reference.name} has no parameters before load() ({error}); write start = {{name: array, …}} in "
            f"{module.spelled}"
        ) from error


def _called(module: Module, name: str) -> Any:
    """An attribute of the module, called where it is a function; None where it has none."""
    found = getattr(module.module, name, None)
    return found() if callable(found) and name != "batch" else found


def _checked_test(module: Module, test: Any) -> tuple[Values, Values] | None:
    if test is None:
        return None
    inputs, labels = (np.asarray(values) for values in _two(module, "test", test))
    return inputs, labels


def _two(module: Module, name: str, given: Any) -> tuple[Any, Any]:
    if not isinstance(given, tuple | list) or len(given) != 2:
        raise UsageError(f"{module.spelled}: {name} is a {type(given).__name__}; write {name} = inputs, labels")
    return given[0], given[1]


def _imported_beside(module: Module) -> dict[str, str]:
    others = [file for file in module.files() if str(file) != module.module.__file__]
    return {file.relative_to(module.folder).as_posix(): _source(str(file)) for file in others}


def _source(file: str | None) -> str:
    return hashlib.sha256(Path(file).read_bytes()).hexdigest()[:16] if file else ""
