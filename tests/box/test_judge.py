"""Whether a new version plays: told from looks at it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from appliance.box.judge import LAPSE_S, MOST_STARTS, PLAYED_S, WINDOW_S, Audio, Judge, Look, Verdict

CARDS = frozenset({"sndrpihifiberry"})
PLAYS = Look(Audio.PLAYS, 100, panel=True, web=True, cards=CARDS)
STARTS = Look(Audio.NOTHING, cards=CARDS)
WAITS = replace(PLAYS, audio=Audio.NO_DEVICE)


def judged(looks: Iterable[Look], before: Look = PLAYS) -> tuple[Verdict | None, float]:
    """(verdict, the second it fell in), with a look a second."""
    judge = Judge(before, 0.0)
    now_s = 0.0
    for now_s, look in enumerate(looks, start=1):
        if (verdict := judge.see(look, float(now_s))) is not None:
            return verdict, now_s
    return None, now_s


def test_a_minute_of_sound_and_it_stays() -> None:
    verdict, at_s = judged([STARTS] * 20 + [PLAYS] * 100)
    assert verdict == Verdict(True)
    assert at_s == 20 + 1 + PLAYED_S


def test_a_process_that_never_comes_is_told_as_soon_as_a_minute_no_longer_fits() -> None:
    verdict, at_s = judged([STARTS] * 500)
    assert verdict is not None
    assert not verdict.stays
    assert "was not there" in verdict.words
    assert WINDOW_S - PLAYED_S <= at_s <= WINDOW_S - PLAYED_S + 2


def test_one_that_crashes_over_and_over_is_told_early() -> None:
    looks = [look for start in range(30) for look in ([STARTS] * 2 + [replace(PLAYS, pid=200 + start)] * 3)]
    verdict, at_s = judged(looks)
    assert verdict is not None
    assert not verdict.stays
    assert f"{MOST_STARTS + 1} starts" in verdict.words
    assert at_s < 60


def test_one_crash_begins_the_minute_anew() -> None:
    verdict, at_s = judged([PLAYS] * 50 + [replace(PLAYS, pid=101)] * 100)
    assert verdict == Verdict(True)
    assert at_s == 50 + 1 + PLAYED_S


def test_a_short_recovery_is_no_interruption_and_a_long_one_is() -> None:
    gap = replace(STARTS, pid=100)
    assert judged([PLAYS] * 30 + [gap] * int(LAPSE_S - 1) + [PLAYS] * 200)[1] == 1 + PLAYED_S
    assert judged([PLAYS] * 30 + [gap] * int(LAPSE_S + 2) + [PLAYS] * 200)[1] > 1 + PLAYED_S + 30


def test_a_box_without_a_sound_card_may_wait_for_it_as_it_did_before() -> None:
    assert judged([WAITS] * 100, before=WAITS)[0] == Verdict(True)


def test_a_card_that_was_pulled_is_not_the_versions_fault() -> None:
    pulled = replace(WAITS, cards=frozenset())
    assert judged([PLAYS] * 10 + [pulled] * 100)[0] == Verdict(True)


def test_a_card_that_is_there_and_no_longer_opens_is() -> None:
    verdict, _ = judged([WAITS] * 500)
    assert verdict is not None
    assert "did not open the sound card" in verdict.words


def test_the_panel_and_the_page_must_work_if_they_did_before() -> None:
    deaf, dark = replace(PLAYS, panel=False), replace(PLAYS, web=False)
    for look, words in ((deaf, "panel did not answer"), (dark, "page was not served")):
        verdict, _ = judged([look] * 500)
        assert verdict is not None
        assert not verdict.stays
        assert words in verdict.words
        assert judged([look] * 100, before=look)[0] == Verdict(True)


looks = st.builds(
    Look, st.sampled_from(Audio), st.integers(0, 3), st.booleans(), st.booleans(), st.sampled_from([CARDS, frozenset()])
)


@given(st.lists(looks, max_size=400), looks)
def test_there_always_is_a_verdict_in_time_and_never_without_a_minute_on_end(seen: list[Look], before: Look) -> None:
    verdict, at_s = judged(seen + [STARTS] * int(WINDOW_S), before)
    assert verdict is not None
    assert at_s <= WINDOW_S + 1
    assert not verdict.stays or at_s > PLAYED_S


@given(looks)
def test_a_look_survives_the_record(look: Look) -> None:
    assert Look.from_json(look.to_json()) == look
