"""The text of a PDF, leaf by leaf, by PDFium.

PDFs of the web are cut off, locked and damaged; each of these is an outcome of its own. PDFium is C
code, so this runs in the killable child only (worker.py), which bounds time and memory. Lines that
hyphenation broke are joined as PDFium marks them (U+FFFE, U+0002). Cost: 1 to 5 ms a leaf.
"""

import re

from lmcore.crawl.record import Page

_PASSWORD = 4
"""FPDF_ERR_PASSWORD"""
_SOFT_BREAK = re.compile("[\ufffe\x02]\r?\n?")
_CONTROLS = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]")


def _tidy(text: str) -> str:
    text = _SOFT_BREAK.sub("", text).replace("\r\n", "\n").replace("\r", "\n")
    return _CONTROLS.sub("", text).strip()


def extract_pdf(body: bytes, max_pages: int) -> Page:
    """Title, author and text of a PDF; `bad_pdf` and `encrypted_pdf` where it cannot be read."""
    import pypdfium2  # 50 ms that pages of HTML never pay

    try:
        document = pypdfium2.PdfDocument(body)
    except pypdfium2.PdfiumError as error:
        is_locked = getattr(error, "err_code", None) == _PASSWORD
        return Page(outcome="encrypted_pdf" if is_locked else "bad_pdf", page_type="pdf")
    try:
        leaves = []
        for number in range(min(len(document), max_pages)):
            leaf = document[number]
            leaves.append(_tidy(leaf.get_textpage().get_text_range()))
            leaf.close()
        about = document.get_metadata_dict(skip_empty=True)
    except pypdfium2.PdfiumError:
        return Page(outcome="bad_pdf", page_type="pdf")
    finally:
        document.close()
    return Page(
        outcome="page",
        page_type="pdf",
        title=about.get("Title", ""),
        author=about.get("Author", ""),
        text="\n\n".join(filter(None, leaves)),
    )
