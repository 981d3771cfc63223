"""Text: counts words and word pairs of about 0.8 MiB, builds an index, wraps and translates lines."""

import collections
import random
import sys


def make_text(rng, lines):
    onsets, vowels = "b br c d f g gr h l m n p s st t v".split(), "a e i o u ea ou".split()
    vocabulary = ["".join(rng.choice(onsets) + rng.choice(vowels) for _ in range(rng.randint(1, 4)))
                  for _ in range(8000)]
    return "\n".join(
        " ".join(vocabulary[int(8000 * rng.random() ** 4)] for _ in range(rng.randint(4, 14))).capitalize() + "."
        for _ in range(lines)
    )


def wrap(text, width):
    lines, line, length = [], [], 0
    for word in text.split():
        if length + len(word) + 1 > width:
            lines.append(" ".join(line))
            line, length = [], 0
        line.append(word)
        length += len(word) + 1
    lines.append(" ".join(line))
    return "\n".join(lines)


def main(scale):
    text = make_text(random.Random(8), 14000)
    table = str.maketrans("aeiou", "äëïöü")
    check = 0
    for turn in range(max(1, round(3 * scale))):
        words, pairs, index = collections.Counter(), collections.Counter(), {}
        for number, line in enumerate(text.split("\n")):
            found = [word.strip(".").lower() for word in line.split()]
            words.update(found)
            pairs.update(zip(found, found[1:]))
            for word in found:
                index.setdefault(word, set()).add(number)
        ranked = sorted(words.items(), key=lambda item: (-item[1], item[0]))
        check += sum(position * count for position, (_, count) in enumerate(ranked)) % 1000003
        check += sum(len(lines) for lines in index.values()) + len(pairs)
        check += len(wrap(text, 60 + turn))
        check += sum(len(line.translate(table).replace("ä", "ae").encode()) for line in text.splitlines())
    print(f"checksum text_words {check}")


main(float(sys.argv[1]) if len(sys.argv) > 1 else 1.0)
