"use strict";
// In: {root, files, helpers, samples}, files being text by name. Out: {problems: [{file, line, message}], rendered}.
const { readFileSync, writeFileSync } = require("node:fs");
const { join } = require("node:path");

const { Visitor, create } = require(join(process.argv[2], "handlebars"));
const Handlebars = create();
console.log = console.error;
const { root, files, helpers, samples } = JSON.parse(readFileSync(0, "utf8"));

if (helpers !== null) {
  const given = require(helpers);
  if (typeof given === "function") given(Handlebars);
  else Handlebars.registerHelper(given.default ?? given);
}
const own = new Set(Object.keys(Handlebars.helpers));
const options = { strict: true, knownHelpersOnly: true, knownHelpers: Object.fromEntries([...own].map((n) => [n, true])) };
const problems = [];
const seen = new Set();

// Partials go by their place without the suffix, and by that within a folder named partials.
const names = {};
for (const name of Object.keys(files)) {
  const bare = name.replace(/\.\w+$/, "");
  names[bare] = name;
  const [, inside] = /(?:^|\/)partials\/(.+)$/.exec(bare) ?? [];
  if (inside !== undefined) names[inside] ??= name;
}

function blame(error, name) {
  const [parse, line] = /on line (\d+)/.exec(error.message) ?? [];
  const unknown = /but used the unknown helper (\S+)/.exec(error.message);
  const last = parse ? error.message.trim().split("\n").at(-1) : error.message.replace(/ - \d+:\d+$/, "");
  const message = unknown ? `there is no helper '${unknown[1]}'` : last;
  problems.push({ file: join(root, name), line: error.lineNumber ?? (line ? Number(line) : null), message });
}

class Partials extends Visitor {
  constructor() {
    super();
    this.used = [];
    this.made = new Set();
  }
  PartialStatement(partial) {
    if (partial.name.type === "PathExpression") this.used.push(partial);
    super.PartialStatement(partial);
  }
  DecoratorBlock(block) {
    if (block.path.original === "inline") this.made.add(block.params[0]?.value);
    super.DecoratorBlock(block);
  }
}

const inline = new Set();
const looked = Object.entries(files).map(([name, text]) => {
  try {
    const tree = Handlebars.parse(text);
    const found = new Partials();
    found.accept(tree);
    found.made.forEach((each) => inline.add(each));
    return { name, tree, used: found.used };
  } catch (error) {
    blame(error, name);
    return { name, used: [] };
  }
});

const compiled = {};
for (const { name, tree, used } of looked) {
  if (!tree) continue;
  try {
    Handlebars.precompile(tree, options);
    for (const { name: partial, loc } of used) {
      const known = names[partial.original] !== undefined || inline.has(partial.original);
      if (!known && partial.original !== "@partial-block")
        throw Object.assign(new Error(`there is no partial '${partial.original}'`), { lineNumber: loc.start.line });
    }
    const template = Handlebars.compile(files[name], options);
    compiled[name] = (...given) => {
      try {
        const text = template(...given);
        seen.add(name);
        return text;
      } catch (error) {
        error.template ??= name;
        throw error;
      }
    };
  } catch (error) {
    blame(error, name);
  }
}
for (const [partial, name] of Object.entries(names)) if (compiled[name]) Handlebars.registerPartial(partial, compiled[name]);

for (const [name, all] of Object.entries(samples)) {
  if (!compiled[name]) continue;
  try {
    for (const data of all) compiled[name](data);
  } catch (error) {
    const partial = /^The partial (\S+) could not be found$/.exec(error.message)?.[1];
    // a partial that does not parse was told already
    if (!(partial in names)) blame(error, error.template ?? name);
  }
}
writeFileSync(1, JSON.stringify({ problems, rendered: [...seen] }));
