"""Which update formulas are near another: one thing done otherwise, or a number at another usual value."""

from collections.abc import Iterator
from dataclasses import replace

from gradcheck_kit.side_by_side.rules import Rule

EPS = (0.0, 1e-16, 1e-15, 1e-12, 1e-10, 1e-9, 1e-8, 1e-7, 1e-6, 1e-5, 1e-4, 1e-3)
RATES = (0.5, 0.9, 0.95, 0.98, 0.99, 0.995, 0.999, 0.9999)


def changed_formulas(rule: Rule) -> Iterator[tuple[str, str, Rule]]:
    """Each with the slug of a cause and its words."""
    yield from _with_another_decay(rule)
    yield from {"SGD": _changed_sgd, "Adam": _changed_adam, "RMSProp": _changed_rmsprop}[rule.kind](rule)
    yield from _with_another_number(rule)


def _with_another_decay(rule: Rule) -> Iterator[tuple[str, str, Rule]]:
    if rule.weight_decay:
        yield "weight-decay-missing", "it is the step without weight decay", replace(rule, weight_decay=0.0)
        turned = replace(rule, decoupled=not rule.decoupled)
        if rule.decoupled:
            yield "weight-decay-coupled", "weight decay is in the gradient, not beside the step", turned
        else:
            yield "weight-decay-decoupled", "weight decay is beside the step, not in the gradient", turned
        for factor in (2.0, 0.5):
            more = replace(rule, weight_decay=factor * rule.weight_decay)
            yield "weight-decay", f"weight decay is {more.weight_decay:g}, not {rule.weight_decay:g}", more


def _changed_sgd(rule: Rule) -> Iterator[tuple[str, str, Rule]]:
    if not rule.momentum:
        for rate in _rates(0.0):
            yield "momentum", f"momentum is {rate:g}, not 0", replace(rule, momentum=rate)
            ahead = replace(rule, momentum=rate, nesterov=True)
            yield "nesterov", f"it is Nesterov's step with momentum {rate:g}", ahead
        return
    if not rule.nesterov:
        damped = replace(rule, dampening=rule.momentum)
        yield "dampening", f"the gradient enters the velocity times 1 - {rule.momentum:g}", damped
        told = f"every gradient, the first too, enters the velocity times 1 - {rule.momentum:g}"
        yield "dampening", told, damped.having("first step dampened")
    plain = "it is the step along the velocity, without looking ahead" if rule.nesterov else "it is Nesterov's step"
    yield "nesterov", plain, replace(rule, nesterov=not rule.nesterov)
    yield "nesterov", "it looks ahead twice: g + μ(g + μv)", rule.having("momentum twice")
    yield "nesterov", "it looks ahead from the velocity: v + μv, not g + μv", rule.having("velocity for gradient")
    yield "momentum", "it is the step without momentum", replace(rule, momentum=0.0, nesterov=False)


def _changed_adam(rule: Rule) -> Iterator[tuple[str, str, Rule]]:
    neither = "neither average is corrected for starting at zero"
    yield "bias-correction", neither, rule.having("mean uncorrected", "square uncorrected")
    yield "bias-correction", "the mean is not corrected for starting at zero", rule.having("mean uncorrected")
    yield "bias-correction", "the mean square is not corrected for starting at zero", rule.having("square uncorrected")
    yield "eps-place", "eps is inside the root", rule.having("eps inside")
    yield "eps-place", "eps is added before the correction", rule.having("eps before correction")
    yield "step-count", "the corrections count one step too many", rule.having("one step ahead")
    yield "betas", "the two betas are exchanged", replace(rule, betas=rule.betas[::-1])


def _changed_rmsprop(rule: Rule) -> Iterator[tuple[str, str, Rule]]:
    yield "eps-place", "eps is inside the root", rule.having("eps inside")
    yield "bias-correction", "the mean square is corrected for starting at zero", rule.having("square corrected")


def _with_another_number(rule: Rule) -> list[tuple[str, str, Rule]]:
    """Hyperparameters at other usual values."""
    changed: list[tuple[str, str, Rule]] = []
    if rule.kind != "SGD":
        changed += [("eps", f"eps is {e:g}, not {rule.eps:g}", replace(rule, eps=e)) for e in EPS if e != rule.eps]
    if rule.kind == "RMSProp":
        changed += [
            ("alpha", f"alpha is {a:g}, not {rule.alpha:g}", replace(rule, alpha=a)) for a in _rates(rule.alpha)
        ]
    if rule.kind == "Adam":
        one, two = rule.betas
        changed += [("betas", f"beta1 is {b:g}, not {one:g}", replace(rule, betas=(b, two))) for b in _rates(one)]
        changed += [("betas", f"beta2 is {b:g}, not {two:g}", replace(rule, betas=(one, b))) for b in _rates(two)]
    if rule.kind == "SGD" and rule.momentum:
        rates = _rates(rule.momentum)
        changed += [("momentum", f"momentum is {m:g}, not {rule.momentum:g}", replace(rule, momentum=m)) for m in rates]
    return changed


def _rates(present: float) -> list[float]:
    return [rate for rate in RATES if rate != present]
