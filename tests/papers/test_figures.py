"""What was transcribed holds together, and stands in the papers' own texts."""

import re
from pathlib import Path

import pytest
import yaml

from evoca.lab.config.recipe import load_recipe, recipe_names
from evoca.papers import (
    PaperError,
    load_paper,
    load_papers,
    paper_of_system,
    published_system,
)
from evoca.papers import load as loading
from evoca.papers.schema import Paper

PAPERS = load_papers()
SOURCE = Path(loading.__file__).parent
TEXTS = Path(__file__).resolve().parents[3] / "shared" / "papers"
READ = [key for key, paper in PAPERS.items() if paper.read]


def figures_of(paper):
    for system in paper.systems:
        yield from ((system.name, figure) for figure in system.figures)


@pytest.fixture(scope="module")
def texts():
    if not TEXTS.is_dir():
        pytest.skip("needs the papers' texts in ../shared/papers, which are not distributed")
    return {key: next(TEXTS.glob(f"{key}_*.txt")).read_text(encoding="utf-8") for key in READ}


def test_the_five_papers_come_first_and_the_field_last():
    keys = list(PAPERS)
    assert keys[:5] == ["sreenivas2018", "agarwal2019", "najid2018", "rapolu2023", "jacobson2019"]
    assert keys[:5] == READ
    assert keys[-1] == "field"


# key, data, images, parts
COUNTS = [
    ("sreenivas2018", "fi", 21970, {"train": 19773, "val": 1098, "test": 1099}),
    ("rapolu2023", "fi", 21836, {}),
    ("rapolu2023", "artphoto", 806, {}),
    ("rapolu2023", "abstract", 280, {}),
    ("rapolu2023", "emotionroi", 1650, {}),
    ("rapolu2023", "own", 2146, {}),
    ("jacobson2019", "fi", 84922, {"train": 67937, "val": 8493, "test": 8492}),
    ("you2016", "fi", None, {"test": 3490}),
]


@pytest.mark.parametrize(("key", "data", "images", "parts"), COUNTS)
def test_counts(key, data, images, parts):
    found = load_paper(key).data_of(data)
    assert (found.images, found.parts) == (images, parts)


@pytest.mark.parametrize("key", ["sreenivas2018", "rapolu2023"])
def test_every_emotion_is_counted_and_the_counts_add_up(key):
    for data in load_paper(key).data:
        for part, counts in data.counts.items():
            total = data.images if part == "all" else data.parts[part]
            assert sum(counts.values()) == total


@pytest.mark.parametrize(
    ("name", "published"),
    [
        ("sreenivas2018-vgg19", {0.601, 0.775, 0.598}),
        ("agarwal2019-attention-alexnet", {0.54}),
        ("najid2018-resnet101-ensemble", {0.6774, 0.6242, 8.60}),
        ("najid2018-resnet101-fc-shuffle", {0.6204, 0.5104}),
        ("rapolu2023-resnet101", {0.6414, 0.6506}),
        ("rapolu2023-densenet201", {0.6414, 0.6506}),
        ("rapolu2023-differential", {0.6485, 0.6576, 0.6662, 0.6680, 0.6628}),
        ("rapolu2023-supplementary-svm", {0.6741}),
        ("jacobson2019-fractalnet", {0.13}),
        ("you2016-alexnet", {0.583, 0.5655}),
        ("sentibank", {0.4909}),
        ("colour-svm", set()),
    ],
)
def test_published_figures(name, published):
    assert {figure.value for figure in published_system(name).figures} == published


def test_f1_is_the_harmonic_mean_of_what_is_printed_beside_it():
    values = published_system("sreenivas2018-vgg19").per_emotion.values
    assert len(values) == 8
    for row in values.values():
        harmonic = 2 * row["precision"] * row["recall"] / (row["precision"] + row["recall"])
        assert row["f1"] == pytest.approx(harmonic, abs=0.001)


def test_names_are_unique_and_lead_back_to_their_paper():
    names = [system.name for paper in PAPERS.values() for system in paper.systems]
    assert len(names) == len(set(names))
    assert paper_of_system("rapolu2023-densenet201").key == "rapolu2023"
    assert paper_of_system("default") is None


def test_what_another_paper_prints_names_that_paper():
    for paper in PAPERS.values():
        for name, figure in figures_of(paper):
            assert (figure.printed_by is None) == (paper.read or paper.key == "field"), name
            assert figure.printed_by in {None, *READ}


@pytest.mark.parametrize("name", recipe_names())
def test_a_recipe_that_follows_a_paper_names_a_system_of_it(name):
    recipe = load_recipe(name)
    if recipe.published is None:  # of our own, or a wish of a paper that measured nothing
        wish = " ".join(recipe.left_open.values())
        assert recipe.paper is None or "No figure" in wish or "no published ones" in wish
    else:
        assert recipe.paper is not None
        assert recipe.published in {system.name for system in load_paper(recipe.paper).systems}


@pytest.mark.parametrize("key", PAPERS)
def test_printed_figures_stand_in_the_text_that_prints_them(key, texts):
    for name, figure in figures_of(PAPERS[key]):
        printed = figure.printed_by or key
        if printed not in texts:
            continue
        shown = figure.value if figure.metric == "minutes_per_epoch" else 100 * figure.value
        number = re.escape(f"{shown:.2f}".rstrip("0").rstrip("."))
        assert re.search(rf"(?<![\d.]){number}(\.?0*)(?![\d])", texts[printed]), (name, shown)


@pytest.mark.parametrize("key", READ)
def test_counts_and_tables_stand_in_the_text(key, texts):
    text = texts[key].replace(",", "")
    numbers = [n for data in PAPERS[key].data for c in data.counts.values() for n in c.values()]
    for system in PAPERS[key].systems:
        for table in system.tables:
            for row in table.rows:
                for column, cell in zip(table.columns, row, strict=True):
                    if column not in table.settings and isinstance(cell, float):
                        numbers.append(round(cell * (100 if table.unit == "fraction" else 1), 1))
        if system.per_emotion is not None:
            rows = system.per_emotion.values.values()
            numbers += [round(100 * v, 1) for row in rows for v in row.values()]
    for number in numbers:
        assert re.search(rf"(?<![\d.]){re.escape(f'{number:g}')}(\.0)?(?![\d])", text), number


@pytest.fixture(scope="module")
def phrases(texts):
    return set().union(*(runs_of_words(text) for text in texts.values()))


@pytest.mark.parametrize("key", PAPERS)
def test_no_sentence_is_copied(key, phrases):
    """Titles, names and venues are quoted; no other six words in a row are."""
    paper = PAPERS[key].model_dump(exclude={"title", "authors", "venue", "key"})
    for own in strings(paper):
        assert not runs_of_words(own) & phrases


def runs_of_words(text, length=6):
    said = words(text)
    return set(zip(*(said[i:] for i in range(length)), strict=False))


def words(text):
    return re.findall(r"[a-z0-9]+", text.lower())


def strings(content):
    if isinstance(content, str):
        yield content
    elif isinstance(content, dict):
        for value in content.values():
            yield from strings(value)
    elif isinstance(content, list | tuple):
        for value in content:
            yield from strings(value)


GOOD = {
    "key": "a2000",
    "title": "A",
    "read": True,
    "data": [{"key": "fi", "name": "FI", "rule": "r", "images": 3}],
    "systems": [{"name": "a2000-net", "summary": "s"}],
}
BAD = {
    "percent": (["systems", 0, "figures"], [{"metric": "accuracy", "value": 54, "where": "t"}]),
    "unknown data": (
        ["systems", 0, "figures"],
        [{"metric": "accuracy", "value": 0.5, "where": "t", "data": "emoset"}],
    ),
    "unknown key": (["systems", 0, "optimizer"], "adam"),
    "parts": (["data", 0, "parts"], {"train": 1, "test": 1}),
    "ratios": (["data", 0, "ratios"], {"train": 0.8, "test": 0.1}),
    "counts": (["data", 0, "counts"], {"all": {"awe": 2}}),
    "no source": (["read"], False),
    "ragged table": (
        ["systems", 0, "tables"],
        [
            {
                "title": "t",
                "where": "w",
                "unit": "fraction",
                "settings": ["a"],
                "columns": ["a", "b"],
                "rows": [[1]],
            }
        ],
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_what_does_not_hold_together_is_refused(case):
    content = yaml.safe_load(yaml.safe_dump(GOOD))
    assert Paper.model_validate(content)
    (*path, last), value = BAD[case]
    place = content
    for step in path:
        place = place[step]
    place[last] = value
    with pytest.raises(PaperError, match=r"a2000\.yaml"):
        loading._parse("a2000.yaml", yaml.safe_dump(content))


def test_an_unknown_paper_is_answered_with_the_known_ones():
    with pytest.raises(PaperError, match=r"najid2019: no such paper; did you mean .*najid2018"):
        load_paper("najid2019")
