"""What examples of which none failed say together."""

from collections.abc import Sequence
from dataclasses import replace

from gradcheck_kit.checks import directional
from gradcheck_kit.exploration.trial import Outcome, Trial
from gradcheck_kit.report import Exploration, Finding, Report
from gradcheck_kit.verdict import DEFAULT_REQUIRE, Verdict


def over_all(trials: Sequence[Trial], summary: Exploration) -> Report:
    """One finding for every input, over all the examples, of which at least one has a report."""
    reports = [trial.report for trial in trials if trial.report is not None]
    sharpest: dict[str, list[float]] = {}
    for report in (trial.report for trial in trials if trial.outcome is Outcome.PASSED):
        for finding in () if report is None else report.findings:
            if finding.input is not None and finding.resolution is not None:
                sharpest.setdefault(finding.input, []).append(finding.resolution)
    names = dict.fromkeys(f.input for report in reports for f in report.findings if f.input is not None)
    findings = [_of_input(name, sharpest.get(name, []), reports) for name in names] or [_of_input(None, [], reports)]
    return replace(
        reports[0],
        findings=tuple(findings),
        require=max(report.require for report in reports),
        dtype=" and ".join(dict.fromkeys(report.dtype for report in reports)),
        left_out=tuple(dict.fromkeys(item for report in reports for item in report.left_out if item.array)),
        exploration=summary,
    )


def _of_input(name: str | None, resolutions: list[float], reports: Sequence[Report]) -> Finding:
    if resolutions:
        message = f"the gradient of {name} agrees in {len(resolutions)} examples"
        return Finding(directional.QUESTION, Verdict.PASS, message, name, resolution=max(resolutions))
    found = [
        sharp for report in reports for f in report.findings if f.input == name and (sharp := _sharpness(report, f))
    ]
    if found:
        (best, dtype), require = min(found), min(report.require for report in reports)
        advice = f"demand what {dtype} resolves, such as require={DEFAULT_REQUIRE[dtype]:g}"
        why = f"the sharpest look saw errors of {best:.1g} where {require:.1g} is required; {advice}"
        return Finding(
            directional.QUESTION, Verdict.INCONCLUSIVE, f"no example decided the gradient of {name}: {why}", name
        )
    message = f"no example decided the gradient of {name or 'any input'}; pass other axes, or a domain with gk.axes"
    return Finding(directional.QUESTION, Verdict.INCONCLUSIVE, message, name)


def _sharpness(report: Report, finding: Finding) -> tuple[float, str] | None:
    """The relative error that an undecided look saw, and the dtype; None unless its default demand had been met."""
    if finding.verdict is not Verdict.INCONCLUSIVE or not (finding.numeric and finding.error):
        return None
    default, sharp = DEFAULT_REQUIRE[report.dtype], finding.error / abs(finding.numeric)
    agrees = finding.analytic is not None and abs(finding.analytic - finding.numeric) <= finding.error
    return (sharp, report.dtype) if agrees and report.require < sharp <= default else None
