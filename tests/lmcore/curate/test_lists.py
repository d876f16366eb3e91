import random
import re
from pathlib import Path

import pytest

from lmcore.curate.config import CurateConfig
from lmcore.curate.lists import BAD_WORDS, read_lists
from lmcore.errors import InputError

CONFIG = CurateConfig(
    blocked_domains=("Blocked.example", "http://www.host.example/bad/", "a.b.example"),
    url_substrings=("strictly",),
    url_words=("hardword",),
    url_soft_words=("soft", "mild"),
)
LISTS = read_lists([], CONFIG)


@pytest.mark.parametrize(
    ("url", "block"),
    [
        ("https://blocked.example/", "domain"),
        ("http://www.BLOCKED.example:8080/x", "domain"),
        ("http://me@blocked.example.", "domain"),
        ("https://deep.er.blocked.example/", "subdomain"),
        ("https://notblocked.example/", ""),
        ("https://blocked.example.org/", ""),
        ("https://b.example/", ""),
        ("https://a.b.example", "domain"),
        ("http://host.example/bad", "address"),
        ("http://host.example/bad/page?x=1", "address"),
        ("http://host.example/badly", ""),
        ("http://host.example/", ""),
        ("http://other.example/bad", ""),
        ("", ""),
        ("://", ""),
        ("http://[::1]/\x00?#@", ""),
    ],
)
def test_judge_url_block_list_names_hosts_subdomains_and_addresses(url: str, block: str) -> None:
    assert LISTS.judge_url(url).url_block == block


@pytest.mark.parametrize(
    ("url", "counts"),
    [
        ("http://un-stric-tly.example/", (1, 0, 0)),
        ("http://x.example/Hard%77ord/hardwords", (0, 1, 0)),
        ("http://soft.example/soft-mild", (0, 0, 2)),
        ("http://x.example/softly?q=soft", (0, 0, 1)),
        ("http://x.example/page#soft", (0, 0, 0)),
    ],
)
def test_judge_url_words_are_counted_by_kind(url: str, counts: tuple[int, int, int]) -> None:
    assert LISTS.judge_url(url)[1:] == counts


def test_judge_url_shipped_words_leave_plain_addresses() -> None:
    shipped = read_lists([], CurateConfig())
    for url in ("https://www.essex.ac.uk/sex-discrimination", "http://example.org/xxx", "x"):
        assert shipped.judge_url(url)[:3] == ("", 0, 0)
        assert shipped.judge_url(url).n_url_soft_words <= 1


def test_read_lists_files_add_to_the_recipe_and_replace_bad_words(tmp_path: Path) -> None:
    (tmp_path / "domains.txt").write_text("# UT1\n\nfile.example\n")
    (tmp_path / "url_words.txt").write_text("Other-Word\n")
    (tmp_path / "bad_words.en.txt").write_text("two words\n")
    (tmp_path / "bad_words.ja.txt").write_text("悪い\n")
    lists = read_lists(sorted(tmp_path.iterdir()), CONFIG)
    assert lists.judge_url("http://file.example/").url_block == "domain"
    assert lists.judge_url("http://blocked.example/").url_block == "domain"
    assert lists.judge_url("http://x.example/otherword/hardword").n_url_words == 2
    assert lists.count_bad_words("Two  WORDS, two. Words two; fuck", "en") == 2
    assert lists.count_bad_words("とても悪い、悪い。", "ja") == 2
    assert lists.count_bad_words("two words", "de") == 0


def test_read_lists_unknown_name_is_an_error_that_names_what_is_known(tmp_path: Path) -> None:
    path = tmp_path / "names.txt"
    path.write_text("x\n")
    with pytest.raises(InputError, match=r"names\.txt.*domains\.txt"):
        read_lists([path], CONFIG)


def test_count_bad_words_equals_a_search_for_each_entry() -> None:
    entries = (*BAD_WORDS["en"], "a", "a b", "b c d")
    rng = random.Random(3)
    pieces = [*entries, "b", "c", "d", "x", " ", " ", " ", "-", ", ", "\n", "_", "É", "FUCK"]
    lists = read_lists([], CONFIG)
    for _ in range(300):
        text = "".join(rng.choices(pieces, k=30))
        words = re.findall(r"\w+", text.lower())
        joined = f" {' '.join(words)} "
        expected = sum(
            any(joined.startswith(f" {entry} ", match.start()) for entry in BAD_WORDS["en"])
            for match in re.finditer(" ", joined)
        )
        assert lists.count_bad_words(text, "en") == expected
