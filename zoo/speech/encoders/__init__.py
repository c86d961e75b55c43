from zoo.speech.encoders.families import pretrained_encoder as pretrained_encoder
from zoo.speech.encoders.filterbank import FilterbankEncoder as FilterbankEncoder
from zoo.speech.encoders.hubert import HubertEncoder as HubertEncoder
from zoo.speech.encoders.interface import SpeechEncoder as SpeechEncoder
from zoo.speech.encoders.pooled import PooledEncoder as PooledEncoder
from zoo.speech.encoders.w2v_bert import W2vBertEncoder as W2vBertEncoder
from zoo.speech.encoders.whisper import WhisperEncoder as WhisperEncoder
