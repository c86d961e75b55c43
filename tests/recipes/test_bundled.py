"""Every recipe that is shipped: its header and its check."""

import pytest

from recipes.engine import bundled as shipped
from recipes.engine.recipe import load


@pytest.mark.parametrize("name", shipped.names())
def test_header_says_what_it_makes_needs_and_costs_and_how_to_run_it(name):
    header = shipped.header(shipped.find(name))
    assert header.purpose and header.needs and header.costs and header.run.startswith(f"zoo run {name}"), header


@pytest.mark.parametrize("name", shipped.names())
def test_recipe_passes_its_check_with_the_command_in_its_header(name):
    command = shipped.header(shipped.find(name)).run.split()
    recipe = load(name, [word for word in command if "=" in word and not word.startswith("-")])
    assert recipe.stages
