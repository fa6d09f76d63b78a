import asyncio
from itertools import pairwise

import pytest

from backend.kit.loops import Loop, Loops


async def test_a_loop_survives_its_errors_and_says_so():
    calls = []

    async def step() -> bool:
        calls.append(1)
        if len(calls) == 1:
            raise ValueError("broken")
        return False

    loop = Loop("one", step, idle=0.01)
    loops = Loops([loop])
    loops.start()
    await asyncio.sleep(0.05)
    assert (loop.failures, loop.last_error) == (1, "ValueError: broken")
    await asyncio.sleep(0.6)
    await loops.stop()

    assert len(calls) >= 2
    assert (loop.failures, loop.last_error) == (0, None)
    assert loop.last_success is not None
    assert loops.dead == []


async def test_stopping_lets_a_step_finish_and_gives_back_what_it_holds():
    done = []

    async def step() -> bool:
        await asyncio.sleep(0.2)
        done.append("step")
        return True

    async def give_back() -> None:
        done.append("given back")

    loops = Loops([Loop("one", step, on_stop=give_back)])
    loops.start()
    await asyncio.sleep(0.05)
    await loops.stop()

    assert done == ["step", "given back"]


async def test_one_that_hangs_is_cut_off():
    async def hang() -> bool:
        await asyncio.sleep(3600)
        return False

    loops = Loops([Loop("one", hang)])
    loops.start()
    await asyncio.sleep(0.01)
    await asyncio.wait_for(loops.stop(0.05), timeout=5)


async def test_expected_errors_are_no_failures():
    async def step() -> bool:
        raise LookupError("somebody was faster")

    loop = Loop("one", step, idle=0.01, expected=(LookupError,))
    loops = Loops([loop])
    loops.start()
    await asyncio.sleep(0.05)
    await loops.stop()

    assert loop.failures == 0


async def test_a_loop_without_work_rests_longer_and_longer():
    steps = []

    async def step() -> bool:
        steps.append(asyncio.get_running_loop().time())
        return False

    loops = Loops([Loop("one", step, idle=0.02, rest=0.2)])
    loops.start()
    await asyncio.sleep(0.7)
    await asyncio.wait_for(loops.stop(), 0.1)

    pauses = [later - earlier for earlier, later in pairwise(steps)]
    assert len(steps) < 10, "with the first pause alone it would be 35"
    assert pauses[0] < 0.1
    assert max(pauses) >= 0.19


async def test_work_ends_a_rest_at_once():
    """Whoever makes work wakes the one who does it; what other processes make is asked for."""
    done, waiting = [], []

    async def make() -> bool:
        done.append("made")
        return len(done) == 1

    async def take() -> bool:
        done.append("taken")
        return False

    async def ask() -> bool:
        return bool(waiting)

    taker = Loop("taker", take, idle=30)
    asker = Loop("asker", take, idle=0.02, rest=30, due=ask)
    loops = Loops([taker, asker])
    loops.start()
    await asyncio.sleep(0.2)
    done.clear()
    maker = Loops([Loop("maker", make, idle=30, wakes=[taker])])
    maker.start()
    await asyncio.sleep(0.1)
    assert done.count("taken") == 1
    waiting.append(1)
    await asyncio.sleep(0.1)
    await maker.stop()
    await loops.stop()

    assert done.count("taken") > 1


async def test_a_dead_loop_is_named():
    async def step() -> bool:
        raise SystemExit

    loops = Loops([Loop("one", step)])
    with pytest.raises(SystemExit):
        await loops._run(loops.loops[0])
    task = asyncio.create_task(asyncio.sleep(0), name="one")
    await task
    loops._tasks = [task]
    assert loops.dead == ["one"]
