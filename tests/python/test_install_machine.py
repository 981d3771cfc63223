"""Installing and uninstalling at any moment, while objects of all kinds grow, shrink and go.

Runs in this process: the tests themselves, pytest and hypothesis are objects on both sides too.
"""

import gc
import threading

import ferroc
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, rule

SIZES = st.one_of(st.integers(0, 600), st.integers(0, 1 << 18))
DOMAINS = st.sets(st.sampled_from(ferroc.DOMAINS), min_size=1)


def pattern(size):
    return (b"0123456789abcdef" * (size // 16 + 1))[:size]


class Machine(RuleBasedStateMachine):
    blocks = Bundle("blocks")
    buffers = Bundle("buffers")
    lists = Bundle("lists")
    dicts = Bundle("dicts")

    def __init__(self):
        super().__init__()
        self.served = frozenset()

    def teardown(self):
        if self.served:
            ferroc.uninstall()

    @rule(domains=DOMAINS)
    def install(self, domains):
        if domains <= self.served or not self.served:
            ferroc.install(domains)
            self.served = self.served or frozenset(domains)

    @rule()
    def uninstall(self):
        if self.served:
            ferroc.uninstall()
            self.served = frozenset()

    @invariant()
    def the_domains_are_those_that_were_chosen(self):
        assert frozenset(ferroc.domains()) == self.served

    # Where raw is served and obj is not, pymalloc's large blocks are ferroc's: it takes them from raw.
    @rule(target=blocks, size=SIZES)
    def make_bytes(self, size):
        block = pattern(size)
        if size > 1 and ("obj" in self.served or "raw" not in self.served):
            assert ferroc.owns(block) == ("obj" in self.served)
        return block, size

    @rule(entry=blocks)
    def look_at_bytes(self, entry):
        assert entry[0] == pattern(entry[1])

    @rule(entry=consumes(blocks))
    def drop_bytes(self, entry):
        assert entry[0] == pattern(entry[1])

    @rule(target=buffers, size=SIZES)
    def make_buffer(self, size):
        return bytearray(pattern(size))

    @rule(buffer=buffers, size=SIZES)
    def resize_buffer(self, buffer, size):
        kept = min(size, len(buffer))
        before = bytes(buffer[:kept])
        if size < len(buffer):
            del buffer[size:]
        else:
            buffer.extend(b"+" * (size - len(buffer)))
        assert len(buffer) == size and buffer[:kept] == before

    @rule(buffer=consumes(buffers))
    def drop_buffer(self, buffer):
        buffer.clear()

    @rule(target=lists, count=st.integers(0, 1000))
    def make_list(self, count):
        return [str(number) for number in range(count)]

    @rule(items=lists, count=st.integers(0, 1000))
    def resize_list(self, items, count):
        del items[count:]
        while len(items) < count:
            items.append(str(len(items)))
        assert items == list(map(str, range(count)))

    @rule(items=consumes(lists))
    def drop_list(self, items):
        items.clear()

    @rule(target=dicts, count=st.integers(0, 1000))
    def make_dict(self, count):
        return {number: [number] for number in range(count)}

    @rule(table=dicts, first=st.integers(0, 1000), count=st.integers(0, 1000))
    def change_dict(self, table, first, count):
        for number in range(first, first + count):
            if table.pop(number, None) is None:
                table[number] = [number]
        assert all(value == [key] for key, value in table.items())

    @rule(table=consumes(dicts))
    def drop_dict(self, table):
        table.clear()

    @rule()
    def collect_cycles(self):
        rings = []
        for _ in range(100):
            ring = [rings]
            ring.append(ring)
            rings.append(ring)
        del rings, ring
        gc.collect()

    @rule(items=lists)
    def free_in_another_thread(self, items):
        copies = [text + "!" for text in items]
        thread = threading.Thread(target=copies.clear)
        thread.start()
        thread.join()
        assert copies == []


Machine.TestCase.settings = settings(max_examples=15, stateful_step_count=40, deadline=None)
TestInstallMachine = Machine.TestCase
