"""Which mutants cannot be told from the right code by any test, and why?

Each is named as the page names it: file, function, change. A name that no mutant has any more is an error.
"""

from collections.abc import Collection, Mapping, Sequence

Key = tuple[str, str, str]

NUMPY_1 = (
    "NumPy 1, which is supported too, makes float64 of a 0-d array beside a Python number; NumPy 2 keeps the dtype."
)
ONE_SIZE = "All filters are of one size."
ROOM = "Room for a position or two more, which costs memory alone."
UNPADDED = "What needs no padding is copied, which costs time alone."
VECTOR = "An affine layer has a bias beside W, and the transpose of a vector is the vector."
SHAPE = "Its shape alone is used."
AT_ZERO = "At x = 0 both branches are 1 / 2."

EQUIVALENT: dict[Key, str] = {
    ("autograd/function.py", "Function.__call__", "inputs[0] → inputs[-1]"): "The inputs are of one dtype.",
    ("autograd/operations/activations.py", "Sigmoid.forward", "x < 0 → x <= 0"): AT_ZERO,
    (
        "autograd/operations/shapes.py",
        "summed_to",
        "x if x.shape == shape else SumTo(shape)(x) → SumTo(shape)(x)",
    ): "Summed to the shape that it has, x is a copy: it costs time alone.",
    ("layers/activations.py", "Sigmoid.backward", "dtype=out.dtype → dtype=None"): NUMPY_1,
    ("layers/activations.py", "Tanh.backward", "dtype=out.dtype → dtype=None"): NUMPY_1,
    ("layers/activations.py", "sigmoid", "dtype=x.dtype → dtype=None"): NUMPY_1,
    ("layers/activations.py", "sigmoid", "x < 0 → x <= 0"): AT_ZERO,
    ("layers/arithmetic.py", "Add.forward", "dtype=_output_dtype(x, y) → dtype=None"): NUMPY_1,
    ("layers/arithmetic.py", "Mul.forward", "dtype=_output_dtype(x, y) → dtype=None"): NUMPY_1,
    ("layers/convolution.py", "Conv2d._filters", "W[0] → W[-1]"): ONE_SIZE,
    ("layers/convolution.py", "Conv2d.forward", "W[0] → W[-1]"): ONE_SIZE,
    (
        "layers/dropout.py",
        "Dropout.forward",
        "self.rng.random(x.shape) >= self.p → self.rng.random(x.shape) > self.p",
    ): "A draw equals p with probability 2**-53.",
    (
        "layers/losses.py",
        "SoftmaxWithLoss.forward",
        "if self.label_smoothing: → if True:",
    ): "Smoothing by 0 gives the labels, one-hot, which mean the same.",
    (
        "layers/normalization.py",
        "_by_channel",
        "-1 → -2",
    ): "NumPy takes every negative length for the one to be found.",
    (
        "layers/pooling.py",
        "MaxPool2d.backward",
        "dtype=winner.dtype → dtype=None",
    ): "Integers of all sizes compare alike: it costs time alone.",
    (
        "layers/pooling.py",
        "AvgPool2d.forward",
        "count.astype(total.dtype) → count",
    ): "float32 is then divided in float64 and rounded to the same float32: it costs time alone.",
    ("layers/pooling.py", "AvgPool2d._sums", "(:, :, 0, 0) → (:, :, -1, 0)"): SHAPE,
    ("layers/pooling.py", "AvgPool2d._sums", "(:, :, 0, 0) → (:, :, 0, -1)"): SHAPE,
    ("layers/pooling.py", "_smallest_integer", "rows * columns - 1 → rows * columns"): ROOM,
    ("layers/pooling.py", "_smallest_integer", "rows * columns - 1 → rows * columns - 0"): ROOM,
    ("layers/pooling.py", "_smallest_integer", "rows * columns - 1 → rows * columns + 1"): ROOM,
    ("layers/losses.py", "MSELoss.backward", "dtype=difference.dtype → dtype=None"): NUMPY_1,
    ("layers/losses.py", "BCELoss.forward", "dtype=p.dtype → dtype=None"): NUMPY_1,
    ("layers/losses.py", "BCELoss.backward", "dtype=p.dtype → dtype=None"): NUMPY_1,
    ("layers/losses.py", "BCEWithLogitsLoss.forward", "dtype=z.dtype → dtype=None"): NUMPY_1,
    ("layers/losses.py", "BCEWithLogitsLoss.backward", "dtype=z.dtype → dtype=None"): NUMPY_1,
    ("layers/windows.py", "Windows.pad", "if self.padding == (0, 0): → if False:"): UNPADDED,
    ("layers/windows.py", "Windows.pad", "(0, 0) → (-1, 0)"): UNPADDED,
    ("layers/windows.py", "Windows.pad", "(0, 0) → (0, -1)"): UNPADDED,
    (
        "layers/arithmetic.py",
        "_operand",
        "np.asarray(beside).dtype if is_array(beside) else np.dtype(np.float64) → np.asarray(beside).dtype",
    ): "What is no array is a Python number, which is float64 then too, or refused in its turn.",
    (
        "networks/classifier.py",
        "Classifier.accuracy",
        "max(len(x), 1) → max(len(x), 2)",
    ): "One row and two are taken at once alike.",
    (
        "networks/state.py",
        "_in_torchs_layout",
        "isinstance(layer, Affine) and name == 'W' → isinstance(layer, Affine)",
    ): VECTOR,
    (
        "optimizers/rmsprop.py",
        "RMSProp._update",
        "if self.momentum: → if True:",
    ): "With momentum 0 the velocity is the direction: it costs time alone.",
}


def check_stale(keys: Collection[Key], files: Sequence[str], table: Mapping[Key, str] = EQUIVALENT) -> None:
    """ValueError if the table names, in one of the files, a mutant that is not among the keys."""
    stale = sorted(key for key in table if key[0] in files and key not in set(keys))
    if stale:
        named = "\n".join(" | ".join(key) for key in stale)
        raise ValueError(f"benchmarks/mutation/equivalent.py names mutants that do not exist; take them out:\n{named}")
