"""What an honest expert would say of the odd functions of the bank: which verdicts are right, and why.

Written down from the functions, not from what the checker answers. A mode that is not named has the function's default.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

PASS, INCONCLUSIVE, NOT_FINITE = "PASS", "INCONCLUSIVE", "FAIL, not finite"
EITHER = (PASS, INCONCLUSIVE)


@dataclass(frozen=True)
class Opinion:
    """The verdicts that are right.

    Attributes:
        reason: why, in one line.
        default: in a mode that is not in `modes`.
        modes: by mode of the calibration.
    """

    reason: str
    default: tuple[str, ...]
    modes: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def allows(self, mode: str, verdict: str) -> bool:
        return verdict in self.modes.get(mode, self.default)


_ALONE_IN_HALF = {"float16": EITHER, "bfloat16": EITHER}
_HALF = {**_ALONE_IN_HALF, "float16 beside float64": EITHER, "bfloat16 beside float64": EITHER}

OPINIONS: Mapping[str, Opinion] = {
    "floor": Opinion("the zero it claims is right between two jumps; undecided where a step crosses one", EITHER),
    "sign": Opinion("as floor", EITHER),
    "zero": Opinion("zero, and zero exactly", (PASS,)),
    "constant": Opinion("zero, and zero exactly", (PASS,)),
    "sum of a softmax": Opinion("one, whatever x: the gradient is zero, the function all rounding", (PASS,)),
    "dead relu": Opinion("zero, and far from the kink", (PASS,)),
    "logistic map, 30 times": Opinion(
        "chaotic: its structure is about 1e-6 wide; float16 cannot even hold the right gradient",
        (INCONCLUSIVE,),
        {"float64": EITHER, **{m: (INCONCLUSIVE, NOT_FINITE) for m in ("float16", "float16 beside float64")}},
    ),
    "sin 10⁴x": Opinion(
        "float64 has steps small enough; float32 has none, and its gradient has three digits",
        (PASS,),
        {"float32 beside float64": EITHER, **dict.fromkeys(("float32", *_HALF), (INCONCLUSIVE,))},
    ),
    "1e8 + x²": Opinion(
        "six digits of x² are left in float64, and none below; float16 overflows",
        EITHER,
        dict.fromkeys(("float32", "bfloat16", "float16", "float16 beside float64"), (INCONCLUSIVE,)),
    ),
    "solve, condition 1e5": Opinion(
        "five digits are lost in the forward, and float64 has them to spare",
        (PASS,),
        dict.fromkeys(("float32", "float32 beside float64", *_HALF), EITHER),
    ),
    "six decades": Opinion("float32 holds them; half precision need not", (PASS,), _HALF),
}
