"""The settings of an engine that spreads work over many processes, and of profiles."""

import re
from pathlib import Path
from typing import Final

from pydantic import Field, field_validator
from pydantic_settings import BaseSettings

LOCAL_ENGINE: Final = "dask://local"
PROFILE_NAME: Final = re.compile(r"[A-Za-z0-9_-]{1,64}")
_ENGINE: Final = re.compile(r"(dask|tls)://[A-Za-z0-9._\[\]:-]+:[0-9]{1,5}")


class EngineSettings(BaseSettings):
    """Where work is done, and for whom."""

    profile: str | None = Field(None, description="the profile of the settings file that was chosen")
    engine: str | None = Field(
        None,
        description="dask://HOST:PORT or tls://HOST:PORT of a scheduler, or dask://local; none: this process",
    )
    engine_ca_file: Path | None = Field(None, description="certificate authority of a tls:// engine")
    engine_cert_file: Path | None = Field(None, description="our certificate for a tls:// engine")
    engine_key_file: Path | None = Field(None, description="the key of that certificate")

    @field_validator("profile")
    @classmethod
    def _named_plainly(cls, profile: str | None) -> str | None:
        if profile is not None and PROFILE_NAME.fullmatch(profile) is None:
            raise ValueError(f"{profile!r} is no name of a profile; it has letters, digits, - and _")
        return profile

    @field_validator("engine")
    @classmethod
    def _known_engine(cls, engine: str | None) -> str | None:
        if engine is not None and engine != LOCAL_ENGINE and _ENGINE.fullmatch(engine) is None:
            raise ValueError(
                f"{engine!r} is no engine; write it like dask://scheduler:8786, or {LOCAL_ENGINE}"
            )
        return engine
