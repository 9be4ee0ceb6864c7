"""Forms of computed fields, as Python. That their SQL says the same is tested with the store (tests/query)."""

import pytest

from vedette.schema.views import FORMS


@pytest.mark.parametrize(
    ("form", "inputs", "expected"),
    [
        ("first", (None, "b", "c"), "b"),
        ("account", ("NT AUTHORITY", "SYSTEM"), "NT AUTHORITY\\SYSTEM"),
        ("account", (None, "root"), "root"),
        ("account", ("D", None), None),
        ("by_direction", ("inbound", "remote", "local"), "local"),
        ("by_direction", (None, "remote", "local"), "remote"),
        ("details", ("REG_DWORD", "1"), "DWORD (0x00000001)"),
        ("details", ("REG_QWORD", "4294967297"), "QWORD (0x00000001-0x00000001)"),
        ("details", ("REG_DWORD", "DWORD (0x00000001)"), "DWORD (0x00000001)"),
        ("details", ("REG_BINARY", "00ff"), "Binary Data"),
        ("details", (None, None), None),
        ("renamed", ("rename", "k"), "k"),
        ("renamed", ("set_value", "k"), None),
        ("registry_event", ("set_value",), "SetValue"),
        ("initiated", ("outbound",), "true"),
        ("initiated", ("odd",), None),
        ("looked_up", ("NXDOMAIN",), "9003"),
        ("equals", ("A", "a"), "true"),
        ("starts_with", ("abc", "AB"), "true"),
        ("ends_with", ("abc", None), "false"),
    ],
)
def test_a_form_gives(form: str, inputs: tuple[str | None, ...], expected: str | None) -> None:
    assert FORMS[form].value(*inputs) == expected
