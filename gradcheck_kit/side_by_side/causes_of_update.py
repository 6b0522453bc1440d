"""Why did the candidate make another step from the same parameters, gradients and state?"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields, replace

import numpy as np

from gradcheck_kit.side_by_side.cause import Cause, Hypothesis, coarser_format, fitting, ratio
from gradcheck_kit.side_by_side.changed_formulas import changed_formulas
from gradcheck_kit.side_by_side.moment import Moment
from gradcheck_kit.side_by_side.rules import STEPS, Rule, of_parameter
from gradcheck_kit.side_by_side.scene import Scene, relative
from gradcheck_kit.side_by_side.stages import Apart
from gradcheck_kit.side_by_side.trainee import Named, Values

LEARNING_RATE, UPHILL = "learning-rate", "maximize"
PLACES = 64.0  # unit roundoffs of the parameter
DECAYS = (0.1, 0.05, 0.02, 0.01, 5e-3, 1e-3, 5e-4, 1e-4, 1e-5)


def causes(scene: Scene) -> list[Cause]:
    """Every hypothesis that reproduces all parameters that are off, formulas with no free number first."""
    mine, made = scene.candidate, Update.of(scene)
    made = made or Update.beside(scene, scene.reference.after)
    off = made.off
    if not off:
        return []
    broken = [n for n in off if not np.isfinite(mine.after[n]).all()]
    if broken:
        return [Cause("not-finite", f"{broken[0]} has NaN or ∞ after the step")]
    if all(not np.any(made.steps[n]) for n in off):
        return [Cause("never-moves", f"{', '.join(off)} did not move, the reference's did")]
    form = coarser_format([mine.after[n] for n in off], [mine.before[n] + made.due[n] for n in off])
    if form is not None:
        return [Cause("lower-precision", f"every parameter after the step is a {form} number; the reference's are not")]
    seen = {n: made.steps[n] for n in off}
    allowed = max(made.blur[n] for n in off)
    found = fitting(_hypotheses(scene, made.due, seen), seen, made.without, allowed, scene.apart)
    if len(off) == len(made.due):
        return found
    return [replace(cause, evidence=f"{cause.evidence}; only {', '.join(off)}") for cause in found]


@dataclass(frozen=True)
class Update:
    """The candidate's update of each tensor, beside the one that was due.

    Attributes:
        steps, due: the change that the candidate made, and that the reference makes of the same.
        without: how far the one is from the other, relative.
        blur: what rounding explains of that.
    """

    steps: Named
    due: Named
    without: dict[str, float]
    blur: dict[str, float]

    @classmethod
    def of(cls, scene: Scene) -> "Update | None":
        """Beside the reference's own of the candidate's parameters; None if it cannot make that."""
        expected = scene.updated()
        return None if expected is None else cls.beside(scene, expected.after)

    @classmethod
    def beside(cls, scene: Scene, after: Named) -> "Update":
        """Beside the one that leads to these parameters."""
        mine = scene.candidate
        steps = {n: mine.after[n] - mine.before[n] for n in after}
        due = {n: np.asarray(after[n] - mine.before[n]) for n in after}
        without = {n: scene.apart(n, due[n], steps[n]) for n in after}
        places = {n: 1 + _norm(mine.before[n]) / max(_norm(due[n]), 1e-300) for n in after}
        return cls(steps, due, without, {n: PLACES * scene.held_roundoff * places[n] for n in after})

    @property
    def off(self) -> list[str]:
        """The tensors in which rounding does not explain the difference."""
        return [n for n, apart in self.without.items() if not apart <= self.blur[n]]


def _norm(values: Values) -> float:
    return float(np.linalg.norm(np.asarray(values, np.float64)))


def _hypotheses(scene: Scene, due: Named, seen: Named) -> Iterator[Hypothesis]:
    rule, mine = scene.rule, scene.candidate
    if rule is not None and mine.gradients is not None:
        state = _state(scene)
        changed = [*changed_formulas(rule)]
        refuted = [held for held in changed if not (scene.later or _held_before(held[2], scene))]
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
            yield Hypothesis(slug, told, _stepping(other, mine, mine.gradients, state, scene.step), words)
    yield from _with_another_decay(scene, due, seen)
    yield from _of_sign(scene)
    factor = ratio(*([scene.counted(n, made[n]) for n in seen] for made in (due, seen)))
    told = f"the step of {', '.join(seen)} is {factor:.10g} × the reference's"
    yield Hypothesis(LEARNING_RATE if factor > 0 else UPHILL, told, lambda n: factor * due[n], factor)


def _of_sign(scene: Scene) -> Iterator[Hypothesis]:
    """The reference's own optimiser on the gradients with the other sign, whatever its formula is."""
    gradients = scene.candidate.gradients
    turned = None if gradients is None else scene.updated_by({n: np.asarray(-g) for n, g in gradients.items()})
    if turned is not None:
        told = "it goes up the gradient: the step that the reference makes of it with the other sign"
        yield Hypothesis(UPHILL, told, _change(turned))


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


def _with_another_decay(scene: Scene, due: Named, seen: Named) -> Iterator[Hypothesis]:
    """Decay beside the step, or in its gradient, that the reference has not of these tensors, or that it alone has."""
    before, rule = scene.candidate.before, scene.rule
    more = {n: seen[n] - due[n] for n in seen}
    shrink = ratio(*([scene.counted(n, made[n]) for n in seen] for made in (before, more)))
    slug, beside = ("weight-decay", "more") if shrink < 0 else ("weight-decay-missing", "less")
    share = "" if rule is None else f" (lr × {abs(shrink) / rule.lr:.6g})"
    told = f"the parameters shrink by {abs(shrink):.6g} {beside} in a step than the reference's{share}"
    yield Hypothesis(slug, told, lambda n: due[n] + shrink * before[n], shrink)
    gradients = scene.candidate.gradients
    for decay in () if gradients is None else (*DECAYS, *(-d for d in DECAYS)):
        decayed = scene.updated_by({n: g + decay * before[n] if n in seen else g for n, g in (gradients or {}).items()})
        if decayed is not None:
            slug, beside = ("weight-decay", "more") if decay > 0 else ("weight-decay-missing", "less")
            told = f"its gradient has {abs(decay):g} × p {beside} than the one that is told"
            yield Hypothesis(slug, told, _change(decayed), decay)


def _change(made: Moment) -> Callable[[str], Values]:
    return lambda name: np.asarray(made.after[name] - made.before[name])


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
