from lightningmodules.language_model import SpeechTextLM as SpeechTextLM
from lightningmodules.vocoder import UnitVocoder as UnitVocoder
