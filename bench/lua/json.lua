-- Decodes and encodes JSON: documents of a web service (orders with customers, lines, tags and
-- escapes), about 0.8 MiB of text, turned into tables, changed, and written again.

local scale = tonumber(arg and arg[1]) or 1
local rounds = math.max(1, math.floor(4 * scale + 0.5))
local orders = 1200

math.randomseed(20, 1)

local function make_order(id)
  local lines = {}
  for i = 1, math.random(1, 8) do
    lines[i] = {
      sku = string.format("SKU-%05d", math.random(1, 40000)),
      quantity = math.random(1, 12),
      price = math.random(100, 99999) / 100,
      options = { gift = math.random(2) == 1, note = "left at the \"back\" door\n№ " .. i },
    }
  end
  return {
    id = id,
    customer = { name = "Customer " .. math.random(1, 5000), email = "c" .. id .. "@example.org" },
    lines = lines,
    tags = { "new", "web", "country-" .. math.random(1, 30) },
    paid = math.random(2) == 1,
  }
end

-- Encoder: keys in sorted order, so that the text is the same in every run.

local escapes = { ['"'] = '\\"', ["\\"] = "\\\\", ["\n"] = "\\n", ["\r"] = "\\r", ["\t"] = "\\t" }

local function encode_string(text)
  return '"' .. text:gsub('[%c"\\]', function(c)
    return escapes[c] or string.format("\\u%04x", c:byte())
  end) .. '"'
end

local encode

local function encode_object(object, out)
  local keys = {}
  for key in pairs(object) do keys[#keys + 1] = key end
  table.sort(keys)
  out[#out + 1] = "{"
  for i, key in ipairs(keys) do
    if i > 1 then out[#out + 1] = "," end
    out[#out + 1] = encode_string(key)
    out[#out + 1] = ":"
    encode(object[key], out)
  end
  out[#out + 1] = "}"
end

local function encode_array(array, out)
  out[#out + 1] = "["
  for i = 1, #array do
    if i > 1 then out[#out + 1] = "," end
    encode(array[i], out)
  end
  out[#out + 1] = "]"
end

function encode(value, out)
  local kind = type(value)
  if kind == "string" then
    out[#out + 1] = encode_string(value)
  elseif kind == "table" then
    if #value > 0 then encode_array(value, out) else encode_object(value, out) end
  elseif math.type(value) == "float" then
    out[#out + 1] = string.format("%.14g", value)
  else
    out[#out + 1] = tostring(value)
  end
end

-- Decoder: recursive descent over string patterns.

local unescapes = { n = "\n", r = "\r", t = "\t", b = "\b", f = "\f" }
local decode_value

local function skip_space(text, at) return text:find("[^ \t\r\n]", at) end

local function decode_string(text, at)
  local pieces, from = nil, at + 1
  while true do
    local stop = text:find('["\\]', from)
    if text:byte(stop) == 34 then
      local last = text:sub(from, stop - 1)
      if not pieces then return last, stop + 1 end
      pieces[#pieces + 1] = last
      return table.concat(pieces), stop + 1
    end
    pieces = pieces or {}
    pieces[#pieces + 1] = text:sub(from, stop - 1)
    local letter = text:sub(stop + 1, stop + 1)
    if letter == "u" then
      pieces[#pieces + 1] = utf8.char(tonumber(text:sub(stop + 2, stop + 5), 16))
      from = stop + 6
    else
      pieces[#pieces + 1] = unescapes[letter] or letter
      from = stop + 2
    end
  end
end

local function decode_array(text, at)
  local array, count = {}, 0
  at = skip_space(text, at + 1)
  if text:byte(at) == 93 then return array, at + 1 end
  while true do
    count = count + 1
    array[count], at = decode_value(text, at)
    at = skip_space(text, at)
    if text:byte(at) == 93 then return array, at + 1 end
    at = skip_space(text, at + 1)
  end
end

local function decode_object(text, at)
  local object, key = {}, nil
  at = skip_space(text, at + 1)
  if text:byte(at) == 125 then return object, at + 1 end
  while true do
    key, at = decode_string(text, at)
    at = skip_space(text, at)
    object[key], at = decode_value(text, skip_space(text, at + 1))
    at = skip_space(text, at)
    if text:byte(at) == 125 then return object, at + 1 end
    at = skip_space(text, at + 1)
  end
end

local words = { t = { true, 4 }, f = { false, 5 }, n = { nil, 4 } }

function decode_value(text, at)
  local first = text:sub(at, at)
  if first == "{" then return decode_object(text, at) end
  if first == "[" then return decode_array(text, at) end
  if first == '"' then return decode_string(text, at) end
  local word = words[first]
  if word then return word[1], at + word[2] end
  local number = text:match("^-?%d+%.?%d*[eE]?[+-]?%d*", at)
  return tonumber(number), at + #number
end

local documents = {}
for i = 1, orders do
  local out = {}
  encode(make_order(i), out)
  documents[i] = table.concat(out)
end

local bytes, total = 0, 0
for round = 1, rounds do
  local decoded = {}
  for i = 1, orders do decoded[i] = decode_value(documents[i], 1) end
  for i = 1, orders do
    local order = decoded[i]
    for _, line in ipairs(order.lines) do total = total + line.quantity * line.price end
    order.round = round
    local out = {}
    encode(order, out)
    bytes = bytes + #table.concat(out)
  end
end
print(string.format("checksum json %d %.2f", bytes, total))
