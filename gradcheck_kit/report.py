"""What a check found, as frozen values; `str(report)` is what a person reads."""

import json
import math
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Self

from gradcheck_kit import report_text, whole_file
from gradcheck_kit.illustration import Illustration
from gradcheck_kit.sources import Source
from gradcheck_kit.verdict import Verdict, overall

SCHEMA = 1
TO_FILL_IN = re.compile(r"(?:= |[(,] ?)\.\.\.(?:[,)]|  #|$)")  # what x[..., 0] is not


@dataclass(frozen=True)
class Cost:
    """What a check spent: evaluations of the forward and of the VJP, and seconds of wall time."""

    forward: int
    vjp: int
    seconds: float


@dataclass(frozen=True)
class Finding:
    """One question's answer about one input (or, with `input` None, about the whole subject).

    Attributes:
        question: which question was asked, such as "directional".
        verdict: its answer.
        message: the answer in words.
        input: the input's or parameter's name.
        index: the element, where one was singled out; in a block of wrong ones, an example.
        analytic, numeric, error: the backward's number, the numerical derivative and a bound on its error.
        resolution: the smallest relative error that the question could have seen here.
        cause: a short stable slug of the likely cause, such as "sign-flip"; None where there is no evidence.
        place: where the input is wrong, in words, such as "row 3 of W, W[3, :]"; None where that is not known.
        of_forward: whether it is the forward that is at fault, and not the backward.
        illustration: numbers to draw; of the first inputs that did not pass.
    """

    question: str
    verdict: Verdict
    message: str
    input: str | None = None
    index: tuple[int, ...] | None = None
    analytic: float | None = None
    numeric: float | None = None
    error: float | None = None
    resolution: float | None = None
    cause: str | None = None
    place: str | None = None
    of_forward: bool = False
    illustration: Illustration | None = field(default=None, compare=False, repr=False)

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values; a number that is not finite becomes its name, since JSON has none.

        The illustration is left to the report, which keeps it under "figures".
        """
        return {name: plain(value) for name, value in vars(self).items() if name != "illustration"}


@dataclass(frozen=True)
class Exploration:
    """What a search looked at, and the smallest failing input that it came to.

    Attributes:
        examples: how many were drawn.
        passed, undecided, raised: how many of them were shown right, could not be decided, or raised in the forward.
        obstacles: what the undecided and raising ones met, how often, the most frequent first.
        simplified: how many further inputs were tried to make a failing one smaller.
        attributions: likely causes in words, that a larger input shows and the smallest cannot.
        inputs: the failing input: each array by name as {"dtype", "shape", "values"}; empty where nothing failed.
        lines: to paste: they make the failing input and check it again.
        cause: what the failure was found to depend on, as a stable slug such as "batch-of-one"; None where no one
            condition explains all that was tried.
        condition: the same in words.
    """

    examples: int
    passed: int
    undecided: int
    raised: int
    obstacles: tuple[str, ...] = ()
    simplified: int = 0
    attributions: tuple[str, ...] = ()
    inputs: dict[str, dict[str, Any]] = field(default_factory=dict)
    lines: tuple[str, ...] = ()
    cause: str | None = None
    condition: str = ""


@dataclass(frozen=True)
class Reproduction:
    """How to repeat a check that did not pass.

    Attributes:
        lines: to paste into a fresh interpreter. `...` stands for what they cannot hold: a target without a name, an
            argument of a constructor that left no trace, arrays that are too large and were not saved.
        packed: the same with the longer arrays in base64; empty where that is no shorter.
        outline: the same with no array spelled.
        inputs: inputs, parameters and the other state of a module by name as {"dtype", "shape", "values"}; empty where
            there are more than `reproduction.lines.KEPT` elements.
        saved: the .npz file that holds them, where one was asked for; it loads with allow_pickle=False.
    """

    lines: tuple[str, ...]
    packed: tuple[str, ...] = ()
    outline: tuple[str, ...] = ()
    inputs: dict[str, dict[str, Any]] = field(default_factory=dict)
    saved: str | None = None

    @property
    def complete(self) -> bool:
        """Whether `lines` run as they are, with nothing to fill in."""
        return not any(TO_FILL_IN.search(line) or line.startswith("#") for line in self.lines)


@dataclass(frozen=True)
class LeftOut:
    """What a check did not ask: a question, or whether the gradient of an array is right. `str` says it in words.

    Attributes:
        name: of the question or the array.
        reason: why; empty where nobody wanted the question.
        array: whether it is an array that the forward reads, and not a question.
    """

    name: str
    reason: str = ""
    array: bool = False

    def __str__(self) -> str:
        return f"{self.name} ({self.reason})" if self.reason else self.name

    @classmethod
    def read(cls, said: str) -> Self:
        """What `str` said; whether it was an array is lost."""
        name, _, reason = said.partition(" (")
        return cls(name, reason.removesuffix(")"))


@dataclass(frozen=True, repr=False)
class Report:
    """The answers to all questions about one subject. `str` tells them; `repr`, which tests and logs show, is a line.

    Attributes:
        subject: its name.
        findings: one per question and input, in the order asked.
        seed: what every random number of the check came from.
        cost: what it spent.
        dtype, device, library: of the differentiable inputs.
        require: the resolution that a PASS demanded.
        reference: what was differentiated: the subject's own forward ("native"), the same in float64, or another.
        left_out: the questions that were not asked, and the arrays of which nothing was, each with the reason.
        environment: versions of Python and of the libraries.
        exploration: of a search (`explore`): what it looked at, and the failing input.
        reproduction: of a check that did not pass: lines to paste that repeat it.
        source: where the backward is written; None where it has no Python source.
        ran: the user's own functions that ran in a backward, where each is written.
    """

    subject: str
    findings: tuple[Finding, ...]
    seed: int
    cost: Cost
    dtype: str
    device: str
    library: str
    require: float
    reference: str = "native"
    left_out: tuple[LeftOut, ...] = ()
    environment: dict[str, str] = field(default_factory=dict)
    exploration: Exploration | None = None
    reproduction: Reproduction | None = None
    source: Source | None = None
    ran: tuple[Source, ...] = ()

    @property
    def verdict(self) -> Verdict:
        """PASS only if there are findings, every one passed, and a derivative was really compared."""
        verdict = overall(finding.verdict for finding in self.findings)
        if verdict is Verdict.PASS and self.resolution is None:
            return Verdict.INCONCLUSIVE
        return verdict

    @property
    def resolution(self) -> float | None:
        """The smallest relative gradient error that every input's check could have seen; None if none was resolved."""
        return max((f.resolution for f in self.findings if f.resolution is not None), default=None)

    @property
    def not_asked(self) -> tuple[str, ...]:
        """`left_out` in words, such as "adjoint (no JVP)"."""
        return tuple(str(item) for item in self.left_out)

    @property
    def figures(self) -> tuple[Illustration, ...]:
        """Numbers to draw: of the first inputs that did not pass; none of a PASS."""
        return tuple(f.illustration for f in self.findings if f.illustration is not None)

    def __bool__(self) -> bool:
        return self.verdict is Verdict.PASS

    def __repr__(self) -> str:
        return f"<Report {' '.join(report_text.headline(self).split())}>"

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:
        """What IPython and notebooks show of a cell's value."""
        printer.text(str(self))

    def __str__(self) -> str:
        return report_text.text(self)

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values: schema, verdict, findings, seed, cost and where it ran."""
        return {
            "schema": SCHEMA,
            "subject": self.subject,
            "verdict": self.verdict.value,
            "resolution": plain(self.resolution),
            "require": self.require,
            "reference": self.reference,
            "seed": self.seed,
            "dtype": self.dtype,
            "device": self.device,
            "library": self.library,
            "cost": asdict(self.cost),
            "findings": [finding.to_dict() for finding in self.findings],
            "not_asked": list(self.not_asked),
            "environment": dict(self.environment),
            "exploration": None if self.exploration is None else json.loads(json.dumps(asdict(self.exploration))),
            "reproduction": None if self.reproduction is None else json.loads(json.dumps(asdict(self.reproduction))),
            "source": None if self.source is None else self.source.to_dict(),
            "ran": [source.to_dict() for source in self.ran],
            "figures": [figure.to_dict() for figure in self.figures],
        }

    def to_json(self, path: str | Path) -> None:
        """Write `to_dict()` to a file, whole or not at all.

        Raises:
            OSError: it cannot be written.
        """
        whole_file.write(path, as_json(self.to_dict()))

    def plot(self, path: str | Path) -> None:
        """Draw `figures` into a PNG (or what else the name ends in): heat map, V-curve, kink.

        Raises:
            UsageError: there is nothing to draw, matplotlib is missing, or the file cannot be written.
        """
        from gradcheck_kit.picture import draw

        draw(self.figures, f"{self.subject}: {self.verdict.value}", path)


class GradientCheckError(AssertionError):
    """Raised by `check` unless the verdict is PASS; its text is the report."""

    def __init__(self, report: Report) -> None:
        super().__init__(str(report))
        self.report = report

    def __reduce__(self) -> tuple[type["GradientCheckError"], tuple[Report]]:
        return type(self), (self.report,)


def as_json(values: Mapping[str, Any]) -> str:
    """A file of plain JSON values: indented, and without NaN, which JSON has not."""
    return json.dumps(values, indent=2, allow_nan=False) + "\n"


def plain(value: Any) -> Any:
    """A value as JSON holds it: verdicts by name, tuples as lists, numbers that are not finite by name."""
    if isinstance(value, Verdict):
        return value.value
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if isinstance(value, tuple):
        return list(value)
    return value
