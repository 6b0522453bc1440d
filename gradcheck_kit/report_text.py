"""A report as a person reads it: what is wrong first, and all of it on one screen."""

import textwrap
from collections.abc import Sequence
from typing import TYPE_CHECKING

from gradcheck_kit.verdict import Verdict

if TYPE_CHECKING:
    from gradcheck_kit.report import Exploration, Finding, LeftOut, Report, Reproduction

WIDTH = 100
NAMED = 6  # inputs in a headline
TOLD = 2  # findings told in full: a failure fits on a screen
MOST_LINES = 25  # of a text; what does not fit stays in the report
BEYOND_BACKWARD = {"adjoint": "the JVP and the backward pass disagree", "vmap": "the rule for vmap is wrong"}
"""What is wrong where only these questions found something: the backward itself is right by then."""


def text(report: "Report") -> str:
    """The whole report: headline, the first findings that did not pass, how to repeat it, what it cost."""
    lines = [headline(report)]
    complaints = [finding for finding in report.findings if finding.verdict is not Verdict.PASS]
    for finding in complaints[:TOLD]:
        lines += ["", *_block(finding)]
    if len(complaints) > TOLD:
        lines += ["", *_also(complaints[TOLD:])]
    if report.verdict is Verdict.INCONCLUSIVE and not complaints:
        lines += ["", f"  {_not_compared(report)}"]
    lines.append("")
    foot = _foot(report)
    if report.exploration is not None:
        lines += [f"  {line}" for line in _explored(report.exploration)]
    elif report.reproduction is not None and report.verdict is Verdict.FAIL:
        lines += [f"  {line}" for line in _repeated(report.reproduction, MOST_LINES - len(lines) - len(foot))]
    return "\n".join([*lines, *foot])


def _not_compared(report: "Report") -> str:
    """Why every finding is a PASS, and the report none."""
    empty = [finding.input for finding in report.findings if finding.question == "directional" and finding.input]
    if not empty:
        return "nothing was compared: ask for `directional` too"
    has = "has" if len(empty) == 1 else "have"
    return f"nothing was compared: {', '.join(empty)} {has} no elements; pass an input that has some"


def headline(report: "Report") -> str:
    """The verdict in a line."""
    head = f"{report.verdict.value}  {report.subject}"
    if report.verdict is Verdict.PASS and report.resolution is not None:
        checked = list(dict.fromkeys(f.input for f in report.findings if f.input is not None))
        names = ", ".join(checked[:NAMED]) + (f" and {len(checked) - NAMED} more" if len(checked) > NAMED else "")
        seen = f"an error of {report.resolution:.1g} of it would have been seen"
        return f"{head}: the gradient of {names} agrees; {seen}"
    wrong = [f for f in report.findings if f.verdict is not Verdict.PASS]
    if report.verdict is Verdict.FAIL:
        failed = [f for f in wrong if f.verdict is Verdict.FAIL]
        return f"{head}: {_blamed(failed)} ({_concerned(failed)})"
    return f"{head}: could not be decided{f' ({_concerned(wrong)})' if wrong else ''}"


def _concerned(findings: Sequence["Finding"]) -> str:
    return ", ".join(dict.fromkeys(f.input or f.question for f in findings))


def _blamed(failed: Sequence["Finding"]) -> str:
    """What is wrong, by the findings that failed."""
    for question, words in BEYOND_BACKWARD.items():
        if all(f.question == question for f in failed):
            return words
    if all(f.of_forward for f in failed):
        return "the forward pass is wrong"
    both = any(f.of_forward for f in failed)
    return "the forward and the backward pass are wrong" if both else "the backward pass is wrong"


def _block(finding: "Finding") -> list[str]:
    mark = "✗" if finding.verdict is Verdict.FAIL else "?"
    first, *rest = finding.message.splitlines()
    lines = textwrap.wrap(f"{mark} {first}", WIDTH - 2, subsequent_indent="  ")
    for line in rest:
        lines += textwrap.wrap(line, WIDTH - 2, initial_indent="  ", subsequent_indent="    ")
    return [f"  {line}" for line in lines]


def _also(findings: Sequence["Finding"]) -> list[str]:
    """The others by name, and by cause where there is one."""
    named = [f"{f.input or f.question}{f' [{f.cause}]' if f.cause else ''}" for f in findings]
    more = [f"and {len(named) - NAMED} more"] if len(named) > NAMED else []
    said = f"the same was asked, and did not pass, of {', '.join([*named[:NAMED], *more])}; `findings` holds it all"
    return [f"  {line}" for line in textwrap.wrap(said, WIDTH - 2)]


def _explored(found: "Exploration") -> list[str]:
    """What a search looked at, what its failure depends on, and lines that repeat it."""
    counts = {"passed": found.passed, "undecided": found.undecided, "raised in the forward": found.raised}
    told = ", ".join(f"{count} {what}" for what, count in counts.items() if count)
    said = f"{found.examples} example{'s' if found.examples != 1 else ''}, {told or 'the first one failed'}"
    if found.obstacles:
        said += f": {'; '.join(found.obstacles)}"
    if found.lines:
        said += f". {'The last one failed, and ' if told else ''}{found.simplified} simpler ones were tried"
    lines = textwrap.wrap(f"{found.condition} [{found.cause}]", WIDTH - 2) if found.cause else []
    for attribution in found.attributions:
        lines += textwrap.wrap(attribution, WIDTH - 2, subsequent_indent="  ")
    lines += textwrap.wrap(said, WIDTH - 2)
    return [*lines, *(_to_repeat_it(found.lines) if found.lines else [])]


def _repeated(held: "Reproduction", room: int) -> list[str]:
    """How to repeat a check, in so many lines."""
    for lines in (held.lines, held.packed, held.outline):
        if lines and len(lines) < room:
            return _to_repeat_it(lines)
    return ["to repeat it: print(*report.reproduction.lines, sep='\\n'), the report that of the error or of gk.examine"]


def _to_repeat_it(lines: Sequence[str]) -> list[str]:
    return ["to repeat it:", *(f"  {line}" for line in lines)]


def _foot(report: "Report") -> list[str]:
    """What was not asked, and what the answers cost."""
    lines = []
    if report.left_out:
        said = f"not asked: {_by_reason(report.left_out)}"
        lines = textwrap.wrap(said, WIDTH, initial_indent="  ", subsequent_indent="    ")
    cost = f"{report.cost.forward} forward + {report.cost.vjp} backward evaluations, {report.cost.seconds:.2g} s"
    beside = "" if report.reference == "native" else f" beside a forward in {report.reference}"
    return [*lines, f"  {report.dtype} on {report.device}{beside}, seed {report.seed}; {cost}"]


def _by_reason(left_out: Sequence["LeftOut"]) -> str:
    """ "a (why), b (why), c" as "a, b (why); c"."""
    reasons: dict[str, list[str]] = {}
    for item in left_out:
        reasons.setdefault(item.reason, []).append(item.name)
    return "; ".join(f"{', '.join(names)} ({why})" if why else ", ".join(names) for why, names in reasons.items())
