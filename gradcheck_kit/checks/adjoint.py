"""Where there is a JVP, is the VJP its adjoint: ⟨u, jvp v⟩ = ⟨vjp u, v⟩?

No differences; the identity holds to rounding. Asked after the differences have sided with the VJP, so that a mismatch
is the JVP's.
"""

import math
from collections.abc import Iterable

from gradcheck_kit.checks.examination import Examination, NotAskedError, passed
from gradcheck_kit.checks.rounding import FACTOR
from gradcheck_kit.differences.probe import dithered, nudged, random_tangent, scale_of
from gradcheck_kit.report import Finding
from gradcheck_kit.space import Array, Arrays, inner_of, norm_of_product
from gradcheck_kit.subject import ForwardMode, ForwardModeError, NoForwardModeError
from gradcheck_kit.verdict import Verdict, of_ratio

QUESTION = "adjoint"
DITHERS = 2
DIGITS_KEPT = 0.5
"""Of its digits: a JVP that equals the adjoint in so many is a right formula. One by logarithms and exponentials, as
torch's of logcumsumexp, keeps 9 of 16, and no dither moves what it loses."""


def ask(examination: Examination) -> list[Finding]:
    """A finding for every input along which the JVP is another one than the VJP's adjoint."""
    mode, subject = examination.subject.forward_mode, examination.subject
    names = [] if mode is None else [n for n in mode.names if n in subject.differentiable]
    if mode is None or not names:
        raise NotAskedError("no JVP")
    trial = _Trial(examination, mode)
    try:
        if trial.ratio(subject.point, names) <= 1.0:
            return [passed(QUESTION, f"the JVP and the VJP of {', '.join(names)} are adjoint")]
        wrong = {name: trial.ratio(subject.point, [name]) for name in names}
        beside = dict(subject.point)  # at a tie each of the two may choose a side of its own
        for name in names:
            beside[name] = nudged(examination.library, trial.generator, beside[name])
        wrong = {name: min(ratio, trial.ratio(beside, [name])) for name, ratio in wrong.items() if not ratio <= 1.0}
    except NoForwardModeError as reason:
        raise NotAskedError(str(reason)) from None
    except ForwardModeError as error:
        return [
            Finding(QUESTION, Verdict.FAIL, f"the JVP raises, and the backward is right: {error}", cause="jvp-raises")
        ]
    return [_finding(name, ratio) for name, ratio in wrong.items() if not ratio <= 1.0] or [
        passed(QUESTION, "the JVP and the VJP are adjoint beside the point; at it, a tie keeps them apart")
    ]


class _Trial:
    """One cotangent, and the means to compare the two sides of the identity along random tangents."""

    def __init__(self, examination: Examination, mode: ForwardMode) -> None:
        self._examination, self._mode = examination, mode
        self.generator = examination.aside(QUESTION)
        self._u = examination.cotangents(generator=self.generator)
        library, y = examination.library, examination.outputs
        self._ground = math.hypot(*(norm_of_product(library, u, y[n]) for n, u in self._u.items()))

    def ratio(self, point: Arrays, names: list[str]) -> float:
        """|⟨u, jvp v⟩ − ⟨vjp u, v⟩| ÷ what rounding explains, the inputs `names` moving together."""
        library = self._examination.library
        scales = {name: scale_of(library, point[name], per_element=False) for name in names}
        tangents = {name: random_tangent(library, self.generator, point[name], scales[name]) for name in names}
        forwards, size = self._forwards(point, tangents)
        backwards, other = self._backwards(point, tangents, self._u)
        form = self._examination.coarsest
        # Where terms cancel inside, as in softmax far from its middle, rounding is that of the function's own values.
        largest = max(size, other, self._ground)
        bound = FACTOR * max(form.unit_roundoff * largest, 2.0**form.least_exponent)
        bound = max(bound, math.pow(form.unit_roundoff, DIGITS_KEPT) * max(size, other))
        if abs(forwards - backwards) <= bound:
            return 0.0
        for _ in range(DITHERS):
            moved = {**point, **{n: dithered(library, self.generator, point[n]) for n in names}}
            u = {n: dithered(library, self.generator, a) for n, a in self._u.items()}
            noise = abs(self._backwards(moved, tangents, u)[0] - backwards)
            noise = max(noise, abs(self._forwards(moved, tangents)[0] - forwards))
            bound = max(bound, FACTOR * noise)
        return abs(forwards - backwards) / bound

    def _forwards(self, point: Arrays, tangents: Arrays) -> tuple[float, float]:
        """⟨u, jvp v⟩, and its size free of cancellation."""
        u, pushed = self._u, self._mode.pushforward(point, tangents)
        return self._product((u[n], pushed[n]) for n in u if n in pushed)

    def _backwards(self, point: Arrays, tangents: Arrays, u: Arrays) -> tuple[float, float]:
        """⟨vjp u, v⟩, and its size free of cancellation."""
        pulled = self._examination.subject.pullback(point, u)
        given = [(pulled.get(name), v) for name, v in tangents.items()]
        return self._product((g, v) for g, v in given if g is not None)

    def _product(self, pairs: Iterable[tuple[Array, Array]]) -> tuple[float, float]:
        """The inner product of paired arrays, and its size free of cancellation."""
        total = size = 0.0
        for pair in pairs:
            total += inner_of(self._examination.library, *pair)
            size += norm_of_product(self._examination.library, *pair)
        return total, size


def _finding(name: str, ratio: float) -> Finding:
    message = f"the JVP along {name} and the VJP disagree: ⟨u, jvp v⟩ is not ⟨vjp u, v⟩; look at the JVP"
    return Finding(QUESTION, of_ratio(ratio), message, input=name, cause="not-adjoint")
