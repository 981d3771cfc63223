"""Reading callgrind's profiles."""

from runner import callgrind

PROFILE = """\
events: Ir
fl=(1) main.c
fn=(1) main
10 100
cfn=(2) malloc
calls=3 20
11 60
cfn=(3) work
calls=1 5
12 900

fn=(3)
5 500
cfn=(2)
calls=2 20
6 40
cfn=(4) realloc
calls=1 30
7 300

fn=(4)
30 50
cfn=(2)
calls=1 20
31 250

fn=(2)
20 350

totals: 1000
"""


def test_the_total_is_read():
    assert callgrind.total(PROFILE) == 1000


def test_calls_into_the_allocator_count_with_all_they_cost_and_calls_inside_it_count_once():
    assert callgrind.spent_in(PROFILE, {"malloc", "realloc"}) == 60 + 40 + 300
    assert callgrind.spent_in(PROFILE, {"realloc"}) == 300


def test_a_function_deeper_in_a_recursion_is_the_same_function():
    assert callgrind.spent_in(PROFILE.replace("(2) malloc", "(2) malloc'2"), {"malloc"}) == 60 + 40 + 250


def test_a_profile_without_a_total_is_refused(refused):
    with refused("without a total"):
        callgrind.total("events: Ir\n")


SINGLE = """\
positions: instr line
events: Ir
ob=/bench/program
fl=main.c
fn=fe_free
0x1000 10 3
cob=/lib/libc.so.6
cfn=memset
calls=2 0x9000 7
0x1004 11 60
0x1004 11 2
fn=main
cfn=fe_free
calls=3 0x1000 10
0x2000 20 100
ob=/lib/libc.so.6
fn=memset
0x1000 0 50
ob=/bench/program
fl=main.c
fi=inlined.h
fn=fe_realloc
cfn=fe_free
calls=4 0x1000 10
0x3000 30 9
0x1004 12 5
"""


def test_instructions_are_counted_in_the_program_alone_and_without_what_they_call():
    assert callgrind.instruction_counts(SINGLE, "/bench/program") == {0x1000: 3, 0x1004: 7}


def test_calls_by_others_are_counted():
    assert callgrind.calls_to(SINGLE, {"fe_free", "fe_realloc"}) == 3
    assert callgrind.calls_to(SINGLE, {"fe_free"}) == 7
