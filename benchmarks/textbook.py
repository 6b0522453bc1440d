"""The gradient check of the textbooks: central differences of one step, element by element, and a relative error."""

import numpy as np

import gradcheck_kit as gk
from gradcheck_kit.space import Arrays, FloatVector

STEP = 1e-4
COTANGENTS = 1


def relative_error(subject: gk.Subject, seed: int) -> float:
    """The largest ‖analytic − numerical‖ ÷ (‖analytic‖ + ‖numerical‖) of any input; 0 where both are zero.

    The rule as Ng (Improving Deep Neural Networks, 2017, "Gradient checking implementation notes") states it, of
    Σ u·f(x) for a random normal cotangent u (as cs231n's `eval_numerical_gradient_array`), with a step of 1e-4.

    Raises:
        Exception: whatever the subject raises; ValueError where a gradient does not have its input's shape.
    """
    # Not the point's own generator: x / ‖x‖ has a gradient of zero for a cotangent that equals x.
    library, generator = subject.library, np.random.default_rng([seed, COTANGENTS])
    with subject.session():
        outputs = subject.forward(_copied(subject))
        u = {
            n: library.shaped(library.place(generator.normal(size=_size(subject, o)), o), o) for n, o in outputs.items()
        }
        fixed = {n: library.numpy(library.vector(c)).copy() for n, c in u.items()}
        gradients = subject.pullback(_copied(subject), u)
        analytic = {n: _in_numpy(subject, n, gradients.get(n)) for n in subject.differentiable}
        return max(_error(analytic[n], _numerical(subject, n, fixed)) for n in subject.differentiable)


def _copied(subject: gk.Subject) -> Arrays:
    return {n: subject.library.copy(array) for n, array in subject.point.items()}


def _size(subject: gk.Subject, array: object) -> int:
    return int(np.prod(subject.library.shape(array), dtype=int))


def _in_numpy(subject: gk.Subject, name: str, gradient: object) -> FloatVector:
    expected = subject.library.shape(subject.point[name])
    if gradient is None:
        return np.zeros(int(np.prod(expected, dtype=int)))
    if subject.library.shape(gradient) != expected:
        raise ValueError(f"the gradient of {name} has shape {subject.library.shape(gradient)}, {name} has {expected}")
    return subject.library.numpy(subject.library.vector(gradient)).copy()


def _numerical(subject: gk.Subject, name: str, u: dict[str, FloatVector]) -> FloatVector:
    library = subject.library
    here = library.numpy(library.vector(subject.point[name]))

    def weighted(values: FloatVector) -> float:
        array = library.shaped(library.place(values, subject.point[name]), subject.point[name])
        outputs = subject.forward({**_copied(subject), name: array})
        return sum(float(u[n] @ library.numpy(library.vector(o))) for n, o in outputs.items())

    steps = STEP * np.eye(len(here))
    return np.array([(weighted(here + step) - weighted(here - step)) / (2 * STEP) for step in steps])


def _error(analytic: FloatVector, numerical: FloatVector) -> float:
    """NaN where either is not finite."""
    together = float(np.linalg.norm(analytic) + np.linalg.norm(numerical))
    return float(np.linalg.norm(analytic - numerical)) / together if together else 0.0
