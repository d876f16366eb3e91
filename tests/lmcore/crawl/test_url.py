import pytest

from lmcore.crawl.url import canonical, from_bytes, host, is_robots_txt


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("HTTP://Example.COM:80/A?b=C#d", "http://example.com/A?b=C"),
        ("https://example.com.:443", "https://example.com/"),
        ("https://example.com:8443/x/", "https://example.com:8443/x/"),
        ("http://e.com/?utm_source=a&id=7&fbclid=zz", "http://e.com/?id=7"),
        ("http://e.com/a;jsessionid=1A2B?x=1", "http://e.com/a?x=1"),
        ("http://u:p@e.com/", "http://e.com/"),
        ("http://[2001:DB8::1]:80/", "http://[2001:db8::1]/"),
        ("http://[broken/", "http://[broken/"),
        ("http://e.com:port/", "http://e.com:port/"),
        ("dns:e.com", "dns:e.com"),
        ("", ""),
    ],
)
def test_canonical_gives_one_spelling_and_is_idempotent(url, expected):
    assert canonical(url) == expected
    assert canonical(expected) == expected


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://WWW.Example.org.:99/x", "www.example.org"),
        ("http://[broken/", ""),
        ("dns:e.com", ""),
        ("", ""),
    ],
)
def test_host_is_lower_case_or_empty(url, expected):
    assert host(url) == expected


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("http://e.com/robots.txt", True),
        ("http://e.com/Robots.txt?x", True),
        ("http://e.com/a/robots.txt", False),
        ("http://[", False),
    ],
)
def test_is_robots_txt_wants_the_root_of_a_host(url, expected):
    assert is_robots_txt(url) is expected


def test_from_bytes_percent_encodes_what_is_not_utf8():
    assert from_bytes(b" <http://e.com/\xff\xc3\xa9> ") == "http://e.com/%FF\u00e9"
