from zoo.vocoder.discriminators import Discriminators as Discriminators
from zoo.vocoder.discriminators import MultiPeriodDiscriminator as MultiPeriodDiscriminator
from zoo.vocoder.discriminators import MultiScaleDiscriminator as MultiScaleDiscriminator
from zoo.vocoder.duration import DurationPredictor as DurationPredictor
from zoo.vocoder.generator import UnitGenerator as UnitGenerator
from zoo.vocoder.heard import HeardUnits as HeardUnits
from zoo.vocoder.istft import ISTFTGenerator as ISTFTGenerator
from zoo.vocoder.vocoder import Vocoder as Vocoder
