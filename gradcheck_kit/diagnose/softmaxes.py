"""Does the backward of a softmax, or of its logarithm, sum over other axes than the derivative?

With y the output and u its cotangent these are y·(u − Σ(u·y)) and u − exp(y)·Σu, the sums over the axes that y is
normalised over (Goodfellow et al. 2016, "Deep Learning", §6.2.2).
"""

from collections.abc import Callable, Iterator

import numpy as np

from gradcheck_kit.diagnose.evidence import Cause, Hypothesis, Probe, Values
from gradcheck_kit.diagnose.sums import Axes, axes_of, spelled

Form = Callable[[Values, Values, Axes], Values]


def _of_softmax(u: Values, y: Values, axes: Axes) -> Values:
    return np.asarray(y * (u - (u * y).sum(axis=axes, keepdims=True)))


def _of_its_logarithm(u: Values, y: Values, axes: Axes) -> Values:
    return np.asarray(u - np.exp(y) * u.sum(axis=axes, keepdims=True))


FORMS: dict[str, Form] = {"y·(u − Σ(u·y))": _of_softmax, "u − exp(y)·Σu": _of_its_logarithm}


def softmaxes(probe: Probe) -> Iterator[Hypothesis]:
    """The right sums, where the backward is seen to return the same with others: stronger than what is only like it."""
    g = probe.gradient
    for name, u in probe.cotangents.items():
        if u.shape != g.shape:
            continue
        for words, form in FORMS.items():
            returned = [axes for axes in axes_of(g.shape) if _is(g, form, u, probe.outputs[name], axes)]
            for axes in axes_of(g.shape) if len(returned) == 1 else []:
                if axes != returned[0]:
                    said = f"backward returns {words} with the sum over {spelled(returned[0])}; the derivative has "
                    yield Hypothesis(
                        Cause("wrong-axis", f"{said}that over {spelled(axes)} (y: {name}, u: its cotangent)"),
                        lambda p, n=name, f=form, a=axes: f(p.cotangents[n], p.outputs[n], a),  # type: ignore[misc]
                        rank=0,
                    )


def _is(g: Values, form: Form, u: Values, y: Values, axes: Axes) -> bool:
    with np.errstate(all="ignore"):  # the exponential of what is no logarithm
        return np.allclose(form(u, y, axes), g, rtol=1e-6, atol=0.0)
