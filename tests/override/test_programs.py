"""Real programs under LD_PRELOAD=libferroc.so: they do what they do without it."""

import random
import shutil
import subprocess
import time
from pathlib import Path

import pytest
from preloading import compare, need

MAIN_C = r"""
#include <stdio.h>
#include "numbers.h"
int main(void) {
  for (int i = 0; i < 20; i++) printf("%d %ld\n", i, fibonacci(i) + collatz(i + 1));
  return 0;
}
"""
NUMBERS_H = "long fibonacci(int n);\nlong collatz(long n);\n"
NUMBERS_C = r"""
#include "numbers.h"
long fibonacci(int n) { return n < 2 ? n : fibonacci(n - 1) + fibonacci(n - 2); }
long collatz(long n) { long steps = 0; while (n > 1) { n = n % 2 ? 3 * n + 1 : n / 2; steps++; } return steps; }
"""
WORDS_CC = r"""
#include <cstdio>
#include <map>
#include <sstream>
#include <string>
#include <vector>
int main() {
  std::map<std::string, std::vector<int>> places;
  std::istringstream text("the heap the slab the shard a block a heap of blocks");
  std::string word;
  for (int i = 0; text >> word; i++) places[word].push_back(i);
  for (const auto &[key, list] : places) {
    std::printf("%s %zu\n", key.c_str(), list.size());
  }
}
"""


def write_project(run):
    run.write("main.c", MAIN_C)
    run.write("numbers.h", NUMBERS_H)
    run.write("numbers.c", NUMBERS_C)
    run.write("words.cc", WORDS_CC)


def test_git_keeps_a_repository(tmp_path):
    need("git", "git")
    identity = {f"GIT_{who}_{what}": f"{who}@example.org" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
    dates = {f"GIT_{who}_DATE": "2024-02-29T12:00:00Z" for who in ("AUTHOR", "COMMITTER")}

    def work(run):
        def git(*arguments):
            return run("git", "-c", "init.defaultBranch=main", *arguments, env=identity | dates)

        git("init", "-q")
        for number in range(8):
            for file in range(60):
                run.write(f"folder{file % 7}/file{file}", "".join(f"{number * line % 17} {file}\n" for line in range(200)))
            git("add", ".")
            git("commit", "-q", "-m", f"Change {number}")
        git("checkout", "-q", "-b", "side", "HEAD~3")
        run.write("folder0/only here", "text\n")
        git("add", ".")
        git("commit", "-q", "-m", "Side")
        git("merge", "-q", "-m", "Merge", "main")
        git("gc", "-q", "--aggressive")
        git("fsck", "--strict")
        git("clone", "-q", ".", "../clone")
        return [
            git("log", "--graph", "--stat", "-p"),
            git("grep", "-c", "13 5"),
            git("blame", "folder0/file0"),
            git("rev-parse", "HEAD"),
            run("git", "-C", "../clone", "rev-parse", "HEAD"),
        ]

    compare(tmp_path, work, ["git"])


def test_gcc_compiles_a_project(tmp_path):
    need("gcc", "build-essential")
    need("g++", "build-essential")

    def work(run):
        write_project(run)
        run("gcc", "-O2", "-Wall", "-o", "program", "main.c", "numbers.c")
        run("g++", "-O2", "-std=c++17", "-c", "words.cc")
        run("g++", "-o", "words", "words.o")
        return [run("./program"), run("./words"), (run.folder / "words.o").read_bytes()]

    compare(tmp_path, work, ["gcc", "cc1", "g++", "cc1plus", "as", "collect2", "ld", "program", "words"])


def test_clang_compiles_a_project(tmp_path):
    need("clang", "clang")

    def work(run):
        write_project(run)
        run("clang", "-O2", "-o", "program", "main.c", "numbers.c")
        run("clang++", "-O2", "-std=c++17", "-c", "words.cc")
        run("clang++", "-o", "words", "words.o")
        return [run("./program"), run("./words"), (run.folder / "words.o").read_bytes()]

    compare(tmp_path, work, ["clang", "clang++", "ld", "program", "words"])


def test_cmake_builds_a_project(tmp_path):
    need("cmake", "cmake")
    need("make", "build-essential")

    def work(run):
        write_project(run)
        run.write(
            "CMakeLists.txt",
            "cmake_minimum_required(VERSION 3.18)\nproject(numbers C CXX)\nset(CMAKE_CXX_STANDARD 17)\n"
            "add_library(numbers numbers.c)\nadd_executable(program main.c)\ntarget_link_libraries(program numbers)\n"
            "add_executable(words words.cc)\nenable_testing()\nadd_test(NAME words COMMAND words)\n",
        )
        run("cmake", "-S", ".", "-B", "build", "-DCMAKE_BUILD_TYPE=Release")
        run("cmake", "--build", "build", "-j2")
        assert b"100% tests passed" in run("ctest", "--test-dir", "build")
        return [run("build/program"), run("build/words")]

    compare(tmp_path, work, ["cmake", "gmake", "ctest", "cc1", "program", "words"])


PYTHON_MODULES = [
    "test_bytes",
    "test_collections",
    "test_copy",
    "test_dict",
    "test_functools",
    "test_generators",
    "test_heapq",
    "test_json",
    "test_list",
    "test_re",
    "test_sort",
    "test_string",
    "test_struct",
    "test_zlib",
]


def test_pythons_own_tests_pass(tmp_path):
    """All objects of the interpreter come from malloc here."""
    need("/usr/bin/python3", "python3")
    package = f"lib{Path('/usr/bin/python3').resolve().name}-testsuite"
    if subprocess.run(["/usr/bin/python3", "-c", "import test.test_list"], capture_output=True, check=False).returncode:
        pytest.skip(f"python3 -m test was not found: install {package} (apt-get install {package})")

    def work(run):
        said = run(
            "/usr/bin/python3", "-m", "test", "-j2", *PYTHON_MODULES, env={"PYTHONMALLOC": "malloc", "TMPDIR": str(run.folder)}
        )
        return [line for line in said.decode().split("\n") if line.startswith(("All ", "Result:"))]

    compare(tmp_path, work, ["python3"])


PERL_SCRIPT = r"""
use strict; use warnings;
my %count; my $state = 7;
for my $i (1 .. 60000) {
  $state = ($state * 1103515245 + 12345) % 2147483648;
  $count{"word" . $state % 5000} .= chr(97 + $i % 26);
}
my @longest = sort { length $count{$b} <=> length $count{$a} || $a cmp $b } keys %count;
for my $word (@longest[0 .. 50]) { (my $text = $count{$word}) =~ s/([aeiou])/<$1>/g; print "$word $text\n"; }
my @tree = map { { name => $_, children => [ map { [ $_ x 3 ] } 1 .. $_ % 7 ] } } 1 .. 20000;
print scalar(grep { @{ $_->{children} } > 3 } @tree), "\n";
my $pid = fork() // die; if (!$pid) { my @more = map { "x" x $_ } 1 .. 2000; exit(@more == 2000 ? 0 : 1); }
waitpid($pid, 0); print "child: $?\n";
print join(",", map { sprintf "%s", eval { die { code => $_ } } // $@->{code} } 1 .. 500), "\n";
"""


def test_perl_runs_a_script(tmp_path):
    need("perl", "perl")
    compare(tmp_path, lambda run: run("perl", "-e", PERL_SCRIPT), ["perl"])


SQL = """
CREATE TABLE item (id INTEGER PRIMARY KEY, name TEXT, price REAL, kind INTEGER);
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 60000)
  INSERT INTO item SELECT i, printf('item %06d', (i * 7919) % 100003), (i * 31 % 1000) / 10.0, i % 13 FROM n;
CREATE INDEX by_name ON item (name);
CREATE INDEX by_kind ON item (kind, price DESC);
UPDATE item SET price = price * 1.5 WHERE kind = 5;
DELETE FROM item WHERE id % 11 = 3;
SELECT kind, count(*), round(sum(price), 2), min(name), max(name) FROM item GROUP BY kind ORDER BY kind;
SELECT a.name, b.name FROM item a JOIN item b ON b.name > a.name AND b.kind = a.kind WHERE a.id < 40 ORDER BY 1, 2 LIMIT 200;
SELECT group_concat(name, ';') FROM (SELECT name FROM item ORDER BY price DESC, name LIMIT 3000);
VACUUM;
PRAGMA integrity_check;
"""


def test_sqlite_answers_queries(tmp_path):
    need("sqlite3", "sqlite3")
    compare(tmp_path, lambda run: run("sqlite3", "items.db", input=SQL.encode()), ["sqlite3"])


def wait_for_redis(run, server):
    for _ in range(300):
        if (run.folder / "socket").exists() and server.poll() is None:
            return
        time.sleep(0.1)
    raise AssertionError("redis-server did not start: " + (run.folder / "background.log").read_text())


def redis_server(folder):
    """The server's path. Debian has the program in redis-tools, and a link to it in a package that also starts a service."""
    found = shutil.which("redis-server")
    if found is None:
        need("redis-check-rdb", "redis-tools")
        found = folder / "redis-server"
        found.symlink_to(shutil.which("redis-check-rdb"))
    return str(found)


def test_redis_serves_its_benchmark(tmp_path):
    need("redis-benchmark", "redis-tools")
    program = redis_server(tmp_path)

    def work(run):
        server = run.background(program, "--port", "0", "--unixsocket", "socket", "--save", "", "--io-threads", "2")
        try:
            wait_for_redis(run, server)

            def ask(*command):
                return run("redis-cli", "-s", "socket", *command)

            kinds = "set,get,lpush,lpop,sadd,hset,zadd,mset"
            run("redis-benchmark", "-s", "socket", "-q", "-t", kinds, "-n", "8000", "-r", "2000", "-d", "300", "-P", "8")
            assert int(ask("DBSIZE").split()[-1]) > 1000
            ask("FLUSHALL")
            script = "for i = 1, 20000 do redis.call('HSET', 'hash' .. i % 100, 'field' .. i, string.rep('x', i % 700)) end"
            ask("EVAL", script, "0")
            ask("EVAL", "for i = 1, 5000 do redis.call('ZADD', 'set', i * 37 % 1009, 'member' .. i) end", "0")
            answers = [ask("DBSIZE"), ask("HLEN", "hash7"), ask("HGET", "hash7", "field607"), ask("ZRANGE", "set", "0", "-1")]
            ask("BGSAVE")  # forks
            while b"rdb_bgsave_in_progress:1" in ask("INFO", "persistence"):
                time.sleep(0.05)
            assert b"rdb_last_bgsave_status:ok" in ask("INFO", "persistence")
            ask("SHUTDOWN", "NOSAVE")
            assert server.wait(30) == 0
        finally:
            server.kill()
            server.wait()
        assert "ferroc:" not in (run.folder / "background.log").read_text()
        return answers

    compare(tmp_path, work, ["redis-server", "redis-cli", "redis-benchmark"])


JAVA_SOURCE = r"""
import java.util.*;
import java.util.concurrent.*;
import java.util.stream.*;
import java.util.zip.*;

public class Work {
  static long task(int seed) throws Exception {
    Random random = new Random(seed);
    Map<Integer, List<String>> map = new TreeMap<>();
    for (int i = 0; i < 20000; i++) {
      map.computeIfAbsent(random.nextInt(500), k -> new ArrayList<>()).add("value " + random.nextInt());
    }
    Deflater deflater = new Deflater(); // zlib's memory is the C library's
    CRC32 sum = new CRC32();
    byte[] text = map.toString().getBytes("UTF-8");
    deflater.setInput(text);
    deflater.finish();
    byte[] buffer = new byte[1 << 16];
    while (!deflater.finished()) sum.update(buffer, 0, deflater.deflate(buffer));
    deflater.end();
    return sum.getValue();
  }

  public static void main(String[] arguments) throws Exception {
    ExecutorService pool = Executors.newFixedThreadPool(4);
    List<Future<Long>> results = new ArrayList<>();
    for (int i = 0; i < 16; i++) { int seed = i; results.add(pool.submit(() -> task(seed))); }
    for (Future<Long> result : results) System.out.println(result.get());
    pool.shutdown();
    System.out.println(IntStream.range(0, 100000).parallel().mapToObj(Integer::toString).collect(Collectors.joining()).hashCode());
  }
}
"""


def test_a_jvm_compiles_and_runs_a_program(tmp_path):
    need("javac", "default-jdk-headless")

    def work(run):
        run.write("Work.java", JAVA_SOURCE)
        run("javac", "Work.java")
        return run("java", "-XX:+UseParallelGC", "-Xmx256m", "Work")

    compare(tmp_path, work, ["javac", "java"])


def test_xz_packs_with_threads(tmp_path):
    need("xz", "xz-utils")
    source = random.Random(5)
    words = [source.randbytes(source.randrange(1, 12)) for _ in range(3000)]
    data = b" ".join(source.choices(words, k=500_000))

    def work(run):
        packed = run("xz", "-2", "-T4", "--block-size=1MiB", "-c", input=data)
        assert run("xz", "-d", "-T4", "-c", input=packed) == data
        return packed

    compare(tmp_path, work, ["xz"])
