"""Personal data planted in main texts: e-mail addresses, phone numbers, IPv4 addresses.

Names end in reserved domains; phone numbers are mostly North American in the usual
spellings, a few are international (numbers set aside for fiction).
"""

from dataclasses import dataclass, field
from random import Random

from lmcore.crawl.sample_document import Document
from lmcore.crawl.sample_words import BOYS, GIRLS, SURNAMES

_AREAS = (212, 303, 312, 404, 415, 503, 512, 617, 702, 808)
_FORMATS = (
    "({a}) {b}-{c}",
    "{a}-{b}-{c}",
    "{a}.{b}.{c}",
    "{a} {b} {c}",
    "({a})-{b}-{c}",
    "({a}) {b} {c}",
    "{a}{b}{c}",
    "+1 {a} {b} {c}",
    "+1-{a}-{b}-{c}",
)
_DOMAINS = (
    "example.com",
    "example.org",
    "mail.example.net",
    "post.example",
    "library.example.org",
    "club-news.example",
)

EMAIL_SENTENCES = (
    "If you would like to know more, write to {x} and we will answer within a week.",
    "Questions and corrections can be sent to {x} at any time.",
    "Please let us know at {x} whether you can come.",
    "The address for letters is {x}, and every letter is read.",
    "Anyone who wants to help may contact {x} before the end of the month.",
)
PHONE_SENTENCES = (
    "You can reach the office at {x} on weekdays between nine and five.",
    "Call {x} if you want to reserve a place.",
    "The number to ring is {x}, but please be patient.",
    "For urgent matters there is a telephone at the front desk, {x}.",
    "My cousin answers the phone at {x} most evenings.",
)
IP_SENTENCES = (
    "The little server in the cellar answers at {x} and has run for three years.",
    "According to the log, the last visitor came from {x} shortly before midnight.",
    "To see the weather station, open {x} in a browser inside the building.",
    "We changed the address of the printer to {x} and everything worked again.",
)


@dataclass(slots=True)
class Planted:
    """What was planted, as it stands in the text."""

    emails: list[str] = field(default_factory=list)
    phones: list[str] = field(default_factory=list)
    ips: list[str] = field(default_factory=list)


def _email(rng: Random) -> str:
    first, last = rng.choice(GIRLS + BOYS).lower(), rng.choice(SURNAMES).lower()
    local = rng.choice(
        (
            f"{first}.{last}",
            f"{first}{rng.randint(1, 99)}",
            f"{first[0]}_{last}",
            f"{first}+news",
            last,
        )
    )
    return f"{local}@{rng.choice(_DOMAINS)}"


def _phone(rng: Random) -> str:
    if rng.random() < 0.01:
        return f"+44 20 7946 0{rng.randint(100, 999)}"
    return rng.choice(_FORMATS).format(
        a=rng.choice(_AREAS), b=rng.randint(200, 999), c=f"{rng.randint(0, 9999):04d}"
    )


def _ip(rng: Random) -> str:
    net = rng.choice(
        (
            "192.0.2",
            "198.51.100",
            "203.0.113",
            f"10.{rng.randint(0, 255)}.{rng.randint(0, 255)}",
            f"192.168.{rng.randint(0, 255)}",
        )
    )
    return f"{net}.{rng.randint(1, 254)}"


def plant(document: Document, rng: Random) -> Planted:
    """Adds one to three sentences with personal data to paragraphs of `document`."""
    planted = Planted()
    kinds = rng.sample(("email", "phone", "ip"), rng.choice((1, 1, 2, 3)))
    targets = [i for i, (tag, _) in enumerate(document.blocks) if tag == "p"]
    sentences: tuple[str, ...]
    for kind in kinds:
        if kind == "email":
            value, sentences = _email(rng), EMAIL_SENTENCES
            planted.emails.append(value)
        elif kind == "phone":
            value, sentences = _phone(rng), PHONE_SENTENCES
            planted.phones.append(value)
        else:
            value, sentences = _ip(rng), IP_SENTENCES
            planted.ips.append(value)
        at = rng.choice(targets)
        tag, text = document.blocks[at]
        document.blocks[at] = (tag, f"{text} {rng.choice(sentences).format(x=value)}")
    return planted
