-- Counts the words of a text of about 1.5 MiB, sorts them, builds an index of the lines that hold
-- each of the rarer ones, and re-wraps the text: short strings by the million.

local scale = tonumber(arg and arg[1]) or 1
local rounds = math.max(1, math.floor(3 * scale + 0.5))

math.randomseed(20, 4)

local function make_vocabulary(size)
  local onsets = { "b", "br", "c", "d", "f", "g", "gr", "h", "l", "m", "n", "p", "s", "st", "t", "v" }
  local vowels = { "a", "e", "i", "o", "u", "ea", "ou" }
  local words = {}
  for i = 1, size do
    local syllables = {}
    for j = 1, math.random(1, 4) do
      syllables[j] = onsets[math.random(#onsets)] .. vowels[math.random(#vowels)]
    end
    words[i] = table.concat(syllables)
  end
  return words
end

local function make_text(vocabulary, lines)
  local out = {}
  for i = 1, lines do
    local line = {}
    for j = 1, math.random(4, 14) do
      line[j] = vocabulary[math.ceil(#vocabulary * math.random() ^ 4 + 1e-9)]
    end
    line[1] = line[1]:gsub("^%l", string.upper)
    out[i] = table.concat(line, " ") .. "."
  end
  return table.concat(out, "\n")
end

local function count_words(text)
  local counts, lines_of, number = {}, {}, 0
  for line in text:gmatch("[^\n]+") do
    number = number + 1
    for word in line:gmatch("%a+") do
      word = word:lower()
      local count = (counts[word] or 0) + 1
      counts[word] = count
      if count == 1 then lines_of[word] = {} end
      if count <= 20 then lines_of[word][count] = number end
    end
  end
  return counts, lines_of
end

local function ranked(counts)
  local list = {}
  for word, count in pairs(counts) do list[#list + 1] = { word = word, count = count } end
  table.sort(list, function(a, b)
    if a.count ~= b.count then return a.count > b.count end
    return a.word < b.word
  end)
  return list
end

local function wrap(text, width)
  local lines, line, length = {}, {}, 0
  for word in text:gmatch("%S+") do
    if length + #word + 1 > width then
      lines[#lines + 1] = table.concat(line, " ")
      line, length = {}, 0
    end
    line[#line + 1] = word
    length = length + #word + 1
  end
  lines[#lines + 1] = table.concat(line, " ")
  return table.concat(lines, "\n")
end

local text = make_text(make_vocabulary(9000), 22000)
local sum = 0
for round = 1, rounds do
  local counts, lines_of = count_words(text)
  local list = ranked(counts)
  for i, item in ipairs(list) do
    sum = (sum * 31 + item.count * i + #lines_of[item.word] + item.word:byte()) % 1000000007
  end
  sum = sum + #wrap(text, 60 + round)
end
print(string.format("checksum word_count %d %d", #text, sum))
