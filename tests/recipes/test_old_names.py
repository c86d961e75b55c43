"""Old names in a recipe: the line that refuses one says the new one."""

import pytest

from recipes.engine import old_names
from recipes.engine.errors import RecipeError
from recipes.engine.old_names import renamed_argument, renamed_path, renamed_target
from recipes.engine.recipe import load
from recipes.engine.signatures import signature
from recipes.engine.targets import Targets

OLD_TARGETS = [
    "recipes.stages.adaptation.check_fit",
    "recipes.stages.compare.measure_language_models",
    "recipes.stages.compare.measure_resynthesis",
    "recipes.stages.compare.measure_tokenizers",
    "recipes.stages.compare_report.write_comparison",
    "recipes.stages.compare_unseen.measure_unseen_speakers",
    "recipes.stages.texts.tokenise_texts",
    "recipes.stages.tokens.tokenise_corpus",
    "recipes.stages.variants.train_variants",
    "zoo.alignment.Aligned",
    "zoo.alignment.mms_aligner",
    "zoo.corpora.SpeakersLeftOut",
    "zoo.corpora.corpus_or",
    "zoo.corpora.demo.DemoCorpus",
    "zoo.corpora.texts.TextFiles",
    "zoo.language.networks.pretrained",
    "zoo.language.networks.trained",
    "zoo.language.pieces.pieces_of",
    "zoo.metrics.f0_of_speech.F0Errors",
    "zoo.speech.augmentation.ColouredNoise",
    "zoo.speech.f0.Centred",
    "zoo.speech.hubert.hubert",
    "zoo.speech.phonetic.PhoneticUnits.load",
    "zoo.speech.style.StyleClassifier",
    "zoo.speech.style.StyleUnits.load",
    "zoo.tokens.engines.LocalProcesses",
    "zoo.tokens.tokenizers.Base",
    "zoo.tokens.tokenizers.Expressive",
    "zoo.tokens.tokenizers.UnitTokenizer",
    "zoo.tokens.tokenizers.load_tokenizer",
    "zoo.vocoder.HeardUnits",
    "zoo.vocoder.UnitGenerator",
    "zoo.vocoder.pretrained.durations",
    "zoo.vocoder.pretrained.generator",
]


@pytest.mark.parametrize("target", OLD_TARGETS)
def test_every_old_target_is_told_its_new_name(target):
    with pytest.raises(RecipeError) as caught:
        Targets().locate(target)
    assert str(caught.value) == f"{target} is called {renamed_target(target)} now"
    assert callable(Targets().locate(renamed_target(target)))


def test_a_new_name_is_offered_only_where_it_exists():
    with pytest.raises(RecipeError, match="zoo.evaluation.suites.contrast_suite has no 'load_contrast'; did you mean"):
        Targets().locate("zoo.evaluation.suites.contrast_suite.load_contrast")


@pytest.mark.parametrize(
    "target, old, message",
    [
        ("recipes.stages.tokenizer.train_base_tokenizer", "switch_price", "it is called 'switch_penalty' now"),
        ("zoo.corpora.SpeakerFold", "part", "it is called 'fold' now"),
        ("lightningmodules.UnitVocoder", "learning_rate", "it is in a group of arguments, GANOptimizer: optimizer."),
        ("lightningmodules.UnitVocoder", "further_losses", "it is in a group of arguments, VocoderLosses: losses."),
        ("zoo.vocoder.ISTFTGenerator", "num_blocks", "it is in a group of arguments, ConvNeXtSizes: backbone."),
        ("datamodules.VocoderDataModule", "num_validation", "HeldOutUtterances: held_out.num_utterances"),
    ],
)
def test_an_old_argument_is_told_its_new_place(target, old, message):
    known = signature(Targets().locate(target)).arguments
    assert message in str(renamed_argument(target, old, known))


def test_the_check_says_the_new_name_of_an_argument(workshop):
    (workshop / "r.yaml").write_text(
        "stages:\n  t: {_target_: recipes.stages.tokenizer.train_base_tokenizer, corpus: c, switch_price: 1.0,"
        " encoder: {_target_: zoo.speech.encoders.FilterbankEncoder}}\n"
    )
    with pytest.raises(RecipeError, match="has no argument 'switch_price'; it is called 'switch_penalty' now"):
        load("r.yaml")


def test_an_old_path_is_told_its_new_place(workshop):
    with pytest.raises(RecipeError) as caught:
        load("r.yaml", ["max_steps=3", "stages.fit.out=x", "network.size=${steps.language_model}"], ["stage_fakes"])
    assert "max_steps=3: the recipe has no 'max_steps'; it is 'trainer.max_steps' now" in str(caught.value)
    assert "the recipe has no 'steps.language_model'; it is 'trainer.max_steps' now" in str(caught.value)
    assert renamed_path("stages.fit.new", {"stages": {"tokenizer_check": {"new": 1}}}) == (
        "it is 'stages.tokenizer_check.new' now"
    )
    assert renamed_path("stages.fit", {"stages": {}}) is None


def test_no_table_renames_what_is_there():
    for module in old_names.MODULES.values():
        if not module.startswith(("zoo.evaluation.suites", "zoo.evaluation.judges")):
            assert renamed_target(f"{module}.anything") is None, module
    for name in old_names.NAMES.values():
        assert name not in old_names.NAMES
