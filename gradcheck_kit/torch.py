"""What needs torch: `TorchTrainee` for `gk.train_parity`, and a drop-in for `torch.autograd.gradcheck`.

from gradcheck_kit.torch import gradcheck
assert gradcheck(function, inputs)      # torch's call, another verdict
"""

import warnings
from collections.abc import Callable, Sequence
from typing import Any

from torch import Tensor
from torch.autograd.gradcheck import GradcheckError as TorchGradcheckError

from gradcheck_kit.adapters.torch import subject_of
from gradcheck_kit.engine import examine
from gradcheck_kit.report import GradientCheckError
from gradcheck_kit.side_by_side.torch_trainee import TorchTrainee
from gradcheck_kit.subject import UsageError

__all__ = ["GradcheckError", "TorchTrainee", "gradcheck"]

TORCH_DEFAULTS: dict[str, Any] = {"eps": 1e-6, "atol": 1e-5, "rtol": 1e-3, "nondet_tol": 0.0}
"""torch's tolerances: accepted, and of no effect, since the error bound is measured."""

NOT_ASKED = (
    "check_grad_dtypes",
    "check_batched_grad",
    "check_batched_forward_grad",
    "check_forward_ad",
    "fast_mode",
    "masked",
)


class GradcheckError(GradientCheckError, TorchGradcheckError):
    """Both an `AssertionError` of ours, with `.report`, and torch's own `GradcheckError`."""


def gradcheck(
    func: Callable[..., Tensor | Sequence[Tensor]],
    inputs: Tensor | Sequence[Any],
    *,
    raise_exception: bool = True,
    check_undefined_grad: bool = True,
    check_backward_ad: bool = True,
    seed: int = 0,
    **options: Any,
) -> bool:
    """Check the gradients of `func` with respect to those inputs that require them, as `torch.autograd.gradcheck`.

    Args:
        func: tensors → a tensor or a sequence of tensors, of which those that require no gradient are left out, as
            torch leaves them; `gk.check` does not, and takes a detached output for a stopped gradient.
        inputs: its arguments; those with `requires_grad` are checked, the others held fixed.
        raise_exception: whether to raise when the check does not pass, instead of returning False.
        check_undefined_grad: accepted; undefined cotangents are not asked about.
        check_backward_ad: must stay True, since backward is what is checked.
        seed: where every random number of the check comes from.
        options: `eps`, `atol`, `rtol`, `nondet_tol` are accepted and ignored with one warning; torch's other options
            are accepted and, where they ask for a check that is not made here, named in a warning.

    Returns:
        True if every gradient was shown to be right; False, with `raise_exception=False`, if not or not known.

    Raises:
        GradcheckError: the gradients are wrong or could not be decided.
        UsageError: no input requires gradients, or an option is unknown.
    """
    given = tuple(inputs) if isinstance(inputs, list | tuple) else (inputs,)
    checked = [i for i, value in enumerate(given) if isinstance(value, Tensor) and value.requires_grad]
    if not checked:
        raise UsageError("no input requires a gradient; pass at least one tensor with requires_grad=True")
    if not check_backward_ad:
        raise UsageError("check_backward_ad=False leaves nothing to check here; use torch's own for forward mode")
    _tell_what_is_ignored(options)
    subject = subject_of(func, given, detached=False).restricted_to(checked)
    report = examine(subject, seed=seed)
    if not report and raise_exception:
        raise GradcheckError(report)
    return bool(report)


def _tell_what_is_ignored(options: dict[str, Any]) -> None:
    unknown = options.keys() - TORCH_DEFAULTS.keys() - set(NOT_ASKED)
    if unknown:
        raise UsageError(f"gradcheck has no option {sorted(unknown)[0]!r}; it takes those of torch.autograd.gradcheck")
    tolerances = [name for name in TORCH_DEFAULTS if name in options]
    if tolerances:
        message = f"{', '.join(tolerances)} ignored: the numerical derivative brings its own measured error bound"
        warnings.warn(message, UserWarning, stacklevel=3)
    asked = [name for name in NOT_ASKED if options.get(name) and name not in ("fast_mode", "masked")]
    if asked:
        warnings.warn(f"{', '.join(asked)} not asked: only the backward pass is checked", UserWarning, stacklevel=3)
