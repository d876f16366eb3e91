import random

import pytest

from lmcore.curate.pii import EMAIL_MASK, IP_MASK, PHONE_MASK, mask_emails, mask_ips, mask_phones


@pytest.mark.parametrize(
    "address",
    [
        "test@example.com",
        "a.b+c_d@x-y.co.uk",
        "o'brien@ex.org",
        "x_1@d.io",
        "müller@bücher.de",
        "a" * 64 + "@example.com",
        "a" * 500 + "@example.com",
    ],
)
def test_mask_emails_address_in_a_sentence_is_replaced_whole(address: str) -> None:
    masked, count = mask_emails(f"Write to '{address}', or ({address}).")
    assert masked == f"Write to '{EMAIL_MASK}', or ({EMAIL_MASK})."
    assert count == 2


@pytest.mark.parametrize(
    "text", ["foo@bar", "@handle.", "a @ b.com", "1@2.3", "x@y.c0m", "@example.com"]
)
def test_mask_emails_other_at_signs_are_left(text: str) -> None:
    assert mask_emails(text) == (text, 0)


@pytest.mark.parametrize(
    "number",
    [
        "2831823829",
        "(283)-182-3829",
        "(283) 182 3829",
        "283-182-3829",
        "283.182.3829",
        "+1 283 182 3829",
        "+1-903-140-4508x769",
        "001-253-366-9781",
        "+44 20 7946 0958",
        "+49 (0)30 901820",
        "+447700 208 815",
        "01.84.17.61.18",
        "07700 063 966",
        "0378 3549890",
    ],
)
def test_mask_phones_number_in_a_sentence_is_replaced_whole(number: str) -> None:
    masked, count = mask_phones(f"Call {number}, or {number}.")
    assert masked == f"Call {PHONE_MASK}, or {PHONE_MASK}."
    assert count == 2


@pytest.mark.parametrize(
    "text",
    [
        "12345678901234",
        "$1,234,567.89",
        "0.1234567890",
        "2023-01-02 10:00",
        "01.02.2023 12:15",
        "1999-2001",
        "978-3-16-148410-0",
        "https://example.com/2831823829",
        "id=2831823829",
        "555-1234",
        "+1234 5 6",
        "A2831823829",
        "10.0.0.1",
    ],
)
def test_mask_phones_other_numbers_are_left(text: str) -> None:
    assert mask_phones(text) == (text, 0)


@pytest.mark.parametrize(
    ("text", "expected", "n"),
    [
        ("The address is 192.0.2.146.", f"The address is {IP_MASK}.", 1),
        ("ping 10.0.0.1:80, 255.255.255.255/32", f"ping {IP_MASK}:80, {IP_MASK}/32", 2),
        ("256.1.1.1 1.2.3 1.2.3.4.5 v1.2.3.4 01.2.3.4 1.2.3.4a", None, 0),
        ("[2001:db8::8a2e:370:7334] fe80::1:2", f"[{IP_MASK}] {IP_MASK}", 2),
        ("fe80::1, 2001:db8::, FE80::A", f"{IP_MASK}, {IP_MASK}, {IP_MASK}", 3),
        ("6e40:4041:c617:e898:c11:40d2:c669:2eb4", IP_MASK, 1),
        ("12:30:45 std::a::b :: ::1 a::b 1:2:3:4:5:6:7", None, 0),
    ],
)
def test_mask_ips_addresses_only_are_replaced(text: str, expected: str | None, n: int) -> None:
    assert mask_ips(text) == (expected or text, n)


@pytest.mark.parametrize(
    ("mask", "placeholder"),
    [(mask_emails, EMAIL_MASK), (mask_phones, PHONE_MASK), (mask_ips, IP_MASK)],
)
def test_mask_placeholder_in_the_input_is_not_counted(mask, placeholder: str) -> None:
    assert mask(f"{placeholder} and {placeholder}") == (f"{placeholder} and {placeholder}", 0)


@pytest.mark.parametrize("seed", range(20))
def test_mask_random_text_twice_equals_once(seed: int) -> None:
    rng = random.Random(seed)
    pieces = [
        "a",
        "@",
        "b.com",
        ".",
        "-",
        " ",
        "(283)",
        "182",
        "3829",
        "+",
        "10",
        "255",
        "::",
        "f",
        "x",
        "0",
        "\n",
    ]
    text = "".join(rng.choices(pieces, k=400))
    for mask in (mask_emails, mask_ips, mask_phones):
        once, _ = mask(text)
        assert mask(once) == (once, 0)


HOSTILE = {
    "dotted words": "a.a.a.",
    "base64": "QWxhZGRpbjpvcGVuIHNlc2FtZQ",
    "at signs": "a@",
    "domains": "@a.a.a.a",
    "long locals": "a" * 63 + "@",
    "digits": "1",
    "grouped digits": "123-456-",
    "plus signs": "+1 ",
    "hex groups": "a:b:",
    "colons": "::",
    "dotted digits": "1.1.",
    "brackets": "(0",
    "leading zeros": "0123 12 34 ",
}


@pytest.mark.parametrize("name", sorted(HOSTILE))
@pytest.mark.timeout(60)
def test_mask_much_hostile_text_ends(name: str) -> None:
    """A quadratic pattern needs 10^11 steps here: many minutes, the linear one half a second."""
    text = (HOSTILE[name] * (300_000 // len(HOSTILE[name]) + 1))[:300_000]
    for mask in (mask_emails, mask_ips, mask_phones):
        masked, count = mask(text)
        assert count == masked.count("|||") // 2
