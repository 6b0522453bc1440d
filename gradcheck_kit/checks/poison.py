"""Does any gradient come from memory that nobody has written to?

Memory as the allocator hands it out is often zero in a test and never in production. It is filled with NaN and with
large numbers: right code overwrites them all.
"""

from gradcheck_kit.checks.examination import Examination, NotAskedError, passed
from gradcheck_kit.checks.rounding import Place, differing
from gradcheck_kit.report import Finding
from gradcheck_kit.verdict import of_ratio

QUESTION = "poison"


def ask(examination: Examination) -> list[Finding]:
    """A finding for every gradient that changes with what uninitialised memory holds."""
    subject = examination.subject
    if not subject.poisoned:
        raise NotAskedError("torch only")
    u = examination.cotangents(generator=examination.aside(QUESTION))
    given = {}
    for poison, context in subject.poisoned.items():
        with context():
            given[poison] = examination.pulled(subject.point, u)
        harmless = next(iter(given))
        wrong = differing(examination, given[harmless], given[poison], Place(subject.point, u))
        if wrong:
            return [_finding(name, ratio, harmless, poison) for name, ratio in wrong.items()]
        if poison != harmless:
            del given[poison]  # which may be large
    return [
        passed(QUESTION, f"uninitialised memory filled with {', '.join(subject.poisoned)} gives the same gradients")
    ]


def _finding(name: str, ratio: float, harmless: str, poison: str) -> Finding:
    message = (
        f"the gradient of {name} is another one where uninitialised memory holds {poison} instead of {harmless}; "
        "fill it, as torch.zeros_like does"
    )
    return Finding(QUESTION, of_ratio(ratio), message, input=name, cause="uninitialised-memory")
