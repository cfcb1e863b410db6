"""Which internet addresses are anybody's, and which lie inside: ours, our neighbours', or the machine's."""

from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address, ip_network

IpAddress = IPv4Address | IPv6Address

_RELAYS = ip_network("192.88.99.0/24")  # 6to4 relays (RFC 7526)
# Addresses that carry another: IPv4-compatible and -mapped, NAT64 and its local prefix, Teredo, ORCHID,
# 6to4, and site-local ones (RFC 4291, 6052, 8215, 4380, 4843, 3056, 3879).
_CARRIERS = tuple(
    IPv6Network(text)
    for text in (
        "::/96",
        "::ffff:0:0/96",
        "::ffff:0:0:0/96",
        "64:ff9b::/96",
        "64:ff9b:1::/48",
        "2001::/23",
        "2002::/16",
        "fec0::/10",
    )
)


def is_public(address: IpAddress) -> bool:
    """Whether the address is one that anybody may be at: no private, loopback, link-local, shared, multicast,
    reserved or unspecified one, and none that carries an IPv4 address in disguise."""
    if not address.is_global or address.is_multicast or address.is_reserved or address.is_unspecified:
        return False
    if isinstance(address, IPv4Address):
        return address not in _RELAYS
    return address.scope_id is None and not any(address in network for network in _CARRIERS)


def literal(host: str) -> IpAddress | None:
    """The address that a host is written as; None for a name."""
    try:
        return ip_address(host.removeprefix("[").removesuffix("]"))
    except ValueError:
        return None
