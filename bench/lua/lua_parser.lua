-- Reads Lua in Lua: a tokenizer and a recursive-descent parser turn about 2,700 lines of generated
-- source into a syntax tree, a pass folds constants, and a printer writes the tree back.

local scale = tonumber(arg and arg[1]) or 1
local rounds = math.max(1, math.floor(5 * scale + 0.5))

math.randomseed(20, 10)

local function make_source(functions)
  local out = {}
  local function add(...) out[#out + 1] = string.format(...) end
  for i = 1, functions do
    add("local function handler_%d(request, limit)", i)
    add("  local total, name = %d + %d * 2, \"handler %d\" -- counts", math.random(99), math.random(9), i)
    add("  local options = { size = %d, [\"key %d\"] = true, 1, 2, \"three\" }", math.random(500), i)
    add("  for index = 1, limit, %d do", math.random(3))
    add("    if request.items[index] ~= nil and request.items[index].count > %d then", math.random(50))
    add("      total = total + request.items[index].count * (options.size - %d)", math.random(20))
    add("    elseif not request.closed or limit == %d then", math.random(100))
    add("      request:close(name .. \": \" .. index, { code = %d })", math.random(200, 500))
    add("    else")
    add("      return nil, \"bad item\"")
    add("    end")
    add("  end")
    add("  while total >= %d do total = total - (3 + 4 * 2) end", math.random(1000))
    add("  return function(extra) return total + extra end, options")
    add("end")
  end
  return table.concat(out, "\n") .. "\n"
end

-- Tokenizer.

local keywords = {}
for word in ("and do else elseif end false for function if local nil not or return then true while")
  :gmatch("%l+") do
  keywords[word] = true
end

local matchers = {
  { "^[%a_][%w_]*", "name" }, { "^%d+%.?%d*", "number" }, { '^"[^"]*"', "string" },
  { "^[=~<>]=", "symbol" }, { "^%.%.", "symbol" }, { "^[%+%-%*/%%%(%)%[%]{}=<>,;:%.#]", "symbol" },
}

local function tokenize(source)
  local list, at, line = {}, 1, 1
  while true do
    local from, to = source:find("^%s+", at)
    if from then
      for _ in source:sub(from, to):gmatch("\n") do line = line + 1 end
      at = to + 1
    elseif source:find("^%-%-", at) then
      at = source:find("\n", at, true)
    elseif at > #source then
      list[#list + 1] = { kind = "end of file", text = "", line = line }
      return list
    else
      for _, matcher in ipairs(matchers) do
        from, to = source:find(matcher[1], at)
        if from then
          local text = source:sub(from, to)
          list[#list + 1] = { kind = keywords[text] and "keyword" or matcher[2], text = text, line = line }
          break
        end
      end
      if not from then error("line " .. line .. ": unexpected " .. source:sub(at, at)) end
      at = to + 1
    end
  end
end

-- Parser.

local Parser = {}
Parser.__index = Parser

function Parser:is(text)
  local token = self.tokens[self.at]
  return token.text == text and token.kind ~= "string"
end

function Parser:accept(text)
  if self:is(text) then
    self.at = self.at + 1
    return true
  end
end

function Parser:expect(text)
  if not self:accept(text) then
    local token = self.tokens[self.at]
    error(string.format("line %d: '%s' expected near '%s'", token.line, text, token.text))
  end
end

function Parser:take()
  local token = self.tokens[self.at]
  self.at = self.at + 1
  return token.text
end

function Parser:list_of(method)
  local list = {}
  repeat list[#list + 1] = self[method](self) until not self:accept(",")
  return list
end

local precedence = { ["or"] = 1, ["and"] = 2, ["<"] = 3, [">"] = 3, ["<="] = 3, [">="] = 3, ["~="] = 3,
  ["=="] = 3, [".."] = 4, ["+"] = 5, ["-"] = 5, ["*"] = 6, ["/"] = 6, ["%"] = 6 }

function Parser:expression(limit)
  limit = limit or 0
  local left
  if self:is("not") or self:is("-") or self:is("#") then
    left = { kind = "unary", operator = self:take(), operand = self:expression(7) }
  else
    left = self:simple()
  end
  while true do
    local level = precedence[self.tokens[self.at].text]
    if not level or level <= limit or self.tokens[self.at].kind == "string" then return left end
    left = { kind = "binary", operator = self:take(), left = left, right = self:expression(level) }
  end
end

function Parser:simple()
  local token = self.tokens[self.at]
  if token.kind == "number" then return { kind = "number", value = tonumber(self:take()) } end
  if token.kind == "string" then return { kind = "string", text = self:take() } end
  if self:is("nil") or self:is("true") or self:is("false") then return { kind = "word", text = self:take() } end
  if self:accept("function") then return self:body() end
  if self:is("{") then return self:constructor() end
  return self:suffixed()
end

function Parser:constructor()
  local node = { kind = "table", fields = {} }
  self:expect("{")
  while not self:accept("}") do
    local field = { kind = "field" }
    if self:accept("[") then
      field.key = self:expression()
      self:expect("]")
      self:expect("=")
    elseif self.tokens[self.at + 1].text == "=" then
      field.key = { kind = "name", text = self:take() }
      self:expect("=")
    end
    field.value = self:expression()
    node.fields[#node.fields + 1] = field
    self:accept(",")
  end
  return node
end

function Parser:arguments()
  local list = {}
  self:expect("(")
  if not self:is(")") then list = self:list_of("expression") end
  self:expect(")")
  return list
end

function Parser:suffixed()
  local node
  if self:accept("(") then
    node = { kind = "group", inner = self:expression() }
    self:expect(")")
  else
    node = { kind = "name", text = self:take() }
  end
  while true do
    if self:accept(".") then
      node = { kind = "member", object = node, name = self:take() }
    elseif self:accept("[") then
      node = { kind = "index", object = node, key = self:expression() }
      self:expect("]")
    elseif self:accept(":") then
      node = { kind = "call", object = node, method = self:take(), arguments = self:arguments() }
    elseif self:is("(") then
      node = { kind = "call", object = node, arguments = self:arguments() }
    else
      return node
    end
  end
end

function Parser:body()
  local node = { kind = "function" }
  node.parameters = self:arguments()
  node.block = self:block()
  self:expect("end")
  return node
end

function Parser:block()
  local list = {}
  while not (self:is("end") or self:is("else") or self:is("elseif") or self:is("")) do
    list[#list + 1] = self:statement()
  end
  return list
end

function Parser:condition()
  local node = { kind = "if", test = self:expression() }
  self:expect("then")
  node.block = self:block()
  if self:accept("elseif") then
    node.otherwise = { self:condition() }
  else
    if self:accept("else") then node.otherwise = self:block() end
    self:expect("end")
  end
  return node
end

function Parser:statement()
  if self:accept("local") then
    if self:accept("function") then
      return { kind = "local function", name = self:take(), body = self:body() }
    end
    local node = { kind = "local", names = self:list_of("take") }
    if self:accept("=") then node.values = self:list_of("expression") end
    return node
  elseif self:accept("if") then
    return self:condition()
  elseif self:accept("while") then
    local node = { kind = "while", test = self:expression() }
    self:expect("do")
    node.block = self:block()
    self:expect("end")
    return node
  elseif self:accept("for") then
    local node = { kind = "for", name = self:take() }
    self:expect("=")
    node.range = self:list_of("expression")
    self:expect("do")
    node.block = self:block()
    self:expect("end")
    return node
  elseif self:accept("return") then
    return { kind = "return", values = self:list_of("expression") }
  end
  local target = self:suffixed()
  if target.kind == "call" then return { kind = "expression", value = target } end
  self:expect("=")
  return { kind = "assign", target = target, value = self:expression() }
end

-- Constant folding: a new tree.

local operators = {
  ["+"] = function(a, b) return a + b end, ["-"] = function(a, b) return a - b end,
  ["*"] = function(a, b) return a * b end,
}

local function fold(node)
  if type(node) ~= "table" then return node end
  local copy = {}
  for key, value in pairs(node) do copy[key] = fold(value) end
  if copy.kind == "group" and copy.inner.kind == "number" then return copy.inner end
  local operator = copy.kind == "binary" and operators[copy.operator]
  if operator and copy.left.kind == "number" and copy.right.kind == "number" then
    return { kind = "number", value = operator(copy.left.value, copy.right.value) }
  end
  return copy
end

-- Printer.

local write

local function write_list(list, separator)
  local out = {}
  for i, node in ipairs(list) do out[i] = write(node) end
  return table.concat(out, separator)
end

local writers = {
  number = function(n) return tostring(n.value) end,
  string = function(n) return n.text end,
  word = function(n) return n.text end,
  name = function(n) return n.text end,
  group = function(n) return "(" .. write(n.inner) .. ")" end,
  unary = function(n) return n.operator .. " " .. write(n.operand) end,
  binary = function(n) return write(n.left) .. " " .. n.operator .. " " .. write(n.right) end,
  table = function(n) return "{" .. write_list(n.fields, ", ") .. "}" end,
  field = function(n) return (n.key and "[" .. write(n.key) .. "] = " or "") .. write(n.value) end,
  member = function(n) return write(n.object) .. "." .. n.name end,
  index = function(n) return write(n.object) .. "[" .. write(n.key) .. "]" end,
  call = function(n)
    return write(n.object) .. (n.method and ":" .. n.method or "") .. "(" .. write_list(n.arguments, ", ") .. ")"
  end,
  ["function"] = function(n)
    return "function(" .. write_list(n.parameters, ", ") .. ") " .. write_list(n.block, " ") .. " end"
  end,
  ["local function"] = function(n) return "local " .. n.name .. " = " .. write(n.body) end,
  ["local"] = function(n)
    return "local " .. table.concat(n.names, ", ") .. (n.values and " = " .. write_list(n.values, ", ") or "")
  end,
  ["if"] = function(n)
    return "if " .. write(n.test) .. " then " .. write_list(n.block, " ")
      .. (n.otherwise and " else " .. write_list(n.otherwise, " ") or "") .. " end"
  end,
  ["while"] = function(n) return "while " .. write(n.test) .. " do " .. write_list(n.block, " ") .. " end" end,
  ["for"] = function(n)
    return "for " .. n.name .. " = " .. write_list(n.range, ", ") .. " do " .. write_list(n.block, " ") .. " end"
  end,
  ["return"] = function(n) return "return " .. write_list(n.values, ", ") end,
  expression = function(n) return write(n.value) end,
  assign = function(n) return write(n.target) .. " = " .. write(n.value) end,
}

function write(node) return writers[node.kind](node) end

local sum = 0
for _ = 1, rounds do
  local source = make_source(180)
  local parser = setmetatable({ tokens = tokenize(source), at = 1 }, Parser)
  local text = write_list(fold(parser:block()), "\n")
  assert(load(text:gsub("\nreturn.*$", "")))
  sum = sum + #parser.tokens + #text
end
print(string.format("checksum lua_parser %d", sum))
