"""torch tensors as a `Library`; the arithmetic stays on the tensor's own device."""

from typing import Any

import numpy as np
import torch
from torch import Tensor

from gradcheck_kit.space import Array, FloatVector, Format, Vector


class Torch:
    """The torch side of `Library`."""

    name = "torch"

    def dtype(self, array: Tensor) -> str:
        return str(array.dtype).removeprefix("torch.")

    def device(self, array: Tensor) -> str:
        return str(array.device)

    def shape(self, array: Tensor) -> tuple[int, ...]:
        return tuple(array.shape)

    def copy(self, array: Tensor) -> Tensor:
        return array.detach().clone(memory_format=torch.contiguous_format)

    def identical(self, one: Tensor, other: Tensor) -> bool:
        if one.dtype != other.dtype or one.shape != other.shape or one.device != other.device:
            return False
        mine, theirs = (t.detach().contiguous().reshape(-1).view(torch.uint8) for t in (one, other))
        return bool(torch.equal(mine, theirs))

    def shares_memory(self, one: Tensor, other: Tensor) -> bool:
        return one.untyped_storage().data_ptr() == other.untyped_storage().data_ptr()

    def vector(self, array: Tensor) -> Vector:
        return array.detach().to(torch.float64, copy=True).reshape(-1)

    def concatenate(self, vectors: list[Vector]) -> Vector:
        return torch.cat(vectors)

    def shaped(self, vector: Vector, like: Tensor) -> Array:
        return vector.reshape(like.shape).to(device=like.device, dtype=like.dtype, copy=True)

    def place(self, values: FloatVector, like: Tensor) -> Vector:
        return torch.from_numpy(np.ascontiguousarray(values)).to(like.device)

    def numpy(self, vector: Vector) -> FloatVector:
        values: FloatVector = vector.detach().cpu().numpy()
        return values

    def spacing(self, magnitude: Vector, form: Format) -> Vector:
        exponent = torch.frexp(magnitude).exponent.clamp(min=form.least_exponent + 1) - form.digits
        # In two halves: 2^exponent alone may lie below the range of the power function.
        half = torch.div(exponent, 2, rounding_mode="floor").to(torch.float64)
        return torch.exp2(half) * torch.exp2(exponent.to(torch.float64) - half)

    def sign(self, vector: Vector) -> Vector:
        return torch.sign(vector)

    def minimum(self, vector: Vector, bound: float) -> Vector:
        return vector.clamp(max=bound)

    def maximum(self, vector: Vector, other: Any) -> Vector:
        return torch.maximum(vector, torch.as_tensor(other, dtype=torch.float64, device=vector.device))

    def round(self, vector: Vector) -> Vector:
        return torch.round(vector)

    def median(self, vector: Vector) -> float:
        return float(vector.median())
