"""Numbers to draw of the smallest failing example: measured once at the end, not in each of hundreds of trials."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from gradcheck_kit.checks import directional
from gradcheck_kit.engine import examine
from gradcheck_kit.report import Cost, Report
from gradcheck_kit.subject import Subject
from gradcheck_kit.verdict import Verdict


def with_figures(report: Report, subject: Callable[[], Subject], options: Mapping[str, Any]) -> Report:
    """The report of a trial with figures where differences showed the failure; its cost is then of both checks.

    Args:
        report: of the trial, without figures.
        subject: makes what it is of, which raises where the backward does.
        options: of `examine`, as in the trial; the same seed gives the same findings.
    """
    shown = [f for f in report.findings if f.question == directional.QUESTION and f.verdict is Verdict.FAIL]
    if not shown:
        return report
    again = examine(subject(), **{**options, "figures": True})
    drawn = {finding.input: finding.illustration for finding in again.findings if finding.illustration is not None}
    findings = (replace(f, illustration=drawn.get(f.input)) if f in shown else f for f in report.findings)
    one, other = report.cost, again.cost
    cost = Cost(one.forward + other.forward, one.vjp + other.vjp, one.seconds + other.seconds)
    return replace(report, findings=tuple(findings), cost=cost)
