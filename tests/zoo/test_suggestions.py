from zoo.suggestions import listed, nearest_name, suggest

NAMES = [f"speaker_{number}" for number in range(20)]


def test_a_name_that_is_alike_is_offered():
    assert suggest("speeker_3", NAMES) == "did you mean 'speaker_3'?"
    assert nearest_name("speeker_3", NAMES) == "speaker_3"


def test_otherwise_the_first_names_are_listed():
    assert suggest("x", ["one", "two"]) == "choose from one, two"
    assert suggest("x", NAMES).endswith("speaker_11 and 8 more")
    assert listed(["one"]) == "one"


def test_the_caller_may_say_what_there_is():
    assert suggest("x", ["one"], "it has one") == "it has one"
    assert suggest("onne", ["one"], "it has one") == "did you mean 'one'?"
    assert suggest("x", []) == "there is none to choose from"
