/* Runs test bodies in child processes, and Python in them. */
#include "tests/python/embedding.h"

#include <sys/wait.h>
#include <unistd.h>

_Noreturn void require_failed(const char *file, int line, const char *condition) {
  fprintf(stderr, "%s:%d: not so: %s\n", file, line, condition);
  fflush(NULL);
  _exit(1);
}

void require_done(const char *message) {
  if (message != NULL) {
    require_failed("refused", 0, message);
  }
}

void require_refused(const char *message, const char *words) {
  require(message != NULL);
  if (strstr(message, words) == NULL) {
    fprintf(stderr, "expected a message with \"%s\", got \"%s\"\n", words, message);
    _exit(1);
  }
}

void assert_child_succeeds(void (*body)(void)) {
  fflush(NULL);
  pid_t child = fork();
  assert_true(child >= 0);
  if (child == 0) {
    body();
    fflush(NULL);
    _exit(0);
  }
  int status = 0;
  assert_int_equal(waitpid(child, &status, 0), child);
  assert_int_equal(status, 0);
}

void initialize_python(void) {
  PyConfig config;
  PyConfig_InitIsolatedConfig(&config);
  require(!PyStatus_Exception(
      PyConfig_SetBytesString(&config, &config.program_name, FE_PYTHON_PROGRAM)));
  PyStatus status = Py_InitializeFromConfig(&config);
  if (PyStatus_Exception(status)) {
    Py_ExitStatusException(status);
  }
  PyConfig_Clear(&config);
}

void finalize_python(void) { require(Py_FinalizeEx() == 0); }

void run_python(const char *source) { require(PyRun_SimpleString(source) == 0); }

const char *const varied_work =
    "import collections, decimal, gc, io, itertools, json, random, re, tempfile, threading\n"
    "\n"
    "class Node:\n"
    "    def __init__(self, children):\n"
    "        self.children, self.parent = children, None\n"
    "        for child in children:\n"
    "            child.parent = self\n"
    "\n"
    "def tree(depth):\n"
    "    return Node([tree(depth - 1) for _ in range(3)] if depth else [])\n"
    "\n"
    "def work(seed):\n"
    "    rng = random.Random(seed)\n"
    "    records = [{'id': i, 'name': 'n' * rng.randrange(40), 'tags': [str(rng.random())] * (i % "
    "7)}\n"
    "               for i in range(400)]\n"
    "    assert json.loads(json.dumps(records)) == records\n"
    "    growing = bytearray()\n"
    "    for i in range(300):\n"
    "        growing += bytes(rng.randrange(2000))\n"
    "    del growing[rng.randrange(len(growing)):]\n"
    "    text = ' '.join(record['name'] for record in records)\n"
    "    words = collections.Counter(re.findall(r'n{3,}', text))\n"
    "    digits = 3 ** (2000 + seed)\n"
    "    assert str(decimal.Decimal(digits)) == str(digits)\n"
    "    queue = collections.deque(itertools.permutations(range(6)), 500)\n"
    "    with tempfile.TemporaryFile('w+') as file:\n"
    "        file.write(text)\n"
    "        file.seek(0)\n"
    "        assert file.read() == text\n"
    "    tree(5)\n"
    "    namespace = {}\n"
    "    exec('def f(x):\\n' + ''.join(f'    x += {i}\\n' for i in range(100)) + '    return x', "
    "namespace)\n"
    "    assert namespace['f'](0) == 4950\n"
    "    return len(words), len(queue)\n"
    "\n"
    "threads = [threading.Thread(target=work, args=(seed,)) for seed in range(4)]\n"
    "for thread in threads:\n"
    "    thread.start()\n"
    "work(4)\n"
    "for thread in threads:\n"
    "    thread.join()\n"
    "gc.collect()\n";
