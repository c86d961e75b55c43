from zoo.speech.encoders.filterbank import FilterbankEncoder as FilterbankEncoder
from zoo.speech.encoders.hubert import HubertEncoder as HubertEncoder
from zoo.speech.encoders.interface import SpeechEncoder as SpeechEncoder
from zoo.speech.encoders.pooled import PooledEncoder as PooledEncoder
from zoo.speech.encoders.whisper import WhisperEncoder as WhisperEncoder
