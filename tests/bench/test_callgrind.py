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
