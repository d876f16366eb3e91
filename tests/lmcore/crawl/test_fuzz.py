"""Files of hostile and damaged records: nothing crashes or hangs, and nothing is lost unseen.

Each file holds 50 records in one packing; some are damaged in one of the ways of `FAULTS`, the
others are intact. Reading must give every intact record back, as it was; where one is missing, a
row with a problem must stand. Pages that are hostile to extractors go through `extract_archive`.
"""

import gzip
import random
import zlib
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass
from io import BytesIO

import brotli
import lz4.frame
import pytest
import zstandard

from lmcore.crawl.config import TIERS, ExtractConfig
from lmcore.crawl.extract import Tally, extract_archive
from lmcore.crawl.http import EncodingError, TooLargeError, decode_body, parse_response
from lmcore.crawl.record import OUTCOMES
from lmcore.crawl.warc import read_records
from lmcore.memory import peak_resident_bytes

N_IN_FILE = 50
CAP = 1 << 20
PAGE_BYTES = 1 << 20
BOMB = zlib.compress(bytes(100_000_000), 1, wbits=31)
GIGABYTE = 1 << 30
PACKERS = {
    "gz": lambda data: gzip.compress(data, 1, mtime=0),
    "plain": bytes,
    "zst": zstandard.ZstdCompressor(level=1).compress,
    "lz4": lz4.frame.compress,
}
URLS = [
    b"http://[::1", b"http://a.example:99999999/", b"javascript:alert(1)", b"http://\xff\xfe/", b"<>",
    b"http://a.example/%" + b"%25" * 500, b"http://a.example/" + b"a" * 9000, b"", b"\x00", b"//",
    b"http://a.example/WARC/1.0", b"http://xn--/", "http://\u202egro.elpmaxe/".encode(),
]  # fmt: skip
HTTP = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n"


@dataclass(slots=True)
class Planted:
    """A record as it stands in a file."""

    record_id: str
    block: bytes
    stored: bytes
    is_intact: bool


def block_of(rng: random.Random) -> bytes:
    """An HTTP response, its body encoded well or badly."""
    body = b"<html><body><p>" + rng.randbytes(rng.randrange(400)).hex().encode() + b"</p>"
    match rng.randrange(7):
        case 0:
            head, body = (
                b"Transfer-Encoding: chunked\r\n",
                b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body),
            )
        case 1:
            head, body = b"Transfer-Encoding: chunked\r\n", b"fffffffff\r\n" + body
        case 2:
            head, body = b"Content-Encoding: br\r\n", brotli.compress(body, quality=1)
        case 3:
            head, body = (
                b"Content-Encoding: br\r\n",
                brotli.compress(body, quality=1)[:-3] + b"\0\1\2",
            )
        case 4:
            head = b"Content-Encoding: gzip, br, deflate, gzip, br\r\n"
        case _:
            head = b"X-A: b\r\n"
    return HTTP + head + b"\r\n" + body


def record_of(
    name: str, block: bytes, length: object = None, url: bytes = b"http://a.example/"
) -> bytes:
    lines = [
        b"WARC/1.0",
        b"WARC-Type: response",
        f"WARC-Record-ID: <{name}>".encode(),
        b"WARC-Target-URI: " + url,
        b"Content-Type: application/http; msgtype=response",
        b"Content-Length: %d" % len(block)
        if length is None
        else f"Content-Length: {length}".encode(),
    ]
    return b"\r\n".join(lines) + b"\r\n\r\n" + block + b"\r\n\r\n"


def flip(data: bytes, rng: random.Random) -> bytes:
    spoilt = bytearray(data)
    for _ in range(rng.randint(1, 4)):
        spoilt[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
    return bytes(spoilt)


def hole(data: bytes, rng: random.Random) -> bytes:
    at = rng.randrange(len(data))
    return data[:at] + bytes(min(200, len(data) - at)) + data[at + 200 :]


def cut(data: bytes, rng: random.Random) -> bytes:
    return data[: rng.randrange(1, len(data))]


def stuff(data: bytes, rng: random.Random) -> bytes:
    at = rng.randrange(len(data))
    return data[:at] + rng.randbytes(rng.randint(1, 300)) + data[at:]


FAULTS = (flip, hole, cut, stuff)
LENGTHS = [0, 1, 17, 10**4, GIGABYTE, 10**15, 10**30, -1, "abc", "", "1e3", "0x10"]


def plant(number: int, packing: str, rng: random.Random) -> Planted:
    """One record: intact, odd but intact, or spoilt."""
    name, block, pack = f"urn:c2m:{number}", block_of(rng), PACKERS[packing]
    kind = rng.random()
    if kind < 0.06:
        stored = pack(record_of(name, block, length=rng.choice(LENGTHS)))
        return Planted(name, block, stored, is_intact=False)
    if kind < 0.18:
        stored = rng.choice(FAULTS)(pack(record_of(name, block)), rng)
        return Planted(name, block, stored, is_intact=False)
    if kind < 0.1805 and packing == "gz":
        return Planted(name, block, BOMB, is_intact=False)
    whole = record_of(name, block)
    if kind < 0.21:
        head, rest = whole.split(b"\r\n\r\n", 1)
        whole = head.replace(b"\r\n", b"\n") + b"\n\n" + rest
    elif kind < 0.25:
        whole = record_of(name, block, url=rng.choice(URLS))
    return Planted(name, block, pack(whole), is_intact=True)


def read_back(data: bytes) -> tuple[set[tuple[str, bytes]], int]:
    """Names and blocks of the records that were read without a problem, and how many had one."""
    found, n_problems = set(), 0
    for raw in read_records(BytesIO(data), max_record_bytes=CAP):
        assert len(raw.block) <= CAP
        if raw.problem:
            n_problems += 1
        else:
            found.add((raw.record_id, bytes(raw.block)))
        response = parse_response(raw.block)
        if response is not None:
            with suppress(EncodingError, TooLargeError):
                assert len(decode_body(response, max_bytes=PAGE_BYTES)) <= PAGE_BYTES
    return found, n_problems


def fuzz(n_records: int) -> Counter[str]:
    """What became of the intact records behind the first damage of their files."""
    found: Counter[str] = Counter()
    for number in range(0, n_records, N_IN_FILE):
        rng = random.Random(number)
        packing = rng.choice(["gz"] * 7 + ["plain", "zst", "lz4"])
        planted = [plant(number + k, packing, rng) for k in range(N_IN_FILE)]
        back, n_problems = read_back(b"".join(each.stored for each in planted))
        first = next((k for k, each in enumerate(planted) if not each.is_intact), N_IN_FILE)
        for each in planted[:first]:
            assert (each.record_id, each.block) in back, f"{each.record_id} before any damage"
        for each in planted[first:]:
            if each.is_intact:
                is_back = (each.record_id, each.block) in back
                found["behind"] += 1
                found["recovered"] += is_back
                found[f"lost in {packing}"] += not is_back
                assert is_back or n_problems, f"{each.record_id} is lost unseen"
    return found


def check(n_records: int) -> None:
    read_back(BOMB)
    before = peak_resident_bytes()
    found = fuzz(n_records)
    assert found["behind"] > n_records // 2
    assert found["recovered"] >= 0.99 * found["behind"], found
    assert peak_resident_bytes() - before < 256 << 20


def test_read_records_of_two_thousand_fuzzed_loses_no_intact_one_unseen():
    check(2_000)


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_read_records_of_a_hundred_thousand_fuzzed_loses_no_intact_one_unseen():
    check(100_000)


def hostile_page(kind: int, rng: random.Random) -> bytes:
    """A page that breaks extractors, and one of every ten that does not."""
    n = rng.randint(10_000, 30_000)
    match kind % 10:
        case 0:
            return b"<div>" * n + b"deep" + b"</div>" * n
        case 1:
            return b"<table><tr><td colspan=%d rowspan=%d>x</table>" % (10**15 + n, 10**9)
        case 2:
            return b"<table>" + b"<tr><td colspan=1000>a<td rowspan=65534>b" * (n // 100)
        case 3:
            return b"<!--" * n + b"<" * n
        case 4:
            return b"<p>" + b"a" * n + b"@" + b"a." * n + b"http://" * n
        case 5:
            return b"<p>" + b"&" * n + b"&#x110000;" * 100 + b"&#0;" * 100
        case 6:
            return b"<p " + b"a='" * n + b">text"
        case 7:
            return b"<meta charset=utf-16><p>" + rng.randbytes(n)
        case 8:
            return b"<b><i><a href=x>" * (n // 20) + b"text"
        case _:
            return b"<html><body><p>" + b"A sentence that anyone can read. " * 30 + b"</p></body>"


def extract_hostile(folder, n_pages: int, tier: str) -> Counter[str]:
    """Outcomes of hostile pages, every one of them counted."""
    rng, path = random.Random(n_pages), folder / "hostile.warc.gz"
    blocks = [HTTP + b"\r\n" + hostile_page(k, rng) for k in range(n_pages)]
    blocks.append(HTTP + b"Content-Encoding: gzip\r\n\r\n" + BOMB)
    records = [record_of(f"urn:c2m:{k}", block) for k, block in enumerate(blocks)]
    path.write_bytes(b"".join(map(PACKERS["gz"], records)))
    config, tally = ExtractConfig(tier=tier, page_seconds=2.0), Tally()
    rows = list(extract_archive(path, path.name, config, tally))
    assert len(rows) == tally.n_records == n_pages + 1
    assert {row.outcome for row in rows} <= set(OUTCOMES)
    good = rows[9:-1:10]
    assert {row.outcome for row in good} == {"page"}
    assert rows[-1].outcome == "too_large"
    return Counter(row.outcome for row in rows)


def test_extract_archive_hostile_pages_each_have_one_outcome(tmp_path):
    outcomes = extract_hostile(tmp_path, 20, "fast")
    assert outcomes["too_deep"] >= 2


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("tier", TIERS)
def test_extract_archive_hostile_pages_of_every_tier_each_have_one_outcome(tmp_path, tier):
    outcomes = extract_hostile(tmp_path, 150, tier)
    assert outcomes["too_deep"] >= 15
