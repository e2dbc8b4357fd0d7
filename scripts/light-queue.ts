// What makes the worker small (bench/soak): an esbuild plugin that leaves out what Nerve never asks of BullMQ (Postgres, cron) and the comments
// and indentation of its Lua scripts, a third of them. The whole source of a bundle stays in memory as long as its process lives.

import { readFile } from 'node:fs/promises';
import type { Plugin } from 'esbuild';

const OF_BULLMQ = /[\\/]bullmq[\\/]dist[\\/]/;

/** Lua without comments and indentation. Only comments that begin their line, which no text of these scripts does. */
export function lightLua(source: string): string {
  return source
    .replaceAll(/--\[\[[^\]]*(?:\](?!\])[^\]]*)*\]\]/g, '')
    .replaceAll(/^[ \t]*--.*$/gm, '')
    .replaceAll(/^[ \t]+/gm, '')
    .replaceAll(/\n{2,}/g, '\n');
}

export const lightQueue: Plugin = {
  name: 'light-queue',
  setup(build) {
    build.onResolve({ filter: /^(\.\/postgres|cron-parser)$/ }, ({ path, importer }) =>
      OF_BULLMQ.test(importer) ? { path, namespace: 'never-asked' } : undefined,
    );
    build.onLoad({ filter: /./, namespace: 'never-asked' }, ({ path }) => ({
      contents: path === 'cron-parser' ? 'export const CronExpressionParser = undefined;' : 'export {};',
    }));
    build.onLoad({ filter: /[\\/]bullmq[\\/]dist[\\/]\w+[\\/]scripts[\\/][\w-]+\.js$/ }, async ({ path }) => {
      const contents = await readFile(path, 'utf8');
      const [begin, end] = [contents.indexOf('`'), contents.lastIndexOf('`')];
      return { contents: begin < 0 ? contents : contents.slice(0, begin) + lightLua(contents.slice(begin, end)) + contents.slice(end) };
    });
  },
};
