"""YAML of plain values, as calibration programs and configs write it."""

from __future__ import annotations

import re
from typing import Any

import yaml

from epropnp_det.errors import UserError

MAX_CHARACTERS = 2**20


def parse_yaml(text: str, where: str, remedy: str) -> Any:
    """The content of YAML: plain values alone, no aliases. Matrices of ROS and OpenCV are dicts.

    Args:
        where: names the file in messages.
        remedy: what to do about a file that cannot be read.

    Raises:
        UserError: other YAML, or too much of it.
    """
    if len(text) > MAX_CHARACTERS:
        raise UserError(f"{where} is too large for YAML ({len(text)} characters); {remedy}")
    # OpenCV's first line has a colon where YAML has a blank.
    text = re.sub(r"\A%YAML:1\.0", "%YAML 1.0", text)
    text = re.sub(r"\A(%YAML [^\n]*\n)(?!---)", r"\1---\n", text)
    try:
        return yaml.load(text, _PlainLoader)
    except RecursionError as error:
        raise UserError(f"{where} is nested too deeply; {remedy}") from error
    except (yaml.YAMLError, ValueError, TypeError, OverflowError, LookupError) as error:
        found = " ".join(str(error).split())
        raise UserError(f"{where} is not YAML of plain values ({found}); {remedy}") from error


class _PlainLoader(yaml.SafeLoader):
    """Safe YAML with OpenCV's matrices, and with numbers such as 1e-3."""

    def compose_node(self, parent: Any, index: Any) -> Any:
        """Refuses aliases: a few lines of them become gigabytes."""
        if self.check_event(yaml.AliasEvent):
            raise yaml.YAMLError("it has aliases")
        return super().compose_node(parent, index)


_PlainLoader.add_constructor(
    "tag:yaml.org,2002:opencv-matrix",
    lambda loader, node: loader.construct_mapping(node, deep=True),
)
_PlainLoader.add_implicit_resolver(
    "tag:yaml.org,2002:float", re.compile(r"[-+]?\d+(\.\d*)?[eE][-+]?\d+\Z"), list("-+0123456789")
)
