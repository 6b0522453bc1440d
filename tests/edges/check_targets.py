"""Files that `gradcheck-kit check` is asked about: what each is called with, and what must come of it."""

from dataclasses import dataclass

AFFINE = """
import numpy as np


class Affine:
    def __init__(self, W, b):
        self.W, self.b = W, b

    def forward(self, x):
        self.x = x
        return x @ self.W + self.b

    def backward(self, cotangent):
        self.dW = self.x.T @ cotangent
        self.db = cotangent.sum(axis=0)
        return cotangent @ self.W.T


layer = Affine(np.ones((3, 2)), np.zeros(2))


def factory(W):
    return Affine(W, np.zeros(W.shape[1], W.dtype))


def product(x, y):
    return x * y


def product_vjp(cotangent, x, y):
    return cotangent * y, cotangent * x


class Forward:
    def forward(self, x):
        return x


class Strided:
    def __init__(self, step: int):
        self.step = step

    def forward(self, x):
        self.shape = x.shape
        return x[:: self.step]

    def backward(self, cotangent):
        gradient = np.zeros(self.shape, cotangent.dtype)
        gradient[:: self.step] = cotangent
        return gradient


class Leaves:
    def forward(self, x):
        raise SystemExit(4)

    def backward(self, cotangent):
        return cotangent


class Refuses(Leaves):
    def forward(self, x):
        raise TypeError("not like this")


class Raises:
    def forward(self, x):
        return x.copy()

    def backward(self, cotangent):
        raise IndexError("list index out of range")
"""
WHOLE = "--input x=n,3 --param W=3,m --param b=m"


@dataclass(frozen=True)
class Odd:
    """A call that cannot be carried out, and the words that say what to do.

    Attributes:
        arguments: after `check`.
        words: in the message.
        files: further files by name, beside layers.py with `AFFINE`.
    """

    arguments: str
    words: tuple[str, ...]
    files: tuple[tuple[str, str], ...] = ()


ODD = {
    "a file that does not import": Odd(
        "broken.py:Layer --input x=n",
        ("broken.py does not import: ModuleNotFoundError", "broken.py, line 2: import not_installed_anywhere"),
        (("broken.py", "x = 1\nimport not_installed_anywhere\n"),),
    ),
    "a file that raises through a module beside it": Odd(
        "outer.py:Layer --input x=n",
        ("ZeroDivisionError", "inner.py, line 1: y = 1 / 0"),
        (("outer.py", "import inner\n"), ("inner.py", "y = 1 / 0\n")),
    ),
    "a file that is no Python": Odd(
        "bad.py:Layer --input x=n", ("is no Python", "line 1 of bad.py", "def :"), (("bad.py", "def :\n"),)
    ),
    "a file that calls sys.exit": Odd(
        "exits.py:Layer --input x=n",
        ("calls sys.exit(3)", "exits.py, line 2: sys.exit(3)", "if __name__ == '__main__':"),
        (("exits.py", "import sys\nsys.exit(3)\n"),),
    ),
    "a file that is not there": Odd("layer.py:Affine --input x=n", ("there is no file layer.py", "'layers.py'")),
    "a module that is not there": Odd("no_such.module:Layer --input x=n", ("there is no module 'no_such'", "type")),
    "a name that is not there": Odd("layers.py:Afine --input x=n", ("no 'Afine'", "did you mean 'Affine'?")),
    "a name like none": Odd("layers.py:Zzz --input x=n", ("no 'Zzz'", "it has Affine")),
    "no name": Odd("layers.py", ("names no object", "gradcheck-kit check layers.py:Affine")),
    "an attribute that is not there": Odd("layers.py:layer.wieght --input x=n", ("no 'layer.wieght'",)),
    "a VJP that is not there": Odd("layers.py:product --vjp product_vpj --input x=n", ("did you mean 'product_vjp'?",)),
    "a VJP that is no function": Odd("layers.py:product --vjp layer --input x=n --input y=n", ("name a function",)),
    "a layer without backward": Odd(
        "layers.py:Forward --input x=n", ("no method backward", "pass a layer with", "a function with --vjp NAME")
    ),
    "a class without inputs": Odd(
        "layers.py:Affine", ("check layers.py:Affine --param W=AXES --param b=AXES --input x=AXES",)
    ),
    "a class with a plain argument": Odd("layers.py:Strided", ("--constant step=VALUE --input x=AXES",)),
    "an axis that is missing": Odd("layers.py:layer --input x=n,,3", ("an axis is missing", "    x=n,,3\n        ^")),
    "an axis that is none": Odd("layers.py:layer --input x=n,-3", ("'-3' is no axis", "    x=n,-3\n        ^")),
    "no equals sign": Odd("layers.py:layer --input x", ("the '=' after the name is missing", "    x\n     ^")),
    "values that are none": Odd("layers.py:layer --input x=n:odd", ("'odd' says nothing", "    x=n:odd\n        ^")),
    "an empty interval": Odd("layers.py:layer --input x=n:2..1", ("the interval is empty",)),
    "values said twice": Odd("layers.py:layer --input x=n:0..1:0..2", ("said twice",)),
    "an array given twice": Odd("layers.py:layer --input x=n,3 --input x=n,3", ("x is given twice",)),
    "labels below no axis": Odd("layers.py:layer --input x=n,3 --input k=n:int<m", ("'m' is no axis",)),
    "an input of another name": Odd("layers.py:layer --input xx=n,3", ("no 'xx'", "did you mean 'x'?")),
    "a shape that does not fit": Odd(f"layers.py:Affine {WHOLE.replace('x=n,3', 'x=n,5')}", ("do the axes fit?",)),
    "a forward that calls sys.exit": Odd(
        "layers.py:Leaves --input x=n", ("calls sys.exit(4) while it is checked", "raise SystemExit(4)", "instead")
    ),
    "a forward that always raises": Odd(
        "layers.py:Refuses --input x=3", ("TypeError: not like this", "do the axes fit?")
    ),
    "what is no target": Odd("layers.py:np.pi --input x=n", ("pass a layer with",)),
    "nothing to differentiate": Odd(
        "layers.py:layer --input x=n:int<3", ("no array to differentiate", "such as x=n,3")
    ),
    "a question that is not asked": Odd(
        "layers.py:layer --input x=n,3 --questions linarity", ("no such question; did you mean 'linearity'?",)
    ),
    "an input that --wrt does not find": Odd("layers.py:layer --input x=n,3 --wrt xx", ("did you mean 'x'?",)),
    "an input that --wrt does not find and that is like none": Odd(
        "layers.py:layer --input x=n,3 --wrt momentum", ("--wrt momentum is no input of Affine; its inputs are x",)
    ),
    "a function that lacks an input": Odd(
        "layers.py:product --vjp product_vjp --input x=n,3", ("product needs y as well", "such as y=n,3")
    ),
    "a device that is not there": Odd("layers.py:layer --input x=n,3 --device coda", ("--device coda:",)),
    "a constant without value": Odd("layers.py:layer --input x=n,3 --constant s", ("type NAME=VALUE",)),
    "recorded inputs that are not there": Odd("layers.py:layer --input none.npz", ("cannot read none.npz",)),
    "recorded inputs that are no archive": Odd(
        "layers.py:layer --input text.npz", ("text.npz is no .npz file", "np.savez"), (("text.npz", "hello"),)
    ),
    "two files of recorded inputs": Odd("layers.py:layer --input a.npz --input b.npz", ("pass one file",)),
    "a misspelt key of the configuration": Odd(
        "layers.py:layer --input x=n,3",
        ("no key 'sede'", "did you mean 'seed'?"),
        (("pyproject.toml", "[tool.gradcheck_kit]\nsede = 1\n"),),
    ),
}


@dataclass(frozen=True)
class Wrong:
    """A layer with a planted bug of tests/mutants, and the slug that the output must name."""

    target: str
    inputs: str
    cause: str
    input: str


def _wrong(file: str, name: str, inputs: str, cause: str, input: str = "x") -> Wrong:
    return Wrong(f"tests.mutants.{file}:{name}", inputs, cause, input)


WRONG = (
    _wrong("reference_edits", "SigmoidWithoutComplement", "--input x=n,3", "missing-factor"),
    _wrong("reference_edits", "AffineAveragesBias", WHOLE, "averaged-not-summed", "b"),
    _wrong("reference_edits", "ReLUMasksByCotangent", "--input x=n,3", "nonlinear-in-cotangent"),
    _wrong("reference_edits", "MulDoesNotSwap", "--input x=n,3 --input y=n,3", "zero-gradient"),
    _wrong(
        "reference_edits",
        "SoftmaxIgnoresCotangent",
        "--input logits=n,m --input labels=n:int<m",
        "cotangent-ignored",
        "logits",
    ),
    _wrong("reference_edits", "AddForgetsToSum", "--input x=n,3 --input y=3", "wrong-shape", "y"),
    _wrong("question_layout", "SquareReadsItsInputInMemoryOrder", "--input x=n,3", "layout"),
    _wrong("question_linearity", "ExpClamps", "--input x=n,3", "cotangent-clamped"),
    _wrong("question_layout", "ExpIgnoresStrides", "--input x=n,3", "layout"),
    _wrong("question_contract_and_purity", "ExpKeepsItsOutputOnTheClass", "--input x=n,3", "stale-state"),
    _wrong("question_frozen_subsets", "SinAndCosNeedsBoth", "--input x=n,3", "undefined-cotangent"),
)
