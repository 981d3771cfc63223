-- Pipelines of coroutines and closures: a log goes line by line through parsers, filters and
-- aggregating stages, with a short-lived coroutine for each request that it describes.

local scale = tonumber(arg and arg[1]) or 1
local requests = math.floor(42000 * scale)

math.randomseed(20, 5)

local function stage(body, source)
  return coroutine.wrap(function() body(source, coroutine.yield) end)
end

local function log_lines(count)
  local levels, services = { "INFO", "WARN", "DEBUG", "ERROR" }, { "auth", "cart", "search", "mail" }
  return coroutine.wrap(function()
    for i = 1, count do
      coroutine.yield(string.format("%06d %s [%s] request=%d took=%dus", i,
        levels[math.random(4)], services[math.random(4)], math.random(1, 900), math.random(10, 90000)))
    end
  end)
end

local function parse(source, emit)
  for line in source do
    local at, level, service, request, took =
      line:match("^(%d+) (%u+) %[(%l+)%] request=(%d+) took=(%d+)us$")
    emit({ at = tonumber(at), level = level, service = service, request = tonumber(request),
      took = tonumber(took) })
  end
end

local function all_of(...)
  local tests = { ... }
  return function(event)
    for i = 1, #tests do
      if not tests[i](event) then return false end
    end
    return true
  end
end

local function filter(test)
  return function(source, emit)
    for event in source do
      if test(event) then emit(event) end
    end
  end
end

-- One coroutine for each request: it waits at each step of the request's life.
local function request_life(event)
  return coroutine.wrap(function()
    local steps = { "accepted" }
    coroutine.yield(steps)
    steps[2] = "served by " .. event.service
    coroutine.yield(steps)
    steps[3] = event.took > 50000 and "slow" or "quick"
    return steps
  end)
end

local function enrich(source, emit)
  local waiting = {}
  for event in source do
    local life = request_life(event)
    life()
    waiting[#waiting + 1] = { life = life, event = event }
    if #waiting == 200 then
      for _, item in ipairs(waiting) do
        item.life()
        item.event.steps = item.life()
        emit(item.event)
      end
      waiting = {}
    end
  end
end

local function window(size)
  return function(source, emit)
    local events = {}
    for event in source do
      events[#events + 1] = event
      if #events == size then
        emit(events)
        events = {}
      end
    end
  end
end

local wanted = all_of(function(event) return event.level ~= "DEBUG" end,
  function(event) return event.took > 500 end)

local output = stage(window(64), stage(enrich, stage(filter(wanted), stage(parse, log_lines(requests * 3)))))
local windows, slow, took = 0, 0, 0
for events in output do
  windows = windows + 1
  for _, event in ipairs(events) do
    took = took + event.took
    if event.steps[3] == "slow" then slow = slow + 1 end
  end
end
print(string.format("checksum coroutine_pipeline %d %d %d", windows, slow, took))
