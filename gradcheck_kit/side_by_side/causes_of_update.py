"""Why did the candidate make another step from the same parameters, gradients and state?"""

from collections.abc import Callable, Iterator
from dataclasses import fields, replace

import numpy as np

from gradcheck_kit.side_by_side.cause import Cause, Hypothesis, coarser_format, fitting, ratio
from gradcheck_kit.side_by_side.moment import Moment
from gradcheck_kit.side_by_side.rules import STEPS, Rule, of_parameter
from gradcheck_kit.side_by_side.scene import Scene, relative
from gradcheck_kit.side_by_side.stages import Apart
from gradcheck_kit.side_by_side.trainee import Named, Values

PLACES = 64.0  # unit roundoffs of the parameter
EPS = (0.0, 1e-16, 1e-15, 1e-12, 1e-10, 1e-9, 1e-8, 1e-7, 1e-6, 1e-5, 1e-4, 1e-3)
RATES = (0.5, 0.9, 0.95, 0.98, 0.99, 0.995, 0.999, 0.9999)


def causes(scene: Scene) -> list[Cause]:
    """Every hypothesis that reproduces all parameters that are off, formulas with no free number first."""
    expected, mine = scene.updated(), scene.candidate
    after = scene.reference.after if expected is None else expected.after
    u = scene.held_roundoff
    steps = {n: mine.after[n] - mine.before[n] for n in after}
    due = {n: np.asarray(after[n] - mine.before[n]) for n in after}
    without = {n: relative(due[n], steps[n]) for n in after}
    blur = {n: PLACES * u * (1 + _norm(mine.before[n]) / max(_norm(due[n]), 1e-300)) for n in after}
    off = [n for n in after if not without[n] <= blur[n]]
    broken = [n for n in off if not np.isfinite(mine.after[n]).all()]
    if broken:
        return [Cause("not-finite", f"{broken[0]} has NaN or ∞ after the step")]
    if off and all(not np.any(steps[n]) for n in off):
        return [Cause("never-moves", f"{', '.join(off)} did not move, the reference's did")]
    form = coarser_format([mine.after[n] for n in off], [after[n] for n in off]) if off else None
    if form is not None:
        return [Cause("lower-precision", f"every parameter after the step is a {form} number; the reference's are not")]
    seen = {n: steps[n] for n in off}
    allowed = max((blur[n] for n in off), default=0.0)
    return fitting(_hypotheses(scene, due, seen), seen, without, allowed)


def _norm(values: Values) -> float:
    return float(np.linalg.norm(np.asarray(values, np.float64)))


def _hypotheses(scene: Scene, due: Named, seen: Named) -> Iterator[Hypothesis]:
    rule, mine = scene.rule, scene.candidate
    if rule is not None and mine.gradients is not None:
        state = _state(scene)
        changed = [*_changed(rule), *_with_another_number(rule)]
        refuted = [held for held in changed if not _held_before(held[2], scene)]
        for slug, words, other in changed:
            if (slug, words, other) not in refuted:
                yield Hypothesis(slug, words, _stepping(other, mine, mine.gradients, state, scene.step))
        if scene.candidate_before is not None and scene.candidate_before.gradients is not None:
            told = "it is the step that the gradients of the step before would make"
            earlier = scene.candidate_before.gradients
            yield Hypothesis("stale-gradients", told, _stepping(rule, mine, earlier, state, scene.step))
        for step, told in ((1, "and its count"), (scene.step, "but not its count")):
            if scene.step > 1:
                words = f"it is the step of an optimiser that has lost its state, {told}"
                yield Hypothesis("state-lost", words, _stepping(rule, mine, mine.gradients, {}, step))
        for slug, words, other in refuted:
            told = f"{words}, from this step on"
            yield Hypothesis(slug, told, _stepping(other, mine, mine.gradients, state, scene.step))
        yield from _with_another_decay(rule, mine, due, seen)
    factor = ratio([due[n] for n in seen], seen.values())
    told = f"the step of {', '.join(seen)} is {factor:.10g} × the reference's"
    yield Hypothesis("learning-rate", told, lambda n: factor * due[n], factor)


def _state(scene: Scene) -> Named:
    """The candidate's own where it has the kinds of the reference's, which was equal until now; else that one."""
    mine, theirs = scene.candidate.state_before, scene.reference.state_before or {}
    return mine if mine is not None and set(theirs) <= {*mine, "steps"} else theirs


def _held_before(rule: Rule, scene: Scene) -> bool:
    """Whether the step before, which was right, would have come out the same by this formula too."""
    mine, theirs = scene.candidate_before, scene.reference_before
    if mine is None or theirs is None or mine.gradients is None:
        return True
    earlier = _with_numbers_of(theirs.rule, scene.rule, rule)
    stepped = _stepping(earlier, mine, mine.gradients, theirs.state_before or {}, scene.step - 1)
    return all(
        _norm(stepped(n) - (p - mine.before[n])) <= PLACES * scene.held_roundoff * (_norm(p) + _norm(stepped(n)))
        for n, p in mine.after.items()
    )


def _with_numbers_of(before: Rule | None, now: Rule | None, changed: Rule) -> Rule:
    """The changed formula as it was in the step before, where a schedule has other numbers for every step."""
    if before is None or now is None:
        return changed
    kept = (f.name for f in fields(Rule) if getattr(changed, f.name) == getattr(now, f.name))
    return replace(changed, **{name: getattr(before, name) for name in kept})


def _stepping(rule: Rule, mine: Moment, gradients: Named, state: Named, step: int) -> Callable[[str], Values]:
    def predict(name: str) -> Values:
        before = np.asarray(mine.before[name], np.float64)
        with np.errstate(all="ignore"):
            return rule.updated(before, gradients[name], of_parameter(state, name), _count(state, name, step)) - before

    return predict


def _count(state: Named, name: str, step: int) -> int:
    """The step's number for this parameter, which may have been frozen for some."""
    if f"{name}/{STEPS}" in state:
        return int(state[f"{name}/{STEPS}"]) + 1
    kept = [key for key in state if "/" in key]
    return step if not kept or of_parameter(state, name) else 1


def _changed(rule: Rule) -> Iterator[tuple[str, str, Rule]]:
    """The reference's formula with one thing done otherwise."""
    if rule.weight_decay:
        yield "weight-decay-missing", "it is the step without weight decay", replace(rule, weight_decay=0.0)
        turned = replace(rule, decoupled=not rule.decoupled)
        if rule.decoupled:
            yield "weight-decay-coupled", "weight decay is in the gradient, not beside the step", turned
        else:
            yield "weight-decay-decoupled", "weight decay is beside the step, not in the gradient", turned
        for factor in (2.0, 0.5):
            more = replace(rule, weight_decay=factor * rule.weight_decay)
            yield "weight-decay", f"weight decay is {more.weight_decay:g}, not {rule.weight_decay:g}", more
    yield from {"SGD": _changed_sgd, "Adam": _changed_adam, "RMSProp": _changed_rmsprop}[rule.kind](rule)


def _changed_sgd(rule: Rule) -> Iterator[tuple[str, str, Rule]]:
    if not rule.momentum:
        return
    if not rule.nesterov:
        damped = replace(rule, dampening=rule.momentum)
        yield "dampening", f"the gradient enters the velocity times 1 - {rule.momentum:g}", damped
        told = f"every gradient, the first too, enters the velocity times 1 - {rule.momentum:g}"
        yield "dampening", told, damped.having("first step dampened")
    plain = "it is the step along the velocity, without looking ahead" if rule.nesterov else "it is Nesterov's step"
    yield "nesterov", plain, replace(rule, nesterov=not rule.nesterov)
    yield "nesterov", "it looks ahead twice: g + μ(g + μv)", rule.having("momentum twice")
    yield "nesterov", "it looks ahead from the velocity: v + μv, not g + μv", rule.having("velocity for gradient")
    yield "momentum", "it is the step without momentum", replace(rule, momentum=0.0, nesterov=False)


def _changed_adam(rule: Rule) -> Iterator[tuple[str, str, Rule]]:
    neither = "neither average is corrected for starting at zero"
    yield "bias-correction", neither, rule.having("mean uncorrected", "square uncorrected")
    yield "bias-correction", "the mean is not corrected for starting at zero", rule.having("mean uncorrected")
    yield "bias-correction", "the mean square is not corrected for starting at zero", rule.having("square uncorrected")
    yield "eps-place", "eps is inside the root", rule.having("eps inside")
    yield "eps-place", "eps is added before the correction", rule.having("eps before correction")
    yield "step-count", "the corrections count one step too many", rule.having("one step ahead")
    yield "betas", "the two betas are exchanged", replace(rule, betas=rule.betas[::-1])


def _changed_rmsprop(rule: Rule) -> Iterator[tuple[str, str, Rule]]:
    yield "eps-place", "eps is inside the root", rule.having("eps inside")
    yield "bias-correction", "the mean square is corrected for starting at zero", rule.having("square corrected")


def _with_another_number(rule: Rule) -> list[tuple[str, str, Rule]]:
    """Hyperparameters at other usual values."""
    changed: list[tuple[str, str, Rule]] = []
    if rule.kind != "SGD":
        changed += [("eps", f"eps is {e:g}, not {rule.eps:g}", replace(rule, eps=e)) for e in EPS if e != rule.eps]
    if rule.kind == "RMSProp":
        changed += [
            ("alpha", f"alpha is {a:g}, not {rule.alpha:g}", replace(rule, alpha=a)) for a in _rates(rule.alpha)
        ]
    if rule.kind == "Adam":
        one, two = rule.betas
        changed += [("betas", f"beta1 is {b:g}, not {one:g}", replace(rule, betas=(b, two))) for b in _rates(one)]
        changed += [("betas", f"beta2 is {b:g}, not {two:g}", replace(rule, betas=(one, b))) for b in _rates(two)]
    if rule.kind == "SGD" and rule.momentum:
        rates = _rates(rule.momentum)
        changed += [("momentum", f"momentum is {m:g}, not {rule.momentum:g}", replace(rule, momentum=m)) for m in rates]
    return changed


def _rates(present: float) -> list[float]:
    return [rate for rate in RATES if rate != present]


def _with_another_decay(rule: Rule, mine: Moment, due: Named, seen: Named) -> Iterator[Hypothesis]:
    """Decay that the reference has not: the step is longer by λ·lr·p; only of a formula linear in the gradient."""
    before = mine.before
    shrink = ratio([before[n] for n in seen], [seen[n] - due[n] for n in seen])
    told = f"the parameters shrink by {-shrink:.6g} in a step beside the reference's"
    yield Hypothesis(
        "weight-decay", f"{told} (lr × {-shrink / rule.lr:.6g})", lambda n: due[n] + shrink * before[n], shrink
    )


def causes_of_state(scene: Scene, first: Apart) -> list[Cause]:
    """The update was right, what was kept for the next one is not."""
    held = [(scene.candidate.state_before, scene.reference.state_before)]
    held.append((scene.candidate.state_after, scene.reference.state_after))
    here, there = next(
        (mine[first.tensor], theirs[first.tensor])
        for mine, theirs in held
        if mine and theirs and first.tensor in mine and relative(theirs[first.tensor], mine[first.tensor]) > 0
    )
    if not np.any(here):
        return [Cause("state-lost", f"{first.tensor} is zero, the reference's is not")]
    form = coarser_format([here], [there])
    if form is not None:
        return [Cause("lower-precision", f"every number of {first.tensor} is a {form} number; the reference's are not")]
    return causes(scene)  # averages by another formula make other steps too
