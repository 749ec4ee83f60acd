"""The base of all data that are read from files: an unknown key is an error."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict

__all__ = ["Strict"]


class Strict(BaseModel):
    """Data that never change, in which an unknown key is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True)
