"""Looks for personal data in texts, whatever the spelling. Pure; answers never repeat the text.

The contract has no free text. What could still carry personal data is checked here: public ids
(`public_id_fault`), pseudonyms that are not random (`pseudonym_fault`), and, for whoever reads
files of others, any text (`kinds_in`).
"""

from __future__ import annotations

import ipaddress
import re

from schemas.spelling import (
    digits_of,
    spellings,
    squeezed,
    without_dates,
    without_moments,
)

_MOBILE = re.compile(r"1[3-9]\d{9}")
_SEP = r"[\W_]{0,6}"
#: In groups: from the start of one to the end of one, or counts in a list would be numbers.
_GROUPED = re.compile(rf"(?<!\d)(?:(?:\+|00)?86{_SEP}|0{_SEP})?1{_SEP}[3-9](?:{_SEP}\d){{9}}(?!\d)")
_LANDLINE = re.compile(
    r"(?<!\d)(?:0|86)(?:10|2\d|[3-9]\d\d)[2-8]\d{6,7}(?!\d)|(?<!\d)[48]00\d{7}(?!\d)"
)
_LOCAL = re.compile(
    r"(?<!\d)(?!(?:19|20)\d\d\D)[2-9]\d{2,3}[\s-]\d{4}(?!\d)|(?<!\d)[2-8]\d{7}(?!\d)"
)
_ID18 = re.compile(r"(?=(\d{17}[\dx]))")
_ID15 = re.compile(r"(?<!\d)(\d{15})(?!\d)")
_RUN = re.compile(r"\d+")
_EMAIL = re.compile(
    r"(?<![\w.+-])[\w.+-]{1,64}\s*(?:@|[(\[{]\s*at\s*[)\]}]|\s+at\s+)\s*[\w-]+\s*(?:\.|[(\[{]\s*dot\s*[)\]}]|\s+dot\s+)\s*\w+"
)
_IPV4 = re.compile(
    r"(?<![\d.])(?<!v)(?<!v\s)(\d{1,3})\s*[.\-]\s*(\d{1,3})\s*[.\-]\s*(\d{1,3})\s*[.\-]\s*(\d{1,3})(?![\d.])"
)
_IPV6 = re.compile(r"[0-9a-f]*:[0-9a-f:.]*:[0-9a-f:.]*")
_PLACE = re.compile(
    r"[\u4e00-\u9fff]{1,12}?(省|自治区|市|区|县|镇|乡|街道|村|路|大道|街|弄|巷|胡同|号|栋|幢|座|单元|楼|层|室)"
)
_DOOR = re.compile(r"[\u4e00-\u9fff](?:路|街|道|弄|巷|村|镇|号楼)\s*\d+\s*(?:号|弄|栋|幢|室)")
_CARD = re.compile(r"(?<!\d)\d{4}(?:[\W_]{0,3}\d{4}){2,3}(?:[\W_]{0,3}\d{1,4})?(?!\d)|\d{13,}")
_ACCOUNT = re.compile(
    r"(?:微信|wechat|weixin|qq|抖音|快手|护照|passport|通行证|支付宝|alipay)\s*(?:账号|帐号|号码|号|id)?"
    r"\s*[:是为]?\s*(?=[a-z_-]*\d)[a-z0-9_-]{6,}"
)
_HAN = re.compile(r"[\u4e00-\u9fff]+(?:[·•][\u4e00-\u9fff]+)?")
_SURNAMES = frozenset(
    "王李张刘陈杨黄赵吴周徐孙马朱胡郭何高林罗郑梁谢宋唐许韩冯邓曹彭曾肖田董袁潘于蒋蔡余杜叶程"
    "苏魏吕丁任沈姚卢姜崔钟谭陆汪范金石廖贾夏韦付方白邹孟熊秦邱江尹薛闫段雷侯龙史陶黎贺顾毛郝"
    "龚邵万钱严覃武戴莫孔向汤常温康施文牛樊葛邢安齐易乔伍庞颜倪庄聂章鲁岳翟殷詹申欧耿关兰焦俞"
    "左柳甘祝包宁尚符舒阮柯纪梅童凌毕单季裴霍涂成苗谷盛曲翁冉骆蓝路游辛靳管柴蒙鲍华喻祁蒲房滕"
)
_LABELLED = re.compile(
    rf"(?:姓名|名叫|联系人|收货人|收件人|投诉人|举报人|消费者|买家)(?:\s*[:是为叫]\s*|\s+)"
    rf"[{''.join(sorted(_SURNAMES))}][\u4e00-\u9fff]{{1,2}}(?![\u4e00-\u9fff])"
)
_DOUBLE = (
    "欧阳",
    "司马",
    "上官",
    "诸葛",
    "东方",
    "皇甫",
    "尉迟",
    "公孙",
    "慕容",
    "令狐",
    "夏侯",
    "端木",
)
_PINYIN = re.compile(
    r"(?<![a-z])(?:wang|li|zhang|liu|chen|yang|huang|zhao|wu|zhou|xu|sun|ma|zhu|hu|guo|he|gao|lin|luo"
    r"|zheng|liang|xie|song|tang|han|feng|deng|cao|peng|zeng|xiao|tian|dong|pan|yuan|cai|jiang|yu|du"
    r"|ye|cheng|su|wei|lyu|ding|ren|shen|yao|lu|jin|shi)\s+[a-z]{2,12}(?![a-z])"
)
_WEIGHTS = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
_PROVINCES = frozenset(
    str(number)
    for first, last in ((11, 15), (21, 23), (31, 37), (41, 46), (50, 54), (61, 65), (81, 83))
    for number in range(first, last + 1)
) | {"71"}
_MAIL_HOSTS = re.compile(
    r"-at-.+-(?:com|cn|net|org)|-(?:qq|163|126|sina|gmail|outlook|hotmail)-com"
)
_HEX_GROUP = re.compile(r"(?=[a-f]*\d)[0-9a-f]{12,}")
_PADDED = re.compile(r"([0-9a-f])\1{7,}(?!\1)\d{7,}")
_MAC = re.compile(r"(?:[0-9a-f]{2}-){5}[0-9a-f]{2}")
_LEET = str.maketrans("oil", "011")


def kinds_in(text: str) -> tuple[str, ...]:
    """Kinds of personal data that the text may hold, e.g. ("phone",); empty when none."""
    found = {kind for seen in spellings(text) for kind in _kinds(seen)}
    return tuple(kind for kind in _KINDS if kind in found)


_KINDS = ("phone", "id_number", "bank_card", "email", "ip", "account", "door", "address",
          "labelled_name", "name", "number")  # fmt: skip


def _kinds(seen: str) -> list[str]:
    whole = digits_of(without_moments(seen))
    digits = without_dates(whole)
    joined = squeezed(digits)
    found = {
        "phone": _is_phone(digits, joined),
        "id_number": bool(id_numbers(squeezed(whole))),
        "bank_card": _is_card(digits),
        "email": bool(_EMAIL.search(seen)),
        "ip": _is_ip(digits),
        "account": bool(_ACCOUNT.search(digits)),
        "door": bool(_DOOR.search(digits)),
        "address": _is_address(seen),
        "labelled_name": bool(_LABELLED.search(seen)),
        "name": _is_name(seen),
        "number": any(len(run) >= 10 for run in _RUN.findall(joined)),
    }
    return [kind for kind, there in found.items() if there]


def public_id_fault(text: str) -> str | None:
    """The rule that a public id (`base_id`, a venue) breaks because it may be personal data."""
    digits = squeezed(text)
    if any(len(run) >= 7 for run in _RUN.findall(text)):
        return "must not have 7 digits in a row"
    if any(len(run) >= 10 for run in _RUN.findall(digits)) or _LOCAL.search(text):
        return "must not look like a phone, card or ID number"
    if _is_ip(text) or _MAC.search(text):
        return "must not look like an address of a device"
    if _MAIL_HOSTS.search(text):
        return "must not look like an e-mail address"
    if _HEX_GROUP.search(text):
        return "must be a public id, not a pseudonym or a hash"
    if text.translate(_LEET) != text and any(
        len(run) >= 10 for run in _RUN.findall(squeezed(text.translate(_LEET)))
    ):
        return "must not look like a phone, card or ID number"
    return None


def pseudonym_fault(text: str) -> str | None:
    """The rule that 32 hex digits break because they are not random: a padded or coded number.

    A random value breaks it once in about two million times; who makes pseudonyms derives again
    then (`Pseudonyms` and `random_id` do).
    """
    rule = "must be random or a keyed pseudonym, not a padded or coded value"
    if text.isdecimal() or re.search(r"(.)\1{7}", text) or _new_ids(text):
        return rule
    if any(text[p:] == text[:-p] for p in range(1, 20)):
        return rule
    raw = bytes.fromhex(text)
    if all(32 <= byte < 127 for byte in raw.strip(b"\0 ")):
        return rule
    return None


def coded_number_fault(text: str) -> str | None:
    """The rule that 32 hex digits break because a person's number is in them without a doubt:
    padded, as an ID number, or as text in hex. Random digits do not break it."""
    rule = "must be a keyed pseudonym, not a padded or coded number"
    if _PADDED.fullmatch(text) or _PADDED.fullmatch(text[::-1]) or _new_ids(text):
        return rule
    raw = bytes.fromhex(text).strip(b"\0 ")
    if all(32 <= byte < 127 for byte in raw) and re.search(rb"\d{7}|\w@\w+[.]\w", raw):
        return rule
    return None


def id_numbers(digits: str) -> list[str]:
    """Resident ID numbers within a text: 18 with a right check digit (GB 11643), or 15 old ones."""
    found = [
        m for m in _ID18.findall(digits) if _province_and_birth(m[:2], m[6:14]) and _checked(m)
    ]
    return found + [m for m in _ID15.findall(digits) if _province_and_birth(m[:2], "19" + m[6:12])]


def _new_ids(digits: str) -> list[str]:
    found = _ID18.findall(digits)
    return [m for m in found if _province_and_birth(m[:2], m[6:14]) and _checked(m)]


def _province_and_birth(province: str, birth: str) -> bool:
    year, month, day = int(birth[:4]), int(birth[4:6]), int(birth[6:])
    return province in _PROVINCES and 1900 <= year <= 2099 and 1 <= month <= 12 and 1 <= day <= 31


def _checked(number: str) -> bool:
    total = sum(w * int(d) for w, d in zip(_WEIGHTS, number, strict=False))
    return "10x98765432"[total % 11] == number[17]


def _is_phone(digits: str, joined: str) -> bool:
    return bool(
        _MOBILE.search(digits)
        or _GROUPED.search(digits)
        or any(_LANDLINE.search(t) for t in (digits, joined))
        or _LOCAL.search(digits)
    )


def _is_card(digits: str) -> bool:
    """In one piece, or in groups as they stand on a card."""
    runs = [re.sub(r"\D", "", m) for m in _CARD.findall(digits)]
    return any(13 <= len(run) <= 19 and _luhn(run) for run in runs)


def _luhn(number: str) -> bool:
    odd = sum(int(d) for d in number[-1::-2])
    even = sum(sum(divmod(2 * int(d), 10)) for d in number[-2::-2])
    return (odd + even) % 10 == 0


def _is_ip(text: str) -> bool:
    if any(all(int(part) <= 255 for part in m) for m in _IPV4.findall(text)):
        return True
    return any(_parses(m) for m in _IPV6.findall(text))


def _parses(text: str) -> bool:
    try:
        ipaddress.IPv6Address(text)
    except ValueError:
        return False
    return len(text) > 3


def _is_address(text: str) -> bool:
    return bool(_DOOR.search(text)) or len(set(_PLACE.findall(text))) >= 2


def _is_name(text: str) -> bool:
    for token in _HAN.findall(text):
        plain = token.replace("·", "").replace("•", "")
        if len(plain) in (2, 3) and plain[0] in _SURNAMES:
            return True
        if len(plain) in (3, 4) and plain.startswith(_DOUBLE):
            return True
    return bool(_PINYIN.search(text))
