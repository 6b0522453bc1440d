"""Which steps are taken in which floating-point format. Constants only, each with its reason."""

from dataclasses import dataclass, replace

from gradcheck_kit.space import FORMATS, Format


@dataclass(frozen=True)
class Scheme:
    """The steps of a numerical derivative, relative to the scale of the input (so x ± h·v moves x by about h·x).

    Attributes:
        form: the working format of the function's output.
        first_step: the largest step h₀ of the ladder h₀, h₀/2, h₀/4, …
        rungs: how many steps the ladder starts with.
        largest_step: h₀ may grow to this while rounding dominates.
        smallest_step: the ladder may grow down to this while truncation dominates; also what the stencil is
            snapped to, so that every x ± h·v is a number of the format.
        noise_step: the spacing of the cluster that measures rounding noise; far below the ladder, so that the
            function is a polynomial on it, and still a multiple of the format's spacing.
        target: a bound this small, relative to the gradient along the probe, ends the search.
        lean_factor: three rungs, where four have shown which step serves, start at so many times that step: with many
            digits truncation decides, with few rounding.
    """

    form: Format
    first_step: float
    rungs: int
    largest_step: float
    smallest_step: float
    noise_step: float
    target: float
    lean_factor: float

    @property
    def snap_step(self) -> float:
        """The finest step that the stencil must represent exactly."""
        return min(self.smallest_step, self.noise_step)

    def smaller(self, factor: float) -> "Scheme":
        """The same scheme begun at steps `factor` times smaller, still above the smallest."""
        first = max(self.first_step / factor, 8 * self.smallest_step)
        return replace(self, first_step=first, largest_step=max(first, self.largest_step / factor))


# The balance of truncation h^(2j) against rounding u/h puts a four-rung ladder near u^(1/9) for three extrapolations:
# 2^-5 in float64, and coarser as the format has fewer digits. Found by calibration over smooth functions.
SCHEMES = {
    "float64": Scheme(FORMATS["float64"], 2**-5, 4, 2**-1, 2**-20, 2**-20, 1e-11, 1.0),
    "float32": Scheme(FORMATS["float32"], 2**-2, 4, 1.0, 2**-11, 2**-12, 3e-5, 4.0),
    # In half precision a coarser cluster would take the function's own curvature for noise, and where rounding alone
    # limits a derivative a step of twice the input's size halves it; beyond that a tangent has too few multiples of q.
    "float16": Scheme(FORMATS["float16"], 2**-1, 4, 2.0, 2**-6, 2**-6, 1e-2, 4.0),
    "bfloat16": Scheme(FORMATS["bfloat16"], 1.0, 4, 2.0, 2**-4, 2**-4, 2e-2, 4.0),
}
