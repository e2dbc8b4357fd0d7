// What makes `nerve submit --help` quick (bench/start.ts): an esbuild plugin that leaves out or lightens packages of oclif whose cost
// nobody of ours needs. Whatever a light one does not know goes to the real package, so answers are the same (test/integration/light-start.test.ts).

import { readFile } from 'node:fs/promises';
import { builtinModules } from 'node:module';
import type { Plugin } from 'esbuild';

/** Only looked at to find other people's plugins, or to check the Node that bin/nerve has checked. */
const LEFT_OUT: Readonly<Record<string, string>> = {
  tinyglobby: 'exports.glob = () => { throw new Error("nerve has an explicit table of commands"); };',
  minimatch: 'exports.minimatch = () => false;',
  semver: 'exports.satisfies = () => true;',
};

/**
 * ejs compiles a function for each piece of text; all but a few are plain, and those name one value: `<%= config.bin %>`.
 * wsl-utils loads child_process to answer whether this is WSL. string-width runs the regular expression of every emoji over each word and character; printable ASCII is as wide as it is long.
 */
const LIGHT: Readonly<Record<string, string>> = {
  ejs: `
    const VALUE = /<%= *([a-zA-Z.]+) *%>/g;
    exports.render = (text, data, options) => {
      if (!text.includes('<%')) return text;
      const filled = text.replace(VALUE, (whole, path) => {
        const value = path.split('.').reduce((at, key) => at?.[key], data);
        return typeof value === 'string' && !/[&<>"']/.test(value) ? value : whole;
      });
      return filled.includes('<%') ? require('ejs').render(text, data, options) : filled;
    };`,
  'wsl-utils': `
    exports.isWsl = process.platform === 'linux' && /microsoft/i.test(process.getBuiltinModule('node:os').release());
    exports.powerShellPath = () => import('wsl-utils').then((whole) => whole.powerShellPath());`,
  'string-width': `
    const PLAIN = /^[ -~]*$/;
    module.exports = (text) => (typeof text === 'string' && PLAIN.test(text) ? text.length : require('string-width')(text));`,
};

/** Loaded by oclif for what a command may do, and hardly ever does. Loaded at the first use. */
const LATE: ReadonlySet<string> = new Set([
  'node:util',
  'util',
  'node:child_process',
  'node:readline',
  'node:perf_hooks',
  'node:fs/promises',
  'fs/promises',
]);

const real = (name: string): string => `process.getBuiltinModule(${JSON.stringify(name)})`;

function late(name: string): string {
  const getters = Object.keys(process.getBuiltinModule(name) ?? {}).map((key) => `get ${key}() { return ${real(name)}.${key}; }`);
  return `module.exports = { ${getters.join(', ')} };`;
}

export const lightStart: Plugin = {
  name: 'light-start',
  setup(build) {
    const names = [...Object.keys(LEFT_OUT), ...Object.keys(LIGHT)];
    build.onResolve({ filter: new RegExp(`^(${names.join('|')})$`) }, ({ path, importer, namespace, resolveDir }) => {
      // Those of oclif and of its wrap-ansi; an ES module of the same name (log-update has one) is another version.
      const ofOclif = /[\\/](@oclif[\\/]core|wrap-ansi|widest-line)[\\/]/.test(importer);
      return namespace === 'light' || !ofOclif ? undefined : { path, namespace: 'light', pluginData: resolveDir };
    });
    // Names of commands and flags are ASCII; the first localeCompare wakes ICU's collator, 9 ms.
    build.onLoad({ filter: /[\\/]@oclif[\\/]core[\\/]lib[\\/](config|help)[\\/].*\.js$/ }, async ({ path }) => ({
      contents: (await readFile(path, 'utf8')).replace(/([\w.]+)\.localeCompare\(([\w.]+)\)/g, '($1 < $2 ? -1 : $1 > $2 ? 1 : 0)'),
    }));
    // `import ... from 'node:util'` makes Node read every export of it, and so start what it would only start on use (a text decoder,
    // streams, readline): 15 ms in all. Taken as an object they stay asleep.
    build.onResolve({ filter: /./ }, ({ path, kind }) => {
      const builtin = path.startsWith('node:') || builtinModules.includes(path);
      return builtin && (kind === 'import-statement' || kind === 'require-call') ? { path, namespace: 'builtin' } : undefined;
    });
    build.onLoad({ filter: /./, namespace: 'builtin' }, ({ path }) => ({
      contents: LATE.has(path) ? late(path) : `module.exports = ${real(path)};`,
    }));
    build.onLoad({ filter: /./, namespace: 'light' }, ({ path, pluginData }) => ({
      contents: LEFT_OUT[path] ?? LIGHT[path] ?? '',
      resolveDir: String(pluginData),
    }));
  },
};
