"""The cause of a failure, where the smallest failing input has too few numbers to tell causes apart."""

from collections.abc import Mapping
from dataclasses import replace

from gradcheck_kit.exploration.axes import Axes, named_axes
from gradcheck_kit.exploration.structure import Example, Structure
from gradcheck_kit.exploration.trial import Trial
from gradcheck_kit.report import Finding, Report
from gradcheck_kit.verdict import Verdict

TELLING = (5, 7, 4, 6, 3)  # lengths that differ, so that a factor tells which axis it comes from


def telling_example(arrays: Mapping[str, Axes], dtype: str, seed: int) -> Example:
    """An ordinary example whose named axes differ in length."""
    names = named_axes(arrays)
    lengths = tuple((name, TELLING[i % len(TELLING)]) for i, name in enumerate(names))
    return Structure(lengths, dtype, "C", tuple((name, "normal") for name in arrays), seed).example(arrays)


def with_causes(small: Report, larger: Example, trial: Trial) -> tuple[Report, tuple[str, ...]]:
    """The report of a small example, with what the same failures have for a cause in a larger one.

    A finding that has a cause keeps it; another one that the larger example shows is told in words beside it.
    """
    found = () if trial.report is None else trial.report.findings
    known = {(f.question, f.input): f for f in found if f.cause is not None}
    findings, said = list[Finding](), list[str]()
    for finding in small.findings:
        why = known.get((finding.question, finding.input))
        if finding.verdict is not Verdict.FAIL or why is None or why.cause == finding.cause:
            findings.append(finding)
            continue
        findings.append(replace(finding, cause=finding.cause or why.cause))
        said.append(f"{why.input or 'seen'} at {larger.where()}: {_cause_in(why)}")
    return replace(small, findings=tuple(findings)), tuple(said)


def _cause_in(finding: Finding) -> str:
    """The line of its message that tells the cause."""
    return next((line for line in finding.message.splitlines() if f"[{finding.cause}]" in line), f"[{finding.cause}]")
