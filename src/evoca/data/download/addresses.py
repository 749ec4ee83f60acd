"""Which network addresses a link may lead to.

A link list is untrusted: a name in it can resolve, or redirect, to a machine that only
the reader's own network can reach (server-side request forgery). So the check is of
the numeric address a connection is made to, never of the name.
"""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import (
    IPv4Address,
    IPv4Network,
    IPv6Address,
    IPv6Network,
    ip_address,
    ip_network,
)
from typing import TYPE_CHECKING

from evoca.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["AddressPolicy"]

# Ours, since the tables of the standard library differ between versions of Python. From the
# registries of special-purpose addresses, of multicast and of unicast that IANA keeps
# (RFC 6890 and what updates it; read in November 2026).
_SPECIAL_4 = {
    "0.0.0.0/8": "an unspecified",
    "10.0.0.0/8": "a private",
    "100.64.0.0/10": "a shared (carrier's)",
    "127.0.0.0/8": "a loopback",
    "169.254.0.0/16": "a link-local",
    "172.16.0.0/12": "a private",
    "192.0.0.0/24": "a protocol's",
    "192.0.2.0/24": "a documentation",
    "192.88.99.0/24": "a relay's (6to4)",
    "192.168.0.0/16": "a private",
    "198.18.0.0/15": "a benchmarking",
    "198.51.100.0/24": "a documentation",
    "203.0.113.0/24": "a documentation",
    "224.0.0.0/4": "a multicast",
    "240.0.0.0/4": "a reserved",
}
_SPECIAL_6 = {
    "::/128": "an unspecified",
    "::1/128": "a loopback",
    "64:ff9b:1::/48": "a private (translation)",
    "100::/64": "a discarded",
    "2001::/23": "a protocol's",
    "2001:db8::/32": "a documentation",
    "3fff::/20": "a documentation",
    "fc00::/7": "a private",
    "fe80::/10": "a link-local",
    "fec0::/10": "a private (site-local)",
    "ff00::/8": "a multicast",
}
_NETWORKS: tuple[tuple[IPv4Network | IPv6Network, str], ...] = tuple(
    (ip_network(network), kind) for network, kind in (_SPECIAL_4 | _SPECIAL_6).items()
)
# All that is given out to be reached: what lies outside is reserved (RFC 4291, 2.4).
_GLOBAL_6 = IPv6Network("2000::/3")
_MAPPED = IPv6Network("::ffff:0:0/96")
# RFC 6052: on a network without IPv4, a resolver puts IPv4 addresses behind this prefix.
_NAT64 = IPv6Network("64:ff9b::/96")
_6TO4 = IPv6Network("2002::/16")


@dataclass(frozen=True)
class AddressPolicy:
    """Public addresses, and the networks that are allowed by name.

    Attributes:
        allowed: networks that may be reached although they are not public.
    """

    allowed: tuple[IPv4Network | IPv6Network, ...] = ()

    @classmethod
    def of(cls, networks: Iterable[str]) -> AddressPolicy:
        """Return a policy that allows networks besides the public ones.

        Args:
            networks: such as ``127.0.0.0/8``, ``10.1.2.3`` or ``fd00::/8``.

        Raises:
            DataError: one of them is no network.
        """
        allowed = []
        for network in networks:
            try:
                allowed.append(ip_network(network))
            except ValueError as error:
                raise DataError(
                    f"{network!r} is no network: give one such as 10.0.0.0/8 or 127.0.0.1"
                ) from error
        return cls(tuple(allowed))

    def refusal(self, address: str) -> str | None:
        """Return why an address may not be connected to; ``None`` where it may.

        IPv4 addresses inside IPv6 ones (mapped, 6to4, NAT64) are checked as IPv4.

        Args:
            address: a numeric IPv4 or IPv6 address.

        >>> AddressPolicy().refusal("93.184.215.14")
        >>> AddressPolicy().refusal("::ffff:127.0.0.1")
        '127.0.0.1 is a loopback address'
        >>> AddressPolicy.of(["127.0.0.1"]).refusal("::ffff:127.0.0.1")
        """
        for real in _behind(ip_address(address)):
            if any(real in network for network in self.allowed):
                continue
            kind = next((kind for network, kind in _NETWORKS if real in network), None)
            if kind is None and isinstance(real, IPv6Address) and real not in _GLOBAL_6:
                kind = "a reserved"
            if kind is not None:
                return f"{real} is {kind} address"
        return None


def _behind(address: IPv4Address | IPv6Address) -> tuple[IPv4Address | IPv6Address, ...]:
    """Return the addresses that traffic to one address ends up at."""
    if isinstance(address, IPv4Address):
        return (address,)
    address = IPv6Address(int(address))  # without the name of an interface
    if address in _MAPPED or address in _NAT64:
        return (IPv4Address(int(address) & 0xFFFF_FFFF),)
    if address in _6TO4:
        return (address, IPv4Address(int(address) >> 80 & 0xFFFF_FFFF))
    return (address,)
