"""Personal data of a text, masked and counted, in the one order that keeps it idempotent.

Long things go before what may be a part of them: keys before e-mail addresses, IBANs and cards before
telephone numbers. Masking twice is masking once.
"""

from typing import NamedTuple

from lmcore.curate.pii import mask_emails, mask_ips, mask_phones
from lmcore.curate.pii_checked import mask_cards, mask_ibans, mask_keys


class Masked(NamedTuple):
    """A masked text, and how many of each kind were masked."""

    text: str
    n_emails: int
    n_phones: int
    n_ips: int
    n_cards: int
    n_ibans: int
    n_keys: int


def mask_personal_data(text: str) -> Masked:
    """Replace personal data by placeholders such as `|||EMAIL_ADDRESS|||`, and count it."""
    text, n_keys = mask_keys(text)
    text, n_emails = mask_emails(text)
    text, n_ibans = mask_ibans(text)
    text, n_cards = mask_cards(text)
    text, n_ips = mask_ips(text)
    text, n_phones = mask_phones(text)
    return Masked(text, n_emails, n_phones, n_ips, n_cards, n_ibans, n_keys)
