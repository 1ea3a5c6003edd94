"""Makes the bundled collection, or the larger one for the bench, from Debian's package lists.

usage: make_packages.py bundle OUT_DIR      about 6,000 packages and 50 questions -> data/
       make_packages.py bench OUT_DIR [N]   every distinct description (or N of them) -> f32 vectors

The long texts come from Debian's English translation index, read through a private package
configuration below build/apt (the machine's own may have translations switched off).
Files written: packages.jsonl.zst (one document a line), packages.i8.npy or .f32.npy (one vector
a row, same order), questions.jsonl and questions.f32.npy.
"""
import glob
import hashlib
import json
import os
import subprocess
import sys

import numpy as np

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from minilm import MiniLM  # noqa: E402

# programs are what people ask for: parts for developers are left out of the bundle
LEFT_OUT = {"debug", "doc", "fonts", "gnu-r", "golang", "haskell", "introspection", "java", "javascript", "kernel",
            "libdevel", "libs", "lisp", "localization", "metapackages", "ocaml", "oldlibs", "perl", "php", "python",
            "ruby", "rust"}
BUNDLE = 6000
QUESTIONS = """\
a program to look at and edit photographs
which package lets me mount a remote directory over ssh
play chess against the computer
terminal multiplexer to keep sessions alive
compress files very fast
draw molecules and chemical structures
read electronic books on the desktop
find duplicate files on my disk
convert video from one format to another
monitor the temperature of the processor
a relational database server
learn to touch type
synchronise folders between two computers
block advertisements on my network
simulate electronic circuits
a spell checker for my language
back up my home directory incrementally with encryption
view the stars and planets in the night sky
a text editor that works like vi
manage my passwords safely
recover deleted photos from a memory card
write and print musical scores
a small web server for static files
scan the network for open ports
count lines of source code
children's drawing program
download videos from the web
track the time I spend on projects
analyse packets on the wire
align DNA sequences
edit audio recordings
statistics and plotting environment
rip a compact disc to music files
find memory errors in C programs
typeset scientific documents
a calendar for the command line
play old arcade games in an emulator
control a 3D printer
check a website for broken links
keep notes and to-do lists
automatic theorem prover
listen to internet radio
make a map from gps tracks
remove the background noise from speech
partition a hard disk
share files with windows machines
a fast search tool for source code
generate documentation from comments
encrypt mail with a public key
puzzle game with falling blocks
""".splitlines()


def apt(*args):
    root = os.path.abspath("build/apt-data")
    for d in ("lists/partial", "cache/archives/partial", "etc"):
        os.makedirs(os.path.join(root, d), exist_ok=True)
    listed = subprocess.run(
        ["apt-get", "indextargets", "--format", "$(SITE) $(RELEASE) $(COMPONENT)", "Created-By: Packages"],
        check=True, capture_output=True, text=True).stdout.split("\n")
    release = subprocess.run(". /etc/os-release; echo $VERSION_CODENAME", shell=True,
                             capture_output=True, text=True).stdout.strip()
    site = next(line.split()[0] for line in listed if line.split()[1:] == [release, "main"])
    source = os.path.join(root, "etc", "sources.list")
    with open(source, "w") as f:
        f.write(f"deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] {site} {release} main\n")
    subprocess.run(["apt-get", "-qq", "-o", "Acquire::Languages=en", "-o", "APT::Sandbox::User=root",
                    "-o", f"Dir::Etc::sourcelist={source}",
                    "-o", "Dir::Etc::sourceparts=-", "-o", f"Dir::State::lists={root}/lists",
                    "-o", f"Dir::Cache={root}/cache", *args], check=True)
    return os.path.join(root, "lists")


def paragraphs(path):
    """the file is as apt keeps it: plain, or lz4 where the machine's settings override ours"""
    data = open(path, "rb").read() if not path.endswith(".lz4") else \
        subprocess.run(["/usr/lib/apt/apt-helper", "cat-file", path], check=True, capture_output=True).stdout
    entry, key = {}, None
    for line in data.decode("utf-8", "replace").split("\n"):
        if not line:
            if entry:
                yield entry
            entry, key = {}, None
        elif line[0] in " \t":
            entry[key] += "\n" + line[1:]
        else:
            key, _, value = line.partition(":")
            entry[key] = value.strip()
    if entry:
        yield entry


def long_text(text):
    lines = text.split("\n")[1:]
    return " ".join(" ".join("" if line.strip() == "." else line for line in lines).split())


def packages():
    lists = apt("update")
    texts = {}
    for path in glob.glob(lists + "/*Translation-en*"):
        for p in paragraphs(path):
            texts[p["Package"], p["Description-md5"]] = long_text(p.get("Description-en", ""))
    seen, seen_names = set(), set()
    for path in glob.glob(lists + "/*_Packages*"):
        for p in paragraphs(path):
            summary = p.get("Description", "").split("\n")[0]
            body = texts.get((p["Package"], p.get("Description-md5", "")), "")
            key = (summary, body)
            if len(body) < 80 or key in seen or p["Package"] in seen_names:
                continue
            seen.add(key)
            seen_names.add(p["Package"])
            tags = [t.strip() for t in p.get("Tag", "").replace("\n", " ").split(",") if t.strip()]
            yield {"name": p["Package"], "section": p["Section"].split("/")[-1],
                   "installed_size_kb": int(p.get("Installed-Size", 0)), "version": p["Version"],
                   "priority": p.get("Priority", "optional"), "tags": tags,
                   "summary": summary, "description": body}


def write_docs(path, docs):
    text = "".join(json.dumps(d, ensure_ascii=False, separators=(",", ":")) + "\n" for d in docs)
    subprocess.run(["zstd", "-q", "-f", "-19", "-o", path], input=text.encode(), check=True)


def main():
    mode, out = sys.argv[1], sys.argv[2]
    os.makedirs(out, exist_ok=True)
    docs = list(packages())
    docs.sort(key=lambda d: hashlib.sha1(d["name"].encode()).digest())
    if mode == "bundle":
        docs = [d for d in docs if d["section"] not in LEFT_OUT and len(d["description"]) >= 200][:BUNDLE]
        docs.sort(key=lambda d: d["name"])
    elif len(sys.argv) > 3:
        docs = docs[:int(sys.argv[3])]
    print(f"{len(docs)} packages", flush=True)
    model = MiniLM()

    def bar(done, total):
        if done % 500 < 40:
            print(f"\r{done}/{total}", end="", file=sys.stderr, flush=True)

    vectors = model.embed([d["summary"] + ". " + d["description"] for d in docs], bar)
    write_docs(os.path.join(out, "packages.jsonl.zst"), docs)
    if mode == "bundle":
        scale = 127 / np.abs(vectors).max(1, keepdims=True)
        np.save(os.path.join(out, "packages.i8.npy"), np.rint(vectors * scale).astype(np.int8))
        asked = model.embed(QUESTIONS)
        np.save(os.path.join(out, "questions.f32.npy"), asked)
        with open(os.path.join(out, "questions.txt"), "w") as f:
            f.write("\n".join(QUESTIONS) + "\n")
    else:
        np.save(os.path.join(out, "packages.f32.npy"), vectors)


if __name__ == "__main__":
    main()
