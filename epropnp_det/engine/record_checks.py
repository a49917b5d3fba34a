"""Checks of records from files against a form: which keys they have, of which type and range."""

from __future__ import annotations

import math
import reprlib
from collections.abc import Iterator, Mapping
from typing import Annotated, Any

from pydantic import AfterValidator, Field, Strict, TypeAdapter, ValidationError

from epropnp_det.errors import UserError

from .file_checks import Fault
from .intrinsics.value import camera_matrix
from .outside_files import MAX_DEPTH, is_nested_deeply

_UNIT_NORM = 1e-3
_MAX_NAME = 200  # characters of a file name or a token in a message
_RANGE_ERRORS = ("greater_than", "greater_than_equal", "less_than", "less_than_equal")
_REPR = reprlib.Repr()
_REPR.maxlist = 8
_REPR.maxstring = 60
_REPR.maxlong = 40
_REPR.maxother = 60


def _printable(text: str) -> str:
    if not text.isprintable():
        raise ValueError("unprintable")
    return text


def _unit(quaternion: tuple[float, ...]) -> tuple[float, ...]:
    if abs(math.hypot(*quaternion) - 1) >= _UNIT_NORM:
        raise ValueError("not a unit quaternion")
    return quaternion


def _camera(numbers: tuple) -> tuple:
    camera_matrix(numbers)
    return numbers


# Types of values. JSON's true and false are no numbers, and texts with digits are none either.
Number = Annotated[float, Strict(), Field(allow_inf_nan=False)]
Count = Annotated[int, Strict(), Field(ge=0)]
Flag = Annotated[bool, Strict()]
Text = Annotated[str, AfterValidator(_printable)]
Id = Annotated[int, Strict(), Field(ge=-(2**63), lt=2**63)] | Text
# Metres or pixels: larger ones are mistakes, and products of them would not be finite.
Coordinate = Annotated[Number, Field(ge=-1e8, le=1e8)]
Triple = tuple[Coordinate, Coordinate, Coordinate]
Quaternion = Annotated[tuple[Number, Number, Number, Number], AfterValidator(_unit)]
IS_CAMERA = AfterValidator(_camera)  # of 9 numbers, or of 3 rows


def described(text: str) -> Any:
    """The rule of a key, in the message about a value that breaks it and in the JSON schema."""
    return Field(description=text)


class RecordForm:
    """The form of the records of a list.

    Args:
        name: the list, for messages.
        form: a `TypedDict` with pydantic's types; the `described` rule of each key is its message.
    """

    def __init__(self, name: str, form: Any):
        self.name = name
        self._adapter: TypeAdapter = TypeAdapter(form)
        self._keys = self._adapter.json_schema()["properties"]

    def is_sound(self, record: Any) -> bool:
        """Whether a record has the right keys, types and ranges; other keys are not nested
        deeply."""
        return self._adapter.validator.isinstance_python(record) and not self._deep_keys(record)

    def _deep_keys(self, record: Mapping[str, Any]) -> list[str]:
        return [
            key
            for key in record.keys() - self._keys.keys()
            if isinstance(record[key], (list, tuple, dict)) and is_nested_deeply(record[key])
        ]

    def faults(self, record: Any, where: str) -> Iterator[Fault]:
        """One mistake for each key that is missing or breaks its rule."""
        if self.is_sound(record):
            return
        rules: dict[tuple[str, str | None], None] = {}
        try:
            self._adapter.validate_python(record)
        except ValidationError as error:
            rules = dict.fromkeys(self._rule(each) for each in error.errors(include_url=False))
        if isinstance(record, dict):
            rule = f"the values of {self.name} are at most {MAX_DEPTH} deep in each other"
            rules |= {(rule, key): None for key in self._deep_keys(record)}
        for rule, key in rules:
            if key is None:
                yield Fault(rule, where, shown(record))
            else:
                yield Fault(rule, where, shown(record[key]) if key in record else "missing")

    def require(self, record: Any, where: str, remedy: str) -> None:
        """Raises `UserError` with the first mistake of a record, if it has one."""
        for fault in self.faults(record, where):
            raise UserError(f"{where}: {fault.rule}: {fault.found}; {remedy}")

    def _rule(self, error: Mapping[str, Any]) -> tuple[str, str | None]:
        """The rule that an error of pydantic is about, and its key."""
        place = error["loc"]
        if not place:
            return f"each entry of {self.name} is an object", None
        if error["type"] == "missing" and len(place) == 1:
            return f"{self.name} have the key '{place[0]}'", place[0]
        schema = self._keys[place[0]]
        rule = schema["description"]
        if error["type"] in _RANGE_ERRORS and len(place) == 2 and "prefixItems" in schema:
            rule = schema["prefixItems"][place[1]].get("description", rule)
        return rule, place[0]


def shown(value: Any) -> str:
    """A value in a message: one line, not long."""
    return _REPR.repr(value)


def is_shown_whole(name: Any) -> bool:
    """Whether a value from a file can name its record in a message: a printable text, not long."""
    return isinstance(name, str) and name.isprintable() and len(name) <= _MAX_NAME


def shown_name(name: str) -> str:
    """The beginning of a file name or a token, for a message."""
    return name[:_MAX_NAME]
