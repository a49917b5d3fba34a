"""Modules that other packages import and hardly use: they are imported at their first use."""

from __future__ import annotations

import contextlib
import importlib
import sys
from collections.abc import Iterator
from types import ModuleType
from typing import Any


class LateModule(ModuleType):
    """A module that is imported when one of its attributes is read."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):  # attributes that an import reads
            raise AttributeError(name)
        if sys.modules.get(self.__name__) is self:
            del sys.modules[self.__name__]
        return getattr(importlib.import_module(self.__name__), name)


class LateFunction:
    """A function of a `LateModule`, read by its name when it is called."""

    def __init__(self, module: LateModule, name: str):
        self.module = module
        self.name = name

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return getattr(importlib.import_module(self.module.__name__), self.name)(*args, **kwargs)


@contextlib.contextmanager
def late_import(name: str, *functions: str) -> Iterator[None]:
    """Inside, an import of a module and of the packages above it gives a `LateModule`, unless they
    are imported already. Afterwards an import gives the module itself again.

    Args:
        name: the module, such as "package.module".
        functions: those that are imported from it by their names.
    """
    parts = name.split(".")
    names = [".".join(parts[: count + 1]) for count in range(len(parts))]
    late = {each: LateModule(each) for each in names if each not in sys.modules}
    for each, module in late.items():
        parent, _, child = each.rpartition(".")
        if parent in late:
            setattr(late[parent], child, module)
    if name in late:
        for function in functions:
            setattr(late[name], function, LateFunction(late[name], function))
    sys.modules.update(late)
    try:
        yield
    finally:
        for each, module in late.items():
            if sys.modules.get(each) is module:
                del sys.modules[each]
