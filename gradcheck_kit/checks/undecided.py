"""What is said of an input whose gradient could not be decided: the two numbers, what kept it, and what to try."""

from gradcheck_kit.checks.case import Case
from gradcheck_kit.checks.rounds import Measurement
from gradcheck_kit.checks.staircase import Staircase
from gradcheck_kit.differences.estimate import Obstacle
from gradcheck_kit.report import Finding
from gradcheck_kit.verdict import Verdict

OWN_PART = 0.5  # of a bound: from here on it is the backward's own rounding that keeps an answer from being sharp
BEYOND_ITS_DIGITS = (
    "the gradient itself moves by so much where its input moves by the last place, as beside a pole; use a dtype of "
    "more digits, or pass an input at which it is steadier"
)


def sharpest_look(case: Case) -> Measurement:
    """The measurement with the smallest bound."""
    return min(case.measurements, key=lambda m: (m.seen.comparison.bound, not m.estimate.obstacle))


def undecided(question: str, name: str, case: Case, require: float) -> Finding:
    """The reason is the gradient outside of a kink, lost digits, or the obstacle of the sharpest look."""
    shown = case.outside or (case.strikes()[-1] if case.stairs else sharpest_look(case))
    seen, obstacle = shown.seen.comparison, shown.estimate.limit
    numeric, advice = f"numerical derivative {seen.numeric:.6g} ± {seen.bound:.1g}", obstacle.value
    resolved = f"which resolves {seen.resolution:.2g} where {require:.1g} is required"
    if seen.resolution <= require:
        resolved = f"between which lie {seen.discrepancy:.1g}: more than the bound, and too little for a verdict"
    if seen.own > OWN_PART * seen.bound:
        advice = BEYOND_ITS_DIGITS
    if seen.overflowed:
        advice = "derivatives along a direction are beyond float64 here; pass an input at which the gradient is smaller"
    if case.outside is not None:
        obstacle, numeric = Obstacle.KINK, f"numerical derivative {seen.numeric:.6g}"
        resolved = "the mean of those on its two sides"
        advice = (
            "the input sits on a kink, and the backward's number is not between the one-sided derivatives there; "
            "ask questions='kink', or move the input off the kink"
        )
    cause = obstacle.name.lower()
    if case.lost is not None:
        cause = "digits-lost"
        resolved = f"and the whole gradient has lost {case.lost:.2g} of itself where {require:.1g} is allowed"
        advice = (
            "the backward is right in float64; in this precision it loses digits here, as where a function saturates"
        )
    if case.stairs is not None:
        cause, numeric, (resolved, advice) = "staircase", f"numerical derivative {seen.numeric:.6g}", _told(case.stairs)
    return Finding(
        question,
        Verdict.INCONCLUSIVE,
        f"the gradient of {name} could not be decided: backward {seen.analytic:.6g}, {numeric}, {resolved}\n{advice}",
        input=name,
        analytic=seen.analytic,
        numeric=seen.numeric,
        error=seen.bound,
        cause=cause,
    )


def _told(stairs: Staircase) -> tuple[str, str]:
    """Beside which number, and what to do."""
    afar = "though the outputs move at once a little further"
    if stairs.numeric is not None:
        afar = f"over longer steps {stairs.numeric:.6g} ± {stairs.error:.1g}, which agrees"
    return afar, (
        f"the forward moves in steps of about {stairs.step:.1g} of its values: it computes in fewer digits inside, or "
        "subtracts numbers that are nearly equal; compute it in float64 throughout, or without the cancellation"
    )
