"""Which small changes turn right numerical code into wrong code? From a syntax node to what may stand in its place."""

import ast
import copy
from collections.abc import Callable, Iterator
from typing import TypeVar

Node = TypeVar("Node", bound=ast.AST)
Variants = Iterator[ast.AST]

SWAPPED: dict[type[ast.AST], tuple[type[ast.AST], ...]] = {
    ast.Add: (ast.Sub,),
    ast.Sub: (ast.Add,),
    ast.Mult: (ast.Div,),
    ast.Div: (ast.Mult,),
    ast.MatMult: (ast.Mult,),
    ast.FloorDiv: (ast.Mult,),
    ast.Mod: (ast.FloorDiv,),
    ast.Pow: (ast.Mult,),
    ast.BitAnd: (ast.BitOr,),
    ast.BitOr: (ast.BitAnd,),
    ast.Gt: (ast.GtE, ast.Lt),
    ast.GtE: (ast.Gt, ast.LtE),
    ast.Lt: (ast.LtE, ast.Gt),
    ast.LtE: (ast.Lt, ast.GtE),
    ast.Eq: (ast.NotEq,),
    ast.NotEq: (ast.Eq,),
    ast.Is: (ast.IsNot,),
    ast.IsNot: (ast.Is,),
    ast.In: (ast.NotIn,),
    ast.NotIn: (ast.In,),
    ast.And: (ast.Or,),
    ast.Or: (ast.And,),
}
OTHER_NAME = {
    "maximum": "minimum",
    "minimum": "maximum",
    "max": "min",
    "min": "max",
    "argmax": "argmin",
    "any": "all",
    "all": "any",
    "zeros_like": "ones_like",
    "zeros": "ones",
    "ones": "zeros",
    "setdefault": "get",
}
# f(x, ...) becomes x: a sum, an axis order, a nonlinearity or a precaution is lost.
DROPPED_FUNCTIONS = {
    *("sum", "sum_over", "sum_to_shape", "mean", "max", "exp", "log", "log1p", "sqrt", "abs", "tanh", "sigmoid"),
    *("maximum", "minimum", "transpose", "swapaxes", "broadcast_to", "copysign", "square", "where", "clip"),
}
DROPPED_METHODS = {
    *("sum", "mean", "max", "transpose", "reshape", "copy", "astype", "swapaxes", "exp", "sum_to", "broadcast_to"),
}


def variants(node: ast.AST) -> Variants:
    """Every expression, operator or statement that may stand in the place of `node`."""
    for kind, change in CHANGES:
        if isinstance(node, kind):
            yield from change(node)
    for swapped in SWAPPED.get(type(node), ()):
        yield swapped()


def _binary(node: ast.BinOp) -> Variants:
    """A term or a factor is lost, or a sign."""
    yield node.left
    if isinstance(node.op, ast.Add | ast.Mult | ast.MatMult | ast.BitAnd | ast.BitOr):
        yield node.right
    elif isinstance(node.op, ast.Sub):
        yield ast.UnaryOp(ast.USub(), node.right)


def _unary(node: ast.UnaryOp) -> Variants:
    if not (isinstance(node.op, ast.USub) and isinstance(node.operand, ast.Constant)):
        yield node.operand


def _boolean(node: ast.BoolOp) -> Variants:
    """One of the conditions is lost."""
    for i in range(len(node.values)):
        rest = node.values[:i] + node.values[i + 1 :]
        yield rest[0] if len(rest) == 1 else ast.BoolOp(node.op, rest)


def _constant(node: ast.Constant) -> Variants:
    """Off by one; another factor; the other truth value."""
    if isinstance(node.value, bool):
        yield ast.Constant(not node.value)
    elif isinstance(node.value, int):
        yield ast.Constant(node.value + 1)
        yield ast.Constant(node.value - 1)
    elif isinstance(node.value, float):
        yield ast.Constant(2 * node.value if node.value else 1.0)


def _call(node: ast.Call) -> Variants:
    """A sum, a nonlinearity or a copy is lost; a maximum becomes a minimum; arguments change places."""
    function = node.func
    if not isinstance(function, ast.Name | ast.Attribute):
        return
    name = function.id if isinstance(function, ast.Name) else function.attr
    of_module = isinstance(function, ast.Name) or (isinstance(function.value, ast.Name) and function.value.id == "np")
    if of_module and name in DROPPED_FUNCTIONS and node.args:
        yield from node.args[: 3 if name == "where" else 2 if name in ("maximum", "minimum") else 1]
    if not of_module and name in DROPPED_METHODS:
        yield function.value
    if name in OTHER_NAME and not isinstance(function, ast.Name):
        yield _with(node, func=ast.Attribute(function.value, OTHER_NAME[name], ast.Load()))
    if name in OTHER_NAME and name in ("max", "min", "any", "all") and isinstance(function, ast.Name):
        yield _with(node, func=ast.Name(OTHER_NAME[name], ast.Load()))
    if name == "where" and len(node.args) == 3:
        yield _with(node, args=[node.args[0], node.args[2], node.args[1]])
    if name == "range":
        *first, last = node.args[:2]
        yield _with(node, args=[*first, ast.BinOp(last, ast.Sub(), ast.Constant(1)), *node.args[2:]])


def _attribute(node: ast.Attribute) -> Variants:
    """A transpose is lost."""
    if node.attr in ("T", "mT"):
        yield node.value


def _conditional(node: ast.IfExp) -> Variants:
    yield node.body
    yield node.orelse


def _if(node: ast.If) -> Variants:
    """Always, and never."""
    yield _with(node, test=ast.Constant(True))
    yield _with(node, test=ast.Constant(False))


def _slice(node: ast.Slice) -> Variants:
    for part in ("lower", "upper", "step"):
        if getattr(node, part) is not None:
            yield _with(node, **{part: None})


def _augmented(node: ast.AugAssign) -> Variants:
    """Nothing is added up, or the sum so far is lost."""
    yield ast.Pass()
    if isinstance(node.target, ast.Name):
        yield ast.Assign([ast.Name(node.target.id, ast.Store())], node.value)
    else:
        yield ast.Assign([node.target], node.value)


def _statement(node: ast.Expr) -> Variants:
    """A call for its effect is lost; but not super's: without it nothing works."""
    if isinstance(node.value, ast.Call) and not any(
        isinstance(inner, ast.Name) and inner.id == "super" for inner in ast.walk(node)
    ):
        yield ast.Pass()


def _keyword(node: ast.keyword) -> Variants:
    """The other axis, where the axis is no literal number."""
    if node.arg in ("axis", "axes") and not isinstance(node.value, ast.Constant | ast.UnaryOp):
        yield _with(node, value=ast.Constant(0))
    if node.arg == "dtype":
        yield _with(node, value=ast.Constant(None))


def _with(node: Node, **fields: object) -> Node:
    changed = copy.copy(node)
    for name, value in fields.items():
        setattr(changed, name, value)
    return changed


CHANGES: tuple[tuple[type[ast.AST], Callable[..., Variants]], ...] = (
    (ast.BinOp, _binary),
    (ast.UnaryOp, _unary),
    (ast.BoolOp, _boolean),
    (ast.Constant, _constant),
    (ast.Call, _call),
    (ast.Attribute, _attribute),
    (ast.IfExp, _conditional),
    (ast.If, _if),
    (ast.Slice, _slice),
    (ast.AugAssign, _augmented),
    (ast.Expr, _statement),
    (ast.keyword, _keyword),
)
