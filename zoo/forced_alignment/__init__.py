"""Word and phone times for corpora that have none."""

from zoo.forced_alignment.aligned_corpus import Aligned as Aligned
from zoo.forced_alignment.aligner import Aligner as Aligner
from zoo.forced_alignment.aligner import Alignment as Alignment
from zoo.forced_alignment.ctc import CTCAligner as CTCAligner
from zoo.forced_alignment.ctc import mms_aligner as mms_aligner
from zoo.forced_alignment.ctc import pretrained_ctc_aligner as pretrained_ctc_aligner
from zoo.forced_alignment.phones import PocketsphinxAligner as PocketsphinxAligner
from zoo.forced_alignment.whisper import WhisperAligner as WhisperAligner
