"""Speech corpora as Lhotse CutSets: opened from wherever they are, checked, and prepared once for all readers."""

from zoo.corpora.demo_corpus import DemoCorpus as DemoCorpus
from zoo.corpora.fairseq import FairseqCorpus as FairseqCorpus
from zoo.corpora.folder_corpus import FolderCorpus as FolderCorpus
from zoo.corpora.format_detection import open_corpus as open_corpus
from zoo.corpora.format_detection import open_corpus_or_demo as open_corpus_or_demo
from zoo.corpora.kaldi import KaldiCorpus as KaldiCorpus
from zoo.corpora.lhotse_corpus import LhotseCorpus as LhotseCorpus
from zoo.corpora.lhotse_corpus import LhotseRecipe as LhotseRecipe
from zoo.corpora.librispeech import LibriSpeechCorpus as LibriSpeechCorpus
from zoo.corpora.preparation import CorpusSummary as CorpusSummary
from zoo.corpora.preparation import prepare as prepare
from zoo.corpora.preparation import read_cuts as read_cuts
from zoo.corpora.source import BadItem as BadItem
from zoo.corpora.speaker_folds import SpeakerFold as SpeakerFold
from zoo.corpora.table_corpus import TableCorpus as TableCorpus
from zoo.corpora.utterance import Utterance as Utterance
from zoo.corpora.utterance import load_waveform as load_waveform
from zoo.corpora.utterance import to_cut as to_cut
from zoo.corpora.utterance import to_utterance as to_utterance
from zoo.corpora.vctk import VctkCorpus as VctkCorpus
