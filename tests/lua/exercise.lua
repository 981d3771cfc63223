-- Makes and drops every kind of object that Lua has, in sizes from the smallest to some hundred KiB, and checks
-- what comes out. The C tests run it where allocations are watched, made to fail, or come from several threads.
-- The argument of the chunk says how often; everything it needs is in the standard libraries.
local rounds = ... or 1

local function strings()
  local parts = {}
  for i = 1, 200 do parts[#parts + 1] = ("%d:%s"):format(i, ("x"):rep(i % 60)) end
  local text = table.concat(parts, ",")
  local count = 0
  for number, xs in text:gmatch("(%d+):(x*)") do
    assert(#xs == tonumber(number) % 60)
    count = count + 1
  end
  assert(count == 200)
  assert(text:gsub("x", "yy"):find("yy", 1, true))
  assert(#text:rep(30) == 30 * #text)
  assert(string.unpack("z", string.pack("z", "packed")) == "packed")
end

local function tables()
  local list, map = {}, {}
  for i = 1, 3000 do
    list[i] = i
    map["key" .. i] = { i, tostring(i) }
  end
  for i = 1, 3000, 2 do map["key" .. i] = nil end
  local count = 0
  for _, pair in pairs(map) do
    assert(tostring(pair[1]) == pair[2])
    count = count + 1
  end
  assert(count == 1500)
  for _ = 1, 2990 do table.remove(list) end
  assert(#list == 10)
  table.sort(list, function(a, b) return a > b end)
  assert(table.concat(list, " ") == "10 9 8 7 6 5 4 3 2 1")
end

local function closures()
  local counters = {}
  for i = 1, 300 do
    local value = i
    counters[i] = function(step)
      value = value + step
      return value
    end
  end
  local sum = 0
  for i, counter in ipairs(counters) do sum = sum + counter(i) end
  assert(sum == 300 * 301)
end

local function coroutines()
  local function generate(first, last)
    return coroutine.wrap(function()
      for i = first, last do coroutine.yield(i) end
    end)
  end
  local sum = 0
  for first = 1, 40 do
    for i in generate(first, first + 5) do sum = sum + i end
  end
  assert(sum == 5520)
  local function deep(n) return n == 0 and 0 or 1 + deep(n - 1) end
  assert(coroutine.wrap(deep)(5000) == 5000) -- its stack grows and goes
end

local function compiled()
  local source = {}
  for i = 1, 100 do
    source[i] = ("local function f%d(a) return a + %d, { n = 'name%d', [%d] = a } end"):format(i, i, i, i)
  end
  source[#source + 1] = "return f100(1)"
  local chunk = assert(load(table.concat(source, "\n")))
  assert(chunk() == 101)
  assert(load(string.dump(chunk))() == 101)
  assert(not load("return return"))
end

local function errors()
  local function thrower() error({ code = 7 }) end
  for _ = 1, 50 do
    local is_fine, problem = pcall(thrower)
    assert(not is_fine and problem.code == 7)
  end
  local is_fine, message = xpcall(function() return nil + 1 end, debug.traceback)
  assert(not is_fine and message:find("arithmetic", 1, true))
end

local function finalizers()
  local finalized = 0
  for _ = 1, 100 do
    setmetatable({}, { __gc = function() finalized = finalized + 1 end })
  end
  local weak = setmetatable({}, { __mode = "k" })
  for i = 1, 100 do weak[{}] = i end
  collectgarbage()
  collectgarbage()
  assert(finalized == 100 and next(weak) == nil)
  local closed = false
  do
    local guard <close> = setmetatable({}, { __close = function() closed = true end })
  end
  assert(closed)
end

local function big_blocks()
  local block = ("0123456789abcdef"):rep(16384) -- 256 KiB
  assert(#block == 262144 and block:sub(-1) == "f")
  assert(#(block .. block) == 524288)
end

for _ = 1, rounds do
  for _, mode in ipairs({ "incremental", "generational" }) do
    collectgarbage(mode)
    strings()
    tables()
    closures()
    coroutines()
    compiled()
    errors()
    finalizers()
    big_blocks()
  end
end
