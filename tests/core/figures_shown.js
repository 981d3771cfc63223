// Runs the scripts of a heap map, which comes on standard input, in a browser of stand-ins, and prints what some elements
// then hold: a line of text for each piece. For figures_text_test.py.
'use strict';
const html = require('fs').readFileSync(0, 'utf8');
const [data, script] = [...html.matchAll(/<script[^>]*>([^]*?)<\/script>/g)].map(match => match[1]);

// Is called, made, gone through and asked for any part, and is nothing.
const anything = new Proxy(function () {}, {
  get: (_, key) => key === Symbol.toPrimitive ? () => 0 : key === Symbol.iterator ? function* () {} : anything,
  set: () => true,
  apply: () => anything,
  construct: () => anything,
});
const elements = {data: {textContent: data}};
const element = id => elements[id] ||= new Proxy({}, {get: (own, key) => key in own ? own[key] : anything});
const document = new Proxy({}, {get: (_, key) => key === 'getElementById' ? element : anything});
const browser = new Proxy({document}, {
  has: (_, key) => key === 'document' || !(key in globalThis),
  get: (own, key) => key === Symbol.unscopables ? undefined : own[key] || anything,
});
new Function('browser', `with (browser) { ${script} }`)(browser);
for (const id of process.argv.slice(2)) {
  console.log(elements[id].innerHTML.replace(/<[^>]*>/g, '\n').replace(/\n+/g, '\n').trim());
}
