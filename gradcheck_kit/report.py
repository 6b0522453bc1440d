"""What a check found, as frozen values; `str(report)` is what a person reads."""

import json
import math
import re
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from gradcheck_kit import whole_file
from gradcheck_kit.illustration import Illustration
from gradcheck_kit.sources import Source
from gradcheck_kit.verdict import Verdict, overall

SCHEMA = 1
TO_FILL_IN = re.compile(r"(?:= |[(,] ?)\.\.\.(?:[,)]|  #|$)")  # what x[..., 0] is not
WIDTH = 100
NAMED = 6  # inputs in a headline
TOLD = 2  # findings told in full: a failure fits on a screen
MOST_LINES = 25  # of a text; what does not fit stays in the report


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

    def describe(self) -> list[str]:
        """What a person reads of it."""
        counts = {"passed": self.passed, "undecided": self.undecided, "raised in the forward": self.raised}
        told = ", ".join(f"{count} {what}" for what, count in counts.items() if count)
        text = f"{self.examples} example{'s' if self.examples != 1 else ''}, {told or 'the first one failed'}"
        if self.obstacles:
            text += f": {'; '.join(self.obstacles)}"
        if self.lines:
            failed = "The last one failed, and " if told else ""
            text += f". {failed}{self.simplified} simpler ones were tried"
        attributed = [textwrap.wrap(said, WIDTH - 2, subsequent_indent="  ") for said in self.attributions]
        lines = textwrap.wrap(f"{self.condition} [{self.cause}]", WIDTH - 2) if self.cause else []
        lines += [*(line for part in attributed for line in part), *textwrap.wrap(text, WIDTH - 2)]
        return [*lines, *(["to repeat it:", *(f"  {line}" for line in self.lines)] if self.lines else [])]


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

    def describe(self, room: int) -> list[str]:
        """What a person reads of it in so many lines."""
        for lines in (self.lines, self.packed, self.outline):
            if lines and len(lines) < room:
                return ["to repeat it:", *(f"  {line}" for line in lines)]
        return [
            "to repeat it: print(*report.reproduction.lines, sep='\\n'), the report that of the error or of gk.examine"
        ]


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
        not_asked: the questions that were left out, and why.
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
    not_asked: tuple[str, ...] = ()
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
    def figures(self) -> tuple[Illustration, ...]:
        """Numbers to draw: of the first inputs that did not pass; none of a PASS."""
        return tuple(f.illustration for f in self.findings if f.illustration is not None)

    def __bool__(self) -> bool:
        return self.verdict is Verdict.PASS

    def __repr__(self) -> str:
        return f"<Report {' '.join(self._headline().split())}>"

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:
        """What IPython and notebooks show of a cell's value."""
        printer.text(str(self))

    def __str__(self) -> str:
        lines = [self._headline()]
        complaints = [finding for finding in self.findings if finding.verdict is not Verdict.PASS]
        for finding in complaints[:TOLD]:
            lines += ["", *_block(finding)]
        if len(complaints) > TOLD:
            lines += ["", *_also(complaints[TOLD:])]
        if self.verdict is Verdict.INCONCLUSIVE and all(f.verdict is Verdict.PASS for f in self.findings):
            lines += [
                "",
                "  nothing was compared: pass an input that has elements, and ask for `directional`",
            ]
        lines.append("")
        foot = self._foot()
        if self.exploration is not None:
            lines += [f"  {line}" for line in self.exploration.describe()]
        elif self.reproduction is not None and self.verdict is Verdict.FAIL:
            lines += [f"  {line}" for line in self.reproduction.describe(MOST_LINES - len(lines) - len(foot))]
        return "\n".join([*lines, *foot])

    def _foot(self) -> list[str]:
        """What was not asked, and what the answers cost."""
        lines = []
        if self.not_asked:
            said = f"not asked: {_by_reason(self.not_asked)}"
            lines = textwrap.wrap(said, WIDTH, initial_indent="  ", subsequent_indent="    ")
        cost = f"{self.cost.forward} forward + {self.cost.vjp} backward evaluations, {self.cost.seconds:.2g} s"
        beside = "" if self.reference == "native" else f" beside a forward in {self.reference}"
        return [*lines, f"  {self.dtype} on {self.device}{beside}, seed {self.seed}; {cost}"]

    def _headline(self) -> str:
        head = f"{self.verdict.value}  {self.subject}"
        if self.verdict is Verdict.PASS and self.resolution is not None:
            checked = list(dict.fromkeys(f.input for f in self.findings if f.input is not None))
            names = ", ".join(checked[:NAMED]) + (f" and {len(checked) - NAMED} more" if len(checked) > NAMED else "")
            return (
                f"{head}: the gradient of {names} agrees; an error of {self.resolution:.1g} of it would have been seen"
            )
        wrong = [f for f in self.findings if f.verdict is not Verdict.PASS]
        names = ", ".join(dict.fromkeys(f.input or f.question for f in wrong))
        if self.verdict is Verdict.FAIL:
            failed = [f for f in wrong if f.verdict is Verdict.FAIL]
            return f"{head}: {_blamed(failed)} ({', '.join(dict.fromkeys(f.input or f.question for f in failed))})"
        return f"{head}: could not be decided{f' ({names})' if names else ''}"

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


BEYOND_BACKWARD = {"adjoint": "the JVP and the backward pass disagree", "vmap": "the rule for vmap is wrong"}
"""What is wrong where only these questions found something: the backward itself is right by then."""


def _blamed(failed: Sequence[Finding]) -> str:
    """What is wrong, by the findings that failed."""
    for question, words in BEYOND_BACKWARD.items():
        if all(f.question == question for f in failed):
            return words
    if all(f.of_forward for f in failed):
        return "the forward pass is wrong"
    both = any(f.of_forward for f in failed)
    return "the forward and the backward pass are wrong" if both else "the backward pass is wrong"


def _block(finding: Finding) -> list[str]:
    mark = "✗" if finding.verdict is Verdict.FAIL else "?"
    first, *rest = finding.message.splitlines()
    lines = textwrap.wrap(f"{mark} {first}", WIDTH - 2, subsequent_indent="  ")
    for line in rest:
        lines += textwrap.wrap(line, WIDTH - 2, initial_indent="  ", subsequent_indent="    ")
    return [f"  {line}" for line in lines]


def _also(findings: list[Finding]) -> list[str]:
    """The others by name, and by cause where there is one."""
    named = [f"{f.input or f.question}{f' [{f.cause}]' if f.cause else ''}" for f in findings]
    more = [f"and {len(named) - NAMED} more"] if len(named) > NAMED else []
    text = f"the same was asked, and did not pass, of {', '.join([*named[:NAMED], *more])}; `findings` holds it all"
    return [f"  {line}" for line in textwrap.wrap(text, WIDTH - 2)]


def _by_reason(not_asked: tuple[str, ...]) -> str:
    """ "a (why), b (why), c" as "a, b (why); c"."""
    reasons: dict[str, list[str]] = {}
    for item in not_asked:
        name, _, why = item.partition(" (")
        reasons.setdefault(why, []).append(name)
    return "; ".join(f"{', '.join(names)} ({why}" if why else ", ".join(names) for why, names in reasons.items())


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
