import random
import string

import pytest

from lmcore.curate.masking import mask_personal_data
from lmcore.curate.pii import EMAIL_MASK, IP_MASK, PHONE_MASK
from lmcore.curate.pii_checked import (
    CARD_MASK,
    IBAN_MASK,
    KEY_MASK,
    mask_cards,
    mask_ibans,
    mask_keys,
)

# Numbers that the networks and the IBAN registry publish for tests.
CARDS = [
    "4111111111111111",
    "4111 1111 1111 1111",
    "4012-8888-8888-1881",
    "5555555555554444",
    "2223003122003222",
    "3782 822463 10005",
    "371449635398431",
    "30569309025904",
    "6011-1111-1111-1117",
    "3530111333300000",
    "6200000000000005",
]
IBANS = [
    "GB82 WEST 1234 5698 7654 32",
    "GB82WEST12345698765432",
    "DE89 3704 0044 0532 0130 00",
    "FR14 2004 1010 0505 0001 3M02 606",
    "ES91 2100 0418 4502 0005 1332",
    "NO93 8601 1117 947",
    "MT84 MALT 0110 0001 2345 MTLC AST0 01S",
]
_RANDOM = random.Random(7)


def _made(alphabet: str, length: int) -> str:
    return "0" + "".join(_RANDOM.choices(alphabet, k=length - 1))


_WIDE, _BASE32 = string.ascii_letters + string.digits, string.ascii_uppercase + "234567"
KEYS = [
    "AKIA2" + _made(_BASE32, 16)[1:],
    "ghp_" + _made(_WIDE, 36),
    "github_pat_" + _made(_WIDE, 40),
    "glpat-" + _made(_WIDE, 20),
    "xoxb-" + _made(_WIDE, 30),
    "sk_live_" + _made(_WIDE, 24),
    "AIza" + _made(_WIDE, 35),
    "sk-" + _made(_WIDE, 48),
    "hf_" + _made(_WIDE, 34),
    "npm_" + _made(_WIDE, 36),
    "SG." + _made(_WIDE, 22) + "." + _made(_WIDE, 43),
    "eyJ" + _made(_WIDE, 30) + ".eyJ" + _made(_WIDE, 60) + "." + _made(_WIDE, 43),
]


@pytest.mark.parametrize("number", CARDS)
def test_mask_cards_number_in_a_sentence_is_replaced_whole(number: str) -> None:
    masked = mask_cards(f"Card {number}, or ({number}) 12/27.")
    assert masked == (f"Card {CARD_MASK}, or ({CARD_MASK}) 12/27.", 2)


@pytest.mark.parametrize("number", CARDS)
@pytest.mark.parametrize("step", range(1, 10))
def test_mask_cards_any_other_last_digit_is_left(number: str, step: int) -> None:
    wrong = number[:-1] + str((int(number[-1]) + step) % 10)
    assert mask_cards(wrong) == (wrong, 0)


@pytest.mark.parametrize(
    "text",
    [
        "0000 0000 0000 0000",
        "1234 5678 9012 3452",  # passes Luhn, no network begins with 1
        "978-3-16-148410-0",
        "x4111111111111111",
        "1.4111111111111111",
        "41111111111111111111",
        "4111 1111-1111 1111",
        "٤١١١١١١١١١١١١١١١",
    ],
)
def test_mask_cards_other_numbers_are_left(text: str) -> None:
    assert mask_cards(text) == (text, 0)


@pytest.mark.parametrize("iban", IBANS)
def test_mask_ibans_number_in_a_sentence_is_replaced_whole(iban: str) -> None:
    masked = mask_ibans(f"Pay to {iban}, BIC ABCDEF, or {iban} BANK.")
    assert masked == (f"Pay to {IBAN_MASK}, BIC ABCDEF, or {IBAN_MASK} BANK.", 2)


@pytest.mark.parametrize("iban", IBANS)
def test_mask_ibans_any_changed_digit_is_left(iban: str) -> None:
    for place, character in enumerate(iban):
        if character.isdigit():
            wrong = iban[:place] + str((int(character) + 1) % 10) + iban[place + 1 :]
            assert mask_ibans(wrong) == (wrong, 0)


@pytest.mark.parametrize(
    "text",
    [
        "XX82WEST12345698765432",
        "aGB82WEST12345698765432",
        "GB82WEST12345698765432A",
        "GB82  WEST 1234 5698 7654 32",
        "gb82west12345698765432",
        "GB82 WEST",
    ],
)
def test_mask_ibans_what_is_no_number_is_left(text: str) -> None:
    assert mask_ibans(text) == (text, 0)


@pytest.mark.parametrize("key", KEYS)
def test_mask_keys_key_in_a_line_of_code_is_replaced_whole(key: str) -> None:
    masked = mask_keys(f"token = '{key}'; curl -H 'Authorization: Bearer {key}'")
    assert masked == (f"token = '{KEY_MASK}'; curl -H 'Authorization: Bearer {KEY_MASK}'", 2)


@pytest.mark.parametrize(
    "text",
    [
        "sk-xxxxxxxxxxxxxxxxxxxxxxxx",
        "sk-1111111111111111111111111",
        "sk-your-api-key-here-0123456789",
        "sk-folding-cube-animation-delay",
        "npm_config_registry",
        "AKIASHORT",
        "ask-0a1B2c3D4e5F6g7H8i9J0k1L2m3N",
        "hf_" + "a" * 34,
        "-----BEGIN PUBLIC KEY-----\nMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcD\n-----END PUBLIC KEY-----",
        "The line -----BEGIN PRIVATE KEY----- opens a key.",
    ],
)
def test_mask_keys_what_is_no_key_is_left(text: str) -> None:
    assert mask_keys(text) == (text, 0)


@pytest.mark.parametrize("kind", ["", "RSA ", "EC ", "OPENSSH ", "ENCRYPTED "])
@pytest.mark.parametrize("is_closed", [True, False])
def test_mask_keys_private_key_is_replaced_and_prose_is_not(kind: str, is_closed: bool) -> None:
    lines = [_made(_WIDE, 64) for _ in range(5)]
    end = f"-----END {kind}PRIVATE KEY-----\n" if is_closed else ""
    text = "\n".join([f"-----BEGIN {kind}PRIVATE KEY-----", *lines, f"{end}Keep it to yourself."])
    assert mask_keys(text) == (f"{KEY_MASK}\nKeep it to yourself.", 1)


def test_mask_keys_private_key_with_headers_is_replaced_whole() -> None:
    header = "Proc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,8A4D\n\n"
    body = header + _made(_WIDE, 64)
    text = f"-----BEGIN RSA PRIVATE KEY-----\n{body}\n-----END RSA PRIVATE KEY-----"
    assert mask_keys(text) == (KEY_MASK, 1)


def test_mask_personal_data_counts_each_kind_once() -> None:
    parts = ["me@example.com", "283-182-3829", "192.0.2.1", CARDS[0], IBANS[0], KEYS[1]]
    masked = mask_personal_data(" ; ".join(parts))
    masks = [EMAIL_MASK, PHONE_MASK, IP_MASK, CARD_MASK, IBAN_MASK, KEY_MASK]
    assert masked == (" ; ".join(masks), 1, 1, 1, 1, 1, 1)


@pytest.mark.parametrize("seed", range(30))
def test_mask_personal_data_twice_equals_once(seed: int) -> None:
    rng = random.Random(seed)
    pieces = [*CARDS, *IBANS, *KEYS, "me@example.com", "10.0.0.1", "2001:db8::1", "283-182-3829"]
    pieces += [*" \n.,:;-_=/+@|x01", "GB82", "4111", "-----BEGIN PRIVATE KEY-----", "sk-", "eyJ"]
    once = mask_personal_data("".join(rng.choices(pieces, k=200)))
    twice = mask_personal_data(once.text)
    assert twice == (once.text, 0, 0, 0, 0, 0, 0)


HOSTILE = {
    "digits": "4",
    "grouped digits": "4111 ",
    "ungrouped cards": "4111 1111 1111 111 ",
    "bank heads": "GB82",
    "spaced banks": "GB82 W ",
    "key heads": "sk-",
    "tokens": "eyJaaaaaaaaaa.",
    "armour": "-----BEGIN PRIVATE KEY-----",
    "open armour": "-----BEGIN PRIVATE KEY----- a b c d e f g h i j k l ",
    "long open armour": "-----BEGIN PRIVATE KEY-----" + "\n" + "a" * 15_000 + "-",
    "dashes": "-",
    "base64": "QWxhZGRpbjpvcGVuIHNlc2FtZQ",
    "slack": "xoxb-",
    "send grid": "SG.",
}


@pytest.mark.parametrize("name", sorted(HOSTILE))
@pytest.mark.timeout(60)
def test_mask_much_hostile_text_ends(name: str) -> None:
    """A quadratic pattern needs 10^11 steps here: many minutes, the linear one half a second."""
    text = (HOSTILE[name] * (300_000 // len(HOSTILE[name]) + 1))[:300_000]
    for mask, placeholder in (
        (mask_cards, CARD_MASK),
        (mask_ibans, IBAN_MASK),
        (mask_keys, KEY_MASK),
    ):
        masked, count = mask(text)
        assert count == masked.count(placeholder)
