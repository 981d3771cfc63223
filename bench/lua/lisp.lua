-- A Lisp in Lua: reads programs into cons cells, evaluates them with environments that are tables
-- and closures: lists mapped, filtered, sorted and folded, a symbolic derivative, eight queens.

local scale = tonumber(arg and arg[1]) or 1
local rounds = math.max(1, math.floor(4 * scale + 0.5))

local program = [[
(define (map f l) (if (null? l) l (cons (f (car l)) (map f (cdr l)))))
(define (filter p l) (cond ((null? l) l) ((p (car l)) (cons (car l) (filter p (cdr l))))
                           (else (filter p (cdr l)))))
(define (fold f a l) (if (null? l) a (fold f (f a (car l)) (cdr l))))
(define (range a b) (if (> a b) '() (cons a (range (+ a 1) b))))
(define (append a b) (if (null? a) b (cons (car a) (append (cdr a) b))))
(define (scramble n x) (if (= n 0) '() (cons x (scramble (- n 1) (mod (+ (* x 1103) 12345) 65521)))))
(define (sort l)
  (if (null? l) l
    (let ((pivot (car l)) (rest (cdr l)))
      (append (sort (filter (lambda (x) (< x pivot)) rest))
              (cons pivot (sort (filter (lambda (x) (not (< x pivot))) rest)))))))
(define (derive e)
  (cond ((number? e) 0)
        ((symbol? e) (if (eq? e 'x) 1 0))
        ((eq? (car e) '+) (list '+ (derive (cadr e)) (derive (caddr e))))
        (else (list '+ (list '* (cadr e) (derive (caddr e))) (list '* (derive (cadr e)) (caddr e))))))
(define (power n) (if (= n 0) 1 (list '* 'x (power (- n 1)))))
(define (count e) (if (pair? e) (+ (count (car e)) (count (cdr e))) 1))
(define (safe? row distance placed)
  (cond ((null? placed) #t)
        ((= (car placed) row) #f)
        ((= (car placed) (+ row distance)) #f)
        ((= (car placed) (- row distance)) #f)
        (else (safe? row (+ distance 1) (cdr placed)))))
(define (queens n placed column)
  (if (> column n) 1
    (fold (lambda (sum row)
            (if (safe? row 1 placed) (+ sum (queens n (cons row placed) (+ column 1))) sum))
          0 (range 1 n))))
(+ (fold + 0 (sort (scramble 300 17)))
   (+ (count (derive (derive (power 28))))
      (+ (queens 6 '() 1) (fold + 0 (map (lambda (x) (* x x)) (range 1 400))))))
]]

local empty = setmetatable({}, { __name = "empty list" })
local symbols = {}

local function symbol(name)
  local found = symbols[name]
  if not found then
    found = { symbol = name }
    symbols[name] = found
  end
  return found
end

local function cons(head, tail) return { head, tail } end

local function list_of(items, last)
  local list = empty
  for i = last, 1, -1 do list = cons(items[i], list) end
  return list
end

-- Reader.

local function tokens(text) return text:gsub("[()']", " %0 "):gmatch("%S+") end

local read

local function read_list(next_token)
  local items, count = {}, 0
  for token in next_token do
    if token == ")" then return list_of(items, count) end
    count = count + 1
    items[count] = read(token, next_token)
  end
end

function read(token, next_token)
  if token == "(" then return read_list(next_token) end
  if token == "'" then return list_of({ symbol("quote"), read(next_token(), next_token) }, 2) end
  if token == "#t" then return true end
  if token == "#f" then return false end
  return tonumber(token) or symbol(token)
end

-- Evaluator.

local eval

local function bind(names, values, outer)
  local scope = setmetatable({}, { __index = outer })
  local i = 0
  while names ~= empty do
    i = i + 1
    scope[names[1]] = values[i]
    names = names[2]
  end
  return scope
end

local function eval_all(forms, scope)
  local value
  while forms ~= empty do
    value = eval(forms[1], scope)
    forms = forms[2]
  end
  return value
end

local function closure(names, body, scope)
  return function(...) return eval_all(body, bind(names, { ... }, scope)) end
end

local special = {
  [symbol("quote")] = function(form) return form[1] end,
  [symbol("if")] = function(form, scope)
    if eval(form[1], scope) then return eval(form[2][1], scope) end
    return eval(form[2][2][1], scope)
  end,
  [symbol("cond")] = function(form, scope)
    while form ~= empty do
      local clause = form[1]
      if clause[1] == symbol("else") or eval(clause[1], scope) then return eval_all(clause[2], scope) end
      form = form[2]
    end
  end,
  [symbol("define")] = function(form, scope)
    local header = form[1]
    scope[header[1]] = closure(header[2], form[2], scope)
  end,
  [symbol("lambda")] = function(form, scope) return closure(form[1], form[2], scope) end,
  [symbol("let")] = function(form, scope)
    local inner, bindings = setmetatable({}, { __index = scope }), form[1]
    while bindings ~= empty do
      inner[bindings[1][1]] = eval(bindings[1][2][1], scope)
      bindings = bindings[2]
    end
    return eval_all(form[2], inner)
  end,
}

function eval(form, scope)
  if type(form) ~= "table" then return form end
  if form.symbol then return scope[form] end
  local form_of = special[form[1]]
  if form_of then return form_of(form[2], scope) end
  local apply, arguments, count = eval(form[1], scope), {}, 0
  local rest = form[2]
  while rest ~= empty do
    count = count + 1
    arguments[count] = eval(rest[1], scope)
    rest = rest[2]
  end
  return apply(table.unpack(arguments, 1, count))
end

local function is_pair(value) return type(value) == "table" and not value.symbol and value ~= empty end

local builtins = {
  ["+"] = function(a, b) return a + b end, ["-"] = function(a, b) return a - b end,
  ["*"] = function(a, b) return a * b end, mod = function(a, b) return a % b end,
  ["<"] = function(a, b) return a < b end, [">"] = function(a, b) return a > b end,
  ["="] = function(a, b) return a == b end, ["eq?"] = function(a, b) return a == b end,
  ["not"] = function(a) return not a end, ["null?"] = function(a) return a == empty end,
  ["number?"] = function(a) return type(a) == "number" end,
  ["symbol?"] = function(a) return type(a) == "table" and a.symbol ~= nil end,
  ["pair?"] = is_pair, cons = cons,
  car = function(a) return a[1] end, cdr = function(a) return a[2] end,
  cadr = function(a) return a[2][1] end, caddr = function(a) return a[2][2][1] end,
  list = function(...) return list_of({ ... }, select("#", ...)) end,
}

local total = 0
for _ = 1, rounds do
  local scope = {}
  for name, builtin in pairs(builtins) do scope[symbol(name)] = builtin end
  local next_token, value = tokens(program), nil
  for token in next_token do value = eval(read(token, next_token), scope) end
  total = total + value
end
print(string.format("checksum lisp %d", total))
