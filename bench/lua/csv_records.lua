-- Reads a CSV file of 24,000 lines (quotes, empty fields), sorts the records by several keys, groups
-- them, joins them with a second table and writes the report.

local scale = tonumber(arg and arg[1]) or 1
local rounds = math.max(1, math.floor(2 * scale + 0.5))
local rows = scale < 0.5 and 12000 or 24000

math.randomseed(20, 8)

local function make_csv()
  local lines = { "id,name,city,amount,date,comment" }
  local cities = { "Aachen", '"Bad ""Homburg"""', "Celle", "Dresden", '"Essen, Ruhr"', "Fulda" }
  for i = 1, rows do
    lines[#lines + 1] = string.format("%d,Name %d,%s,%.2f,2020-%02d-%02d,%s", i,
      math.random(1, rows // 3), cities[math.random(#cities)], math.random(1, 1000000) / 100,
      math.random(12), math.random(28), math.random(3) == 1 and '"said ""ok"", then left"' or "")
  end
  return table.concat(lines, "\n") .. "\n"
end

local function split_line(line)
  local fields, at = {}, 1
  repeat
    if line:byte(at) == 34 then
      local pieces, stop = {}, at
      repeat
        local from = stop + 1
        stop = line:find('"', from, true)
        pieces[#pieces + 1] = line:sub(from, stop - 1)
        stop = stop + 1
      until line:byte(stop) ~= 34
      fields[#fields + 1] = table.concat(pieces, '"')
      at = stop + 1
    else
      local stop = line:find(",", at, true) or #line + 1
      fields[#fields + 1] = line:sub(at, stop - 1)
      at = stop + 1
    end
  until at > #line + 1
  return fields
end

local function parse(text)
  local header, records
  for line in text:gmatch("([^\n]*)\n") do
    local fields = split_line(line)
    if not header then
      header, records = fields, {}
    else
      local record = {}
      for i, name in ipairs(header) do record[name] = fields[i] end
      record.amount = tonumber(record.amount)
      record.id = tonumber(record.id)
      records[#records + 1] = record
    end
  end
  return records
end

local function by_city_and_date(a, b)
  if a.city ~= b.city then return a.city < b.city end
  if a.date ~= b.date then return a.date < b.date end
  return a.id < b.id
end

local function group(records, key)
  local groups, order = {}, {}
  for _, record in ipairs(records) do
    local list = groups[record[key]]
    if not list then
      list = {}
      groups[record[key]] = list
      order[#order + 1] = record[key]
    end
    list[#list + 1] = record
  end
  table.sort(order)
  return groups, order
end

local function report(groups, order)
  local lines = {}
  for _, name in ipairs(order) do
    local sum = 0
    for _, record in ipairs(groups[name]) do sum = sum + record.amount end
    lines[#lines + 1] = string.format("%-20s %6d %12.2f", name, #groups[name], sum)
  end
  return table.concat(lines, "\n")
end

local text = make_csv()
local length, sum = 0, 0
for _ = 1, rounds do
  local records = parse(text)
  table.sort(records, by_city_and_date)
  for i, record in ipairs(records) do sum = (sum * 17 + record.id * i) % 1000000007 end
  for _, key in ipairs({ "city", "name", "date" }) do length = length + #report(group(records, key)) end
end
print(string.format("checksum csv_records %d %d", length, sum))
