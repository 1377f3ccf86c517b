"""Who goes first, and how long a failed request waits."""

from __future__ import annotations

import asyncio
from itertools import pairwise

import pytest

from evalkit.backends.openai_pace import LONGEST, Pace, backoff


def test_a_stray_failure_is_asked_again_at_once_and_a_lasting_one_ever_later() -> None:
    waits = [backoff(tries, None) for tries in range(1, 8)]

    assert waits[0] == 0.0
    assert all(after == pytest.approx(4 * wait) for wait, after in pairwise(waits[1:]))
    assert sum(waits) > 25, "a server that fails for half a minute loses no question"
    assert backoff(100, None) == LONGEST


@pytest.mark.parametrize("tries", [1, 2, 9])
def test_the_servers_own_wait_is_never_undercut(tries: int) -> None:
    assert backoff(tries, 60.0) == 60.0


def test_what_failed_goes_before_what_was_never_sent() -> None:
    async def order() -> list[str]:
        pace, came = Pace(most=1), []

        async def come(name: str, *, again: bool) -> None:
            await pace.enter(again=again)
            came.append(name)
            pace.leave(refused=False)

        await pace.enter()
        waiting = [
            asyncio.ensure_future(come(name, again=name == "failed"))
            for name in ("first", "second", "failed")
        ]
        await asyncio.sleep(0)
        pace.leave(refused=False)
        await asyncio.gather(*waiting)
        return came

    assert asyncio.run(order()) == ["failed", "first", "second"]
