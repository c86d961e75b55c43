"""Recipes that are wrong as a whole: YAML, names, types, references, folders."""

from collections.abc import Iterator
from functools import partial
from pathlib import Path

from tests.campaign.outcomes import Case

STAGE = """
stages:
  corpus:
    _target_: recipes.stages.corpus.prepare_corpus
    source: {_target_: zoo.corpora.DemoCorpus, hours: 0.01, num_processes: 1}
"""
WHOLE = {
    "empty": "",
    "text": "hello",
    "list": "[1, 2]",
    "number": "5",
    "tabs": "stages:\n\tcorpus: 1\n",
    "unclosed": "stages: {corpus: {",
    "no stages": "name: x\n",
    "stages null": "stages: null\n",
    "stages empty": "stages: {}\n",
    "stages a list": "stages: [1]\n",
    "stage null": "stages: {corpus: null}\n",
    "stage a text": "stages: {corpus: hello}\n",
    "stage without target": "stages: {corpus: {source: 1}}\n",
    "target a number": "stages: {corpus: {_target_: 5}}\n",
    "target null": "stages: {corpus: {_target_: null}}\n",
    "target empty": "stages: {corpus: {_target_: ''}}\n",
    "target without dots": "stages: {corpus: {_target_: corpus}}\n",
    "target of another package": "stages: {corpus: {_target_: os.system, command: ls}}\n",
    "target misspelt": "stages: {corpus: {_target_: recipes.stages.corpus.prepare_corpse}}\n",
    "target a module": "stages: {corpus: {_target_: recipes.stages.corpus}}\n",
    "target private": "stages: {corpus: {_target_: recipes.stages.corpus._hours}}\n",
    "target a part": "stages: {corpus: {_target_: zoo.corpora.DemoCorpus}}\n",
    "target that writes": "stages: {corpus: {_target_: zoo.files.write_text, path: x, text: y}}\n",
    "stage name with slashes": "stages: {../up: {_target_: recipes.stages.corpus.prepare_corpus, source: 1}}\n",
    "bomb of aliases": "a: &a [1,1,1,1,1,1,1,1,1]\n"
    + "".join(f"{chr(98 + i)}: &{chr(98 + i)} [{','.join(['*' + chr(97 + i)] * 9)}]\n" for i in range(9))
    + STAGE,
    "deep": "x: " + "[" * 500 + "]" * 500 + STAGE,
    "references in a circle": "a: ${b}\nb: ${a}\nname: ${a}\n" + STAGE,
    "reference to nothing": "name: ${nothing}\n" + STAGE,
    "reference to the environment": "name: ${oc.env:HOME}\n" + STAGE,
    "nested reference": "a: b\nb: c\nname: ${${a}}\n" + STAGE,
    "byte order mark and binary": "\x00\x01\x02",
    "seed a text": "seed: abc\n" + STAGE,
    "seed a list": "seed: [1]\n" + STAGE,
    "seed null": "seed: null\n" + STAGE,
    "seed true": "seed: true\n" + STAGE,
    "seed negative": "seed: -1\n" + STAGE,
    "seed too large": "seed: 4294967296\n" + STAGE,
    "jobs zero": "jobs: 0\n" + STAGE,
    "jobs a text": "jobs: many\n" + STAGE,
    "jobs null": "jobs: null\n" + STAGE,
    "name empty": "name: ''\n" + STAGE,
    "name a path": "name: ../x\n" + STAGE,
    "name a number": "name: 5\n" + STAGE,
    "name null": "name: null\n" + STAGE,
    "out empty": "out: ''\n" + STAGE,
    "out null": "out: null\n" + STAGE,
    "out a number": "out: 5\n" + STAGE,
    "out a list": "out: [a]\n" + STAGE,
    "out a mapping": "out: {a: 1}\n" + STAGE,
    "out true": "out: true\n" + STAGE,
    "out the root": "out: /\n" + STAGE,
    "out above": "out: ../x\n" + STAGE,
    "out elsewhere": "out: /tmp/elsewhere\n" + STAGE,
    "out an address": "out: s3://bucket/x\n" + STAGE,
    "base misspelt": "base: quickstrat\n",
    "base missing file": "base: nowhere.yaml\n",
    "base with strays": "base: quickstart\nnetwork: 5\n",
    "base with unknown set": "base: quickstart\nset: {trianer.max_steps: 5}\n",
    "base with set a list": "base: quickstart\nset: [1]\n",
    "base with new that exists": "base: quickstart\nnew: {network: 5}\n",
}
OVERRIDES = (
    *("", "=", "=5", "novalue", "a.b", "unknown=5", "trianer.max_steps=5", "trainer.max_step=5", "trainer=5"),
    *(
        "trainer.max_steps.x=5",
        "stages=5",
        "stages.corpus=5",
        "stages.nothing.out=x",
        "network={",
        "network=[1,",
        "out=",
    ),
    *(
        "out=/",
        "out=[a]",
        "out=5",
        "out=null",
        "name=../x",
        "seed=x",
        "jobs=-1",
        "network.vocabulary=5",
        "data.streams=5",
    ),
    *("data.streams.text=5", "data.weights.text.x=1", "network._target_=nothing", "network._target_=os.system"),
    *(
        "network._target_=zoo.language.networks.lama",
        "model.network=${nothing}",
        "model.network=${model}",
        "seed=${seed}",
    ),
    *(
        "precision=17",
        "trainer.precision=17-true",
        "accelerator=cpux",
        "trainer.accelerator=tpux",
        "trainer.strategy=x",
    ),
    *(
        "trainer.devices=[]",
        "trainer.devices=[0,0]",
        "trainer.devices=abc",
        "trainer.max_time=abc",
        "trainer.profiler=x",
    ),
    *("trainer.callbacks=5", "trainer.callbacks=[5]", "trainer.logger=5", "trainer.enable_checkpointing=5"),
    *("trainer.gradient_clip_algorithm=abc", "trainer.deterministic=abc", "stages.tokens.train_speeds=[]"),
    *("stages.tokens.train_speeds=[a]", "stages.tokens.train_speeds=1", "vocoder.generator.streams={}"),
    *("vocoder.generator.streams={Hu: a}", "vocoder.discriminators.families=[]", "vocoder.losses.mel_windows=[]"),
    *("vocoder.optimizer.betas=[0.9]", "vocoder.optimizer.betas=[0.9, 1]", "vocoder.optimizer.betas=[a, b]"),
    *("demo.languages=[]", "demo.languages=[xx]", "demo.languages=5", "demo.num_processes=0", "corpus=/nowhere"),
    *("corpus=5", "corpus=[a]", "corpus=''", "stages.tokens.tokenizer=5", "stages.report.stages=5", "synthetic=5"),
    *("stages.cloze.models={}", "stages.cloze.models=5", "suite=5", "data.weights={}", "data.streams={}"),
    *("data.weights={text: 1}", "data.streams.interleaved.spans.text_words=[1]", "vocoder_data.rates={}"),
    *("data.streams.interleaved.spans.text_words=[6, 1]", "data.streams.interleaved.spans.text_words=5"),
)
OPTIONS = (
    ("run",),
    ("run", "nothing"),
    ("run", "quickstrat"),
    ("run", "missing.yaml"),
    ("run", "."),
    ("run", "quickstart", "--stage", "nothing"),
    ("run", "quickstart", "--stage"),
    ("run", "quickstart", "--stage", "report"),
    ("run", "quickstart", "--agian"),
    ("run", "quickstart", "--trust"),
    ("run", "digits"),
    ("run", "digits", "corpus=/nowhere", "--dry-run"),
    ("run", "digits", "corpus=", "--dry-run"),
    ("show",),
    ("show", "nothing"),
    ("show", "quickstart", "trainer.max_steps=abc"),
    ("copy",),
    ("copy", "nothing"),
    ("copy", "quickstart", "x.txt"),
    ("list", "nothing"),
    ("nothing",),
    ("completion",),
    ("completion", "nosuchshell"),
)


def cases() -> Iterator[Case]:
    for name, text in WHOLE.items():
        yield Case("recipes", name, ("run", "r.yaml"), ("r.yaml", "bundled"), partial(_write, text=text))
    for override in OVERRIDES:
        key = override.partition("=")[0]
        mentions = (key or repr(override), key.rpartition(".")[2] or "=")
        yield Case("overrides", override, ("run", "quickstart", override, "--dry-run"), mentions)
    for arguments in OPTIONS:
        mentions = (*arguments[-2:], "required", "corpus", "bundled")
        yield Case("options", " ".join(arguments), arguments, mentions)


def _write(folder: Path, text: str) -> None:
    (folder / "r.yaml").write_text(text)
