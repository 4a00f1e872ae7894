"""`make bench`: the fold alone, then the whole way; a JSON object a line (ARGS=--quick: short)."""

from __future__ import annotations

from benchmarks import end_to_end, fold

if __name__ == "__main__":
    fold.main()
    end_to_end.main()
