"""`python -m producers.gateway > schemas/generated/openapi.yaml`: the document as it is now."""

from __future__ import annotations

import json
import sys

from producers.gateway.openapi import document

# JSON is YAML; a dumper of YAML would be one more thing to install at a platform.
sys.stdout.write(json.dumps(document(), indent=1, ensure_ascii=False) + "\n")
