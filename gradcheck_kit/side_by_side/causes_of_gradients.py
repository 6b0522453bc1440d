"""Why are the candidate's gradients others, where its loss is the reference's?"""

from collections.abc import Callable, Iterable, Iterator

import numpy as np

from gradcheck_kit.side_by_side.cause import Cause, Hypothesis, coarser_format, fitting, ratio
from gradcheck_kit.side_by_side.scene import Scene, relative
from gradcheck_kit.side_by_side.stages import Apart
from gradcheck_kit.side_by_side.trainee import Named, Values

AGREES = 1e-9
CLIP_EPS = 1e-6


def causes(scene: Scene, first: Apart) -> list[Cause]:
    """Every hypothesis that reproduces all the gradients that are off."""
    mine, theirs = scene.candidate.gradients or {}, scene.reference.gradients or {}
    without = {n: scene.apart(n, theirs[n], mine[n]) for n in theirs}
    off = {n: mine[n] for n in theirs if n == first.tensor or not without[n] <= 8 * first.allowed}
    broken = [n for n in off if not np.isfinite(off[n]).all()]
    if broken:
        return [Cause("not-finite", f"the gradient of {broken[0]} has NaN or ∞")]
    still = [n for n in off if not np.any(off[n])]
    if still and len(still) == len(off):
        return [Cause("never-moves", f"the gradient of {', '.join(still)} is zero, the reference's is not")]
    form = coarser_format(off.values(), [theirs[n] for n in off])
    if form is not None:
        return [Cause("lower-precision", f"every gradient that is off is a {form} number; the reference's are not")]
    spans = {n: without[n] for n in off}
    found = fitting(_hypotheses(scene, off, theirs), off, spans, first.allowed, scene.apart)
    return found or list(_of_part(dict.fromkeys([first.tensor, *off]), off, theirs, first.allowed))


def _hypotheses(scene: Scene, off: Named, theirs: Named) -> Iterator[Hypothesis]:
    yield from _of_time(scene, theirs)
    yield from _of_place(off, theirs)
    yield from _of_factor(scene, off, theirs)
    before = scene.candidate.before
    decay = ratio([before[n] for n in off], [off[n] - theirs[n] for n in off])
    yield Hypothesis("weight-decay", f"{decay:.6g} × p is in the gradient", lambda n: theirs[n] + decay * before[n])
    yield from _of_clipping(off, theirs)
    yield from _of_examples(scene)


def _of_time(scene: Scene, theirs: Named) -> Iterator[Hypothesis]:
    """What an earlier step left."""
    if scene.candidate_before is None or scene.candidate_before.gradients is None:
        return
    earlier = scene.candidate_before.gradients
    told = "they are the sum of this step's and the one's before: not zeroed"
    yield Hypothesis("gradients-accumulated", told, lambda n: theirs[n] + earlier[n])
    yield Hypothesis("stale-gradients", "they are those of the step before", lambda n: earlier[n])


def _of_place(off: Named, theirs: Named) -> Iterator[Hypothesis]:
    yield Hypothesis("transposed-gradient", "they are the reference's, transposed", lambda n: theirs[n].T)
    others = [n for n in off if any(m != n and theirs[m].shape == theirs[n].shape for m in off)]
    if len(others) == len(off) == 2:
        one, other = others
        told = f"{one} has the gradient of {other}, and the other way round"
        yield Hypothesis("exchanged-gradients", told, lambda n: theirs[other if n == one else one])


def _of_factor(scene: Scene, off: Named, theirs: Named) -> Iterator[Hypothesis]:
    number, full = len(scene.labels), scene.schedule.batch_size
    factor = ratio([theirs[n] for n in off], off.values())
    told = f"{', '.join(off)}: {factor:.10g} × the reference's"
    named = {"missing-mean": number, "extra-mean": 1 / number, "partial-batch": number / full, "sign-flip": -1.0}
    if number < full:
        named["partial-batch"] = number / full
    slug = next((s for s, c in named.items() if c != 1.0 and abs(factor / c - 1) <= AGREES), "gradient-factor")
    norm = float(np.sqrt(sum(np.sum(np.square(g, dtype=np.float64)) for g in off.values())))
    if slug == "gradient-factor" and 0 < factor < 1:
        # torch.nn.utils.clip_grad_norm_ adds 1e-6 to the norm that it divides by.
        bounds = norm, norm + CLIP_EPS * factor
        if any(abs(bound / float(f"{bound:.3g}") - 1) <= AGREES for bound in bounds):
            slug, told = "clipped", f"{told}; their norm together is {norm:.6g}"
    if slug in ("missing-mean", "extra-mean", "partial-batch"):
        told += f"; the batch has {number} examples, a full one {full}"
    yield Hypothesis(slug, told, lambda n: factor * theirs[n])


def _of_clipping(off: Named, theirs: Named) -> Iterator[Hypothesis]:
    most = max(float(np.abs(g).max()) for g in off.values())
    told = f"the reference's, clipped to ±{most:.6g}"
    yield Hypothesis("clipped", told, lambda n: np.clip(theirs[n], -most, most))


def _of_examples(scene: Scene) -> Iterator[Hypothesis]:
    """The reference's gradients of the same batch with an example left out."""
    number = len(scene.labels)
    for row, words in ((number - 1, "last"), (0, "first")):
        if number < 2:
            return
        kept = np.arange(number) != row
        made = scene.given(scene.candidate.before, scene.inputs[kept], scene.labels[kept])
        if made is None or made.gradients is None:
            return
        less = made.gradients
        share = (number - 1) / number
        told = f"the reference's of the batch without its {words} example"
        for words_of_share, c in (("", 1.0), (", divided by all", share)):
            yield Hypothesis("example-dropped", told + words_of_share, _scaled(less, c))


def _scaled(gradients: Named, factor: float) -> Callable[[str], Values]:
    return lambda name: np.asarray(factor * gradients[name])


def _of_part(order: Iterable[str], off: Named, theirs: Named, allowed: float) -> Iterator[Cause]:
    """One row, column or element that is off by a factor."""
    for name in order:
        gradient = off.get(name, theirs[name])
        apart = np.abs(gradient - theirs[name])
        where = np.argwhere(apart > 8 * allowed * np.abs(theirs[name]).max())
        fixed = [axis for axis in range(gradient.ndim) if len(where) and len(set(where[:, axis])) == 1]
        if not fixed or gradient.ndim == 0:
            continue
        place = tuple(int(where[0, a]) if a in fixed else slice(None) for a in range(gradient.ndim))
        factor = ratio([theirs[name][place]], [gradient[place]])
        told = ", ".join(str(p) if isinstance(p, int) else ":" for p in place)
        fits = relative(np.asarray(gradient[place]), np.asarray(factor * theirs[name][place])) <= 1e-6
        told = f"only {name}[{told}] is off" + (f", by the factor {factor:.10g}" if fits else "")
        yield Cause("gradient-part", told)
