"""The settings of the clients that the workers create."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Callable, Optional, Union

from ..client import Client
from ..config import Config

ConfigSource = Union[Mapping[str, Any], Callable[[], Config]]


@dataclass(frozen=True)
class Settings:
    """The arguments of Config, or a function that returns a Config. A Config cannot be sent to another process.

    The repr has no key, because Dask logs the repr of the arguments of a failed task.
    """

    source: Optional[ConfigSource] = field(repr=False)

    def client(self) -> Client:
        """Creates a client in this process."""
        return Client(self._config())

    def limits(self) -> tuple[int, int]:
        """Returns the concurrency and the memory limit, as far as the arguments state them."""
        stated = self.source if isinstance(self.source, Mapping) else {}
        return stated.get("concurrency") or 8, stated.get("memory_limit") or 256 << 20

    def _config(self) -> Config:
        if self.source is None:
            return Config()
        return Config(**self.source) if isinstance(self.source, Mapping) else self.source()
