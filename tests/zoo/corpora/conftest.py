import json

import pytest
import torch

from zoo import audio


class Maker:
    """Small corpora of noise with labels, written the ways a user may have them."""

    def __init__(self, folder):
        self.folder = folder

    def sound(self, path, seconds=0.4, seed=0):
        generator = torch.Generator().manual_seed(seed)
        audio.write(path, 0.1 * torch.randn(round(seconds * 16000), generator=generator), 16000)
        return path

    def folder_corpus(self, name="folder", layout=("train/anna/a.wav", "train/ben/b.flac", "dev/carl/c.ogg")):
        root = self.folder / name
        for number, inside in enumerate(layout):
            self.sound(root / inside, seed=number)
            (root / inside).with_suffix(".txt").write_text(f"text of {(root / inside).stem}\n")
        return root

    def row(self, number=0, **columns):
        path = self.sound(self.folder / "table" / "audio" / f"u{number}.wav", seed=number)
        row = {
            "id": f"u{number}",
            "audio": f"audio/{path.name}",
            "text": "two words",
            "language": "en",
            "speaker": f"s{number % 2}",
            "style": "happy",
            "words": [["two", 0.0, 0.15], ["words", 0.2, 0.4]],
        }
        return {key: value for key, value in (row | columns).items() if value != "absent"}

    def table(self, name, rows, folder="table"):
        path = self.folder / folder / name
        path.parent.mkdir(exist_ok=True)
        if path.suffix == ".tsv":
            columns = list(rows[0])
            cells = [
                [json.dumps(v) if isinstance(v, list) else "" if v is None else str(v) for v in row.values()]
                for row in rows
            ]
            path.write_text("\n".join("\t".join(line) for line in [columns, *cells]) + "\n")
        else:
            path.write_text("".join(json.dumps(row) + "\n" for row in rows))
        return path


@pytest.fixture
def make(tmp_path):
    return Maker(tmp_path)
