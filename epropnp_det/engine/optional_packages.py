"""Packages that only some commands or configs need."""

from __future__ import annotations

import importlib
from types import ModuleType

from epropnp_det.errors import UserError


def optional_package(name: str, message: str) -> ModuleType:
    """The package, or a module of it.

    Args:
        name: such as "package.module".
        message: what needs it, and the command that installs it.

    Raises:
        UserError: it is not installed; has the message.
    """
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise UserError(message) from error
