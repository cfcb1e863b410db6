import pytest

from soutu.adapters.fetch.hosts import AllowedHosts
from soutu.domain.errors import Reason, SoutuError

HOSTS = AllowedHosts(["example.com", "*.pictures.org", "other.net:8443", "[::1]:9000", "127.0.0.1:81"])
ALLOWED = [
    "https://example.com/a.jpg",
    "https://EXAMPLE.com",
    "https://example.com:443/a",
    "https://a.pictures.org/x?y=1#z",
    "https://b.a.pictures.org/",
    "https://other.net:8443/",
    "https://[::1]:9000/",
    "https://127.0.0.1:81/",
]
ELSEWHERE = [
    "https://example.org/",
    "https://www.example.com/",
    "https://pictures.org/",
    "https://evilpictures.org/",
    "https://other.net/",
    "https://example.com:8443/",
    "https://example.com./",
    "https://[::1]/",
    "https://127.0.0.1/",
    "http://example.com/",
    "https://example.com.evil.org/",
    "https://2130706433:81/",
    "https://a.pictures.org:22/",
]
INVALID = [
    "",
    "example.com/a.jpg",
    "//example.com/a.jpg",
    "ftp://example.com/a.jpg",
    "file:///etc/passwd",
    "data:image/png;base64,AAAA",
    "https://",
    "https:///a.jpg",
    "https://user@example.com/",
    "https://user:secret@example.com/",
    "https://example.com@evil.org/",
    "https://example.com:0/",
    "https://example.com:99999/",
    "https://example.com:port/",
    "https://exa mple.com/",
    "https://example.com\\@evil.org/",
    "https://example.com/\r\nHost: evil.org",
    "https://example.com/ä",
    "https://[::1/",
    "https://example.com/" + "x" * 2_048,
]


def reason_of(text: str, hosts: AllowedHosts = HOSTS) -> Reason:
    with pytest.raises(SoutuError) as refused:
        hosts.checked(text)
    return refused.value.reason


@pytest.mark.parametrize("text", ALLOWED)
def test_hosts_that_are_listed_are_allowed(text: str) -> None:
    assert HOSTS.checked(text).scheme == "https"


@pytest.mark.parametrize("text", ELSEWHERE)
def test_other_hosts_ports_and_schemes_are_not(text: str) -> None:
    assert reason_of(text) is Reason.URI_NOT_ALLOWED


@pytest.mark.parametrize("text", INVALID)
def test_what_is_no_plain_web_address_is_invalid(text: str) -> None:
    assert reason_of(text) is Reason.URI_INVALID


def test_http_has_its_own_setting_and_port() -> None:
    hosts = AllowedHosts(["example.com"], http=True)
    assert hosts.checked("http://example.com/a").port == 80
    assert reason_of("http://example.com:443/a", hosts) is Reason.URI_NOT_ALLOWED
