"""One example on trial: was the backward shown right, shown wrong, undecided, or did the forward raise?"""

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import Enum
from typing import Any

import numpy as np

from gradcheck_kit.adapters.private_copy import private_copy
from gradcheck_kit.checks import contract, directional, kink
from gradcheck_kit.checks.examination import Examination
from gradcheck_kit.engine import examine
from gradcheck_kit.exploration.construction import Call, Construction
from gradcheck_kit.exploration.own_dtype import OwnDtypeError
from gradcheck_kit.exploration.structure import Example
from gradcheck_kit.provenance import environment_now
from gradcheck_kit.report import Cost, Finding, Report
from gradcheck_kit.sources import raised_in, source_in, source_of
from gradcheck_kit.space import copies_of
from gradcheck_kit.subject import Subject, UsageError, in_words
from gradcheck_kit.verdict import DEFAULT_REQUIRE, Verdict

BESIDE = "right beside it "  # begins an obstacle that was not met at the example itself


class Outcome(Enum):
    """What became of one example."""

    PASSED = "passed"
    FAILED = "failed"
    UNDECIDED = "undecided"
    RAISED = "raised"


@dataclass(frozen=True)
class Trial:
    """One example and what became of it.

    Attributes:
        outcome: in a word.
        report: of the check, where there was one.
        obstacle: what an undecided or raising example met, in a few words.
        call: what was checked.
        where: the lengths at which it raised, and before them the user's own line where that was beside the example.
    """

    outcome: Outcome
    report: Report | None = None
    obstacle: str = ""
    call: Call | None = None
    where: str = ""

    @property
    def failure(self) -> tuple[str, str | None, str | None]:
        """Which failure it is: a simpler example has to fail in the same one."""
        found = self.findings_that_fail[0]
        return found.question, found.input, found.cause if found.question == contract.QUESTION else None

    @property
    def findings_that_fail(self) -> list[Finding]:
        findings = () if self.report is None else self.report.findings
        return [finding for finding in findings if finding.verdict is Verdict.FAIL]

    @property
    def excess(self) -> float:
        """The largest discrepancy over its bound (both sides finite, the bound not 0); 0 where there is none."""
        findings = () if self.report is None else self.report.findings
        return max((_ratio(finding) for finding in findings), default=0.0)


def tried(construction: Construction, example: Example, seed: int) -> Trial:
    """Check one example.

    A failure that differences show counts where the point is on no kink and no edge: there they prove it.

    Raises:
        UsageError: the target cannot be called so at all.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a drawn input may well divide by zero: what came of it is judged
        return _tried(construction, example, seed)


def _tried(construction: Construction, example: Example, seed: int) -> Trial:
    call: Call | None = None
    try:
        call = construction.call(example)
        construction.expect_own_dtype(call.made, example.dtype)
        subject = construction.subject(call)
    except (UsageError, OwnDtypeError):
        raise
    except Exception as error:
        if call is not None and forward_works(call):
            return backward_raised(construction.title, None, example, seed, error, call)
        return _raised(error, example)
    call = replace(call, checked=subject.differentiable)
    with subject.session():
        try:
            outputs = dict(subject.forward(copies_of(subject.library, subject.point)))
        except Exception as error:
            return _raised(error, example)
        failed = failed_pull(construction, subject, outputs, example, seed, call)
        if failed is not None:
            return failed
    try:
        return replace(_judged(subject, construction, example, seed), call=call)
    except UsageError:
        raise
    except Exception as error:  # at one of the neighbours that a check visits: an edge of the domain
        obstacle, place = f"{BESIDE}{_in_short(error)}", raised_in(error)
        return Trial(Outcome.UNDECIDED, obstacle=obstacle, where=", ".join(filter(None, [place, example.where()])))


def _judged(subject: Subject, construction: Construction, example: Example, seed: int) -> Trial:
    report = examine(subject, **construction.demands.options(seed), figures=False)
    if example.empty and report.verdict is not Verdict.FAIL:
        return Trial(Outcome.PASSED if report else Outcome.UNDECIDED, report, "no elements")
    (beside,) = examine(subject, seed=seed, questions=[kink.QUESTION]).findings
    wrong = [finding for finding in report.findings if finding.verdict is Verdict.FAIL]
    if all(f.question == directional.QUESTION or f.cause == "not-finite" for f in wrong):
        if beside.verdict is Verdict.FAIL and construction.handwritten and construction.demands.asks(kink.QUESTION):
            kept = tuple(f for f in report.findings if f.question not in (directional.QUESTION, contract.QUESTION))
            return Trial(Outcome.FAILED, replace(report, findings=(*kept, beside), left_out=()))
        excuse = _excuse(beside, wrong) if wrong else ""
        if excuse:
            return Trial(Outcome.UNDECIDED, report, excuse)
    if wrong:
        return Trial(Outcome.FAILED, report)
    undecided = next((f for f in report.findings if f.verdict is Verdict.INCONCLUSIVE), None)
    met = "nothing to compare" if undecided is None else undecided.cause or "not finite"
    return Trial(Outcome.PASSED, report) if report else Trial(Outcome.UNDECIDED, report, met)


def _excuse(beside: Finding, wrong: Sequence[Finding]) -> str:
    """Why differences that disagree prove nothing here, or a gradient need not be finite; empty where neither holds."""
    if beside.verdict is Verdict.PASS or beside.cause == "precision":
        return ""
    if beside.verdict is Verdict.FAIL and beside.cause == "not-finite":
        return "" if any(finding.cause == "not-finite" for finding in wrong) else "edge of the domain"
    return "edge of the domain" if beside.cause == "domain" else "kink"


def failed_pull(
    construction: Construction, subject: Subject, outputs: Mapping[str, Any], example: Example, seed: int, call: Call
) -> Trial | None:
    """One backward, to see whether it raises; None where it returns."""
    try:
        cotangents = Examination(subject, outputs, np.random.default_rng(seed), 1.0).cotangents()
        subject.pullback(copies_of(subject.library, subject.point), cotangents)
    except UsageError:
        raise
    except Exception as error:
        return backward_raised(construction.title, subject, example, seed, error, call)
    return None


def forward_works(call: Call) -> bool:
    """Whether it is the backward that raised while a layer's parameters were looked for."""
    try:
        private_copy(call.made).forward(*call.inputs)
    except Exception:
        return False
    return True


def _raised(error: Exception, example: Example) -> Trial:
    return Trial(Outcome.RAISED, obstacle=_in_short(error), where=example.where())


def _in_short(error: Exception) -> str:
    return in_words(error, None)[:100]


def backward_raised(
    title: str, subject: Subject | None, example: Example, seed: int, error: Exception, call: Call | None
) -> Trial:
    """The failure of a backward that raises where the forward returns."""
    message = f"the backward raises {type(error).__name__} at {example.where()}, where the forward returns\n{error}"
    source = source_in(getattr(call.made, "backward", None)) if subject is None and call is not None else None
    report = Report(
        subject=title if subject is None else subject.name,
        findings=(Finding(contract.QUESTION, Verdict.FAIL, message, cause="backward-raises"),),
        seed=seed,
        cost=Cost(1, 1, 0.0),
        dtype=example.dtype,
        device="cpu" if subject is None else subject.library.device(subject.point[subject.differentiable[0]]),
        library="numpy" if subject is None else subject.library.name,
        require=DEFAULT_REQUIRE[example.dtype],
        environment=environment_now(),
        source=source if subject is None else source_of(subject),
    )
    return Trial(Outcome.FAILED, report, call=call)


def _ratio(finding: Finding) -> float:
    if finding.analytic is None or finding.numeric is None or not finding.error:
        return 0.0
    ratio = abs(finding.analytic - finding.numeric) / finding.error
    return ratio if np.isfinite(ratio) else 0.0
