import pytest

from recipes.engine.errors import RecipeError
from recipes.engine.targets import Targets


@pytest.mark.parametrize(
    "path",
    [
        "torch.nn.Linear",
        "torch.optim.AdamW",
        "lightning.Trainer",
        "lightning.pytorch.callbacks.ModelCheckpoint",
        "lightning.pytorch.loggers.TensorBoardLogger",
        "transformers.LlamaConfig",
        "transformers.get_cosine_schedule_with_warmup",
        "torchmetrics.text.WordErrorRate",
        "torchaudio.transforms.MelSpectrogram",
        "zoo.vocoder.ISTFTGenerator",
    ],
)
def test_what_recipes_need_is_allowed(path):
    assert callable(Targets().locate(path))


@pytest.mark.parametrize(
    "path",
    [
        "os.system",
        "subprocess.run",
        "builtins.eval",
        "shutil.rmtree",
        "importlib.import_module",
        "pytest.main",
        "zoo.files.os.system",
        "zoo.files.os.replace",
        "zoo.files.shutil.rmtree",
        "recipes.engine.targets.import_module",
        "torch.os.system",
        "lightning.pytorch.trainer.trainer.os.system",
        "torch.sys.exit",
        "pathlib.os.system",
        "torch.builtins.eval",
        "torch.load",
        "torch.hub.load",
        "torch.hub.load_state_dict_from_url",
        "torch.serialization.load",
        "torch.jit.load",
        "torch.package.PackageImporter",
        "torch.utils.cpp_extension.load_inline",
        "torch.utils.benchmark.Timer",
        "torch.utils.benchmark.Timer.timeit",
        "torch.utils.collect_env.run",
        "torch.multiprocessing.spawn",
        "torch._dynamo.config",
        "lightning.pytorch.LightningModule.load_from_checkpoint",
        "lightning.pytorch.cli.LightningCLI",
        "transformers.pipeline",
        "transformers.dynamic_module_utils.get_class_from_dynamic_module",
        "lhotse.serialization.open_best",
        "pathlib.Path.unlink",
        "torch.nn.Module.apply",
        "recipes.commands.cli.main",
        "transformers.AutoModel.from_pretrained",
        "transformers.LlamaForCausalLM.from_pretrained",
        "peft.get_peft_model",
        "pathlib.Path",
        "torch.classes.a.b",
        "torch.utils.model_dump.__main__.main",
        "torch.nn" + ".a" * 300,
        "lhotse.CutSet.from_file",
        "zoo.files.write_text",
        "zoo.files.atomic_folder",
        "zoo.tokens.contract.write_contract",
        "transformers.Trainer",
        "transformers.AutoModel.register",
        "torch.save",
        "recipes.commands.run.main",
        "recipes.engine.run.run",
    ],
)
def test_what_could_run_arbitrary_code_is_refused(path):
    with pytest.raises(RecipeError):
        Targets().locate(path)


@pytest.mark.parametrize(
    "path",
    [
        "torch.nn",
        "torch.float32",
        "torch.__version__",
        "zoo.files.RECORD",
        "torch..nn",
        "torch",
        ".torch.nn",
        "zoo.files.os.",
        "",
    ],
)
def test_what_is_no_callable_is_refused(path):
    with pytest.raises(RecipeError):
        Targets().locate(path)


def test_trust_widens_to_a_package_a_module_or_one_name():
    assert Targets(["os"]).locate("os.path.join")
    assert Targets(["torch.hub.load"]).locate("torch.hub.load")
    with pytest.raises(RecipeError):
        Targets(["torch.hub.load"]).locate("torch.hub.download_url_to_file")
    with pytest.raises(RecipeError):
        Targets(["o"]).locate("os.system")


def test_a_near_name_is_offered():
    with pytest.raises(RecipeError, match="did you mean 'Linear'"):
        Targets().locate("torch.nn.Linaer")
    with pytest.raises(RecipeError, match="did you mean 'torch'"):
        Targets().locate("trch.nn.Linear")
