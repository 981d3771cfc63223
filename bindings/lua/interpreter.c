/* The command line: what it says, and the order in which it is done; see interpreter.h. */
#include "bindings/lua/interpreter.h"

#include <lauxlib.h>
#include <lualib.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bindings/lua/interpreter_call.h"
#include "bindings/lua/interpreter_line.h"
#include "bindings/lua/interpreter_repl.h"
#include "bindings/users_folder.h"

/* What the options say. */
typedef struct fe_command_line {
  const fe_interpreter_option_t *options; /* the host's */
  int argc;
  char **argv;
  int script;             /* its index in argv; 0: there is none */
  bool script_is_stdin;   /* it is "-", and no "--" makes that a file's name */
  bool shows_version;     /* -v, -i */
  bool is_interactive;    /* -i */
  bool is_isolated;       /* -E */
  bool has_statements;    /* -e */
  bool wants_help;        /* --help, where the host has options */
  const char *bad_option; /* the first option that cannot be obeyed, or NULL */
  bool lacks_argument;    /* that is what is wrong with it; else it is unknown */
  bool is_refused;        /* its value is wrong, which the host has said */
} fe_command_line_t;

/* The whole run, handed to the protected function that does it. */
typedef struct fe_interpreter_run {
  const fe_interpreter_host_t *host;
  const char *name; /* stands before error messages */
  fe_command_line_t command_line;
  bool is_successful;
} fe_interpreter_run_t;

/* -- Reading the options --------------------------------------------------------------------- */

/* Options with an argument have it attached ("-lname") or in the next word, which must not look
 * like an option. Returns how many words the option takes, or 0 when the argument is missing. */
static int count_words_of_option(const fe_command_line_t *line, int index) {
  const char *option = line->argv[index];
  if (option[2] != '\0') return 1;
  const char *next = index + 1 < line->argc ? line->argv[index + 1] : "-";
  return next[0] == '-' ? 0 : 2;
}

static const char *argument_of_option(const fe_command_line_t *line, int index) {
  const char *option = line->argv[index];
  return option[2] != '\0' ? option + 2 : line->argv[index + 1];
}

/* The host's option of such a name, which may have a value behind it; NULL: there is none. */
static const fe_interpreter_option_t *find_long(const fe_command_line_t *line, const char *word) {
  size_t length = strcspn(word, "=");
  const fe_interpreter_option_t *option = line->options;
  for (; option != NULL && option->name != NULL; option++) {
    bool is_named = strlen(option->name) == length && strncmp(option->name, word, length) == 0;
    if (is_named && (option->value_name != NULL || word[length] == '\0')) return option;
  }
  return NULL;
}

/* How many words an option takes that begins with "--"; 0: it is none, or its value is missing. */
static int count_words_of_long(const fe_command_line_t *line, int index) {
  const char *word = line->argv[index] + 2;
  const fe_interpreter_option_t *option = find_long(line, word);
  if (option == NULL) return 0;
  if (option->value_name == NULL || strchr(word, '=') != NULL) return 1;
  return index + 1 < line->argc ? 2 : 0;
}

/* The same as read_option for these. */
static int read_long_option(fe_command_line_t *line, int index) {
  const char *word = line->argv[index] + 2;
  line->bad_option = line->argv[index];
  if (line->options != NULL && strcmp(word, "help") == 0) line->wants_help = true;
  const fe_interpreter_option_t *option = find_long(line, word);
  if (line->wants_help || option == NULL) return 0;
  int word_count = count_words_of_long(line, index);
  line->lacks_argument = word_count == 0;
  if (word_count == 0) return 0;
  const char *equals = strchr(word, '=');
  line->is_refused = !option->set(equals != NULL ? equals + 1 : line->argv[index + word_count - 1]);
  if (line->is_refused) return 0;
  line->bad_option = NULL;
  return word_count;
}

/* Notes what an option asks for. Returns how many words it takes, or 0 when it is wrong. */
static int read_option(fe_command_line_t *line, int index) {
  const char *option = line->argv[index];
  if (option[1] == '-') return read_long_option(line, index);
  bool takes_argument = option[1] == 'e' || option[1] == 'l';
  line->bad_option = option;
  if (option[1] == '\0' || strchr("eilvEW", option[1]) == NULL) return 0;
  if (!takes_argument && option[2] != '\0') return 0;
  int word_count = takes_argument ? count_words_of_option(line, index) : 1;
  line->lacks_argument = word_count == 0;
  if (word_count == 0) return 0;
  line->bad_option = NULL;
  switch (option[1]) {
    case 'e':
      line->has_statements = true;
      break;
    case 'i':
      line->is_interactive = line->shows_version = true;
      break;
    case 'v':
      line->shows_version = true;
      break;
    case 'E':
      line->is_isolated = true;
      break;
  }
  return word_count;
}

static fe_command_line_t read_command_line(int argc, char **argv,
                                           const fe_interpreter_option_t *options) {
  fe_command_line_t line = {.options = options, .argc = argc, .argv = argv};
  int index = 1;
  while (index < argc && argv[index][0] == '-' && argv[index][1] != '\0') {
    if (strcmp(argv[index], "--") == 0) {
      line.script = index + 1 < argc ? index + 1 : 0;
      return line;
    }
    int word_count = read_option(&line, index);
    if (word_count == 0) return line;
    index += word_count;
  }
  if (index < argc) {
    line.script = index;
    line.script_is_stdin = strcmp(argv[index], "-") == 0;
  }
  return line;
}

static void print_usage(const fe_interpreter_run_t *run, FILE *file) {
  fprintf(file,
          "usage: %s [options] [script [arguments]]\n"
          "  -e code    run the code\n"
          "  -l name    require the module and keep it in a global of its name\n"
          "  -l g=name  the same, in the global g\n"
          "  -i         go on interactively when the script has ended\n"
          "  -v         print the version\n"
          "  -E         take nothing from environment variables\n"
          "  -W         turn warnings on\n",
          run->name);
  const fe_interpreter_option_t *option = run->host->options;
  for (; option != NULL && option->name != NULL; option++) {
    bool has_value = option->value_name != NULL;
    fprintf(file, "  --%s%s%s\n             %s\n", option->name, has_value ? " " : "",
            has_value ? option->value_name : "", option->help);
  }
  if (run->host->options != NULL) fputs("  --help     print this\n", file);
  fputs(
      "  --         end of the options\n"
      "  -          end of the options; the script is read from standard input\n",
      file);
}

/* The exit code when the options let nothing be run. */
static int refuse_options(const fe_interpreter_run_t *run) {
  const fe_command_line_t *line = &run->command_line;
  if (line->wants_help) {
    print_usage(run, stdout);
    return EXIT_SUCCESS;
  }
  if (line->is_refused) return EXIT_FAILURE;
  const char *format =
      line->lacks_argument ? "%s: '%s' needs argument\n" : "%s: unrecognized option '%s'\n";
  fprintf(stderr, format, run->name, line->bad_option);
  print_usage(run, stderr);
  return EXIT_FAILURE;
}

/* -- The steps of a run ---------------------------------------------------------------------- */

/* Each step pushes a chunk, or a message with a status that is no LUA_OK; this runs the chunk and
 * reports what goes wrong. */
static bool finish_step(lua_State *L, const fe_interpreter_run_t *run, int status,
                        int argument_count) {
  if (status == LUA_OK) status = fe_interpreter_call(L, argument_count, 0);
  if (status != LUA_OK) fe_interpreter_report(L, run->name);
  return status == LUA_OK;
}

static bool run_file(lua_State *L, const fe_interpreter_run_t *run, const char *path) {
  return finish_step(L, run, luaL_loadfile(L, path), 0);
}

static bool run_text(lua_State *L, const fe_interpreter_run_t *run, const char *text,
                     const char *chunk_name) {
  return finish_step(L, run, luaL_loadbuffer(L, text, strlen(text), chunk_name), 0);
}

/* The variable for this version of Lua goes before the one for all. */
static bool run_init_variable(lua_State *L, const fe_interpreter_run_t *run) {
  const char *chunk_name = "=LUA_INIT" LUA_VERSUFFIX;
  const char *init = getenv(chunk_name + 1);
  if (init == NULL) {
    chunk_name = "=LUA_INIT";
    init = getenv(chunk_name + 1);
  }
  if (init == NULL) return true;
  return init[0] == '@' ? run_file(L, run, init + 1) : run_text(L, run, init, chunk_name);
}

/* -l: "name", or "global=name". */
static bool require_module(lua_State *L, const fe_interpreter_run_t *run, const char *argument) {
  const char *equals = strchr(argument, '=');
  const char *module = equals != NULL ? equals + 1 : argument;
  size_t global_length = equals != NULL ? (size_t)(equals - argument) : strlen(argument);
  lua_pushlstring(L, argument, global_length);
  lua_getglobal(L, "require");
  lua_pushstring(L, module);
  int status = fe_interpreter_call(L, 1, 1);
  if (status == LUA_OK) {
    lua_setglobal(L, lua_tostring(L, -2));
  } else {
    fe_interpreter_report(L, run->name);
  }
  lua_pop(L, 1);
  return status == LUA_OK;
}

/* -e, -l and -W in the order in which they were given. */
static bool run_options(lua_State *L, const fe_interpreter_run_t *run) {
  const fe_command_line_t *line = &run->command_line;
  int end = line->script != 0 ? line->script : line->argc;
  for (int index = 1; index < end; index++) {
    const char *option = line->argv[index];
    if (option[1] == '-' && option[2] != '\0') {
      index += count_words_of_long(line, index) - 1;
      continue;
    }
    if (option[1] == 'W') lua_warning(L, "@on", 0);
    if (option[1] != 'e' && option[1] != 'l') continue;
    const char *argument = argument_of_option(line, index);
    bool is_done = option[1] == 'e' ? run_text(L, run, argument, "=(command line)")
                                    : require_module(L, run, argument);
    if (!is_done) return false;
    index += count_words_of_option(line, index) - 1;
  }
  return true;
}

/* Pushes what the global arg holds now, which the options' code may have changed. */
static int push_script_arguments(lua_State *L) {
  if (lua_getglobal(L, "arg") != LUA_TTABLE) luaL_error(L, "'arg' is not a table");
  int table = lua_gettop(L);
  lua_Integer count = luaL_len(L, table);
  if (count > LUAI_MAXSTACK) count = LUAI_MAXSTACK; /* too many in any case */
  luaL_checkstack(L, (int)count + 3, "too many arguments to script");
  for (lua_Integer i = 1; i <= count; i++) lua_rawgeti(L, table, i);
  lua_remove(L, table);
  return lua_gettop(L) - table + 1;
}

static bool run_script(lua_State *L, const fe_interpreter_run_t *run) {
  const fe_command_line_t *line = &run->command_line;
  int status = luaL_loadfile(L, line->script_is_stdin ? NULL : line->argv[line->script]);
  int argument_count = status == LUA_OK ? push_script_arguments(L) : 0;
  return finish_step(L, run, status, argument_count);
}

static void print_version(const fe_interpreter_run_t *run) {
  puts(LUA_COPYRIGHT);
  if (run->host->version != NULL) puts(run->host->version);
  fflush(stdout);
}

/* What is left to do when all that the command line names has run. An error in a program from
 * standard input that "-" did not ask for leaves the exit code at success: so does lua. */
static void run_standard_input(lua_State *L, const fe_interpreter_run_t *run) {
  const fe_command_line_t *line = &run->command_line;
  bool is_idle = line->script == 0 && !line->has_statements && !line->shows_version;
  if (line->is_interactive) {
    fe_interpreter_repl(L);
  } else if (is_idle && fe_interpreter_is_typed()) {
    print_version(run);
    fe_interpreter_repl(L);
  } else if (is_idle) {
    run_file(L, run, NULL);
  }
}

/* -- The run --------------------------------------------------------------------------------- */

/* The global arg: the script at 0, its arguments after it, what stood before it below 0. */
static void set_arg_table(lua_State *L, const fe_command_line_t *line) {
  lua_createtable(L, line->argc - line->script, line->script + 1);
  for (int index = 0; index < line->argc; index++) {
    lua_pushstring(L, line->argv[index]);
    lua_rawseti(L, -2, index - line->script);
  }
  lua_setglobal(L, "arg");
}

static void open_libraries(lua_State *L, const fe_command_line_t *line) {
  luaL_checkversion(L);
  if (line->is_isolated) {
    lua_pushboolean(L, 1);
    lua_setfield(L, LUA_REGISTRYINDEX, "LUA_NOENV"); /* for the library "package" */
  }
  luaL_openlibs(L);
  set_arg_table(L, line);
  lua_gc(L, LUA_GCGEN, 0, 0); /* lua, too, runs its programs in generational mode */
}

/* The protected function; its argument is the fe_interpreter_run_t. */
static int run_command_line(lua_State *L) {
  fe_interpreter_run_t *run = lua_touserdata(L, 1);
  const fe_command_line_t *line = &run->command_line;
  lua_settop(L, 0);
  if (line->shows_version) print_version(run);
  open_libraries(L, line);
  if (!line->is_isolated && !run_init_variable(L, run)) return 0;
  if (!run_options(L, run)) return 0;
  if (line->script != 0 && !run_script(L, run)) return 0;
  run_standard_input(L, run);
  run->is_successful = true;
  return 0;
}

int fe_interpreter_main(int argc, char **argv, const fe_interpreter_host_t *host) {
  bool is_named = argc > 0 && argv[0][0] != '\0';
  fe_interpreter_run_t run = {.host = host,
                              .name = is_named ? argv[0] : host->name,
                              .command_line = read_command_line(argc, argv, host->options)};
  fe_go_to_users_folder();
  if (run.command_line.bad_option != NULL) return refuse_options(&run);
  lua_State *L = host->new_state();
  if (L == NULL) {
    fprintf(stderr, "%s: cannot create state: not enough memory\n", run.name);
    return EXIT_FAILURE;
  }
  lua_pushcfunction(L, run_command_line);
  lua_pushlightuserdata(L, &run);
  if (lua_pcall(L, 1, 0, 0) != LUA_OK) {
    run.is_successful = false;
    fe_interpreter_report(L, run.name);
  }
  host->close_state(L);
  return run.is_successful ? EXIT_SUCCESS : EXIT_FAILURE;
}
