-- Turns structured text into a tree and the tree into HTML: headings, nested lists, emphasis, links
-- and code, about 6 MiB of input; strings of every length are cut, joined and replaced.

local scale = tonumber(arg and arg[1]) or 1
local documents = math.floor(640 * scale)

math.randomseed(20, 14)

local phrases = { "the *quick* brown fox", "a `code()` sample", "see [the manual](https://example.org/m?a=1&b=2)",
  "plain words that go on for a while", "**bold** and <angle> & ampersand", "numbers 1, 2 and 3" }

local function sentence()
  local parts = {}
  for i = 1, math.random(1, 5) do parts[i] = phrases[math.random(#phrases)] end
  return table.concat(parts, ", ") .. "."
end

local function make_document()
  local lines = {}
  for chapter = 1, 10 do
    lines[#lines + 1] = "# Chapter " .. chapter
    for _ = 1, math.random(2, 5) do lines[#lines + 1] = sentence() end
    lines[#lines + 1] = ""
    for item = 1, math.random(3, 9) do
      lines[#lines + 1] = string.rep("  ", item % 3) .. "- " .. sentence()
    end
    lines[#lines + 1] = "```"
    for line = 1, math.random(2, 6) do lines[#lines + 1] = "  if a < " .. line .. " then b() end" end
    lines[#lines + 1] = "```"
  end
  return table.concat(lines, "\n")
end

local entities = { ["<"] = "&lt;", [">"] = "&gt;", ["&"] = "&amp;" }

local function inline(text)
  text = text:gsub("[<>&]", entities)
  text = text:gsub("%*%*(.-)%*%*", "<b>%1</b>"):gsub("%*(.-)%*", "<em>%1</em>")
  text = text:gsub("`(.-)`", "<code>%1</code>")
  return (text:gsub("%[(.-)%]%((.-)%)", function(label, address)
    return '<a href="' .. address .. '">' .. label .. "</a>"
  end))
end

local function node(kind, text) return { kind = kind, text = text, children = {} } end

local function append(parent, child) parent.children[#parent.children + 1] = child end

local function parse(source)
  local root, code = node("body"), nil
  local lists, paragraph = {}, nil
  for line in (source .. "\n"):gmatch("([^\n]*)\n") do
    local marks, heading = line:match("^(#+) (.*)$")
    local indent, item = line:match("^( *)%- (.*)$")
    if line == "```" then
      if code then append(root, node("pre", table.concat(code, "\n"))) end
      code = not code and {} or nil
      lists, paragraph = {}, nil
    elseif code then
      code[#code + 1] = line
    elseif heading then
      append(root, node("h" .. #marks, heading))
      lists, paragraph = {}, nil
    elseif item then
      local level = #indent // 2 + 1
      for depth = 1, level do
        if not lists[depth] then
          lists[depth] = node("ul")
          append(depth == 1 and root or lists[depth - 1], lists[depth])
        end
      end
      for depth = level + 1, #lists do lists[depth] = nil end
      append(lists[level], node("li", item))
      paragraph = nil
    elseif line == "" then
      lists, paragraph = {}, nil
    else
      if not paragraph then
        paragraph = node("p", "")
        append(root, paragraph)
      end
      paragraph.text = paragraph.text .. line .. "\n"
    end
  end
  return root
end

local function render(tree, out)
  out[#out + 1] = "<" .. tree.kind .. ">"
  if tree.text then out[#out + 1] = tree.kind == "pre" and tree.text:gsub("[<>&]", entities) or inline(tree.text) end
  for _, child in ipairs(tree.children) do render(child, out) end
  out[#out + 1] = "</" .. tree.kind .. ">"
end

local bytes, kept = 0, {}
for i = 1, documents do
  local out = {}
  render(parse(make_document()), out)
  local html = table.concat(out, "\n")
  bytes = bytes + #html
  kept[i % 20 + 1] = html
end
print(string.format("checksum markup %d %d", bytes, #kept))
