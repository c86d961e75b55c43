"""Recipes over a base: a name, and a few values by their paths."""

import pytest

from recipes.commands import show
from recipes.commands.cli import main
from recipes.engine.errors import RecipeError
from recipes.engine.recipe import load

OVER = "base: r.yaml\nname: longer\nset:\n  stages.train.trainer: {_target_: stage_fakes.Trainer, max_steps: 9}\n  stages.data.words.1: three\n"


def fails(workshop, text):
    (workshop / "over.yaml").write_text(text)
    with pytest.raises(RecipeError) as error:
        load("over.yaml", trust=["stage_fakes"])
    return str(error.value)


def test_a_recipe_over_a_base_is_that_base_with_what_it_sets(workshop):
    (workshop / "over.yaml").write_text(OVER)
    base, over = load("r.yaml", trust=["stage_fakes"]), load("over.yaml", trust=["stage_fakes"])
    assert over.config.name == "longer" and over.config.out == "runs/longer" and over.stages == base.stages
    assert over.config.stages.train.trainer.max_steps == 9 and base.config.stages.train.trainer.max_steps == 4
    assert list(over.config.stages.data.words) == ["one", "three"]
    again = load("over.yaml", ["stages.train.trainer.max_steps=2", "size=5"], trust=["stage_fakes"])
    assert (again.config.stages.train.trainer.max_steps, again.config.size) == (2, 5)


def test_values_of_its_own_are_below_new(workshop):
    text = "base: r.yaml\nnew: {words: 7}\nset:\n  network.size: ${words}\n"
    (workshop / "over.yaml").write_text(text)
    assert load("over.yaml", ["words=8"], trust=["stage_fakes"]).config.network.size == 8
    assert "new.size: the base has size; move it below set" in fails(workshop, "base: r.yaml\nnew: {size: 7}\n")


def test_show_writes_it_out_whole(workshop, capsys):
    (workshop / "over.yaml").write_text(OVER)
    main(["show", "over.yaml", "--trust", "stage_fakes"])
    shown = capsys.readouterr().out
    assert "max_steps: 9" in shown and "stages:" in shown and "base:" not in shown and show.__doc__


def test_what_is_wrong_with_it_is_told(workshop):
    assert "set.stages.train.trainr.max_steps: stages.train has no 'trainr'; did you mean 'trainer'?" in fails(
        workshop, "base: r.yaml\nset: {stages.train.trainr.max_steps: 9}\n"
    )
    assert "stages.train.trainer is ${trainer}, shared with others: override trainer.max_steps" in fails(
        workshop, "base: r.yaml\nset: {stages.train.trainer.max_steps: 9}\n"
    )
    assert "move ['trainer'] below set" in fails(workshop, "base: r.yaml\ntrainer: 3\n")
    assert "set or new is not a mapping" in fails(workshop, "base: r.yaml\nset: [size]\n")
    assert "there is no such file" in fails(workshop, "base: nowhere.yaml\n")
    assert "base=over.yaml is itself over over.yaml" in fails(workshop, "base: over.yaml\n")
    assert "size='three'" in fails(workshop, "base: r.yaml\nset: {size: three}\n")
