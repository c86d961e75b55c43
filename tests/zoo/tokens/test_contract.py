import numpy as np
import pytest
import torch

from zoo.tokens.contract import ContractError, checksum, read_contract, require_match, write_contract

CONTRACT = {
    "tokenizer": {"streams": [{"prefix": "Hu", "size": 500}], "checksum": "aa"},
    "vocabulary": {"rows": 832, "ranges": {"text": [0, 300], "Hu": [302, 802]}},
}


@pytest.fixture
def folders(tmp_path):
    def write(second):
        write_contract(tmp_path / "a", CONTRACT)
        write_contract(tmp_path / "b", second)
        return tmp_path / "a", tmp_path / "b"

    return write


def test_equal_contracts_match_and_only_common_parts_are_compared(folders):
    require_match(*folders(CONTRACT))
    require_match(*folders({"tokenizer": CONTRACT["tokenizer"]}))


@pytest.mark.parametrize(
    "part, change, field, values",
    [
        ("tokenizer", {"checksum": "bb"}, "tokenizer.checksum", ("'aa'", "'bb'")),
        ("tokenizer", {"streams": [{"prefix": "Hu", "size": 501}]}, "tokenizer.streams", ("500", "501")),
        ("vocabulary", {"rows": 840}, "vocabulary.rows", ("832", "840")),
        (
            "vocabulary",
            {"ranges": {"text": [0, 300], "Hu": [302, 803]}},
            "vocabulary.ranges.Hu",
            ("[302, 802]", "[302, 803]"),
        ),
        ("vocabulary", {"bos": 1}, "vocabulary.bos", ("None", "1")),
    ],
)
def test_a_difference_names_both_files_and_the_field(folders, part, change, field, values):
    a, b = folders(CONTRACT | {part: CONTRACT[part] | change})
    for first, second in ((a, b), (b, a)):
        with pytest.raises(ContractError) as error:
            require_match(first, second)
        message = str(error.value)
        assert (
            f"{a / 'contract.json'}" in message
            and f"{b / 'contract.json'}" in message
            and f"differ in {field}:" in message
        )
        assert all(value in message for value in values) and "\n" not in message


def test_a_folder_without_contract_is_an_error_that_names_it(tmp_path):
    with pytest.raises(FileNotFoundError, match=f"no contract.json in {tmp_path}"):
        read_contract(tmp_path)


def test_the_checksum_depends_on_values_shapes_and_order_and_not_on_the_kind_of_array():
    x = np.arange(6, dtype=np.float32)
    assert checksum([x]) == checksum([torch.arange(6.0)])
    others = [
        checksum([x]),
        checksum([x + 1e-6]),
        checksum([x.reshape(2, 3)]),
        checksum([x.astype(np.float64)]),
        checksum([x[:3], x[3:]]),
        checksum([x[3:], x[:3]]),
        checksum([x, 1]),
        checksum([{"a": 1, "b": 2}]),
    ]
    assert len(set(others)) == len(others)
    assert checksum([{"a": 1, "b": 2}]) == checksum([{"b": 2, "a": 1}])
    assert checksum([torch.arange(6.0).view(2, 3)]) != checksum([torch.arange(6.0).view(3, 2)])
