from zoo.vocoder.discriminators import Discriminators as Discriminators
from zoo.vocoder.discriminators import MultiPeriodDiscriminator as MultiPeriodDiscriminator
from zoo.vocoder.discriminators import MultiScaleDiscriminator as MultiScaleDiscriminator
from zoo.vocoder.duration import DurationPredictor as DurationPredictor
from zoo.vocoder.generator import HiFiGANGenerator as HiFiGANGenerator
from zoo.vocoder.istft import ISTFTGenerator as ISTFTGenerator
from zoo.vocoder.unit_consistency import UnitConsistencyLoss as UnitConsistencyLoss
from zoo.vocoder.vocoder import Vocoder as Vocoder
