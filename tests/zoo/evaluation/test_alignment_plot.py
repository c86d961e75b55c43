from xml.etree import ElementTree

from tests.toy_tokens import tiny_network, words_vocabulary, write_sentences
from zoo.evaluation.alignment_plot import draw_alignment
from zoo.evaluation.representation_alignment import measure_alignment
from zoo.tokens.store import TokenTable

VOCABULARY = words_vocabulary()


def test_the_plot_is_an_svg_with_a_line_for_each_model(tmp_path):
    table = TokenTable(write_sentences(tmp_path), "dev")
    alignment = measure_alignment(tiny_network(VOCABULARY), VOCABULARY, table, limit=3)
    root = ElementTree.fromstring(draw_alignment({"base": alignment, "a<b": alignment}))
    lines = [node for node in root if node.tag.endswith("polyline")]
    assert len(lines) == 4 and all(len(line.get("points").split()) == 3 for line in lines)
    assert "a<b" in [node.text for node in root if node.tag.endswith("text")]
