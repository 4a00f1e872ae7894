"""Pseudonyms at the source: what identifies somebody is hashed here and never sent."""

from producers.anonymise.linkage import Linkage, link, read_linkage, write_linkage
from producers.anonymise.pseudonyms import KEY_EPOCH_MS, Pseudonyms, key_epoch_at, random_id
from producers.anonymise.secret import Secret

__all__ = [
    "KEY_EPOCH_MS",
    "Linkage",
    "Pseudonyms",
    "Secret",
    "key_epoch_at",
    "link",
    "random_id",
    "read_linkage",
    "write_linkage",
]
