"""Every recipe that is shipped: its header, and a dry run of the command in it."""

import pytest

from recipes.engine import bundled as shipped
from tests.dry_runs import dry_run, write_placeholders


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    return write_placeholders(tmp_path_factory.mktemp("placeholders"))


@pytest.mark.parametrize("name", shipped.names())
def test_header_says_what_it_makes_needs_and_costs_and_how_to_run_it(name):
    header = shipped.header(shipped.find(name))
    assert header.purpose and header.needs and header.costs and header.run.startswith(f"zoo run {name}"), header


@pytest.mark.parametrize("name", shipped.names())
def test_the_command_in_the_header_passes_a_dry_run(name, root):
    command = shipped.header(shipped.find(name)).run.split()
    recipe = dry_run(name, [word for word in command if "=" in word and not word.startswith("-")], root)
    assert recipe.stages
