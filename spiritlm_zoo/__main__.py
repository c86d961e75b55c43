"""Run the ``zoo`` command as ``python -m spiritlm_zoo``."""

from spiritlm_zoo.cli import main

main()
