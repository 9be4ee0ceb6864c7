"""The contract in other languages names every event type and every field."""

import json
import re

from vedette.schema.dictionary import EVENT_ID, FIELDS
from vedette.schema.events import EVENT_TYPES, tag
from vedette.schema.project import jsonschema, markdown, typescript


def test_the_reference_has_every_field_once_with_its_meaning() -> None:
    page = markdown.document().split("## Names of the event")[1]
    for field in (EVENT_ID, *FIELDS.values()):
        rows = re.findall(rf"^\| `{re.escape(field.name)}` \| (.*?) \|", page, re.MULTILINE)
        assert len(rows) == 1, field.name


def test_the_reference_says_which_field_is_not_searchable() -> None:
    assert "| `blocked.hash_type` | integer, stored, not searchable |" in markdown.document()


def test_the_json_schema_of_an_event_type_has_the_fields_that_it_carries() -> None:
    schema = json.loads(jsonschema.document())
    for event in EVENT_TYPES:
        properties = schema["$defs"][tag(event)]["properties"]
        assert len(properties) == 1 + sum(tag(event) in field.types for field in FIELDS.values())
    assert "module.file.path" in schema["$defs"]["module_load"]["properties"]


def test_the_console_types_have_an_interface_for_each_event_type() -> None:
    text = typescript.document()
    for event in EVENT_TYPES:
        assert f'readonly "event.type": "{tag(event)}";' in text
    assert 'readonly "blocked.file.path"?' in text
