"""Each layout as it is distributed, in small; what must come out of it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tests.data.conftest import MakeImage

from evoca.data.build import Built, build
from evoca.data.manifest.table import Manifest
from evoca.data.readers import ReadOptions, get_reader, reader_names
from evoca.errors import DataError
from evoca.images import decode

EXPECTED_READERS = {
    "fi", "emoset", "artphoto", "abstract", "emotionroi", "emotion6", "flickr_ldl", "twitter_ldl",
    "oasis", "twitter1", "twitter2", "webemo", "folder", "csv", "hf", "webdataset",
    "label_studio",
}  # fmt: skip


@pytest.fixture
def build_in(tmp_path: Path) -> Callable[..., Built]:
    """Build a manifest beside the folder ``set``."""

    def run(reader: str, source: Path | None = None, **options: object) -> Built:
        return build(
            reader,
            source or tmp_path / "set",
            tmp_path / "m.parquet",
            **options,  # type: ignore[arg-type]
        )

    return run


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "set"
    folder.mkdir()
    return folder


def _rows(manifest: Manifest, *columns: str) -> list[tuple[object, ...]]:
    return list(manifest.rows(*columns))


def _causes(built: Built) -> list[tuple[int, str]]:
    return [(reject.row, reject.cause) for reject in built.manifest.rejects]


def test_every_data_set_has_a_reader_that_says_what_it_reads() -> None:
    assert set(reader_names()) == EXPECTED_READERS
    for name in reader_names():
        assert len(get_reader(name).summary) > 20
    with pytest.raises(DataError, match="no reader 'fii'; did you mean fi"):
        get_reader("fii")


def test_fi_votes(root: Path, build_in: Callable[..., Built]) -> None:
    one, two = (
        "https://farm1.staticflickr.com/1/a_z.jpg",
        "https://farm2.staticflickr.com/2/a_z.jpg",
    )
    (root / "amusement_0.csv").write_text(f"0,{one},1,4\n1,{two},5,0\n2,c.jpg,2,3\n")
    (root / "awe_0.csv").write_text(f"0,{one},0,5\n1,{one},0,5\n2,x,-1,5\n3,y,few,5\n4,z\n5,,1,1\n")
    (root / "notes.txt").write_text("not an emotion")
    built = build_in("fi")
    columns = ("image", "url", "votes_amusement", "disagree_amusement", "votes_awe", "disagree_awe")
    assert _rows(built.manifest, *columns) == [
        ("images/a_z.jpg", one, 4, 1, 5, 0),
        ("images/a_z-2.jpg", two, 0, 5, None, None),
        ("c.jpg", None, 3, 2, None, None),
    ]
    assert built.manifest.texts("emotion").tolist() == ["awe", "", "amusement"]
    assert "p_awe" not in built.manifest
    assert _causes(built) == [
        (2, "the image is listed for awe before"),
        (3, "votes ['-1', '5']: a count below zero"),
        (4, "votes ['few', '5'] are not whole numbers"),
        (5, "2 cells; link, disagrees, agrees wanted"),
        (6, "no image in this row"),
    ]


def test_fi_votes_without_a_running_number(root: Path, build_in: Callable[..., Built]) -> None:
    (root / "sadness.txt").write_text("a.jpg,1,4\n")
    built = build_in("fi")
    assert _rows(built.manifest, "image", "votes_sadness", "disagree_sadness") == [("a.jpg", 4, 1)]


def test_fi_votes_for_an_unknown_emotion_are_not_passed_over(
    root: Path, build_in: Callable[..., Built]
) -> None:
    (root / "amusment_0.csv").write_text("a.jpg,1,4\n")
    (root / "licence.txt").write_bytes(b"\xff no text, and no votes")
    with pytest.raises(DataError, match=r"amusment_0.csv: votes, but the file's name starts with"):
        build_in("fi")
    (root / "awe_0.csv").write_text("a.jpg,1,4\n")
    built = build_in("fi")
    assert built.manifest.texts("image").tolist() == ["a.jpg"]
    ((row, cause),) = _causes(built)
    assert (row, built.manifest.rejects[0].file) == (0, str(root / "amusment_0.csv"))
    assert cause.startswith("votes, but the file's name starts with no emotion (amusement, ")


def test_fi_folders(class_folders: Path, build_in: Callable[..., Built]) -> None:
    built = build_in("fi")
    assert sorted(built.manifest.texts("emotion")) == ["awe"] * 3 + ["fear"] * 2
    assert all(path.is_file() for path in built.manifest.paths())


@pytest.mark.parametrize("with_id", [False, True])
def test_emoset(
    root: Path, make_image: MakeImage, build_in: Callable[..., Built], with_id: bool
) -> None:
    annotations = {
        "awe_1": {"emotion": "awe", "brightness": 0.3, "object": ["Tree", "Human face"]},
        "awe_2": {"emotion": "fear"},
        "awe_4": [],
    }
    for name in ("awe_1", "awe_2", "awe_3", "awe_4"):
        make_image(root / "image" / "awe" / f"{name}.jpg")
        if name in annotations:
            path = root / "annotation" / "awe" / f"{name}.json"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(json.dumps(annotations[name]))

    def entry(name: str) -> list[str]:
        middle = [name] if with_id else []
        return ["awe", *middle, f"image/awe/{name}.jpg", f"annotation/awe/{name}.json"]

    outside = ["awe", "image/awe/awe_3.jpg", "../../../etc/passwd"]
    (root / "train.json").write_text(json.dumps([entry("awe_1"), entry("awe_2"), ["awe"], outside]))
    (root / "test.json").write_text(json.dumps([entry("awe_3"), entry("awe_4"), entry("awe_9")]))
    built = build_in("emoset")
    columns = ("image", "emotion", "split", "brightness", "object")
    assert _rows(built.manifest, *columns) == [
        ("set/image/awe/awe_1.jpg", "awe", "train", "0.3", "Tree; Human face"),
        ("set/image/awe/awe_3.jpg", "awe", "test", None, None),
    ]
    assert [cause for _, cause in _causes(built)] == [
        "listed as awe, annotated as fear",
        "not [emotion, (id,) image, annotation]",
        "annotation outside the data set: ../../../etc/passwd",
        f"{root}/annotation/awe/awe_4.json: not a JSON object",
        "no such file: image/awe/awe_9.jpg",
    ]


def test_emoset_without_lists_is_the_image_tree(
    root: Path, make_image: MakeImage, build_in: Callable[..., Built]
) -> None:
    make_image(root / "image" / "fear" / "fear_1.jpg")
    (root / "annotation" / "fear").mkdir(parents=True)
    (root / "annotation" / "fear" / "fear_1.json").write_text('{"scene": "forest path"}')
    built = build_in("emoset")
    assert _rows(built.manifest, "emotion", "scene", "split") == [("fear", "forest path", None)]


def test_an_annotation_that_is_too_large_is_said_once(
    root: Path, make_image: MakeImage, build_in: Callable[..., Built]
) -> None:
    """The reader caught its own error, and called the file no valid JSON."""
    for name in ("fear_1", "fear_2"):
        make_image(root / "image" / "fear" / f"{name}.jpg")
    (root / "annotation" / "fear").mkdir(parents=True)
    file = root / "annotation" / "fear" / "fear_2.json"
    file.write_text(" " * (1 << 20) + "{}")
    assert _causes(build_in("emoset")) == [(0, f"{file}: larger than 1,048,576 bytes")]


def test_artphoto(root: Path, make_image: MakeImage, build_in: Callable[..., Built]) -> None:
    for i, name in enumerate(("amusement_01", "content_b", "sad_0123", "fear_1_2", "Picture_9")):
        make_image(root / "testImages_artphoto" / f"{name}.jpg", i)
    built = build_in("artphoto")
    assert built.manifest.texts("emotion").tolist() == [
        "amusement",
        "contentment",
        "fear",
        "sadness",
    ]
    assert _causes(built) == [(0, "the name does not start with an emotion: Picture_9.jpg")]


def test_abstract(root: Path, make_image: MakeImage, build_in: Callable[..., Built]) -> None:
    for i in range(2):
        make_image(root / f"abstract_{i}.jpg", i)
    (root / "ABSTRACT_groundTruth.csv").write_text(
        "'','Amusement','Anger','Awe','Content','Disgust','Excitement','Fear','Sad'\n"
        "'abstract_0.jpg',1,0,0,6,0,0,0,7\n"
        "'abstract_1.jpg',4,0,0,4,0,0,0,0\n"
        "'abstract_2.jpg',4,0,0,1,0,0,0,0\n"
        "'abstract_0.jpg',4,0\n"
    )
    built = build_in("abstract")
    columns = ("image", "emotion", "votes_contentment", "votes_sadness", "p_sadness")
    assert _rows(built.manifest, *columns) == [
        ("set/abstract_0.jpg", "sadness", 6, 7, 0.5),
        ("set/abstract_1.jpg", None, 4, 0, 0.0),
    ]
    assert _causes(built) == [
        (4, "no such file: abstract_2.jpg"),
        (5, "3 cells, the header has 9"),
    ]


EMOTION6 = (
    "[image_filename]\t[valence]\t[arousal]\t[prob. anger]\t[prob. disgust]\t[prob. fear]\t"
    "[prob. joy]\t[prob. sadness]\t[prob. surprise]\t[prob. neutral]\n"
    "disgust/1.jpg\t2.5\t3.8\t0.133333\t0.7\t0\t0.0666667\t0.1\t0\t0\n"
    "joy/2.jpg\t6.5\t3\t0\t0\t0\t0.4\t0\t0.2\t0.4\n"
    "joy/3.jpg\t6.5\t3\t0\t0\t0\t0.4\t0\t0.2\t0.1\n"
    "joy/4.jpg\t6.5\n"
)


def test_emotion6(root: Path, make_image: MakeImage, build_in: Callable[..., Built]) -> None:
    for name in ("disgust/1", "joy/2", "joy/3"):
        make_image(root / "images" / f"{name}.jpg")
    (root / "ground_truth.txt").write_text(EMOTION6)
    built = build_in("emotion6")
    columns = ("image", "emotion", "keyword", "valence", "arousal", "p_disgust", "p_neutral")
    assert _rows(built.manifest, *columns) == [
        ("set/images/disgust/1.jpg", "disgust", "disgust", 2.5, 3.8, 0.7, 0.0),
        ("set/images/joy/2.jpg", None, "joy", 6.5, 3.0, 0.0, 0.4),
    ]
    assert built.manifest.taxonomy == "ekman7"
    assert _causes(built) == [(4, "the distribution sums to 0.7, not 1"), (5, "2 cells, 10 wanted")]


def test_emotionroi(root: Path, make_image: MakeImage, build_in: Callable[..., Built]) -> None:
    for name in ("disgust/1", "joy/2", "joy/5"):
        make_image(root / "images" / f"{name}.jpg")
    make_image(root / "ground_truth" / "joy" / "2.jpg")
    (root / "ground_truth.txt").write_text(EMOTION6)
    (root / "training_testing_split").mkdir()
    (root / "training_testing_split" / "training.txt").write_text("disgust/1.jpg\njoy/5.jpg\n")
    (root / "training_testing_split" / "testing.txt").write_text("joy/2.jpg\njoy/9.jpg\n")
    built = build_in("emotionroi")
    columns = ("image", "emotion", "split", "valence", "p_joy", "region")
    assert _rows(built.manifest, *columns) == [
        ("set/images/disgust/1.jpg", "disgust", "train", 2.5, 0.0666667, None),
        ("set/images/joy/2.jpg", "joy", "test", 6.5, 0.4, "ground_truth/joy/2.jpg"),
        ("set/images/joy/5.jpg", "joy", "train", None, None, None),
    ]
    assert [cause for _, cause in _causes(built)] == ["2 cells, 10 wanted", "in a split list only"]


@pytest.mark.parametrize(
    "header", ["", "images-name Amusement Awe Contentment Excitement Anger Disgust Fear Sadness \n"]
)
def test_ldl(root: Path, build_in: Callable[..., Built], header: str) -> None:
    (root / "ground_truth.txt").write_text(
        f"{header}1.jpg 6 0 3 0 0 1 1 0 \n2.jpg 0 4 0 0 0 0 0 4 \n"
        "3.jpg 1 2\n4.jpg 0 -4 0 0 0 0 0 4\n"
    )
    built = build_in("flickr_ldl")
    columns = (
        "image",
        "emotion",
        "votes_amusement",
        "votes_contentment",
        "votes_disgust",
        "votes_awe",
    )
    assert _rows(built.manifest, *columns) == [
        ("1.jpg", "amusement", 6, 3, 1, 0),
        ("2.jpg", None, 0, 0, 0, 4),
    ]
    first = 2 if header else 1
    # Row by row: what the reader refuses comes in the same order as what the rules do.
    assert sorted(_causes(built)) == [
        (first + 2, "3 cells, a name and 8 votes wanted"),
        (first + 3, "votes_awe is -4, below zero"),
    ]


@pytest.mark.parametrize(
    ("name", "rows", "voters"), [("flickr", 11_150, 11), ("twitter", 10_032, 8)]
)
def test_the_real_ldl(
    shared_data: Path, build_in: Callable[..., Built], name: str, rows: int, voters: int
) -> None:
    source = shared_data / "ldl" / f"{name}_ldl.txt"
    built = build_in(f"{name}_ldl", source)
    votes = built.manifest.counts("votes_")
    assert votes is not None
    assert len(built.manifest) == rows
    assert set(votes.sum(axis=1)) == {voters}
    shares = np.stack([built.manifest.numbers(f"p_{label}") for label in built.manifest.labels], 1)
    assert np.allclose(shares, votes / voters)
    first = dict(zip(built.manifest.labels, votes[0], strict=True))
    line = source.read_text().split("\n", 1)[0].split()
    assert [first[e] for e in ("amusement", "awe", "contentment", "excitement")] == [
        int(n) for n in line[1:5]
    ]


def test_oasis_as_it_is_distributed(
    root: Path, make_image: MakeImage, build_in: Callable[..., Built]
) -> None:
    make_image(root / "Images" / "Acorns 1.jpg")
    make_image(root / "Images" / "Alcohol 2.jpg", 1, "PNG")
    rows = [
        ",Theme,Category,Source,Valence_mean,Valence_SD,Valence_N,Arousal_mean,Arousal_SD,Arousal_N",
        "I1,Acorns 1,Object,Pixabay,4.68627451,0.954202712,102,2.346534653,1.602720459,101",
        "I2,Alcohol 2  ,Object,Wikipedia,4.5,1.1,102,2.2,1.3,101",
        "I3,Zebra 9,Animal,Pixabay,5,1,100,3,1,100",
        "I4, ,Animal,Pixabay,5,1,100,3,1,100",
        "I5,Acorns 1,Object,Pixabay,7.5,1,100,3,1,100",
    ]
    (root / "OASIS.csv").write_bytes("\r".join(rows).encode())
    built = build_in("oasis")
    columns = ("image", "theme", "valence", "valence_sd", "valence_n", "arousal", "emotion")
    assert _rows(built.manifest, *columns) == [
        ("set/Images/Acorns 1.jpg", "Acorns 1", 4.68627451, 0.954202712, 102, 2.346534653, None),
        ("set/Images/Alcohol 2.jpg", "Alcohol 2", 4.5, 1.1, 102, 2.2, None),
    ]
    assert "emotion" not in built.manifest
    assert _causes(built) == [
        (4, "no such file: Images/Zebra 9.jpg"),
        (5, "no image in this row"),
        (6, "valence 7.5: ratings are from 1 to 7"),
    ]
    png_named_jpg = built.manifest.paths()[1]
    assert Image.open(png_named_jpg).format == "PNG"
    assert decode(png_named_jpg.read_bytes()).size == (32, 24)


def test_the_real_oasis(shared_data: Path, build_in: Callable[..., Built]) -> None:
    built = build_in("oasis", shared_data / "oasis")
    assert len(built.manifest) == 645
    assert built.manifest.rejects == ()
    assert (
        1 <= built.manifest.numbers("valence").min() < built.manifest.numbers("valence").max() <= 7
    )


def test_twitter1(root: Path, make_image: MakeImage, build_in: Callable[..., Built]) -> None:
    for i in range(3):
        make_image(root / "images" / f"{i}.jpg", i)
    truth = root / "ground_truth"
    truth.mkdir()
    (truth / "twitter_five_agrees.txt").write_text("0.jpg 1\n")
    (truth / "twitter_four_agrees.txt").write_text("0.jpg 1\n1.jpg 0\n")
    (truth / "twitter_three_agrees.txt").write_text("0.jpg 1\n1.jpg 0\n2.jpg 1\n2.jpg yes\n")
    built = build_in("twitter1")
    columns = ("image", "emotion", "votes_positive", "votes_negative")
    assert _rows(built.manifest, *columns) == [
        ("set/images/0.jpg", "positive", 5, 0),
        ("set/images/1.jpg", "negative", 1, 4),
        ("set/images/2.jpg", "positive", 3, 2),
    ]
    assert _causes(built) == [(4, "a file name and 0 or 1 wanted")]


def test_twitter2(root: Path, make_image: MakeImage, build_in: Callable[..., Built]) -> None:
    make_image(root / "part1" / "1.jpg")
    make_image(root / "part2" / "b.jpg")
    (root / "groundTruthLabel.txt").write_text("id\tlabel\nxyz\tpositive\nb.jpg\tnegative\nc\n")
    built = build_in("twitter2")
    assert _rows(built.manifest, "image", "emotion") == [
        ("set/part1/1.jpg", "positive"),
        ("set/part2/b.jpg", "negative"),
    ]
    assert _causes(built) == [(4, "a name and a label wanted")]


def test_twitter2_class_folders(
    root: Path, make_image: MakeImage, build_in: Callable[..., Built]
) -> None:
    make_image(root / "positive" / "a.jpg")
    assert build_in("twitter2").manifest.texts("emotion").tolist() == ["positive"]


def test_webemo(root: Path, build_in: Callable[..., Built]) -> None:
    (root / "category.txt").write_text(
        "('affection', 'love', '+')\n('confusion', 'confusion', '-')\n('horror', 'fear', '-')\n"
    )
    link = "https://as2.ftcdn.net/jpg/00/42/93/78/220_F_1.jpg"
    (root / "train25.txt").write_text(f"{link} 0\n{link[:-5]}2.jpg 1\n{link} 25\n")
    (root / "test25.txt").write_text(f"{link[:-5]}3.jpg 2\n")
    built = build_in("webemo")
    assert _rows(built.manifest, "image", "emotion", "category", "split", "url") == [
        ("images/train/220_F_1.jpg", "love", "affection", "train", link),
        ("images/test/220_F_3.jpg", "fear", "horror", "test", f"{link[:-5]}3.jpg"),
    ]
    assert sorted(_causes(built)) == [
        (
            2,
            "unknown emotion 'confusion'; "
            "the taxonomy has anger, fear, joy, love, sadness, surprise",
        ),
        (3, "a link and a number below 3 wanted"),
    ]


def test_folder_of_another_taxonomy(
    root: Path, make_image: MakeImage, build_in: Callable[..., Built]
) -> None:
    make_image(root / "test" / "joy" / "a.jpg")
    built = build_in("folder", options=ReadOptions(taxonomy="ekman6"))
    assert _rows(built.manifest, "emotion", "split", "taxonomy") == [("joy", "test", "ekman6")]
    with pytest.raises(DataError, match="test/joy: the folder's name is no emotion of mikels8"):
        build_in("folder")


def test_csv_with_a_mapping(
    root: Path, make_image: MakeImage, build_in: Callable[..., Built]
) -> None:
    make_image(root / "pics" / "a.jpg")
    make_image(root / "pics" / "b.jpg", 1)
    (root / "t.tsv").write_text(
        "file\tclass\tphase\tnote\npics/a.jpg\t0\tValidation\tx\npics/b.jpg\tawe\t\ty\n"
    )
    options = ReadOptions({"image": "file", "emotion": "class", "split": "phase"}, {"0": "fear"})
    built = build_in("csv", root / "t.tsv", options=options)
    assert _rows(built.manifest, "image", "emotion", "split", "note") == [
        ("set/pics/a.jpg", "fear", "val", "x"),
        ("set/pics/b.jpg", "awe", None, "y"),
    ]


def test_csv_of_links_names_the_files(root: Path, build_in: Callable[..., Built]) -> None:
    (root / "t.csv").write_text("link,emotion\nhttps://e.org/x/a%20b.jpg?s=1,awe\n")
    built = build_in("csv", root / "t.csv", options=ReadOptions({"url": "link"}))
    assert _rows(built.manifest, "image", "url") == [
        ("images/a_b.jpg", "https://e.org/x/a%20b.jpg?s=1")
    ]


@pytest.mark.parametrize(
    ("reader", "options", "says"),
    [
        ("csv", ReadOptions({"image": "file"}), "no column file; it has a, b"),
        ("csv", ReadOptions(), "--column THEIRS=image"),
        (
            "fi",
            ReadOptions({"image": "file"}),
            "the reader fi knows its layout and takes no columns",
        ),
        ("folder", ReadOptions(labels={"a": "b"}), "takes no labels"),
        ("artphoto", ReadOptions(), "t.csv: not a folder of images"),
    ],
)
def test_what_a_reader_cannot_use(
    root: Path, build_in: Callable[..., Built], reader: str, options: ReadOptions, says: str
) -> None:
    (root / "t.csv").write_text("a,b\n1,2\n")
    with pytest.raises(DataError, match=says):
        build_in(reader, root / "t.csv", options=options)


@pytest.mark.parametrize("reader", sorted(EXPECTED_READERS))
def test_a_source_of_another_layout_is_named(
    root: Path, build_in: Callable[..., Built], reader: str
) -> None:
    with pytest.raises(DataError, match=str(root)) as caught:
        build_in(reader)
    assert "\n" not in str(caught.value)
    with pytest.raises(DataError, match="gone: no such file or folder"):
        build_in(reader, root / "gone")
