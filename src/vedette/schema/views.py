"""Fields that are computed of others: each form as a Python function and as SQL over Nullable texts, tested equal.

Sigma's names follow Sysmon's, which writes some facts otherwise than we store them: `User` is domain and name,
`DestinationIp` depends on who began the connection, a DWORD is `DWORD (0x00000001)`.
"""

import re
import string
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

Text = str | None


class Form(NamedTuple):
    """`value` takes one text (None = not known) for each input; `sql` takes their expressions."""

    value: Callable[..., Text]
    sql: Callable[[Sequence[str]], str]


REGISTRY = {
    "create_key": "CreateKey", "delete_key": "DeleteKey", "set_value": "SetValue", "delete_value": "DeleteValue",
    "rename": "RenameKey",
}  # fmt: skip
PIPES = {"create": "CreatePipe", "connect": "ConnectPipe"}
SIGNED = {
    "ok": "true", "invalid": "true", "revoked": "true", "untrusted": "true", "unsigned": "false",
}  # fmt: skip
SIGNATURES = {"ok": "Valid", "invalid": "Expired", "revoked": "Revoked", "untrusted": "Untrusted",
              "unsigned": "Unavailable", "error": "Error"}  # fmt: skip
INITIATED = {"outbound": "true", "inbound": "false"}
LOOKED_UP = {"NOERROR": "0", "FORMERR": "9001", "SERVFAIL": "9002", "NXDOMAIN": "9003", "NOTIMP": "9004",
             "REFUSED": "9005", "NODATA": "9701", "TIMEOUT": "1460"}  # fmt: skip
_LOWER = str.maketrans(string.ascii_uppercase, string.ascii_lowercase)
_SHORT, _LONG = re.compile(r"[0-9]{1,9}"), re.compile(r"[0-9]{1,18}")


def _first(*texts: Text) -> Text:
    return next((text for text in texts if text is not None), None)


def _same(text: Text) -> Text:
    return text


def _account(domain: Text, name: Text) -> Text:
    return name if domain is None or name is None else f"{domain}\\{name}"


def _by_direction(direction: Text, outbound: Text, inbound: Text) -> Text:
    return inbound if direction == "inbound" else outbound


def _renamed(operation: Text, key: Text) -> Text:
    return key if operation == "rename" else None


def _details(kind: Text, data: Text) -> Text:
    """Write a value as Sysmon does; one that Sysmon wrote is no bare number."""
    if data is None:
        return None
    if kind == "REG_BINARY":
        return "Binary Data"
    if kind == "REG_DWORD" and _SHORT.fullmatch(data):
        return f"DWORD (0x{int(data):08x})"
    if kind == "REG_QWORD" and _LONG.fullmatch(data):
        digits = f"{int(data):016x}"
        return f"QWORD (0x{digits[:8]}-0x{digits[8:]})"
    return data


def _details_sql(of: Sequence[str]) -> str:
    kind, data = of
    number = f"lower(leftPad(hex(toUInt64OrZero(ifNull({data}, ''))), 16, '0'))"
    return (
        f"multiIf(isNull({data}), NULL, {kind} = 'REG_BINARY', 'Binary Data', "
        f"{kind} = 'REG_DWORD' AND match({data}, '^[0-9]{{1,9}}$'), concat('DWORD (0x', substring({number}, 9), ')'), "
        f"{kind} = 'REG_QWORD' AND match({data}, '^[0-9]{{1,18}}$'), "
        f"concat('QWORD (0x', substring({number}, 1, 8), '-0x', substring({number}, 9), ')'), {data})"
    )


def _table(words: Mapping[str, str]) -> Form:
    def sql(of: Sequence[str]) -> str:
        cases = ", ".join(f"{of[0]} = '{word}', '{other}'" for word, other in words.items())
        return f"multiIf({cases}, NULL)"

    return Form(lambda text: words.get(text or ""), sql)


def _compared(python: Callable[[str, str], bool], sql: str) -> Form:
    def value(one: Text, other: Text) -> Text:
        same = one is not None and other is not None and python(one.translate(_LOWER), other.translate(_LOWER))
        return "true" if same else "false"

    def compiled(of: Sequence[str]) -> str:
        one, other = f"lower({of[0]})", f"lower({of[1]})"
        return f"if(ifNull({sql.format(one=one, other=other)}, 0), 'true', 'false')"

    return Form(value, compiled)


FORMS: Mapping[str, Form] = {
    "first": Form(_first, lambda of: f"coalesce({', '.join(of)})"),
    "text": Form(_same, lambda of: of[0]),
    "account": Form(_account, lambda of: f"if(isNull({of[0]}), {of[1]}, concat({of[0]}, '\\\\', {of[1]}))"),
    "by_direction": Form(_by_direction, lambda of: f"if(ifNull({of[0]}, '') = 'inbound', {of[2]}, {of[1]})"),
    "renamed": Form(_renamed, lambda of: f"if(ifNull({of[0]}, '') = 'rename', {of[1]}, NULL)"),
    "details": Form(_details, _details_sql),
    "registry_event": _table(REGISTRY),
    "pipe_event": _table(PIPES),
    "signed": _table(SIGNED),
    "signature_status": _table(SIGNATURES),
    "initiated": _table(INITIATED),
    "looked_up": _table(LOOKED_UP),
    "equals": _compared(str.__eq__, "{one} = {other}"),
    "starts_with": _compared(str.startswith, "startsWith({one}, {other})"),
    "ends_with": _compared(str.endswith, "endsWith({one}, {other})"),
}
"""Every form by its name. Views may be inputs of views."""
