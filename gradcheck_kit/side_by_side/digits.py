"""In how many digits are two training runs computed? What their parameters have, and what their products may round to.

A matrix unit may round the operands of a product to fewer digits than the arrays have: TF32 keeps 10 explicit bits of
a float32 (NVIDIA, A100 white paper, 2020), autocast rounds to bfloat16. Declared, such a run is judged by that format.
"""

from dataclasses import dataclass

import numpy as np

from gradcheck_kit.side_by_side.trainee import Values
from gradcheck_kit.space import FORMATS, Format
from gradcheck_kit.subject import UsageError

PRECISIONS = {**FORMATS, "tf32": Format("tf32", 11, -126)}
DECLARED = ("tf32", "bfloat16", "float16", "float32")


@dataclass(frozen=True)
class Digits:
    """The formats of one run.

    Attributes:
        dtypes: of the reference's and of the candidate's parameters.
        precision: the coarsest format to which either side may round its products; None for the parameters' own.
    """

    dtypes: tuple[str, str]
    precision: str | None = None

    @classmethod
    def of(cls, names: tuple[str, str], dtypes: tuple[str, str], precision: str | None) -> "Digits":
        """The same, checked.

        Raises:
            UsageError: an unknown precision, one that is finer than a side's dtype, or two dtypes without any.
        """
        for name, dtype in zip(names, dtypes, strict=True):
            if dtype not in FORMATS:
                raise UsageError(f"{name}'s dtype is {dtype!r}; let it be one of {', '.join(map(repr, FORMATS))}")
        digits = cls(dtypes, precision)
        told = ", ".join(f"{name} is {dtype}" for name, dtype in zip(names, dtypes, strict=True))
        if precision is None:
            if dtypes[0] != dtypes[1]:
                typed = f'precision="{digits.coarser}" (--precision {digits.coarser})'
                raise UsageError(f"{told}; train in one dtype, or pass {typed} if the fewer digits are intended")
        elif precision not in DECLARED:
            choices = ", ".join(map(repr, DECLARED))
            raise UsageError(f"precision={precision!r}; pass one of {choices}, or leave it out for the trainees' dtype")
        elif PRECISIONS[precision].digits > FORMATS[digits.coarser].digits:
            raise UsageError(
                f"precision={precision!r}, but {told}: a precision is the coarsest format of the run; "
                f"pass precision={digits.coarser!r}, or a finer trainee"
            )
        return digits

    @property
    def coarser(self) -> str:
        """The dtype of the two with fewer digits."""
        return min(self.dtypes, key=lambda dtype: FORMATS[dtype].digits)

    @property
    def unit_roundoff(self) -> float:
        """Of the coarsest rounding anywhere in the run."""
        return PRECISIONS[self.precision or self.coarser].unit_roundoff

    @property
    def held_roundoff(self) -> float:
        """Of the parameters, and so of an update given the same gradient."""
        return FORMATS[self.coarser].unit_roundoff

    @property
    def mixed(self) -> bool:
        """Whether the two sides' parameters have different digits."""
        return self.dtypes[0] != self.dtypes[1]

    @property
    def stepwise(self) -> bool:
        """Whether every step is judged by itself: fewer digits than a side's were declared, or there are few anyway."""
        finest = max(FORMATS[dtype].digits for dtype in self.dtypes)
        coarsest = PRECISIONS[self.precision or self.coarser].digits
        return coarsest < finest or FORMATS[self.coarser].half

    @property
    def alone_unsure(self) -> bool:
        """Whether rounding may turn a branch, and no step is judged by itself anyway."""
        return self.unit_roundoff > FORMATS["float64"].unit_roundoff and not self.stepwise

    def few(self, side: int) -> bool:
        """Whether the parameters of the reference (0) or the candidate (1) are in half precision."""
        return FORMATS[self.dtypes[side]].half

    def words(self, names: tuple[str, str]) -> str:
        """What a report says: "float32, products in bfloat16"."""
        told = self.dtypes[0]
        if self.mixed:
            told = " and ".join(f"{dtype} ({name})" for name, dtype in zip(names, self.dtypes, strict=True))
        if self.precision is None or PRECISIONS[self.precision].digits == FORMATS[self.coarser].digits:
            return told
        return f"{told}, products in {'TF32' if self.precision == 'tf32' else self.precision}"


def rounded(values: Values, digits: int) -> Values:
    """Every number rounded to a significand of so many bits, ties to even, in its own dtype; no limit on exponents."""
    significand, exponent = np.frexp(values)
    return np.asarray(np.ldexp(np.rint(np.ldexp(significand, digits)), exponent - digits), values.dtype)
