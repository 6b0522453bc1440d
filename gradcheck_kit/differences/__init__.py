"""Numerical derivatives that come with their own error: a directional derivative in, an `Estimate` out.

For users: `directional_derivative`, central or one-sided, and `complex_step`, an oracle independent of it.
"""

from gradcheck_kit.differences.complex_step import complex_step
from gradcheck_kit.differences.derivative import directional_derivative
from gradcheck_kit.differences.estimate import Estimate, Obstacle

__all__ = ["Estimate", "Obstacle", "complex_step", "directional_derivative"]
