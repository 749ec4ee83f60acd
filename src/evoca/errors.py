"""Every error Evoca raises on purpose: one line that says what, where and what to do."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

__all__ = [
    "BundleError",
    "DataError",
    "EngineError",
    "EvocaError",
    "ImageError",
    "MissingExtraError",
    "OptionError",
    "did_you_mean",
    "first_line",
    "install_hint",
    "listed",
    "needs_extra",
    "single_line",
    "typed_options",
    "visible_json",
]

# Joiners are part of words in some scripts, and of emoji.
_JOINERS = "\u200c\u200d"
# Where a module's name is not what one installs.
_DISTRIBUTIONS = {
    "cv2": "opencv-python-headless",
    "open_clip": "open-clip-torch",
    "sklearn": "scikit-learn",
    "yaml": "pyyaml",
}


def single_line(text: str) -> str:
    r"""Return a text in which what breaks the line or steers the terminal is escaped.

    These are control characters, line separators, marks that change the direction of
    writing, and what no character stands for.

    >>> print(single_line("a\nb\x1b[31m.jpg"))
    a\nb\x1b[31m.jpg
    """
    if text.isprintable():
        return text
    return "".join(c if _is_safe(c) else c.encode("unicode_escape").decode() for c in text)


def first_line(error: BaseException, limit: int = 200) -> str:
    r"""Return the first line of what another library's error says, cut off and safe to print.

    Args:
        error: of any kind; its class is named where it says nothing.
        limit: of the characters.

    >>> first_line(ValueError("no such model\nsee the log"))
    'no such model'
    >>> first_line(KeyError())
    'KeyError'
    """
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return single_line(lines[0][:limit])


def did_you_mean(name: str, known: Iterable[str], limit: int = 3) -> str:
    """Return what to append to a message about an unknown name: the nearest, or a few of all.

    Args:
        name: that is not known.
        known: all names that are.
        limit: how many are named where none is near.

    >>> did_you_mean("defualt", ["default", "linear-probe"])
    '; did you mean default?'
    >>> did_you_mean("x", ["one", "two", "three", "four", "five"])
    '; known are one, two, three and 2 more'
    """
    from difflib import get_close_matches

    names = list(known)
    lower = {one.lower(): one for one in reversed(names)}
    # An exact match in another case is nearer than what differs by a letter.
    exact = lower.get(name.lower())
    near = [exact] if exact else get_close_matches(name, names, n=limit, cutoff=0.6)
    if not near:
        found = get_close_matches(name.lower(), list(lower), n=limit, cutoff=0.6)
        near = [lower[one] for one in found]
    if near:
        return f"; did you mean {listed(near, 'or')}?"
    if len(names) <= limit + 1:
        return f"; known are {listed(names, 'and')}" if names else ""
    return f"; known are {', '.join(names[:limit])} and {len(names) - limit} more"


def listed(names: Sequence[str], last: str) -> str:
    """Return names in a row, the last joined by a word.

    >>> listed(["awe", "fear", "anger"], "or"), listed(["awe"], "or")
    ('awe, fear or anger', 'awe')
    """
    *first, end = names
    return f"{', '.join(first)} {last} {end}" if first else end


def visible_json(text: str) -> str:
    r"""Return JSON in which what steers a terminal is escaped; it reads back as the same text.

    JSON itself escapes control characters below a space alone.

    >>> print(visible_json('{"path": "a\x9b31m.jpg"}'))
    {"path": "a\u009b31m.jpg"}
    """
    if text.isascii() and "\x7f" not in text:
        return text
    return "".join(c if c == "\n" or _is_safe(c) else _json_escape(c) for c in text)


def _json_escape(character: str) -> str:
    units = character.encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{units[i]:02x}{units[i + 1]:02x}" for i in range(0, len(units), 2))


def _is_safe(character: str) -> bool:
    # Python calls all spaces but one unprintable.
    space = unicodedata.category(character) == "Zs"
    return character.isprintable() or space or character in _JOINERS


class EvocaError(Exception):
    """Base of all errors that Evoca raises on purpose."""


class ImageError(EvocaError, ValueError):
    """An input that cannot be read as an image.

    Attributes:
        cause: what is wrong, without the input's name.
        source: the printable name of the input; empty where it has none. It may hold
            control characters, as file names may; the message shows them escaped.
    """

    def __init__(self, cause: str, source: str = "") -> None:
        super().__init__(cause, source)
        self.cause = cause
        self.source = source

    def __str__(self) -> str:
        return single_line(f"{self.source}: {self.cause}" if self.source else self.cause)


class BundleError(EvocaError, ValueError):
    """A model bundle that is missing, damaged, too new, or untrue about itself."""


class EngineError(EvocaError, ValueError):
    """An engine, or a precision of it, that is unknown or does not run here."""


class DataError(EvocaError, ValueError):
    """Labelled images that cannot be used as they are."""


class OptionError(EvocaError):
    """An option whose value cannot be meant, named as it is in Python or on the command line.

    >>> error = OptionError({"leave_out": "fi"}, "no source is called so")
    >>> print(error)
    leave_out fi: no source is called so
    >>> error.typed
    '--leave-out fi: no source is called so'

    Attributes:
        given: name of each option to its value; the name alone is shown where that is empty.
        cause: what is wrong.
    """

    def __init__(self, given: Mapping[str, object], cause: str) -> None:
        super().__init__(dict(given), cause)
        self.given, self.cause = dict(given), cause

    def __str__(self) -> str:
        return f"{_listed_options(self.given)}: {self.cause}"

    @property
    def typed(self) -> str:
        """The message for those who typed the options."""
        return f"{typed_options(self.given)}: {self.cause}"


_TYPED = {"settings": "set"}  # where the command line has another name


def typed_options(given: Mapping[str, object]) -> str:
    """Return options as they are typed.

    >>> typed_options({"devices": 2, "settings": "protocol.folds=2"})
    '--devices 2, --set protocol.folds=2'
    """
    return _listed_options(
        {f"--{_TYPED.get(name, name).replace('_', '-')}": value for name, value in given.items()}
    )


def _listed_options(given: Mapping[str, object]) -> str:
    return ", ".join(single_line(f"{name} {value}".rstrip()) for name, value in given.items())


class MissingExtraError(EvocaError, ImportError):
    """A part of Evoca that needs an extra which is not installed.

    Attributes:
        cause: what needs which package and extra, without how to install it here: for
            pages that go to other people.
    """

    def __init__(self, what: str, extra: str, missing: str) -> None:
        self.cause = f"{what} needs the package {missing} of the extra {extra}"
        super().__init__(
            f"{what} needs the package {missing}: install it with {install_hint(extra)}"
        )


@contextmanager
def needs_extra(extra: str, what: str = "this command") -> Iterator[None]:
    """Turn a missing package into one line that says what to install.

    Args:
        extra: the extra that brings what is imported inside.
        what: who needs it.

    Raises:
        MissingExtraError: a package of others is not there.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        module = (error.name or str(error)).partition(".")[0]
        if module == "evoca":
            raise
        raise MissingExtraError(what, extra, _DISTRIBUTIONS.get(module, module)) from error


def install_hint(extra: str = "", *, options: str = "") -> str:
    """Return what to type to install Evoca again as it was installed, with an extra.

    Installers note in ``direct_url.json`` (PEP 610) where a package came from that was not
    taken from an index: a folder, a file or a repository.

    Args:
        extra: name of an extra; none if empty.
        options: of ``pip install``, such as ``--upgrade``.
    """
    from pathlib import Path  # only here: what imports these must start quickly
    from urllib.parse import urlsplit
    from urllib.request import url2pathname

    command = f"pip install {options}".rstrip()
    name = f"evoca[{extra}]" if extra else "evoca"
    origin = _origin()
    if origin is None:  # from an index
        return f"{command} {_quoted(name)}"
    url = str(origin.get("url", ""))
    if "archive_info" in origin:
        return single_line(f"{command} {_quoted(f'{name} @ {url}')}")
    if isinstance(vcs := origin.get("vcs_info"), dict):
        source = f"{name} @ {vcs.get('vcs')}+{url}"
        return single_line(f"{command} {_quoted(source)}")
    folder = Path(url2pathname(urlsplit(url).path))
    there = bool(url) and (folder / "pyproject.toml").is_file()
    place = f"in {folder}" if there else "in the clone of Evoca"
    return single_line(f"{command} {_quoted(f'.[{extra}]' if extra else '.')} {place}")


def _origin() -> dict[str, Any] | None:
    """Return where Evoca came from; ``None``: an index, ``{}``: nobody installed it."""
    import json
    from importlib.metadata import PackageNotFoundError, distribution

    try:
        noted = distribution("evoca").read_text("direct_url.json")
        found = None if noted is None else json.loads(noted)
    except (PackageNotFoundError, ValueError):
        return {}
    return found if isinstance(found, dict) else None


def _quoted(requirement: str) -> str:
    """Return a requirement, quoted for a shell where it has brackets or spaces."""
    return f"'{requirement}'" if set(requirement) & set("[ ") else requirement
