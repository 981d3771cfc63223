"""Trees of asyncio tasks: each node starts its children, waits for them and adds up; thousands live at once."""

import asyncio
import random
import sys


async def leaf(queue, number):
    await asyncio.sleep(0)
    await queue.put(number)
    return number % 7


async def node(queue, depth, number):
    if depth == 0:
        return await leaf(queue, number)
    children = [asyncio.ensure_future(node(queue, depth - 1, number * 6 + i)) for i in range(6)]
    return sum(await asyncio.gather(*children))


async def drain(queue, count):
    total = 0
    for _ in range(count):
        total += await queue.get()
    return total


async def chain(length, rng):
    """A request that goes through `length` awaiting layers, with a future between them."""
    if length == 0:
        return rng.randrange(100)
    future = asyncio.get_running_loop().create_future()
    asyncio.get_running_loop().call_soon(future.set_result, length)
    return await future + await chain(length - 1, rng)


async def run(scale):
    rng, check = random.Random(6), 0
    for _ in range(max(1, round(5 * scale))):
        queue = asyncio.Queue()
        total, drained = await asyncio.gather(node(queue, 5, 1), drain(queue, 6**5))
        check += total + drained
        check += sum(await asyncio.gather(*(chain(12, rng) for _ in range(150))))
    print(f"checksum async_trees {check}")


asyncio.run(run(float(sys.argv[1]) if len(sys.argv) > 1 else 1.0))
