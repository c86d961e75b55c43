"""Build step that pyproject.toml cannot express: where the wheel carries the packages with names that others use too.

``zoo``, ``datamodules``, ``lightningmodules`` and ``recipes`` go into ``spiritlm_zoo/bundled``, so that no other
distribution overwrites their files (torchtune installs a ``recipes`` as well), nor this one theirs. A ``.pth`` file
appends that folder to the search path, after everything else: plain ``import zoo`` works, in the workers of Ray too,
and a program that wants another distribution's package of one of these names gets it, as without this one.
"""

import shutil
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

SHARED_NAMES = ("zoo", "datamodules", "lightningmodules", "recipes")


class BuildPackages(build_py):
    """Move the four packages into ``spiritlm_zoo/bundled`` of a wheel; an editable install leaves them in place."""

    def run(self) -> None:
        super().run()
        if self.editable_mode:
            return
        bundled = Path(self.build_lib) / "spiritlm_zoo" / "bundled"
        shutil.rmtree(bundled, ignore_errors=True)
        bundled.mkdir(parents=True)
        for name in SHARED_NAMES:
            shutil.move(Path(self.build_lib) / name, bundled / name)
        (Path(self.build_lib) / "spiritlm_zoo.pth").write_text("spiritlm_zoo/bundled\n")


setup(cmdclass={"build_py": BuildPackages})
