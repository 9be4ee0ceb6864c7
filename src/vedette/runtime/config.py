"""Settings from a TOML file and the environment; an unknown key is an error that names it."""

import os
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from vedette.runtime.errors import ConfigError

T = TypeVar("T", bound=msgspec.Struct)


def load(kind: type[T], path: Path | None, *, prefix: str = "VEDETTE_", environ: Mapping[str, str] | None = None) -> T:
    """Read `kind` from `path` (absent file = defaults); `PREFIX_NAME` in the environment wins over the file.

    Raises ConfigError naming the file or variable, the key and what was expected.
    """
    values: dict[str, Any] = {}
    if path is not None and path.exists():
        try:
            values = tomllib.loads(path.read_text(encoding="utf-8"))
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise ConfigError(f"{path}: not readable as TOML: {error}") from error
    known = set(kind.__struct_fields__)
    for key in values:
        if key not in known:
            raise ConfigError(f"{path}: unknown setting {key!r}; known are: {', '.join(sorted(known))}")
    for key in known:
        name = prefix + key.upper()
        text = (os.environ if environ is None else environ).get(name)
        if text is not None:
            values[key] = text
    try:
        return msgspec.convert(values, kind, strict=False)
    except msgspec.ValidationError as error:
        raise ConfigError(f"{path or 'environment'}: {error}") from error
