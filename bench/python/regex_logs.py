"""Compiles regular expressions (with the cache purged, as many different ones would) and reads logs with them."""

import random
import re
import sys

PATTERNS = [
    r"(?P<ip>\d{1,3}(?:\.\d{1,3}){3}) - (?P<user>\S+) \[(?P<time>[^\]]+)\]",
    r'"(?P<verb>GET|POST|PUT|DELETE) (?P<path>/[^ ?"]*)(?:\?(?P<query>[^ "]*))? HTTP/\d\.\d"',
    r"(?P<status>[1-5]\d\d) (?P<size>\d+|-)",
    r"^(?:[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(?:\.[A-Za-z0-9]+)*)@(?:[a-z0-9-]+\.)+[a-z]{2,}$",
    r"\b(?:[01]?\d|2[0-3]):[0-5]\d(?::[0-5]\d)?\b",
    r"(?i:error|warning|fatal)\s*[:=]\s*(?P<message>.{0,80}?)(?=\s*(?:;|$))",
    r"(?P<key>[\w.-]+)\s*=\s*(?:\"(?P<quoted>[^\"\\]*(?:\\.[^\"\\]*)*)\"|(?P<plain>[^\s;]+))",
]


def make_log(rng, lines):
    verbs, paths = ["GET", "POST", "PUT"], ["/", "/cart", "/item/17", "/search"]
    return [
        f"10.{rng.randrange(256)}.{rng.randrange(256)}.7 - user{rng.randrange(900)} "
        f'[01/Feb/2021:{rng.randrange(24):02d}:{rng.randrange(60):02d}:00 +0000] "{rng.choice(verbs)} '
        f'{rng.choice(paths)}?q={rng.randrange(99)}&lang="en" HTTP/1.1" {rng.choice([200, 301, 404, 500])} '
        f"{rng.randrange(90000)} error: no {rng.randrange(50)}; retry=\"a \\\"b\\\" {rng.randrange(9)}\""
        for _ in range(lines)
    ]


def compile_all(turn):
    re.purge()
    return [re.compile(f"(?:{pattern})|(?P<none>never{turn})") for pattern in PATTERNS]


def read(log, patterns):
    hits, size, users = 0, 0, {}
    for line in log:
        for pattern in patterns:
            found = pattern.search(line)
            if found:
                hits += 1
                fields = found.groupdict()
                if fields.get("user"):
                    users.setdefault(fields["user"], []).append(fields["time"])
                size += sum(len(value) for value in fields.values() if value)
    words = sum(len(re.split(r"[\s;=&?]+", line)) for line in log)
    hidden = sum(len(re.sub(r"\d+", lambda match: "#" * len(match.group()), line)) for line in log)
    return hits + size + words + hidden + sum(len(times) for times in users.values())


def main(scale):
    log = make_log(random.Random(5), 1500)
    check = 0
    for turn in range(max(1, round(12 * scale))):
        for variant in range(3):
            patterns = compile_all(turn * 10 + variant)
        check += read(log, patterns)
    print(f"checksum regex_logs {check}")


main(float(sys.argv[1]) if len(sys.argv) > 1 else 1.0)
