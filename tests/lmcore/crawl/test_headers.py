"""The quick ways to read headers against the careful one."""

import random
import re

import pytest
from fastwarc.warc import HeaderMap

from lmcore.crawl.headers import (
    parse_headers,
    parse_lines,
    parse_plain_headers,
    parse_warc_headers,
    split_headers,
)

NAMES = ["Content-Type", "content-type", "Content-Encoding", "Transfer-Encoding", "X-A", "X-B ", ""]
VALUES = ["", " ", "gzip", "a: b", "text/html; charset=x", "\xe9t\xe9", "  two  ", ":", "chunked"]
ENDS = ["\r\n"] * 12 + ["\n", "\r\n ", "\r\n\t", "\r", "\r\n\r"]


def blocks(n_blocks: int) -> list[bytes]:
    """Blocks of headers, most of them plain, the others odd in each way there is."""
    rng = random.Random(7)
    made = []
    for _ in range(n_blocks):
        lines = [rng.choice(["HTTP/1.1 200 OK", "WARC/1.0"])]
        for _ in range(rng.randrange(6)):
            colon = rng.choice([": "] * 8 + [":", " : ", ""])
            lines.append(rng.choice(NAMES) + colon + rng.choice(VALUES))
        made.append("".join(line + rng.choice(ENDS) for line in lines[:-1]) + lines[-1])
    return [text.encode("latin-1") for text in made]


def test_parse_plain_headers_agrees_with_the_careful_parser_wherever_it_answers():
    n_answered = 0
    for block in blocks(4000):
        plain = parse_plain_headers(block)
        if plain is not None:
            n_answered += 1
            assert plain == parse_headers(block), block
    assert n_answered > 1000


def test_parse_plain_headers_agrees_with_line_by_line_wherever_that_answers():
    n_answered = 0
    for block in blocks(4000):
        lines = parse_lines(block)
        if lines is not None:
            n_answered += 1
            plain = parse_plain_headers(block)
            assert plain is not None
            assert list(plain.items()) == list(lines.items()), block
    assert n_answered > 1000


def test_parse_plain_headers_nul_is_no_mark():
    block = b"HTTP/1.1 200 OK\r\nA: b: \0C: d"
    assert parse_plain_headers(block) == parse_headers(block) == {b"a": b"b: \0C: d"}
    block = b"HTTP/1.1 200 OK\r\nA: b: \0C: d\r\nE"
    assert parse_plain_headers(block) is None


COLUMNS = [
    *(b"content-length", b"warc-type", b"warc-record-id", b"warc-target-uri", b"warc-date"),
    *(b"content-type", b"warc-payload-digest"),
]


def test_parse_warc_headers_agrees_with_the_careful_parser_wherever_it_answers():
    n_answered = 0
    for made in blocks(4000):
        block = made.replace(b"X-A", b"WARC-Date").replace(b"content-type", b"WARC-Type")
        if not block.isascii():
            continue
        warc = parse_warc_headers(block.decode())
        if warc is not None:
            n_answered += 1
            expected = parse_headers(block)
            assert expected is not None
            assert warc[0] == re.split("\r?\n", block.decode())[0]
            assert [value.strip().encode() for value in warc[1:]] == [
                expected.get(name, b"") for name in COLUMNS
            ], block
    assert n_answered > 300


@pytest.mark.parametrize(
    "lines",
    [
        ["WARC-Type", "WARC-Date"],  # a name without colon, and another
        ["WARC-Type: a: WARC-Date", "b"],  # as many colons as lines, not one a line
        ["WARC-Type: a: \0WARC-Date: b"],
        ["WARC-Type: a", "WARC-Type: b"],
        ["WARC-Type: a", " b: c"],
        ["WARC-Type:a"],
        ["WARC-Unheard: a"],
    ],
)
def test_parse_warc_headers_leaves_anything_odd_to_others(lines):
    assert parse_warc_headers("\r\n".join(["WARC/1.0", *lines])) is None


@pytest.mark.parametrize("lines", [["A", "B"], ["A: b", "d"], ["A: b", " c: d"], [": b"]])
def test_parse_plain_headers_leaves_anything_odd_to_others(lines):
    assert parse_plain_headers("\r\n".join(["HTTP/1.1 200 OK", *lines]).encode()) is None


def test_parse_plain_headers_value_with_a_colon_and_a_blank_is_whole():
    block = b'HTTP/1.1 200 OK\r\nNEL: {"report_to": "a"}\r\nX:y'
    assert parse_plain_headers(block) == {b"nel": b'{"report_to": "a"}', b"x": b"y"}


@pytest.mark.parametrize("end", [b"", b"\r\n", b"\n"])
def test_split_headers_without_blank_line_agrees_with_the_careful_parser(end):
    data = b"GET / HTTP/1.1\r\nHost: a\r\nAccept: */*" + end
    assert split_headers(data, max_bytes=1000) == ({b"host": b"a", b"accept": b"*/*"}, len(data))


def test_parse_headers_plain_block_has_the_fields_of_fastwarc():
    block = b"HTTP/1.1 200 OK\r\nServer: x\r\nVary: Accept"
    theirs = HeaderMap()
    theirs.append("Server", "x")
    theirs.append("Vary", "Accept")
    assert parse_headers(block) == {k.lower(): v for k, v in theirs.items_bytes()}


@pytest.mark.parametrize("end", [b"\r\n", b"\n"])
def test_split_headers_body_begins_after_the_blank_line(end):
    data = end.join([b"GET / HTTP/1.1", b"Host: a", b"host: b", b"", b"body: \r\n\r\nx"])
    fields, begin = split_headers(data, max_bytes=1000)
    assert fields == {b"host": b"a"}
    assert data[begin:] == b"body: \r\n\r\nx"


def test_split_headers_two_encodings_add_up():
    data = b"HTTP/1.1 200 OK\r\nContent-Encoding: br\r\nContent-Encoding: gzip\r\n\r\n"
    assert split_headers(data, max_bytes=1000)[0] == {b"content-encoding": b"br,gzip"}


def test_split_headers_without_blank_line_is_all_headers():
    assert split_headers(b"HTTP/1.1 200 OK\r\nA: b", max_bytes=1000) == ({b"a": b"b"}, 21)
