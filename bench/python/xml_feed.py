"""XML: builds a feed of some thousand entries as a tree, writes it, parses it again and searches it."""

import random
import sys
import xml.etree.ElementTree as ElementTree


def make_feed(rng, entries):
    feed = ElementTree.Element("feed", {"version": "1.0"})
    for number in range(entries):
        entry = ElementTree.SubElement(feed, "entry", {"id": str(number), "lang": rng.choice(["de", "en"])})
        ElementTree.SubElement(entry, "title").text = f"Entry <{number}> & more"
        authors = ElementTree.SubElement(entry, "authors")
        for _ in range(rng.randint(1, 3)):
            ElementTree.SubElement(authors, "author").text = f"Author {rng.randrange(500)}"
        ElementTree.SubElement(entry, "body").text = "words " * rng.randint(5, 40)
    return feed


def main(scale):
    rng, check = random.Random(15), 0
    for _ in range(max(1, round(5 * scale))):
        text = ElementTree.tostring(make_feed(rng, 3500), encoding="unicode")
        feed = ElementTree.fromstring(text)
        authors = {}
        for entry in feed.iter("entry"):
            for author in entry.findall("authors/author"):
                authors.setdefault(author.text, []).append(entry.get("id"))
            entry.set("length", str(len(entry.findtext("body").split())))
        for entry in feed.findall("entry[@lang='de']"):
            feed.remove(entry)
        check += len(text) + len(authors) + len(ElementTree.tostring(feed))
    print(f"checksum xml_feed {check}")


main(float(sys.argv[1]) if len(sys.argv) > 1 else 1.0)
