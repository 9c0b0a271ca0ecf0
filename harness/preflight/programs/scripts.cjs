"use strict";
// In: [{text, kind, strict}], kind being module, commonjs or script. Out, for each: [{line, column, message}].
const { readFileSync } = require("node:fs");
const { join } = require("node:path");

const packages = process.argv[2];
const { Parser } = require(join(packages, "acorn"));
const jsx = require(join(packages, "acorn-jsx"));

// ECMA-262, 12.7.2: names in sloppy code alone.
const STRICT = new Set("implements interface let package private protected public static yield".split(" "));

// Every place where a word that strict mode reserves is used as a name, which the parser itself lets pass.
const watching = (found) => (Base) =>
  class extends Base {
    checkUnreserved(reference) {
      if (!this.strict && STRICT.has(reference.name)) found.set(reference.start, reference.name);
      return super.checkUnreserved(reference);
    }
  };

function place(text, at) {
  const before = text.slice(0, at).split("\n");
  return { line: before.length, column: before.at(-1).length + 1 };
}

function plain(text, { message, pos }) {
  const said = message.replace(/ \(\d+:\d+\)$/, "");
  const [, how, word] = /^(The|Unexpected) keyword '(\w+)'/.exec(said) ?? [];
  const named = how === "The" || /\b(?:const|let|var|function|class)\s+$/.test(text.slice(0, pos));
  if (word && named) return `'${word}' is a reserved word and can be no name here`;
  if (said !== "Unexpected token") return said;
  if (pos >= text.trimEnd().length) return "Unexpected end of the script";
  return `Unexpected token '${/^(?:\w+|.)/su.exec(text.slice(pos))[0]}'`;
}

function attempt(text, sourceType, kind) {
  const found = new Map();
  const options = { ecmaVersion: "latest", sourceType, allowReturnOutsideFunction: kind === "commonjs" };
  const plugins = kind === "script" ? [watching(found)] : [watching(found), jsx()];
  try {
    Parser.extend(...plugins).parse(text, options);
    return { found };
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    return { error };
  }
}

function problems({ text, kind, strict }) {
  let read = attempt(text, kind === "module" ? "module" : "script", kind);
  if (read.error && kind !== "module") {
    // As Node does: what is no script may be a module.
    const again = attempt(text, "module", kind);
    if (!again.error || again.error.pos > read.error.pos) read = again;
  }
  if (read.error) return [{ ...place(text, read.error.pos), message: plain(text, read.error) }];
  if (!strict) return [];
  return [...read.found].map(([at, name]) => ({
    ...place(text, at),
    message: `'${name}' is used as a name; strict mode, which every module and class is in, reserves it`,
  }));
}

process.stdout.write(JSON.stringify(JSON.parse(readFileSync(0, "utf8")).map(problems)));
