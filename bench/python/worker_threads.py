"""Threads: producers and consumers exchange small jobs through queues, so that objects die far from home."""

import queue
import random
import sys
import threading
from concurrent.futures import ThreadPoolExecutor


class Job:
    def __init__(self, number, words):
        self.number = number
        self.words = words
        self.result = None


def consume(inbox, outbox):
    while True:
        batch = inbox.get()
        if batch is None:
            return
        for job in batch:
            job.result = {word: len(word) * job.number for word in job.words}
        outbox.put(batch)


def pipeline(rng, batches):
    inbox, outbox = queue.Queue(40), queue.Queue()
    consumers = [threading.Thread(target=consume, args=(inbox, outbox)) for _ in range(3)]
    for consumer in consumers:
        consumer.start()
    for number in range(batches):
        inbox.put([Job(number + i, [f"w{rng.randrange(1000)}" for _ in range(8)]) for i in range(40)])
    for _ in consumers:
        inbox.put(None)
    for consumer in consumers:
        consumer.join()
    return sum(sum(job.result.values()) for _ in range(batches) for job in outbox.get())


def square_all(numbers):
    return [str(number * number) for number in numbers]


def main(scale):
    rng, check = random.Random(14), 0
    for _ in range(max(1, round(4 * scale))):
        check += pipeline(rng, 300)
        with ThreadPoolExecutor(4) as pool:
            parts = pool.map(square_all, (range(start, start + 700) for start in range(0, 70000, 700)))
            check += sum(len(text) for part in parts for text in part)
    print(f"checksum worker_threads {check}")


main(float(sys.argv[1]) if len(sys.argv) > 1 else 1.0)
