"""Which level a flag has now, who is told, and why. Pure: the files of the ledger and a time in."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from pipelines.core.kin import same_event, width
from pipelines.core.ledger.lifecycle import FlagFile, Level, State
from pipelines.core.levels.policy import Persistent, RoutingPolicy, Several, Unacknowledged, fits

_SPAN = (
    (86_400_000, "天", "d"),
    (3_600_000, "小时", "h"),
    (60_000, "分钟", "min"),
    (1000, "秒", "s"),
)


@dataclass(frozen=True, slots=True)
class Reason:
    """One ground for a level. `code` is for programs."""

    code: str
    zh: str
    en: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """`recipients` is whom the level concerns; they are told unless it is `shadow` or `held`.

    `held`: why nobody is told though there is a level: `muted:FLAG`, `parent:FLAG`,
    `maintenance:REASON`. Recipients are `commission`, ..., `platform:ID` and `district:CODE`.
    """

    level: Level
    recipients: tuple[str, ...] = ()
    reasons: tuple[Reason, ...] = ()
    held: str = ""
    shadow: bool = False

    @property
    def told(self) -> tuple[str, ...]:
        return () if self.shadow or self.held else self.recipients


def evaluate(
    file: FlagFile,
    same_entity: Sequence[FlagFile],
    silences: Sequence[FlagFile],
    policy: RoutingPolicy,
    now: int,
    parents: Mapping[str, FlagFile] | None = None,
    event: Sequence[FlagFile] = (),
) -> Verdict:
    """The level at `now` (ms). `same_entity` may hold the file itself; `silences` are the
    platform's files under the rules that mute; `parents` the files by flag, among which a parent
    is looked for: one that nobody is told of holds nothing back (None: taken to be told);
    `event` the other flags on the same complaints (`one_event`), of which one is told.

    A level never falls: what was told cannot be untold. An overturned, corrected or cleared file
    rises no further.
    """
    if file.state in (State.OVERTURNED, State.CORRECTED, State.CLEARED):
        return Verdict(file.level, file.told)
    shadow = any(one.covers(file.platform_id, file.rule) for one in policy.shadow)
    wider = (why for one in (file, *event) if (why := _explained(one, policy, parents)))
    held = next(wider, "") or _held(file, silences, policy, now)
    base = policy.base_level(file.rule, file.grade)
    if base is Level.NONE:
        return Verdict(file.level, file.told, held=held, shadow=shadow)
    grounds: list[tuple[Level, Reason]] = [(base, _of_grade(file))]
    grounds += _escalations(file, same_entity, policy, now)
    if max(level for level, _ in grounds) >= Level.WARNING:
        grounds += _repeated(file, same_entity, policy, now)
    level = max(file.level, *(level for level, _ in grounds))
    reasons = tuple(reason for at, reason in grounds if at == level)
    held = held or _told_by(file, event, level, policy)
    return Verdict(level, recipients(file, level, policy), reasons, held, shadow)


def recipients(file: FlagFile, level: Level, policy: RoutingPolicy) -> tuple[str, ...]:
    """Whom `level` concerns for this flag. A district that is not known has no bureau to tell."""
    if level is Level.NONE:
        return ()
    roles = list(policy.levels[level.word])  # type: ignore[index]
    content = policy.content
    if content and fits(content.rules, file.rule) and level >= Level.of(content.level):
        roles += [role for role in content.tell if role not in roles]
    named = {"platform": f"platform:{file.platform_id}"}
    bureau = f"district:{file.district}" if file.district not in ("", "310000", "999999") else ""
    named["district_bureau"] = bureau
    return tuple(name for role in roles if (name := named.get(role, role)))


def _explained(
    file: FlagFile, policy: RoutingPolicy, parents: Mapping[str, FlagFile] | None
) -> str:
    """A wider rise that people are told of in its stead, at that level: a watch is told to nobody,
    what is only raised not to those who are told of what is critical."""
    if not file.parent_id or same_event(file.entity_type, file.parent_id):
        return ""
    if parents is not None:
        parent = parents.get(file.parent_id)
        if parent is None or not parent.counted:
            return ""
        due = policy.base_level(parent.rule, parent.grade)
        if due is Level.NONE or due < policy.base_level(file.rule, file.grade):
            return ""
    return f"parent:{file.parent_id}"


def one_event(
    file: FlagFile,
    files: Mapping[str, FlagFile],
    attached: Callable[[str], Iterable[FlagFile]],
) -> list[FlagFile]:
    """The other flags on the same complaints. `attached`: the files with this flag as parent."""
    root = file.flag_id
    while (at := files.get(root, file)).parent_id and same_event(at.entity_type, at.parent_id):
        root = at.parent_id
        if root not in files:
            break
    found, waiting = {root: files.get(root)}, [root]
    while waiting:
        for one in attached(waiting.pop()):
            if one.flag_id not in found and same_event(one.entity_type, one.parent_id):
                found[one.flag_id] = one
                waiting.append(one.flag_id)
    return [one for one in found.values() if one is not None and one.flag_id != file.flag_id]


def among(file: FlagFile, files: Iterable[FlagFile]) -> list[FlagFile]:
    """`one_event` where there are few files and no index of them."""
    known = {one.flag_id: one for one in (*files, file)}
    children: dict[str, list[FlagFile]] = {}
    for one in known.values():
        children.setdefault(one.parent_id, []).append(one)
    return one_event(file, known, lambda parent: children.get(parent, []))


def _told_by(file: FlagFile, event: Sequence[FlagFile], level: Level, policy: RoutingPolicy) -> str:
    """The flag on the same complaints that people are told of at this level: one that was told,
    or the narrowest that is due. One that is muted stands for nobody."""
    if file.level >= level:
        return ""  # it was told, and cannot be untold
    mine = _rank(file)
    for one in sorted(event, key=_rank):
        if not one.counted or one.held.startswith(("muted:", "maintenance:")) or one.shadow:
            continue
        due = policy.base_level(one.rule, one.grade) >= level and _rank(one) < mine
        if one.level >= level or (due and one.over_at is None):
            return f"parent:{one.flag_id}"
    return ""


def _rank(file: FlagFile) -> tuple[int, str]:
    return width(file.entity_type), file.flag_id


def _held(file: FlagFile, silences: Sequence[FlagFile], policy: RoutingPolicy, now: int) -> str:
    mute = policy.mute
    if mute and not fits(mute.by, file.rule) and not fits(mute.spares, file.rule):
        for other in silences:
            if fits(mute.by, other.rule) and _silences(other, file):
                return f"muted:{other.flag_id}"
    for window in policy.maintenance:
        opened_in_it = window.covers(file.platform_id, file.rule, file.event_at)
        if opened_in_it and (now < window.end.timestamp() * 1000 or file.over_at is not None):
            return f"maintenance:{window.reason}"
    return ""


def _silences(silence: FlagFile, file: FlagFile) -> bool:
    """As `muted_by` of v_flags: it was on when the flag opened, for its platform or itself."""
    wide = silence.entity_type == "platform"
    over = silence.over_event_at
    same = silence.platform_id == file.platform_id
    on = silence.onset <= file.event_at and (over is None or file.event_at <= over)
    return same and on and silence.counted and (wide or silence.subject == file.subject)


def _of_grade(file: FlagFile) -> Reason:
    zh = {"watch": "关注", "raised": "升高", "critical": "严重"}[file.grade]
    return Reason(
        f"grade:{file.rule}:{file.grade}",
        f"规则 {file.rule} 证据等级为{zh}",
        f"grade {file.grade} of rule {file.rule}",
    )


def _escalations(
    file: FlagFile, same_entity: Sequence[FlagFile], policy: RoutingPolicy, now: int
) -> Iterator[tuple[Level, Reason]]:
    rules = policy.escalate
    if rules.several and not policy.mutes(file.rule):
        yield from _several(file, _heard(file, same_entity, policy), rules.several)
    if rules.unacknowledged:
        yield from _unacknowledged(file, rules.unacknowledged, now)
    if rules.persistent:
        yield from _persistent(file, rules.persistent, now)


def _several(
    file: FlagFile, heard: Sequence[FlagFile], rule: Several
) -> Iterator[tuple[Level, Reason]]:
    count = 1 + sum(abs(one.event_at - file.event_at) <= rule.within for one in heard)
    if count >= rule.flags:
        zh, en = _span(rule.within)
        zh, en = f"{zh}内同一对象有 {count} 个提示", f"{count} flags on one entity within {en}"
        yield Level.of(rule.level), Reason(f"several:{count}", zh, en)


def _unacknowledged(
    file: FlagFile, rule: Unacknowledged, now: int
) -> Iterator[tuple[Level, Reason]]:
    told = file.noticed_at
    if told is not None and file.state is State.OPEN and now - told >= rule.after:
        zh, en = _span(rule.after)
        reason = Reason("unacknowledged", f"{zh}内无人确认", f"not acknowledged within {en}")
        yield Level.of(rule.level), reason


def _persistent(file: FlagFile, rule: Persistent, now: int) -> Iterator[tuple[Level, Reason]]:
    goes_on = file.over_at is None and now - file.opened_at >= rule.after
    if goes_on and fits(rule.rules, file.rule):
        zh, en = _span(rule.after)
        reason = Reason("persistent", f"已持续 {zh}以上", f"has gone on for {en} or more")
        yield Level.of(rule.level), reason


def _repeated(
    file: FlagFile, same_entity: Sequence[FlagFile], policy: RoutingPolicy, now: int
) -> Iterator[tuple[Level, Reason]]:
    rule = policy.escalate.repeated
    if rule is None:
        return
    since = now - rule.within
    earlier = [one.warned_at for one in _heard(file, same_entity, policy) if not one.shadow]
    count = 1 + sum(at is not None and at >= since for at in earlier)
    if count >= rule.warnings and (file.warned_at is None or file.warned_at >= since):
        zh, en = _span(rule.within)
        zh, en = f"{zh}内第 {count} 次预警", f"warning number {count} on one entity within {en}"
        yield Level.of(rule.level), Reason(f"repeated:{count}", zh, en)


def _heard(
    file: FlagFile, same_entity: Sequence[FlagFile], policy: RoutingPolicy
) -> list[FlagFile]:
    """The other flags of the entity that count: not overturned, not held back; and a silence is
    no offence."""
    return [
        one
        for one in same_entity
        if one.flag_id != file.flag_id
        and one.subject == file.subject
        and one.counted
        and _stands(one)
        and not policy.mutes(one.rule)
        and not any(s.covers(one.platform_id, one.rule) for s in policy.shadow)
        and policy.base_level(one.rule, one.grade) > Level.NONE
    ]


def _stands(file: FlagFile) -> bool:
    """Whether a flag counts against its entity: one that another tells of on the same complaints
    does, one that a wider rise explains does not."""
    by_other = file.held.startswith("parent:")
    if not file.parent_id:
        return not file.held or by_other
    return same_event(file.entity_type, file.parent_id) and (not file.held or by_other)


def _span(ms: int) -> tuple[str, str]:
    for unit, zh, en in _SPAN:
        if ms % unit == 0:
            return f"{ms // unit} {zh}", f"{ms // unit} {en}"
    return f"{ms} 毫秒", f"{ms} ms"
