"""The settings of a piece of work, wherever it is done: secrets do not travel, each place has them itself."""

import logging
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from batch_issuer.addresses import password_of, without_password
from batch_issuer.clock import Clock
from batch_issuer.errors import SettingsError
from batch_issuer.settings import Settings, beats_profile, load_settings, secret_names

log = logging.getLogger(__name__)


class Site:
    """Settings that may be sent to another process: all but the secrets, which that one reads for itself."""

    clock: Clock
    """The time here: elsewhere that machine's own."""

    def __init__(self, settings: Settings, *, clock: Clock | None = None) -> None:
        """Take the settings of this process, which know the file that they were read from."""
        self.clock = clock or Clock()
        self._settings: Settings | None = settings
        self._config = settings.config
        self._ledger = without_password(settings.ledger_url)
        self._shared: Mapping[str, Any] = _shared(settings)

    def settings(self) -> Settings:
        """Return the settings here.

        Raises SettingsError where this place lacks a secret file, or has another ledger.
        """
        if self._settings is None:
            config = self._config if self._config is not None and self._config.is_file() else None
            settings = load_settings(config=config, options=self._shared)
            if without_password(settings.ledger_url) != self._ledger:
                raise SettingsError(
                    [f"the ledger here is {without_password(settings.ledger_url)}, and not {self._ledger}"],
                    names=["ledger"],
                )
            for variable in beats_profile(settings, os.environ):
                log.warning("a variable beats the profile", extra={"reason": variable})
            self._settings = settings
        return self._settings

    def __reduce__(self) -> tuple[Callable[..., "Site"], tuple[object, ...]]:
        """Leave the secrets behind."""
        return _elsewhere, (self._config, self._ledger, self._shared)


def _elsewhere(config: Path | None, ledger: str, shared: Mapping[str, Any]) -> Site:
    """Make a site that has not read its secrets yet: whoever only passes work on has none."""
    site = Site.__new__(Site)
    site.clock = Clock()
    site._settings, site._config, site._ledger, site._shared = None, config, ledger, shared  # noqa: SLF001 - its maker
    return site


def _shared(settings: Settings) -> dict[str, Any]:
    shared = settings.model_dump(mode="json", exclude_none=True, exclude=set(secret_names()))
    shared["profile"] = settings.profile or ""  # none, whatever this place would choose by itself
    shared["output"] = str(settings.output.absolute())
    if not password_of(settings.ledger_url):
        shared["ledger"] = settings.ledger_url
    return shared
