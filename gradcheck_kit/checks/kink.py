"""On a kink, is the gradient between those on its two sides?

Where two smooth pieces of a function meet, every generalised gradient is a mixture of the gradients on the two sides
(Clarke 1983, Optimization and Nonsmooth Analysis, §2.5): half to each of two tied elements is one, all of it to both
is none. Differences cannot ask this: along single directions such an error may lie between the one-sided slopes. So
the backward is compared with its own answers right beside the point, for one output at a time. Where more than two
pieces meet, conventions at the kinks compose to gradients that are no mixture in right code too: that is not judged.

It asks one pullback for every neighbour and output: meant for small inputs, and asked only by name.
"""

from dataclasses import replace

import numpy as np

from gradcheck_kit.checks.examination import Examination
from gradcheck_kit.checks.illustrate import illustrated_kink
from gradcheck_kit.checks.neighbourhood import Matrix, Neighbourhood, NotHereError
from gradcheck_kit.checks.not_finite import must_be_finite, sides
from gradcheck_kit.report import Finding
from gradcheck_kit.space import Arrays, FloatVector, is_finite
from gradcheck_kit.verdict import Verdict

QUESTION = "kink"
NEIGHBOURS = 16
MORE = 64  # neighbours before a gradient is called wrong: a third piece may be narrow
OUTPUTS = 64
FEWEST_DIGITS = 24  # with fewer, a step that rounding leaves alone is too long to stay on one piece
OFF = 0.01  # of the distance between the two sides: further than this from all mixtures is outside
NAMED = 3


def ask(examination: Examination) -> list[Finding]:
    """One finding for the whole subject."""
    around = Neighbourhood(examination, NEIGHBOURS)
    if around.digits < FEWEST_DIGITS:
        return [_undecided("precision", "kinks are judged in float32 and float64 alone")]
    try:
        cotangents = examination.cotangents()
        rows = around.gradients(cotangents)
        if not np.isfinite(rows[0]).all():
            return [_not_finite(examination, around, cotangents, rows)]
        rows = around.finite_gradients(examination.cotangents())
        pieces = around.pieces(rows)
        if len(pieces) == 1 and around.alike(rows[0], pieces[0], rows):
            return [Finding(QUESTION, Verdict.PASS, "the gradient is that of all its neighbours: no kink here")]
        return [_output_by_output(examination, around)]
    except NotHereError:
        return [_undecided("domain", "a point right beside this one has no finite gradient")]


def _not_finite(examination: Examination, around: Neighbourhood, cotangents: Arrays, rows: Matrix) -> Finding:
    if not all(is_finite(examination.library, output) for output in examination.outputs.values()):
        return _undecided("domain", "the output is not finite here")
    position = must_be_finite(around, cotangents, rows)
    if position is None:
        return _undecided("domain", "the gradient is not finite here, on an edge of where it is")
    name, index = around.element(position)
    beside = sides(rows[1:, position], around.same)
    where = f"at {_spelled(name, index)}; right beside it it is {beside}"
    message = f"the gradient is not finite where the output is\n{where}"
    return Finding(QUESTION, Verdict.FAIL, message, name, index, cause="not-finite")


def _output_by_output(examination: Examination, around: Neighbourhood) -> Finding:
    crossings = judged = 0
    for name, index, cotangents in _single_outputs(examination):
        rows = around.finite_gradients(cotangents)
        pieces = around.pieces(rows)
        crossings += len(pieces) > 2
        judged += len(pieces) == 2
        if len(pieces) <= 2 and _outside(around, rows, pieces):
            closer = Neighbourhood(examination, MORE)
            rows = closer.finite_gradients(cotangents)
            pieces = closer.pieces(rows)
            if len(pieces) <= 2 and _outside(closer, rows, pieces):
                failure = _failure(closer, rows[0], pieces, name, index)
                return _shown(examination, failure, name, cotangents) if examination.figures else failure
    if crossings:
        return _undecided("kinks", "more than two smooth pieces meet here; move all but one of the ties apart")
    return Finding(QUESTION, Verdict.PASS, f"on {judged} kinks the gradient lies between those on the two sides")


def _single_outputs(examination: Examination) -> list[tuple[str, tuple[int, ...], Arrays]]:
    """A cotangent for each output alone (some at random, where there are many): all zeros but one."""
    library, outputs = examination.library, examination.outputs
    places = [(name, i) for name, y in outputs.items() for i in range(int(np.prod(library.shape(y))))]
    if len(places) > OUTPUTS:
        chosen = examination.generator.choice(len(places), OUTPUTS, replace=False)
        places = [places[i] for i in sorted(chosen)]
    made: list[tuple[str, tuple[int, ...], Arrays]] = []
    for name, position in places:
        cotangents = {}
        for other, y in outputs.items():
            weights = np.zeros(int(np.prod(library.shape(y))))
            if other == name:
                weights[position] = 1.0
            cotangents[other] = library.shaped(library.place(weights, y), y)
        shape = library.shape(outputs[name])
        made.append((name, tuple(int(i) for i in np.unravel_index(position, shape)) if shape else (), cotangents))
    return made


def _nearest(gradient: FloatVector, pieces: list[FloatVector]) -> FloatVector:
    """The mixture of one or two gradients that is nearest to `gradient`."""
    first, last = pieces[0], pieces[-1]
    along = last - first
    length = float(along @ along)
    share = min(1.0, max(0.0, float((gradient - first) @ along) / length)) if length > 0.0 else 0.0
    return np.asarray(first + share * along)


def _outside(around: Neighbourhood, rows: Matrix, pieces: list[FloatVector]) -> bool:
    slack = around.same * np.linalg.norm(rows, axis=1).max() + OFF * np.linalg.norm(pieces[-1] - pieces[0])
    return bool(np.linalg.norm(rows[0] - _nearest(rows[0], pieces)) > slack)


def _failure(
    around: Neighbourhood, gradient: FloatVector, pieces: list[FloatVector], output: str, index: tuple[int, ...]
) -> Finding:
    nearest = _nearest(gradient, pieces)
    wrong = np.argsort(-abs(gradient - nearest), kind="stable")
    shown = [i for i in wrong[:NAMED] if abs(gradient[i] - nearest[i]) > 0.0]
    lines = [f"the gradient at this kink is no mixture of those on its two sides, seen at {_spelled(output, index)}"]
    for i in shown:
        sides = f"{pieces[0][i]:.6g} on one side, {pieces[-1][i]:.6g} on the other"
        lines.append(f"at {_spelled(*around.element(int(i)))}: backward {gradient[i]:.6g}; right beside it {sides}")
    name, element = around.element(int(wrong[0]))
    numbers = float(gradient[wrong[0]]), float(nearest[wrong[0]])
    error = float(around.same * np.linalg.norm(nearest))
    return Finding(QUESTION, Verdict.FAIL, "\n".join(lines), name, element, *numbers, error=error, cause="outside-kink")


def _shown(examination: Examination, failure: Finding, output: str, cotangents: Arrays) -> Finding:
    """The failure with the function beside the kink."""
    seen = output, examination.library.vector(cotangents[output])
    drawn = illustrated_kink(examination, failure.input or "", failure.index or (), seen, failure.analytic or 0.0)
    return replace(failure, illustration=drawn)


def _undecided(cause: str, message: str) -> Finding:
    return Finding(QUESTION, Verdict.INCONCLUSIVE, message, cause=cause)


def _spelled(name: str, index: tuple[int, ...]) -> str:
    return f"{name}[{', '.join(map(str, index))}]" if index else name
