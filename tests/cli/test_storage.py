"""`vedette storage`: what a person reads."""

import pytest
from tests.central.api.conftest import Api
from tests.central.api.test_storage import with_parts
from tests.cli.conftest import Vedette

from vedette.cli.printing import size


@pytest.mark.parametrize(("count", "shown"), [(0, "0 B"), (1023, "1023 B"), (1536, "1.5 KiB"), (5 << 40, "5.0 TiB")])
def test_bytes_are_shown_in_a_fitting_unit(count: int, shown: str) -> None:
    assert size(count) == shown


def test_storage_shows_the_tenant_and_the_outlook(api: Api, vedette: Vedette) -> None:
    with_parts(api, ("default", 1, 2048), ("default", 0, 1024))
    done = vedette("storage", "retention", "default", "--days", "30", "--bytes", "2T")
    assert "30 days and 2.0 TiB" in done.output
    done = vedette("storage", "retention", "default", "--days", "3")
    assert "3 days and 2.0 TiB" in done.output
    shown = vedette("storage").output
    assert "3.0 KiB" in shown
    assert "in 2 days (days)" in shown
    assert "does not get full" in shown
    assert vedette("storage", "retention", "default", "--unset", "--json").output.count('"own_rule":false') == 1
    assert vedette("storage", "retention", "default", "--bytes", "lots").exit_code == 2
    assert len(vedette("storage", "days", "--json").output.splitlines()) == 2
