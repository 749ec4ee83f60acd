from __future__ import annotations

import pytest

from evoca.data.download.addresses import AddressPolicy
from evoca.errors import DataError

PUBLIC = [
    *("8.8.8.8", "93.184.215.14", "2606:4700::1111", "::ffff:8.8.8.8", "64:ff9b::808:808"),
    # The neighbours of what is special.
    *("9.255.255.255", "11.0.0.0", "100.63.255.255", "100.128.0.0", "126.255.255.255"),
    *("169.253.255.255", "172.15.255.255", "172.32.0.0", "192.0.1.0", "192.0.3.0"),
    *("192.167.255.255", "192.169.0.0", "198.17.255.255", "198.20.0.0", "223.255.255.255"),
    *("2001:200::1", "2001:db9::1", "2003::1", "2000::1", "2620:4f:8000::1"),
]
REFUSED = {
    "127.0.0.1": "loopback",
    "127.255.255.254": "loopback",
    "::1": "loopback",
    "0.0.0.0": "unspecified",
    "::": "unspecified",
    "10.0.0.1": "private",
    "172.16.0.1": "private",
    "172.31.255.255": "private",
    "192.168.1.1": "private",
    "fc00::1": "private",
    "fec0::1": "private",
    "169.254.169.254": "link-local",
    "fe80::1": "link-local",
    "fe80::1%1": "link-local",
    "224.0.0.1": "multicast",
    "ff02::1": "multicast",
    "240.0.0.1": "reserved",
    "255.255.255.255": "reserved",
    "100.64.0.1": "shared",
    "198.18.0.1": "benchmarking",
    "192.0.2.1": "documentation",
    "2001:db8::1": "documentation",
    "::ffff:127.0.0.1": "loopback",
    "::ffff:169.254.169.254": "link-local",
    "64:ff9b::7f00:1": "loopback",
    "64:ff9b::a00:1": "private",
    "64:ff9b:1::1": "translation",
    "2002:7f00:1::": "loopback",
    "2002:c0a8:101::1": "private",
    "2001:0:4136:e378:8000:63bf:3fff:fdd2": "protocol",
    "::7f00:1": "reserved",
    "5f00::1": "reserved",
    # What the tables of one Python or another let through.
    "192.0.0.8": "protocol",
    "192.0.0.9": "protocol",
    "192.0.0.255": "protocol",
    "192.88.99.1": "relay",
    "198.51.100.1": "documentation",
    "203.0.113.255": "documentation",
    "100.127.255.255": "shared",
    "239.255.255.255": "multicast",
    "100::1": "discarded",
    "100:0:0:1::1": "reserved",
    "2001:1::1": "protocol",
    "2001:1ff:ffff::1": "protocol",
    "3fff:fff::1": "documentation",
    "4000::1": "reserved",
    "feff:ffff::1": "site-local",
    "64:ff9b::c000:9": "protocol",
}


@pytest.mark.parametrize("address", PUBLIC)
def test_public_addresses_pass(address):
    assert AddressPolicy().refusal(address) is None


@pytest.mark.parametrize("address", REFUSED)
def test_others_do_not(address):
    refusal = AddressPolicy().refusal(address)
    assert refusal is not None
    assert REFUSED[address] in refusal


@pytest.mark.parametrize(
    ("networks", "address", "passes"),
    [
        (["127.0.0.0/8"], "127.0.0.1", True),
        (["127.0.0.0/8"], "::ffff:127.0.0.1", True),
        (["127.0.0.0/8"], "64:ff9b::7f00:1", True),
        (["127.0.0.0/8"], "10.0.0.1", False),
        (["127.0.0.1"], "127.0.0.2", False),
        (["::1", "10.0.0.0/8"], "::1", True),
        (["10.0.0.0/8"], "2002:a00:1::1", True),
        (["2002::/16"], "2002:a00:1::1", False),
    ],
)
def test_networks_can_be_allowed(networks, address, passes):
    assert (AddressPolicy.of(networks).refusal(address) is None) == passes


@pytest.mark.parametrize("network", ["localhost", "10.0.0.1/8", "10.0.0.0/33", ""])
def test_what_is_no_network_is_said(network):
    with pytest.raises(DataError, match="is no network"):
        AddressPolicy.of([network])
