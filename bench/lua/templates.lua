-- A template engine: templates are turned into Lua source, compiled with load, and rendered over
-- data: pages of a shop with loops, conditions, escapes and partial templates.

local scale = tonumber(arg and arg[1]) or 1
local pages = math.floor(2000 * scale)

math.randomseed(20, 11)

local layout = [[
<html><head><title>{{ title }}</title></head>
<body>
<% for _, section in ipairs(sections) do %>
  <section id="{{ section.id }}">
  <h2>{{ section.name }} ({{ #section.products }})</h2>
  <% for i, product in ipairs(section.products) do %>
    <% if product.stock > 0 then %>
      {{! render("product", { product = product, position = i, currency = currency }) }}
    <% else %>
      <p class="gone">{{ product.name }} is sold out</p>
    <% end %>
  <% end %>
  </section>
<% end %>
</body></html>
]]

local product_template = [[
<div class="product" data-id="{{ product.id }}">
  <b>{{ position }}. {{ product.name }}</b> <i>{{ product.maker }}</i>
  <span>{{ string.format("%.2f", product.price) }} {{ currency }}</span>
  <ul><% for _, tag in ipairs(product.tags) do %><li>{{ tag }}</li><% end %></ul>
</div>
]]

local entities = { ["<"] = "&lt;", [">"] = "&gt;", ["&"] = "&amp;", ['"'] = "&quot;" }

local function escape(value) return (tostring(value):gsub('[<>&"]', entities)) end

local function compile(template, name)
  local code, at = { "local _ENV, escape, out = ...\n" }, 1
  local function add_text(text)
    if text ~= "" then code[#code + 1] = string.format("out[#out + 1] = %q\n", text) end
  end
  while true do
    local from, to, opening = template:find("([{<][{%%])", at)
    if not from then break end
    add_text(template:sub(at, from - 1))
    local closing = opening == "{{" and "}}" or "%>"
    local stop = template:find(closing, to + 1, true)
    local body = template:sub(to + 1, stop - 1)
    if opening == "<%" then
      code[#code + 1] = body .. "\n"
    elseif body:sub(1, 1) == "!" then
      code[#code + 1] = "out[#out + 1] = " .. body:sub(2) .. "\n"
    else
      code[#code + 1] = "out[#out + 1] = escape(" .. body .. ")\n"
    end
    at = stop + 2
  end
  add_text(template:sub(at))
  return assert(load(table.concat(code), "=" .. name, "t", {}))
end

local function make_engine(sources)
  local compiled = {}
  local function render(name, values)
    local template = compiled[name]
    if not template then
      template = compile(sources[name], name)
      compiled[name] = template
    end
    local scope = setmetatable({ render = render, ipairs = ipairs, string = string }, { __index = values })
    local out = {}
    template(scope, escape, out)
    return table.concat(out)
  end
  return render
end

local function make_shop()
  local sections = {}
  for i = 1, math.random(3, 6) do
    local products = {}
    for j = 1, math.random(5, 16) do
      products[j] = { id = i * 100 + j, name = "Thing <" .. math.random(1000) .. ">", maker = "Fa & Sons",
        price = math.random(100, 9999) / 100, stock = math.random(0, 5), tags = { "new", "blue", "\"best\"" } }
    end
    sections[i] = { id = "s" .. i, name = "Section " .. i, products = products }
  end
  return { title = "Shop & more", currency = "EUR", sections = sections }
end

local bytes, render = 0, nil
for page = 1, pages do
  if page % 25 == 1 then render = make_engine({ layout = layout, product = product_template }) end
  bytes = bytes + #render("layout", make_shop())
end
print(string.format("checksum templates %d", bytes))
