"""Which of two entities is the wider, and what the identity of a flag says of its entity."""

from __future__ import annotations

WIDTH = ("session", "merchant", "streamer", "mcn", "cell", "category", "platform", "city")
"""Kinds of entities that F01 looks at, narrowest first."""

EntityKey = tuple[str, str, str]
"""(kind, platform, id)"""


def width(kind: str) -> int:
    """Rank of a kind, the narrowest first. Of what F01 does not look at: the widest."""
    return WIDTH.index(kind) if kind in WIDTH else len(WIDTH)


def entity_of_flag(flag_id: str) -> EntityKey:
    """Whom a flag is about; ("", "", "") where the identity is none of ours."""
    parts = flag_id.partition(":")[2].rpartition(":")[0].split("/", 2)
    return (parts[0], parts[1], parts[2]) if len(parts) == 3 else ("", "", "")


def same_event(kind: str, parent_id: str) -> bool:
    """Whether a flag of this kind has a narrower one as its parent, which rests on the same
    complaints; a wider one is a rise that explains many."""
    return bool(parent_id) and width(entity_of_flag(parent_id)[0]) < width(kind)
