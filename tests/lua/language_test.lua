-- The language works on ferroc's memory: values of every type and of many sizes keep their content while others
-- around them come and go. Run by ferroc-lua.
local luaunit = require("luaunit")
local assertEquals, assertTrue = luaunit.assertEquals, luaunit.assertTrue

TestStrings = {}

local function text_of(length) return (("%08d"):format(length)):rep(length // 8 + 1):sub(1, length) end

function TestStrings:test_every_length_keeps_its_content()
  local strings = {}
  for length = 0, 3000 do strings[length] = text_of(length) end
  for length = 0, 3000, 2 do strings[length] = nil end
  collectgarbage()
  for length = 0, 3000, 2 do strings[length] = text_of(length) end
  for length = 0, 3000 do assertTrue(strings[length] == text_of(length)) end
end

function TestStrings:test_short_strings_are_one_object()
  local names = {}
  for i = 1, 20000 do names["name" .. i] = i end
  for i = 1, 20000 do assertEquals(names["na" .. "me" .. i], i) end
end

function TestStrings:test_buffers_grow()
  local parts = {}
  for i = 1, 100000 do parts[i] = tostring(i) end
  local text = table.concat(parts, ",")
  local sum = 0
  for number in text:gmatch("%d+") do sum = sum + tonumber(number) end
  assertEquals(sum, 100000 * 100001 // 2)
  assertEquals(#text:gsub("%d", "%0%0"), 2 * #text - 99999)
end

function TestStrings:test_packed_binary_data()
  for size = 1, 16 do
    local packed = string.pack(">i" .. size, -2)
    assertEquals({ #packed, (string.unpack(">i" .. size, packed)) }, { size, -2 })
  end
end

TestTables = {}

function TestTables:test_arrays_grow_and_shrink()
  local list = {}
  for round = 1, 3 do
    for i = 1, 200000 do list[i] = i * round end
    for i = 1, 200000, 999 do assertEquals(list[i], i * round) end
    for i = 200000, 11, -1 do list[i] = nil end
    list[#list + 1] = "rehash"
    assertEquals(#list, 11)
  end
end

function TestTables:test_maps_grow_and_shrink()
  local map = {}
  for i = 1, 100000 do map["k" .. i] = i end
  for i = 1, 100000 do
    if i % 10 ~= 0 then map["k" .. i] = nil end
  end
  local count, sum = 0, 0
  for _, value in pairs(map) do count, sum = count + 1, sum + value end
  assertEquals({ count, sum }, { 10000, 10 * 10000 * 10001 // 2 })
end

function TestTables:test_sorting_and_moving()
  local list = {}
  for i = 1, 50000 do list[i] = (i * 7919) % 50021 end
  table.sort(list)
  for i = 2, #list do assertTrue(list[i - 1] < list[i]) end
  local copy = table.move(list, 1, #list, 1, {})
  assertEquals(table.concat(copy, " "), table.concat(list, " "))
end

function TestTables:test_many_small_tables_keep_their_content()
  local records = {}
  for i = 1, 50000 do records[i] = { id = i, name = "r" .. i, list = { i, i + 1 } } end
  for i = 1, 50000, 3 do records[i] = false end
  collectgarbage()
  for i = 1, 50000, 3 do records[i] = { id = i, name = "r" .. i, list = { i, i + 1 } } end
  for i, record in ipairs(records) do
    assertTrue(record.id == i and record.name == "r" .. i and record.list[2] == i + 1)
  end
end

TestFunctions = {}

function TestFunctions:test_closures_keep_their_variables()
  local counters = {}
  for i = 1, 10000 do
    local value = i
    counters[i] = function()
      value = value + 1
      return value
    end
  end
  collectgarbage()
  for i, counter in ipairs(counters) do assertTrue(counter() == i + 1 and counter() == i + 2) end
end

function TestFunctions:test_many_arguments_and_results()
  local values = table.pack(table.unpack({}, 1, 100000))
  assertEquals(values.n, 100000)
  assertEquals(select("#", string.byte(("x"):rep(100000), 1, -1)), 100000)
end

function TestFunctions:test_compiled_code_runs_after_a_dump()
  local lines = {}
  for i = 1, 5000 do lines[i] = ("t[%d] = 'value %d'"):format(i, i) end
  local source = "local t = {} " .. table.concat(lines, "\n") .. " return t"
  local from_source, from_dump = load(source)(), load(string.dump(load(source), true), "dumped", "b")()
  assertEquals(#from_source, 5000)
  assertEquals(from_dump, from_source)
end

TestCoroutines = {}

function TestCoroutines:test_thousands_live_at_once()
  local generators = {}
  for i = 1, 5000 do
    generators[i] = coroutine.wrap(function()
      for step = 1, 3 do coroutine.yield(i * step) end
    end)
  end
  for step = 1, 3 do
    for i, generator in ipairs(generators) do assertTrue(generator() == i * step) end
  end
end

function TestCoroutines:test_stacks_grow_and_go()
  local function depth(n) return n == 0 and 0 or 1 + depth(n - 1) end
  for _ = 1, 20 do assertEquals(coroutine.wrap(depth)(20000), 20000) end
  assertEquals(depth(100000), 100000)
end

function TestCoroutines:test_closing_closes_variables()
  local closed
  local co = coroutine.create(function()
    local guard <close> = setmetatable({}, { __close = function() closed = true end })
    coroutine.yield()
  end)
  coroutine.resume(co)
  assertTrue(coroutine.close(co) and closed)
end

TestErrors = {}

function TestErrors:test_errors_of_any_type_are_caught()
  local object = {}
  for _, value in ipairs({ "text", 12, true, object }) do
    local is_fine, caught = pcall(error, value, 0)
    assertTrue(not is_fine and caught == value)
  end
end

function TestErrors:test_stack_overflow_is_an_error_and_not_the_end()
  local function endless() return endless() + 1 end
  for _ = 1, 3 do
    local is_fine, message = pcall(endless)
    assertTrue(not is_fine and message:find("stack overflow", 1, true) ~= nil)
  end
end

TestFiles = {}

function TestFiles:test_large_files_come_back_as_they_were()
  local name = os.tmpname()
  local text = text_of(3000000)
  assert(io.open(name, "w")):write(text):close()
  local file <close> = assert(io.open(name))
  assertTrue(file:read("a") == text)
  os.remove(name)
end

os.exit(luaunit.LuaUnit.run())
