"""What an object, a container or a callable holds: one step of a walk over what can be reached from it."""

import functools
from collections.abc import Iterator, Mapping
from contextlib import suppress
from types import CodeType, FunctionType, MemberDescriptorType, MethodType, ModuleType
from typing import Any


def held(item: Any) -> Iterator[Any]:
    """Entries, attributes, or of a callable what it is bound to and its code names; nothing of classes and modules."""
    if isinstance(item, FunctionType):
        for cell in item.__closure__ or ():
            with suppress(ValueError):  # a variable that is not bound yet
                yield cell.cell_contents
        yield from (*(item.__defaults__ or ()), *(item.__kwdefaults__ or {}).values())
        yield from (item.__globals__[name] for name in _names(item.__code__) if name in item.__globals__)
    elif isinstance(item, MethodType):
        yield from (item.__self__, item.__func__)
    elif isinstance(item, functools.partial):
        yield from (item.func, *item.args, *item.keywords.values())
    elif isinstance(item, Mapping):
        yield from item.values()
    elif isinstance(item, list | tuple | set | frozenset):
        yield from item
    elif not isinstance(item, type | ModuleType):
        yield from held_by(item).values()


def held_by(item: Any) -> dict[str, Any]:
    """What an object holds in its attributes, by name: in its dictionary and in slots."""
    held = dict(getattr(item, "__dict__", {}))
    for kind in type(item).__mro__:
        slots = vars(kind).get("__slots__", ())
        for name in (slots,) if isinstance(slots, str) else slots:
            member = vars(kind).get(name)
            if isinstance(member, MemberDescriptorType):
                try:
                    held[name] = member.__get__(item)
                except AttributeError:
                    continue  # not set yet
    return held


def shared_with_the_class(item: Any) -> dict[str, Any]:
    """Arrays, dicts and lists that an object's class holds for all of its objects, and it none of its own."""
    own, found = held_by(item), dict[str, Any]()
    for kind in reversed(type(item).__mro__):
        mutable = {n: v for n, v in vars(kind).items() if hasattr(v, "dtype") or isinstance(v, dict | list)}
        found |= {name: value for name, value in mutable.items() if not name.startswith("__") and name not in own}
    return found


def _names(code: CodeType) -> Iterator[str]:
    """The names that code looks up outside itself, that of its inner functions too."""
    yield from code.co_names
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _names(constant)
