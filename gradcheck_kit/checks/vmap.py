"""Is a part's own rule for vmap right: are outputs and gradients of a mapped call those of one call a point?

A rule is given an axis for each input, or None for one that is not mapped, and must mind each of them. Tests usually
map every input along its first axis. What a rule says that it does not implement is no error. Asked only where a part
brings a rule: one that the library makes itself is not in question.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from gradcheck_kit.checks.examination import Examination, Gradients, NotAskedError, another_point, passed
from gradcheck_kit.checks.rounding import FACTOR, MORE, Place, differing, outputs_differ
from gradcheck_kit.differences.probe import at_dithered_point
from gradcheck_kit.report import Finding
from gradcheck_kit.space import Array, Arrays, copies_of, norm_of_difference
from gradcheck_kit.subject import BudgetSpentError, Vectorised, VectorisedRuleError, VectorisedRuleLacksError, in_words
from gradcheck_kit.verdict import Verdict, of_ratio

QUESTION = "vmap"
CAUSE = "vmap-rule"
ALONE = 8  # up to here every input is once the only one mapped; of more, so many are drawn


def applies(vectorised: Vectorised | None) -> bool:
    """Whether a part with a rule was seen to run."""
    return vectorised is not None and bool(vectorised.rules())


def ask(examination: Examination) -> list[Finding]:
    """A finding for every input whose gradient is another one in a mapped call, or for what is wrong before that."""
    vectorised = examination.subject.vectorised
    if vectorised is None:
        raise NotAskedError("torch only")
    points = _two_points(examination)
    u = [examination.cotangents(generator=examination.aside(f"{QUESTION}: {i}")) for i in range(len(points))]
    lacking, agree = [], 0
    for names, mappings in _mappings(examination):
        at = [{**points[0], **{name: point[name] for name in names}} for point in points]
        singly = _Calls.one_by_one(examination, at, u, names)
        if not applies(vectorised):
            raise NotAskedError("no vmap rule")
        for mapping in mappings:
            try:
                findings = _compared(examination, vectorised, at, u, mapping, singly)
            except VectorisedRuleLacksError as error:
                lacking.append(f"{mapping}: {error}")
                continue
            if findings:
                return findings
            agree += 1
    return [_agreed(_named(vectorised), agree, lacking)]


def _agreed(rule: str, agree: int, lacking: Sequence[str]) -> Finding:
    if not agree:
        raise NotAskedError(f"the vmap rule of {rule} is not implemented for {lacking[0]}")
    said = f"mapped calls agree with single ones, by the vmap rule of {rule}"
    return passed(QUESTION, f"{said}; not implemented for {lacking[0]}" if lacking else said)


@dataclass(frozen=True)
class _Mapping:
    """Which of the inputs are mapped, along their first axis, 0, or their last, −1."""

    axes: Mapping[str, int]
    of: int

    @property
    def input(self) -> str:
        """Where it is wrong, if it is."""
        return next(iter(self.axes)) if len(self.axes) == 1 else "every input"

    def __str__(self) -> str:
        which = self.input + (" alone" if len(self.axes) < self.of else "")
        first, last = (axis in self.axes.values() for axis in (0, -1))
        if first and last:
            return f"{which} mapped along its first and its last axis in turn"
        return f"{which} mapped along {'its last' if last else 'its first'} axis"


@dataclass(frozen=True)
class _Calls:
    """Outputs, and gradients as a mapped call has them: stacked where mapped, summed where not."""

    outputs: Arrays
    gradients: Gradients

    @classmethod
    def one_by_one(
        cls, examination: Examination, points: Sequence[Arrays], u: Sequence[Arrays], mapped: Sequence[str]
    ) -> "_Calls":
        library, subject = examination.library, examination.subject
        forwards = [copies_of(library, subject.forward(point)) for point in points]
        pulled = [examination.pulled(point, each) for point, each in zip(points, u, strict=True)]
        outputs = {n: library.stacked([each[n] for each in forwards]) for n in forwards[0]}
        gradients: dict[str, Array | None] = {}
        for name in subject.differentiable:
            found = [g for each in pulled if (g := each.get(name)) is not None]
            if len(found) < len(points):
                gradients[name] = None
            elif name in mapped:
                gradients[name] = library.stacked(found)
            else:
                gradients[name] = examination.combined([(1.0, {name: g}) for g in found])[name]
        return cls(outputs, gradients)


def _two_points(examination: Examination) -> list[Arrays]:
    """The point and one of other values beside it; twice the same where the forward raises there."""
    here, there = examination.subject.point, another_point(examination.subject, examination.aside(QUESTION))
    outputs = examination.outputs_at(there)
    return [here, here if outputs is None or not examination.finite(outputs) else there]


def _mappings(examination: Examination) -> Iterator[tuple[tuple[str, ...], list[_Mapping]]]:
    """What is mapped, and how: each alone and all together, along the last and the first axis.

    All together along one and the other in turn, too: a rule may take the first input's axis for everyone's.
    """
    names = examination.subject.differentiable
    chosen = list(names) if len(names) > 1 else []
    if len(names) > ALONE:
        drawn = examination.aside(f"{QUESTION}: which").choice(len(names), ALONE, replace=False)
        chosen = [names[int(i)] for i in sorted(drawn)]
    for group in (*((name,) for name in chosen), names):
        ways = [dict.fromkeys(group, -1), dict.fromkeys(group, 0)]
        if len(group) > 1:
            ways.append({name: -(i % 2) for i, name in enumerate(group)})
        yield group, [_Mapping(axes, len(names)) for axes in ways]


def _compared(
    examination: Examination,
    vectorised: Vectorised,
    points: Sequence[Arrays],
    u: Sequence[Arrays],
    mapping: _Mapping,
    singly: _Calls,
) -> list[Finding]:
    rule = _named(vectorised)
    try:
        mapped = _Calls(*vectorised.pulled(points, u, mapping.axes))
    except VectorisedRuleError as error:
        message = f"the vmap rule of {rule} cannot be used with {mapping}: {error}"
        return [Finding(QUESTION, Verdict.FAIL, message, mapping.input, cause=CAUSE)]
    except (BudgetSpentError, VectorisedRuleLacksError):
        raise
    except Exception as error:
        raise NotAskedError(f"what is around the rule of {rule} raises, {in_words(error)}") from None
    findings = _disagreeing(examination, Place(points[0], u[0], inputs=True), points, rule, mapping, (singly, mapped))
    if findings and vectorised.draws():
        raise NotAskedError(f"by the rule of {rule} a mapped call may draw other random numbers than single ones")
    return findings


def _disagreeing(
    examination: Examination,
    place: Place,
    points: Sequence[Arrays],
    rule: str,
    mapping: _Mapping,
    calls: tuple[_Calls, _Calls],
) -> list[Finding]:
    singly, mapped = calls
    if _other_outputs(examination, points, mapped.outputs, singly.outputs):
        message = (
            f"with {mapping} the outputs are not those of single calls; look at in_dims in the vmap rule of {rule}"
        )
        return [Finding(QUESTION, Verdict.FAIL, message, mapping.input, cause=CAUSE)]
    wrong = differing(examination, singly.gradients, mapped.gradients, place)
    message = "with {} the gradient of {} is not that of single calls; look at the vmap rule of {}"
    return [
        Finding(QUESTION, of_ratio(ratio), message.format(mapping, name, rule), input=name, cause=CAUSE)
        for name, ratio in wrong.items()
    ]


def _other_outputs(examination: Examination, points: Sequence[Arrays], one: Arrays, other: Arrays) -> bool:
    """Whether they differ by more than rounding explains, such as that of a sum taken in another order."""
    library = examination.library
    if {n: library.shape(y) for n, y in one.items()} != {n: library.shape(y) for n, y in other.items()}:
        return True
    if not outputs_differ(examination, one, other):
        return False
    generator, forward = examination.aside(f"{QUESTION}: dithers"), examination.subject.forward
    noise = dict.fromkeys(other, 0.0)
    for _ in range(MORE):
        again = [copies_of(library, at_dithered_point(library, generator, point, forward)) for point in points]
        for n in noise:
            moved = library.stacked([each[n] for each in again])
            noise[n] = max(noise[n], norm_of_difference(library, moved, other[n]))
    return any(not norm_of_difference(library, one[n], y) <= FACTOR * noise[n] for n, y in other.items())


def _named(vectorised: Vectorised) -> str:
    return ", ".join(vectorised.rules())
