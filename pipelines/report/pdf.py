"""HTML to PDF with the browser that is there, the same bytes each time."""

from __future__ import annotations

import re
import shutil
import subprocess
import tempfile
from pathlib import Path

_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
HOW = "Debian, Ubuntu: apt install chromium fonts-noto-cjk"
#: The printer writes the clock into the file; all else follows from the page.
_DATES = re.compile(rb"/(CreationDate|ModDate) \(D:\d{14}([^)]*)\)")
_PATIENCE_S = 120


class PdfError(RuntimeError):
    """No PDF can be made here; the message says what to do."""


def pdf(html: str, day: str) -> bytes:
    """The page as a PDF, dated at midnight of `day` (YYYYMMDD). Raises PdfError."""
    browser = next((found for n in _NAMES if (found := shutil.which(n))), None)
    if browser is None:
        raise PdfError(f"a PDF needs Chromium ({HOW}); write --out FILE.html instead")
    if 'lang="zh' in html and not _has_chinese_font():
        raise PdfError(f"no font with Chinese characters is installed ({HOW})")
    with tempfile.TemporaryDirectory(prefix="livewatch-report-") as name:
        page, out = Path(name) / "report.html", Path(name) / "report.pdf"
        page.write_text(html, "utf-8")
        argv = [
            browser, "--headless", "--no-sandbox", "--disable-gpu", "--no-pdf-header-footer",
            f"--user-data-dir={name}/profile", f"--print-to-pdf={out}", page.as_uri(),
        ]  # fmt: skip
        try:
            done = subprocess.run(argv, capture_output=True, timeout=_PATIENCE_S, check=False)
        except subprocess.TimeoutExpired:
            raise PdfError(f"{browser} did not print within {_PATIENCE_S} s") from None
        if not out.is_file():
            said = done.stderr.decode("utf-8", "replace").strip().splitlines()
            raise PdfError(f"{browser} printed nothing: {said[-1] if said else done.returncode}")
        return _DATES.sub(
            lambda m: b"/%s (D:%s000000%s)" % (m[1], day.encode(), m[2]), out.read_bytes()
        )


def _has_chinese_font() -> bool:
    lister = shutil.which("fc-list")
    if lister is None:
        return True  # nobody to ask; the page itself will show
    found = subprocess.run(
        [lister, ":lang=zh", "family"], capture_output=True, timeout=30, check=False
    )
    return bool(found.stdout.strip())
