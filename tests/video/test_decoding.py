"""Clips of every kind, decoded once: times, shots, pictures, and what is refused."""

import itertools
import os
import shutil
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image

from clips import SIZE, sound, still, write
from evoca.images import ImageLimits, Preprocessing
from evoca.video.container import Facts, VideoError
from evoca.video.decoding import Ended, Reading, Sampled, ShotEnded, decode_film
from samples import animation, encode, photo

MODEL = Preprocessing(height=64, width=64)


def decoded(path, *, model=MODEL, limits=None, **reading):
    """What comes of a film, by kind."""
    events = list(decode_film(path, model, limits or ImageLimits(), Reading(**reading)))
    kinds = {kind: [e for e in events if isinstance(e, kind)] for kind in (Facts, Sampled)}
    return kinds[Facts][0], kinds[Sampled], [e for e in events if isinstance(e, ShotEnded)], events


@pytest.fixture(scope="module")
def cut_clip(tmp_path_factory):
    """Three shots of 12, 15 and 13 frames at 10 a second."""
    pictures = [*still("coffee", 12), *still("flower", 15), *still("chelsea", 13)]
    return write(tmp_path_factory.mktemp("clip") / "cut.mp4", pictures)


def test_frames_come_by_rate_with_their_times_numbers_and_shots(cut_clip):
    facts, sampled, shots, events = decoded(cut_clip, rate=2.0, thumbnail=80)
    assert (facts.width, facts.height, facts.rate, facts.codec) == (*SIZE, 10.0, "h264")
    assert facts.seconds == pytest.approx(4.0)
    for k, one in enumerate(sampled):  # skipped frames move a sample by a few at most
        assert k / 2 <= one.time <= k / 2 + 0.3
        assert one.frame == round(10 * one.time)
        assert one.pixels.shape == (64, 64, 3)
        assert one.thumbnail.shape == (48, 80, 3)
    assert len(sampled) == 8
    assert [shot.shot for shot in shots] == [0, 1, 2]
    assert [shot.start for shot in shots] == pytest.approx([0.0, 1.2, 2.7], abs=0.15)
    assert shots[0].end == shots[1].start
    assert shots[-1].end == pytest.approx(4.0)
    starts = [shot.start for shot in shots]
    assert all(one.shot == sum(one.time >= s for s in starts) - 1 for one in sampled)
    assert events[-1] == Ended(shots[-1].end, 40, 0, 0.0)


def test_by_scenes_each_shot_gives_the_frame_nearest_its_middle(cut_clip):
    _, sampled, shots, _ = decoded(cut_clip, rate=10.0, scenes=True)
    assert [one.shot for one in sampled] == [0, 1, 2]
    for one, shot in zip(sampled, shots, strict=True):
        assert one.time == pytest.approx((shot.start + shot.end) / 2, abs=0.2)


def test_a_shot_between_two_samples_has_a_frame_too(tmp_path):
    pictures = [*still("coffee", 12), *still("flower", 6), *still("chelsea", 12)]
    _, sampled, shots, _ = decoded(write(tmp_path / "a.mp4", pictures), rate=0.5)
    assert [one.shot for one in sampled] == list(range(len(shots))) == [0, 1, 2]


def test_a_frame_is_the_picture_that_a_still_image_would_be(tmp_path):
    picture = photo("flower", (640, 360))
    path = write(tmp_path / "a.mp4", [picture] * 3, options={"crf": "1"})
    with av.open(path) as container:
        exact = next(container.decode(video=0)).to_image(interpolation=0x4 | 0x2000 | 0x40000)
    _, sampled, _, _ = decoded(path)
    apart = np.abs(sampled[0].pixels.astype(int) - MODEL(exact).astype(int))
    assert apart.mean() < 1
    assert apart.max() <= 8


@pytest.mark.parametrize("degrees", [90, 180, -90])
def test_a_rotated_film_is_shown_upright(tmp_path, degrees):
    picture = photo("rocket", SIZE)
    path = write(tmp_path / "a.mp4", [picture] * 4, rotation=degrees)
    facts, sampled, _, _ = decoded(path, thumbnail=160)
    upright = picture.rotate(degrees, expand=True)
    assert (facts.width, facts.height) == upright.size
    assert sampled[0].thumbnail.shape == (upright.height, upright.width, 3)
    assert np.abs(sampled[0].thumbnail.astype(int) - np.asarray(upright)).mean() < 8


def test_pixels_that_are_not_square_are_shown_as_wide_as_they_are(tmp_path):
    path = write(tmp_path / "a.mkv", [photo("coffee", SIZE)] * 4, pixel_aspect=Fraction(2))
    facts, sampled, _, _ = decoded(path, thumbnail=160)
    assert (facts.width, facts.height) == (320, 96)
    assert sampled[0].thumbnail.shape == (48, 160, 3)


def test_a_variable_rate_goes_by_timestamps(tmp_path):
    times = [0, 100, 200, 3000, 3100, 9000]
    path = write(tmp_path / "a.mkv", still("coffee", 6), times=times)
    _, sampled, shots, _ = decoded(path, rate=2.0)
    # Of two frames 0.1 s apart one may be skipped.
    assert [one.time for one in sampled] == pytest.approx([0.0, 3.0, 9.0], abs=0.11)
    assert shots[-1].end >= 9.0


def test_a_stream_without_timestamps_goes_by_its_rate(tmp_path):
    path = write(tmp_path / "a.h264", still("coffee", 30))
    _, sampled, _, events = decoded(path, rate=1.0)
    assert len(sampled) >= 1
    assert all(b.time > a.time for a, b in itertools.pairwise(sampled))
    assert events[-1].frames == 30


def test_a_gif_and_odd_sizes_are_films_too(tmp_path):
    path = tmp_path / "a.gif"
    path.write_bytes(animation("GIF", duration=500))
    _, sampled, _, _ = decoded(path)
    assert len(sampled) == 3
    odd = [photo("coffee", (63, 41))] * 3
    path = write(tmp_path / "b.mkv", odd, codec="ffv1", pixel_format="bgr0")
    facts, sampled, _, _ = decoded(path, thumbnail=63)
    assert (facts.width, facts.height) == (63, 41)
    assert np.abs(sampled[0].thumbnail.astype(int) - np.asarray(odd[0])).max() <= 2


def test_ten_bits_of_high_range_become_srgb(tmp_path):
    grey = Image.new("RGB", SIZE, (148, 148, 148))  # PQ 0.58: 203 cd/m2, paper white
    colours = {"color_primaries": 9, "color_trc": 16, "colorspace": 9, "color_range": 1}
    path = write(
        tmp_path / "a.mkv", [grey] * 3, codec="ffv1", pixel_format="yuv420p10le", colours=colours
    )
    _, sampled, _, _ = decoded(path)
    assert sampled[0].pixels.mean() == pytest.approx(255, abs=5)


def test_a_flash_is_no_cut_and_the_end_of_black_is(tmp_path):
    white, black = Image.new("RGB", SIZE, "white"), Image.new("RGB", SIZE)
    calm = still("coffee", 24)
    pictures = [*calm[:12], white, *calm[12:], *[black] * 6, *still("flower", 12)]
    path = write(tmp_path / "a.mkv", pictures, codec="ffv1", pixel_format="bgr0")
    starts = [shot.start for shot in decoded(path)[2]]
    assert starts == pytest.approx([0.0, 2.5, 3.1], abs=0.11)


def test_of_several_streams_one_is_taken_and_said(tmp_path):
    path = tmp_path / "a.mkv"
    with av.open(path, "w") as container:
        streams = [container.add_stream("ffv1", rate=10) for _ in range(2)]
        for stream in streams:
            stream.width, stream.height, stream.pix_fmt = *SIZE, "bgr0"
        for stream in streams:
            frame = av.VideoFrame.from_image(photo("coffee", SIZE))
            container.mux([*stream.encode(frame), *stream.encode(None)])
    facts, _, _, _ = decoded(path)
    assert facts.notes == ("2 video streams: number 1 was taken",)


def test_a_truncated_film_is_read_as_far_as_it_goes(tmp_path):
    whole = write(tmp_path / "a.mp4", still("coffee", 80), options={"crf": "1"})
    front = tmp_path / "b.mp4"
    with av.open(whole) as source, av.open(front, "w", options={"movflags": "faststart"}) as to:
        stream = to.add_stream_from_template(source.streams.video[0])
        for packet in source.demux(video=0):
            if packet.dts is not None:
                packet.stream = stream
                to.mux(packet)
    data = front.read_bytes()
    front.write_bytes(data[: len(data) // 2])
    _, sampled, _, events = decoded(front)
    assert 1 <= len(sampled) < 16
    assert events[-1].missing > 2
    assert events[-1].time + events[-1].missing == pytest.approx(8.0, abs=0.2)
    whole.write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])  # its index is at the end
    with pytest.raises(VideoError, match="truncated: its index is missing"):
        decoded(whole)


@pytest.mark.parametrize(
    ("content", "cause"),
    [
        (b"", "the file is empty"),
        (b"no film at all" * 99, "not a video that can be read"),
        (encode(photo(), "PNG"), "an image, not a film: evoca predict reads it"),
        (b"ffconcat version 1.0\nfile other.mp4\n", "of the kind concat, which is not read"),
        (b"#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\nother.ts\n", "not a video"),
    ],
    ids=["empty", "text", "image", "concat", "hls"],
)
def test_what_is_no_film_is_refused_in_a_line(tmp_path, content, cause):
    path = tmp_path / "film.mp4"
    path.write_bytes(content)
    write(tmp_path / "other.mp4", still("coffee", 2))
    with pytest.raises(VideoError, match=cause):
        decoded(path)


def test_places_without_a_film_are_refused(tmp_path):
    with pytest.raises(VideoError, match="a folder, where one film is wanted"):
        decoded(tmp_path)
    with pytest.raises(VideoError, match="no such file"):
        decoded(tmp_path / "none.mp4")
    with pytest.raises(VideoError, match="download it first"):
        decoded(Path("https://127.0.0.1/film.mp4"))
    with pytest.raises(VideoError, match="no video in it, only sound"):
        decoded(sound(tmp_path / "a.m4a"))
    os.mkfifo(tmp_path / "live")
    with pytest.raises(VideoError, match="live stream"):
        decoded(tmp_path / "live")


def test_frames_above_the_limit_are_refused_before_they_are_decoded(cut_clip):
    with pytest.raises(VideoError, match="160 x 96 pixels a frame, the limit is 1,000"):
        decoded(cut_clip, limits=ImageLimits(max_pixels=1_000))


def test_damage_in_the_middle_costs_some_frames(cut_clip, tmp_path):
    path = tmp_path / "a.mp4"
    shutil.copy(cut_clip, path)
    data = bytearray(path.read_bytes())
    data[len(data) // 3 : len(data) // 3 + 400] = bytes(range(200)) * 2
    path.write_bytes(data)
    _, sampled, shots, events = decoded(path)
    assert sampled
    assert shots[-1].end == events[-1].time
