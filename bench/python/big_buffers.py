"""Strings, bytes and buffers of a few KiB to several MiB: joined, sliced, encoded, packed and compressed."""

import array
import base64
import io
import random
import struct
import sys
import zlib


def messages(rng, count):
    return [bytes(rng.getrandbits(8) for _ in range(64)) * rng.randint(1, 300) for _ in range(count)]


def frame(parts):
    buffer = io.BytesIO()
    for number, part in enumerate(parts):
        buffer.write(struct.pack(">IHI", number, len(part) & 0xFFFF, zlib.crc32(part)))
        buffer.write(part)
    return buffer.getvalue()


def grow_text(lines):
    text, out = "", []
    for number in range(lines):
        text += f"{number:06d} " + "x" * (number % 300) + "\n"
        if number % 400 == 399:
            out.append(text)
            text = ""
    return "".join(out)


def main(scale):
    parts, check = messages(random.Random(13), 500), 0
    for turn in range(max(1, round(8 * scale))):
        data = frame(parts)
        packed = zlib.compress(data, 1)
        assert zlib.decompress(packed) == data
        text = base64.b64encode(data).decode()
        chunks = [text[i:i + 5000 + turn] for i in range(0, len(text), 5000 + turn)]
        back = base64.b64decode("".join(chunks))
        grown = bytearray()
        for start in range(0, len(back), 3000):
            grown += back[start:start + 3000]
        numbers = array.array("I", bytes(grown[:len(grown) // 4 * 4]))
        lines = grow_text(12000).splitlines()
        check += len(packed) + len(chunks) + sum(numbers[::101]) % 65521 + len(lines)
    print(f"checksum big_buffers {check}")


main(float(sys.argv[1]) if len(sys.argv) > 1 else 1.0)
