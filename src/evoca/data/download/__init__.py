"""Fetch the images that a list of links names; needs the extra ``data``.

:func:`read_links` reads a list, :func:`download` fetches it into a folder and says what
became of each link.
"""

from evoca.data.download.addresses import AddressPolicy
from evoca.data.download.job import DownloadSettings, download, repeated
from evoca.data.download.links import Link, LinkList, read_links
from evoca.data.download.outcomes import Outcome, Reason, Status
from evoca.data.download.retry import Backoff

__all__ = [
    "AddressPolicy",
    "Backoff",
    "DownloadSettings",
    "Link",
    "LinkList",
    "Outcome",
    "Reason",
    "Status",
    "download",
    "read_links",
    "repeated",
]
