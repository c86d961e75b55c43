import base64
import io
import re

import numpy as np
import pytest
import torch
from PIL import Image

from tests.toy_comparison import write_page
from zoo.comparison.html_report import figure
from zoo.comparison.plots import HIGHEST_HZ, LOWEST_HZ, SPECTROGRAM, WIDTH, contour_lines, spectrogram, token_lanes


def test_the_page_asks_for_nothing_from_outside_and_shows_text_as_text(tmp_path):
    page = write_page(tmp_path).read_text()
    sources = re.findall(r'(?:src|href)\s*=\s*"([^"]*)"', page)
    assert len(sources) == 5 and all(source.startswith("data:") for source in sources)  # icon, picture, three sounds
    assert not re.search(r"https?://|@import|url\(", page)
    assert "hello &lt;b&gt;there&lt;/b&gt;" in page and "entropy &lt;of&gt; Pi" in page
    assert "Synthetic speech." in page and "Expressive takes more tokens per second" in page


def test_every_figure_has_an_interval_and_its_items(tmp_path):
    page = write_page(tmp_path).read_text()
    cells = re.findall(r'<td data-label="(?:Base|Expressive)[^"]*" data-value="([^"]+)">(.*?)</td>', page, re.S)
    assert len(cells) == 9 and all(re.search(r" to .*; n 40", cell) for _, cell in cells)


def test_contours_and_tokens_are_placed_by_their_times():
    (stretch,) = contour_lines([0, 0, LOWEST_HZ, HIGHEST_HZ, 0], 0.1)
    assert stretch == f"{WIDTH * 0.4:.1f},{SPECTROGRAM:.1f} {WIDTH * 0.6:.1f},0.0"
    lane, other = token_lanes([["Hu", 7, 0.0], ["Pi", 1, 0.0], ["Hu", 8, 0.5]], 2.0)
    boxes = [(box["x"], box["width"], box["name"]) for box in lane["boxes"]]
    assert boxes == [(0, 250, "[Hu7]"), (250, 750, "[Hu8]")] and other["prefix"] == "Pi"


def test_a_spectrogram_is_darkest_where_the_energy_is_high():
    tone = torch.sin(torch.arange(16000) * 2 * np.pi * 1000 / 16000) * (torch.arange(16000) > 8000)
    content = base64.b64decode(spectrogram(tone, 16000).split(",")[1])
    image = np.array(Image.open(io.BytesIO(content)))
    assert image.shape == (64, 62) and image[:, :20].min() > image[:, 40:].min()


@pytest.mark.parametrize("value, shown", [(0.12345, "0.123"), (-12.347, "-12.35"), (123.46, "123.5")])
def test_figures_have_the_decimals_they_need(value, shown):
    assert figure(value) == shown
