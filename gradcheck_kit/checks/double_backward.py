"""Is the gradient itself differentiated rightly: does a backward through the backward agree with differences of it?

The gradient is a function of the point and of the cotangent like any other, and is asked what every function is asked.
By the cotangent too: what depends on this output goes on from here, and its second derivative comes through there.
"""

from dataclasses import replace

from gradcheck_kit.checks import directional
from gradcheck_kit.checks.examination import Examination, NotAskedError, Reference
from gradcheck_kit.checks.reference import in_float64
from gradcheck_kit.report import Finding
from gradcheck_kit.subject import first_line
from gradcheck_kit.verdict import Verdict

QUESTION = "double-backward"


def ask(examination: Examination) -> list[Finding]:
    """One finding for every input; INCONCLUSIVE where the backward cannot be differentiated at all."""
    recorded = examination.subject.recorded
    if recorded is None:
        raise NotAskedError("torch only")
    names = examination.subject.differentiable
    cotangents = examination.cotangents(generator=examination.aside(f"{QUESTION}: cotangents"))
    gradient = recorded.gradient(cotangents, names)
    try:
        outputs = dict(gradient.forward(gradient.point))
        again = Examination(gradient, outputs, examination.aside(QUESTION), examination.require)
        gradient.pullback(gradient.point, again.cotangents())
    except RuntimeError as error:  # once_differentiable, or an operator without a second derivative
        message = f"the backward cannot be differentiated: {first_line(error)}"
        return [Finding(QUESTION, Verdict.INCONCLUSIVE, message, cause="once-differentiable")]
    if examination.reference is not None:
        wide = in_float64(gradient, outputs, gradient.forward, examination.aside(f"{QUESTION}: float64"))
        again = replace(again, reference=wide if isinstance(wide, Reference) else None)
    return [_of_second_order(finding) for finding in directional.ask(again)]


def _of_second_order(finding: Finding) -> Finding:
    return replace(finding, question=QUESTION, message=f"in the double backward {finding.message}")
