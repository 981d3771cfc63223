-- Memory from Lua's side: the collector, finalizers, weak tables, and large blocks. Run by ferroc-lua.
local luaunit = require("luaunit")
local assertEquals, assertTrue = luaunit.assertEquals, luaunit.assertTrue

local function collected_kib()
  collectgarbage()
  collectgarbage()
  return collectgarbage("count")
end

TestCollector = {}

function TestCollector:tearDown() collectgarbage("generational") end

function TestCollector:test_garbage_is_collected_in_both_modes()
  for _, mode in ipairs({ "incremental", "generational" }) do
    collectgarbage(mode)
    local before = collected_kib()
    local peak = 0
    for i = 1, 300000 do
      local garbage = { i, { tostring(i) } }
      if i % 1000 == 0 then peak = math.max(peak, collectgarbage("count")) end
    end
    assertTrue(peak < before + 20000) -- all together would be about 60,000
    assertTrue(collected_kib() < before + 100)
  end
end

function TestCollector:test_stepping_by_hand()
  collectgarbage("incremental")
  collectgarbage("stop")
  local weak = setmetatable({ {}, {}, {} }, { __mode = "v" })
  while not collectgarbage("step", 1) do end
  while not collectgarbage("step", 1) do end
  assertEquals(#weak, 0)
  collectgarbage("restart")
end

function TestCollector:test_finalizers_run_last_marked_first()
  local order = {}
  for i = 1, 5 do
    setmetatable({}, { __gc = function() order[#order + 1] = i end })
  end
  collectgarbage()
  assertEquals(order, { 5, 4, 3, 2, 1 })
end

function TestCollector:test_finalized_objects_may_come_back()
  local kept
  local object = setmetatable({ name = "kept" }, { __gc = function(self) kept = self end })
  object = nil
  collectgarbage()
  assertEquals(kept.name, "kept")
end

function TestCollector:test_weak_tables_forget()
  local by_key = setmetatable({}, { __mode = "k" })
  local by_value = setmetatable({}, { __mode = "v" })
  local kept = {}
  for i = 1, 1000 do
    local key = {}
    if i % 2 == 0 then kept[#kept + 1] = key end
    by_key[key] = { key } -- an ephemeron: the value alone does not keep the key
    by_value[i] = key
  end
  key = nil
  collectgarbage()
  local key_count, value_count = 0, 0
  for _ in pairs(by_key) do key_count = key_count + 1 end
  for _ in pairs(by_value) do value_count = value_count + 1 end
  assertTrue(key_count >= 500 and key_count <= 501) -- a register may still hold the last one
  assertTrue(value_count >= 500 and value_count <= 501)
end

TestLargeBlocks = {}

function TestLargeBlocks:test_strings_of_many_mib()
  local before = collected_kib()
  for mib = 1, 64, 9 do
    local text = ("0123456789abcdef"):rep(mib * 65536)
    assertEquals(#text, mib << 20)
    assertTrue(text:sub(-17) == "f0123456789abcdef")
    assertTrue(collectgarbage("count") >= before + mib * 1024)
  end
  assertTrue(collected_kib() < before + 100)
end

function TestLargeBlocks:test_a_table_with_millions_of_slots()
  local list = {}
  for i = 1, 3000000 do list[i] = i end
  for i = 1, 3000000, 99999 do assertEquals(list[i], i) end
end

function TestLargeBlocks:test_sizes_around_every_power_of_two()
  local function text_of(length) return (("%d,"):format(length)):rep(length // 2 + 1):sub(1, length) end
  for power = 3, 20 do
    local strings = {}
    for offset = -26, 2 do
      local length = math.max(0, (1 << power) + offset)
      strings[length] = text_of(length)
    end
    for length, text in pairs(strings) do assertTrue(text == text_of(length)) end
  end
end

os.exit(luaunit.LuaUnit.run())
