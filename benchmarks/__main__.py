"""`make bench`: the fold, the gateway, the whole way, overload, recovery; a JSON object a line
(ARGS=--quick: short).
"""

from __future__ import annotations

import sys

from benchmarks import end_to_end, fold, gateway, overload, recovery

if __name__ == "__main__":
    fold.main()
    gateway.measure_and_print(3.0 if "--quick" in sys.argv else 8.0)
    end_to_end.main()
    overload.main()
    recovery.main()
