"""The field dictionary against the acceptance table and against itself."""

import re
import tomllib
import typing
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vedette.schema import dictionary, windows_data
from vedette.schema.aliases import ALIASES, KATA_TYPES
from vedette.schema.dictionary import FIELDS, UnknownFieldError, resolve, shown
from vedette.schema.events import EVENT_TYPES, AnyEvent, tag

ROWS = tomllib.loads((Path(__file__).parent.parent / "acceptance" / "rows.toml").read_text())
HEADER_NAMES = [text for row, text in ROWS["Windows"].items() if row.startswith("W-HD-")]
BODY_NAMES = [text for row, text in ROWS["Windows"].items() if row.startswith("W-BD-")]
EVENT_NAMES = set(
    """
    process_start process_stop file_create file_change registry_change driver_load module_load port_listen
    network_connect dns_query os_log process_block file_block epp_detect epp_result amsi_scan process_access script_run
    script_block pipe_event remote_thread wmi_event terminal_session task_report telemetry_gap
    """.split()
)


def names(found: tuple[dictionary.Meaning, ...]) -> set[str]:
    return {meaning.field.name for meaning in found}


def test_every_event_type_of_the_design_exists() -> None:
    assert {tag(event) for event in EVENT_TYPES} == EVENT_NAMES


def test_the_union_for_decoders_has_every_event_type() -> None:
    assert set(typing.get_args(AnyEvent)) == set(EVENT_TYPES)


@pytest.mark.parametrize("event", EVENT_TYPES, ids=tag)
def test_every_event_type_says_what_it_is(event: type) -> None:
    assert (event.__doc__ or "").endswith(".")


@pytest.mark.parametrize("name", HEADER_NAMES)
def test_a_windows_header_name_means_one_header_column_in_os_log(name: str) -> None:
    found = [m for m in resolve(name) if not m.types or "os_log" in m.types]
    assert any(m.field.name.startswith("winlog.system.") for m in found), names(tuple(found))


@pytest.mark.parametrize("name", BODY_NAMES)
def test_a_windows_body_name_means_its_data_item_in_os_log(name: str) -> None:
    found = [m for m in resolve(name.replace(" ", "")) if "os_log" in (m.types or m.field.types)]
    assert [m.field.name.startswith("winlog.data.") for m in found if "winlog.data" in m.field.name] == [True]


def test_a_body_name_that_no_field_of_ours_has_means_the_item_in_typed_events_too() -> None:
    (only,) = resolve("NewProcessName")
    assert only.field.column == "winlog.data"
    assert {"process_start", "os_log"} <= (only.types or only.field.types)
    assert [m.field.name for m in resolve("CommandLine") if "process_start" in m.types] == ["process.command_line"]


def test_all_99_and_14_windows_names_are_known() -> None:
    assert (len(HEADER_NAMES), len(BODY_NAMES), len(windows_data.KNOWN_NAMES.split())) == (14, 99, 99)


@pytest.mark.parametrize("name", list(FIELDS))
def test_a_canonical_name_resolves_to_itself_in_any_case(name: str) -> None:
    assert resolve(name.upper())[0].field is FIELDS[name]


@pytest.mark.parametrize("alias", [a for _space, aliases in ALIASES for a in aliases], ids=lambda a: a.names)
def test_an_alias_means_an_existing_field_that_its_event_types_carry(alias: typing.Any) -> None:
    field = resolve(alias.field)[0].field
    for name in alias.names.split():
        assert field in {meaning.field for meaning in resolve(name.lower())}
    if field.column == field.name:
        assert set(alias.types) <= field.types


def test_kata_event_types_are_ours() -> None:
    ours = {tag(event) for event in EVENT_TYPES}
    assert all(set(types) <= ours for types in KATA_TYPES.values())


def test_a_shared_name_means_the_row_of_the_events_type() -> None:
    by_field = {m.field.name: m.types for m in resolve("FileName")}
    assert "file_create" in by_field["file.name"]
    assert by_field["process.file.name"] == {"process_start", "process_stop"}


def test_the_hash_type_of_a_block_is_stored_but_not_searchable() -> None:
    assert not resolve("blocked.hash_type")[0].field.searchable


def test_a_module_is_shown_under_its_own_name() -> None:
    assert shown("module_load", "file.path") == "module.file.path"
    assert shown("file_create", "file.path") == "file.path"
    assert names(resolve("module.file.path")) == {"file.path"}


def test_the_environment_travels_with_the_start_of_a_process_only() -> None:
    assert FIELDS["process.env"].types == {"process_start"}


def test_a_key_of_a_map_is_a_field_of_its_own() -> None:
    meaning = resolve("process.env.PATH")[0]
    assert (meaning.field.column, meaning.field.key) == ("process.env", "PATH")


def test_an_unknown_field_suggests_near_ones() -> None:
    with pytest.raises(UnknownFieldError) as caught:
        resolve("process.comand_line")
    assert "process.command_line" in caught.value.suggestions


@given(st.text(max_size=60))
def test_any_text_resolves_or_is_refused(name: str) -> None:
    try:
        assert resolve(name)
    except UnknownFieldError as error:
        assert repr(name) in str(error)  # noqa: PT017 - both outcomes are right


def test_every_column_has_a_description_and_bounds() -> None:
    for field in FIELDS.values():
        assert field.description, field.name
        assert field.maximum or field.kind is dictionary.Kind.BOOLEAN, field.name
        assert re.fullmatch(r"[A-Za-z0-9_.]+", field.name)
