"""Fetch the images that a list of links names; needs the extra ``data``.

:func:`read_links` reads a list, :func:`links_of` the rows of any table; :func:`download`
fetches the links into a folder and returns the outcome of each.
"""

from evoca.data.download.addresses import AddressPolicy
from evoca.data.download.job import DownloadSettings, download, repeated
from evoca.data.download.links import Link, LinkList, links_of, read_links
from evoca.data.download.outcomes import Outcome, Reason, Status
from evoca.data.download.schedule import Backoff

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
    "links_of",
    "read_links",
    "repeated",
]
