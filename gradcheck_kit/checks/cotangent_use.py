"""What a backward that is not linear in its cotangent does with it instead, from its answers to chosen multiples."""

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from gradcheck_kit.checks import stale_slice
from gradcheck_kit.checks.examination import Examination
from gradcheck_kit.diagnose.precision import SLUG, formats_of_error, holds_no_more_than, rounded
from gradcheck_kit.space import Arrays, Format, Vector, norm

SAME = 64.0  # units of roundoff, relative
OTHER_DIRECTION = 0.05  # clamping the elements of a random cotangent turns it further
WIDE, NARROW = 2.0**10, 2.0**4  # float16 ends at 65504
FAR, FAR_IN_FLOAT16 = 2.0**18, 2.0**15  # losses are scaled by 65536, and then averaged: u is half to the whole of that
THIRD = 1.0 / 3.0  # a multiple that uses all digits


def wide_scale(examination: Examination) -> float:
    """A power of two by which cotangents can be multiplied in every format involved."""
    return NARROW if examination.holds("float16") else WIDE


def far_scale(examination: Examination) -> float:
    """A power of two by which losses are scaled; in float16 as far as the gradients leave room for it."""
    if not examination.holds("float16"):
        return FAR
    library, gradients = examination.library, examination.first_pull.gradients.values()
    given = [g for g in gradients if g is not None and examination.elements(g)]
    largest = max((float(abs(library.vector(g)).max()) for g in given), default=0.0)
    room = FAR_IN_FLOAT16 / max(1.0, largest) if math.isfinite(largest) else 0.0
    return max(NARROW, 2.0 ** math.floor(math.log2(room))) if room else NARROW


@dataclass(frozen=True)
class Use:
    """A likely cause: a short stable slug, and a sentence."""

    slug: str
    sentence: str


IGNORED = Use("cotangent-ignored", "the backward ignores its cotangent; multiply by it")
ABSOLUTE = Use("cotangent-absolute", "the backward uses the absolute value of its cotangent")
CLAMPED = Use("cotangent-clamped", "the backward clamps its cotangent; large ones are cut off")
NORM_CLIPPED = Use(
    "cotangent-norm-clipped", "the backward shortens a long cotangent; clip gradients after the backward"
)
NONLINEAR = Use("nonlinear-in-cotangent", "the backward does more with its cotangent than multiply and add")


def likely_use(examination: Examination, name: str) -> Use:
    """The use of the cotangent in the gradient of `name` that the answers show, where they exclude the others."""
    answers = _Answers(examination, name)
    for use, shown in (
        (IGNORED, answers.ignored),
        (ABSOLUTE, answers.absolute),
        (CLAMPED, answers.clamped),
        (NORM_CLIPPED, answers.norm_clipped),
    ):
        if shown:
            return use
    return answers.rounding or _in_a_slice(examination, name) or NONLINEAR


def _in_a_slice(examination: Examination, name: str) -> Use | None:
    """A slice alone that does not depend on the cotangent: left from an earlier call, or computed without it."""
    unmoved = stale_slice.same_for_every_cotangent(examination, name)
    if unmoved is None:
        return None
    where = unmoved.describe(name)
    if stale_slice.same_elsewhere(examination, name, unmoved):
        words = "keeps the numbers of an earlier call, whatever the cotangent and the inputs; fill it in every call"
        return Use(stale_slice.SLUG, f"{where}, {words}")
    return Use(IGNORED.slug, f"{where}, ignores the cotangent; multiply by it")


class _Answers:
    """g(s) is the gradient of one input for the cotangent s·u."""

    def __init__(self, examination: Examination, name: str) -> None:
        self._examination, self._name = examination, name
        self._u: Arrays = examination.first_pull.cotangents
        self._wide = NARROW if examination.holds("float16") else FAR
        self._seen: dict[float, Vector] = {}

    def g(self, scale: float) -> Vector:
        if scale not in self._seen:
            self._seen[scale] = self._of(self._examination.combined([(scale, self._u)]))
        return self._seen[scale]

    @property
    def ignored(self) -> bool:
        """The same for every cotangent, zero too."""
        w = self._examination.cotangents(2.0, generator=self._examination.aside("another cotangent"))
        return norm(self.g(1.0)) > 0.0 and self._same(self.g(0.0), self.g(1.0)) and self._same(self._of(w), self.g(1.0))

    @property
    def absolute(self) -> bool:
        """Even, and homogeneous of degree 1 (a square is not)."""
        return self._same(self.g(-1.0), self.g(1.0)) and self._same(self.g(2.0), 2.0 * self.g(1.0))

    @property
    def clamped(self) -> bool:
        """Bounded, and in another direction where it is cut off (or there is one direction only)."""
        single = sum(self._examination.elements(u) for u in self._u.values()) == 1
        return self._bounded and (single or self._turned)

    @property
    def norm_clipped(self) -> bool:
        """Bounded in the same direction."""
        return self._bounded and not self._turned

    @cached_property
    def _bounded(self) -> bool:
        """Odd, linear for small cotangents (a sign is not), and constant for large ones."""
        s = 1.0 / self._wide
        odd = self._same(self.g(-1.0), -self.g(1.0))
        return (
            odd
            and self._same(self.g(s), 2.0 * self.g(s / 2))
            and self._same(self.g(self._wide), self.g(self._wide / 2))
            and norm(self.g(self._wide)) > 0.0
        )

    @cached_property
    def _turned(self) -> bool:
        small, large = self.g(1.0 / self._wide), self.g(self._wide)
        return norm(small / (norm(small) or 1.0) - large / (norm(large) or 1.0)) > OTHER_DIRECTION

    @property
    def rounding(self) -> Use | None:
        """Rounding to a coarser format commutes with powers of two and no other factor, and can be seen digit by digit.

        Either the gradient has that format's digits, or rounding the cotangent to them changes nothing.
        """
        examination, library, third = self._examination, self._examination.library, self.g(THIRD)
        if not norm(third) or not self._same(self.g(-NARROW), -NARROW * self.g(1.0)):
            return None
        relative = norm(third - THIRD * self.g(1.0)) / norm(third)
        own = examination.coarsest
        for form in formats_of_error(relative, own):
            if holds_no_more_than(library.numpy(third), form):
                what = f"its numbers have the digits of {form.name}"
            elif bool((self._of(self._third_in(form)) == third).all()):
                what = f"it rounds its cotangent to {form.name}"
            else:
                continue
            words = f"the backward is linear but for errors of {relative:.1g}, and {what}"
            return Use(SLUG, f"{words}: an intermediate is not in {own.name}")
        return None

    def _third_in(self, form: Format) -> Arrays:
        """A third of u, rounded to a format."""
        library, found = self._examination.library, {}
        for name, u in self._u.items():
            digits = rounded(np.asarray(THIRD * library.numpy(library.vector(u))), form.digits)
            found[name] = library.shaped(library.place(digits, u), u)
        return found

    def _of(self, cotangents: Arrays) -> Vector:
        library, point = self._examination.library, self._examination.subject.point
        found = self._examination.pulled(point, cotangents)[self._name]
        return 0.0 * library.vector(point[self._name]) if found is None else library.vector(found)

    def _same(self, one: Vector, other: Vector) -> bool:
        allowed = SAME * self._examination.coarsest.unit_roundoff * max(norm(one), norm(other))
        return bool(norm(one - other) <= allowed)
