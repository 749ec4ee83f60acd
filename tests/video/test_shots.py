"""Cuts among small frames."""

import numpy as np

from evoca.video.shots import SMALL, ShotDetector


def frames(*shots, seed=0):
    """Small frames: each shot, of a number of frames and a speed, has a picture that moves."""
    draw = np.random.default_rng(seed)
    width, height = SMALL
    found = []
    for count, speed in shots:
        coarse = draw.integers(0, 256, (3, height // 4, width // 2), np.uint8)
        wide = coarse.repeat(4, axis=1).repeat(4, axis=2)
        found += [np.roll(wide, speed * i, axis=2)[:, :, :width] for i in range(count)]
    return found


def cuts(small, rate=10):
    detector = ShotDetector()
    found = [cut for i, one in enumerate(small) if (cut := detector.add(one, i / rate))]
    assert detector.decided == max(0, len(small) - 2)
    return [cut.place for cut in [*found, *detector.finish()]]


def test_cuts_are_found_where_they_are():
    assert cuts(frames((9, 0), (8, 1), (12, 0))) == [9, 17]


def test_motion_is_no_cut_however_fast():
    assert cuts(frames((30, 7))) == []


def test_a_flash_is_no_cut():
    small = frames((20, 0))
    small[9] = np.full_like(small[9], 255)
    assert cuts(small) == []
    small[10] = small[9]
    assert cuts(small) == []


def test_a_shot_starts_after_black():
    small = frames((10, 0), (10, 0))
    faded = [
        (one * share).astype(np.uint8)
        for one, share in zip(small[10:], np.linspace(0, 1, 10), strict=True)
    ]
    dark = [np.stack([np.full_like(small[0][0], 16), *np.full_like(small[0][1:], 128)])] * 5
    found = cuts([*small[:10], *dark, *faded])
    assert found[0] == 10
    assert len(found) <= 2


def test_pictures_that_move_every_third_frame_are_one_shot():
    still_twice = [one for one in frames((12, 2)) for _ in range(3)]
    assert cuts(still_twice, rate=24)[1:] == []


def test_a_cut_soon_after_a_flash_is_found():
    small = frames((16, 0), (8, 0))
    small[9] = np.full_like(small[9], 255)
    assert cuts(small) == [16]


def test_the_last_frames_and_few_frames_are_decided_too():
    assert cuts(frames((8, 0), (2, 0))) == [8]
    assert cuts(frames((1, 0))) == []
    assert cuts([]) == []
