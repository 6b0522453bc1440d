"""Where looks are taken: the point on the stencil's lattice, the steps, and what earlier looks have learnt there."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property, reduce

from gradcheck_kit.checks.examination import Examination, Reference
from gradcheck_kit.checks.reference import FLOAT64
from gradcheck_kit.differences.estimate import Estimate, Prior
from gradcheck_kit.differences.line import scheme_for, snapped_point
from gradcheck_kit.differences.probe import Kind, Scale, nudged, scale_of
from gradcheck_kit.differences.scheme import Scheme
from gradcheck_kit.freed_memory import give_back
from gradcheck_kit.space import BLOCK, Array, Arrays
from gradcheck_kit.subject import Forward, Stacked


@dataclass(frozen=True)
class Look:
    """How a round looks: how large the cotangent, which tangents, which steps, where, and at what.

    Attributes:
        kind: of the tangents.
        magnitude: of the cotangents.
        shrink: how many times smaller the first step is.
        reach: how many times further than in this look all steps would go, and the cluster that measures the noise.
        per_element: whether each element moves by its own size instead of its array's.
        nudge: whether the point is moved by a small random amount first, off a kink.
        together: whether the inputs will move together; each is then scaled to contribute alike.
        reference: whether the forward in float64 is differentiated, where there is one.
        lean: whether it starts from what earlier looks from the same place have learnt; it can then only agree.
    """

    kind: Kind
    magnitude: float
    shrink: float = 1.0
    reach: float = 1.0
    per_element: bool = False
    nudge: bool = False
    together: bool = False
    reference: bool = True
    lean: bool = False

    @property
    def place(self) -> tuple[float, float, bool, bool]:
        """What decides where it is taken from, unless it is nudged."""
        return self.shrink, self.reach, self.per_element, self.reference


class Place:
    """The point that a look is taken from.

    Attributes:
        exact: what is differentiated instead of the subject's forward, if anything.
        point: the primal, in the inputs' own dtypes; the backward is asked here.
        line_point: the point as the forward that is differentiated takes it; but of large arrays the primal itself,
            since a float64 copy of it is made only while the function is differentiated.
        schemes, scales: the steps, and how far step 1 reaches, by input.
        rounding: the largest rounding error of the backward that a look from here has measured, in its last places.
        large: whether any differentiable input has several blocks, so that copies of it are to be spared.
        lent: the large arrays of `point` that are its own, and may be overwritten until `restore` puts them back.
    """

    def __init__(self, examination: Examination, look: Look) -> None:
        self._examination = examination
        self.exact: Reference | None = examination.reference if look.reference else None
        self.schemes: dict[str, Scheme] = {}
        self.scales: dict[str, Scale] = {}
        self.point = self._placed(look)
        self._moved = look.nudge
        self._priors: list[Prior | None] = []
        self.rounding = 1.0
        own = {name: self.point[name] for name in self.schemes if examination.elements(self.point[name]) > BLOCK}
        self.large = examination.subject.large
        self.lent: Arrays = own if self.exact is None and not look.nudge else {}

    def _placed(self, look: Look) -> Arrays:
        """The subject's point; where its own forward is differentiated, on the lattice of the stencil."""
        subject, library = self._examination.subject, self._examination.library
        outputs = self._examination.outputs if self.exact is None else self.exact.outputs
        point = dict(subject.point)
        for name in subject.differentiable:
            if look.nudge:
                point[name] = nudged(library, self._examination.generator, point[name])
            like = point[name] if self.exact is None else library.widened(point[name])
            self.schemes[name] = scheme_for(library, [like], outputs).smaller(look.shrink)
            self.scales[name] = scale_of(library, like, look.per_element) / look.reach
            if self.exact is None:
                point[name] = snapped_point(library, like, self.scales[name], self.schemes[name])
        return point

    def give_back(self) -> None:
        """Give back what large arrays of few digits have left behind, before there are as many in float64."""
        if self.large and self.exact is not None:
            give_back()

    def restore(self) -> None:
        """Put the lent arrays back as they were."""
        subject, library = self._examination.subject, self._examination.library
        for name, array in self.lent.items():
            snapped_point(library, subject.point[name], self.scales[name], self.schemes[name], into=array)

    @cached_property
    def line_point(self) -> Arrays:
        if self.exact is None:
            return self.point
        small = {n: array for n, array in self.point.items() if self._examination.elements(array) <= BLOCK}
        return {**self.point, **self.exact.widened(small)}

    @property
    def forward(self) -> Forward:
        """What is differentiated."""
        return self._examination.subject.forward if self.exact is None else self.exact.forward

    @property
    def stacked(self) -> Stacked | None:
        """The same at several points in one call, where that has been asked for and is the subject's own function."""
        own = self.exact is None or self.exact.name == FLOAT64
        return self._examination.subject.stacked if own else None

    @cached_property
    def outputs(self) -> Mapping[str, Array]:
        """What `forward` gives at the point, or where all steps are made in one call, within a rounding of it."""
        if self.exact is not None and not self._moved:
            return self.exact.outputs
        if self.stacked is not None and not self._moved:  # the centre is in that call
            return self._examination.outputs
        return dict(self.forward(self.point if self.exact is None else self.exact.widened(self.point)))

    def coarsest(self, names: Iterable[str]) -> Scheme:
        """The scheme of the inputs that move."""
        return max((self.schemes[name] for name in names), key=lambda scheme: scheme.form.unit_roundoff)

    @property
    def prior(self) -> Prior | None:
        """What all looks from here have learnt; None where one could learn nothing, or there was none."""
        known = [prior for prior in self._priors if prior is not None]
        return reduce(Prior.and_of, known) if known and len(known) == len(self._priors) else None

    def learn(self, estimate: Estimate) -> None:
        """Keep what a search from here has learnt."""
        self._priors.append(estimate.prior)

    def learn_rounding(self, last_places: float) -> None:
        """Keep how large a look found the backward's own rounding error."""
        self.rounding = max(self.rounding, last_places)


class Places:
    """The places that the looks at one subject share."""

    def __init__(self, examination: Examination) -> None:
        self._examination = examination
        self._known: dict[tuple[float, float, bool, bool], Place] = {}

    def of(self, look: Look) -> Place:
        """Where this look is taken from; a nudged place is always a new one."""
        if look.nudge:
            return Place(self._examination, look)
        if look.place not in self._known:
            self._known = {look.place: Place(self._examination, look)}  # the last one alone: a place may be large
        return self._known[look.place]

    def lean(self, look: Look) -> Look | None:
        """The same look with what is known of its place; None where nothing is."""
        return replace(look, lean=True) if not look.nudge and self.of(look).prior is not None else None
