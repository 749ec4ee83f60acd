"""Which network addresses a link may lead to.

A link list is untrusted: a name in it can resolve, or redirect, to a machine that only
the reader's own network can reach (server-side request forgery). So what is judged is the
numeric address a connection is made to, never the name.
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

# RFC 6052: on a network without IPv4, a resolver puts IPv4 addresses behind this prefix.
_NAT64 = IPv6Network("64:ff9b::/96")

_KINDS = (
    ("unspecified", "is_unspecified"),
    ("loopback", "is_loopback"),
    ("link-local", "is_link_local"),
    ("multicast", "is_multicast"),
    ("private", "is_site_local"),
    ("private", "is_private"),
    ("reserved", "is_reserved"),
)


@dataclass(frozen=True)
class AddressPolicy:
    """Public addresses, and the networks that are allowed by name.

    Attributes:
        allowed: networks that may be reached although they are not public.
    """

    allowed: tuple[IPv4Network | IPv6Network, ...] = ()

    @classmethod
    def of(cls, networks: Iterable[str]) -> AddressPolicy:
        """Allow networks besides the public ones.

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
        """Say why an address may not be connected to; ``None`` where it may.

        IPv4 addresses inside IPv6 ones (mapped, 6to4, NAT64) are judged as what they are.

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
            for kind, attribute in _KINDS:
                if getattr(real, attribute, False):
                    return f"{real} is a {kind} address"
            if not real.is_global:
                return f"{real} is not a public address"
        return None


def _behind(address: IPv4Address | IPv6Address) -> tuple[IPv4Address | IPv6Address, ...]:
    """Return the addresses that traffic to one address ends up at."""
    if isinstance(address, IPv4Address):
        return (address,)
    if address.ipv4_mapped is not None:
        return (address.ipv4_mapped,)
    if address in _NAT64:
        return (IPv4Address(int(address) & 0xFFFF_FFFF),)
    if address.sixtofour is not None:
        return (address, address.sixtofour)
    return (address,)
