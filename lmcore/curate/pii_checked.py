"""Masking what can be checked: payment cards, IBANs, and keys to services.

Cards and IBANs carry check digits (Luhn, ISO 7812; mod 97, ISO 13616), so an order number or a
product code is left: of random digits one in ten passes Luhn, and of these only the lengths and
first digits that a card network gives out. Keys are known by the prefix that their maker gave them
for exactly this purpose, and by their entropy: "sk-xxxxxxxxxxxxxxxxxxxx" in a manual is none.

As in `pii`: placeholders hold nothing that a later pass matches, every quantifier is bounded or
possessive, and a search starts at the border of a word only, so time is linear in hostile text.
"""

import functools
import math
import re
from collections import Counter
from collections.abc import Callable

CARD_MASK = "|||CARD_NUMBER|||"
IBAN_MASK = "|||IBAN|||"
KEY_MASK = "|||SECRET_KEY|||"

_MAYBE_CARD = re.compile(r"\d{4}[ -]?\d{4}", re.ASCII)  # pages without are spared the search
_CARD = re.compile(
    r"(?<![\w.+/-])(?:"
    r"[2-6]\d{12,18}+"
    r"|[2-6]\d{3}([ -])\d{4}\1\d{4}\1\d{4}"  # 4111 1111 1111 1111
    r"|3\d{3}([ -])\d{6}\2\d{4,5}+"  # 3782-822463-10005
    r")(?!\w)(?!\.\d)",
    re.ASCII,
)
_NETWORKS = (
    ("4", "4", (13, 16, 19)),  # Visa
    ("51", "55", (16,)),  # Mastercard
    ("2221", "2720", (16,)),
    ("34", "34", (15,)),  # American Express
    ("37", "37", (15,)),
    ("300", "305", (14,)),  # Diners Club
    ("36", "36", (14,)),
    ("38", "39", (14,)),
    ("3528", "3589", (16,)),  # JCB
    ("6011", "6011", (16, 19)),  # Discover
    ("644", "659", (16, 19)),
    ("62", "62", (16, 17, 18, 19)),  # UnionPay
)
"""First and last prefix of a network, and how long its numbers are."""

_IBAN_LENGTHS = {
    country: int(length)
    for entry in [
        "AD24",
        "AE23",
        "AL28",
        "AT20",
        "AZ28",
        "BA20",
        "BE16",
        "BG22",
        "BH22",
        "BR29",
        "BY28",
        "CH21",
        "CR22",
        "CY28",
        "CZ24",
        "DE22",
        "DK18",
        "DO28",
        "EE20",
        "EG29",
        "ES24",
        "FI18",
        "FO18",
        "FR27",
        "GB22",
        "GE22",
        "GI23",
        "GL18",
        "GR27",
        "GT28",
        "HR21",
        "HU28",
        "IE22",
        "IL23",
        "IQ23",
        "IS26",
        "IT27",
        "JO30",
        "KW30",
        "KZ20",
        "LB28",
        "LC32",
        "LI21",
        "LT20",
        "LU20",
        "LV21",
        "LY25",
        "MC27",
        "MD24",
        "ME22",
        "MK19",
        "MR27",
        "MT31",
        "MU30",
        "NL18",
        "NO15",
        "PK24",
        "PL28",
        "PS29",
        "PT25",
        "QA29",
        "RO24",
        "RS22",
        "SA24",
        "SC31",
        "SE24",
        "SI19",
        "SK24",
        "SM27",
        "ST25",
        "SV28",
        "TL23",
        "TN24",
        "TR26",
        "UA29",
        "VA22",
        "VG24",
        "XK20",
    ]
    for country, length in [(entry[:2], entry[2:])]
}
"""Characters of an IBAN by country (ISO 13616 registry)."""
_IBAN_HEAD = re.compile(r"[A-Z]{2}\d{2}(?=[ A-Z\d]{11})", re.ASCII)

_PREFIXED_KEYS = (
    r"(?:AKIA|ASIA)[A-Z2-7]{16}+",  # Amazon
    r"gh[opusr]_[A-Za-z0-9]{36,255}+",  # GitHub
    r"github_pat_[A-Za-z0-9_]{22,255}+",
    r"glpat-[\w-]{20,255}+",  # GitLab
    r"xox[abeoprs]-[A-Za-z0-9-]{10,255}+",  # Slack
    r"[rs]k_(?:live|test)_[A-Za-z0-9]{16,255}+",  # Stripe
    r"AIza[\w-]{35}+",  # Google
    r"sk-[\w-]{20,255}+",  # OpenAI, Anthropic
    r"hf_[A-Za-z0-9]{30,255}+",  # Hugging Face
    r"npm_[A-Za-z0-9]{36}+",
    r"pypi-AgE[\w-]{50,500}+",
    r"SG\.[\w-]{22}\.[\w-]{43}+",  # SendGrid
    r"eyJ[\w-]{10,2000}+\.eyJ[\w-]{10,4000}+\.[\w-]{10,2000}+",  # JSON Web Token
)
_KEY_STARTS = (
    *("AKIA", "ASIA", "gho_", "ghp_", "ghu_", "ghs_", "ghr_", "github_pat_", "glpat-", "xox"),
    *("k_live_", "k_test_", "AIza", "sk-", "hf_", "npm_", "pypi-AgE", "SG.", "eyJ"),
)
"""One of these is in every page with such a key: looked for first, at the speed of memory."""
_KEY = re.compile(rf"(?<![\w-])(?:{'|'.join(_PREFIXED_KEYS)})(?![\w-])", re.ASCII)
_MIN_KEY_BITS = 3.0
"""Least bits of entropy a character: 20 random ones have 3.3 to 4.2, a run of one letter 0.3."""
_WORDS_OF_MANUALS = re.compile(r"your|example|xxxx|key-?here|placeholder|\.\.\.", re.IGNORECASE)

_PEM_START = "-----BEGIN "
_PEM = re.compile(
    r"-----BEGIN (?:[A-Z0-9]{1,12} ){0,3}PRIVATE KEY(?: BLOCK)?-----"
    r"(?:(?:[^-]|-(?!----)){16,16000}+-----END [A-Z0-9 ]{1,40}-----"
    r"|(?:\s{1,4}[A-Za-z0-9+/=]{16,100}+){1,400}+)",
    re.ASCII,
)
"""A private key in the armour of RFC 7468 or OpenPGP; cut off, as many lines of it as there are."""


def _passes_luhn(digits: str) -> bool:
    """Whether the last digit is the check digit of the others."""
    doubled = [2 * int(digit) for digit in digits[-2::-2]]
    return (sum(map(int, digits[-1::-2])) + sum(d - 9 * (d > 9) for d in doubled)) % 10 == 0


def _is_card(number: str) -> bool:
    digits = number.replace(" ", "").replace("-", "")
    is_issued = any(
        len(digits) in lengths and first <= digits[: len(first)] <= last
        for first, last, lengths in _NETWORKS
    )
    return is_issued and _passes_luhn(digits)


def _passes_mod_97(iban: str) -> bool:
    """Whether the check digits of an IBAN without blanks are right."""
    digits = "".join(str(int(character, 36)) for character in iban[4:] + iban[:4])
    return int(digits) % 97 == 1


@functools.cache
def _iban_of(n_characters: int) -> re.Pattern[str]:
    """An IBAN of so many characters, with single blanks anywhere between them."""
    return re.compile(rf"[A-Z\d](?: ?[A-Z\d]){{{n_characters - 1}}}(?![^\W_])", re.ASCII)


def _iban_end(text: str, start: int) -> int:
    """Where the IBAN that begins here ends, or -1 where there is none."""
    n_characters = _IBAN_LENGTHS.get(text[start : start + 2])
    match = _iban_of(n_characters).match(text, start) if n_characters else None
    return match.end() if match and _passes_mod_97(match[0].replace(" ", "")) else -1


def _entropy(text: str) -> float:
    """Bits of entropy for each character, by the characters' own frequencies."""
    counts = Counter(text).values()
    return -sum(n / len(text) * math.log2(n / len(text)) for n in counts)


def _is_key(key: str) -> bool:
    has_digit = any(
        map(str.isdigit, key)
    )  # class names of style sheets have none: "sk-folding-cube"
    return has_digit and _entropy(key) >= _MIN_KEY_BITS and not _WORDS_OF_MANUALS.search(key)


def _mask(
    pattern: re.Pattern[str], placeholder: str, is_one: Callable[[str], bool], text: str
) -> tuple[str, int]:
    """Replace the matches that pass a check, and count them."""
    n_masked = 0

    def replace(match: re.Match[str]) -> str:
        nonlocal n_masked
        if not is_one(match[0]):
            return match[0]
        n_masked += 1
        return placeholder

    return pattern.sub(replace, text), n_masked


def mask_cards(text: str) -> tuple[str, int]:
    """Replace numbers of payment cards, and count them."""
    if _MAYBE_CARD.search(text) is None:
        return text, 0
    return _mask(_CARD, CARD_MASK, _is_card, text)


def mask_ibans(text: str) -> tuple[str, int]:
    """Replace international bank account numbers, and count them."""
    pieces: list[str] = []
    end = count = 0
    for match in _IBAN_HEAD.finditer(text):
        start = match.start()
        if start < end or (start and text[start - 1].isalnum()):
            continue
        stop = _iban_end(text, start)
        if stop > 0:
            pieces += (text[end:start], IBAN_MASK)
            end = stop
            count += 1
    return "".join((*pieces, text[end:])), count


def mask_keys(text: str) -> tuple[str, int]:
    """Replace private keys and keys to services, and count them."""
    n_pem = n_keys = 0
    if _PEM_START in text:
        text, n_pem = _PEM.subn(KEY_MASK, text)
    if any(start in text for start in _KEY_STARTS):
        text, n_keys = _mask(_KEY, KEY_MASK, _is_key, text)
    return text, n_pem + n_keys
