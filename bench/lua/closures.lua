-- Parser combinators: every parser is a closure made of closures. An expression language is
-- parsed into closures that compute, and these are run: closures and upvalues come and go.

local scale = tonumber(arg and arg[1]) or 1
local expressions = math.floor(2600 * scale)

math.randomseed(20, 12)

local function pattern(text)
  local anchored = "^%s*(" .. text .. ")"
  return function(input, at)
    local from, to, capture = input:find(anchored, at)
    if from then return capture, to + 1 end
  end
end

local function sequence(...)
  local parsers = { ... }
  return function(input, at)
    local values = {}
    for i = 1, #parsers do
      values[i], at = parsers[i](input, at)
      if not at then return nil end
    end
    return values, at
  end
end

local function choice(...)
  local parsers = { ... }
  return function(input, at)
    for i = 1, #parsers do
      local value, after = parsers[i](input, at)
      if after then return value, after end
    end
  end
end

local function many(parser)
  return function(input, at)
    local values = {}
    while true do
      local value, after = parser(input, at)
      if not after then return values, at end
      values[#values + 1], at = value, after
    end
  end
end

local function map(parser, convert)
  return function(input, at)
    local value, after = parser(input, at)
    if after then return convert(value), after end
  end
end

local function later(get)
  return function(input, at) return get()(input, at) end
end

local operations = {
  ["+"] = function(a, b) return function(env) return a(env) + b(env) end end,
  ["-"] = function(a, b) return function(env) return a(env) - b(env) end end,
  ["*"] = function(a, b) return function(env) return (a(env) * b(env)) % 1000003 end end,
  ["/"] = function(a, b) return function(env) return a(env) // (b(env) ~= 0 and b(env) or 1) end end,
}

local function chain(operand, operator)
  return map(sequence(operand, many(sequence(operator, operand))), function(parts)
    local value = parts[1]
    for _, pair in ipairs(parts[2]) do value = operations[pair[1]](value, pair[2]) end
    return value
  end)
end

local function make_grammar()
  local expression
  local number = map(pattern("%d+"), function(text)
    local value = tonumber(text)
    return function() return value end
  end)
  local name = map(pattern("%l+"), function(text) return function(env) return env[text] end end)
  local group = map(sequence(pattern("%("), later(function() return expression end), pattern("%)")),
    function(parts) return parts[2] end)
  local binding = map(
    sequence(pattern("let"), pattern("%l+"), pattern("="), later(function() return expression end), pattern("in"),
      later(function() return expression end)),
    function(parts)
      local variable, value, body = parts[2], parts[4], parts[6]
      return function(env) return body(setmetatable({ [variable] = value(env) }, { __index = env })) end
    end)
  local atom = choice(number, group, binding, name)
  expression = chain(chain(atom, pattern("[*/]")), pattern("[-+]"))
  return expression
end

local function make_expression(depth)
  if depth == 0 then return math.random(3) == 1 and "x" or tostring(math.random(99)) end
  if math.random(7) == 1 then
    return "(let y = " .. make_expression(depth - 1) .. " in y * " .. make_expression(depth - 1) .. ")"
  end
  local operator = ({ "+", "-", "*", "/" })[math.random(4)]
  return "(" .. make_expression(depth - 1) .. " " .. operator .. " " .. make_expression(depth - 1) .. ")"
end

local sum, kept = 0, {}
for i = 1, expressions do
  local grammar = make_grammar()
  local source = make_expression(3 + i % 3)
  local compute = grammar(source, 1)
  kept[i % 500 + 1] = compute
  for x = 1, 3 do sum = (sum + math.floor(compute({ x = x, y = 0 }))) % 1000000007 end
end
print(string.format("checksum closures %d %d", sum, #kept))
