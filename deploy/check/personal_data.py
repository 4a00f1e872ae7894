"""Plants personal data in every field of the SDK's calls and counts what gets through.

The generators know how people write numbers, not what the detectors look for: prefixes, check
digits and spellings are made here from their public descriptions. One planted record is one call.

Out of reach, and so not planted: a number in a field of amounts that is a plausible amount, and
hex digits that hide a phone number among random ones. Both are told in ADR 0016.
"""

from __future__ import annotations

import random
import secrets
import string
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from producers.anonymise import Secret
from producers.client import ClientOptions, Session, TelemetryClient
from producers.errors import UsageError
from producers.pacing import wall_ms
from schemas import codes
from schemas.errors import ContractError
from schemas.telemetry import ARROW, DIMENSIONS, MEASURES, SampleType

_BULK = 500
_NOWHERE = "127.0.0.1:1"  # nothing is sent: what is looked at is what was accepted
_BASES = ("hongqiao-01", "base-310115-003", "west-bund-2024", "pudong-expo", "yangpu-hub-12", "m50")
_VENUES = ("nanjing-road", "xujiahui", "lujiazui-2", "wujiaochang", "hongqiao-hub")
_PUBLIC = ("base_id", "venue_id")
_AMOUNTS = ("paid_fen", "refunded_fen")
_HAN_DIGITS = "零一二三四五六七八九"
_SURNAMES = ("王", "李", "张", "陈", "欧阳", "司马", "徐", "诸葛")
_GIVEN = "伟芳娜敏静丽强磊军洋勇艳杰娟涛明超秀霞平刚桂英"
_ROADS = ("南京西", "淮海中", "世纪", "漕溪北", "四川北", "中山东一")


def run(n: int = 100_000, seed: int = 7) -> dict[str, int]:
    """`n` planted records and half as many clean ones.

    Keys: pii_planted, pii_passed, clean_sent, clean_refused.
    """
    with tempfile.TemporaryDirectory(prefix="livewatch-pii-") as directory:
        options = ClientOptions(partitions=4)
        client = TelemetryClient(
            "p01", _NOWHERE, Path(directory), Secret(secrets.token_bytes(32)),
            options=options,
        )  # fmt: skip
        try:
            trial = Trial(client, random.Random(seed))  # noqa: S311 - a seeded trial
            for _ in range(n):
                trial.plant()
            trial.clean(n // 2)
        finally:
            client.close(0)
    return {
        "pii_planted": trial.planted,
        "pii_passed": trial.passed,
        "clean_sent": trial.sent,
        "clean_refused": trial.refused,
    }


class People:
    """Personal data as people write it."""

    def __init__(self, rng: random.Random) -> None:
        self.rng = rng
        self.kinds: tuple[Callable[[], str], ...] = (
            self.mobile, self.mobile, self.landline, self.identity, self.old_identity,
            self.card, self.email, self.ipv4, self.ipv6, self.address, self.name,
        )  # fmt: skip

    def any(self) -> str:
        return self.spelled(self.rng.choice(self.kinds)())

    def digits(self, count: int) -> str:
        return "".join(self.rng.choices(string.digits, k=count))

    def mobile(self) -> str:
        number = "1" + self.rng.choice("3456789") + self.digits(9)
        parts = (number[:3], number[3:7], number[7:])
        prefix = self.rng.choice(("", "", "+86", "86", "0086 ", "(+86)"))
        return prefix + self.rng.choice(("", "", "-", " ", ".", "_")).join(parts)

    def landline(self) -> str:
        area = self.rng.choice(("021", "010", "0571", "0755", "028"))
        number = self.rng.choice("2345678") + self.digits(7)
        return area + self.rng.choice(("", "-", " ")) + number

    def identity(self) -> str:
        body = self._place() + self._birth(f"{self.rng.randint(1935, 2012)}") + self.digits(3)
        total = sum(int(d) * (2 ** (17 - i) % 11) for i, d in enumerate(body))
        return body + "10X98765432"[total % 11]

    def old_identity(self) -> str:
        return self._place() + self._birth(f"{self.rng.randint(35, 99)}") + self.digits(3)

    def card(self) -> str:
        body = self.rng.choice(("622202", "621661", "4367", "5201", "6225"))
        body += self.digits(self.rng.choice((15, 18)) - len(body))
        check = next(c for c in string.digits if _luhn_sum(body + c) % 10 == 0)
        number = body + check
        if self.rng.random() < 0.5:
            return number
        return " ".join(number[i : i + 4] for i in range(0, len(number), 4))

    def email(self) -> str:
        user = "".join(self.rng.choices(string.ascii_lowercase + string.digits, k=8))
        at = self.rng.choice(("@", "@", " at ", "(at)"))
        return user + at + self.rng.choice(("qq.com", "163.com", "example.org"))

    def ipv4(self) -> str:
        return ".".join(str(self.rng.randint(0, 255)) for _ in range(4))

    def ipv6(self) -> str:
        return ":".join(f"{self.rng.randint(0, 65535):x}" for _ in range(8))

    def address(self) -> str:
        door = f"{self.rng.randint(1, 999)}号{self.rng.randint(1, 30)}室"
        return f"上海市黄浦区{self.rng.choice(_ROADS)}路{door}"

    def name(self) -> str:
        given = "".join(self.rng.choices(_GIVEN, k=self.rng.choice((1, 2))))
        return self.rng.choice(_SURNAMES) + given

    def spelled(self, text: str) -> str:
        """As it is, or full-width, with invisible characters, or in Chinese digits."""
        way = self.rng.random()
        if way < 0.7:
            return text
        if way < 0.8:
            return "".join(chr(ord(c) + 0xFEE0) if "!" <= c <= "~" else c for c in text)
        if way < 0.9:
            return "\u200b".join(text)
        return "".join(_HAN_DIGITS[int(c)] if c in string.digits else c for c in text)

    def number(self) -> int:
        """A phone, ID or card number as a number."""
        kinds = (self.mobile, self.old_identity, self.card)
        text = "".join(c for c in self.rng.choice(kinds)() if c in string.digits)
        return int(text)

    def as_public_id(self) -> str:
        """In the alphabet of public ids: lower-case letters, digits and hyphens."""
        kinds = (self.mobile, self.landline, self.identity, self.card, self.ipv4)
        text = self.rng.choice(kinds)().lower()
        plain = "".join(c if c.isalnum() and c.isascii() else "-" for c in text).strip("-")
        return (self.rng.choice(("", "", "base-", "a")) + plain)[:32]

    def as_pseudonym(self) -> str:
        """Within 32 hex digits."""
        kinds = (self.mobile, self.identity, self.old_identity)
        text = "".join(c for c in self.rng.choice(kinds)() if c in string.digits)
        way = self.rng.randrange(4)
        if way == 0:
            return text.rjust(32, self.rng.choice("0af"))
        if way == 1:
            return text.ljust(32, self.rng.choice("0af"))
        if way == 2:
            return (text * 3)[:32]
        return text[:16].encode().hex().ljust(32, "0")

    def _place(self) -> str:
        return self.rng.choice(("310101", "110105", "330106", "440305", "510104"))

    def _birth(self, year: str) -> str:
        return f"{year}{self.rng.randint(1, 12):02}{self.rng.randint(1, 28):02}"


def _luhn_sum(number: str) -> int:
    total = 0
    for place, digit in enumerate(reversed(number)):
        value = int(digit) * (1 + place % 2)
        total += value - 9 if value > 9 else value
    return total


@dataclass
class Trial:
    """Plants, and counts what was accepted."""

    client: TelemetryClient
    rng: random.Random
    planted: int = 0
    passed: int = 0
    sent: int = 0
    refused: int = 0
    session: Session = field(init=False)
    people: People = field(init=False)

    def __post_init__(self) -> None:
        self.people = People(self.rng)
        self.session = self.client.session(**self._session())

    def plant(self) -> None:
        """One record with something planted, by one of the ways that there are."""
        ways = (self._in_session, self._in_raw_id, self._in_measures, self._in_rows)
        self.planted += 1
        self.passed += self.rng.choices(ways, (4, 3, 4, 1))[0]()  # a call with rows is dear

    def clean(self, count: int) -> None:
        """Records without anything planted, in bulk and one by one."""
        while self.sent < count:
            bulk = [self._row(sample := self._sample()) for _ in range(1)]
            bulk += [self._row(sample) for _ in range(min(_BULK, count - self.sent) - 1)]
            self.sent += len(bulk)
            try:
                self.client.write(sample, bulk)
            except ContractError:
                self.refused += len(bulk)
            try:
                self.sent += 1
                live = self.client.session(**self._session())
                live.viewers(self.rng.randrange(10_000))
            except ContractError:
                self.refused += 1

    # -- ways, each True when the planted data was accepted ---------------------------------

    def _in_session(self) -> bool:
        given = self._session()
        name = self.rng.choice(
            (
                "district", "category", "scenario", "base_id", "base_id", "venue_id", "venue_id",
                "session_id", "nickname", "", "origin_region", "brand_type", "streamer_certified",
                "streamer_tier",
            )
        )  # fmt: skip
        value: Any = self.people.any()
        if name in _PUBLIC and self.rng.random() < 0.8:
            value = self.people.as_public_id()
        if name == "session_id" and self.rng.random() < 0.8:
            value = self.people.as_pseudonym()
        if not name:
            name, value = value, "1"  # the name of the field is the personal data
        return self._accepted(lambda: self.client.session(**given | {name: value}))

    def _in_raw_id(self) -> bool:
        """A raw id may be anything: it is hashed. Nothing of it may be left."""
        text = self.people.any()
        name = self.rng.choice(("room", "streamer", "merchant", "mcn"))
        live = self.client.session(**self._session() | {name: text})
        return any(_shows(str(value), text) for value in live.dimensions.values())

    def _in_measures(self) -> bool:
        sample = self._sample()
        given = self._measures(sample)
        fields = [*given, "comment", "at"]
        name = self.rng.choice(fields)
        number = name not in _AMOUNTS and self.rng.random() < 0.3
        given[name] = self.people.number() if number else self.people.any()
        call = getattr(self.session, sample.value)
        return self._accepted(lambda: call(**_as_call(sample, given)))

    def _in_rows(self) -> bool:
        sample = self._sample()
        row = self._row(sample)
        name = self.rng.choice([*ARROW[sample].names, "phone"])
        row[name] = self.people.any()
        if name.endswith(("_pid", "session_id")) and self.rng.random() < 0.8:
            row[name] = self.people.as_pseudonym()
        if name in _PUBLIC and self.rng.random() < 0.8:
            row[name] = self.people.as_public_id()
        return self._accepted(lambda: self.client.write(sample, [row]))

    def _accepted(self, call: Callable[[], object]) -> bool:
        try:
            call()
        except (ContractError, TypeError, UsageError):
            return False
        return True

    # -- clean data ---------------------------------------------------------------------------

    def _sample(self) -> SampleType:
        return self.rng.choice(tuple(SampleType))

    def _session(self) -> dict[str, Any]:
        rng = self.rng
        return {
            "room": f"room-{rng.randrange(10**6)}",
            "streamer": self.people.mobile(),  # platforms do use phone numbers as account ids
            "merchant": f"shop-{rng.randrange(10**6)}",
            "mcn": rng.choice((None, "mcn-7")),
            "district": rng.choice(sorted(codes.DISTRICTS.codes)),
            "category": rng.choice(sorted(codes.CATEGORIES.codes)),
            "scenario": rng.choice((None, *sorted(codes.SCENARIOS.codes))),
            "base_id": rng.choice((None, *_BASES)),
            "venue_id": rng.choice((None, *_VENUES)),
            "origin_region": rng.choice((None, *sorted(codes.REGIONS.codes))),
            "brand_type": rng.choice((None, *sorted(codes.BRANDS.codes))),
            "streamer_certified": rng.choice((None, True, False)),
            "streamer_tier": rng.choice((None, *sorted(codes.TIERS.codes))),
        }

    def _measures(self, sample: SampleType) -> dict[str, Any]:
        given: dict[str, Any] = {}
        for column in MEASURES[sample]:
            if column.allowed is not None:
                given[column.name] = self.rng.choice(sorted(column.allowed))
            elif column.maximum is not None:
                given[column.name] = self.rng.randrange(min(5_000, column.maximum))
        return given

    def _row(self, sample: SampleType) -> dict[str, Any]:
        session = self._session()
        names = self.client.pseudonyms()
        row: dict[str, Any] = {d.name: session.get(d.name) for d in DIMENSIONS}
        for domain in ("room", "streamer", "mcn", "merchant"):
            raw = session[domain]
            row[f"{domain}_pid"] = None if raw is None else names.make(domain, raw)
        row["session_id"] = self.session.id
        return row | self._measures(sample) | {"event_time": wall_ms()}


def _as_call(sample: SampleType, given: dict[str, Any]) -> dict[str, Any]:
    if sample is SampleType.COMPLAINTS:
        return {("count" if name == "complaints" else name): v for name, v in given.items()}
    return given


def _shows(value: str, text: str) -> bool:
    """Whether a value has the planted text in it, or eight characters of it in a row."""
    return any(text[i : i + 8] in value for i in range(max(1, len(text) - 7))) and len(text) > 1
