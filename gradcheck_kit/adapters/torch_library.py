"""torch tensors as a `Library`; the arithmetic stays on the tensor's own device."""

from collections.abc import Container, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from gradcheck_kit.adapters.randomness import FrozenRandomness
from gradcheck_kit.adapters.torch_modules import unchanged
from gradcheck_kit.space import (
    EXPONENT_BITS,
    ROW_AGAIN,
    STRIDE_0,
    STRIDED,
    Array,
    FloatVector,
    Format,
    IntVector,
    Vector,
)

NAMES = {d: str(d).removeprefix("torch.") for d in vars(torch).values() if isinstance(d, torch.dtype)}


class Torch:
    """The torch side of `Library`."""

    name = "torch"

    def owns(self, value: Any) -> bool:
        return isinstance(value, Tensor)

    def dtype(self, array: Tensor) -> str:
        return NAMES[array.dtype]

    def device(self, array: Tensor) -> str:
        return str(array.device)

    def shape(self, array: Tensor) -> tuple[int, ...]:
        return tuple(array.shape)

    def copy(self, array: Tensor) -> Tensor:
        return array.detach().clone(memory_format=torch.contiguous_format)

    def identical(self, one: Tensor, other: Tensor) -> bool:
        if one.dtype != other.dtype or one.shape != other.shape or one.device != other.device:
            return False
        if one.numel() == 0:
            return True
        mine, theirs = (t.detach().contiguous().reshape(-1).view(torch.uint8) for t in (one, other))
        return bool(torch.equal(mine, theirs))

    def vector(self, array: Tensor) -> Vector:
        return array.detach().to(torch.float64, copy=True).reshape(-1)

    def flat(self, array: Tensor) -> Tensor:
        return array.detach().reshape(-1)

    def blank(self, like: Tensor, form: Format | None = None) -> Tensor:
        dtype = like.dtype if form is None else getattr(torch, form.name)
        return torch.empty(like.shape, dtype=dtype, device=like.device)

    def concatenate(self, vectors: list[Vector]) -> Vector:
        return torch.cat(vectors)

    def shaped(self, vector: Vector, like: Tensor) -> Array:
        return vector.reshape(like.shape).to(device=like.device, dtype=like.dtype, copy=True)

    def place(self, values: FloatVector, like: Tensor) -> Vector:
        return torch.from_numpy(np.ascontiguousarray(values)).to(like.device)

    def moved(self, array: Tensor, tangent: Tensor, t: float, into: Tensor | None = None) -> Tensor:
        if into is None:
            return torch.add(array.detach(), tangent, alpha=t)
        return torch.add(array.detach(), tangent, alpha=t, out=into).view(into.shape)

    def stacked(self, arrays: Sequence[Tensor]) -> Tensor:
        return torch.stack(list(arrays))

    def widened(self, array: Tensor) -> Tensor:
        return array.detach().to(torch.float64, copy=True)

    def numpy(self, vector: Vector) -> FloatVector:
        values: FloatVector = vector.numpy(force=True)
        return values

    def exact(self, array: Tensor) -> npt.NDArray[Any]:
        held = array.detach().cpu().contiguous()
        values: npt.NDArray[Any] = (held.view(torch.uint16) if held.dtype == torch.bfloat16 else held).numpy()
        return values

    def spacing(self, magnitude: Vector, form: Format) -> Vector:
        power = (magnitude.view(torch.int64) & EXPONENT_BITS).view(torch.float64)  # 2^⌊log₂ magnitude⌋
        return power.clamp_(min=2.0**form.least_exponent).mul_(2.0 ** (1 - form.digits))

    def sign(self, vector: Vector) -> Vector:
        return torch.sign(vector)

    def maximum(self, vector: Vector, other: Any) -> Vector:
        return torch.maximum(vector, torch.as_tensor(other, dtype=torch.float64, device=vector.device))

    def round(self, vector: Vector) -> Vector:
        return torch.round(vector)

    def median(self, vector: Vector) -> float:
        return float(vector.median()) if len(vector) else 0.0

    def layouts(self, array: Tensor) -> dict[str, Tensor]:
        a = array.detach()
        found = {}
        if a.dim() and a.numel() > 1:
            last = a.shape[-1]
            beside = torch.cat([-a, a, -a], dim=-1)  # what lies around the view scales with it
            apart = torch.stack([a, -a], dim=-1).reshape(*a.shape[:-1], -1)
            strided = torch.cat([-a, torch.stack([-a, a], dim=-1).reshape(*a.shape[:-1], -1)], dim=-1)
            found = {
                "a slice of a wider array": beside[..., last : 2 * last],
                "every second element": apart[..., ::2],
                STRIDED: strided[..., last + 1 :: 2],
            }
        if sum(side > 1 for side in a.shape) > 1:
            reverse = tuple(reversed(range(a.dim())))
            found["transposed"] = a.permute(reverse).clone(memory_format=torch.contiguous_format).permute(reverse)
        if a.dim() == 4 and a.shape[1] > 1:
            found["channels-last"] = a.clone(memory_format=torch.channels_last)
        return found

    def expanded(self, array: Tensor) -> dict[str, Tensor]:
        a, found = self.copy(array), {}
        if a.numel() > 1:
            found[STRIDE_0] = a.reshape(-1)[:1].expand(a.shape)
        if a.numel() > 1 and a.dim() > 1 and len(a) > 1:
            found[ROW_AGAIN] = a[:1].expand(a.shape)
        return found

    def rows(self, array: Tensor, order: IntVector) -> Tensor:
        return array.detach()[torch.from_numpy(order).to(array.device)]

    def overlap(self, one: Tensor, other: Tensor) -> bool:
        return one.untyped_storage().data_ptr() == other.untyped_storage().data_ptr()


class FrozenTorchRandomness(FrozenRandomness):
    """Replays torch's generators too, on the CPU and on the CUDA devices in use, in full-precision arithmetic."""

    def __init__(self, arrays: Iterable[Any], modules: Sequence[nn.Module] = (), replaced: Container[int] = ()) -> None:
        self._modules, self._replaced = modules, replaced
        devices = {a.device for a in arrays if isinstance(a, Tensor) and a.device.type == "cuda"}
        self._devices = sorted({d.index or 0 for d in devices})
        super().__init__()

    @contextmanager
    def session(self) -> Iterator[None]:
        """Also without reduced-precision matrix products; and afterwards with the modules and settings of before."""
        with super().session(), full_precision(), same_settings(), unchanged(self._modules, self._replaced):
            yield

    def _read(self) -> tuple[Any, ...]:
        of_torch = [torch.get_rng_state(), *(torch.cuda.get_rng_state(i) for i in self._devices)]
        return *super()._read(), of_torch

    def _write(self, state: tuple[Any, ...]) -> None:
        super()._write(state)
        cpu, *cuda = state[2]
        torch.set_rng_state(cpu)
        for index, values in zip(self._devices, cuda, strict=True):
            torch.cuda.set_rng_state(values, index)

    def _same(self, one: tuple[Any, ...], other: tuple[Any, ...]) -> bool:
        return super()._same(one, other) and all(torch.equal(a, b) for a, b in zip(one[2], other[2], strict=True))


@contextmanager
def same_settings() -> Iterator[None]:
    """Afterwards torch's default dtype and whether autograd records are as before, whatever a call has set."""
    dtype, records = torch.get_default_dtype(), torch.is_grad_enabled()
    try:
        yield
    finally:
        torch.set_default_dtype(dtype)
        torch.set_grad_enabled(records)


REDUCED: tuple[tuple[Any, str], ...] = (
    (torch.backends.cuda.matmul, "allow_fp16_reduced_precision_reduction"),
    (torch.backends.cuda.matmul, "allow_bf16_reduced_precision_reduction"),
)
TF32: tuple[tuple[Any, str], ...] = ((torch.backends.cuda.matmul, "allow_tf32"), (torch.backends.cudnn, "allow_tf32"))


def _newer(*parts: tuple[Any, str]) -> tuple[tuple[Any, str], ...]:
    return tuple((getattr(backend, part), "fp32_precision") for backend, part in parts if hasattr(backend, part))


FP32_CUDA = _newer((torch.backends.cuda, "matmul"), (torch.backends.cudnn, "conv"), (torch.backends.cudnn, "rnn"))
FP32 = (*FP32_CUDA, *_newer(*((torch.backends.mkldnn, part) for part in ("matmul", "conv", "rnn"))))
"""Switches that let torch compute in fewer digits than the dtype has. Whoever has set the newer fp32_precision may not
be asked for allow_tf32 any more: torch raises RuntimeError."""


@contextmanager
def full_precision() -> Iterator[None]:
    """Within the block no reduced-precision matrix product is allowed; afterwards the switches are as before."""
    with _switched(REDUCED, False):
        try:
            before = torch.get_float32_matmul_precision()
            _ = [getattr(backend, switch) for backend, switch in TF32]
        except RuntimeError:
            with _switched(FP32, "ieee"):
                yield
            return
        newer = [getattr(backend, switch) for backend, switch in FP32]
        try:
            with _switched(TF32, False):
                torch.set_float32_matmul_precision("highest")
                yield
        finally:
            torch.set_float32_matmul_precision(before)  # after allow_tf32, which writes to it too
            for (backend, switch), value in zip(FP32, newer, strict=True):  # last: all of these write to them
                if getattr(backend, switch) != value:
                    setattr(backend, switch, value)


@contextmanager
def tensor_float32() -> Iterator[None]:
    """As `full_precision`, but that CUDA may round the operands of float32 products and convolutions to TF32."""
    with full_precision():
        try:
            _ = [getattr(backend, switch) for backend, switch in TF32]
        except RuntimeError:
            allowed = _switched(FP32_CUDA, "tf32")
        else:
            allowed = _switched(TF32, True)
        with allowed:
            yield


@contextmanager
def _switched(switches: tuple[tuple[Any, str], ...], to: Any) -> Iterator[None]:
    before = [getattr(backend, switch) for backend, switch in switches]
    for backend, switch in switches:
        setattr(backend, switch, to)
    try:
        yield
    finally:
        for (backend, switch), value in zip(switches, before, strict=True):
            setattr(backend, switch, value)
