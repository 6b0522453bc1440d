"""What examples of which none failed say together."""

from collections.abc import Sequence
from dataclasses import replace

from gradcheck_kit.checks import directional
from gradcheck_kit.engine import UNPAIRED, UNREGISTERED
from gradcheck_kit.exploration.trial import Outcome, Trial
from gradcheck_kit.report import Exploration, Finding, Report
from gradcheck_kit.verdict import Verdict

NOT_CHECKED = (f"({UNPAIRED})", f"({UNREGISTERED})")


def over_all(trials: Sequence[Trial], summary: Exploration) -> Report:
    """One finding for every input, over all the examples, of which at least one has a report."""
    reports = [trial.report for trial in trials if trial.report is not None]
    sharpest: dict[str, list[float]] = {}
    for report in (trial.report for trial in trials if trial.outcome is Outcome.PASSED):
        for finding in () if report is None else report.findings:
            if finding.input is not None and finding.resolution is not None:
                sharpest.setdefault(finding.input, []).append(finding.resolution)
    names = dict.fromkeys(f.input for report in reports for f in report.findings if f.input is not None)
    findings = [_of_input(name, sharpest.get(name, [])) for name in names] or [_of_input(None, [])]
    return replace(
        reports[0],
        findings=tuple(findings),
        require=max(report.require for report in reports),
        dtype=" and ".join(dict.fromkeys(report.dtype for report in reports)),
        not_asked=tuple(dict.fromkeys(item for r in reports for item in r.not_asked if item.endswith(NOT_CHECKED))),
        exploration=summary,
    )


def _of_input(name: str | None, resolutions: list[float]) -> Finding:
    if resolutions:
        message = f"the gradient of {name} agrees in {len(resolutions)} examples"
        return Finding(directional.QUESTION, Verdict.PASS, message, name, resolution=max(resolutions))
    message = f"no example decided the gradient of {name or 'any input'}; pass other axes, or a domain with gk.axes"
    return Finding(directional.QUESTION, Verdict.INCONCLUSIVE, message, name)
