"""Text of PDFs, and those that give none."""

import pytest

from lmcore.crawl.config import ExtractConfig
from lmcore.crawl.html import extract_page
from lmcore.crawl.worker import Worker

LEAF = "BT /F1 12 Tf 72 700 Td (Leaf {} of a report.) Tj ET"


def make_pdf(n_leaves, *, encrypt=b""):
    kids = " ".join(f"{4 + 2 * i} 0 R" for i in range(n_leaves))
    objects = [
        b"<</Type/Catalog/Pages 2 0 R>>",
        f"<</Type/Pages/Kids[{kids}]/Count {n_leaves}>>".encode(),
        b"<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>",
    ]
    for i in range(n_leaves):
        stream = LEAF.format(i + 1).encode()
        objects.append(
            f"<</Type/Page/Parent 2 0 R/MediaBox[0 0 612 792]/Contents {5 + 2 * i} 0 R"
            "/Resources<</Font<</F1 3 0 R>>>>>>".encode()
        )
        objects.append(b"<</Length %d>>stream\n%s\nendstream" % (len(stream), stream))
    body, places = b"%PDF-1.4\n", []
    for number, content in enumerate(objects, start=1):
        places.append(len(body))
        body += b"%d 0 obj%s endobj\n" % (number, content)
    table = b"".join(b"%010d 00000 n \n" % place for place in places)
    size = len(objects) + 1
    return body + b"xref\n0 %d\n0000000000 65535 f \n%strailer<</Size %d/Root 1 0 R%s>>\nstartxref\n%d\n%%%%EOF" % (
        size, table, size, encrypt, len(body),
    )  # fmt: skip


LOCK = b"/Encrypt<</Filter/Standard/V 1/R 2/P -4/O<%s>/U<%s>>>/ID[<00><00>]" % (
    b"41" * 32,
    b"42" * 32,
)
PDF = make_pdf(3)


def test_pdf_gives_its_leaves_in_order():
    page = extract_page(PDF, "", ExtractConfig(), kind="pdf")
    assert (page.outcome, page.page_type) == ("page", "pdf")
    assert page.text == "\n\n".join(f"Leaf {i} of a report." for i in (1, 2, 3))


def test_pdf_is_read_to_the_most_leaves():
    page = extract_page(PDF, "", ExtractConfig(max_pdf_pages=1), kind="pdf")
    assert page.text == "Leaf 1 of a report."


@pytest.mark.parametrize(
    ("body", "outcome"),
    [
        (make_pdf(1, encrypt=LOCK), "encrypted_pdf"),
        (PDF[:60], "bad_pdf"),
        (b"%PDF-1.4 junk", "bad_pdf"),
        (make_pdf(0), "bad_pdf"),
    ],
)
def test_pdf_without_text_has_its_reason(body, outcome):
    page = extract_page(body, "", ExtractConfig(), kind="pdf")
    assert (page.outcome, page.text) == (outcome, "")


def test_pdf_goes_through_the_child():
    with Worker(ExtractConfig(tier="fast")) as worker:
        assert worker.extract(PDF[:60], "", kind="pdf").outcome == "bad_pdf"
        assert worker.extract(PDF, "", kind="pdf").text.startswith("Leaf 1")
        assert worker.n_starts == 1
