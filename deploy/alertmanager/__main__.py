"""Write the configuration anew; a test says when it is not fresh."""

from __future__ import annotations

from deploy.alertmanager.build import FILE, text

FILE.write_text(text(), "utf-8")
