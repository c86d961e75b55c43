import pytest

from zoo.optional_packages import require_package


def test_an_installed_package_is_accepted():
    require_package("json", "the report", "quality")


def test_the_error_names_the_user_the_extra_and_the_alternative():
    message = (
        r"the report needs the package no_such_package, which is not installed: pip install 'spiritlm-zoo\[quality\]'$"
    )
    with pytest.raises(ValueError, match=message):
        require_package("no_such_package", "the report", "quality")
    with pytest.raises(ValueError, match=r"'spiritlm-zoo\[quality\]', or leave it out$"):
        require_package("no_such_package", "the report", "quality", "leave it out")
