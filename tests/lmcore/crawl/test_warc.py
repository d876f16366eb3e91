import gzip
import io
import random
import re
import zlib

import numpy as np
import pytest
import zstandard
from fastwarc.warc import ArchiveIterator

from lmcore.crawl.inflate import GZIP_MAGIC, find_magic
from lmcore.crawl.raw_record import MALFORMED, OVERSIZE, TRUNCATED, RawRecord
from lmcore.crawl.sniff import describe_start, has_record, starts_with_record
from lmcore.crawl.warc import read_records

CAP = 1 << 20
PACKINGS = [
    "plain",
    "gz",
    "gz_whole",
    "gz_pieces",
    "zst",
    "zst_whole",
    "zst_pieces",
    "lz4",
    "lz4_whole",
]
ALONE = ["gz", "zst", "lz4"]


def read(data: bytes, cap: int = CAP) -> list[RawRecord]:
    return list(read_records(io.BytesIO(data), max_record_bytes=cap))


def noise(seed: int, n_bytes: int) -> bytes:
    return random.Random(seed).randbytes(n_bytes)


@pytest.fixture(scope="module")
def records(record):
    """Twelve records of very different sizes, some empty, some that do not compress."""
    kinds = ["warcinfo", "request", "response", "metadata"]
    return [record(i, noise(i, (i * i * 331) % 7000), kind=kinds[i % 4]) for i in range(12)]


@pytest.mark.parametrize("packing", PACKINGS)
def test_read_records_intact_file_agrees_with_fastwarc(records, pack, packing):
    expected = [
        (str(r.record_type), r.headers["WARC-Record-ID"].strip("<>"), r.reader.read())
        for r in ArchiveIterator(io.BytesIO(pack("gz", records)), parse_http=False)
    ]
    found = read(pack(packing, records))
    assert [(r.record_type, r.record_id, r.block) for r in found] == expected
    assert {r.problem for r in found} == {""}


@pytest.mark.parametrize("packing", ALONE)
def test_read_records_one_member_a_record_gives_places_that_open_alone(records, pack, packing):
    data = pack(packing, records)
    for found in read(data):
        (alone,) = read(data[found.offset : found.offset + found.length])
        assert alone.record_id == found.record_id
    assert sum(r.length for r in read(data)) == len(data)


def test_read_records_plain_file_tiles_every_byte(records, pack):
    data, end = pack("plain", records), 0
    for found in read(data):
        assert found.offset == end
        assert data[end:].startswith(b"WARC/1.0")
        end += found.length
    assert end == len(data)


def test_read_records_member_of_several_has_no_length(records, pack):
    assert {(r.offset, r.length) for r in read(pack("gz_whole", records))} == {(0, -1)}


@pytest.mark.parametrize("packing", ALONE)
def test_read_records_cut_anywhere_keeps_all_before_and_counts_the_cut(records, pack, packing):
    data = pack(packing, records)
    ends = [r.offset + r.length for r in read(data)]
    for cut in range(1, len(data), 997):
        found = read(data[:cut])
        n_whole = sum(end <= cut for end in ends)
        assert [r.problem for r in found[:n_whole]] == [""] * n_whole
        assert len(found) == n_whole + (cut not in ends)
        assert all(r.problem in (TRUNCATED, MALFORMED) for r in found[n_whole:])


def test_read_records_hole_in_a_member_loses_that_record_alone(records, pack):
    data = bytearray(pack("gz", records))
    victim = max(read(bytes(data)), key=lambda r: r.length)
    middle = victim.offset + victim.length // 2
    data[middle : middle + 200] = bytes(200)
    found = read(bytes(data))
    assert [r.record_id for r in found] == [f"urn:uuid:{i}" for i in range(12)]
    assert [r.record_id for r in found if r.problem] == [victim.record_id]
    assert sum(r.length for r in found) == len(data)


def test_read_records_hole_keeps_what_was_inflated_before_it(record, pack):
    data = bytearray(pack("gz", [record(1, noise(1, 9000)), record(2, b"x")]))
    data[5000:5100] = bytes(100)
    first, second = read(bytes(data))
    assert first.url == "http://example.com/1"
    assert noise(1, 9000).startswith(first.block[:4000])
    assert len(first.block) > 4000
    assert second.problem == ""


@pytest.mark.parametrize("at", [32_000, 34_000])
def test_read_records_lz4_block_is_kept_though_what_follows_is_no_block(records, pack, at):
    data = bytearray(pack("lz4_whole", records))
    data[at:at] = noise(3, 300)
    assert len([raw for raw in read(bytes(data)) if raw.record_id]) >= 10


def test_read_records_bad_checksum_alone_is_malformed(record, pack):
    data = bytearray(pack("gz", [record(1, b"x"), record(2, b"y")]))
    data[len(pack("gz", [record(1, b"x")])) - 6] ^= 1
    assert [r.problem for r in read(bytes(data))] == [MALFORMED, ""]


def test_read_records_garbage_between_members_is_one_loss_with_its_length(record, pack):
    first, second = pack("gz", [record(1, b"x")]), pack("gz", [record(2, b"y")])
    found = read(first + b"\x1f\x8b\x08garbage" * 9 + second)
    assert [(r.record_type, r.problem) for r in found] == [
        ("response", ""),
        ("", MALFORMED),
        ("response", ""),
    ]
    assert (found[1].offset, found[1].length) == (len(first), 90)


def test_read_records_destroyed_beginning_of_the_file_is_survived(record, pack):
    data = bytearray(pack("gz", [record(1, noise(1, 500)), record(2, b"y")]))
    data[:300] = bytes(300)
    assert [r.record_id for r in read(bytes(data))] == ["", "urn:uuid:2"]


def test_read_records_zero_padding_at_the_end_is_no_record(records, pack):
    assert len(read(pack("gz", records) + bytes(5000))) == len(records)


@pytest.mark.parametrize("packing", ["plain", "gz_whole", "zst_pieces"])
@pytest.mark.parametrize(
    ("length", "problem"),
    [
        (3, MALFORMED),
        (40, MALFORMED),
        (900, MALFORMED),
        ("abc", MALFORMED),
        (-1, MALFORMED),
        ("", MALFORMED),
    ],
)
def test_read_records_wrong_content_length_spoils_one_record_only(
    record, pack, packing, length, problem
):
    parts = [
        record(1, b"a" * 20),
        record(2, b"b" * 20, length=length),
        record(3, b"c" * 20),
        record(4, b"d"),
    ]
    found = read(pack(packing, parts))
    assert [(r.record_id[-1], r.problem) for r in found] == [
        ("1", ""),
        ("2", problem),
        ("3", ""),
        ("4", ""),
    ]


def test_read_records_absurd_content_length_in_plain_file_does_not_swallow_the_rest(record, pack):
    parts = [record(1, b"a"), record(2, b"b" * 20, length=10**15), record(3, b"c")]
    assert [(r.record_id[-1], r.problem) for r in read(pack("plain", parts))] == [
        ("1", ""),
        ("2", TRUNCATED),
        ("3", ""),
    ]


@pytest.mark.parametrize("packing", PACKINGS)
def test_read_records_block_above_the_cap_is_passed_over_not_held(record, pack, packing):
    parts = [record(1, b"a"), record(2, noise(2, 300_000)), record(3, b"c")]
    found = read(pack(packing, parts), cap=100_000)
    assert [(r.record_id[-1], r.problem) for r in found] == [("1", ""), ("2", OVERSIZE), ("3", "")]
    assert len(found[1].block) <= 1 << 16


def test_read_records_bomb_is_given_up_and_the_next_member_found(record):
    zstd = zstandard.ZstdCompressor()
    bomb = zstd.compress(record(1, bytes(80_000_000)))
    found = read(bomb + zstd.compress(record(2, b"y")))
    assert [(r.record_id[-1], r.problem) for r in found] == [("1", TRUNCATED), ("2", "")]


@pytest.mark.parametrize("cut", [1, 20, 150, 230])
def test_read_records_plain_record_right_behind_a_cut_one_is_read(record, cut):
    data = record(1, b"a" * 50)[:-cut] + record(2, b"b" * 50) + record(3, b"c")
    assert [(r.record_id, r.problem) for r in read(data)][-2:] == [
        ("urn:uuid:2", ""),
        ("urn:uuid:3", ""),
    ]


def test_read_records_line_feeds_alone_are_accepted(record):
    data = record(1, b"").replace(b"\r\n", b"\n")
    assert [(r.record_id, r.problem) for r in read(data + data)] == [("urn:uuid:1", "")] * 2


def test_read_records_unknown_version_line_is_lost_but_named(record, pack):
    spoilt = record(2, b"y").replace(b"WARC/1.0", b"WRAC/9 ?")
    found = read(pack("gz", [record(1, b"x"), spoilt, record(3, b"z")]))
    assert [(r.record_id[-1], r.problem) for r in found] == [("1", ""), ("2", MALFORMED), ("3", "")]
    assert found[1].url == "http://example.com/2"


@pytest.mark.parametrize(
    ("raw", "url"),
    [
        (b"<http://a.example/>", "http://a.example/"),
        (b"http://a.example/\xe9t\xe9", "http://a.example/%E9t%E9"),
        ("http://a.example/été".encode(), "http://a.example/été"),
        (b"http://a.example/with space", "http://a.example/with space"),
    ],
)
def test_read_records_odd_target_uris_are_kept(record, raw, url):
    assert read(record(1, b"", url=raw))[0].url == url


def test_read_records_zstd_dictionary_frame_is_used(record):
    parts = [record(i, b"<p>the same words again and again</p>" * 3) for i in range(40)]
    dictionary = zstandard.ZstdCompressionDict(b"".join(parts[:20]))
    packer = zstandard.ZstdCompressor(dict_data=dictionary)
    frames = b"".join(packer.compress(part) for part in parts)
    for stored in (
        dictionary.as_bytes(),
        zstandard.ZstdCompressor().compress(dictionary.as_bytes()),
    ):
        head = b"\x5d\x2a\x4d\x18" + len(stored).to_bytes(4, "little") + stored
        assert [r.record_id for r in read(head + frames)] == [f"urn:uuid:{i}" for i in range(40)]


ARC_1 = b"filedesc://a.arc 0.0.0.0 20080430204825 text/plain 75\n1 0 Org\nURL IP-address Archive-date Content-type Archive-length\n"
PAGE = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n<p>x</p>"


def arc(*lines_and_blocks: tuple[bytes, bytes]) -> list[bytes]:
    parts = [b"%s %d\n%s\n" % (line, len(block), block) for line, block in lines_and_blocks]
    return [
        ARC_1.replace(b" 75\n", b" %d\n" % (len(ARC_1) - ARC_1.index(b"\n") - 1)) + b"\n",
        *parts,
    ]


@pytest.mark.parametrize("packing", ["plain", "gz", "gz_whole"])
def test_read_records_arc_1_gives_warcinfo_and_responses(pack, packing):
    parts = arc(
        (b"http://a.example/x y?z=1 2 1.2.3.4 20080430204826 text/html", PAGE),
        (
            b"dns:a.example 1.2.3.4 20080430204827 text/dns",
            b"20080430204827\na.example. 1 IN A 1.2.3.4",
        ),
    )
    found = read(pack(packing, parts))
    assert [(r.record_type, r.url, r.date, r.problem) for r in found] == [
        ("warcinfo", "filedesc://a.arc", "2008-04-30T20:48:25Z", ""),
        ("response", "http://a.example/x y?z=1 2", "2008-04-30T20:48:26Z", ""),
        ("response", "dns:a.example", "2008-04-30T20:48:27Z", ""),
    ]
    assert found[1].block == PAGE
    assert found[2].content_type == "text/dns"


def test_read_records_arc_2_has_ten_fields():
    head = b"2 0 Org\nURL IP-address Archive-date Content-type Result-code Checksum Location Offset Filename Archive-length\n"
    start = b"filedesc://a.arc 0.0.0.0 20080430204825 text/plain 200 - - 0 a.arc %d\n%s\n" % (
        len(head),
        head,
    )
    line = b"http://a.example/ 1.2.3.4 20080430204826 text/html 200 abc - 99 a.arc %d\n%s\n" % (
        len(PAGE),
        PAGE,
    )
    found = read(start + line)
    assert [(r.url, r.date) for r in found[1:]] == [("http://a.example/", "2008-04-30T20:48:26Z")]
    assert found[1].block == PAGE


@pytest.mark.parametrize("length", [b"-1", b"abc", b"7", b"9999"])
def test_read_records_arc_with_wrong_length_spoils_one_record_only(length):
    parts = arc((b"http://a.example/1 1.2.3.4 20080430204826 text/html", PAGE))
    spoilt = b"http://a.example/2 1.2.3.4 20080430204827 text/html %s\n%s\n" % (length, PAGE)
    found = read(b"".join([*parts, spoilt, parts[1]]))
    assert [(r.url[-1], r.problem) for r in found[1:]] == [("1", ""), ("2", MALFORMED), ("1", "")]


@pytest.mark.parametrize("packing", PACKINGS)
@pytest.mark.parametrize("seed", range(12))
def test_read_records_mutated_files_never_raise_and_lengths_tile(records, pack, packing, seed):
    rng = random.Random(f"{packing}:{seed}")
    data = bytearray(pack(packing, records))
    for _ in range(rng.randint(1, 4)):
        at, span = rng.randrange(len(data)), rng.randint(1, 400)
        match rng.randrange(4):
            case 0:
                del data[at : at + span]
            case 1:
                data[at:at] = rng.randbytes(span)
            case 2:
                data[at : at + span] = bytes(min(span, len(data) - at))
            case _:
                data[at] ^= 1 << rng.randrange(8)
    end = 0
    for found in read(bytes(data)):
        if found.length >= 0:
            assert found.offset >= end
            end = found.offset + found.length
    assert end <= len(data)


@pytest.mark.parametrize("seed", range(60))
def test_read_records_at_once_and_piece_by_piece_agree_on_mutated_files(records, pack, seed):
    rng = random.Random(seed)
    data = bytearray(pack("gz", records))
    for _ in range(seed % 5):
        at, span = rng.randrange(len(data)), rng.randint(1, 400)
        data[at : at + span] = [rng.randbytes(span), b"", bytes(span), b"\x1f\x8b\x08"][
            rng.randrange(4)
        ]
    pieces = list(read_records(io.BytesIO(data), max_record_bytes=CAP, at_once=False))
    assert read(bytes(data)) == pieces


@pytest.mark.parametrize("flags", [0, 2, 4, 8, 16, 32])
def test_read_records_at_once_and_piece_by_piece_agree_on_gzip_headers(record, pack, flags):
    member = pack("gz", [record(1, b"x")])
    optional = {0: b"", 2: b"\0\0", 4: b"\2\0ab", 8: b"name\0", 16: b"note\0", 32: b""}[flags]
    odd = member[:3] + bytes([flags]) + member[4:10] + optional + member[10:]
    data = odd + pack("gz", [record(2, b"y")])
    pieces = list(read_records(io.BytesIO(data), max_record_bytes=CAP, at_once=False))
    assert read(data) == pieces


def test_read_records_member_whose_data_look_like_a_member_is_read(record):
    stored = gzip.compress(record(1, b"\x1f\x8b\x08" * 50), 0)
    assert [r.problem for r in read(stored + gzip.compress(record(2, b"y")))] == ["", ""]


@pytest.mark.parametrize("middle", [b"garbage", b"\x1f\x8b\x08garbage", noise(3, 40)])
def test_read_records_garbage_between_equal_members_is_not_taken_into_the_first(record, middle):
    member = gzip.compress(record(1, b"a"))
    found = read(member + middle + member)
    assert [r.problem for r in found] == ["", MALFORMED, ""]
    assert [r.length for r in found] == [len(member), len(middle), len(member)]


@pytest.mark.parametrize("shift", range(5))
def test_find_magic_finds_what_one_search_after_the_other_finds(shift):
    rng = random.Random(shift)
    parts = [noise(k, rng.randrange(9)) + GZIP_MAGIC[: rng.choice([1, 2, 3, 3])] for k in range(99)]
    data = b"".join(parts)[shift:]
    expected = [match.start() for match in re.finditer(re.escape(GZIP_MAGIC), data)]
    assert find_magic(np.frombuffer(data, np.uint8)).tolist() == expected


def test_read_records_large_member_is_streamed_in_little_memory(record):
    packer = zlib.compressobj(1, wbits=31)
    raw = record(1, bytes(20_000_000))
    data = packer.compress(raw) + packer.flush() + gzip.compress(record(2, b"y"))
    first, second = read(data, cap=1 << 16)
    assert (first.problem, second.problem) == (OVERSIZE, "")
    assert len(first.block) <= 1 << 16


def test_has_record_record_beyond_what_is_sniffed_is_found(record, pack):
    late = noise(1, 600_000) + pack("gz", [record(1, b"x")])
    assert has_record(io.BytesIO(late))
    assert not starts_with_record(io.BytesIO(late))
    assert starts_with_record(io.BytesIO(pack("zst", [record(1, noise(1, 900_000))])))


@pytest.mark.parametrize("packing", PACKINGS)
def test_has_record_says_what_read_records_finds_in_mutated_files(records, pack, packing):
    whole = pack(packing, records)
    for seed in range(30):
        rng = random.Random(seed)
        data = bytearray(whole)
        data[: rng.randrange(1, 60)] = rng.randbytes(rng.randrange(60))
        if seed % 3 == 0:
            del data[rng.randrange(len(data)) :]
        found = any(raw.record_type for raw in read(bytes(data)))
        assert has_record(io.BytesIO(data)) == found
        assert found or not starts_with_record(io.BytesIO(data))


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "empty"),
        (b"PK\x03\x04", r"no archive: begins with b'PK\x03\x04'"),
        (b"\x1f\x8b\x08", r"no archive: begins with b'\x1f\x8b\x08'"),
        (b"\x50\x2a\x4d\x18\0\0\0\0", r"no archive: begins with b'P*M\x18\x00\x00\x00\x00'"),
        (gzip.compress(b"{}"), "no archive: compressed, and inside begins with b'{}'"),
    ],
    ids=range(5),
)
def test_describe_start_says_what_a_file_holds(content, words):
    assert describe_start(io.BytesIO(content)) == words
