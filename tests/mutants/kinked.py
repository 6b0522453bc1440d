"""A wrong gradient that shows at a kink alone."""

from typing import Any

import numpy as np


class Corner:
    """|x|, with three at zero where only -1 to 1 will do."""

    def forward(self, x: Any) -> Any:
        self._x = x
        return np.abs(x)

    def backward(self, cotangent: Any) -> Any:
        return np.asarray(cotangent * np.where(self._x == 0.0, 3.0, np.sign(self._x)))
