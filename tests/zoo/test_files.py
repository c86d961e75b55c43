"""Files that are written completely or not at all, and never through a link that lies in their place."""

import pytest

from zoo.files import atomic_file, atomic_folder, write_text


@pytest.mark.parametrize("name", ["report.json", ".report.json.part"])
def test_a_link_in_the_place_of_a_file_is_replaced_and_not_followed(name, tmp_path):
    victim = tmp_path / "victim"
    victim.write_text("precious")
    run = tmp_path / "run"
    run.mkdir()
    (run / name).symlink_to(victim)
    write_text(run / "report.json", "{}")
    assert victim.read_text() == "precious"
    assert [path.name for path in run.iterdir()] == ["report.json"]
    assert not (run / "report.json").is_symlink() and (run / "report.json").read_text() == "{}"


def test_a_link_in_the_place_of_a_folder_is_replaced_and_not_followed(tmp_path):
    victim = tmp_path / "victim"
    victim.mkdir()
    (victim / "precious").write_text("precious")
    (tmp_path / ".model.part").symlink_to(victim)
    with atomic_folder(tmp_path / "model") as temporary:
        (temporary / "weights").write_text("1")
    assert (victim / "precious").is_file()
    assert (tmp_path / "model" / "weights").read_text() == "1" and not (tmp_path / "model").is_symlink()


def test_an_error_leaves_the_old_file_and_no_temporary_one(tmp_path):
    write_text(tmp_path / "a", "old")
    with pytest.raises(RuntimeError), atomic_file(tmp_path / "a") as temporary:
        temporary.write_text("half")
        raise RuntimeError
    assert (tmp_path / "a").read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["a"]
