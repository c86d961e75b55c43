"""The words of the demo corpus's stories, by language."""

from dataclasses import dataclass

STYLES = ("neutral", "happy", "sad", "angry")


@dataclass(frozen=True)
class Topic:
    """Words that no other topic uses.

    Args:
        to: Places as destinations, such as "to the beach".
        at: The same places as locations, such as "at the beach".
        things: Nouns with their article, each as subject and as object.
        verbs: Verbs in the past tense, each in singular and plural; every verb can take every thing as its object.
    """

    to: tuple[str, ...]
    at: tuple[str, ...]
    things: tuple[tuple[str, str], ...]
    verbs: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Grammar:
    """Sentence patterns, with the fields of ``str.format`` that :mod:`zoo.corpora.demo_stories` fills in.

    Args:
        people: First names.
        topics: Topics by name, with the same names in every language.
        openings: Patterns of the first sentence.
        actions: Patterns of the second sentence.
        sentiments: Patterns of the third sentence, which expresses a sentiment, by style.
        endings: Patterns of the ending, which names nobody.
    """

    people: tuple[str, ...]
    topics: dict[str, Topic]
    openings: tuple[str, ...]
    actions: tuple[str, ...]
    sentiments: dict[str, tuple[str, ...]]
    endings: tuple[str, ...]


def _english(to: str, nouns: str, verbs: str) -> Topic:
    """Return a topic of two places, nouns and verbs, separated by spaces; English does not inflect them here."""
    places = to.split()
    return Topic(
        to=tuple(f"to the {place}" for place in places),
        at=tuple(f"at the {place}" for place in places),
        things=tuple((f"the {noun}", f"the {noun}") for noun in nouns.split()),
        verbs=tuple((verb, verb) for verb in verbs.split()),
    )


ENGLISH = Grammar(
    people=("anna", "tom", "ben", "lucy", "sara", "max", "emma", "jack"),
    topics={
        "farm": _english("farm barn", "horse cow sheep", "fed brushed led"),
        "sea": _english("beach harbor", "boat shell fish", "spotted painted rinsed"),
        "kitchen": _english("kitchen bakery", "bread soup cake", "cooked tasted served"),
        "school": _english("school library", "book letter poem", "studied copied wrote"),
        "garden": _english("garden orchard", "rose tulip bush", "planted watered trimmed"),
        "music": _english("concert theater", "song melody waltz", "played hummed practiced"),
    },
    openings=("{person} went {to}", "today {person} went {to}"),
    actions=("{person} {verb} {object}", "there {person} {verb} {object}"),
    sentiments={
        "neutral": ("{person} rested a little", "{person} waited a while"),
        "happy": ("{person} was happy", "{person} smiled and laughed"),
        "sad": ("{person} was sad", "{person} cried and sighed"),
        "angry": ("{person} was angry", "{person} shouted and yelled"),
    },
    endings=("they {verbs} {object} and {verbs2} {object2} {at}", "all {verbs} {object} and {verbs2} {object2} {at}"),
)

GERMAN = Grammar(
    people=("anna", "paul", "lena", "felix", "clara", "jonas"),
    topics={
        "farm": Topic(
            ("auf den bauernhof", "in den stall"),
            ("auf dem bauernhof", "im stall"),
            (("das pferd", "das pferd"), ("die kuh", "die kuh"), ("der hund", "den hund")),
            (("fütterte", "fütterten"), ("bürstete", "bürsteten"), ("streichelte", "streichelten")),
        ),
        "sea": Topic(
            ("zum strand", "zum hafen"),
            ("am strand", "am hafen"),
            (("das boot", "das boot"), ("die muschel", "die muschel"), ("der fisch", "den fisch")),
            (("entdeckte", "entdeckten"), ("zeichnete", "zeichneten"), ("fotografierte", "fotografierten")),
        ),
        "kitchen": Topic(
            ("in die küche", "in die bäckerei"),
            ("in der küche", "in der bäckerei"),
            (("das brot", "das brot"), ("die suppe", "die suppe"), ("der kuchen", "den kuchen")),
            (("kochte", "kochten"), ("probierte", "probierten"), ("servierte", "servierten")),
        ),
        "school": Topic(
            ("in die schule", "in die bibliothek"),
            ("in der schule", "in der bibliothek"),
            (("das buch", "das buch"), ("die geschichte", "die geschichte"), ("der brief", "den brief")),
            (("studierte", "studierten"), ("kopierte", "kopierten"), ("übersetzte", "übersetzten")),
        ),
        "garden": Topic(
            ("in den garten", "in den park"),
            ("im garten", "im park"),
            (("das gras", "das gras"), ("die blume", "die blume"), ("der baum", "den baum")),
            (("pflanzte", "pflanzten"), ("wässerte", "wässerten"), ("pflegte", "pflegten")),
        ),
        "music": Topic(
            ("ins konzert", "ins theater"),
            ("im konzert", "im theater"),
            (("das lied", "das lied"), ("die melodie", "die melodie"), ("der walzer", "den walzer")),
            (("spielte", "spielten"), ("summte", "summten"), ("übte", "übten")),
        ),
    },
    openings=("{person} ging {to}", "heute ging {person} {to}"),
    actions=("{person} {verb} {object}", "dort {verb} {person} {object}"),
    sentiments={
        "neutral": ("{person} ruhte ein wenig", "{person} wartete eine weile"),
        "happy": ("{person} war froh", "{person} lächelte und lachte"),
        "sad": ("{person} war traurig", "{person} weinte und seufzte"),
        "angry": ("{person} war wütend", "{person} schrie und schimpfte"),
    },
    endings=("sie {verbs} {object} und {verbs2} {object2} {at}", "alle {verbs} {object} und {verbs2} {object2} {at}"),
)

SPANISH = Grammar(
    people=("ana", "pablo", "lucía", "diego", "carmen", "luis"),
    topics={
        "farm": Topic(
            ("a la granja", "al establo"),
            ("en la granja", "en el establo"),
            (("el caballo", "el caballo"), ("la vaca", "la vaca"), ("la oveja", "la oveja")),
            (("cuidó", "cuidaron"), ("cepilló", "cepillaron"), ("acarició", "acariciaron")),
        ),
        "sea": Topic(
            ("a la playa", "al puerto"),
            ("en la playa", "en el puerto"),
            (("el barco", "el barco"), ("la concha", "la concha"), ("el pez", "el pez")),
            (("encontró", "encontraron"), ("pintó", "pintaron"), ("fotografió", "fotografiaron")),
        ),
        "kitchen": Topic(
            ("a la cocina", "a la panadería"),
            ("en la cocina", "en la panadería"),
            (("el pan", "el pan"), ("la sopa", "la sopa"), ("la tarta", "la tarta")),
            (("probó", "probaron"), ("preparó", "prepararon"), ("sirvió", "sirvieron")),
        ),
        "school": Topic(
            ("a la escuela", "a la biblioteca"),
            ("en la escuela", "en la biblioteca"),
            (("el libro", "el libro"), ("la carta", "la carta"), ("el poema", "el poema")),
            (("leyó", "leyeron"), ("copió", "copiaron"), ("estudió", "estudiaron")),
        ),
        "garden": Topic(
            ("al jardín", "al parque"),
            ("en el jardín", "en el parque"),
            (("el árbol", "el árbol"), ("la rosa", "la rosa"), ("la flor", "la flor")),
            (("plantó", "plantaron"), ("regó", "regaron"), ("podó", "podaron")),
        ),
        "music": Topic(
            ("al concierto", "al teatro"),
            ("en el concierto", "en el teatro"),
            (("el vals", "el vals"), ("la canción", "la canción"), ("la melodía", "la melodía")),
            (("tocó", "tocaron"), ("cantó", "cantaron"), ("ensayó", "ensayaron")),
        ),
    },
    openings=("{person} fue {to}", "hoy {person} fue {to}"),
    actions=("{person} {verb} {object}", "allí {person} {verb} {object}"),
    sentiments={
        "neutral": ("{person} descansó un poco", "{person} esperó un rato"),
        "happy": ("{person} estaba feliz", "{person} sonrió y rió"),
        "sad": ("{person} estaba triste", "{person} lloró y suspiró"),
        "angry": ("{person} sintió rabia", "{person} gritó y protestó"),
    },
    endings=("ellos {verbs} {object} y {verbs2} {object2} {at}", "todos {verbs} {object} y {verbs2} {object2} {at}"),
)

GRAMMARS = {"en": ENGLISH, "de": GERMAN, "es": SPANISH}
